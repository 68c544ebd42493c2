//! Connections to PostgreSQL: which server is tried, and the ways in which it may let us in.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::{SmallRng, SysRng};
use rand::seq::SliceRandom as _;
use rand::{SeedableRng as _, TryRng as _};
use slog::{Logger, warn};
use tokio::net::lookup_host;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Error, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::database::passfile::Passwords;
use super::database::{ConnectTimeout, Database, Server, ServerHost, TlsMode, Wanted};
use super::refusal::{ConnectError, Failure, ReadFailure, WHERE_ADVICE, advice_on, is_passing, said};
use super::tls;
use crate::generate::error::GenerateError;
use crate::settings::ConfigError;

/// Opens connections to one database: the first one to a server that will do, the others to the same.
pub(crate) struct Connector {
    database: Database,
    tls: Option<MakeRustlsConnect>,
    passwords: Option<Passwords>,
    /// The reason why the password file does not count.
    no_passwords: Option<String>,
    /// The server to which the last connection leads that could go anywhere.
    chosen: Mutex<Option<ServerAddress>>,
}

/// A connection, and the task that keeps it going.
pub(super) type OpenConnection = (Client, JoinHandle<Result<(), Error>>);

/// A server at one of its addresses; `None` for a Unix socket.
#[derive(Clone)]
struct ServerAddress {
    server: Server,
    address: Option<IpAddr>,
}

/// The time for connecting, if `connect_timeout` is not given.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for a server to let us in if another one could, and `connect_timeout` is not given.
const TIMEOUT_WITH_OTHERS: Duration = Duration::from_secs(20);

impl Connector {
    /// Prepares connections: reads certificates and passwords, connects to nothing yet.
    ///
    /// # Errors
    /// If a file of certificates is asked for and can't be used.
    pub(crate) fn new(database: &Database, logger: &Logger) -> Result<Self, ConfigError> {
        let file = database.password_file().filter(|_| database.password().is_none());
        let (passwords, no_passwords) = match file.map(|file| (file, Passwords::read(&file.path))) {
            None => (None, None),
            Some((file, Ok(None))) => {
                let problem = format!("the password file {} is not there", file.path.display());
                (None, file.asked_for.then_some(problem))
            }
            Some((_, Ok(passwords))) => (passwords, None),
            Some((_, Err(problem))) => (None, Some(problem)),
        };
        if let Some(problem) = &no_passwords {
            warn!(logger, "{problem}");
        }
        Ok(Self {
            database: database.clone(),
            tls: tls::prepare(database.tls())?,
            passwords,
            no_passwords,
            chosen: Mutex::new(None),
        })
    }

    /// Opens a connection to the first server that lets us in and is as wanted. A task of its own keeps it going, and ends
    /// with it.
    ///
    /// # Errors
    /// If no server can be reached, the last one is not as wanted, or one does not let us in.
    pub(super) async fn open(&self) -> Result<OpenConnection, ConnectError> {
        let passes: &[Wanted] = match self.database.wanted() {
            Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
            Wanted::Any => &[Wanted::Any],
            Wanted::ReadWrite => &[Wanted::ReadWrite],
            Wanted::ReadOnly => &[Wanted::ReadOnly],
            Wanted::Primary => &[Wanted::Primary],
            Wanted::Standby => &[Wanted::Standby],
        };
        let mut failures = ConnectError::default();
        for wanted in passes {
            failures = ConnectError::default();
            match self.open_one(*wanted, &mut failures).await {
                Some(connected) => return Ok(connected),
                None if failures.is_final() => break,
                None => {}
            }
        }
        Err(failures)
    }

    /// Opens another connection to the server that was chosen by [`Self::open`].
    ///
    /// # Errors
    /// If it can't be reached or does not let us in.
    pub(super) async fn open_another(&self) -> Result<OpenConnection, ConnectError> {
        let chosen = self.chosen.lock().clone();
        let Some(place) = chosen else {
            return self.open().await;
        };
        let mut failures = ConnectError::default();
        match self.attempt(&place, Wanted::Any, false, &mut failures).await {
            Some(connected) => Ok(connected),
            None => Err(failures),
        }
    }

    async fn open_one(&self, wanted: Wanted, failures: &mut ConnectError) -> Option<OpenConnection> {
        // Without the operating system's entropy the order is the same each time, which does no harm.
        let mut random = SmallRng::seed_from_u64(SysRng.try_next_u64().unwrap_or_default());
        let mut servers: Vec<&Server> = self.database.servers().iter().collect();
        if self.database.at_random() {
            servers.shuffle(&mut random);
        }
        for (server, last) in with_last(servers) {
            let mut addresses = match self.addresses(server, !last).await {
                Ok(addresses) => addresses,
                Err(failure) => {
                    failures.add(server.to_string(), failure);
                    continue;
                }
            };
            if self.database.at_random() {
                addresses.shuffle(&mut random);
            }
            for (address, last_address) in with_last(addresses) {
                let place = ServerAddress {
                    server: server.clone(),
                    address,
                };
                let others = !(last && last_address);
                if let Some(connected) = self.attempt(&place, wanted, others, failures).await {
                    *self.chosen.lock() = Some(place);
                    return Some(connected);
                }
                if failures.is_final() {
                    return None;
                }
            }
        }
        None
    }

    async fn addresses(&self, server: &Server, others: bool) -> Result<Vec<Option<IpAddr>>, Failure> {
        let name = match &server.host {
            ServerHost::Unix(_) => return Ok(vec![None]),
            ServerHost::Tcp {
                address: Some(address), ..
            } => return Ok(vec![Some(*address)]),
            ServerHost::Tcp { name, .. } => name,
        };
        let lookup = lookup_host((name.as_str(), server.port));
        let found = self.within(others, lookup).await?.map_err(Failure::Lookup)?;
        let mut addresses: Vec<Option<IpAddr>> = found.map(|address| Some(address.ip())).collect();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(Failure::Lookup(io::Error::other("the name has no address")));
        }
        Ok(addresses)
    }

    /// Waits for something as long as connecting to a server may take.
    async fn within<T>(&self, others: bool, wanted: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = match self.database.connect_timeout() {
            ConnectTimeout::After(limit) => limit,
            ConnectTimeout::Usual if others => TIMEOUT_WITH_OTHERS,
            ConnectTimeout::Usual | ConnectTimeout::Never => return Ok(wanted.await),
        };
        timeout(limit, wanted).await.map_err(|_| Failure::TimedOut(limit))
    }

    /// Tries a server in each way that `sslmode` allows, as long as it refuses the way and not us.
    async fn attempt(
        &self,
        place: &ServerAddress,
        wanted: Wanted,
        others: bool,
        failures: &mut ConnectError,
    ) -> Option<OpenConnection> {
        let ways: &[SslMode] = match (&place.server.host, self.database.tls().mode) {
            // As libpq: between two processes of a machine, no one can listen.
            (ServerHost::Unix(_), _) | (_, TlsMode::Disable) => &[SslMode::Disable],
            (_, TlsMode::Allow) => &[SslMode::Disable, SslMode::Require],
            (_, TlsMode::Prefer) => &[SslMode::Prefer, SslMode::Disable],
            (_, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull) => &[SslMode::Require],
        };
        for (way, last) in with_last(ways.iter().copied()) {
            let opening = async {
                let connected = self.connect(place, way).await.map_err(Failure::Driver)?;
                check(&connected.0, wanted).await?;
                Ok(connected)
            };
            let failure = match self.within(others, opening).await {
                Ok(Ok(connected)) => return Some(connected),
                Ok(Err(failure)) | Err(failure) => failure,
            };
            let retry = !last && failure.is_about_the_way();
            failures.add(place.server.to_string(), failure);
            if !retry {
                break;
            }
        }
        None
    }

    async fn connect(&self, place: &ServerAddress, way: SslMode) -> Result<OpenConnection, Error> {
        let mut driver = self.database.driver().clone();
        driver.port(place.server.port).ssl_mode(way);
        match (&place.server.host, place.address) {
            (ServerHost::Unix(folder), _) => _ = driver.host_path(folder),
            (ServerHost::Tcp { name, .. }, Some(address)) => _ = driver.host(name).hostaddr(address),
            (ServerHost::Tcp { name, .. }, None) => _ = driver.host(name),
        }
        if self.database.connect_timeout() == ConnectTimeout::Usual {
            driver.connect_timeout(CONNECT_TIMEOUT);
        }
        if let Some(password) = self.database.password() {
            driver.password(password);
        } else if let Some(password) = self.password_of_file(&place.server) {
            driver.password(password);
        }
        match &self.tls {
            Some(tls) => {
                let (client, connection) = driver.connect(tls.clone()).await?;
                Ok((client, tokio::spawn(connection)))
            }
            None => {
                let (client, connection) = driver.connect(NoTls).await?;
                Ok((client, tokio::spawn(connection)))
            }
        }
    }

    fn password_of_file(&self, server: &Server) -> Option<Vec<u8>> {
        self.database.password_in(self.passwords.as_ref()?, server)
    }

    /// Asks the server to cancel what a connection has asked for.
    ///
    /// # Errors
    /// If the database can't be reached.
    pub(super) async fn cancel(&self, token: CancelToken) -> Result<(), Error> {
        match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    /// An error of the driver in words.
    pub(super) fn explain(&self, error: &Error) -> ReadFailure {
        ReadFailure {
            error: self.failure(&format!("{}; {}", said(error), advice_on(error))),
            passing: error.code().is_some_and(is_passing),
        }
    }

    /// A failure to connect, in words.
    pub(super) fn explain_refusal(&self, error: &ConnectError) -> ReadFailure {
        let advice = match error.last() {
            Some(Failure::Driver(error)) => {
                let advice = advice_on(error);
                let password_missing = said(error).contains("password missing");
                match (self.database.password_file(), &self.no_passwords) {
                    (_, Some(problem)) if password_missing => problem.clone(),
                    (Some(file), _)
                        if error.code() == Some(&SqlState::INVALID_PASSWORD) && self.passwords.is_some() =>
                    {
                        format!("{advice}; the password is of {}", file.path.display())
                    }
                    _ => advice.to_owned(),
                }
            }
            Some(Failure::TimedOut(_)) => "see whether the server works, or raise connect_timeout in DB_URL".to_owned(),
            Some(Failure::Unwanted(_)) => "check the hosts and target_session_attrs in DB_URL".to_owned(),
            Some(Failure::Lookup(_)) | None => WHERE_ADVICE.to_owned(),
        };
        ReadFailure {
            error: self.failure(&format!("{error}; {advice}")),
            passing: error.code().is_some_and(is_passing),
        }
    }

    /// An error about the database, with its name.
    pub(crate) fn failure(&self, problem: &str) -> GenerateError {
        GenerateError::Database(format!("{}: {}", self.database, problem.replace('\n', " ")))
    }
}

/// Items, each with whether it is the last one.
fn with_last<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = (T, bool)> {
    let mut items = items.into_iter().peekable();
    std::iter::from_fn(move || {
        let item = items.next()?;
        Some((item, items.peek().is_none()))
    })
}

/// Asks a server what it is, if not every one will do.
async fn check(client: &Client, wanted: Wanted) -> Result<(), Failure> {
    if wanted == Wanted::Any {
        return Ok(());
    }
    let query = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    let messages = client.simple_query(query).await.map_err(Failure::Driver)?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let is = |column: usize, value: &str| row.and_then(|row| row.get(column)) == Some(value);
    let (fits, kind) = match wanted {
        Wanted::Any => (true, ""),
        Wanted::ReadWrite => (is(1, "off"), "a server that can be written to"),
        Wanted::ReadOnly => (is(1, "on"), "a server that is read-only"),
        Wanted::Primary => (is(0, "f"), "a primary"),
        Wanted::Standby | Wanted::PreferStandby => (is(0, "t"), "a standby"),
    };
    if fits { Ok(()) } else { Err(Failure::Unwanted(kind)) }
}
