//! `DB_URL` and libpq's variables to the settings of a connection, checked. `parse` reads the two forms of `DB_URL`,
//! [`parameters`] is the table of parameters, [`environment`] adds variables, `tls_settings` are those of TLS, [`passfile`] reads
//! passwords.
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
pub use tls_settings::{ClientFile, Roots, TlsMode, TlsSettings};

use crate::settings::ConfigError;
use environment::GivenParameters;
use parse::mistake;

/// A database and how to get in.
#[derive(Clone)]
pub struct Database {
    servers: Vec<Server>,
    user: String,
    name: String,
    password: Option<String>,
    password_file: Option<ClientFile>,
    /// All but the server, the password and the TLS.
    driver: tokio_postgres::Config,
    tls: TlsSettings,
    wanted: Wanted,
    at_random: bool,
    connect_timeout: ConnectTimeout,
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
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that gives nothing for this long is asked by the operating system whether it is still there, this often and
/// this many times: one whose other end is gone ends after a minute.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(10);
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
        let nameless = servers.iter().any(
            |server| matches!(&server.host, ServerHost::Tcp { name, address: Some(address) } if *name == address.to_string()),
        );
        if tls.mode == TlsMode::VerifyFull && nameless && settings.text("host").is_none() {
            return Err(mistake(
                "sslmode=verify-full needs host, which the certificate has to be for",
            ));
        }
        Ok(Self {
            servers,
            password: settings.text("password").map(str::to_owned),
            password_file: ClientFile::new(&settings, "passfile", home.as_deref(), ".pgpass"),
            driver: driver(&settings, &user, &name, &tls)?,
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
                Some(seconds) => ConnectTimeout::After(seconds_of(seconds.max(2))),
            },
            user,
            name,
        })
    }

    /// The servers, in the order in which they are given.
    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The driver's configuration without a server, a password and TLS.
    pub(crate) fn driver(&self) -> &tokio_postgres::Config {
        &self.driver
    }

    /// The protection of connections.
    pub(crate) fn tls(&self) -> &TlsSettings {
        &self.tls
    }

    pub(crate) fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Whether servers and their addresses are tried in any order.
    pub(crate) fn at_random(&self) -> bool {
        self.at_random
    }

    pub(crate) fn connect_timeout(&self) -> ConnectTimeout {
        self.connect_timeout
    }

    /// The password that is given with the database.
    pub(crate) fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The file in which passwords are if none is given.
    pub(crate) fn password_file(&self) -> Option<&ClientFile> {
        self.password_file.as_ref()
    }

    /// The password of a server in a file of passwords.
    pub(crate) fn password_in(&self, passwords: &passfile::Passwords, server: &Server) -> Option<Vec<u8>> {
        let host = match &server.host {
            ServerHost::Tcp { name, .. } => name.clone(),
            ServerHost::Unix(folder) => folder.display().to_string(),
        };
        passwords.find(&host, server.port, &self.name, &self.user)
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
    let list = |name| settings.text(name).map(|text| text.split(',').collect::<Vec<_>>());
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = hosts.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    for (name, list, alone) in [("hostaddr", &addresses, false), ("port", &ports, true)] {
        let fits = list
            .as_ref()
            .is_none_or(|list| list.len() == count || alone && list.len() == 1);
        if let Some(given) = settings.get(name).filter(|_| !fits) {
            return Err(given.mistake(&format!(
                "there are {count} hosts; give as many{}, with commas between",
                if alone { ", or one for all" } else { "" }
            )));
        }
    }
    // An item that is not given is as good as an empty one.
    let at = |list: &Option<Vec<&str>>, index: usize| -> String {
        let list = list.as_deref().unwrap_or_default();
        let item = list.get(index).or(list.first().filter(|_| list.len() == 1));
        item.map(|item| item.trim().to_owned()).unwrap_or_default()
    };
    let mistake_in = |name: &str, text: &str| match settings.get(name) {
        Some(given) => given.mistake(text),
        None => mistake(text),
    };
    (0..count)
        .map(|index| {
            let port = match at(&ports, index).as_str() {
                "" => 5432,
                port => match port.parse() {
                    Ok(port) if port != 0 => port,
                    _ => return Err(mistake_in("port", "expected a number from 1 to 65535")),
                },
            };
            let address = match at(&addresses, index).as_str() {
                "" => None,
                address => Some(
                    address
                        .parse()
                        .map_err(|_| mistake_in("hostaddr", "expected an address"))?,
                ),
            };
            let host = server_host(at(&hosts, index), address).map_err(|problem| mistake_in("host", problem))?;
            Ok(Server { host, port })
        })
        .collect()
}

fn server_host(name: String, address: Option<IpAddr>) -> Result<ServerHost, &'static str> {
    if let (true, Some(address)) = (name.is_empty(), address) {
        return Ok(ServerHost::Tcp {
            name: address.to_string(),
            address: Some(address),
        });
    }
    if name.is_empty() {
        return Ok(ServerHost::Unix(SOCKET_FOLDER.into()));
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
    Ok(ServerHost::Tcp { name, address })
}

/// The driver's configuration for all servers.
fn driver(
    settings: &GivenParameters,
    user: &str,
    name: &str,
    tls: &TlsSettings,
) -> Result<tokio_postgres::Config, ConfigError> {
    let mut driver = tokio_postgres::Config::new();
    driver.user(user).dbname(name);
    if let Some(options) = settings.text("options") {
        driver.options(options);
    }
    let named = settings
        .get("application_name")
        .or_else(|| settings.get("fallback_application_name"));
    driver.application_name(named.map_or(APPLICATION_NAME, |given| given.value.as_str()));
    driver.channel_binding(match settings.text("channel_binding") {
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        _ => ChannelBinding::Prefer,
    });
    driver.ssl_negotiation(tls.negotiation());
    match settings.number("tcp_user_timeout")? {
        None => _ = driver.tcp_user_timeout(TCP_USER_TIMEOUT),
        Some(..=0) => {}
        Some(limit) => _ = driver.tcp_user_timeout(Duration::from_millis(limit.unsigned_abs().into())),
    }
    driver.keepalives(settings.number("keepalives")? != Some(0));
    driver.keepalives_idle(match settings.number("keepalives_idle")? {
        None => KEEPALIVES_IDLE,
        Some(..=0) => SYSTEM_KEEPALIVES_IDLE,
        Some(seconds) => seconds_of(seconds),
    });
    match settings.number("keepalives_interval")? {
        None => _ = driver.keepalives_interval(KEEPALIVES_INTERVAL),
        Some(..=0) => {}
        Some(seconds) => _ = driver.keepalives_interval(seconds_of(seconds)),
    }
    match settings.number("keepalives_count")? {
        None => _ = driver.keepalives_retries(KEEPALIVES_COUNT),
        Some(..=0) => {}
        Some(count) => _ = driver.keepalives_retries(count.unsigned_abs()),
    }
    Ok(driver)
}

fn seconds_of(seconds: i32) -> Duration {
    Duration::from_secs(seconds.unsigned_abs().into())
}

#[cfg(test)]
mod tests;
