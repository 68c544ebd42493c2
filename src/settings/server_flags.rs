//! The flags of `mirrorlist-server` and its commands that are not settings.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::parsers::{base_url, deadline, number, optional, path};
use super::setting::{ConfigError, Definition, Expected, Setting, Texts, settings};

settings! {
    /// Options: the flags of the server that are not settings.
    pub(super) struct ServerFlags {
        /// read settings from this TOML file [variable: MIRRORLIST_CONFIG]
        config: Option<String> = Setting::new("config", "FILE", |text| optional(text, |text| Ok(text.to_owned()))).arg(|arg| arg.global(true));
        /// answer from a small data set inside the binary, and print requests to try
        demo: bool = Setting::switch("demo");
    }
}

/// The flag of `check`.
pub(super) const JSON: Setting<bool> = Setting::switch("json").help("print one JSON object, also about errors");

/// The flag of `reload`.
pub(super) const FORCE: Setting<bool> =
    Setting::switch("force").help("take new data even if it is older or much smaller than the current data");

settings! {
    /// Comparison: the options of `compare`.
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
