//! The stream between a socket and actix. It lets through one request head at a time, reads nothing while an answer is on its
//! way, and owns the connection's deadlines.
//!
//! actix decodes pipelined requests ahead and encodes their answers with what it knows of the last one; through this stream it
//! never sees more than one. When a request is refused or a deadline has passed, actix sees the end of the stream; the stream
//! writes what is left when actix shuts it down.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head;
use super::limits::Admission;
use super::metrics::Cut;
use super::progress::AnswerProgress;
use super::refusal::HeadRefusal;
use super::scanner::{HeadScanner, Scan};
use super::socket::Socket;
use super::timer::{StopSignal, Stopping, Timer};

use crate::settings::Deadlines;

/// Bytes are read in pieces of this size if actix offers no buffer for them.
const PIECE: usize = 2 << 10;

/// What a client still sends after the end is dropped for so long, and up to so many bytes.
const LINGER: Duration = Duration::from_secs(2);
const MOST_DROPPED: usize = 16 << 20;

/// Reads of such bytes before other connections have their turn.
const READS_PER_TURN: usize = 32;

/// The length of CR LF.
const EMPTY_LINE: usize = 2;

/// A guarded connection.
pub struct GuardedStream<S> {
    pub(crate) socket: S,
    deadlines: Deadlines,
    stop: StopSignal,
    phase: StreamPhase,
    /// Bytes that are read and not let through yet: a part of a head, or pipelined requests.
    waiting: Vec<u8>,
    timer: Timer,
    admission: Admission,
}

enum StreamPhase {
    /// Waiting for a request. `answered` is set from the end of an answer to the next look at the socket.
    Idle { answered: bool },
    /// A part of a head has come.
    Head(HeadScanner),
    /// A head of which `left` bytes are still to be let through.
    Deliver { left: usize, is_head: bool },
    /// The handler works, or its answer is being written.
    Answer(AnswerProgress),
    /// actix has seen the end of the stream; these bytes are still to be written.
    Ended(Vec<u8>),
    /// Everything is written, and the client still sends. So many bytes may still be dropped.
    Linger { left: usize },
}

impl<S: Socket> GuardedStream<S> {
    /// Guards a new connection. The connection counts until the stream is dropped.
    pub fn new(socket: S, deadlines: Deadlines, admission: Admission, stopping: Stopping) -> Self {
        Self {
            socket,
            deadlines,
            stop: StopSignal::new(stopping),
            phase: StreamPhase::Idle { answered: false },
            waiting: Vec::new(),
            timer: Timer::at(Instant::now() + deadlines.idle),
            admission,
        }
    }

    /// Reads until a head can be let through into `out`, or the stream ends.
    fn poll_head(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let wants_head = matches!(self.phase, StreamPhase::Idle { .. } | StreamPhase::Head(_));
            if wants_head && !self.waiting.is_empty() && self.scan_waiting() {
                continue;
            }
            match self.phase {
                StreamPhase::Idle { .. } | StreamPhase::Head(_) => {}
                StreamPhase::Deliver { left, is_head } => {
                    self.deliver(left, is_head, out);
                    return Poll::Ready(Ok(()));
                }
                StreamPhase::Answer(_) => return Poll::Pending,
                StreamPhase::Ended(_) | StreamPhase::Linger { .. } => return Poll::Ready(Ok(())),
            }
            let read = if self.waiting.is_empty() && out.remaining() >= PIECE / 2 {
                self.poll_read_through(cx, out)?
            } else {
                self.poll_read_waiting(cx)?
            };
            if read.is_pending() && self.poll_patience(cx).is_pending() {
                return Poll::Pending;
            }
            // A whole head stands in `out` already.
            if matches!(self.phase, StreamPhase::Answer(_)) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads into actix's buffer. One whole head, the usual case, stays there. Of pipelined requests no more than a piece is
    /// read, since what has to wait for an answer takes memory.
    fn poll_read_through(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> io::Result<Poll<()>> {
        let length = PIECE.min(out.remaining());
        let mut piece = ReadBuf::new(out.initialize_unfilled_to(length));
        if Pin::new(&mut self.socket).poll_read(cx, &mut piece)?.is_pending() {
            return Ok(Poll::Pending);
        }
        let read = piece.filled_mut();
        if read.is_empty() {
            self.phase = StreamPhase::Ended(Vec::new());
        } else if HeadScanner::default().scan(read) == Ok(Scan::Complete(read.len()))
            && let Ok(is_head) = head::check(read)
        {
            let length = read.len();
            out.advance(length);
            self.phase = StreamPhase::Answer(AnswerProgress::new(is_head));
        } else {
            self.waiting.extend_from_slice(read);
        }
        Ok(Poll::Ready(()))
    }

    fn poll_read_waiting(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        if Pin::new(&mut self.socket).poll_read(cx, &mut piece)?.is_pending() {
            return Ok(Poll::Pending);
        }
        if piece.filled().is_empty() {
            // The client has left in the middle of a head.
            self.waiting = Vec::new();
            self.phase = StreamPhase::Ended(Vec::new());
        }
        self.waiting.extend_from_slice(piece.filled());
        Ok(Poll::Ready(()))
    }

    /// Looks for a head in the waiting bytes. Returns whether there is something else to do than to read.
    fn scan_waiting(&mut self) -> bool {
        if let StreamPhase::Idle { .. } = self.phase {
            self.phase = StreamPhase::Head(HeadScanner::default());
            self.timer.deadline = Instant::now() + self.deadlines.head;
        }
        let StreamPhase::Head(scanner) = &mut self.phase else {
            return true;
        };
        match scanner.scan(&self.waiting) {
            Ok(Scan::Incomplete) => return false,
            Ok(Scan::EmptyLine) => {
                self.waiting.drain(..EMPTY_LINE);
                return !self.waiting.is_empty();
            }
            // The scanner has seen all bytes of the head here.
            Ok(Scan::Complete(length)) => match head::check(self.waiting.split_at_mut(length).0) {
                Ok(is_head) => self.phase = StreamPhase::Deliver { left: length, is_head },
                Err(refusal) => self.refuse(refusal),
            },
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    /// Lets the next bytes of a head through into `out`.
    fn deliver(&mut self, left: usize, is_head: bool, out: &mut ReadBuf<'_>) {
        let length = left.min(out.remaining());
        out.put_slice(self.waiting.drain(..length).as_slice());
        if length == left {
            if self.waiting.is_empty() {
                self.waiting = Vec::new();
            }
            self.phase = StreamPhase::Answer(AnswerProgress::new(is_head));
        } else {
            let left = left - length;
            self.phase = StreamPhase::Deliver { left, is_head };
        }
    }

    fn refuse(&mut self, refusal: HeadRefusal) {
        self.admission.connections.metrics.refused.of(refusal).inc();
        self.timer.deadline = Instant::now() + self.deadlines.stall;
        self.phase = StreamPhase::Ended(refusal.answer(&self.waiting));
    }

    /// Waits for the phase's deadline, or between requests for the server's stop, and then ends the stream.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_idle = matches!(self.phase, StreamPhase::Idle { .. });
        if is_idle && self.stop.poll(cx).is_ready() {
            self.phase = StreamPhase::Ended(Vec::new());
            return Poll::Ready(());
        }
        ready!(self.timer.poll(cx));
        match self.phase {
            StreamPhase::Head(_) => self.refuse(HeadRefusal::TooSlow),
            _ => self.phase = StreamPhase::Ended(Vec::new()),
        }
        Poll::Ready(())
    }

    /// After an answer: makes the next request, the deadline and the stop wake the task.
    fn watch_idle(&mut self, cx: &mut Context<'_>) {
        self.phase = StreamPhase::Idle { answered: false };
        let has_more = !self.waiting.is_empty()
            || self.socket.poll_read_ready(cx).is_ready()
            || self.stop.watch(cx).is_ready()
            || self.timer.arm(cx).is_ready();
        if has_more {
            cx.waker().wake_by_ref();
        }
    }

    /// Notes that an answer has to wait for its client, and fails once it has waited too long.
    fn poll_slow_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let StreamPhase::Answer(progress) = &mut self.phase else {
            return Ok(());
        };
        let (deadline, cut) = progress.deadline(self.deadlines.stall, self.deadlines.answer);
        self.timer.deadline = deadline;
        if self.timer.poll(cx).is_pending() {
            return Ok(());
        }
        self.admission.connections.metrics.cut.of(cut).inc();
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Writes the rest of an ended connection.
    fn poll_write_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let StreamPhase::Ended(rest) = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        while !rest.is_empty() {
            match Pin::new(&mut self.socket).poll_write(cx, rest)? {
                Poll::Ready(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(written) => {
                    rest.drain(..written);
                }
                Poll::Pending => {
                    ready!(self.timer.poll(cx));
                    self.admission.connections.metrics.cut.of(Cut::Stalled).inc();
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// Drops what the client still sends, until its end, the timer, or too many bytes: closing a socket with unread bytes takes
    /// the last answer away from the client (RFC 9112, 9.6).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let StreamPhase::Linger { left } = &mut self.phase else {
            return Poll::Ready(());
        };
        let mut bytes = [0; PIECE];
        for _ in 0..READS_PER_TURN {
            let mut piece = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.socket).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => *left = left.saturating_sub(piece.filled().len()),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.poll(cx),
            }
        }
        if *left == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        self.timer.poll(cx)
    }
}

impl<S: Socket> AsyncRead for GuardedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_head(cx, out)
    }
}

impl<S: Socket> AsyncWrite for GuardedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.socket).poll_write(cx, bytes)? {
            Poll::Ready(written) => {
                // A socket takes no more bytes than it is given.
                if let StreamPhase::Answer(progress) = &mut this.phase
                    && progress.advance(bytes.split_at(written).0)
                {
                    this.phase = StreamPhase::Idle { answered: true };
                    this.timer.deadline = Instant::now() + this.deadlines.idle;
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                this.poll_slow_client(cx)?;
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.phase, StreamPhase::Idle { answered: true }) {
            this.watch_idle(cx);
        }
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.phase {
                StreamPhase::Linger { .. } => return this.poll_linger(cx).map(Ok),
                StreamPhase::Ended(_) => {
                    ready!(this.poll_write_rest(cx))?;
                    if this.waiting.is_empty() && this.socket.poll_read_ready(cx).is_pending() {
                        return Poll::Ready(Ok(()));
                    }
                    this.timer.deadline = Instant::now() + LINGER;
                    this.phase = StreamPhase::Linger { left: MOST_DROPPED };
                }
                _ => this.phase = StreamPhase::Ended(Vec::new()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
