//! The stream between a socket and actix. It lets through one request head at a time, reads nothing while an answer is on its
//! way, and owns the connection's deadlines.
//!
//! actix decodes pipelined requests ahead and encodes their answers with what it knows of the last one; through this stream it
//! never sees more than one. Where a request is refused or a deadline has passed, actix is shown the end of the stream; what is
//! then left to write is written when actix shuts the stream down.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::{TcpStream, UnixStream};
use actix_web::rt::time::{Instant, Sleep, sleep_until};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head::{HeadScanner, Refusal, Scan, judge};
use super::limits::Admission;
use super::progress::AnswerProgress;
use crate::metrics::connections::{ConnectionMetrics, Cut};
use crate::settings::Deadlines;

/// Closing a socket with unread bytes takes the last answer away from the client (RFC 9112, 9.6). What a client sends after its
/// last request is therefore read and dropped, for this long.
const LINGER: Duration = Duration::from_secs(2);

/// This many bytes are dropped at most, then the connection is closed.
const MOST_DROPPED: usize = 16 << 20;

/// Bytes are read in pieces of this size where actix offers no buffer for them.
const PIECE: usize = 2 << 10;

/// This many pieces are dropped at once, before other connections have their turn.
const PIECES_A_TURN: usize = 32;

/// A socket that can tell whether it has something to read.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Waits until there is something to read, the end included.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Socket for TcpStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }
}

impl Socket for UnixStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_read_ready(self, cx)
    }
}

/// A future that is ready once the server stops.
pub type Stopping = Pin<Box<dyn Future<Output = ()>>>;

/// A guarded connection.
pub struct GuardedStream<S> {
    socket: S,
    deadlines: Deadlines,
    metrics: Arc<ConnectionMetrics>,
    stop: StopSignal,
    phase: Phase,
    /// What has been read and is not let through yet: a part of a head, or pipelined requests.
    waiting: Vec<u8>,
    timer: Timer,
    /// While it exists, the connection counts.
    _admission: Admission,
}

enum Phase {
    /// Waiting for a request; `answered` is set between the end of an answer and the next look at the socket.
    Idle { answered: bool },
    /// A part of a head has come.
    Head(HeadScanner),
    /// A head of which so many bytes are still to be let through.
    Deliver { left: usize, is_head: bool },
    /// The handler is at work, or its answer is on its way.
    Answer(AnswerProgress, Patience),
    /// actix has been shown the end of the stream; this is still to be written.
    Ended(Vec<u8>),
    /// Everything is written; so many bytes of the client may still be dropped.
    Linger(usize),
}

/// Until when an answer that has to wait for its client may take; none while it need not wait.
#[derive(Default)]
struct Patience {
    stall: Option<Instant>,
    answer: Option<Instant>,
}

impl<S: Socket> GuardedStream<S> {
    /// Guards a new connection.
    pub fn new(
        socket: S,
        deadlines: Deadlines,
        metrics: Arc<ConnectionMetrics>,
        admission: Admission,
        stopping: Stopping,
    ) -> Self {
        Self {
            socket,
            deadlines,
            metrics,
            stop: StopSignal {
                stopping: Some(stopping),
                is_watched: false,
            },
            phase: Phase::Idle { answered: false },
            waiting: Vec::new(),
            timer: Timer::at(Instant::now() + deadlines.idle),
            _admission: admission,
        }
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Reads until a head can be let through into `out`, or actix is to be shown the end.
    fn poll_head(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let wants_head = matches!(self.phase, Phase::Idle { .. } | Phase::Head(_));
            if wants_head && !self.waiting.is_empty() && self.scan_waiting() {
                continue;
            }
            match self.phase {
                Phase::Idle { .. } | Phase::Head(_) => {}
                Phase::Deliver { left, is_head } => {
                    self.deliver(left, is_head, out);
                    return Poll::Ready(Ok(()));
                }
                Phase::Answer(..) => return Poll::Pending,
                Phase::Ended(_) | Phase::Linger(_) => return Poll::Ready(Ok(())),
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
            if matches!(self.phase, Phase::Answer(..)) {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads into actix's buffer. What is one whole head, as nearly always, stays there. Of pipelined requests no more than a
    /// piece is taken from the socket: what has to wait for an answer to be read takes memory.
    fn poll_read_through(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> io::Result<Poll<()>> {
        let length = PIECE.min(out.remaining());
        let mut piece = ReadBuf::new(out.initialize_unfilled_to(length));
        if Pin::new(&mut self.socket).poll_read(cx, &mut piece)?.is_pending() {
            return Ok(Poll::Pending);
        }
        let read = piece.filled_mut();
        if read.is_empty() {
            self.phase = Phase::Ended(Vec::new());
        } else if HeadScanner::default().scan(read) == Ok(Scan::Complete(read.len()))
            && let Ok(accepted) = judge(read)
        {
            let length = read.len();
            out.advance(length);
            self.await_answer(accepted.is_head);
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
            self.phase = Phase::Ended(Vec::new());
        }
        self.waiting.extend_from_slice(piece.filled());
        Ok(Poll::Ready(()))
    }

    /// Looks for a head in what waits. Says whether that changes what is to be done next.
    fn scan_waiting(&mut self) -> bool {
        if let Phase::Idle { .. } = self.phase {
            self.phase = Phase::Head(HeadScanner::default());
            self.timer.set(Instant::now() + self.deadlines.head);
        }
        let Phase::Head(scanner) = &mut self.phase else {
            return true;
        };
        match scanner.scan(&self.waiting) {
            Ok(Scan::Incomplete) => return false,
            Ok(Scan::EmptyLine) => {
                self.waiting.drain(..EMPTY_LINE);
                return !self.waiting.is_empty();
            }
            Ok(Scan::Complete(length)) => match judge(self.waiting.get_mut(..length).unwrap_or_default()) {
                Ok(accepted) => {
                    self.phase = Phase::Deliver {
                        left: length,
                        is_head: accepted.is_head,
                    }
                }
                Err(refusal) => self.refuse(refusal),
            },
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    /// Lets the next bytes of a head through.
    fn deliver(&mut self, left: usize, is_head: bool, out: &mut ReadBuf<'_>) {
        let length = left.min(out.remaining());
        out.put_slice(self.waiting.get(..length).unwrap_or_default());
        self.waiting.drain(..length);
        if length == left {
            if self.waiting.is_empty() {
                self.waiting = Vec::new();
            }
            self.await_answer(is_head);
        } else {
            self.phase = Phase::Deliver {
                left: left - length,
                is_head,
            };
        }
    }

    fn await_answer(&mut self, is_head: bool) {
        self.phase = Phase::Answer(AnswerProgress::new(is_head), Patience::default());
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.metrics.refused(refusal);
        self.timer.set(Instant::now() + self.deadlines.stall);
        self.phase = Phase::Ended(refusal.answer(&self.waiting));
    }

    /// Waits for the deadline of the phase, or between requests for the server's stop, and ends the stream then.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_idle = matches!(self.phase, Phase::Idle { .. });
        if is_idle && self.stop.poll(cx).is_ready() {
            self.phase = Phase::Ended(Vec::new());
            return Poll::Ready(());
        }
        ready!(self.timer.poll(cx));
        match self.phase {
            Phase::Head(_) => self.refuse(Refusal::TooSlow),
            _ => self.phase = Phase::Ended(Vec::new()),
        }
        Poll::Ready(())
    }

    /// After an answer: sees to it that actix is woken by the next request, the deadline or the stop.
    fn watch_idle(&mut self, cx: &mut Context<'_>) {
        self.phase = Phase::Idle { answered: false };
        let has_more = !self.waiting.is_empty()
            || self.socket.poll_read_ready(cx).is_ready()
            || self.stop.watch(cx).is_ready()
            || self.timer.arm(cx).is_ready();
        if has_more {
            cx.waker().wake_by_ref();
        }
    }

    /// What becomes of an answer that has to wait for its client: an error once it has waited too long.
    fn poll_slow_client(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Phase::Answer(_, patience) = &mut self.phase else {
            return Ok(());
        };
        let now = Instant::now();
        let stall = *patience.stall.get_or_insert(now + self.deadlines.stall);
        let answer = *patience.answer.get_or_insert(now + self.deadlines.answer);
        self.timer.set(stall.min(answer));
        if self.timer.poll(cx).is_pending() {
            return Ok(());
        }
        self.metrics.cut(if answer <= stall { Cut::Slow } else { Cut::Stalled });
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Writes what is left of an ended connection.
    fn poll_write_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Phase::Ended(rest) = &mut self.phase else {
            return Poll::Ready(Ok(()));
        };
        while !rest.is_empty() {
            match Pin::new(&mut self.socket).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    rest.drain(..written);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(self.timer.poll(cx));
                    self.metrics.cut(Cut::Stalled);
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// Reads and drops what the client still sends, until its end.
    fn poll_linger(&mut self, cx: &mut Context<'_>, mut left: usize) -> Poll<()> {
        let mut bytes = [0; PIECE];
        for _ in 0..PIECES_A_TURN {
            let mut piece = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.socket).poll_read(cx, &mut piece) {
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => left = left.saturating_sub(piece.filled().len()),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    self.phase = Phase::Linger(left);
                    return self.timer.poll(cx);
                }
            }
        }
        if left == 0 || self.timer.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        self.phase = Phase::Linger(left);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// CR and LF.
const EMPTY_LINE: usize = 2;

impl<S: Socket> AsyncRead for GuardedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_head(cx, out)
    }
}

impl<S: Socket> AsyncWrite for GuardedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.socket).poll_write(cx, bytes) {
            Poll::Ready(Ok(written)) => {
                if let Phase::Answer(progress, patience) = &mut this.phase {
                    patience.stall = None;
                    if progress.advance(bytes.get(..written).unwrap_or_default()) {
                        this.phase = Phase::Idle { answered: true };
                        this.timer.set(Instant::now() + this.deadlines.idle);
                    }
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                this.poll_slow_client(cx)?;
                Poll::Pending
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.phase, Phase::Idle { answered: true }) {
            this.watch_idle(cx);
        }
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.phase {
                Phase::Linger(left) => {
                    ready!(this.poll_linger(cx, left));
                    return Poll::Ready(Ok(()));
                }
                Phase::Ended(_) => {
                    ready!(this.poll_write_rest(cx))?;
                    let is_read = this.waiting.is_empty() && this.socket.poll_read_ready(cx).is_pending();
                    if is_read {
                        return Poll::Ready(Ok(()));
                    }
                    this.timer.set(Instant::now() + LINGER);
                    this.phase = Phase::Linger(MOST_DROPPED);
                }
                _ => this.phase = Phase::Ended(Vec::new()),
            }
        }
    }
}

/// Whether the server stops.
struct StopSignal {
    /// None once it does.
    stopping: Option<Stopping>,
    /// Whether the connection's task is woken by it.
    is_watched: bool,
}

impl StopSignal {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping {
            ready!(stopping.as_mut().poll(cx));
            self.stopping = None;
        }
        Poll::Ready(())
    }

    /// Sees to it that the task is woken. A connection stays in one task, so that once is enough.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_watched && self.stopping.is_some() {
            return Poll::Pending;
        }
        self.is_watched = true;
        self.poll(cx)
    }
}

/// A deadline that can be moved cheaply: the operating system's timer is only set again where it would come too late.
struct Timer {
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn at(deadline: Instant) -> Self {
        Self { deadline, sleep: None }
    }

    fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Waits for the deadline.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
            if sleep.deadline() > self.deadline {
                sleep.as_mut().reset(self.deadline);
            }
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.deadline);
        }
    }

    /// Sees to it that the task is woken by the deadline, if it is not woken before that anyway.
    fn arm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.sleep {
            Some(sleep) if sleep.deadline() <= self.deadline && !sleep.is_elapsed() => Poll::Pending,
            _ => self.poll(cx),
        }
    }
}

#[cfg(test)]
mod tests;
