//! The sockets that connections come on.

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
