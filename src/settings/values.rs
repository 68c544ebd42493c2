//! Plain value types of settings: what a checked setting holds. Every room imports them from here; this file reads no flag,
//! variable or file.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ip_network::IpNetwork;
use slog::Level;

/// A share from 0 % to 100 %, exact to a ten-thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    millionths: u32,
}

impl Share {
    /// The share of this many percent, if they are 0 to 100.
    pub(super) fn of_percent(percent: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 1,000,000"
        )]
        (0.0..=100.0).contains(&percent).then(|| Self {
            millionths: (percent * 10_000.0).round() as u32,
        })
    }

    /// A whole number of percent; more than 100 is 100.
    pub const fn percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self {
            millionths: percent as u32 * 10_000,
        }
    }

    /// The share as a number from 0 to 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.millionths) / 1_000_000.0
    }

    /// Whether a part is more than this share of a whole.
    pub fn is_exceeded_by(self, part: usize, whole: usize) -> bool {
        part as u128 * 1_000_000 > whole as u128 * u128::from(self.millionths)
    }

    /// Whether a count that was `before` and is `after` shrank by more than this.
    pub fn is_exceeded_by_loss(self, before: usize, after: usize) -> bool {
        let kept = 1_000_000 - u128::from(self.millionths);
        after as u128 * 1_000_000 < before as u128 * kept
    }
}

/// As in settings: `25%`, `12.5%`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.millionths) / 10_000.0)
    }
}

/// The order of hosts in the AS tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOrder {
    /// All hosts alike.
    Random,
    /// A weighted shuffle by bandwidth, as in the tiers by location.
    Bandwidth,
}

/// The destination of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// The end of a file.
    File(PathBuf),
    /// Standard output.
    Stdout,
}

/// The address of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The names by which operators and scrapers reach the admin listener, apart from localhost and addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedHosts(Vec<String>);

impl AllowedHosts {
    /// Reads a comma list of names without ports; `None` if one of them is no host name.
    pub fn parse(list: &str) -> Option<Self> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(host_name).collect::<Option<_>>().map(Self)
    }

    /// Whether this name, as [`host_name`] gives it, is one of them.
    pub(crate) fn contains(&self, name: &String) -> bool {
        self.0.contains(name)
    }
}

/// A host name in lower case, without a dot at its end; `None` for anything else, an IPv4 address included.
pub(crate) fn host_name(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !label.is_empty() && label.bytes().all(valid)
    };
    let is_name = text.split('.').all(is_label) && text.parse::<Ipv4Addr>().is_err();
    is_name.then(|| text.to_ascii_lowercase())
}

/// The networks of the proxies whose X-Forwarded-For counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNetwork>);

impl TrustedProxies {
    /// Trusts these networks.
    pub fn new(networks: Vec<IpNetwork>) -> Self {
        Self(networks)
    }

    /// Trusts this machine.
    pub fn loopback() -> Self {
        let networks = [
            IpNetwork::new_truncate(Ipv4Addr::LOCALHOST, 8),
            IpNetwork::new_truncate(Ipv6Addr::LOCALHOST, 128),
        ];
        Self::new(networks.into_iter().flatten().collect())
    }

    /// Whether an address is a trusted proxy's.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// The order of hosts of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostOrder {
    /// By country and continent, and there by bandwidth.
    Bandwidth,
    /// By bandwidth and distance, across borders.
    Distance,
}

/// When the watch looks at the data files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSettings {
    /// Time between two looks.
    pub interval: Duration,
    /// How long a changed file has to be still before it is read.
    pub settle: Duration,
}

/// The levels of messages and their names, the most severe first.
pub(crate) const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warning", Level::Warning),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];

/// The format of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, else for machines.
    Auto,
    /// A JSON object a line.
    Json,
    /// For people.
    Terminal,
}

/// The options of `generate-mirrorlist-cache compare`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheCompareSettings {
    /// The two caches.
    pub caches: [PathBuf; 2],
    /// How many differences of a kind are shown for each table.
    pub examples: usize,
}
