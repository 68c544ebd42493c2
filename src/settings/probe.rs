//! The settings of `generate-mirrorlist-cache probe`, which are its flags.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use slog::Level;

use super::command_line::{METRICS_LISTEN, log_level};
use super::parsers::{deadline, limit, number, optional, path};
use super::setting::{ConfigError, Definition, Expected, Setting, Texts, settings};

/// The definitions of the flags of `probe`, in the order of the documentation.
pub fn probe_flags() -> &'static [Definition] {
    ProbeConfig::TABLE
}

settings! {
    /// The settings of a probe, which are its flags.
    pub struct ProbeConfig {
        /// cache file whose mirrors are asked
        cache: PathBuf = Setting::new("cache", "FILE", path)
            .default("/var/lib/mirrormanager/mirrorlist_cache.proto").topic("Files");
        /// health file to replace
        outfile: PathBuf = Setting::new("outfile", "FILE", path)
            .short('o').default("/var/lib/mirrormanager/mirror_health.json").topic("Files");
        /// keep running, and ask all mirrors this often, like 5m (up to a tenth later, at random)
        interval: Option<Duration> = Setting::new("interval", "TIME", |text| optional(text, limit)).topic("Rounds");
        /// repositories to ask for: a comma list of patterns with * and ? for their directories or for prefix+arch, like
        /// fedora-41+*; else the three of each category that changed last
        watch: Patterns = Setting::new("watch", "PATTERNS", patterns).topic("What is asked");
        /// comma list of the names of hosts that are not asked, since their admins want none of it
        skip: Vec<String> = Setting::new("skip", "NAMES", names).topic("What is asked");
        /// how mirror admins reach who runs the probe, like an address; it stands in the User-Agent
        contact: Option<String> = Setting::new("contact", "TEXT", |text| optional(text, header_text)).topic("How mirrors are asked");
        /// name of the place that mirrors are asked from; it stands in the health file
        place: String = Setting::new("place", "NAME", |text| Ok(text.to_owned())).topic("How mirrors are asked");
        /// how long the health file counts; else three intervals and the time of a round, or an hour without --interval
        valid: Option<Duration> = Setting::new("valid", "TIME", |text| optional(text, limit)).topic("Rounds");
        /// time limit for an answer, from looking up the name to the end of the content
        patience: Duration = Setting::new("patience", "TIME", deadline).default("10s").topic("How mirrors are asked");
        /// how many mirrors are asked at once, 1 to 64
        parallel: NonZeroUsize = Setting::new("parallel", "NUMBER", parallel).default("64").topic("How mirrors are asked");
        /// print the summary of a round even without a terminal
        report: bool = Setting::switch("report").topic("Messages and metrics");
        /// log every answer, even without a terminal (where a single run logs errors only)
        debug: bool = Setting::switch("debug").short('d').topic("Messages and metrics");
        /// serve /metrics and /healthz on this address, like 127.0.0.1:9180
        metrics_listen: Option<SocketAddr> = METRICS_LISTEN.topic("Messages and metrics");
    }
}

/// Patterns of repositories. Without any, the probe chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns(pub Vec<glob::Pattern>);

fn patterns(text: &str) -> Result<Patterns, Expected> {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let patterns = texts.map(|text| {
        glob::Pattern::new(text).map_err(|error| format!("patterns like fedora-41+*: {text:?}: {}", error.msg).into())
    });
    patterns.collect::<Result<_, Expected>>().map(Patterns)
}

fn names(text: &str) -> Result<Vec<String>, Expected> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_ascii_lowercase).collect();
    let is_name = |name: &String| !name.contains(['/', ' ']);
    (names.iter().all(is_name))
        .then_some(names)
        .ok_or_else(|| "a comma list of names like mirror.example.org".into())
}

/// A text that can stand in a header, and in a comment of it.
fn header_text(text: &str) -> Result<String, Expected> {
    let stands = |c: char| matches!(c, ' '..='~') && !matches!(c, '(' | ')' | '\\');
    match text.chars().all(stands) {
        true => Ok(text.to_owned()),
        false => Err("a text of ASCII characters without parentheses, backslashes and control characters".into()),
    }
}

/// More would be open connections that mirrors of one network could take for an attack.
const MOST_PARALLEL: usize = 64;

fn parallel(text: &str) -> Result<NonZeroUsize, Expected> {
    let expected = "a number from 1 to 64";
    let number: NonZeroUsize = number(text, expected)?;
    match number.get() <= MOST_PARALLEL {
        true => Ok(number),
        false => Err(expected.into()),
    }
}

impl ProbeConfig {
    /// The least severe level that is logged.
    pub fn log_level(&self, on_terminal: bool) -> Level {
        log_level(self.debug, self.interval, on_terminal)
    }
}

#[cfg(test)]
mod tests {
    use super::super::generator_command::GeneratorCommand;
    use super::*;

    fn parse(arguments: &[&str]) -> Result<ProbeConfig, String> {
        let all = ["g", "probe"].iter().chain(arguments);
        match GeneratorCommand::parse(all).map_err(|error| error.to_string())? {
            GeneratorCommand::Probe(config) => Ok(config),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_probe_needs_no_flags() {
        let config = parse(&[]).unwrap();
        assert_eq!(
            config.outfile,
            PathBuf::from("/var/lib/mirrormanager/mirror_health.json")
        );
        assert_eq!((config.patience, config.parallel.get()), (Duration::from_secs(10), 64));
        assert_eq!(config.log_level(false), Level::Error);
        assert_eq!(parse(&["--interval", "5m"]).unwrap().log_level(false), Level::Info);
        let config = parse(&["--watch", "fedora-4?+*, pub/epel/*", "--metrics-listen", "[::1]:0"]).unwrap();
        assert_eq!(config.watch.0.len(), 2);
        assert!(config.metrics_listen.is_some());
    }

    #[test]
    fn what_is_wrong_is_one_line_with_flag_and_value() {
        for (arguments, said) in [
            (["--interval", "soon"], "--interval \"soon\""),
            (["--patience", "1ms"], "--patience \"1ms\""),
            (
                ["--parallel", "65"],
                "--parallel \"65\": expected a number from 1 to 64",
            ),
            (["--parallel", "0"], "--parallel \"0\""),
            (["--skip", "https://a/"], "--skip \"https://a/\""),
            (["--watch", "a,b[c"], "--watch \"a,b[c\""),
            (["--contact", "me\nX-Evil: 1"], "--contact \"me\\nX-Evil: 1\""),
            (["--contact", "m\u{e4}rz"], "--contact"),
            (["--valid", "0s"], "--valid \"0s\""),
            (["--outfile", "/"], "--outfile \"/\""),
            (["--cache", ""], "--cache \"\""),
            (["--wat", "x"], "--wat"),
        ] {
            let error = parse(&arguments).unwrap_err();
            assert!(error.contains(said) && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn a_flag_of_the_generator_before_the_command_is_a_mistake() {
        let error = GeneratorCommand::parse(["g", "--interval", "5m", "probe"]).unwrap_err();
        assert!(error.to_string().contains("probe --interval"), "{error}");
        let command = GeneratorCommand::parse(["g", "--metrics-listen", "[::1]:1", "probe"]).unwrap();
        assert!(matches!(command, GeneratorCommand::Probe(config) if config.metrics_listen.is_some()));
    }
}
