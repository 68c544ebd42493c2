//! The settings of `generate-mirrorlist-cache`: the table of its flags, the checked settings of a run, and its command line.
//!
//! Not here: `DB_URL` and libpq's variables, which say where the database is ([`crate::generate`]).

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches};
use slog::Level;

use super::command_line::{Arguments, Flags, flag, read};
use super::error::ConfigError;
use super::parsers::{YEAR, number, path, share, socket_address, time_in};
use super::setting::{Definition, Expected, Setting, settings};
use super::values::{CacheCompareSettings, Previous, Share};

settings! {
    /// All flags of the generator, in the order of the documentation.
    pub FLAGS:

    /// cache file to replace
    OUTFILE: PathBuf = Setting::new("outfile", "FILE", path)
        .short('o').default("/var/lib/mirrormanager/mirrorlist_cache.proto");
    /// file with DB_URL, read if the environment has none
    CONFIG: PathBuf = Setting::new("config", "FILE", path)
        .short('c').default("/etc/mirrormanager/generate-mirrorlist-cache.cfg");
    /// log every table and every warning, even without a terminal (where a single run logs errors only)
    DEBUG: bool = Setting::switch("debug").short('d');
    /// keep running, and make a new cache this often, like 15m (up to a tenth later, at random)
    INTERVAL: Duration = Setting::new("interval", "TIME", limit);
    /// end a run that takes longer than this, with exit code 69
    TIMEOUT: Duration = Setting::new("timeout", "TIME", limit).default("30m");
    /// make one cache and exit, as without --interval
    ONCE: bool = Setting::switch("once");
    /// compute and validate, but write no cache
    CHECK: bool = Setting::switch("check");
    /// publish even if the cache shrank by more than --max-shrink, or a category or repository is gone
    FORCE: bool = Setting::switch("force");
    /// do not keep the replaced file as FILE.previous
    NO_PREVIOUS: bool = Setting::switch("no-previous");
    /// refuse a cache that lost more of its hosts, directories or repositories
    MAX_SHRINK: Share = Setting::new("max-shrink", "PERCENT", share).default("25%");
    /// write all warnings and what each host carries to this file, as JSON
    REPORT: PathBuf = Setting::new("report", "FILE", path);
    /// time limit for resolving all names in netblocks
    DNS_TIMEOUT: Duration = Setting::new("dns-timeout", "TIME", limit).default("5s");
    /// do not resolve names in netblocks
    NO_DNS: bool = Setting::switch("no-dns");
    /// serve /metrics and /healthz on this address, like 127.0.0.1:9180
    METRICS_LISTEN: SocketAddr = Setting::new("metrics-listen", "ADDRESS", socket_address);
}

fn limit(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::from_secs(1)..=YEAR)
}

/// The flag of `compare`.
const EXAMPLES: Setting<usize> = Setting::new("examples", "NUMBER", |text| number(text, "a number"))
    .default("5")
    .help("how many differences of a kind to show for each table");

/// The checked settings of a generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratorConfig {
    /// The cache file.
    pub outfile: PathBuf,
    /// The file with `DB_URL`, for an environment without one.
    pub config_file: PathBuf,
    /// A JSON file with all warnings and, for each host, what it carries.
    pub report: Option<PathBuf>,
    /// Whether to write no cache.
    pub check: bool,
    /// Whether to publish a cache that is much smaller than the current file, or lacks something as a whole.
    pub force: bool,
    /// What becomes of the file that is replaced.
    pub previous: Previous,
    /// The share of the hosts, directories or repositories that may be lost in one run.
    pub max_shrink: Share,
    /// How long resolving all names in netblocks may take; `None`: names are not resolved.
    pub dns_timeout: Option<Duration>,
    /// The time between two runs; `None`: one run.
    pub interval: Option<Duration>,
    /// How long a run may take.
    pub timeout: Duration,
    /// The address that serves `/metrics` and `/healthz`.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether to log every table and every warning.
    pub debug: bool,
}

impl GeneratorConfig {
    fn check(flags: &Flags<'_>) -> Result<Self, ConfigError> {
        let dns_timeout = flags.get(&DNS_TIMEOUT)?;
        Ok(Self {
            outfile: flags.get(&OUTFILE)?,
            config_file: flags.get(&CONFIG)?,
            report: flags.given(&REPORT)?,
            check: flags.get(&CHECK)?,
            force: flags.get(&FORCE)?,
            previous: match flags.get(&NO_PREVIOUS)? {
                true => Previous::Drop,
                false => Previous::Keep,
            },
            max_shrink: flags.get(&MAX_SHRINK)?,
            dns_timeout: (!flags.get(&NO_DNS)?).then_some(dns_timeout),
            interval: flags.given(&INTERVAL)?,
            timeout: flags.get(&TIMEOUT)?,
            metrics_listen: flags.given(&METRICS_LISTEN)?,
            debug: flags.get(&DEBUG)?,
        })
    }

    /// The least severe level that is logged. cron mails what a job prints: a single run without a terminal prints only why it
    /// failed.
    pub fn log_level(&self, on_terminal: bool) -> Level {
        if self.debug {
            Level::Debug
        } else if self.interval.is_some() || on_terminal {
            Level::Info
        } else {
            Level::Error
        }
    }
}

/// What the arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeneratorCommand {
    /// Generate.
    Generate(GeneratorConfig),
    /// Ask the generator that serves `/healthz` on this address whether its last run succeeded.
    Healthcheck(SocketAddr),
    /// Compare two caches.
    Compare(CacheCompareSettings),
    /// Print this text and exit: the help or the version.
    Print(String),
}

const HEALTHCHECK: &str = "healthcheck";
const COMPARE: &str = "compare";
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
            Arguments::Matches(matches) => matches,
            Arguments::Print(text) => return Ok(Self::Print(text)),
        };
        let flags = Flags(&matches);
        match matches.subcommand() {
            Some((COMPARE, arguments)) => compare_settings(arguments).map(Self::Compare),
            Some((HEALTHCHECK, _)) => {
                let address = flags.given(&METRICS_LISTEN)?;
                Ok(Self::Healthcheck(address.unwrap_or(HEALTH_ADDRESS)))
            }
            _ => GeneratorConfig::check(&flags).map(Self::Generate),
        }
    }
}

fn compare_settings(arguments: &ArgMatches) -> Result<CacheCompareSettings, ConfigError> {
    let caches: Vec<PathBuf> = arguments.get_many(CACHES).into_iter().flatten().cloned().collect();
    let caches = <[PathBuf; 2]>::try_from(caches).map_err(|caches| {
        ConfigError::new(format!(
            "compare: expected two cache files, like compare A.proto B.proto, not {}",
            caches.len()
        ))
    })?;
    Ok(CacheCompareSettings {
        caches,
        examples: Flags(arguments).get(&EXAMPLES)?,
    })
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
        .args(FLAGS.iter().map(flag))
        .mut_args(|argument| match argument.get_id().as_str() {
            id if id == ONCE.definition.key || id == CHECK.definition.key => {
                argument.conflicts_with(INTERVAL.definition.key)
            }
            id if id == METRICS_LISTEN.definition.key => argument.global(true),
            _ => argument,
        })
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
        assert_eq!(
            (config.max_shrink.to_string().as_str(), config.dns_timeout),
            ("25%", Some(Duration::from_secs(5)))
        );
        assert_eq!(
            generate("generate-mirrorlist-cache").outfile,
            Path::new(OUTFILE.definition.default)
        );
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
            match parse(line).unwrap() {
                GeneratorCommand::Healthcheck(address) => assert_eq!(address.to_string(), asked, "{line}"),
                other => panic!("{other:?}"),
            }
        }
        match parse("g compare a b --examples 9").unwrap() {
            GeneratorCommand::Compare(settings) => {
                assert_eq!(settings.caches, ["a", "b"].map(PathBuf::from));
                assert_eq!(settings.examples, 9);
            }
            other => panic!("{other:?}"),
        }
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
    fn options_are_checked() {
        let config = generate("g --interval 15m --max-shrink 10 --no-dns --metrics-listen [::1]:0 --report /r");
        assert_eq!(config.interval, Some(Duration::from_secs(900)));
        assert_eq!((config.max_shrink.fraction(), config.dns_timeout), (0.1, None));
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
