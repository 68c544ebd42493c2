//! Who is at the other end of a connection.

use std::net::SocketAddr;

use actix_web::rt::net::{TcpStream, UnixStream};

/// The process that has connected to a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPeer {
    /// Its user.
    pub uid: u32,
    /// Its id, where the operating system tells it.
    pub pid: Option<i32>,
}

impl UnixPeer {
    /// The process at the other end of a connection, where the operating system tells it.
    pub fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = stream.peer_cred().ok()?;
        Some(Self {
            uid: credentials.uid(),
            pid: credentials.pid(),
        })
    }
}

/// A new connection.
pub trait Connected {
    /// Prepares it, and gives the client's address; none on a Unix socket.
    fn connected(&self) -> Option<SocketAddr>;
}

impl Connected for TcpStream {
    fn connected(&self) -> Option<SocketAddr> {
        // What is left of an answer is sent without waiting for word that its beginning has arrived. A connection that is
        // gone already ends with its first read.
        let _ = self.set_nodelay(true);
        self.peer_addr().ok()
    }
}

impl Connected for UnixStream {
    fn connected(&self) -> Option<SocketAddr> {
        None
    }
}
