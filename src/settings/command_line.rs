//! Arguments to a command. Every flag of a setting takes a text here; what it means is checked in [`super::checked`], so
//! that a bad value reads the same wherever it comes from.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};

use super::ConfigError;
use super::checked::{AdminConfig, ServerConfig};
use super::raw::RawSettings;
use super::table::{SETTINGS, Setting};
use crate::compare::client::parse_base;
use crate::compare::{CompareOptions, RequestSource};

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Answer requests from the data files.
    Serve(ServerConfig),
    /// Answer requests from the data set inside the binary.
    Demo(ServerConfig),
    /// Load the data files, tell what they hold, and leave.
    Check(ServerConfig),
    /// Explain an answer from the data files: the query string of a request, or of one about a host.
    Explain(ServerConfig, String),
    /// Compare this server's answers, made from the data files, with another server's.
    Compare(ServerConfig, CompareOptions),
    /// Ask a running server whether it wants requests.
    Healthcheck(AdminConfig),
    /// Have a running server reload; whether whatever the present data is.
    Reload(AdminConfig, bool),
    /// Print this text and leave: the help or the version.
    Print(String),
}

/// Reads the arguments (the program's name first) and, through them, the environment and the configuration file.
///
/// # Errors
/// The first mistake, in one line.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Command, ConfigError> {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Command::Print(error.to_string())),
                _ => Err(ConfigError::new(first_line(&error.to_string()))),
            };
        }
    };
    let flags = SETTINGS.iter().filter_map(|setting| {
        let value = matches.get_one::<String>(setting.key)?;
        Some((setting.key.to_owned(), value.clone()))
    });
    let file = matches.get_one::<String>(CONFIG).map(String::as_str);
    let raw = RawSettings::collect(file, environment, flags)?;
    let demo = matches.get_flag(DEMO);
    let config = ServerConfig::check(&raw)?;
    let admin = |config: ServerConfig| {
        let off = || ConfigError::new("admin.listen is off, so that there is no admin listener to ask");
        config.admin.ok_or_else(off)
    };
    Ok(match matches.subcommand() {
        Some((name, _)) if demo => return Err(ConfigError::new(format!("--demo does not go with {name}"))),
        Some((CHECK, _)) => Command::Check(config),
        Some((EXPLAIN, arguments)) => {
            let query = arguments.get_one::<String>(QUERY).cloned();
            Command::Explain(config, query.unwrap_or_default())
        }
        Some((COMPARE, arguments)) => Command::Compare(config, compare_options(arguments)?),
        Some((HEALTHCHECK, _)) => Command::Healthcheck(admin(config)?),
        Some((RELOAD, arguments)) => Command::Reload(admin(config)?, arguments.get_flag(FORCE)),
        _ if demo => Command::Demo(config.for_demo(&raw)),
        _ => Command::Serve(config),
    })
}

const CONFIG: &str = "config";
const DEMO: &str = "demo";
const CHECK: &str = "check";
const EXPLAIN: &str = "explain";
const QUERY: &str = "query";
const COMPARE: &str = "compare";
const AGAINST: &str = "against";
const REQUESTS: &str = "requests";
const FROM_LOG: &str = "from-log";
const COUNT: &str = "count";
const RATE: &str = "rate";
const TIMEOUT: &str = "timeout";
const HEALTHCHECK: &str = "healthcheck";
const RELOAD: &str = "reload";
const FORCE: &str = "force";

/// The command line's grammar.
pub fn command() -> clap::Command {
    clap::Command::new("mirrorlist-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Answers which mirrors are best for a client, from MirrorManager2's data")
        .after_help(
            "Each setting can also be given as a MIRRORLIST_* variable (--port is MIRRORLIST_PORT) or as a key of the \
             configuration file (port = 3000). Flags count before variables, variables before the file.",
        )
        .args_override_self(true)
        .args(SETTINGS.iter().map(setting_flag))
        .arg(
            Arg::new(CONFIG)
                .long(CONFIG)
                .value_name("FILE")
                .help("read settings from this TOML file [variable: MIRRORLIST_CONFIG]")
                .global(true),
        )
        .arg(
            Arg::new(DEMO)
                .long(DEMO)
                .action(ArgAction::SetTrue)
                .overrides_with(DEMO)
                .help("answer from a small data set inside the binary, and print requests to try"),
        )
        .subcommand(
            clap::Command::new(CHECK).about("Load all data files, print what they hold and what is wrong in them, and exit"),
        )
        .subcommand(
            clap::Command::new(EXPLAIN)
                .about("Load all data files and print, as JSON, why a client gets its mirrors or what is known of a mirror")
                .arg(Arg::new(QUERY).value_name("QUERY").required(true).help(
                    "the query string of a request, like 'repo=fedora-41&arch=x86_64&ip=192.0.2.1', with \
                     'endpoint=metalink' in it for a metalink; or 'host=mirror.example.org' or 'host_id=1'",
                )),
        )
        .subcommand(compare_command())
        .subcommand(
            clap::Command::new(HEALTHCHECK)
                .about("Ask the server that has admin.listen whether it is ready; exit code 0, or 1 if it is not"),
        )
        .subcommand(
            clap::Command::new(RELOAD)
                .about("Have the server that has admin.listen reload its data files; exit code 0, or 1 if it refuses them")
                .arg(
                    Arg::new(FORCE)
                        .long(FORCE)
                        .action(ArgAction::SetTrue)
                        .help("take new data even if it is older or much smaller than the present"),
                ),
        )
}

fn compare_command() -> clap::Command {
    let flag = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .help(help)
            .help_heading("Comparison")
    };
    clap::Command::new(COMPARE)
        .about(
            "Load all data files and compare the answers made of them with those of another server: status, headers, mirrors of \
             each tier, hashes and comments. Prints what differs, an example each, and why if it is on purpose. Exit code 0 if \
             nothing differs but on purpose, 1 if something does, 69 if the other one does not answer or is no mirrorlist server",
        )
        .arg(
            flag(AGAINST, "URL", "the other server, like http://127.0.0.1:18081 or https://mirrors.example.org/prefix")
                .required(true),
        )
        .arg(flag(
            REQUESTS,
            "FILE",
            "ask what is in this file, a target like '/mirrorlist?repo=fedora-41&arch=x86_64' a line, and after it the client's \
             address if the target has no ip=; without a file, requests are made of the data files",
        ))
        .arg(
            flag(FROM_LOG, "FILE", "ask what is in this access log, of this server or of the one before it")
                .conflicts_with(REQUESTS),
        )
        .arg(flag(
            COUNT,
            "N",
            "ask so many requests, of more a sample [default: all of --requests, 1000 of --from-log, each repository otherwise]",
        ))
        .arg(flag(RATE, "N", "ask at most so many requests a second").default_value("50"))
        .arg(flag(TIMEOUT, "TIME", "give up an answer after this time").default_value("10s"))
}

fn compare_options(arguments: &ArgMatches) -> Result<CompareOptions, ConfigError> {
    let text = |name: &str| arguments.get_one::<String>(name).map(String::as_str);
    let bad = |name: &str, expected: &dyn Display| {
        let value = text(name).unwrap_or_default();
        ConfigError::new(format!("--{name} {value:?}: expected {expected}"))
    };
    let number = |name: &str| match text(name) {
        Some(value) => parse_number(value)
            .map(Some)
            .ok_or_else(|| bad(name, &"a number, at least 1")),
        None => Ok(None),
    };
    let against = text(AGAINST).and_then(parse_base);
    let timeout = text(TIMEOUT).and_then(|value| humantime::parse_duration(value).ok());
    Ok(CompareOptions {
        against: against.ok_or_else(|| {
            bad(
                AGAINST,
                &"a URL of http or https without a query, like http://127.0.0.1:18081",
            )
        })?,
        source: match (text(REQUESTS), text(FROM_LOG)) {
            (Some(file), _) => RequestSource::Targets(file.into()),
            (None, Some(file)) => RequestSource::Log(file.into()),
            (None, None) => RequestSource::Cache,
        },
        count: number(COUNT)?,
        rate: text(RATE)
            .and_then(parse_number)
            .ok_or_else(|| bad(RATE, &"a number, at least 1"))?,
        timeout: timeout
            .filter(|time| TIMEOUTS.contains(time))
            .ok_or_else(|| bad(TIMEOUT, &"a time from 100ms to 1h, like 10s"))?,
    })
}

/// How long an answer may be waited for.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);

fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

fn setting_flag(setting: &Setting) -> Arg {
    let help = if setting.default.is_empty() {
        setting.description.to_owned()
    } else {
        format!("{} [default: {}]", setting.description, setting.default)
    };
    let mut flag = Arg::new(setting.key)
        .long(setting.key)
        .value_name(setting.value_name)
        .allow_hyphen_values(true)
        .global(true)
        .help(help);
    if let Some(short) = setting.short {
        flag = flag.short(short);
    }
    flag
}

/// Clap explains itself over several lines; the first one says what is wrong.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    format!("{line} (see --help)")
}

#[cfg(test)]
mod tests {
    use super::super::Deadlines;
    use super::*;
    use std::path::Path;

    fn parse_line(line: &str) -> Result<Command, ConfigError> {
        parse(line.split_whitespace(), [])
    }

    fn serve(line: &str) -> ServerConfig {
        match parse_line(line).unwrap() {
            Command::Serve(config) => config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_lines_in_use_mean_what_they_meant() {
        let config = serve(
            "mirrorlist-server --port 18081 --listen 127.0.0.1 -l /l --cache /c --internet2_netblocks /i \
             --global_netblocks /g --cccsv /s --geoip /m -m 7",
        );
        assert_eq!(config.listen.to_string(), "127.0.0.1:18081");
        assert_eq!(config.files.cache, Path::new("/c"));
        assert_eq!(config.files.global_netblocks, Path::new("/g"));
        assert_eq!(config.files.country_continent, Path::new("/s"));
        assert_eq!(config.files.geoip, Path::new("/m"));
        assert_eq!(config.public.minimum, 7);
        assert_eq!(config.connections.deadlines, Deadlines::STANDARD);
        let short = serve("mirrorlist-server -c /c -i /i -g /g -l - --listen ::1");
        assert_eq!(short.files.cache, Path::new("/c"));
        assert_eq!(short.listen.to_string(), "[::1]:3000");
    }

    #[test]
    fn the_last_of_a_repeated_flag_counts() {
        assert_eq!(
            serve("mirrorlist-server --port 1 -m 3 --port 2 --minimum 4")
                .listen
                .port(),
            2
        );
    }

    #[test]
    fn mistakes_are_one_line_that_names_them() {
        for (line, said) in [
            ("mirrorlist-server --prot 1", "'--prot'"),
            ("mirrorlist-server --port", "--port <PORT>"),
            ("mirrorlist-server --port abc", "port = \"abc\""),
            (
                "mirrorlist-server --listen nowhere.example",
                "listen = \"nowhere.example\"",
            ),
            ("mirrorlist-server -m -1", "minimum = \"-1\""),
            ("mirrorlist-server --trusted_proxies 10.0.0.0/33", "\"10.0.0.0/33\""),
            ("mirrorlist-server --log_level loud", "log_level = \"loud\""),
            ("mirrorlist-server serve", "'serve'"),
            (
                "mirrorlist-server --config /nonexistent/config.toml",
                "/nonexistent/config.toml",
            ),
        ] {
            let error = parse_line(line).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn help_names_every_setting_and_version_the_version() {
        let Command::Print(help) = parse_line("mirrorlist-server --help").unwrap() else {
            panic!("no help")
        };
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{} <", setting.key)), "{}", setting.key);
        }
        assert_eq!(
            parse_line("mirrorlist-server --version"),
            Ok(Command::Print(format!(
                "mirrorlist-server {}\n",
                env!("CARGO_PKG_VERSION")
            )))
        );
    }
}
