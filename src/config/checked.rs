//! Checked settings: values that can't be wrong, one struct per concern.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use slog::Level;

use super::ConfigError;
use super::raw::RawSettings;
use crate::geo::network;
use crate::http::access_log::AccessLogTarget;
use crate::http::client_address::TrustedProxies;
use crate::http::public::PublicSettings;
use crate::logging::{Format, LoggingSettings};
use crate::snapshot::DataFiles;

/// The settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where the public listener is.
    pub listen: SocketAddr,
    /// How many threads answer; none: one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// Where the data files are.
    pub files: DataFiles,
    /// How requests are answered.
    pub public: PublicSettings,
    /// Where the access log goes.
    pub access_log: AccessLogTarget,
    /// How messages are written.
    pub logging: LoggingSettings,
}

impl ServerConfig {
    /// Checks raw settings.
    ///
    /// # Errors
    /// The first value that is not what its setting expects.
    pub fn check(raw: &RawSettings) -> Result<Self, ConfigError> {
        let checker = Checker { raw };
        Ok(Self {
            listen: SocketAddr::new(
                checker.value("listen", "an IP address like 127.0.0.1 or ::1", parse_listen)?,
                checker.value("port", "a port number from 0 to 65535", parse)?,
            ),
            workers: checker.optional("workers", "a number of threads, at least 1", parse)?,
            files: DataFiles {
                cache: checker.file("cache")?,
                global_netblocks: checker.file("global_netblocks")?,
                country_continent: checker.file("cccsv")?,
                geoip: checker.file("geoip")?,
            },
            public: PublicSettings {
                minimum: checker.value("minimum", "a number of hosts, 0 or more", parse)?,
                trusted_proxies: checker.trusted_proxies("trusted_proxies")?,
                ip_from_trusted_only: checker.value("ip_parameter", "everyone or trusted", |text| match text {
                    "everyone" => Some(false),
                    "trusted" => Some(true),
                    _ => None,
                })?,
            },
            access_log: checker.value("log", "a file, or - for standard output", |text| match text {
                "" => None,
                "-" => Some(AccessLogTarget::Stdout),
                path => Some(AccessLogTarget::File(path.into())),
            })?,
            logging: LoggingSettings {
                level: checker.value("log_level", "error, warning, info, debug or trace", parse_level)?,
                format: checker.value("log_format", "auto, json or terminal", |text| match text {
                    "auto" => Some(Format::Auto),
                    "json" => Some(Format::Json),
                    "terminal" => Some(Format::Terminal),
                    _ => None,
                })?,
            },
        })
    }

    /// The same for a demonstration: with the access log on standard output unless it was set.
    #[must_use]
    pub fn for_demo(self, raw: &RawSettings) -> Self {
        let set = raw.get("log").is_some_and(|log| log.origin.is_some());
        Self {
            access_log: if set { self.access_log } else { AccessLogTarget::Stdout },
            ..self
        }
    }
}

struct Checker<'a> {
    raw: &'a RawSettings,
}

impl Checker<'_> {
    fn value<T>(&self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        let text = self.text(key);
        parse(text).ok_or_else(|| self.error(key, expected))
    }

    /// A setting for which an empty text has a meaning of its own.
    fn optional<T>(
        &self,
        key: &str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.text(key) {
            "" => Ok(None),
            text => parse(text).map(Some).ok_or_else(|| self.error(key, expected)),
        }
    }

    fn file(&self, key: &str) -> Result<PathBuf, ConfigError> {
        self.value(key, "the path of a file", |text| {
            (!text.is_empty()).then(|| text.into())
        })
    }

    fn trusted_proxies(&self, key: &str) -> Result<TrustedProxies, ConfigError> {
        let texts = self.text(key).split(',').map(str::trim).filter(|text| !text.is_empty());
        let networks: Result<Vec<_>, ConfigError> = texts
            .map(|text| {
                network::parse(text).map_err(|problem| self.error(key, format_args!("networks: {text:?}: {problem}")))
            })
            .collect();
        networks.map(TrustedProxies::new)
    }

    fn text(&self, key: &str) -> &str {
        self.raw.get(key).map_or("", |value| value.text.trim())
    }

    fn error(&self, key: &str, expected: impl Display) -> ConfigError {
        let origin = self
            .raw
            .get(key)
            .and_then(|value| value.origin.as_deref())
            .unwrap_or("the defaults");
        ConfigError::new(format!("{key} = {:?} in {origin}: expected {expected}", self.text(key)))
    }
}

fn parse<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn parse_listen(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

fn parse_level(text: &str) -> Option<Level> {
    match text {
        "error" => Some(Level::Error),
        "warning" => Some(Level::Warning),
        "info" => Some(Level::Info),
        "debug" => Some(Level::Debug),
        "trace" => Some(Level::Trace),
        _ => None,
    }
}
