//! Flags of both programs: made of tables of settings for clap, and read through their settings.
//!
//! Not here: which flags and commands there are ([`super::server_grammar`], [`super::generator_grammar`]).

use std::ffi::OsString;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};
use slog::Level;

use super::parsers::{optional, socket_address};
use super::setting::{ConfigError, Definition, SWITCHED_ON, Setting, Texts};

/// The address for metrics of the generator and of the probe, which `healthcheck` asks.
pub(super) const METRICS_LISTEN: Setting<Option<SocketAddr>> =
    Setting::new("metrics-listen", "ADDRESS", |text| optional(text, socket_address)).arg(|arg| arg.global(true));

/// The least severe level that the generator and the probe log. cron mails what a job prints: a single run without a terminal prints
/// only why it failed.
pub(super) fn log_level(debug: bool, interval: Option<Duration>, on_terminal: bool) -> Level {
    match (debug, interval.is_some() || on_terminal) {
        (true, _) => Level::Debug,
        (false, true) => Level::Info,
        (false, false) => Level::Error,
    }
}

/// Reads arguments, the program's name first. A mistake is one line; a break is a text that they ask for, the help or the version.
pub(super) fn read(
    command: clap::Command,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<ControlFlow<String, ArgMatches>, ConfigError> {
    match command.try_get_matches_from(arguments) {
        Ok(matches) => Ok(ControlFlow::Continue(matches)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(ControlFlow::Break(error.to_string()))
        }
        Err(error) => {
            // The first of clap's paragraphs says what is wrong.
            let message = error.to_string();
            let lines: Vec<&str> = message
                .lines()
                .map(str::trim)
                .take_while(|line| !line.is_empty())
                .collect();
            let line = lines.join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            let advice = meant(&error).map(|meant| format!("; did you mean {meant}?"));
            let advice = advice.unwrap_or_default();
            Err(ConfigError::new(format!("{line}{advice} (see --help)")))
        }
    }
}

/// The flag or command that is probably meant by an unknown one.
fn meant(error: &clap::Error) -> Option<String> {
    let mut context = error.context();
    context.find_map(|(kind, value)| match (kind, value) {
        (ContextKind::SuggestedArg | ContextKind::SuggestedSubcommand, ContextValue::String(meant)) => {
            Some(meant.clone())
        }
        (ContextKind::SuggestedArg | ContextKind::SuggestedSubcommand, ContextValue::Strings(meant)) => {
            // The last is the one that is most alike.
            meant.last().cloned()
        }
        _ => None,
    })
}

/// The flag of a setting.
pub(super) fn flag(definition: &Definition) -> Arg {
    let Definition { key, default, help, .. } = *definition;
    let help = match default {
        "" => help.to_owned(),
        // With spaces, a long list can be broken into lines.
        default => format!("{help} [default: {}]", default.replace(',', ", ")),
    };
    let flag = Arg::new(key).long(key).help(help).short(definition.short);
    (definition.arg)(match definition.value_name {
        Some(name) => flag.value_name(name),
        None => flag.action(ArgAction::SetTrue).overrides_with(key),
    })
}

/// For flags that have no other source.
impl Texts for ArgMatches {
    fn get<T>(&self, setting: &Setting<T>) -> Result<T, ConfigError> {
        let Definition { key, default, .. } = setting.definition;
        let given = match setting.definition.value_name {
            Some(_) => self.get_one::<String>(key).map(String::as_str),
            None => self.get_flag(key).then_some(SWITCHED_ON),
        };
        let text = given.unwrap_or(default);
        let value = match given {
            // An empty text would stand for a flag that is not given, which a script's unset variable does not mean.
            Some("") if default.is_empty() => Err("a value".into()),
            _ => (setting.parse)(text),
        };
        value.map_err(|expected| ConfigError::new(format!("--{key} {text:?}: expected {expected}")))
    }
}
