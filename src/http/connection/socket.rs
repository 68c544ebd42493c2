//! The sockets that connections come on, and the client at their other end.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use actix_web::rt::net::{TcpStream, UnixStream};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connected socket.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Waits until there is something to read, which the end of the stream is, too.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Prepares a new connection. Returns the client's address; `None` on a Unix socket.
    fn prepare(&self) -> Option<SocketAddr> {
        None
    }
}

impl Socket for TcpStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }

    fn prepare(&self) -> Option<SocketAddr> {
        // Without it, the rest of an answer waits for an acknowledgement of its beginning. An error means that the client is
        // gone, which the first read reports.
        let _ = self.set_nodelay(true);
        self.peer_addr().ok()
    }
}

impl Socket for UnixStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }
}

/// The process that has connected to a Unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixPeer {
    /// Its user.
    pub uid: u32,
    /// Its id, if the operating system reports it.
    pub pid: Option<i32>,
}

impl UnixPeer {
    /// The process at the other end of a connection, if the operating system reports it.
    pub fn of(stream: &UnixStream) -> Option<Self> {
        let credentials = stream.peer_cred().ok()?;
        Some(Self {
            uid: credentials.uid(),
            pid: credentials.pid(),
        })
    }
}
