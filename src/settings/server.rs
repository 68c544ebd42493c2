//! The settings of `mirrorlist-server`: the table of all, and the checked structs, one per concern.
//!
//! Not here: the commands and their flags ([`super::server_command`]), and the layers that texts come from ([`super::raw`]).

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use slog::Level;

use super::error::ConfigError;
use super::parsers::{
    access_log, admin_address, choice, host_names, ip_address, networks, number, optional, or_off, path, share, time,
    time_in,
};
use super::raw::RawSettings;
use super::setting::{Definition, Expected, Setting, settings};
use super::values::{
    AccessLogTarget, AdminAddress, AllowedHosts, Deadlines, LEVELS, LogFormat, LoggingSettings, PublicSettings,
    ReadinessLimits, ReloadLimits, Share, TrustedProxies, WatchSettings,
};
use crate::snapshot::DataFiles;

settings! {
    /// All settings of the server, in the order of the documentation.
    pub SETTINGS:

    /// IP address of the public listener, IPv4 or IPv6
    LISTEN: IpAddr = Setting::new("listen", "ADDRESS", ip_address).default("127.0.0.1");
    /// TCP port of the public listener; 0 takes a free one and logs it
    PORT: u16 = Setting::new("port", "PORT", |text| number(text, "a port number from 0 to 65535")).default("3000");
    /// add hosts worldwide when the nearer tiers give fewer than this many
    MINIMUM: usize = Setting::new("minimum", "HOSTS", |text| number(text, "a number of hosts, 0 or more"))
        .short('m').default("5");
    /// mirrorlist cache, as a MirrorManager2 generator writes it
    CACHE: PathBuf = Setting::new("cache", "FILE", path)
        .short('c').default("/var/lib/mirrormanager/mirrorlist_cache.proto");
    /// accepted for old command lines, and ignored
    INTERNET2_NETBLOCKS: () = Setting::new("internet2_netblocks", "FILE", |_| Ok(())).short('i');
    /// networks and their AS numbers, lines like `192.0.2.0/24 64496`
    GLOBAL_NETBLOCKS: PathBuf = Setting::new("global_netblocks", "FILE", path)
        .short('g').default("/var/lib/mirrormanager/global_netblocks.txt");
    /// countries and their continents, lines like `DE,EU`
    CCCSV: PathBuf = Setting::new("cccsv", "FILE", path).default("/var/lib/mirrormanager/country_continent.csv");
    /// GeoIP country database in MaxMind DB format
    GEOIP: PathBuf = Setting::new("geoip", "FILE", path).default("/usr/share/GeoIP/GeoLite2-Country.mmdb");
    /// access log, appended to; `-` is standard output
    LOG: AccessLogTarget = Setting::new("log", "FILE", access_log)
        .short('l').default("/var/log/mirrormanager/mirrorlist.log");
    /// comma list of the networks whose X-Forwarded-For counts; empty: none
    TRUSTED_PROXIES: TrustedProxies = Setting::new("trusted_proxies", "NETWORKS", networks)
        .default("127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10");
    /// who may ask for another address with `ip=`: `everyone`, or `trusted` (only proxies; ignored from others)
    IP_PARAMETER: bool = Setting::new("ip_parameter", "WHO", |text| {
        choice(text, &[("everyone", false), ("trusted", true)])
    })
    .default("everyone");
    /// number of threads that answer, 1 to 512; empty: one for each processor
    WORKERS: Option<NonZeroUsize> = Setting::new("workers", "THREADS", |text| optional(text, threads));
    /// connections that the public listener serves at once, more are closed; empty: as many as the hard limit of open
    /// descriptors leaves room for, up to 65536
    MAX_CONNECTIONS: Option<NonZeroUsize> = Setting::new("max_connections", "NUMBER", |text| optional(text, connections));
    /// connections from one IPv4 address or IPv6 /64 network, except from `trusted_proxies`; empty: any number
    MAX_CONNECTIONS_PER_ADDRESS: Option<NonZeroUsize> =
        Setting::new("max_connections_per_address", "NUMBER", |text| optional(text, connections));
    /// time from the first byte of a request to the end of its headers, on both listeners; 100ms to 1h, like the other timeouts
    TIMEOUT_HEAD: Duration = Setting::new("timeout.head", "TIME", deadline).default("5s");
    /// close a connection that has had no request for this long; longer than a proxy's own limit, so that the proxy closes first
    TIMEOUT_IDLE: Duration = Setting::new("timeout.idle", "TIME", deadline).default("75s");
    /// cut off an answer of which the client has taken nothing for this long
    TIMEOUT_STALL: Duration = Setting::new("timeout.stall", "TIME", deadline).default("10s");
    /// cut off an answer that has to wait for its client after this long, even if it makes progress
    TIMEOUT_ANSWER: Duration = Setting::new("timeout.answer", "TIME", deadline).default("60s");
    /// least severe messages on standard error: `error`, `warning`, `info`, `debug` (each request) or `trace`
    LOG_LEVEL: Level = Setting::new("log_level", "LEVEL", |text| choice(text, &LEVELS)).default("info");
    /// format of messages: `json`, `terminal`, or `auto` (`terminal` on a terminal, else `json`)
    LOG_FORMAT: LogFormat = Setting::new("log_format", "FORMAT", |text| {
        choice(text, &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("terminal", LogFormat::Terminal)])
    })
    .default("auto");
    /// IP address and port of the admin listener, or the path of a Unix socket; `off`: none
    ADMIN_LISTEN: Option<AdminAddress> = Setting::new("admin.listen", "ADDRESS", |text| or_off(text, admin_address))
        .default("127.0.0.1:3001");
    /// file with the bearer token that `/admin/*` requires from peers beyond loopback, reread when it changes; empty: refuse
    /// such peers
    ADMIN_TOKEN_FILE: Option<PathBuf> = Setting::new("admin.token_file", "FILE", |text| optional(text, path));
    /// comma list of the names, without port, that clients may call the admin listener by, apart from `localhost` and addresses;
    /// requests for other names are refused
    ADMIN_HOSTS: AllowedHosts = Setting::new("admin.hosts", "NAMES", host_names);
    /// time between two looks at the data files, which are reloaded when they change; `off`: never
    RELOAD_WATCH: Option<Duration> = Setting::new("reload.watch", "TIME", |text| or_off(text, watch)).default("2s");
    /// how long a changed file must stay as it is before the watch reads it
    RELOAD_SETTLE: Duration = Setting::new("reload.settle", "TIME", time).default("1s");
    /// refuse new data if one of its counts of entries shrank by more than this
    RELOAD_MAX_SHRINK: Share = Setting::new("reload.max_shrink", "PERCENT", share).default("25%");
    /// age beyond which the cache is stale, and `/readyz` says so, like `6h`; empty: never
    READY_MAX_DATA_AGE: Option<Duration> = Setting::new("ready.max_data_age", "TIME", |text| optional(text, time));
    /// answer of `/readyz` while the cache is stale: `degraded` (200 with a reason) or `unready` (503)
    READY_WHEN_STALE: bool = Setting::new("ready.when_stale", "STATE", |text| {
        choice(text, &[("degraded", false), ("unready", true)])
    })
    .default("degraded");
    /// after SIGTERM or SIGINT, how long to keep accepting connections while `/readyz` is 503; a second signal ends it
    SHUTDOWN_GRACE: Duration = Setting::new("shutdown.grace", "TIME", time).default("5s");
}

/// The number of worker threads. More than any machine has processors only cost memory.
fn threads(text: &str) -> Result<NonZeroUsize, Expected> {
    const EXPECTED: &str = "a number of threads from 1 to 512";
    let threads: NonZeroUsize = number(text, EXPECTED)?;
    (threads.get() <= 512).then_some(threads).ok_or(EXPECTED.into())
}

fn connections(text: &str) -> Result<NonZeroUsize, Expected> {
    number(text, "a number of connections, at least 1")
}

fn deadline(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::from_millis(100)..=Duration::from_secs(3_600))
}

fn watch(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::from_millis(1)..=super::parsers::YEAR)
}

/// The checked settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address of the public listener.
    pub listen: SocketAddr,
    /// How many threads answer; `None`: one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// How many connections are served, and how long their steps may take.
    pub connections: ConnectionsConfig,
    /// The paths of the data files.
    pub files: DataFiles,
    /// How requests are answered.
    pub public: PublicSettings,
    /// The destination of the access log.
    pub access_log: AccessLogTarget,
    /// The admin listener; `None`: there is none.
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
    /// How many may be open; `None`: as many as open descriptors allow, within reason.
    pub all: Option<NonZeroUsize>,
    /// How many may be open from one address; `None`: any number.
    pub per_address: Option<NonZeroUsize>,
    /// How long the steps of a connection may take.
    pub deadlines: Deadlines,
}

/// The admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminConfig {
    /// Its address.
    pub listen: AdminAddress,
    /// Whether the address was set. If it was not, a second server on a machine runs without an admin listener.
    pub is_set: bool,
    /// The file with the bearer token; `None`: peers beyond loopback are refused.
    pub token_file: Option<PathBuf>,
    /// The names that it is reached by.
    pub hosts: AllowedHosts,
}

/// Reloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadConfig {
    /// When the data files are looked at; `None`: never.
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
        let settle = raw.get(&RELOAD_SETTLE)?;
        let (token_file, hosts) = (raw.get(&ADMIN_TOKEN_FILE)?, raw.get(&ADMIN_HOSTS)?);
        Ok(Self {
            listen: SocketAddr::new(raw.get(&LISTEN)?, raw.get(&PORT)?),
            workers: raw.get(&WORKERS)?,
            connections: ConnectionsConfig {
                all: raw.get(&MAX_CONNECTIONS)?,
                per_address: raw.get(&MAX_CONNECTIONS_PER_ADDRESS)?,
                deadlines: Deadlines {
                    head: raw.get(&TIMEOUT_HEAD)?,
                    idle: raw.get(&TIMEOUT_IDLE)?,
                    stall: raw.get(&TIMEOUT_STALL)?,
                    answer: raw.get(&TIMEOUT_ANSWER)?,
                },
            },
            files: DataFiles {
                cache: raw.get(&CACHE)?,
                global_netblocks: raw.get(&GLOBAL_NETBLOCKS)?,
                country_continent: raw.get(&CCCSV)?,
                geoip: raw.get(&GEOIP)?,
            },
            public: PublicSettings {
                minimum: raw.get(&MINIMUM)?,
                trusted_proxies: raw.get(&TRUSTED_PROXIES)?,
                ip_from_trusted_only: raw.get(&IP_PARAMETER)?,
            },
            access_log: raw.get(&LOG)?,
            admin: raw.get(&ADMIN_LISTEN)?.map(|listen| AdminConfig {
                listen,
                is_set: raw.is_set(&ADMIN_LISTEN),
                token_file,
                hosts,
            }),
            reload: ReloadConfig {
                watch: raw
                    .get(&RELOAD_WATCH)?
                    .map(|interval| WatchSettings { interval, settle }),
                limits: ReloadLimits {
                    max_shrink: raw.get(&RELOAD_MAX_SHRINK)?,
                },
            },
            readiness: ReadinessLimits {
                max_data_age: raw.get(&READY_MAX_DATA_AGE)?,
                unready_when_stale: raw.get(&READY_WHEN_STALE)?,
            },
            shutdown_grace: raw.get(&SHUTDOWN_GRACE)?,
            logging: LoggingSettings {
                level: raw.get(&LOG_LEVEL)?,
                format: raw.get(&LOG_FORMAT)?,
            },
        })
    }

    /// The same for a demonstration: with the access log on standard output unless it was set.
    #[must_use]
    pub fn for_demo(self, raw: &RawSettings) -> Self {
        let access_log = match raw.is_set(&LOG) {
            true => self.access_log,
            false => AccessLogTarget::Stdout,
        };
        Self { access_log, ..self }
    }
}
