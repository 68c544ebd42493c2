//! The settings of `mirrorlist-server`: checked structs, one per concern, each with the table that it is read from.
//!
//! Not here: the commands and their flags ([`super::server_command`]), and the layers that texts come from ([`super::raw`]).

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use slog::Level;

use super::choice::ChoiceSettings;
use super::origins::{AllowedOrigins, origins};
use super::parsers::{
    YEAR, access_log, admin_address, choice, deadline, host_names, ip_address, networks, number, optional, or_off,
    path, share, time, time_in,
};
use super::raw::RawSettings;
use super::setting::{ConfigError, Definition, Expected, Setting, Texts, settings};
use super::values::{
    AccessLogTarget, AdminAddress, AllowedHosts, LEVELS, LogFormat, Share, TrustedProxies, WatchSettings,
};

/// The definitions of all settings, in the order of the documentation.
pub fn server_settings() -> Vec<Definition> {
    let tables = [
        ListenerSettings::TABLE,
        ChoiceSettings::TABLE,
        PublicSettings::TABLE,
        DataPaths::TABLE,
        HealthSettings::TABLE,
        OtherFileSettings::TABLE,
        ConnectionLimitSettings::TABLE,
        Deadlines::TABLE,
        LoggingSettings::TABLE,
        AdminSettings::TABLE,
        ReloadSettings::TABLE,
        ReadinessLimits::TABLE,
    ];
    tables.concat()
}

settings! {
    /// Public listener: its address and threads.
    struct ListenerSettings {
        /// IP address of the public listener, IPv4 or IPv6
        address: IpAddr = Setting::new("listen", "ADDRESS", ip_address).default("127.0.0.1");
        /// TCP port of the public listener; 0 takes a free one and logs it
        port: u16 = Setting::new("port", "PORT", |text| number(text, "a port number from 0 to 65535")).default("3000");
        /// number of threads that answer, 1 to 512; empty: one for each processor
        workers: Option<NonZeroUsize> = Setting::new("workers", "THREADS", |text| optional(text, threads));
        /// after SIGTERM or SIGINT, how long to keep accepting connections while `/readyz` is 503; a second signal ends it
        shutdown_grace: Duration = Setting::new("shutdown.grace", "TIME", time).default("5s");
    }
}

settings! {
    /// Requests: how the public handler takes them.
    pub struct PublicSettings {
        /// comma list of the networks whose X-Forwarded-For counts; empty: none
        trusted_proxies: TrustedProxies = Setting::new("trusted_proxies", "NETWORKS", networks)
            .default("127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10");
        /// who may ask for another address with `ip=`: `everyone`, or `trusted` (only proxies; ignored from others)
        ip_from_trusted_only: bool = Setting::new("ip_parameter", "WHO", |text| {
            choice(text, &[("everyone", false), ("trusted", true)])
        }).default("everyone");
        /// comma list of the origins whose web pages may read answers (CORS), like `https://www.example.org`; `*`: all; empty:
        /// none
        cors: AllowedOrigins = Setting::new("cors.origins", "ORIGINS", origins);
    }
}

/// The access log. A constant, since a demonstration asks whether it is set.
const LOG: Setting<AccessLogTarget> = Setting::new("log", "FILE", access_log)
    .short('l')
    .default("/var/log/mirrormanager/mirrorlist.log");

settings! {
    /// Data files: their paths.
    pub struct DataPaths {
        /// mirrorlist cache, as a MirrorManager2 generator writes it
        cache: PathBuf = Setting::new("cache", "FILE", path)
            .short('c').default("/var/lib/mirrormanager/mirrorlist_cache.proto");
        /// networks and their AS numbers, lines like `192.0.2.0/24 64496`
        global_netblocks: PathBuf = Setting::new("global_netblocks", "FILE", path)
            .short('g').default("/var/lib/mirrormanager/global_netblocks.txt");
        /// countries and their continents, lines like `DE,EU`
        country_continent: PathBuf = Setting::new("cccsv", "FILE", path)
            .default("/var/lib/mirrormanager/country_continent.csv");
        /// GeoIP country or City database in MaxMind DB format
        geoip: PathBuf = Setting::new("geoip", "FILE", path).default("/usr/share/GeoIP/GeoLite2-Country.mmdb");
        /// rules for clients, mirrors and repositories, in TOML (docs/rules.md); empty: none
        rules: Option<PathBuf> = Setting::new("rules", "FILE", |text| optional(text, path));
    }
}

settings! {
    /// Health of mirrors: where it is read, and how far to trust it.
    pub struct HealthSettings {
        /// comma list of the files with the health of mirrors that `generate-mirrorlist-cache probe` writes, at most 16; empty: none
        files: Vec<PathBuf> = Setting::new("health.files", "FILES", health_files);
        /// how many of the health files that are still valid must call a URL bad; empty: all of them
        quorum: Option<NonZeroUsize> = Setting::new("health.quorum", "NUMBER", |text| {
            optional(text, |text| number(text, "a number of files, at least 1"))
        });
        /// set a health file aside that calls more than this share of the hosts of a country or of the world bad
        max_bad: Share = Setting::new("health.max_bad", "PERCENT", share).default("30%");
    }
}

impl HealthSettings {
    fn checked(self) -> Result<Self, ConfigError> {
        let files = self.files.len();
        match self.quorum {
            Some(quorum) if files > 0 && quorum.get() > files => Err(ConfigError::new(format!(
                "health.quorum = {quorum}: health.files names {files}, so that no URL would ever be bad"
            ))),
            _ => Ok(self),
        }
    }
}

impl Default for HealthSettings {
    /// No health files.
    fn default() -> Self {
        Self {
            files: Vec::new(),
            quorum: None,
            max_bad: Share::percent(30),
        }
    }
}

settings! {
    /// Other files: those that are no data files.
    struct OtherFileSettings {
        /// accepted for old command lines, and ignored
        internet2_netblocks: () = Setting::new("internet2_netblocks", "FILE", |_| Ok(())).short('i');
        /// access log, appended to; `-` is standard output
        access_log: AccessLogTarget = LOG;
    }
}

settings! {
    /// Connections: how many the public listener serves at once.
    #[derive(Copy)]
    pub struct ConnectionLimitSettings {
        /// connections that the public listener serves at once, more are closed; empty: as many as the hard limit of open
        /// descriptors leaves room for, up to 65536
        all: Option<NonZeroUsize> = Setting::new("max_connections", "NUMBER", |text| optional(text, connections));
        /// connections from one IPv4 address or IPv6 /64 network, except from `trusted_proxies`; empty: any number
        per_address: Option<NonZeroUsize> =
            Setting::new("max_connections_per_address", "NUMBER", |text| optional(text, connections));
    }
}

settings! {
    /// Deadlines: how long the steps of a connection may take.
    #[derive(Copy)]
    pub struct Deadlines {
        /// time from the first byte of a request to the end of its headers, on both listeners; 100ms to 1h, like the other
        /// timeouts
        head: Duration = Setting::new("timeout.head", "TIME", deadline).default("5s");
        /// close a connection that has had no request for this long; longer than a proxy's own limit, so that the proxy closes
        /// first
        idle: Duration = Setting::new("timeout.idle", "TIME", deadline).default("75s");
        /// cut off an answer of which the client has taken nothing for this long
        stall: Duration = Setting::new("timeout.stall", "TIME", deadline).default("10s");
        /// cut off an answer that has to wait for its client after this long, even if it makes progress
        answer: Duration = Setting::new("timeout.answer", "TIME", deadline).default("60s");
    }
}

impl Deadlines {
    /// The defaults, for listeners that have no settings of their own.
    pub const STANDARD: Self = Self {
        head: Duration::from_secs(5),
        idle: Duration::from_secs(75),
        stall: Duration::from_secs(10),
        answer: Duration::from_secs(60),
    };
}

settings! {
    /// Messages: how they are written.
    #[derive(Copy)]
    pub struct LoggingSettings {
        /// least severe messages on standard error: `error`, `warning`, `info`, `debug` (each request) or `trace`
        level: Level = Setting::new("log_level", "LEVEL", |text| choice(text, &LEVELS)).default("info");
        /// format of messages: `json`, `terminal`, or `auto` (`terminal` on a terminal, else `json`)
        format: LogFormat = Setting::new("log_format", "FORMAT", |text| {
            choice(text, &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("terminal", LogFormat::Terminal)])
        }).default("auto");
    }
}

/// The admin listener. A constant, since [`AdminConfig`] says whether it is set.
const ADMIN_LISTEN: Setting<Option<AdminAddress>> =
    Setting::new("admin.listen", "ADDRESS", |text| or_off(text, admin_address)).default("127.0.0.1:3001");

settings! {
    /// Admin listener: who may ask it.
    struct AdminSettings {
        /// IP address and port of the admin listener, or the path of a Unix socket; `off`: none
        listen: Option<AdminAddress> = ADMIN_LISTEN;
        /// file with the bearer token that `/admin/*` requires from peers beyond loopback, reread when it changes; empty: refuse
        /// such peers
        token_file: Option<PathBuf> = Setting::new("admin.token_file", "FILE", |text| optional(text, path));
        /// comma list of the names, without port, that clients may call the admin listener by, apart from `localhost` and
        /// addresses; requests for other names are refused
        hosts: AllowedHosts = Setting::new("admin.hosts", "NAMES", host_names);
    }
}

settings! {
    /// Reloads.
    struct ReloadSettings {
        /// time between two looks at the data files, which are reloaded when they change; `off`: never
        watch: Option<Duration> = Setting::new("reload.watch", "TIME", |text| or_off(text, watch)).default("2s");
        /// how long a changed file must stay as it is before the watch reads it
        settle: Duration = Setting::new("reload.settle", "TIME", time).default("1s");
        /// refuse new data if one of its counts of entries shrank by more than this
        max_shrink: Share = Setting::new("reload.max_shrink", "PERCENT", share).default("25%");
    }
}

settings! {
    /// Readiness: how the age of the data changes it.
    #[derive(Copy)]
    pub struct ReadinessLimits {
        /// age beyond which the cache is stale, and `/readyz` says so, like `6h`; empty: never
        max_data_age: Option<Duration> = Setting::new("ready.max_data_age", "TIME", |text| optional(text, time));
        /// answer of `/readyz` while the cache is stale: `degraded` (200 with a reason) or `unready` (503)
        unready_when_stale: bool = Setting::new("ready.when_stale", "STATE", |text| {
            choice(text, &[("degraded", false), ("unready", true)])
        }).default("degraded");
    }
}

/// The number of worker threads. More than any machine has processors only cost memory.
fn threads(text: &str) -> Result<NonZeroUsize, Expected> {
    const EXPECTED: &str = "a number of threads from 1 to 512";
    let threads: NonZeroUsize = number(text, EXPECTED)?;
    (threads.get() <= 512).then_some(threads).ok_or(EXPECTED.into())
}

/// Files beyond these would not fit the sets of files that a URL is counted in.
const MOST_HEALTH_FILES: usize = 16;

fn health_files(text: &str) -> Result<Vec<PathBuf>, Expected> {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let files: Vec<PathBuf> = texts.map(path).collect::<Result<_, _>>()?;
    let is_usable = files.len() <= MOST_HEALTH_FILES && files.iter().collect::<HashSet<_>>().len() == files.len();
    is_usable
        .then_some(files)
        .ok_or_else(|| "a comma list of at most 16 different files".into())
}

fn connections(text: &str) -> Result<NonZeroUsize, Expected> {
    number(text, "a number of connections, at least 1")
}

fn watch(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::from_millis(1)..=YEAR)
}

/// The checked settings of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address of the public listener.
    pub listen: SocketAddr,
    /// How many threads answer; `None`: one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// How many connections are served on the public listener.
    pub connections: ConnectionLimitSettings,
    /// How long the steps of a connection may take, on both listeners.
    pub deadlines: Deadlines,
    /// The paths of the data files.
    pub files: DataPaths,
    /// The health of mirrors.
    pub health: HealthSettings,
    /// How mirrors are chosen.
    pub choice: ChoiceSettings,
    /// How requests are taken.
    pub public: PublicSettings,
    /// The destination of the access log.
    pub access_log: AccessLogTarget,
    /// The admin listener; `None`: there is none.
    pub admin: Option<AdminConfig>,
    /// When the data files are looked at; `None`: never.
    pub watch: Option<WatchSettings>,
    /// The share of a count of entries that new data may lose.
    pub max_shrink: Share,
    /// When the server calls itself ready.
    pub readiness: ReadinessLimits,
    /// How long to go on accepting after being told to stop.
    pub shutdown_grace: Duration,
    /// How messages are written.
    pub logging: LoggingSettings,
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

impl ServerConfig {
    /// Checks raw settings.
    ///
    /// # Errors
    /// The first value that is not what its setting expects.
    pub(super) fn check(raw: &RawSettings) -> Result<Self, ConfigError> {
        let listener = ListenerSettings::check(raw)?;
        let admin = AdminSettings::check(raw)?;
        let reload = ReloadSettings::check(raw)?;
        Ok(Self {
            listen: SocketAddr::new(listener.address, listener.port),
            workers: listener.workers,
            connections: ConnectionLimitSettings::check(raw)?,
            deadlines: Deadlines::check(raw)?,
            files: DataPaths::check(raw)?,
            health: HealthSettings::check(raw)?.checked()?,
            choice: ChoiceSettings::check(raw)?.checked()?,
            public: PublicSettings::check(raw)?,
            access_log: OtherFileSettings::check(raw)?.access_log,
            admin: admin.listen.map(|listen| AdminConfig {
                listen,
                is_set: raw.is_set(&ADMIN_LISTEN),
                token_file: admin.token_file,
                hosts: admin.hosts,
            }),
            watch: reload.watch.map(|interval| WatchSettings {
                interval,
                settle: reload.settle,
            }),
            max_shrink: reload.max_shrink,
            readiness: ReadinessLimits::check(raw)?,
            shutdown_grace: listener.shutdown_grace,
            logging: LoggingSettings::check(raw)?,
        })
    }

    /// The same for a demonstration: with the access log on standard output unless it was set.
    #[must_use]
    pub(super) fn for_demo(mut self, raw: &RawSettings) -> Self {
        if !raw.is_set(&LOG) {
            self.access_log = AccessLogTarget::Stdout;
        }
        self
    }
}
