//! Checked settings: values that can't be wrong, one struct per concern.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::ConfigError;
use super::raw::RawSettings;
use crate::access_log::AccessLogTarget;
use crate::admin::AdminAddress;
use crate::admin::browser::AllowedHosts;
use crate::geo::network;
use crate::http::client_address::TrustedProxies;
use crate::http::connection::guard::Deadlines;
use crate::http::public::PublicSettings;
use crate::logging::{Format, LoggingSettings, parse_level};
use crate::readiness::ReadinessLimits;
use crate::reload::ReloadLimits;
use crate::reload::watch::WatchSettings;
use crate::snapshot::DataPaths;

/// The settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where the public listener is.
    pub listen: SocketAddr,
    /// How many threads answer; none: one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// How many connections are served, and how long their steps may take.
    pub connections: ConnectionsConfig,
    /// Where the data files are.
    pub files: DataPaths,
    /// How requests are answered.
    pub public: PublicSettings,
    /// Where the access log goes.
    pub access_log: AccessLogTarget,
    /// Where the admin listener is and who may use it; none: there is no admin listener.
    pub admin: Option<AdminConfig>,
    /// When new data is looked for and what it may be.
    pub reload: ReloadConfig,
    /// When the server calls itself ready.
    pub readiness: ReadinessLimits,
    /// How long to go on accepting after being told to stop.
    pub shutdown_grace: Duration,
    /// How messages are written.
    pub logging: LoggingSettings,
}

/// Connections. The deadlines hold on both listeners, the numbers on the public one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionsConfig {
    /// How many may be open; none: as many as open descriptors allow, within reason.
    pub all: Option<NonZeroUsize>,
    /// How many may be open from one address; none: any number.
    pub per_address: Option<NonZeroUsize>,
    /// How long the steps of a connection may take.
    pub deadlines: Deadlines,
}

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it is.
    pub listen: AdminAddress,
    /// Whether somebody said so. Where nobody did, a second server on a machine goes on without an admin listener.
    pub is_set: bool,
    /// The file with the bearer token; none: peers beyond loopback are refused.
    pub token_file: Option<PathBuf>,
    /// The names that it is reached by.
    pub hosts: AllowedHosts,
}

/// Reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadConfig {
    /// When the data files are looked at; none: never.
    pub watch: Option<WatchSettings>,
    /// What new data may be.
    pub limits: ReloadLimits,
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
            workers: checker.optional("workers", "a number of threads from 1 to 512", |text| {
                parse(text).filter(|workers: &NonZeroUsize| workers.get() <= MOST_WORKERS)
            })?,
            connections: checker.connections()?,
            files: DataPaths::from_settings(|key| checker.file(key))?,
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
            admin: checker.admin()?,
            reload: checker.reload()?,
            readiness: ReadinessLimits {
                max_data_age: checker.optional("ready.max_data_age", TIME, parse_time)?,
                unready_when_stale: checker.value("ready.when_stale", "degraded or unready", |text| match text {
                    "degraded" => Some(false),
                    "unready" => Some(true),
                    _ => None,
                })?,
            },
            shutdown_grace: checker.value("shutdown.grace", TIME, parse_time)?,
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

    fn admin(&self) -> Result<Option<AdminConfig>, ConfigError> {
        let expected = "an address and port like 127.0.0.1:3001, the path of a Unix socket, or off";
        let listen = self.value("admin.listen", expected, |text| match text {
            "off" => Some(None),
            path if path.starts_with('/') => Some(Some(AdminAddress::Unix(path.into()))),
            address => address.parse().ok().map(|address| Some(AdminAddress::Tcp(address))),
        })?;
        let token_file = Some(self.text("admin.token_file"))
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let hosts = self.value(
            "admin.hosts",
            "a comma list of host names without ports",
            AllowedHosts::parse,
        )?;
        let is_set = self.raw.get("admin.listen").is_some_and(|value| value.origin.is_some());
        Ok(listen.map(|listen| AdminConfig {
            listen,
            is_set,
            token_file,
            hosts,
        }))
    }

    fn connections(&self) -> Result<ConnectionsConfig, ConfigError> {
        let number = |key| self.optional(key, "a number of connections, at least 1", parse);
        let deadline = |key| {
            self.value(key, "a time from 100ms to 1h, like 5s", |text| {
                parse_time(text).filter(|time| DEADLINES.contains(time))
            })
        };
        Ok(ConnectionsConfig {
            all: number("max_connections")?,
            per_address: number("max_connections_per_address")?,
            deadlines: Deadlines {
                head: deadline("timeout.head")?,
                idle: deadline("timeout.idle")?,
                stall: deadline("timeout.stall")?,
                answer: deadline("timeout.answer")?,
            },
        })
    }

    fn reload(&self) -> Result<ReloadConfig, ConfigError> {
        let settle = self.value("reload.settle", TIME, parse_time)?;
        let interval = self.value("reload.watch", "a time like 2s, or off", |text| match text {
            "off" => Some(None),
            time => parse_time(time).filter(|time| !time.is_zero()).map(Some),
        })?;
        let max_shrink = self.value("reload.max_shrink", "a percentage from 0% to 100%", parse)?;
        Ok(ReloadConfig {
            watch: interval.map(|interval| WatchSettings { interval, settle }),
            limits: ReloadLimits { max_shrink },
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

/// More threads than any machine has processors only cost memory.
const MOST_WORKERS: usize = 512;

/// What a deadline of a connection can be.
const DEADLINES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// What a setting that is a time expects.
const TIME: &str = "a time like 500ms, 30s, 15m or 6h";

fn parse_time(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

fn parse<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn parse_listen(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}
