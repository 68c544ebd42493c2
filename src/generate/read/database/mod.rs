//! `DB_URL` (`url`, `parse`) and libpq's variables ([`environment`]) to the settings of a connection, checked by the table of
//! [`parameters`] and `tls_settings`. [`passfile`] reads passwords.
//!
//! The password goes into the driver's configuration and nowhere else: nothing here prints `DB_URL` or a value of it, in no
//! error and no debug output.

pub mod environment;
pub mod parameters;
mod parse;
pub mod passfile;
mod tls_settings;
mod url;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

pub use environment::Environment;
pub(crate) use tls_settings::{ClientFile, Roots, TlsMode, TlsSettings};

use crate::settings::ConfigError;
use environment::GivenParameters;
use parse::mistake;

/// A database and how to get in.
#[derive(Clone)]
pub struct Database {
    /// In the order in which they are given.
    pub(crate) servers: Vec<Server>,
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) password: Option<String>,
    /// Read if no password is given.
    pub(crate) password_file: Option<ClientFile>,
    /// All but the server, the password and the TLS.
    pub(crate) driver: tokio_postgres::Config,
    pub(crate) tls: TlsSettings,
    pub(crate) wanted: Wanted,
    /// Whether servers and their addresses are tried in any order.
    pub(crate) at_random: bool,
    pub(crate) connect_timeout: ConnectTimeout,
}

/// One of the servers that may have the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) host: ServerHost,
    pub(crate) port: u16,
}

/// The place of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerHost {
    /// A name or an address; connected to there or at another address.
    Tcp { name: String, address: Option<IpAddr> },
    /// A folder with a Unix socket.
    Unix(PathBuf),
}

/// Which server will do (`target_session_attrs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// The time that connecting to a server may take (`connect_timeout`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectTimeout {
    /// It is not given.
    Usual,
    /// The time of the run.
    Never,
    /// This long, for each address.
    After(Duration),
}

/// The folder of Unix sockets, as Debian and Fedora build libpq.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// The name in `pg_stat_activity`.
const APPLICATION_NAME: &str = "generate-mirrorlist-cache";

/// A connection whose sent data is not acknowledged for this long is dead.
const TCP_USER_TIMEOUT_MS: u32 = 60_000;

/// A connection that gives nothing for this long is asked by the operating system whether it is still there, this often and
/// this many times: one whose other end is gone ends after a minute.
const KEEPALIVES_IDLE_S: u32 = 30;
const KEEPALIVES_INTERVAL_S: u32 = 10;
const KEEPALIVES_COUNT: u32 = 3;

/// The operating system's own time without an answer, far too long to notice anything.
const SYSTEM_KEEPALIVES_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

impl Database {
    /// Reads a URL like `postgresql://user:password@host:5432/database?sslmode=require`, or `host=… user=…`. libpq's variables
    /// give the parameters that it lacks.
    ///
    /// # Errors
    /// If it is neither, or asks for something that can't be honoured. The text never holds a value.
    pub fn parse(text: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let assigned = parse::parse(text)?;
        if assigned.is_empty() && !environment.names_a_database() {
            return Err(mistake(
                "it is empty; expected a URL like postgresql://user:password@host/database",
            ));
        }
        let settings = GivenParameters::new(assigned, environment)?;
        let home = environment.home();
        let user = match settings.text("user") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|_| mistake("it names no user, and the operating system knows none"))?,
        };
        let name = settings.text("dbname").unwrap_or(&user).to_owned();
        if name.contains("://") {
            return Err(mistake("dbname is a name, not a URL"));
        }
        let tls = TlsSettings::new(&settings, home.as_deref())?;
        let servers = servers(&settings)?;
        let is_tcp = |server: &Server| matches!(server.host, ServerHost::Tcp { .. });
        if tls.mode == TlsMode::VerifyFull && settings.text("host").is_none() && servers.iter().any(is_tcp) {
            return Err(mistake(
                "sslmode=verify-full needs host, which the certificate has to be for",
            ));
        }
        Ok(Self {
            servers,
            password: settings.text("password").map(str::to_owned),
            password_file: ClientFile::new(&settings, "passfile", home.as_deref(), ".pgpass"),
            driver: driver(&settings, &user, &name)?,
            tls,
            wanted: match settings.get("target_session_attrs").map(|given| given.value.as_str()) {
                Some("read-write") => Wanted::ReadWrite,
                Some("read-only") => Wanted::ReadOnly,
                Some("primary") => Wanted::Primary,
                Some("standby") => Wanted::Standby,
                Some("prefer-standby") => Wanted::PreferStandby,
                _ => Wanted::Any,
            },
            at_random: settings.text("load_balance_hosts") == Some("random"),
            connect_timeout: match settings.number("connect_timeout")? {
                None => ConnectTimeout::Usual,
                Some(..=0) => ConnectTimeout::Never,
                Some(seconds) => ConnectTimeout::After(seconds_of(seconds.max(2).unsigned_abs())),
            },
            user,
            name,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            ServerHost::Tcp { name, .. } if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            ServerHost::Tcp { name, .. } => write!(f, "{name}:{}", self.port),
            ServerHost::Unix(folder) => write!(f, "{} (port {})", folder.display(), self.port),
        }
    }
}

/// The name, the servers and the user: all but the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {:?}", self.name)?;
        for (index, server) in self.servers.iter().enumerate() {
            write!(f, "{}{server}", if index == 0 { " at " } else { ", " })?;
        }
        write!(f, " as {:?}", self.user)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self}, {:?})", self.tls)
    }
}

/// The servers of `host`, `hostaddr` and `port`, which are lists of the same length.
fn servers(settings: &GivenParameters) -> Result<Vec<Server>, ConfigError> {
    let list = |name| match settings.text(name) {
        Some(text) => text.split(',').map(str::trim).collect(),
        None => Vec::new(),
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let named = if hosts.is_empty() { &addresses } else { &hosts };
    let count = named.len().max(1);
    for (name, length, alone) in [("hostaddr", addresses.len(), false), ("port", ports.len(), true)] {
        let fits = length == count || length == 0 || alone && length == 1;
        if let Some(given) = settings.get(name).filter(|_| !fits) {
            return Err(given.mistake(&format!(
                "there are {count} hosts; give as many{}, with commas between",
                if alone { ", or one for all" } else { "" }
            )));
        }
    }
    let mistake_in = |name: &str, text: &str| match settings.get(name) {
        Some(given) => given.mistake(text),
        None => mistake(text),
    };
    (0..count)
        .map(|index| {
            let port = match item(&ports, index) {
                "" => 5432,
                port => match port.parse() {
                    Ok(port) if port != 0 => port,
                    _ => return Err(mistake_in("port", "expected a number from 1 to 65535")),
                },
            };
            let address = match item(&addresses, index) {
                "" => None,
                address => match address.parse() {
                    Ok(address) => Some(address),
                    Err(_) => return Err(mistake_in("hostaddr", "expected an address")),
                },
            };
            let host = server_host(item(&hosts, index), address).map_err(|problem| mistake_in("host", problem))?;
            Ok(Server { host, port })
        })
        .collect()
}

/// An item of a list. One that is not given is as good as an empty one.
fn item<'a>(list: &[&'a str], index: usize) -> &'a str {
    match list {
        [alone] => alone,
        _ => list.get(index).copied().unwrap_or_default(),
    }
}

fn server_host(name: &str, address: Option<IpAddr>) -> Result<ServerHost, &'static str> {
    if name.is_empty() {
        return Ok(match address {
            Some(ip) => ServerHost::Tcp {
                name: ip.to_string(),
                address,
            },
            None => ServerHost::Unix(SOCKET_FOLDER.into()),
        });
    }
    if name.starts_with('/') {
        return Ok(ServerHost::Unix(name.into()));
    }
    if name.starts_with('@') {
        return Err("sockets in the abstract namespace (@) are not supported; name the folder of a socket");
    }
    let known = |character: char| character.is_alphanumeric() || ".-_:%".contains(character);
    if !name.chars().all(known) {
        return Err(
            "expected names or addresses with commas between; write an @ or / in the user name or the password as %40 or %2F",
        );
    }
    let name = name.to_owned();
    Ok(ServerHost::Tcp { name, address })
}

/// The driver's configuration for all servers.
fn driver(settings: &GivenParameters, user: &str, name: &str) -> Result<tokio_postgres::Config, ConfigError> {
    let mut driver = tokio_postgres::Config::new();
    driver.user(user).dbname(name);
    if let Some(options) = settings.text("options") {
        driver.options(options);
    }
    let fallback = settings.get("fallback_application_name");
    let named = settings.get("application_name").or(fallback);
    driver.application_name(named.map_or(APPLICATION_NAME, |given| &given.value));
    driver.channel_binding(match settings.text("channel_binding") {
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        _ => ChannelBinding::Prefer,
    });
    // 0 and less leave the operating system's own values.
    let number = |name: &str, usual: u32| -> Result<Option<u32>, ConfigError> {
        let number = settings
            .number(name)?
            .map_or(usual, |number| number.max(0).unsigned_abs());
        Ok(Some(number).filter(|number| *number > 0))
    };
    if let Some(limit) = number("tcp_user_timeout", TCP_USER_TIMEOUT_MS)? {
        driver.tcp_user_timeout(Duration::from_millis(limit.into()));
    }
    driver.keepalives(settings.number("keepalives")? != Some(0));
    driver.keepalives_idle(number("keepalives_idle", KEEPALIVES_IDLE_S)?.map_or(SYSTEM_KEEPALIVES_IDLE, seconds_of));
    if let Some(interval) = number("keepalives_interval", KEEPALIVES_INTERVAL_S)? {
        driver.keepalives_interval(seconds_of(interval));
    }
    if let Some(count) = number("keepalives_count", KEEPALIVES_COUNT)? {
        driver.keepalives_retries(count);
    }
    Ok(driver)
}

fn seconds_of(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

#[cfg(test)]
mod tests;
