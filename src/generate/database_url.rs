//! `DB_URL` to what a connection needs. The password goes into the driver's configuration and nowhere else: nothing here
//! prints the URL, in no error and no debug output.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Host, SslMode};

use crate::config::ConfigError;

/// How a connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all (`sslmode=disable`).
    Disable,
    /// Encrypted if the server can, without looking at its certificate (`sslmode=prefer`, the default).
    Prefer,
    /// Encrypted; the certificate has to be signed by these roots if there are any (`sslmode=require`).
    Require(Option<PathBuf>),
    /// Encrypted; the certificate has to be signed by these roots (none: the system's) and be for this host
    /// (`sslmode=verify-full`).
    VerifyFull(Option<PathBuf>),
}

/// A database and how to get in.
#[derive(Clone)]
pub struct Database {
    driver: tokio_postgres::Config,
    tls: Tls,
}

/// Without an answer for this long, connecting has failed.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sent data that nobody acknowledges for this long means that the connection is dead.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection that gives nothing for this long is asked by the operating system whether it is still there, this often and
/// this many times: one whose other end is gone ends after a minute.
const KEEPALIVES_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVES_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVES_RETRIES: u32 = 3;

/// The driver's own time without an answer, far too long to notice anything.
const SYSTEM_KEEPALIVES_IDLE: Duration = Duration::from_secs(2 * 60 * 60);

impl Database {
    /// Reads a URL like `postgresql://user:password@host:5432/database?sslmode=require`.
    ///
    /// # Errors
    /// Where it is none. The text never holds a part of the URL that could be of the password.
    pub fn parse(url: &str) -> Result<Self, ConfigError> {
        let url = url.trim();
        if !(url.starts_with("postgresql://") || url.starts_with("postgres://")) {
            return Err(mistake("expected a URL like postgresql://user:password@host/database"));
        }
        if has_split_password(url) {
            return Err(mistake(
                "write an @, / or ? in the user name, the password or anything else as %40, %2F or %3F",
            ));
        }
        let (base, parameters) = url.split_once('?').unwrap_or((url, ""));
        let (tls, rest) = take_tls(parameters)?;
        let rest = if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{rest}")
        };
        // The driver's own text names the parameter or the part of the URL, and for some errors its value.
        let mut driver: tokio_postgres::Config = rest.parse().map_err(|_| {
            mistake(
                "it is no database URL, or has a parameter that is not known; \
                 write special characters of the password as %XX",
            )
        })?;
        if driver.get_hosts().is_empty() {
            return Err(mistake("it names no host"));
        }
        if driver.get_user().is_none() {
            return Err(mistake("it names no user"));
        }
        driver.ssl_mode(match tls {
            Tls::Disable => SslMode::Disable,
            Tls::Prefer => SslMode::Prefer,
            Tls::Require(_) | Tls::VerifyFull(_) => SslMode::Require,
        });
        if driver.get_application_name().is_none() {
            driver.application_name("generate-mirrorlist-cache");
        }
        if driver.get_connect_timeout().is_none() {
            driver.connect_timeout(CONNECT_TIMEOUT);
        }
        if driver.get_tcp_user_timeout().is_none() {
            driver.tcp_user_timeout(TCP_USER_TIMEOUT);
        }
        if driver.get_keepalives_idle() == SYSTEM_KEEPALIVES_IDLE {
            driver.keepalives_idle(KEEPALIVES_IDLE);
        }
        if driver.get_keepalives_interval().is_none() {
            driver.keepalives_interval(KEEPALIVES_INTERVAL);
        }
        if driver.get_keepalives_retries().is_none() {
            driver.keepalives_retries(KEEPALIVES_RETRIES);
        }
        Ok(Self { driver, tls })
    }

    /// The driver's configuration, with the password in it.
    pub(super) fn driver(&self) -> &tokio_postgres::Config {
        &self.driver
    }

    /// How connections are protected.
    pub fn tls(&self) -> &Tls {
        &self.tls
    }
}

/// Where the database is and who asks: all but the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "database {:?}", self.driver.get_dbname().unwrap_or_default())?;
        for (index, host) in self.driver.get_hosts().iter().enumerate() {
            f.write_str(if index == 0 { " at " } else { ", " })?;
            let port = match self.driver.get_ports() {
                [port] => *port,
                ports => ports.get(index).copied().unwrap_or(5432),
            };
            match host {
                Host::Tcp(name) => write!(f, "{name}:{port}")?,
                Host::Unix(folder) => write!(f, "{} (port {port})", folder.display())?,
            }
        }
        write!(f, " as {:?}", self.driver.get_user().unwrap_or_default())
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({self}, {:?})", self.tls)
    }
}

/// Whether an `@` is elsewhere than once, before host and database: an `@`, `/` or `?` of the password would end it early, and
/// its rest would be taken for a host, a database or a parameter, which are shown.
fn has_split_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    rest.matches('@').count() > 1 || rest.contains('@') != authority.contains('@')
}

/// Takes `sslmode` and `sslrootcert`, which the driver doesn't know in full, out of a URL's parameters.
fn take_tls(parameters: &str) -> Result<(Tls, String), ConfigError> {
    let (mut mode, mut roots) = ("prefer".to_owned(), None);
    let mut rest = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        match key {
            "sslmode" => mode = value(),
            "sslrootcert" => roots = Some(value()),
            "sslcert" | "sslkey" => return Err(mistake("client certificates (sslcert, sslkey) are not supported")),
            _ => rest.push(parameter),
        }
    }
    let roots = roots
        .filter(|path| !path.is_empty() && path != "system")
        .map(PathBuf::from);
    let tls = match mode.as_str() {
        "disable" => Tls::Disable,
        "prefer" => Tls::Prefer,
        "require" => Tls::Require(roots),
        "verify-full" => Tls::VerifyFull(roots),
        _ => return Err(mistake("sslmode is one of disable, prefer, require and verify-full")),
    };
    Ok((tls, rest.join("&")))
}

fn mistake(text: &str) -> ConfigError {
    ConfigError::new(format!("DB_URL: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let database = Database::parse(
            "postgresql://mm:s%40cret@db.example.org:5433/mirrormanager2?sslmode=verify-full&sslrootcert=%2Fca.pem",
        )
        .unwrap();
        assert_eq!(
            database.to_string(),
            "database \"mirrormanager2\" at db.example.org:5433 as \"mm\""
        );
        assert_eq!(database.tls(), &Tls::VerifyFull(Some("/ca.pem".into())));
        assert_eq!(database.driver().get_password(), Some("s@cret".as_bytes()));
        assert_eq!(database.driver().get_ssl_mode(), SslMode::Require);
        let socket = Database::parse("postgres://mm@%2Frun%2Fpostgresql/mm").unwrap();
        assert_eq!(
            socket.to_string(),
            "database \"mm\" at /run/postgresql (port 5432) as \"mm\""
        );
        assert_eq!(socket.tls(), &Tls::Prefer);
    }

    #[test]
    fn no_error_and_no_debug_output_holds_the_password() {
        for url in [
            "postgresql://mm:hunter2@host/db",
            "postgresql://mm:hun@ter2@host/db",
            "postgresql://mm:x/hunter2@host/db",
            "postgresql://mm:x@y/hunter2@host/db",
            "postgresql://mm:5432/hunter2@host/db?user=mm",
            "postgresql://mm:5432?user=mm&dbname=hunter2@host/db",
            "postgresql://mm:x@y?sslrootcert=hunter2@host/db",
            "postgresql://mm:hunter2@host/db?sslmode=maybe",
            "postgresql://mm:hunter2@host:port/db",
            "postgresql://mm:hunter2@host/db?hunter2=1",
            "postgresql://mm:a?hunter2@host/db",
            "mysql://mm:hunter2@host/db",
            "host=h user=mm password=hunter2",
            "postgresql://:hunter2@/db",
        ] {
            let said = format!("{:?}", Database::parse(url));
            assert!(!said.contains("hunter2") && !said.contains("ter2"), "{url}: {said}");
        }
    }
}
