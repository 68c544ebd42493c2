//! The client of an admin connection: an address, or a process on this machine.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::http::connection::socket::UnixPeer;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// It has this address.
    Tcp(SocketAddr),
    /// It is on the Unix socket, as this process if the operating system reports it.
    Unix(Option<UnixPeer>),
}

impl Peer {
    pub(super) fn of(request: &HttpRequest) -> Self {
        match request.peer_addr() {
            Some(address) => Self::Tcp(address),
            None => Self::Unix(request.conn_data::<UnixPeer>().copied()),
        }
    }

    /// Its address; `None` on the Unix socket.
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

impl FromRequest for Peer {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
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
