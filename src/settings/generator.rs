//! The settings of `generate-mirrorlist-cache`, which are its flags, and its command line.
//!
//! Not here: `DB_URL` and libpq's variables, which say where the database is ([`crate::generate`]).

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};
use slog::Level;

use super::command_line::{METRICS_LISTEN, flag, log_level, read};
use super::parsers::{limit, number, optional, path, share};
use super::probe::ProbeConfig;
use super::setting::{ConfigError, Definition, Setting, Texts, settings};
use super::values::{CacheCompareSettings, Share};

/// The definitions of all flags, in the order of the documentation.
pub fn generator_flags() -> &'static [Definition] {
    GeneratorConfig::TABLE
}

settings! {
    /// The settings of a generator, which are its flags.
    pub struct GeneratorConfig {
        /// cache file to replace
        outfile: PathBuf = Setting::new("outfile", "FILE", path)
            .short('o').default("/var/lib/mirrormanager/mirrorlist_cache.proto");
        /// file with DB_URL, read if the environment has none
        config_file: PathBuf = Setting::new("config", "FILE", |text| Ok(text.into()))
            .short('c').default("/etc/mirrormanager/generate-mirrorlist-cache.cfg");
        /// log every table and every warning, even without a terminal (where a single run logs errors only)
        debug: bool = Setting::switch("debug").short('d');
        /// keep running, and make a new cache this often, like 15m (up to a tenth later, at random)
        interval: Option<Duration> = Setting::new("interval", "TIME", |text| optional(text, limit));
        /// end a run that takes longer than this, with exit code 69
        timeout: Duration = Setting::new("timeout", "TIME", limit).default("30m");
        /// make one cache and exit, as without --interval
        once: bool = Setting::switch("once").arg(|arg| arg.conflicts_with("interval"));
        /// compute and validate, but write no cache
        check: bool = Setting::switch("check").arg(|arg| arg.conflicts_with("interval"));
        /// publish even if the cache shrank by more than --max-shrink, or a category or repository is gone
        force: bool = Setting::switch("force");
        /// do not keep the replaced file as FILE.previous
        no_previous: bool = Setting::switch("no-previous");
        /// refuse a cache that lost more of its hosts, directories or repositories
        max_shrink: Share = Setting::new("max-shrink", "PERCENT", share).default("25%");
        /// write all warnings and what each host carries to this file, as JSON
        report: Option<PathBuf> = Setting::new("report", "FILE", |text| optional(text, path));
        /// time limit for resolving all names in netblocks
        dns_timeout: Duration = Setting::new("dns-timeout", "TIME", limit).default("5s");
        /// do not resolve names in netblocks
        no_dns: bool = Setting::switch("no-dns");
        /// serve /metrics and /healthz on this address, like 127.0.0.1:9180
        metrics_listen: Option<SocketAddr> = METRICS_LISTEN;
    }
}

/// The flag of `compare`.
const EXAMPLES: Setting<usize> = Setting::new("examples", "NUMBER", |text| number(text, "a number"))
    .default("5")
    .help("how many differences of a kind to show for each table");

impl GeneratorConfig {
    /// How long resolving all names in netblocks may take; `None`: names are not resolved.
    pub fn dns_limit(&self) -> Option<Duration> {
        (!self.no_dns).then_some(self.dns_timeout)
    }

    /// The least severe level that is logged.
    pub fn log_level(&self, on_terminal: bool) -> Level {
        log_level(self.debug, self.interval, on_terminal)
    }
}

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
    /// Print this text and exit: the help or the version.
    Print(String),
}

const HEALTHCHECK: &str = "healthcheck";
const COMPARE: &str = "compare";
const PROBE: &str = "probe";
const CACHES: &str = "caches";

/// The address that is asked for its health unless `--metrics-listen` names another.
const HEALTH_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

impl GeneratorCommand {
    /// Reads the arguments, the program's name first.
    ///
    /// # Errors
    /// The first mistake, in one line.
    pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, ConfigError> {
        let matches = match read(grammar(), arguments)? {
            ControlFlow::Continue(matches) => matches,
            ControlFlow::Break(text) => return Ok(Self::Print(text)),
        };
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

/// The grammar of the command line, for clap.
fn grammar() -> clap::Command {
    clap::Command::new("generate-mirrorlist-cache")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Makes the cache of mirrorlist-server from MirrorManager2's database")
        .after_help(
            "The database's URL is DB_URL of the environment or else of the file of --config: \
             DB_URL=\"postgresql://user:password@host/database?sslmode=verify-full\", \
             or like \"host=… user=…\"; below it, libpq's variables (PGHOST, PGPASSFILE, …) and ~/.pgpass count\n\
             Exit codes: 0 done, 64 mistake in the configuration, 69 database unavailable, 70 result refused, \
             73 output not writable.",
        )
        .args_override_self(true)
        .args(generator_flags().iter().map(flag))
        .subcommand(clap::Command::new(HEALTHCHECK).about(
            "Ask the generator that has --metrics-listen (else 127.0.0.1:9180) whether its last run succeeded; exit code 0, or 1 \
             if it did not",
        ))
        .subcommand(
            clap::Command::new(COMPARE)
                .about(
                    "Print what differs between two caches as clients see it, with names of hosts instead of ids; exit code 0 if \
                     nothing does, 1 if something does, 66 if a file is not a usable cache",
                )
                .arg(
                    Arg::new(CACHES)
                        .value_names(["A", "B"])
                        .num_args(0..)
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("the two cache files"),
                )
                .arg(flag(&EXAMPLES.definition)),
        )
        .subcommand(probe_grammar())
}

fn probe_grammar() -> clap::Command {
    let own = |flag: &&Definition| flag.key != METRICS_LISTEN.definition.key;
    clap::Command::new(PROBE)
        .about(
            "Ask the mirrors of a cache for files of their repositories, and write for mirrorlist-server which of them are dead, stale \
             or lack something",
        )
        .after_help(
            "Only http and https are asked, and no private host. Two rounds without an answer make a mirror dead, three make it stale \
             or lacking something, and two good rounds end that; the health file keeps count.\n\
             Exit codes: 0 done, 64 mistake in the configuration, 66 cache not usable, 73 output not writable.",
        )
        .args_override_self(true)
        .args(ProbeConfig::TABLE.iter().filter(own).map(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

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
