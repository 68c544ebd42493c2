//! The ways in which connecting or reading fails, and what the database or the driver says, in words with advice.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::iter::successors;
use std::time::Duration;

use thiserror::Error;
use tokio_postgres::Error as DriverError;
use tokio_postgres::error::SqlState;

use crate::generate::error::GenerateError;

/// Reading has failed.
#[derive(Debug, Error)]
#[error("{error}")]
pub(crate) struct ReadFailure {
    #[source]
    pub(crate) error: GenerateError,
    /// Whether the same could succeed now: a query was cancelled, for example by a standby that has to go on.
    pub(crate) passing: bool,
}

impl From<GenerateError> for ReadFailure {
    fn from(error: GenerateError) -> Self {
        Self { error, passing: false }
    }
}

/// No server has let us in: the failure of each, in their order.
#[derive(Debug, Default)]
pub(super) struct ConnectError(pub(super) Vec<(String, Failure)>);

/// A server has not let us in.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("{}", said(.0))]
    Driver(#[source] DriverError),
    #[error("cannot find the host: {0}")]
    Lookup(#[source] io::Error),
    #[error("it did not let us in within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// It is not the kind of server that is wanted.
    #[error("it is not {0}")]
    Unwanted(&'static str),
}

impl ConnectError {
    /// The code that the last server gave.
    pub(super) fn code(&self) -> Option<&SqlState> {
        match self.last()? {
            Failure::Driver(error) => error.code(),
            _ => None,
        }
    }

    pub(super) fn last(&self) -> Option<&Failure> {
        self.0.last().map(|(_, failure)| failure)
    }

    /// Whether no other server is tried, as with libpq: this one works, and does not let us in.
    pub(super) fn is_final(&self) -> bool {
        match self.last() {
            Some(Failure::Driver(error)) => match error.code() {
                Some(code) => *code != SqlState::CANNOT_CONNECT_NOW,
                None => is_about_us(error),
            },
            _ => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.iter().map(|(server, _)| server);
        let several = servers.clone().zip(servers.skip(1)).any(|(one, next)| one != next);
        let text = |(server, failure): &(String, Failure)| match several {
            true => format!("{server}: {failure}"),
            false => failure.to_string(),
        };
        let mut texts: Vec<String> = self.0.iter().map(text).collect();
        texts.dedup();
        f.write_str(&texts.join("; "))
    }
}

impl Failure {
    /// Whether the same server could let us in with TLS, or without it.
    pub(super) fn is_about_the_way(&self) -> bool {
        match self {
            Self::Driver(error) => match error.code() {
                Some(code) => *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                None => !is_about_us(error) && !error.to_string().starts_with("error connecting to server"),
            },
            _ => false,
        }
    }
}

/// Whether the driver gave up on its own: a password is missing, or the server did not prove that it knows it.
fn is_about_us(error: &DriverError) -> bool {
    let text = error.to_string();
    text.starts_with("authentication error") || text.starts_with("invalid configuration")
}

/// The message of the server or of the driver.
pub(super) fn said(error: &DriverError) -> String {
    match error.as_db_error() {
        Some(said) => said.message().to_owned(),
        None => causes(error),
    }
}

pub(super) fn advice_on(error: &DriverError) -> &'static str {
    match error.as_db_error() {
        Some(said) => advice(said.code()),
        None => transport_advice(error),
    }
}

/// The error and what led to it. The driver's texts name what failed, never what was sent.
pub(super) fn causes(error: &DriverError) -> String {
    let mut text = error.to_string();
    for cause in successors(error.source(), |cause| (*cause).source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

pub(super) const WHERE_ADVICE: &str = "check the host and port in DB_URL, that PostgreSQL runs there, and its log";

fn transport_advice(error: &DriverError) -> &'static str {
    let of_tls = successors(error.source(), |cause| (*cause).source()).any(|cause| {
        // An io::Error's source is what its inner error came from; the inner error itself is asked for here.
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<rustls::Error>() || wrapped.is_some_and(|wrapped| wrapped.is::<rustls::Error>())
    });
    let text = causes(error);
    if of_tls {
        "check sslmode and sslrootcert in DB_URL against the server's certificate"
    } else if text.contains("channel binding") {
        "channel_binding=require needs a server with ssl on and a password of scram-sha-256"
    } else if text.contains("TLS") {
        "turn on ssl in the server, or choose another sslmode in DB_URL"
    } else if text.contains("password") {
        "put the password into DB_URL or the password file (~/.pgpass)"
    } else {
        WHERE_ADVICE
    }
}

/// Whether the same query could succeed now. A hot standby cancels queries, or ends their processes, when it has to go on.
pub(super) fn is_passing(code: &SqlState) -> bool {
    matches!(
        *code,
        SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::QUERY_CANCELED
            | SqlState::ADMIN_SHUTDOWN
    )
}

fn advice(code: &SqlState) -> &'static str {
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "check the user and the password in DB_URL, and the server's pg_hba.conf"
        }
        SqlState::INVALID_CATALOG_NAME => "check the database's name in DB_URL",
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN => {
            "this is not a MirrorManager2 database, or an older one than is supported: check the database's name and the \
             search_path, or upgrade MirrorManager2"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => "grant the user SELECT on MirrorManager2's tables",
        SqlState::TOO_MANY_CONNECTIONS => "raise max_connections, or run the generator when fewer others are connected",
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN => "try again when the server is up",
        SqlState::QUERY_CANCELED => "something cancelled the query: see the database's log",
        SqlState::T_R_SERIALIZATION_FAILURE => {
            "on a hot standby, raise max_standby_streaming_delay or turn on hot_standby_feedback"
        }
        _ => "see the database's log",
    }
}
