//! Asks the other server: over HTTP or HTTPS, on connections that are kept, and without following redirects. Proxies of the
//! environment are not used, since the answer has to be the server's own.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Error};

use super::answer::{RawAnswer, media_type};

/// The deadline of a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);

/// An answer with a larger body is none. A list of all repositories can have half a megabyte.
const LARGEST_BODY: u64 = 16 << 20;

/// The other server.
pub(super) struct OtherServer {
    agent: Agent,
    base: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl OtherServer {
    /// The server at this URL, each of whose answers may take this long.
    pub(super) fn new(base: &str, timeout: Duration, connections: usize) -> Self {
        let mut builder = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("mirrorlist-server-compare/", env!("CARGO_PKG_VERSION")))
            .accept("*/*")
            .timeout_connect(Some(CONNECT.min(timeout)))
            .timeout_global(Some(timeout))
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections);
        if base.starts_with("https:") {
            // Reading the system's certificates takes a while.
            let certificates = rustls_native_certs::load_native_certs().certs;
            let roots = certificates.iter().map(|der| Certificate::from_der(der).to_owned());
            builder = builder.tls_config(
                TlsConfig::builder()
                    .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
                    .root_certs(RootCerts::from(roots))
                    .build(),
            );
        }
        Self {
            agent: builder.build().new_agent(),
            base: base.to_owned(),
        }
    }

    /// Asks for a target. A connection that the server closed meanwhile is no failure: it is asked once more.
    ///
    /// # Errors
    /// No connection, no answer in time, or one that is not HTTP.
    pub(super) fn ask(&self, target: &str) -> Result<RawAnswer, NoAnswer> {
        match self.ask_once(target) {
            Err(Error::Io(_) | Error::Protocol(_)) => self.ask_once(target),
            answer => answer,
        }
        .map_err(|error| NoAnswer(words(&error)))
    }

    fn ask_once(&self, target: &str) -> Result<RawAnswer, Error> {
        let mut response = self.agent.get(format!("{}{target}", self.base)).call()?;
        let status = response.status().as_u16();
        let header = |name: HeaderName| {
            let value = response.headers().get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (content_type, location) = (header(CONTENT_TYPE), header(LOCATION));
        let body = response.body_mut().with_config().limit(LARGEST_BODY).read_to_vec()?;
        Ok(RawAnswer {
            status,
            media_type: content_type.map(|value| media_type(&value)),
            location,
            body,
        })
    }
}

/// The library's words begin with a kind of error that says nothing more.
fn words(error: &Error) -> String {
    match error {
        Error::Io(error) => error.to_string(),
        Error::Timeout(_) => "no answer in time".to_owned(),
        Error::Protocol(error) => format!("not HTTP: {error}"),
        error => error.to_string(),
    }
}
