//! The command line of `mirrorlist-server`: its commands.
//!
//! Not here: the settings, each of which is a flag, too ([`super::server`]), other flags ([`super::server_flags`]), and the help
//! ([`super::server_grammar`]).

use std::ffi::OsString;
use std::ops::ControlFlow;

use clap::ArgMatches;

use super::command_line::read;
use super::raw::RawSettings;
use super::server::{AdminConfig, ServerConfig, server_settings};
use super::server_flags::{CompareOptions, FORCE, JSON, ServerFlags};
use super::server_grammar::{CHECK, COMPARE, EXPLAIN, HEALTHCHECK, QUERY, RELOAD, program};
use super::setting::{ConfigError, Texts as _};

/// A command of the server, with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerCommand {
    /// Answer requests from the data files.
    Serve(ServerConfig),
    /// Answer requests from the data set inside the binary.
    Demo(ServerConfig),
    /// Load the data files, print what they hold, and exit.
    Check(ServerConfig, CheckFormat),
    /// Print, as JSON for `check`, that the settings are mistaken, and exit.
    CheckNothing(ConfigError),
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
    /// Print this text and exit: the help, the version, a page.
    Print(String),
}

/// The form of what `check` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckFormat {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

impl ServerCommand {
    /// Reads the arguments (the program's name first) and, through them, the environment and the configuration file.
    ///
    /// # Errors
    /// The first mistake, in one line.
    pub fn parse(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let program = program();
        let matches = match read(program.with_pages(), arguments)? {
            ControlFlow::Continue(matches) => matches,
            ControlFlow::Break(text) => return Ok(Self::Print(text)),
        };
        if let Some(page) = program.page(&matches) {
            return page.map(Self::Print);
        }
        let format = match matches.subcommand() {
            Some((CHECK, arguments)) if arguments.get(&JSON)? => CheckFormat::Json,
            _ => CheckFormat::Text,
        };
        match (Self::of(&matches, environment, format), format) {
            (Err(error), CheckFormat::Json) => Ok(Self::CheckNothing(error)),
            (command, _) => command,
        }
    }

    fn of(
        matches: &ArgMatches,
        environment: impl IntoIterator<Item = (String, String)>,
        format: CheckFormat,
    ) -> Result<Self, ConfigError> {
        let ServerFlags { config: file, demo } = ServerFlags::check(matches)?;
        let table = server_settings();
        let set = table.iter().filter_map(|setting| {
            let text = matches.get_one::<String>(setting.key)?;
            Some((setting.key, text.clone()))
        });
        let raw = RawSettings::collect(&table, file.as_deref(), environment, set)?;
        let config = ServerConfig::check(&raw)?;
        Ok(match matches.subcommand() {
            Some((name, _)) if demo => return Err(ConfigError::new(format!("--demo does not go with {name}"))),
            Some((CHECK, _)) => Self::Check(config, format),
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

#[cfg(test)]
mod tests {
    use super::super::choice::ChoiceSettings;
    use super::super::server::Deadlines;
    use super::super::values::{AdminAddress, AsOrder};
    use super::*;
    use std::fs;
    use std::num::NonZeroUsize;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

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
    fn the_examples_of_the_help_are_command_lines() {
        for example in program().helps.iter().flat_map(|help| help.examples) {
            let words = example.line.split(' ').map(|word| word.trim_matches('\''));
            let command = ServerCommand::parse(words, []);
            assert!(command.is_ok(), "{}: {command:?}", example.line);
        }
    }

    #[test]
    fn an_unknown_flag_or_command_is_answered_with_the_one_that_is_meant() {
        for (line, said) in [
            ("mirrorlist-server --prot 1", "did you mean --port?"),
            ("mirrorlist-server --admin-listen off", "did you mean --admin.listen?"),
            ("mirrorlist-server chek", "did you mean check?"),
            ("mirrorlist-server check --jsn", "did you mean --json?"),
            ("mirrorlist-server reload --forc", "did you mean --force?"),
            (
                "mirrorlist-server compare",
                "not provided: --against <URL> (see --help)",
            ),
        ] {
            let error = parse_line(line).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let error = parse_line("mirrorlist-server --colour red").unwrap_err().to_string();
        assert!(!error.contains("did you mean"), "{error}");
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
