//! A connection to the database that one thread reads from, and that can't hang: every wait ends with the run's deadline, and
//! a connection that gives nothing for a while has to be proved to be at work.
//!
//! The driver runs on a runtime of the session's own. A query has no name on the server and everything is set for the
//! transaction only, so a pooler may give each transaction another connection.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use slog::{Logger, warn};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Error, Row, RowStream, SimpleQueryMessage};

use super::connect::Connector;
use super::deadline::Deadline;
use super::error::GenerateError;
use super::refusal::causes;

/// How long a database may be silent; connecting, from the name to the answer to the password, may take both times. Both together are less than two minutes, cancelling included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilenceLimits {
    /// A connection that gives nothing for this long is looked at, again and again.
    pub quiet: Duration,
    /// Within this time a second connection has to see the first one at work.
    pub proof: Duration,
}

impl Default for SilenceLimits {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(60),
            proof: Duration::from_secs(30),
        }
    }
}

/// Texts come in UTF-8, converted by the server. A database without an encoding (SQL_ASCII) converts nothing and, asked for
/// UTF-8, gives an error for every other byte: it is asked for the bytes as they are.
const ENCODING: &str = "SELECT set_config('client_encoding', \
    CASE current_setting('server_encoding') WHEN 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END, true)";

/// Asking the server to cancel a query, and taking leave of it, take no longer than this.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// Time between two looks at what a connection's server process does.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What all sessions of a run share.
pub(super) struct Context<'a> {
    pub(super) connector: &'a Connector,
    pub(super) deadline: Deadline,
    pub(super) silence: SilenceLimits,
    pub(super) logger: &'a Logger,
}

/// Why reading ended.
#[derive(Debug)]
pub(super) struct ReadError {
    pub(super) error: GenerateError,
    /// Whether the same could succeed now: a query was cancelled, for example by a standby that has to go on.
    pub(super) passing: bool,
}

impl From<GenerateError> for ReadError {
    fn from(error: GenerateError) -> Self {
        Self { error, passing: false }
    }
}

/// Says to sessions that they need not begin any more, and, by the end of its sender, that the run has failed elsewhere.
pub(super) type Abandoned = watch::Receiver<bool>;

/// A connection, from [`Session::open`] on within a read-only transaction.
pub(super) struct Session<'a> {
    context: &'a Context<'a>,
    reactor: Reactor,
    client: Client,
    /// Ends with the reason for which the connection ended.
    connection: Cell<Option<JoinHandle<Result<(), Error>>>>,
    /// The server's process; none before the transaction has begun.
    process: Option<i32>,
    abandoned: Option<Abandoned>,
}

impl<'a> Session<'a> {
    /// Connects and begins a transaction: at this moment, or with the snapshot of another one. Gives nothing if it is
    /// abandoned before.
    ///
    /// # Errors
    /// If the database can't be reached, doesn't let us in, or is silent.
    pub(super) fn open(
        context: &'a Context<'a>,
        snapshot: Option<&str>,
        abandoned: Option<Abandoned>,
    ) -> Result<Option<Self>, ReadError> {
        let reactor = Reactor::new()?;
        let limit = context.silence.quiet + context.silence.proof;
        let end = Instant::from_std(context.deadline.at()).min(Instant::now() + limit);
        let opening = async {
            match snapshot {
                None => context.connector.open().await,
                // Only one server has it.
                Some(_) => context.connector.open_another().await,
            }
        };
        let connecting = async {
            tokio::select! {
                () = told(abandoned.clone()) => None,
                connected = timeout_at(end, opening) => Some(connected),
            }
        };
        let (client, connection) = match reactor.block_on(connecting) {
            None => return Ok(None),
            Some(Ok(connected)) => connected.map_err(|error| context.connector.explain_refusal(&error))?,
            Some(Err(_)) => {
                context.deadline.check("connecting to the database")?;
                let error = context.connector.failure(&format!(
                    "it is silent: it did not let us in within {} s; see whether the database works and, with a pooler, whether \
                     it has a connection to spare",
                    limit.as_secs_f64()
                ));
                return Err(error.into());
            }
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
    fn begin(&mut self, snapshot: Option<&str>) -> Result<bool, ReadError> {
        // The server ends by itself what we can't end any more.
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
    /// What the database says, or that it is silent.
    pub(super) fn execute(&self, doing: &'static str, statements: &str) -> Result<(), ReadError> {
        self.reactor
            .block_on(self.watched(doing, self.client.batch_execute(statements)))
    }

    /// Has the server begin a query; its rows can be taken later. `reading` is a table, for messages.
    ///
    /// # Errors
    /// What the database says, or that it is silent.
    pub(super) fn query(&self, reading: &'static str, query: &str) -> Result<Rows<'_>, ReadError> {
        let parameters = std::iter::empty::<(&(dyn ToSql + Sync), Type)>();
        let sent = self.watched(reading, self.client.query_typed_raw(query, parameters));
        let rows = Box::pin(self.reactor.block_on(sent)?);
        Ok(Rows {
            session: self,
            reading,
            rows,
        })
    }

    /// The only value of a query.
    ///
    /// # Errors
    /// What the database says, or that it is silent.
    pub(super) fn value<T>(&self, reading: &'static str, query: &str) -> Result<T, ReadError>
    where
        T: for<'r> FromSql<'r>,
    {
        let mut value = None;
        self.query(reading, query)?.for_each(|row| {
            value = Some(row.try_get(0)?);
            Ok(())
        })?;
        value.ok_or_else(|| {
            self.context
                .connector
                .failure(&format!("no answer (reading {reading})"))
                .into()
        })
    }

    /// Ends the transaction and the connection, so that a pooler or a standby need not wait for us.
    ///
    /// # Errors
    /// What the database says, or that it is silent.
    pub(super) fn end(self) -> Result<(), ReadError> {
        self.execute("ending", "COMMIT")?;
        let Self {
            reactor,
            client,
            connection,
            ..
        } = self;
        drop(client);
        // Everything is read: how the connection ends is all the same.
        if let Some(connection) = connection.take() {
            let _ = reactor.block_on(async { timeout(FAREWELL_LIMIT, connection).await });
        }
        Ok(())
    }

    /// Waits for something of the database, within the limits. What can't be waited for is cancelled.
    async fn watched<T>(
        &self,
        reading: &'static str,
        wanted: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, ReadError> {
        let mut wanted = pin!(wanted);
        // The most common case by far, without any timer: it is there.
        if let Some(result) = at_once(wanted.as_mut()).await {
            return self.explained(result).await;
        }
        let started = Instant::now();
        loop {
            let proof = tokio::select! {
                biased;
                result = &mut wanted => return self.explained(result).await,
                () = sleep_until(Instant::from_std(self.context.deadline.at())) => {
                    self.cancel().await;
                    return Err(self.context.deadline.missed(&format!("reading the database ({reading})")).into());
                }
                () = failed_elsewhere(self.abandoned.clone()) => {
                    self.cancel().await;
                    return Err(self.context.connector.failure("another connection has failed").into());
                }
                proof = async {
                    sleep(self.context.silence.quiet).await;
                    self.proof_of_work().await
                } => proof,
            };
            let seconds = started.elapsed().as_secs();
            match proof {
                Ok(work) => warn!(self.context.logger, "the database gives nothing, but is at work";
                    "reading" => reading, "seconds" => seconds, "work" => work),
                Err(problem) => {
                    self.cancel().await;
                    return Err(self.silent(reading, seconds, &problem));
                }
            }
        }
    }

    fn silent(&self, reading: &str, seconds: u64, problem: &str) -> ReadError {
        let error = self.context.connector.failure(&format!(
            "it is silent: nothing came for {seconds} s (reading {reading}), and {problem}; see whether the database and its \
             disks work and, with a pooler, whether it has two connections to spare"
        ));
        error.into()
    }

    async fn explained<T>(&self, result: Result<T, Error>) -> Result<T, ReadError> {
        match result {
            Ok(wanted) => Ok(wanted),
            // The connection itself knows why it is closed.
            Err(error) if error.is_closed() => {
                let reason = match self.connection.take() {
                    Some(connection) => timeout(FAREWELL_LIMIT, connection).await,
                    None => return Err(self.context.connector.explain(&error)),
                };
                match reason {
                    Ok(Ok(Err(reason))) => Err(self.context.connector.explain(&reason)),
                    _ => Err(self.context.connector.explain(&error)),
                }
            }
            Err(error) => Err(self.context.connector.explain(&error)),
        }
    }

    /// Has the server give up the query at hand, if it still listens.
    async fn cancel(&self) {
        let cancelling = self.context.connector.cancel(self.client.cancel_token());
        // A server that does not take this is as silent as before.
        let _ = timeout(FAREWELL_LIMIT, cancelling).await;
    }

    /// Looks at this connection's server process with a second connection. Gives what it does if that is work, and what
    /// speaks against it otherwise.
    async fn proof_of_work(&self) -> Result<String, String> {
        let limit = self.context.silence.proof;
        let mut looks = Looks::default();
        match timeout(limit, self.look(&mut looks)).await {
            Ok(proof) => proof,
            Err(_) => Err(looks.without_proof(limit)),
        }
    }

    /// Looks until there is a proof.
    async fn look(&self, looks: &mut Looks) -> Result<String, String> {
        let refused = |error: &dyn std::fmt::Display| format!("a second connection fails ({error})");
        let (client, connection) = match self.context.connector.open_another().await {
            Ok(connected) => connected,
            // It answers, and more can't be known.
            Err(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
                return Ok("has no second connection to spare".to_owned());
            }
            Err(error) => return Err(refused(&error)),
        };
        // It ends with this look, whatever its state is.
        let _connection = Aborted(connection);
        let process = self.process.unwrap_or_default();
        let query = format!(
            "SELECT state, coalesce(wait_event_type, ''), coalesce(wait_event, '') FROM pg_stat_activity WHERE pid = {process}"
        );
        looks.at = LookedAt::Connected;
        loop {
            let messages = client
                .simple_query(&query)
                .await
                .map_err(|error| refused(&causes(&error)))?;
            let row = messages.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            });
            let column = |index| {
                row.and_then(|row| row.try_get(index).ok().flatten())
                    .unwrap_or_default()
            };
            let seen = row.map(|_| Activity {
                state: column(0).to_owned(),
                waits_for: [column(1).to_owned(), column(2).to_owned()],
            });
            if let Some(work) = looks.note(seen) {
                return Ok(work);
            }
            sleep(LOOK_INTERVAL).await;
        }
    }
}

/// Rows of a query.
pub(super) struct Rows<'s> {
    session: &'s Session<'s>,
    reading: &'static str,
    rows: Pin<Box<RowStream>>,
}

impl Rows<'_> {
    /// Takes all rows.
    ///
    /// # Errors
    /// What the database or `take` says, or that the database is silent.
    pub(super) fn for_each(mut self, mut take: impl FnMut(Row) -> Result<(), Error>) -> Result<(), ReadError> {
        let Self { session, reading, .. } = self;
        session.reactor.block_on(async {
            while let Some(row) = session.watched(reading, self.rows.try_next()).await? {
                take(row).map_err(|error| session.context.connector.explain(&error))?;
            }
            Ok(())
        })
    }
}

/// What a server process does.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Activity {
    state: String,
    /// Kind and name of what it waits for; empty while it computes.
    waits_for: [String; 2],
}

impl Activity {
    fn describe(&self) -> String {
        let [kind, name] = &self.waits_for;
        match kind.as_str() {
            "" => format!("is {:?}", self.state),
            _ => format!("is {:?} and waits for {kind} {name}", self.state),
        }
    }
}

/// What was seen of a server process so far.
#[derive(Debug, Default)]
struct Looks {
    at: LookedAt,
}

#[derive(Debug, Default)]
enum LookedAt {
    #[default]
    Nothing,
    Connected,
    NoProcess,
    Process(Activity),
}

impl Looks {
    /// Takes what is seen now. Gives what the process does if that is proved to be work: it waits for a lock or a time, or
    /// does something else than at the look before. One that computes or reads all the while could as well be stopped, one
    /// that has answered is not heard.
    fn note(&mut self, seen: Option<Activity>) -> Option<String> {
        let Some(seen) = seen else {
            self.at = LookedAt::NoProcess;
            return None;
        };
        let [kind, _] = &seen.waits_for;
        let works = seen.state == "active"
            && match (kind.as_str(), &self.at) {
                ("Lock" | "Timeout", _) => true,
                ("Client", _) => false,
                (_, LookedAt::Process(before)) => *before != seen,
                _ => false,
            };
        let work = works.then(|| seen.describe());
        self.at = LookedAt::Process(seen);
        work
    }

    fn without_proof(&self, limit: Duration) -> String {
        let seconds = limit.as_secs_f64();
        match &self.at {
            LookedAt::Nothing => format!("a second connection is not let in within {seconds} s"),
            LookedAt::Connected => format!("a second connection gets no answer within {seconds} s"),
            LookedAt::NoProcess => "its process is not on the server that a second connection reaches".to_owned(),
            LookedAt::Process(activity) => {
                format!(
                    "its process does nothing else for {seconds} s: it {}",
                    activity.describe()
                )
            }
        }
    }
}

/// A task that ends when this is dropped.
struct Aborted<T>(JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
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

/// What a future gives without waiting.
async fn at_once<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits until a session is abandoned; for ever if it never is.
async fn told(abandoned: Option<Abandoned>) {
    let Some(mut abandoned) = abandoned else {
        return pending().await;
    };
    // An error says that the one who could tell is gone, which comes to the same.
    let _ = abandoned.wait_for(|abandoned| *abandoned).await;
}

/// Waits until the run has failed on another connection; for ever if it does not.
async fn failed_elsewhere(abandoned: Option<Abandoned>) {
    let Some(mut abandoned) = abandoned else {
        return pending().await;
    };
    while abandoned.changed().await.is_ok() {}
}

/// The server's process, and no time limit for the transaction on servers that know one.
const PROCESS: &str = "\
    SELECT pg_backend_pid(), CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL \
    THEN set_config('transaction_timeout', '0', true) END";

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: &str, kind: &str, name: &str) -> Option<Activity> {
        Some(Activity {
            state: state.to_owned(),
            waits_for: [kind.to_owned(), name.to_owned()],
        })
    }

    #[test]
    fn work_is_what_changes_or_waits_for_others() {
        for (before, now, works) in [
            (None, seen("active", "", ""), false),
            (seen("active", "", ""), seen("active", "", ""), false),
            (seen("active", "", ""), seen("active", "IO", "DataFileRead"), true),
            (
                seen("active", "IO", "DataFileRead"),
                seen("active", "IO", "DataFileRead"),
                false,
            ),
            (None, seen("active", "Lock", "relation"), true),
            (None, seen("active", "Timeout", "PgSleep"), true),
            (
                seen("active", "IO", "DataFileRead"),
                seen("active", "Client", "ClientWrite"),
                false,
            ),
            (
                seen("active", "", ""),
                seen("idle in transaction", "Client", "ClientRead"),
                false,
            ),
            (seen("active", "", ""), None, false),
        ] {
            let mut looks = Looks::default();
            looks.note(before.clone());
            let work = looks.note(now.clone());
            assert_eq!(work.is_some(), works, "{before:?}, {now:?}: {work:?}");
        }
    }

    #[test]
    fn silence_is_noticed_within_two_minutes() {
        let SilenceLimits { quiet, proof } = SilenceLimits::default();
        assert!(quiet + proof + FAREWELL_LIMIT < Duration::from_secs(110));
    }
}
