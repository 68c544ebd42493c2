//! The client of an admin connection: an address, or a process on this machine.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use tokio::net::unix::UCred;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    /// It is on the Unix socket, as this process if the operating system reports it.
    Unix(Option<UCred>),
}

impl Peer {
    pub(super) fn of(request: &HttpRequest) -> Self {
        match request.peer_addr() {
            Some(address) => Self::Tcp(address),
            None => Self::Unix(request.conn_data().copied()),
        }
    }

    /// Its address; `None` on the Unix socket.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn is_local(&self) -> bool {
        self.address().is_none_or(|address| address.is_loopback())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = match self {
            Self::Tcp(address) => return address.fmt(f),
            Self::Unix(process) => process,
        };
        f.write_str("unix socket")?;
        if let Some(process) = process {
            write!(f, ", uid {}", process.uid())?;
        }
        match process.and_then(|process| process.pid()) {
            Some(pid) => write!(f, ", pid {pid}"),
            None => Ok(()),
        }
    }
}
