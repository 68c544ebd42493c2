//! Connections to PostgreSQL: which server is tried, and the ways in which it may let us in.

use std::io;
use std::net::SocketAddr;
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
    /// The server, at one of its addresses, to which the last connection leads that could go anywhere.
    chosen: Mutex<Option<Server>>,
}

/// A connection, and the task that keeps it going.
pub(super) type OpenConnection = (Client, JoinHandle<Result<(), Error>>);

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
        let mut passwords = None;
        let mut no_passwords = None;
        if let Some(file) = database.password_file.as_ref().filter(|_| database.password.is_none()) {
            match Passwords::read(&file.path) {
                Ok(None) if file.asked_for => {
                    no_passwords = Some(format!("the password file {} is not there", file.path.display()));
                }
                Ok(read) => passwords = read,
                Err(problem) => no_passwords = Some(problem),
            }
        }
        if let Some(problem) = &no_passwords {
            warn!(logger, "{problem}");
        }
        Ok(Self {
            database: database.clone(),
            tls: tls::prepare(&database.tls)?,
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
        let wanted = match self.database.wanted {
            Wanted::PreferStandby => match self.open_one(Wanted::Standby).await {
                Err(failures) if !failures.is_final() => Wanted::Any,
                done => return done,
            },
            wanted => wanted,
        };
        self.open_one(wanted).await
    }

    /// Opens another connection to the server that was chosen by [`Self::open`].
    ///
    /// # Errors
    /// If it can't be reached or does not let us in.
    pub(super) async fn open_another(&self) -> Result<OpenConnection, ConnectError> {
        let chosen = self.chosen.lock().clone();
        let Some(server) = chosen else {
            return self.open().await;
        };
        self.attempt(&server, Wanted::Any, false).await
    }

    async fn open_one(&self, wanted: Wanted) -> Result<OpenConnection, ConnectError> {
        let mut failures = ConnectError::default();
        // Without the operating system's entropy the order is the same each time, which does no harm.
        let mut random = SmallRng::seed_from_u64(SysRng.try_next_u64().unwrap_or_default());
        let mut servers: Vec<&Server> = self.database.servers.iter().collect();
        if self.database.at_random {
            servers.shuffle(&mut random);
        }
        for (server, last) in with_last(servers) {
            let mut places = match self.find(server, !last).await {
                Ok(places) => places,
                Err(failure) => {
                    failures.0.push((server.to_string(), failure));
                    continue;
                }
            };
            if self.database.at_random {
                places.shuffle(&mut random);
            }
            for (place, last_place) in with_last(places) {
                let others = !(last && last_place);
                match self.attempt(&place, wanted, others).await {
                    Ok(connected) => {
                        *self.chosen.lock() = Some(place);
                        return Ok(connected);
                    }
                    Err(more) => failures.0.extend(more.0),
                }
                if failures.is_final() {
                    return Err(failures);
                }
            }
        }
        Err(failures)
    }

    /// The server at each of its addresses.
    async fn find(&self, server: &Server, others: bool) -> Result<Vec<Server>, Failure> {
        let ServerHost::Tcp { name, address: None } = &server.host else {
            return Ok(vec![server.clone()]);
        };
        let lookup = lookup_host((name.as_str(), server.port));
        let found = self.within(others, lookup).await?.map_err(Failure::Lookup)?;
        let at = |address: SocketAddr| Server {
            host: ServerHost::Tcp {
                name: name.clone(),
                address: Some(address.ip()),
            },
            port: server.port,
        };
        let mut places: Vec<Server> = found.map(at).collect();
        places.dedup();
        if places.is_empty() {
            return Err(Failure::Lookup(io::Error::other("the name has no address")));
        }
        Ok(places)
    }

    /// Waits for something as long as connecting to a server may take.
    async fn within<T>(&self, others: bool, wanted: impl Future<Output = T>) -> Result<T, Failure> {
        let limit = match self.database.connect_timeout {
            ConnectTimeout::After(limit) => limit,
            ConnectTimeout::Usual if others => TIMEOUT_WITH_OTHERS,
            ConnectTimeout::Usual | ConnectTimeout::Never => return Ok(wanted.await),
        };
        timeout(limit, wanted).await.map_err(|_| Failure::TimedOut(limit))
    }

    /// Tries a server in each way that `sslmode` allows, as long as it refuses the way and not us.
    async fn attempt(&self, server: &Server, wanted: Wanted, others: bool) -> Result<OpenConnection, ConnectError> {
        let mut failures = ConnectError::default();
        let ways: &[SslMode] = match (&server.host, self.database.tls.mode) {
            // As libpq: between two processes of a machine, no one can listen.
            (ServerHost::Unix(_), _) | (_, TlsMode::Disable) => &[SslMode::Disable],
            (_, TlsMode::Allow) => &[SslMode::Disable, SslMode::Require],
            (_, TlsMode::Prefer) => &[SslMode::Prefer, SslMode::Disable],
            (_, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull) => &[SslMode::Require],
        };
        for (way, last) in with_last(ways.iter().copied()) {
            let opening = async {
                let connected = self.connect(server, way).await.map_err(Failure::Driver)?;
                check(&connected.0, wanted).await?;
                Ok(connected)
            };
            let failure = match self.within(others, opening).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(failure)) | Err(failure) => failure,
            };
            let retry = !last && failure.is_about_the_way();
            failures.0.push((server.to_string(), failure));
            if !retry {
                break;
            }
        }
        Err(failures)
    }

    async fn connect(&self, server: &Server, way: SslMode) -> Result<OpenConnection, Error> {
        let mut driver = self.database.driver.clone();
        driver.port(server.port).ssl_mode(way);
        driver.ssl_negotiation(self.database.tls.negotiation);
        match &server.host {
            ServerHost::Unix(folder) => _ = driver.host_path(folder),
            ServerHost::Tcp { name, address } => {
                driver.host(name);
                if let Some(address) = address {
                    driver.hostaddr(*address);
                }
            }
        }
        if self.database.connect_timeout == ConnectTimeout::Usual {
            driver.connect_timeout(CONNECT_TIMEOUT);
        }
        if let Some(password) = &self.database.password {
            driver.password(password);
        } else if let Some(password) = self.password_of_file(server) {
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
        let host = match &server.host {
            ServerHost::Tcp { name, .. } => name.clone(),
            ServerHost::Unix(folder) => folder.display().to_string(),
        };
        let Database { name, user, .. } = &self.database;
        self.passwords.as_ref()?.find(&host, server.port, name, user)
    }

    /// Asks the server to cancel what a connection has asked for.
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
            Some(Failure::Driver(error)) => match (&self.database.password_file, &self.no_passwords) {
                (_, Some(problem)) if said(error).contains("password missing") => problem.clone(),
                (Some(file), _) if error.code() == Some(&SqlState::INVALID_PASSWORD) && self.passwords.is_some() => {
                    format!("{}; the password is of {}", advice_on(error), file.path.display())
                }
                _ => advice_on(error).to_owned(),
            },
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
    let (column, value, kind) = match wanted {
        Wanted::Any => return Ok(()),
        Wanted::ReadWrite => (1, "off", "a server that can be written to"),
        Wanted::ReadOnly => (1, "on", "a server that is read-only"),
        Wanted::Primary => (0, "f", "a primary"),
        Wanted::Standby | Wanted::PreferStandby => (0, "t", "a standby"),
    };
    let query = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
    let messages = client.simple_query(query).await.map_err(Failure::Driver)?;
    let fits = messages
        .iter()
        .any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(column) == Some(value)));
    if fits { Ok(()) } else { Err(Failure::Unwanted(kind)) }
}
