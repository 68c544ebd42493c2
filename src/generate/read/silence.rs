//! Whether a connection that is silent is at work: a second connection looks at what the first one's server process does.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::connect::Connector;
use super::refusal::causes;

/// How long a database may be silent. Connecting, from the name to the answer to the password, may take both times. Both together
/// are less than two minutes, cancelling included.
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

/// Time between two looks at a server process.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Looks at a server process until it is seen at work. Returns its work, or what speaks against it once `limit` is over.
pub(super) async fn proof_of_work(
    connector: &Connector,
    process: Option<i32>,
    limit: Duration,
) -> Result<String, String> {
    let mut last = Look::default();
    match timeout(limit, look(connector, process, &mut last)).await {
        Ok(proof) => proof,
        Err(_) => Err(last.without_proof(limit)),
    }
}

async fn look(connector: &Connector, process: Option<i32>, last: &mut Look) -> Result<String, String> {
    let refused = |error: String| format!("a second connection fails ({error})");
    let (client, connection) = match connector.open_another().await {
        Ok(connected) => connected,
        // It answers, and more can't be known.
        Err(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
            return Ok("has no second connection to spare".to_owned());
        }
        Err(error) => return Err(refused(error.to_string())),
    };
    // It ends with this look, whatever its state is.
    let _connection = Aborted(connection);
    // Without a number, no process is found.
    let process = process.map_or_else(|| "NULL".to_owned(), |process| process.to_string());
    let query =
        format!("SELECT state, wait_event_type || ' ' || wait_event FROM pg_stat_activity WHERE pid = {process}");
    *last = Look::Connected;
    loop {
        let answer = client.simple_query(&query).await;
        let messages = answer.map_err(|error| refused(causes(&error)))?;
        let seen = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(Activity::of(row)),
            _ => None,
        });
        if let Some(work) = last.renew(seen) {
            return Ok(work);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// The state of a server process.
#[derive(Debug, PartialEq, Eq)]
struct Activity {
    state: String,
    /// Kind and name of what it waits for, as in `Lock relation`; empty while it computes.
    waits_for: String,
}

impl Activity {
    fn of(row: &SimpleQueryRow) -> Self {
        // PostgreSQL shows null for what the user may not see.
        let column = |index| row.try_get(index).ok().flatten().unwrap_or_default().to_owned();
        let (state, waits_for) = (column(0), column(1));
        Self { state, waits_for }
    }

    fn describe(&self) -> String {
        match self.waits_for.as_str() {
            "" => format!("is {:?}", self.state),
            event => format!("is {:?} and waits for {event}", self.state),
        }
    }
}

/// The last look at a server process.
#[derive(Debug, Default)]
enum Look {
    /// No second connection yet.
    #[default]
    Nothing,
    Connected,
    NoProcess,
    Process(Activity),
}

impl Look {
    /// Replaces the look before. Returns the process's work if it is proved: it waits for a lock or a time, or does something else.
    /// A process that computes or reads all the while could be stopped; the answer of one that waits for its client is lost.
    fn renew(&mut self, seen: Option<Activity>) -> Option<String> {
        let Some(seen) = seen else {
            *self = Self::NoProcess;
            return None;
        };
        let kind = seen.waits_for.split(' ').next();
        let works = seen.state == "active"
            && match (kind, &*self) {
                (Some("Lock" | "Timeout"), _) => true,
                (Some("Client"), _) => false,
                (_, Self::Process(before)) => *before != seen,
                _ => false,
            };
        let work = works.then(|| seen.describe());
        *self = Self::Process(seen);
        work
    }

    fn without_proof(&self, limit: Duration) -> String {
        let seconds = limit.as_secs_f64();
        match self {
            Self::Nothing => format!("a second connection is not let in within {seconds} s"),
            Self::Connected => format!("a second connection gets no answer within {seconds} s"),
            Self::NoProcess => "its process is not on the server that a second connection reaches".to_owned(),
            Self::Process(now) => format!("its process does nothing else for {seconds} s: it {}", now.describe()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_what_changes_or_waits_for_others() {
        // The state, and what it waits for; nothing if there is no process.
        let seen = |text: &str| {
            let (state, waits_for) = text.split_once(": ")?;
            let (state, waits_for) = (state.to_owned(), waits_for.to_owned());
            Some(Activity { state, waits_for })
        };
        for (before, now, works) in [
            ("", "active: ", false),
            ("active: ", "active: ", false),
            ("active: ", "active: IO DataFileRead", true),
            ("active: IO DataFileRead", "active: IO DataFileRead", false),
            ("", "active: Lock relation", true),
            ("", "active: Timeout PgSleep", true),
            ("active: IO DataFileRead", "active: Client ClientWrite", false),
            ("active: ", "idle in transaction: Client ClientRead", false),
            ("active: ", "", false),
        ] {
            let mut look = Look::default();
            look.renew(seen(before));
            let work = look.renew(seen(now));
            assert_eq!(work.is_some(), works, "{before:?}, {now:?}: {work:?}");
        }
    }
}
