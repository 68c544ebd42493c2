//! The settings of `mirrorlist-server`: one table, from which the flags, the variables, the keys of the configuration file
//! and the documentation follow.

/// A setting. A key with a dot is a key in a table of the file: `admin.listen` is `listen` below `[admin]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The key in the configuration file; with dashes before it the long flag, in upper case after `MIRRORLIST_` the
    /// environment variable.
    pub key: &'static str,
    /// The short flag.
    pub short: Option<char>,
    /// How the help calls the value.
    pub value_name: &'static str,
    /// The value where nothing is set; empty: as the description says.
    pub default: &'static str,
    /// What it means.
    pub description: &'static str,
}

impl Setting {
    /// The environment variable: a dot of the key is two underscores.
    pub fn variable(&self) -> String {
        variable(self.key)
    }
}

/// What the names of all environment variables begin with, before an underscore.
pub const VARIABLE_PREFIX: &str = "MIRRORLIST";

/// Two underscores stand in a variable's name for the dot of a key.
pub const VARIABLE_SEPARATOR: &str = "__";

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    let key = key.replace('.', VARIABLE_SEPARATOR).to_ascii_uppercase();
    format!("{VARIABLE_PREFIX}_{key}")
}

/// All settings, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        short: None,
        value_name: "ADDRESS",
        default: "127.0.0.1",
        description: "IP address that the public listener binds, IPv4 or IPv6",
    },
    Setting {
        key: "port",
        short: None,
        value_name: "PORT",
        default: "3000",
        description: "TCP port of the public listener; 0 takes a free one and logs it",
    },
    Setting {
        key: "minimum",
        short: Some('m'),
        value_name: "HOSTS",
        default: "5",
        description: "with fewer hosts than this after netblock, AS, country and continent, hosts from all over the world are added",
    },
    Setting {
        key: "cache",
        short: Some('c'),
        value_name: "FILE",
        default: "/var/lib/mirrormanager/mirrorlist_cache.proto",
        description: "mirrorlist cache, as a MirrorManager2 generator writes it",
    },
    Setting {
        key: "internet2_netblocks",
        short: Some('i'),
        value_name: "FILE",
        default: "",
        description: "accepted so that old command lines go on working; not used",
    },
    Setting {
        key: "global_netblocks",
        short: Some('g'),
        value_name: "FILE",
        default: "/var/lib/mirrormanager/global_netblocks.txt",
        description: "networks and their AS numbers, a line like `192.0.2.0/24 64496` for each",
    },
    Setting {
        key: "cccsv",
        short: None,
        value_name: "FILE",
        default: "/var/lib/mirrormanager/country_continent.csv",
        description: "countries and their continents, a line like `DE,EU` for each",
    },
    Setting {
        key: "geoip",
        short: None,
        value_name: "FILE",
        default: "/usr/share/GeoIP/GeoLite2-Country.mmdb",
        description: "GeoIP country database in MaxMind DB format",
    },
    Setting {
        key: "log",
        short: Some('l'),
        value_name: "FILE",
        default: "/var/log/mirrormanager/mirrorlist.log",
        description: "access log, appended to; `-` is standard output",
    },
    Setting {
        key: "trusted_proxies",
        short: None,
        value_name: "NETWORKS",
        default: "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10",
        description: "comma list of the networks whose X-Forwarded-For counts; empty: nobody's",
    },
    Setting {
        key: "ip_parameter",
        short: None,
        value_name: "WHO",
        default: "everyone",
        description: "who may ask for another address with `ip=`: `everyone` or `trusted` (proxies only; for others it is ignored)",
    },
    Setting {
        key: "workers",
        short: None,
        value_name: "THREADS",
        default: "",
        description: "threads that answer, 1 to 512; empty: one for each processor",
    },
    Setting {
        key: "max_connections",
        short: None,
        value_name: "NUMBER",
        default: "",
        description: "connections that the public listener serves at once, more are closed; empty: as many as the hard limit of open descriptors leaves room for, up to 65536",
    },
    Setting {
        key: "max_connections_per_address",
        short: None,
        value_name: "NUMBER",
        default: "",
        description: "connections from one IPv4 address or IPv6 /64 network, `trusted_proxies` excepted; empty: any number",
    },
    Setting {
        key: "timeout.head",
        short: None,
        value_name: "TIME",
        default: "5s",
        description: "from the first byte of a request to the end of its headers, on both listeners; 100ms to 1h, as the following",
    },
    Setting {
        key: "timeout.idle",
        short: None,
        value_name: "TIME",
        default: "75s",
        description: "a connection without a request is closed after this time; longer than a proxy's own limit, so that the proxy closes first",
    },
    Setting {
        key: "timeout.stall",
        short: None,
        value_name: "TIME",
        default: "10s",
        description: "an answer of which the client takes nothing for this long is cut off",
    },
    Setting {
        key: "timeout.answer",
        short: None,
        value_name: "TIME",
        default: "60s",
        description: "an answer that has to wait for its client is cut off after this time, even if it makes progress",
    },
    Setting {
        key: "log_level",
        short: None,
        value_name: "LEVEL",
        default: "info",
        description: "least severe messages on standard error: `error`, `warning`, `info`, `debug` (each request) or `trace`",
    },
    Setting {
        key: "log_format",
        short: None,
        value_name: "FORMAT",
        default: "auto",
        description: "how messages look: `json`, `terminal`, or `auto` (terminal style on a terminal, else JSON)",
    },
    Setting {
        key: "admin.listen",
        short: None,
        value_name: "ADDRESS",
        default: "127.0.0.1:3001",
        description: "IP address and port of the admin listener, or the path of a Unix socket; `off`: none",
    },
    Setting {
        key: "admin.token_file",
        short: None,
        value_name: "FILE",
        default: "",
        description: "file with the bearer token that `/admin/*` wants from peers beyond loopback, reread when it changes; empty: such peers are refused",
    },
    Setting {
        key: "admin.hosts",
        short: None,
        value_name: "NAMES",
        default: "",
        description: "comma list of the names, without port, by which the admin listener is asked; requests for other names are refused, but for `localhost` and addresses",
    },
    Setting {
        key: "reload.watch",
        short: None,
        value_name: "TIME",
        default: "2s",
        description: "time between two looks at the data files, which are reloaded when they change; `off`: never",
    },
    Setting {
        key: "reload.settle",
        short: None,
        value_name: "TIME",
        default: "1s",
        description: "how long a changed file has to be still before the watch reads it",
    },
    Setting {
        key: "reload.max_shrink",
        short: None,
        value_name: "PERCENT",
        default: "25%",
        description: "new data is refused if a count of its entries is smaller than the present one by more than this",
    },
    Setting {
        key: "ready.max_data_age",
        short: None,
        value_name: "TIME",
        default: "",
        description: "age of the cache beyond which `/readyz` says so, like `6h`; empty: any age is good",
    },
    Setting {
        key: "ready.when_stale",
        short: None,
        value_name: "STATE",
        default: "degraded",
        description: "what `/readyz` answers beyond that age: `degraded` (200 with a reason) or `unready` (503)",
    },
    Setting {
        key: "shutdown.grace",
        short: None,
        value_name: "TIME",
        default: "5s",
        description: "after SIGTERM or SIGINT, how long to go on accepting while `/readyz` is 503; a second signal ends it",
    },
];

/// The setting with this key.
pub fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}
