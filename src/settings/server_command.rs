//! The command line of `mirrorlist-server`: its commands, and the flags that are not settings.
//!
//! Not here: the settings, each of which is a flag, too ([`super::server`]).

use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Arg;

use super::command_line::{flag, read};
use super::parsers::{base_url, deadline, number, optional, path};
use super::raw::RawSettings;
use super::server::{AdminConfig, ServerConfig, server_settings};
use super::setting::{ConfigError, Definition, Expected, Setting, Texts, settings};

/// A command of the server, with its settings.
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
    /// The flags of the server that are not settings.
    struct ServerFlags {
        /// read settings from this TOML file [variable: MIRRORLIST_CONFIG]
        config: Option<String> = Setting::new("config", "FILE", |text| optional(text, |text| Ok(text.to_owned()))).arg(|arg| arg.global(true));
        /// answer from a small data set inside the binary, and print requests to try
        demo: bool = Setting::switch("demo");
    }
}

/// The argument of `explain`.
const QUERY: &str = "query";

/// The flag of `reload`.
const FORCE: Setting<bool> =
    Setting::switch("force").help("take new data even if it is older or much smaller than the current data");

settings! {
    /// The options of `compare`.
    pub struct CompareOptions {
        /// the other server, like `http://127.0.0.1:18081` or `https://mirrors.example.org/prefix`
        against: String = Setting::new("against", "URL", base_url).arg(|arg| arg.required(true));
        /// ask what is in this file: lines with a target like '/mirrorlist?repo=fedora-41&arch=x86_64' and, if that has no ip=,
        /// the client's address after it; without a file, requests are made from the data files
        requests: Option<PathBuf> = Setting::new("requests", "FILE", |text| optional(text, path));
        /// ask what is in this access log, of this server or of the one before it
        from_log: Option<PathBuf> = Setting::new("from-log", "FILE", |text| optional(text, path))
            .arg(|arg| arg.conflicts_with("requests"));
        /// ask this many requests, a sample if there are more [default: all of --requests, 1000 of --from-log, each repository
        /// otherwise]
        count: Option<NonZeroUsize> = Setting::new("count", "N", |text| optional(text, at_least_one));
        /// ask at most this many requests a second
        rate: NonZeroU32 = Setting::new("rate", "N", at_least_one).default("50");
        /// give up on an answer after this time
        timeout: Duration = Setting::new("timeout", "TIME", deadline).default("10s");
    }
}

fn at_least_one<T: FromStr>(text: &str) -> Result<T, Expected> {
    number(text, "a number, at least 1")
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
            ControlFlow::Continue(matches) => matches,
            ControlFlow::Break(text) => return Ok(Self::Print(text)),
        };
        let ServerFlags { config: file, demo } = ServerFlags::check(&matches)?;
        let table = server_settings();
        let set = table.iter().filter_map(|setting| {
            let text = matches.get_one::<String>(setting.key)?;
            Some((setting.key, text.clone()))
        });
        let raw = RawSettings::collect(&table, file.as_deref(), environment, set)?;
        let config = ServerConfig::check(&raw)?;
        Ok(match matches.subcommand() {
            Some((name, _)) if demo => return Err(ConfigError::new(format!("--demo does not go with {name}"))),
            Some((CHECK, _)) => Self::Check(config),
            Some((EXPLAIN, arguments)) => {
                let query = arguments.get_one(QUERY).cloned();
                Self::Explain(config, query.unwrap_or_default())
            }
            Some((COMPARE, arguments)) => Self::Compare(config, CompareOptions::check(arguments)?),
            Some((HEALTHCHECK, _)) => Self::Healthcheck(admin(config)?),
            Some((RELOAD, arguments)) => Self::Reload {
                admin: admin(config)?,
                force: arguments.get(&FORCE)?,
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
        .args(server_settings().iter().map(|setting| flag(setting).allow_hyphen_values(true).global(true)))
        .args(ServerFlags::TABLE.iter().map(flag))
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
            clap::Command::new(COMPARE)
                .about(
                    "Load all data files and compare the answers made from them with those of another server: status, headers, \
                     mirrors of each tier, hashes and comments. Prints what differs, an example each, and why if it is on \
                     purpose. Exit code 0 if nothing differs but on purpose, 1 if something does, 69 if the other server does \
                     not answer or is not a mirrorlist server, 74 if the report can't be written",
                )
                .args(CompareOptions::TABLE.iter().map(|definition| flag(definition).help_heading("Comparison"))),
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
    use super::super::choice::ChoiceSettings;
    use super::super::server::Deadlines;
    use super::super::values::{AdminAddress, AsOrder};
    use super::*;
    use std::fs;
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
        let files = config.files;
        assert_eq!([files.cache, files.global_netblocks], ["/c", "/g"].map(PathBuf::from));
        assert_eq!([files.country_continent, files.geoip], ["/s", "/m"].map(PathBuf::from));
        assert_eq!((config.choice.minimum, config.deadlines), (7, Deadlines::STANDARD));
        let short = serve("mirrorlist-server -c /c -i /i -g /g -l - --listen ::1");
        assert_eq!(short.files.cache, Path::new("/c"));
        assert_eq!(short.listen.to_string(), "[::1]:3000");
        let repeated = serve("mirrorlist-server --port 1 -m 3 --port 2 --minimum 4");
        // The last of a repeated flag counts.
        assert_eq!((repeated.listen.port(), repeated.choice.minimum), (2, 4));
        let explain = ServerCommand::parse(["mirrorlist-server", "explain", ""], []);
        assert!(matches!(explain, Ok(ServerCommand::Explain(_, query)) if query.is_empty()));
    }

    /// The command of a file and a variable, besides a flag.
    fn parse_all(file: &str, variables: &[(&str, &str)], flags: &[&str]) -> Result<ServerCommand, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs::write(&path, file).unwrap();
        let arguments = ["mirrorlist-server", "--config", path.to_str().unwrap()];
        let variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        ServerCommand::parse(arguments.iter().chain(flags), variables)
    }

    #[test]
    fn flags_count_before_variables_before_the_file_before_defaults() {
        let file = "port = 1\nminimum = 1\nlisten = \"::1\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n\
                    [reload]\nwatch = \"1s\"\nmax_shrink = 12.5\n[shutdown]\ngrace = 90\n";
        let variables = [
            ("MIRRORLIST_PORT", "2"),
            ("MIRRORLIST_MINIMUM", "2"),
            ("MIRRORLIST_RELOAD__WATCH", "off"),
            ("PATH", "/bin"),
        ];
        let Ok(ServerCommand::Serve(config)) = parse_all(file, &variables, &["--port", "3"]) else {
            panic!("no server")
        };
        assert_eq!((&*config.listen.to_string(), config.choice.minimum), ("[::1]:3", 2));
        for (proxy, is_trusted) in [("10.1.2.3", true), ("::1", true), ("192.168.0.1", false)] {
            let trusts = config.public.trusted_proxies.contains(proxy.parse().unwrap());
            assert_eq!(trusts, is_trusted, "{proxy}");
        }
        assert_eq!((config.watch, config.logging.level), (None, slog::Level::Info));
        assert_eq!(config.max_shrink.to_string(), "12.5%");
        assert_eq!(config.shutdown_grace, Duration::from_secs(90));
        let admin = config.admin.unwrap();
        assert!(!admin.is_set && admin.listen == AdminAddress::Tcp("127.0.0.1:3001".parse().unwrap()));
    }

    #[test]
    fn the_settings_of_the_choice_are_numbers_words_and_booleans() {
        let choice = |file: &str, variables: &[(&str, &str)], flags: &[&str]| match parse_all(file, variables, flags) {
            Ok(ServerCommand::Serve(config)) => Ok(config.choice),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(choice("", &[], &[]), Ok(ChoiceSettings::STANDARD));
        let all = ChoiceSettings {
            maximum: NonZeroUsize::new(20),
            prefer_family: true,
            as_order: AsOrder::Bandwidth,
            sticky_redirects: true,
            ..ChoiceSettings::STANDARD
        };
        let file = "maximum = 20\nprefer_family = true\nas_order = \"bandwidth\"\n[redirect]\nsticky = \"on\"";
        assert_eq!(choice(file, &[], &[]), Ok(all.clone()));
        let variables = [
            ("MIRRORLIST_REDIRECT__STICKY", "true"),
            ("MIRRORLIST_AS_ORDER", "bandwidth"),
        ];
        let flags = ["--maximum", "20", "--prefer_family", "on"];
        assert_eq!(choice("", &variables, &flags), Ok(all));
        let off = "maximum = \"\"\nprefer_family = \"off\"\nredirect.sticky = false";
        assert_eq!(choice(off, &[], &[]), Ok(ChoiceSettings::STANDARD));
        for (wrong, expected) in [
            ("maximum = 0", "a number of hosts, at least 1"),
            ("maximum = -1", "a number of hosts, at least 1"),
            ("prefer_family = \"ipv6\"", "one of true, false, on, off"),
            ("redirect.sticky = 1", "one of true, false, on, off"),
            ("as_order = \"weight\"", "one of random, bandwidth"),
        ] {
            let error = choice(wrong, &[], &[]).unwrap_err();
            assert!(
                error.contains(expected) && error.contains(wrong.split(' ').next().unwrap()),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_named_with_what_may_be_meant() {
        for (file, variable, said) in [
            ("prot = 1\n", "PATH", "unknown setting prot in "),
            ("prot = 1\n", "PATH", "server.toml; did you mean port?"),
            ("[admin]\nlisen = 1\n", "PATH", "did you mean admin.listen?"),
            ("admin_listen = 1\n", "PATH", "did you mean admin.listen?"),
            ("port = { a = 1 }\n", "PATH", "unknown setting port.a in "),
            ("colour = 1\n", "PATH", "; the settings are listen, port, "),
            (
                "",
                "MIRRORLIST_PROT",
                "unknown setting MIRRORLIST_PROT in the environment; did you mean ",
            ),
            ("", "MIRRORLIST_PROT", "; did you mean MIRRORLIST_PORT?"),
            ("", "MIRRORLIST_ADMIN__LISEN", "did you mean MIRRORLIST_ADMIN__LISTEN?"),
        ] {
            let error = parse_all(file, &[(variable, "1")], &[]).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_file_that_can_hold_no_settings_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large.toml");
        fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
        for (path, problem) in [
            (large.to_str().unwrap(), "more than 1048576 bytes"),
            (folder.path().to_str().unwrap(), "not a regular file"),
            ("/dev/zero", "not a regular file"),
            ("/dev/null/x", "cannot read it"),
        ] {
            let line = format!("mirrorlist-server --config {path}");
            let error = parse_line(&line).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains(problem), "{error}");
        }
        let error = parse_all("port = = 1\n", &[], &[]).unwrap_err().to_string();
        assert!(error.contains("server.toml") && error.contains("line 1"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn mistakes_are_one_line_that_names_them() {
        for (line, said) in [
            ("mirrorlist-server --prot 1", "'--prot'"),
            ("mirrorlist-server --port", "--port <PORT>"),
            ("mirrorlist-server --port abc", "port = \"abc\""),
            ("mirrorlist-server --listen nowhere", "listen = \"nowhere\""),
            ("mirrorlist-server -m -1", "minimum = \"-1\""),
            ("mirrorlist-server --trusted_proxies 10.0.0.0/33", "\"10.0.0.0/33\""),
            ("mirrorlist-server --log_level loud", "log_level = \"loud\""),
            ("mirrorlist-server serve", "'serve'"),
            (
                "mirrorlist-server --max_share 50%",
                "max_share = 50%: it counts with order = distance only",
            ),
            (
                "mirrorlist-server --order distance --max_share 0",
                "expected a percentage above 0%",
            ),
            (
                "mirrorlist-server --order nearest",
                "expected one of bandwidth, distance",
            ),
            (
                "mirrorlist-server --health.files /a,/b --health.quorum 3",
                "health.quorum = 3: health.files names 2",
            ),
            ("mirrorlist-server --health.files /a,/a", "health.files = \"/a,/a\""),
            ("mirrorlist-server --config /nonexistent/c.toml", "/nonexistent/c.toml"),
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
        for setting in server_settings() {
            assert!(help.contains(&format!("--{} <", setting.key)), "{}", setting.key);
        }
        let version = concat!("mirrorlist-server ", env!("CARGO_PKG_VERSION"), "\n").to_owned();
        assert_eq!(
            parse_line("mirrorlist-server --version"),
            Ok(ServerCommand::Print(version))
        );
    }
}
