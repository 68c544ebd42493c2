//! Why a mirror gives no answer: the errors of connections, TLS and HTTP in the words of operators.

use std::io;
use std::time::Duration;

use rustls::CertificateError;
use ureq::Error;

use super::names::{NoName, NoThread};

/// Why there is no answer. Its words are the last answer in the health file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer within {}", in_words(*.0))]
    Timeout(Duration),
    #[error("connection refused")]
    Refused,
    /// In words.
    #[error("{0}")]
    Tls(String),
    /// The name is not known, or its name servers don't answer.
    #[error("name has no address")]
    NoName,
    /// The name has addresses, but none of this family.
    #[error("name has no such address")]
    NoFamily,
    /// This machine has no way to addresses of this family.
    #[error("network unreachable")]
    NoRoute,
    /// This machine has no more threads or descriptors, in words.
    #[error("{0}")]
    Own(String),
    /// In words.
    #[error("{0}")]
    Other(String),
}

fn in_words(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

impl Failure {
    /// Why a question has this error, of which the answer had so much time.
    pub(super) fn of(error: Error, patience: Duration) -> Self {
        match error {
            Error::Timeout(_) => Self::Timeout(patience),
            Error::HostNotFound => Self::NoFamily,
            Error::Other(error) if error.is::<NoName>() => Self::NoName,
            Error::Other(error) if error.is::<NoThread>() => Self::Own(error.to_string()),
            Error::Io(error) => Self::of_io(&error, patience),
            Error::Rustls(error) => Self::Tls(tls_words(&error)),
            Error::Tls(words) => Self::Tls(format!("TLS: {words}")),
            Error::Protocol(error) => Self::Other(format!("not HTTP: {error}")),
            Error::LargeResponseHeader(_, most) => Self::Other(format!("a head of more than {most} bytes")),
            error => Self::Other(error.to_string()),
        }
    }

    fn of_io(error: &io::Error, patience: Duration) -> Self {
        let inner = error.get_ref();
        if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls_words(error));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout(patience),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => Self::NoRoute,
            io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                Self::Other("connection closed before the end of the answer".to_owned())
            }
            _ => match error.raw_os_error() {
                Some(libc::EAFNOSUPPORT) => Self::NoRoute,
                Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS) => Self::Own(error.to_string()),
                _ => Self::Other(error.to_string()),
            },
        }
    }
}

fn tls_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(error) = error else {
        return format!("TLS: {error}");
    };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "certificate for another name".to_owned()
        }
        CertificateError::UnknownIssuer => "certificate of an unknown issuer".to_owned(),
        error => format!("certificate not accepted: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_words() {
        for (failure, words) in [
            (Failure::Timeout(Duration::from_secs(10)), "no answer within 10 s"),
            (Failure::Timeout(Duration::from_millis(300)), "no answer within 300 ms"),
            (Failure::Refused, "connection refused"),
            (Failure::NoName, "name has no address"),
            (
                Failure::Tls(tls_words(&CertificateError::Expired.into())),
                "certificate expired",
            ),
            (
                Failure::Tls(tls_words(&CertificateError::NotValidForName.into())),
                "certificate for another name",
            ),
        ] {
            assert_eq!(failure.to_string(), words);
        }
    }
}
