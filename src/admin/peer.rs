//! Who is at the other end of an admin connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;

use crate::http::connection::peer::UnixPeer;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// It has this address.
    Tcp(SocketAddr),
    /// It is on the Unix socket, as this process where the operating system says so.
    Unix(Option<UnixPeer>),
}

impl Peer {
    pub(super) fn of(request: &HttpRequest) -> Self {
        match request.peer_addr() {
            Some(address) => Self::Tcp(address),
            None => Self::Unix(request.conn_data::<UnixPeer>().copied()),
        }
    }

    /// Its address; none on the Unix socket.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// Whether it is on this machine.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(UnixPeer { uid, pid: Some(pid) })) => write!(f, "unix socket, uid {uid}, pid {pid}"),
            Self::Unix(Some(UnixPeer { uid, pid: None })) => write!(f, "unix socket, uid {uid}"),
            Self::Unix(None) => f.write_str("unix socket"),
        }
    }
}
