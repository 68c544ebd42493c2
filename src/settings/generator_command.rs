//! The command line of `generate-mirrorlist-cache`: its commands.
//!
//! Not here: the settings of a run ([`super::generator`]) and of a probe ([`super::probe`]), and the commands' flags and help
//! ([`super::generator_grammar`]).

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::command_line::{METRICS_LISTEN, read};
use super::generator::{EXAMPLES, GeneratorConfig, generator_flags};
use super::generator_grammar::{CACHES, COMPARE, HEALTHCHECK, PROBE, program};
use super::probe::ProbeConfig;
use super::setting::{ConfigError, Definition, Texts as _};
use super::values::CacheCompareSettings;

/// A command of the generator, with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneratorCommand {
    /// Generate.
    Generate(GeneratorConfig),
    /// Ask the generator that serves `/healthz` on this address whether its last run succeeded.
    Healthcheck(SocketAddr),
    /// Compare two caches.
    Compare(CacheCompareSettings),
    /// Ask mirrors how they are.
    Probe(ProbeConfig),
    /// Print this text and exit: the help, the version, a page.
    Print(String),
}

/// The address that is asked for its health unless `--metrics-listen` names another.
const HEALTH_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

impl GeneratorCommand {
    /// Reads the arguments, the program's name first.
    ///
    /// # Errors
    /// The first mistake, in one line.
    pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, ConfigError> {
        let program = program();
        let matches = match read(program.with_pages(), arguments)? {
            ControlFlow::Continue(matches) => matches,
            ControlFlow::Break(text) => return Ok(Self::Print(text)),
        };
        if let Some(page) = program.page(&matches) {
            return page.map(Self::Print);
        }
        match matches.subcommand() {
            Some((COMPARE, arguments)) => compare_settings(arguments).map(Self::Compare),
            Some((PROBE, arguments)) => {
                check_order(&matches)?;
                ProbeConfig::check(arguments).map(Self::Probe)
            }
            Some((HEALTHCHECK, _)) => {
                let address = matches.get(&METRICS_LISTEN)?;
                Ok(Self::Healthcheck(address.unwrap_or(HEALTH_ADDRESS)))
            }
            _ => GeneratorConfig::check(&matches).map(Self::Generate),
        }
    }
}

/// Checks that no flag of a generator stands before `probe`, where it would mean nothing.
fn check_order(matches: &ArgMatches) -> Result<(), ConfigError> {
    let before = |flag: &&Definition| {
        let key = flag.key;
        key != METRICS_LISTEN.definition.key && matches.value_source(key) == Some(ValueSource::CommandLine)
    };
    match generator_flags().iter().find(before) {
        None => Ok(()),
        Some(Definition { key, .. }) => Err(ConfigError::new(format!(
            "--{key} before {PROBE} is for making a cache; write it after the command if it is meant for the probe: {PROBE} --{key}"
        ))),
    }
}

fn compare_settings(arguments: &ArgMatches) -> Result<CacheCompareSettings, ConfigError> {
    let caches: Vec<PathBuf> = arguments.get_many(CACHES).into_iter().flatten().cloned().collect();
    let caches = <[PathBuf; 2]>::try_from(caches).map_err(|caches| {
        let number = caches.len();
        ConfigError::new(format!(
            "compare: expected two cache files, like compare A.proto B.proto, not {number}"
        ))
    })?;
    let examples = arguments.get(&EXAMPLES)?;
    Ok(CacheCompareSettings { caches, examples })
}

#[cfg(test)]
mod tests {
    use super::super::values::Share;
    use super::*;

    use std::path::Path;
    use std::time::Duration;

    use slog::Level;

    fn parse(line: &str) -> Result<GeneratorCommand, ConfigError> {
        GeneratorCommand::parse(line.split_whitespace())
    }

    fn generate(line: &str) -> GeneratorConfig {
        match parse(line).unwrap() {
            GeneratorCommand::Generate(config) => config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_in_use_means_what_it_meant() {
        let config = generate("generate-mirrorlist-cache -o /o -c /nonexistent -d");
        assert_eq!(config.outfile, Path::new("/o"));
        assert!(config.debug && !config.check && !config.force && config.interval.is_none());
        assert_eq!(config.max_shrink, Share::percent(25));
        assert_eq!(config.dns_limit(), Some(Duration::from_secs(5)));
        let outfile = generate("generate-mirrorlist-cache").outfile;
        assert_eq!(outfile, Path::new("/var/lib/mirrormanager/mirrorlist_cache.proto"));
    }

    #[test]
    fn the_examples_of_the_help_are_command_lines() {
        for example in program().helps.iter().flat_map(|help| help.examples) {
            let words = example.line.split(' ').map(|word| word.trim_matches('\''));
            let command = GeneratorCommand::parse(words);
            assert!(command.is_ok(), "{}: {command:?}", example.line);
        }
    }

    #[test]
    fn only_errors_are_for_cron() {
        for (line, on_terminal, level) in [
            ("g", false, Level::Error),
            ("g --once --report /r", false, Level::Error),
            ("g", true, Level::Info),
            ("g --interval 15m", false, Level::Info),
            ("g -d", false, Level::Debug),
            ("g -d", true, Level::Debug),
        ] {
            assert_eq!(generate(line).log_level(on_terminal), level, "{line}");
        }
    }

    #[test]
    fn a_health_check_and_a_comparison_need_no_database() {
        for (line, asked) in [
            ("g healthcheck", "127.0.0.1:9180"),
            ("g --metrics-listen [::]:1234 healthcheck", "[::]:1234"),
            ("g healthcheck --metrics-listen 127.0.0.1:1234", "127.0.0.1:1234"),
        ] {
            let asked = GeneratorCommand::Healthcheck(asked.parse().unwrap());
            assert_eq!(parse(line), Ok(asked), "{line}");
        }
        let compared = CacheCompareSettings {
            caches: ["a", "b"].map(PathBuf::from),
            examples: 9,
        };
        let command = parse("g compare a b --examples 9");
        assert_eq!(command, Ok(GeneratorCommand::Compare(compared)));
        for (line, said) in [
            ("g compare", "not 0"),
            ("g compare a", "not 1"),
            ("g compare a b c", "not 3"),
            ("g compare a b --examples many", "--examples \"many\""),
            ("g compare a b --wat", "--wat"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        }
        let error = parse("g healthcheck --metrics-listen here").unwrap_err();
        assert!(error.to_string().contains("--metrics-listen \"here\""), "{error}");
    }

    #[test]
    fn an_empty_text_is_not_the_absence_of_a_flag() {
        let error = GeneratorCommand::parse(["g", "--interval", ""])
            .unwrap_err()
            .to_string();
        assert_eq!(error, "--interval \"\": expected a value");
        // The file of an unset variable may be none at all: the environment can name the database.
        let Ok(GeneratorCommand::Generate(config)) = GeneratorCommand::parse(["g", "--config", ""]) else {
            panic!("an empty --config is refused");
        };
        assert_eq!(config.config_file, Path::new(""));
    }

    #[test]
    fn options_are_checked() {
        let config = generate("g --interval 15m --max-shrink 10 --no-dns --metrics-listen [::1]:0 --report /r");
        assert_eq!(config.interval, Some(Duration::from_secs(900)));
        assert_eq!((config.max_shrink, config.dns_limit()), (Share::percent(10), None));
        assert_eq!(config.timeout, Duration::from_secs(1800));
        assert_eq!(generate("g --timeout 90s").timeout, Duration::from_secs(90));
        for (line, said) in [
            ("g --interval soon", "--interval \"soon\""),
            ("g --interval 0s", "--interval \"0s\""),
            ("g --timeout never", "--timeout \"never\""),
            ("g --timeout 0", "--timeout \"0\""),
            ("g --interval 15m --once", "--once"),
            ("g --interval 15m --check", "--check"),
            ("g --max-shrink 101%", "--max-shrink \"101%\""),
            ("g --max-shrink NaN", "--max-shrink \"NaN\""),
            ("g --outfile /", "--outfile \"/\""),
            ("g --metrics-listen here", "--metrics-listen \"here\""),
            ("g --outfle /x", "--outfle"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
