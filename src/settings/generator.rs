//! The settings of `generate-mirrorlist-cache`, which are its flags.
//!
//! Not here: its commands ([`super::generator_command`]), and `DB_URL` and libpq's variables, which say where the database is
//! ([`crate::generate`]).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use slog::Level;

use super::command_line::{METRICS_LISTEN, log_level};
use super::parsers::{limit, number, optional, path, share};
use super::setting::{ConfigError, Definition, Setting, Texts, settings};
use super::values::Share;

/// The definitions of all flags, in the order of the documentation.
pub fn generator_flags() -> &'static [Definition] {
    GeneratorConfig::TABLE
}

settings! {
    /// The settings of a generator, which are its flags.
    pub struct GeneratorConfig {
        /// cache file to replace
        outfile: PathBuf = Setting::new("outfile", "FILE", path)
            .short('o').default("/var/lib/mirrormanager/mirrorlist_cache.proto").topic("Files");
        /// file with DB_URL, read if the environment has none
        config_file: PathBuf = Setting::new("config", "FILE", |text| Ok(text.into()))
            .short('c').default("/etc/mirrormanager/generate-mirrorlist-cache.cfg").topic("Files");
        /// log every table and every warning, even without a terminal (where a single run logs errors only)
        debug: bool = Setting::switch("debug").short('d').topic("Messages and metrics");
        /// keep running, and make a new cache this often, like 15m (up to a tenth later, at random)
        interval: Option<Duration> = Setting::new("interval", "TIME", |text| optional(text, limit)).topic("Runs");
        /// end a run that takes longer than this, with exit code 69
        timeout: Duration = Setting::new("timeout", "TIME", limit).default("30m").topic("Runs");
        /// make one cache and exit, as without --interval
        once: bool = Setting::switch("once").arg(|arg| arg.conflicts_with("interval")).topic("Runs");
        /// compute and validate, but write no cache
        check: bool = Setting::switch("check").arg(|arg| arg.conflicts_with("interval")).topic("Runs");
        /// publish even if the cache shrank by more than --max-shrink, or a category or repository is gone
        force: bool = Setting::switch("force").topic("Runs");
        /// do not keep the replaced file as FILE.previous
        no_previous: bool = Setting::switch("no-previous").topic("Files");
        /// refuse a cache that lost more of its hosts, directories or repositories
        max_shrink: Share = Setting::new("max-shrink", "PERCENT", share).default("25%").topic("Runs");
        /// write all warnings and what each host carries to this file, as JSON
        report: Option<PathBuf> = Setting::new("report", "FILE", |text| optional(text, path)).topic("Files");
        /// time limit for resolving all names in netblocks
        dns_timeout: Duration = Setting::new("dns-timeout", "TIME", limit).default("5s").topic("Runs");
        /// do not resolve names in netblocks
        no_dns: bool = Setting::switch("no-dns").topic("Runs");
        /// serve /metrics and /healthz on this address, like 127.0.0.1:9180
        metrics_listen: Option<SocketAddr> = METRICS_LISTEN.topic("Messages and metrics");
    }
}

/// The flag of `compare`.
pub(super) const EXAMPLES: Setting<usize> = Setting::new("examples", "NUMBER", |text| number(text, "a number"))
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
