//! The end of a connection whose client still sends. Closing a socket with unread bytes takes the last answer away from the
//! client (RFC 9112, 9.6), so they are read and dropped for a while.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;

use super::socket::Socket;
use super::timer::Timer;

/// How long bytes are dropped.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How many bytes are dropped before the connection is closed.
const MOST_DROPPED: usize = 16 << 20;

/// The size of one read.
const PIECE: usize = 2 << 10;

/// Reads before other connections have their turn.
const READS_PER_TURN: usize = 32;

/// A connection that lingers.
pub(super) struct Linger {
    /// Bytes that may still be dropped.
    left: usize,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self { left: MOST_DROPPED }
    }

    /// Drops what the client sends, until its end, the timer, or too many bytes.
    pub(super) fn poll(&mut self, socket: &mut impl Socket, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<()> {
        let mut bytes = [0; PIECE];
        for _ in 0..READS_PER_TURN {
            let mut piece = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *socket).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => {
                    self.left = self.left.saturating_sub(piece.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return timer.poll(cx),
            }
        }
        if self.left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        timer.poll(cx)
    }
}
