//! Arguments to a command. Every flag of a setting takes a text here; what it means is checked in [`super::checked`], so
//! that a bad value reads the same wherever it comes from.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction};

use super::ConfigError;
use super::checked::{AdminConfig, ServerConfig};
use super::raw::RawSettings;
use super::settings::{SETTINGS, Setting};

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
    use super::*;
    use crate::http::connection::guard::Deadlines;
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
