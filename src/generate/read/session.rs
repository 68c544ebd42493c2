//! A connection to the database that one thread reads from, and that cannot hang: every wait ends with the run's deadline, and a
//! connection that gives nothing for a while has to be proved to be at work.
//!
//! A query has no name on the server and everything is set for the transaction only, so a pooler may give each transaction
//! another connection.

use std::cell::Cell;
use std::future::pending;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::{FutureExt as _, TryStreamExt as _};
use slog::{Logger, warn};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_postgres::types::{FromSqlOwned, ToSql, Type};
use tokio_postgres::{Client, Error, Row, RowStream};

use super::connect::{Connector, OpenConnection};
use super::refusal::ReadFailure;
use super::silence::{SilenceLimits, proof_of_work};
use crate::generate::deadline::Deadline;
use crate::generate::error::GenerateError;

/// Texts come in UTF-8, converted by the server. A database without an encoding (SQL_ASCII) converts nothing and, asked for
/// UTF-8, gives an error for every other byte: it is asked for the bytes as they are.
const ENCODING: &str = "SELECT set_config('client_encoding', \
    CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, true)";

/// Asking the server to cancel a query, and taking leave of it, take no longer than this.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// The part of a run that all its sessions share.
pub(crate) struct ReadContext<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) deadline: Deadline,
    pub(crate) silence: SilenceLimits,
    pub(crate) logger: &'a Logger,
}

/// Tells sessions that they need not begin any more and, once its sender is gone, that the run has failed elsewhere.
pub(crate) type Abandoned = watch::Receiver<bool>;

/// A connection, from [`Session::open`] on within a read-only transaction.
pub(crate) struct Session<'a> {
    context: &'a ReadContext<'a>,
    reactor: Reactor,
    client: Client,
    /// Ends with the reason for which the connection ended.
    connection: Cell<Option<JoinHandle<Result<(), Error>>>>,
    /// The server's process; `None` before the transaction has begun.
    process: Option<i32>,
    abandoned: Option<Abandoned>,
}

impl<'a> Session<'a> {
    /// Connects and begins a transaction, maybe with the snapshot of another one. Returns `None` if it is abandoned before.
    ///
    /// # Errors
    /// If the database cannot be reached, does not let us in, or is silent.
    pub(crate) fn open(
        context: &'a ReadContext<'a>,
        snapshot: Option<&str>,
        abandoned: Option<Abandoned>,
    ) -> Result<Option<Self>, ReadFailure> {
        let reactor = Reactor::new()?;
        let connecting = connect(context, snapshot.is_some(), abandoned.clone());
        let Some((client, connection)) = reactor.block_on(connecting)? else {
            return Ok(None);
        };
        let mut session = Self {
            context,
            reactor,
            client,
            connection: Cell::new(Some(connection)),
            process: None,
            abandoned,
        };
        Ok(session.begin(snapshot)?.then_some(session))
    }

    /// Begins the transaction, whatever time limits the user or the database have: while one connection scans, others wait.
    fn begin(&mut self, snapshot: Option<&str>) -> Result<bool, ReadFailure> {
        // The server ends by itself a query that we can't cancel any more.
        let limit = self.context.deadline.remaining().saturating_add(2 * FAREWELL_LIMIT);
        let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        let adopt = snapshot.map_or_else(String::new, |snapshot| {
            format!("; SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', ""))
        });
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = 0{adopt}; {ENCODING}"
        );
        let beginning = self.watched("beginning", async {
            tokio::select! {
                () = told(self.abandoned.clone()) => Ok(false),
                begun = self.client.batch_execute(&begin) => begun.map(|()| true),
            }
        });
        if !self.reactor.block_on(beginning)? {
            return Ok(false);
        }
        self.process = Some(self.value("its process", PROCESS)?);
        Ok(true)
    }

    /// Runs statements that give nothing.
    ///
    /// # Errors
    /// If the database refuses them or is silent, here and below.
    pub(crate) fn execute(&self, doing: &'static str, statements: &str) -> Result<(), ReadFailure> {
        let executed = self.client.batch_execute(statements);
        self.reactor.block_on(self.watched(doing, executed))
    }

    /// Has the server begin a query; its rows can be taken later. `reading` is a table, for messages.
    pub(crate) fn query(&self, reading: &'static str, query: &str) -> Result<Rows<'_>, ReadFailure> {
        let parameters: [(&(dyn ToSql + Sync), Type); 0] = [];
        let sent = self.watched(reading, self.client.query_typed_raw(query, parameters));
        let rows = Box::pin(self.reactor.block_on(sent)?);
        let session = self;
        Ok(Rows { session, reading, rows })
    }

    /// The only value of a query.
    pub(crate) fn value<T: FromSqlOwned>(&self, reading: &'static str, query: &str) -> Result<T, ReadFailure> {
        let mut value = None;
        self.query(reading, query)?.for_each(|row| {
            value = Some(row.try_get(0)?);
            Ok(())
        })?;
        value.ok_or_else(|| self.failure(&format!("no answer (reading {reading})")))
    }

    /// Ends the transaction and the connection, so that a pooler or a standby need not wait for us.
    pub(crate) fn end(self) -> Result<(), ReadFailure> {
        self.execute("ending", "COMMIT")?;
        drop(self.client);
        // Everything is read: it does not matter how the connection ends.
        if let Some(connection) = self.connection.take() {
            let ended = async { timeout(FAREWELL_LIMIT, connection).await };
            let _ = self.reactor.block_on(ended);
        }
        Ok(())
    }

    /// Waits for something of the database, within the limits. A query that breaks them is cancelled.
    async fn watched<T>(
        &self,
        reading: &'static str,
        wanted: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ReadFailure> {
        let mut wanted = pin!(wanted);
        // The most common case by far is that it is there: no timer is needed.
        if let Some(result) = wanted.as_mut().now_or_never() {
            return self.explained(result).await;
        }
        let started = Instant::now();
        loop {
            let failure = tokio::select! {
                biased;
                result = &mut wanted => return self.explained(result).await,
                () = sleep_until(Instant::from_std(self.context.deadline.at())) => {
                    self.context.deadline.missed(&format!("reading the database ({reading})")).into()
                }
                () = failed_elsewhere(self.abandoned.clone()) => self.failure("another connection has failed"),
                proof = async {
                    sleep(self.context.silence.quiet).await;
                    proof_of_work(self.context.connector, self.process, self.context.silence.proof).await
                } => {
                    let seconds = started.elapsed().as_secs();
                    match proof {
                        Ok(work) => {
                            warn!(self.context.logger, "the database gives nothing, but is at work";
                                "reading" => reading, "seconds" => seconds, "work" => work);
                            continue;
                        }
                        Err(problem) => self.failure(&format!(
                            "it is silent: nothing came for {seconds} s (reading {reading}), and {problem}; see whether the \
                             database and its disks work and, with a pooler, whether it has two connections to spare"
                        )),
                    }
                }
            };
            self.cancel().await;
            return Err(failure);
        }
    }

    fn failure(&self, problem: &str) -> ReadFailure {
        self.context.connector.failure(problem).into()
    }

    async fn explained<T>(&self, result: Result<T, Error>) -> Result<T, ReadFailure> {
        let mut error = match result {
            Ok(wanted) => return Ok(wanted),
            Err(error) => error,
        };
        // The connection itself knows why it is closed.
        if error.is_closed()
            && let Some(connection) = self.connection.take()
            && let Ok(Ok(Err(reason))) = timeout(FAREWELL_LIMIT, connection).await
        {
            error = reason;
        }
        Err(self.context.connector.explain(&error))
    }

    /// Has the server give up the query at hand, if it still listens.
    async fn cancel(&self) {
        let cancelling = self.context.connector.cancel(self.client.cancel_token());
        // A server that does not take this is as silent as before.
        let _ = timeout(FAREWELL_LIMIT, cancelling).await;
    }
}

/// Connects to the first server that will do; to the same as before if a snapshot is to be shared, which only that one has.
async fn connect(
    context: &ReadContext<'_>,
    same_server: bool,
    abandoned: Option<Abandoned>,
) -> Result<Option<OpenConnection>, ReadFailure> {
    let limit = context.silence.quiet + context.silence.proof;
    let end = Instant::from_std(context.deadline.at()).min(Instant::now() + limit);
    let opening = async {
        match same_server {
            false => context.connector.open().await,
            true => context.connector.open_another().await,
        }
    };
    let connected = tokio::select! {
        () = told(abandoned) => return Ok(None),
        connected = timeout_at(end, opening) => connected,
    };
    match connected {
        Ok(Ok(connection)) => Ok(Some(connection)),
        Ok(Err(error)) => Err(context.connector.explain_refusal(&error)),
        Err(_) => {
            context.deadline.check("connecting to the database")?;
            let error = context.connector.failure(&format!(
                "it is silent: it did not let us in within {} s; see whether the database works and, with a pooler, whether \
                 it has a connection to spare",
                limit.as_secs_f64()
            ));
            Err(error.into())
        }
    }
}

/// Rows of a query that the server has begun.
pub(crate) struct Rows<'s> {
    session: &'s Session<'s>,
    reading: &'static str,
    rows: Pin<Box<RowStream>>,
}

impl Rows<'_> {
    pub(crate) fn for_each(mut self, mut take: impl FnMut(Row) -> Result<(), Error>) -> Result<(), ReadFailure> {
        let Self { session, reading, .. } = self;
        session.reactor.block_on(async {
            while let Some(row) = session.watched(reading, self.rows.try_next()).await? {
                take(row).map_err(|error| session.context.connector.explain(&error))?;
            }
            Ok(())
        })
    }
}

/// A runtime whose end does not wait for the system's resolver, which can't be interrupted.
struct Reactor(Option<Runtime>);

impl Reactor {
    fn new() -> Result<Self, GenerateError> {
        match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Ok(Self(Some(runtime))),
            Err(error) => Err(GenerateError::Database(format!("cannot prepare a connection: {error}"))),
        }
    }

    #[expect(clippy::expect_used, reason = "only dropping takes the runtime")]
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("a runtime").block_on(future)
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits until a session is abandoned; for ever if it never is.
async fn told(abandoned: Option<Abandoned>) {
    match abandoned {
        // An error says that the sender is gone, which comes to the same.
        Some(mut abandoned) => _ = abandoned.wait_for(|abandoned| *abandoned).await,
        None => pending().await,
    }
}

/// Waits until the run has failed on another connection; for ever if it does not.
async fn failed_elsewhere(abandoned: Option<Abandoned>) {
    match abandoned {
        Some(mut abandoned) => while abandoned.changed().await.is_ok() {},
        None => pending().await,
    }
}

/// The server's process, and no time limit for the transaction on servers that know one.
const PROCESS: &str = "\
    SELECT pg_backend_pid(), CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL \
    THEN set_config('transaction_timeout', '0', true) END";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_within_two_minutes() {
        let SilenceLimits { quiet, proof } = SilenceLimits::default();
        assert!(quiet + proof + FAREWELL_LIMIT < Duration::from_secs(110));
    }
}
