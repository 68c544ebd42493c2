//! Who is at the other end of an admin connection.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::UnixStream;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// It has this address.
    Tcp(SocketAddr),
    /// It is on the Unix socket, as this process where the operating system says so.
    Unix(Option<UnixPeer>),
}

/// The process that has connected to a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPeer {
    uid: u32,
    pid: Option<i32>,
}

/// Notes with a new connection which process is behind it, if it is on a Unix socket.
pub fn note_peer(connection: &dyn Any, data: &mut Extensions) {
    let stream = connection.downcast_ref::<UnixStream>();
    if let Some(credentials) = stream.and_then(|stream| stream.peer_cred().ok()) {
        data.insert(UnixPeer {
            uid: credentials.uid(),
            pid: credentials.pid(),
        });
    }
}

impl Peer {
    pub(super) fn of(request: &HttpRequest) -> Self {
        match request.peer_addr() {
            Some(address) => Self::Tcp(address),
            None => Self::Unix(request.conn_data::<UnixPeer>().copied()),
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
