//! The command line of `mirrorlist-server`: its commands, and the flags that are not settings.
//!
//! Not here: the settings, each of which is a flag, too ([`super::server`]).

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches};

use super::command_line::{Arguments, Flags, flag, read};
use super::error::ConfigError;
use super::parsers::{base_url, number, path, time_in};
use super::raw::RawSettings;
use super::server::{AdminConfig, SETTINGS, ServerConfig};
use super::setting::{Definition, Setting, settings};
use super::values::{CompareOptions, RequestSource};

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCommand {
    /// Answer requests from the data files.
    Serve(ServerConfig),
    /// Answer requests from the data set inside the binary.
    Demo(ServerConfig),
    /// Load the data files, print what they hold, and exit.
    Check(ServerConfig),
    /// Explain an answer from the data files: the query string of a request, or of one about a host.
    Explain(ServerConfig, String),
    /// Compare this server's answers, made from the data files, with another server's.
    Compare(ServerConfig, CompareOptions),
    /// Ask a running server whether it is ready.
    Healthcheck(AdminConfig),
    /// Have a running server reload.
    Reload {
        /// The server's admin listener.
        admin: AdminConfig,
        /// Take new data without comparing it with the current data.
        force: bool,
    },
    /// Print this text and exit: the help or the version.
    Print(String),
}

settings! {
    /// Flags of the server beside its settings.
    FLAGS:

    /// read settings from this TOML file [variable: MIRRORLIST_CONFIG]
    CONFIG: String = Setting::new("config", "FILE", |text| Ok(text.to_owned()));
    /// answer from a small data set inside the binary, and print requests to try
    DEMO: bool = Setting::switch("demo");
}

/// The argument of `explain`.
const QUERY: Setting<String> = Setting::new("query", "QUERY", |text| Ok(text.to_owned()));

/// The flag of `reload`.
const FORCE: Setting<bool> =
    Setting::switch("force").help("take new data even if it is older or much smaller than the current data");

settings! {
    /// Flags of `compare`.
    COMPARE_FLAGS:

    /// the other server, like http://127.0.0.1:18081 or https://mirrors.example.org/prefix
    AGAINST: String = Setting::new("against", "URL", base_url);
    /// ask what is in this file: lines with a target like '/mirrorlist?repo=fedora-41&arch=x86_64' and, if that has no ip=, the
    /// client's address after it; without a file, requests are made from the data files
    REQUESTS: PathBuf = Setting::new("requests", "FILE", path);
    /// ask what is in this access log, of this server or of the one before it
    FROM_LOG: PathBuf = Setting::new("from-log", "FILE", path);
    /// ask this many requests, a sample if there are more [default: all of --requests, 1000 of --from-log, each repository
    /// otherwise]
    COUNT: NonZeroUsize = Setting::new("count", "N", |text| number(text, "a number, at least 1"));
    /// ask at most this many requests a second
    RATE: NonZeroU32 = Setting::new("rate", "N", |text| number(text, "a number, at least 1")).default("50");
    /// give up on an answer after this time
    TIMEOUT: Duration = Setting::new("timeout", "TIME", |text| {
        time_in(text, Duration::from_millis(100)..=Duration::from_secs(3_600))
    })
    .default("10s");
}

const CHECK: &str = "check";
const EXPLAIN: &str = "explain";
const COMPARE: &str = "compare";
const HEALTHCHECK: &str = "healthcheck";
const RELOAD: &str = "reload";

impl ServerCommand {
    /// Reads the arguments (the program's name first) and, through them, the environment and the configuration file.
    ///
    /// # Errors
    /// The first mistake, in one line.
    pub fn parse(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let matches = match read(grammar(), arguments)? {
            Arguments::Matches(matches) => matches,
            Arguments::Print(text) => return Ok(Self::Print(text)),
        };
        let flags = Flags(&matches);
        let set = SETTINGS.iter().filter_map(|setting| {
            let text = matches.get_one::<String>(setting.key)?;
            Some((setting.key, text.clone()))
        });
        let raw = RawSettings::collect(SETTINGS, flags.given(&CONFIG)?.as_deref(), environment, set)?;
        let config = ServerConfig::check(&raw)?;
        let demo = flags.get(&DEMO)?;
        Ok(match matches.subcommand() {
            Some((name, _)) if demo => return Err(ConfigError::new(format!("--demo does not go with {name}"))),
            Some((CHECK, _)) => Self::Check(config),
            Some((EXPLAIN, arguments)) => Self::Explain(config, Flags(arguments).get(&QUERY)?),
            Some((COMPARE, arguments)) => Self::Compare(config, compare_options(arguments)?),
            Some((HEALTHCHECK, _)) => Self::Healthcheck(admin(config)?),
            Some((RELOAD, arguments)) => Self::Reload {
                admin: admin(config)?,
                force: Flags(arguments).get(&FORCE)?,
            },
            _ if demo => Self::Demo(config.for_demo(&raw)),
            _ => Self::Serve(config),
        })
    }
}

fn admin(config: ServerConfig) -> Result<AdminConfig, ConfigError> {
    let off = || ConfigError::new("admin.listen is off, so that there is no admin listener to ask");
    config.admin.ok_or_else(off)
}

fn compare_options(arguments: &ArgMatches) -> Result<CompareOptions, ConfigError> {
    let flags = Flags(arguments);
    let source = match (flags.given(&REQUESTS)?, flags.given(&FROM_LOG)?) {
        (Some(file), _) => RequestSource::Targets(file),
        (None, Some(file)) => RequestSource::Log(file),
        (None, None) => RequestSource::Cache,
    };
    Ok(CompareOptions {
        against: flags.get(&AGAINST)?,
        source,
        count: flags.given(&COUNT)?,
        rate: flags.get(&RATE)?,
        timeout: flags.get(&TIMEOUT)?,
    })
}

/// The grammar of the command line, for clap.
fn grammar() -> clap::Command {
    clap::Command::new("mirrorlist-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Answers which mirrors are best for a client, from MirrorManager2's data")
        .after_help(
            "Each setting can also be given as a MIRRORLIST_* variable (--port is MIRRORLIST_PORT) or as a key of the \
             configuration file (port = 3000). Flags count before variables, variables before the file.",
        )
        .args_override_self(true)
        .args(SETTINGS.iter().map(|setting| flag(setting).allow_hyphen_values(true).global(true)))
        .args(FLAGS.iter().map(flag))
        .mut_arg(CONFIG.definition.key, |config| config.global(true))
        .subcommand(
            clap::Command::new(CHECK).about("Load all data files, print what they hold and what is wrong in them, and exit"),
        )
        .subcommand(
            clap::Command::new(EXPLAIN)
                .about("Load all data files and print, as JSON, why a client gets its mirrors or what is known of a mirror")
                .arg(Arg::new(QUERY.definition.key).value_name("QUERY").required(true).help(
                    "the query string of a request, like 'repo=fedora-41&arch=x86_64&ip=192.0.2.1', with \
                     'endpoint=metalink' in it for a metalink; or 'host=mirror.example.org' or 'host_id=1'",
                )),
        )
        .subcommand(
            clap::Command::new(COMPARE)
                .about(
                    "Load all data files and compare the answers made from them with those of another server: status, headers, \
                     mirrors of each tier, hashes and comments. Prints what differs, an example each, and why if it is on \
                     purpose. Exit code 0 if nothing differs but on purpose, 1 if something does, 69 if the other server does \
                     not answer or is not a mirrorlist server",
                )
                .args(COMPARE_FLAGS.iter().map(|definition| flag(definition).help_heading("Comparison")))
                .mut_arg(AGAINST.definition.key, |against| against.required(true))
                .mut_arg(FROM_LOG.definition.key, |from_log| from_log.conflicts_with(REQUESTS.definition.key)),
        )
        .subcommand(
            clap::Command::new(HEALTHCHECK)
                .about("Ask the server that has admin.listen whether it is ready; exit code 0, or 1 if it is not"),
        )
        .subcommand(
            clap::Command::new(RELOAD)
                .about("Have the server that has admin.listen reload its data files; exit code 0, or 1 if it refuses them")
                .arg(flag(&FORCE.definition)),
        )
}

#[cfg(test)]
mod tests {
    use super::super::values::Deadlines;
    use super::*;
    use std::path::Path;

    fn parse_line(line: &str) -> Result<ServerCommand, ConfigError> {
        ServerCommand::parse(line.split_whitespace(), [])
    }

    fn serve(line: &str) -> ServerConfig {
        match parse_line(line).unwrap() {
            ServerCommand::Serve(config) => config,
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
        let ServerCommand::Print(help) = parse_line("mirrorlist-server --help").unwrap() else {
            panic!("no help")
        };
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{} <", setting.key)), "{}", setting.key);
        }
        assert_eq!(
            parse_line("mirrorlist-server --version"),
            Ok(ServerCommand::Print(format!(
                "mirrorlist-server {}\n",
                env!("CARGO_PKG_VERSION")
            )))
        );
    }
}
