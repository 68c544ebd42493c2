//! Arguments, the environment and the configuration file to checked settings of a run.

use std::ffi::OsString;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};
use slog::Level;

use super::database::{Database, Environment};
use super::publish::Previous;
use super::session::SilenceLimits;
use crate::cache_compare::command::CacheCompareSettings;
use crate::settings::ConfigError;
use crate::snapshot::shrink::Share;

/// The settings of a generator.
#[derive(Debug, Clone)]
pub struct GeneratorConfig {
    /// The database that is read: `DB_URL` of the environment or of the file of `--config`.
    pub database: Database,
    /// `--outfile`: the cache file.
    pub outfile: PathBuf,
    /// `--report`: a JSON file with all warnings and, for each host, what it carries.
    pub report: Option<PathBuf>,
    /// `--check`: compute and validate, write no cache.
    pub check: bool,
    /// `--force`: publish a cache even if it is much smaller than the present one, or lacks something as a whole.
    pub force: bool,
    /// `--no-previous`: what becomes of the file that is replaced.
    pub previous: Previous,
    /// `--max-shrink`: the share of the hosts, directories or repositories that may be lost in one run.
    pub max_shrink: Share,
    /// `--dns-timeout`: the time that resolving all names in netblocks may take; none (`--no-dns`): names are not resolved.
    pub dns_timeout: Option<Duration>,
    /// `--interval`: stay, and run this often; none (`--once`): one run.
    pub interval: Option<Duration>,
    /// `--timeout`: how long a run may take.
    pub timeout: Duration,
    /// How long the database may be silent; not to be set, but for tests.
    pub silence: SilenceLimits,
    /// `--metrics-listen`: where `/metrics` and `/healthz` are served.
    pub metrics_listen: Option<SocketAddr>,
    /// `--debug`: log every warning and every table.
    pub debug: bool,
}

impl GeneratorConfig {
    /// The least severe level that is logged. cron mails what a job prints: a single run that has no terminal prints nothing but
    /// why it failed.
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
#[derive(Debug)]
pub enum Command {
    /// Generate.
    Generate(Box<GeneratorConfig>),
    /// Ask the generator that serves `/healthz` on this address whether it is well.
    Healthcheck(SocketAddr),
    /// Compare two caches.
    Compare(CacheCompareSettings),
    /// Print this text and leave: the help or the version.
    Print(String),
}

/// The variable, and the key of the configuration file, that holds the database's URL.
const DB_URL: &str = "DB_URL";

/// Reads the arguments (the program's name first), the `DB_URL` of the environment and, without one, the configuration
/// file. Where neither has one, libpq's variables are enough, like `PGHOST`.
///
/// # Errors
/// The first mistake, in one line, without the database's password.
pub fn parse(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    environment: &Environment,
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
    if let Some((COMPARE, matches)) = matches.subcommand() {
        return compare_settings(matches).map(Command::Compare);
    }
    let metrics_listen = checked(&matches, "metrics-listen", "an address like 127.0.0.1:9180", |text| {
        text.parse().ok()
    })?;
    // Whoever asks needs no database.
    if matches.subcommand_name() == Some(HEALTHCHECK) {
        return Ok(Command::Healthcheck(metrics_listen.unwrap_or(DEFAULT_METRICS)));
    }
    let url = match environment.text(DB_URL)? {
        Some(url) => url.to_owned(),
        None => {
            let path = Path::new(text(&matches, "config").unwrap_or_default());
            db_url_of_file(path, environment.names_a_database())?
        }
    };
    let no_dns = matches.get_flag("no-dns");
    Ok(Command::Generate(Box::new(GeneratorConfig {
        database: Database::parse(&url, environment)?,
        outfile: file(&matches, "outfile")?.unwrap_or_default(),
        report: file(&matches, "report")?,
        check: matches.get_flag("check"),
        force: matches.get_flag("force"),
        previous: match matches.get_flag("no-previous") {
            true => Previous::Drop,
            false => Previous::Keep,
        },
        max_shrink: checked(&matches, "max-shrink", "a percentage like 25%", |text| {
            text.parse().ok()
        })?
        .unwrap_or(Share::percent(25)),
        dns_timeout: checked(&matches, "dns-timeout", "a time like 5s", parse_duration)?.filter(|_| !no_dns),
        interval: checked(&matches, "interval", "a time like 15m", parse_duration)?,
        timeout: checked(&matches, "timeout", "a time like 30m", parse_duration)?.unwrap_or(DEFAULT_TIMEOUT),
        silence: SilenceLimits::default(),
        metrics_listen,
        debug: matches.get_flag("debug"),
    })))
}

/// The command line's grammar.
pub fn command() -> clap::Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .help(help)
            .action(ArgAction::SetTrue)
            .overrides_with(name)
    };
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
        .arg(
            option("outfile", "FILE", "cache file that is replaced")
                .short('o')
                .default_value(DEFAULT_OUTFILE),
        )
        .arg(
            option("config", "FILE", "file with DB_URL, read if the environment has none")
                .short('c')
                .default_value(DEFAULT_CONFIG),
        )
        .arg(
            flag(
                "debug",
                "log every warning and every table, also without a terminal (where a single run logs errors only)",
            )
            .short('d'),
        )
        .arg(option(
            "interval",
            "TIME",
            "stay and make a new cache this often, like 15m (up to a tenth later, at random)",
        ))
        .arg(option("timeout", "TIME", "end a run that takes longer, like 30m").default_value("30m"))
        .arg(flag("once", "make one cache and leave [default]").conflicts_with("interval"))
        .arg(flag("check", "compute and validate, write no cache").conflicts_with("interval"))
        .arg(flag(
            "force",
            "publish even if the cache shrank by more than --max-shrink, or a category or repository is gone",
        ))
        .arg(flag("no-previous", "don't keep the file that is replaced as FILE.previous"))
        .arg(
            option(
                "max-shrink",
                "PERCENT",
                "refuse a cache that lost more of its hosts, directories or repositories",
            )
            .default_value("25%"),
        )
        .arg(option(
            "report",
            "FILE",
            "write all warnings and what each host carries as JSON",
        ))
        .arg(option("dns-timeout", "TIME", "time for resolving all names in netblocks").default_value("5s"))
        .arg(flag("no-dns", "don't resolve names in netblocks"))
        .arg(
            option(
                "metrics-listen",
                "ADDRESS",
                "serve /metrics and /healthz there, like 127.0.0.1:9180",
            )
            .global(true),
        )
        .subcommand(clap::Command::new(HEALTHCHECK).about(
            "Ask the generator that has --metrics-listen (else 127.0.0.1:9180) whether its last run succeeded; exit code 0, or 1 \
             if it did not",
        ))
        .subcommand(
            clap::Command::new(COMPARE)
                .about(
                    "Print what differs between two caches as clients see it, with names of hosts instead of ids; exit code 0 if \
                     nothing does, 1 if something does, 66 if a file is no usable cache",
                )
                .arg(
                    Arg::new("caches")
                        .value_names(["A", "B"])
                        .num_args(0..)
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("the two cache files"),
                )
                .arg(
                    option("examples", "NUMBER", "differences of a kind that are shown for each table").default_value("5"),
                ),
        )
}

/// The settings of `compare`, which needs no database.
fn compare_settings(matches: &ArgMatches) -> Result<CacheCompareSettings, ConfigError> {
    let caches: Vec<PathBuf> = matches.get_many("caches").into_iter().flatten().cloned().collect();
    let caches = <[PathBuf; 2]>::try_from(caches).map_err(|caches| {
        ConfigError::new(format!(
            "compare: expected two cache files, like compare A.proto B.proto, not {}",
            caches.len()
        ))
    })?;
    let examples = checked(matches, "examples", "a number", |text| text.parse().ok())?;
    Ok(CacheCompareSettings {
        caches,
        examples: examples.unwrap_or(5),
    })
}

const HEALTHCHECK: &str = "healthcheck";
const COMPARE: &str = "compare";

/// Where a generator is asked that is said to listen nowhere else.
const DEFAULT_METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const DEFAULT_OUTFILE: &str = "/var/lib/mirrormanager/mirrorlist_cache.proto";
const DEFAULT_CONFIG: &str = "/etc/mirrormanager/generate-mirrorlist-cache.cfg";

/// The `DB_URL` of a file in dotenv syntax; an empty one if there is none and none is needed. The process's environment is not
/// changed.
fn db_url_of_file(path: &Path, dispensable: bool) -> Result<String, ConfigError> {
    let mistake = |problem: String| ConfigError::new(format!("configuration file {}: {problem}", path.display()));
    let content = match std::fs::read(path) {
        Ok(content) => content,
        Err(error) if dispensable && error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => {
            return Err(mistake(format!(
                "{error}; set DB_URL in the environment or name another file with --config"
            )));
        }
    };
    for entry in dotenvy::from_read_iter(Cursor::new(&content)) {
        match entry {
            Ok((key, url)) if key == DB_URL => return Ok(url),
            Ok(_) => {}
            // The error's own text holds the line, and with it maybe the password.
            Err(dotenvy::Error::LineParse(line, _)) => {
                return Err(mistake(format!("{}expected KEY=\"value\"", place_of(&line, &content))));
            }
            Err(_) => return Err(mistake("it is not a text in UTF-8".to_owned())),
        }
    }
    if dispensable {
        return Ok(String::new());
    }
    Err(mistake(
        "it has no DB_URL; expected DB_URL=\"postgresql://user:password@host/database\"".to_owned(),
    ))
}

fn place_of(line: &str, content: &[u8]) -> String {
    let content = String::from_utf8_lossy(content);
    let found = content.lines().position(|candidate| candidate.trim() == line.trim());
    found.map_or_else(String::new, |index| format!("line {}: ", index + 1))
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    matches.get_one::<String>(name).map(String::as_str)
}

fn file(matches: &ArgMatches, name: &str) -> Result<Option<PathBuf>, ConfigError> {
    checked(matches, name, "the path of a file", |text| {
        Path::new(text).file_name().is_some().then(|| text.into())
    })
}

fn checked<T>(
    matches: &ArgMatches,
    name: &str,
    expected: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = text(matches, name) else {
        return Ok(None);
    };
    match parse(text) {
        Some(value) => Ok(Some(value)),
        None => Err(ConfigError::new(format!("--{name} {text:?}: expected {expected}"))),
    }
}

/// A time from a second to a year; seconds without a unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let duration = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).ok()?,
    };
    // A year is longer than anybody waits, and leaves room to add to it.
    (Duration::from_secs(1)..=Duration::from_secs(31_536_000))
        .contains(&duration)
        .then_some(duration)
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

    const URL: &str = "postgresql://mm:hunter2@db.example.org/mirrormanager2";

    fn generate(line: &str) -> GeneratorConfig {
        match parse(line.split_whitespace(), &Environment::from([("DB_URL", URL)])).unwrap() {
            Command::Generate(config) => *config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_in_use_means_what_it_meant() {
        let config = generate("generate-mirrorlist-cache -o /o -c /nonexistent -d");
        assert_eq!(config.outfile, Path::new("/o"));
        assert!(config.debug && !config.check && !config.force && config.interval.is_none());
        assert_eq!(
            (config.max_shrink, config.dns_timeout),
            (Share::percent(25), Some(Duration::from_secs(5)))
        );
        assert_eq!(
            generate("generate-mirrorlist-cache").outfile,
            Path::new(DEFAULT_OUTFILE)
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
            match parse(line.split_whitespace(), &Environment::default()).unwrap() {
                Command::Healthcheck(address) => assert_eq!(address.to_string(), asked, "{line}"),
                other => panic!("{other:?}"),
            }
        }
        match parse("g compare a b --examples 9".split_whitespace(), &Environment::default()).unwrap() {
            Command::Compare(settings) => {
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
            let error = parse(line.split_whitespace(), &Environment::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        }
        let error = parse(
            "g healthcheck --metrics-listen here".split_whitespace(),
            &Environment::default(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("--metrics-listen \"here\""), "{error}");
    }

    #[test]
    fn options_are_checked() {
        let config = generate("g --interval 15m --max-shrink 10 --no-dns --metrics-listen [::1]:0 --report /r");
        assert_eq!(config.interval, Some(Duration::from_secs(900)));
        assert_eq!((config.max_shrink, config.dns_timeout), (Share::percent(10), None));
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
            let error = parse(line.split_whitespace(), &Environment::from([("DB_URL", URL)]))
                .unwrap_err()
                .to_string();
            assert!(error.contains(said), "{line}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn the_url_comes_from_the_environment_or_else_the_file_in_every_dotenv_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.cfg");
        for content in [
            format!("DB_URL=\"{URL}\"\n"),
            format!("# comment\n\nOTHER=1\nexport DB_URL='{URL}'\n"),
            format!("DB_URL={URL}"),
        ] {
            std::fs::write(&path, &content).unwrap();
            assert_eq!(db_url_of_file(&path, false).unwrap(), URL, "{content}");
        }
    }

    #[test]
    fn a_bad_file_is_an_error_of_one_line_without_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("generator.cfg");
        for (content, said) in [
            ("OTHER=1\n", "no DB_URL"),
            ("\nDB_URL \"postgresql://mm:hunter2@h/d\"\n", "line 2: "),
            ("DB_URL=\"postgresql://mm:hunter2@h/d\n", "expected KEY"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = db_url_of_file(&path, false).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("generator.cfg"), "{error}");
            assert!(!error.contains("hunter2") && error.lines().count() == 1, "{error}");
        }
        let error = db_url_of_file(Path::new("/nonexistent.cfg"), false)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nonexistent.cfg") && error.contains("--config"),
            "{error}"
        );
    }
}
