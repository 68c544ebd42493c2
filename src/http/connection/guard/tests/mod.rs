//! The guard on a socket in memory and a clock that stands still.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use prometheus::Registry;
use slog::{Discard, Logger, o};

use super::*;
use crate::http::connection::limits::{ConnectionLimits, Connections};
use crate::http::connection::metrics::ConnectionMetrics;
use crate::settings::TrustedProxies;

mod deadlines;
mod requests;

/// A client, as far as it is a socket.
#[derive(Default)]
struct ClientSide {
    /// The pieces that arrive; an empty piece is the end.
    sends: VecDeque<Vec<u8>>,
    received: Vec<u8>,
    /// So many bytes more are taken from the server.
    takes: usize,
    /// Whether the server has said that it writes no more.
    is_shut_down: bool,
}

#[derive(Clone, Default)]
struct Memory(Rc<RefCell<ClientSide>>);

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut client = self.0.borrow_mut();
        let Some(mut piece) = client.sends.pop_front() else {
            return Poll::Pending;
        };
        let rest = piece.split_off(piece.len().min(out.remaining()));
        out.put_slice(&piece);
        if !rest.is_empty() || piece.is_empty() {
            client.sends.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut client = self.0.borrow_mut();
        let taken = bytes.len().min(client.takes);
        if taken == 0 {
            return Poll::Pending;
        }
        client.takes -= taken;
        client.received.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl Socket for Memory {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.borrow().sends.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A guarded connection, polled by hand as actix does.
struct Rig {
    stream: GuardedStream<Memory>,
    client: Rc<RefCell<ClientSide>>,
    wakes: Arc<Wakes>,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const WITHOUT_BODY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";

impl Rig {
    fn new() -> Self {
        Self::stopping_when(Box::pin(pending()))
    }

    /// A connection with a request that is not answered yet.
    fn asking() -> Self {
        let mut rig = Self::new();
        rig.send(GET);
        assert_eq!(rig.read().as_deref(), Some(GET));
        rig
    }

    fn stopping_when(stopping: Stopping) -> Self {
        let metrics = ConnectionMetrics::of_listener(&Registry::new(), "test", "l").unwrap();
        let limits = ConnectionLimits {
            all: 1,
            per_address: None,
            exempt: TrustedProxies::loopback(),
        };
        let connections = Connections::new(limits, metrics, Logger::root(Discard, o!()));
        let admission = connections.admit(None).unwrap();
        let memory = Memory::default();
        let client = Rc::clone(&memory.0);
        client.borrow_mut().takes = 1 << 20;
        Self {
            stream: GuardedStream::new(memory, Deadlines::STANDARD, admission, stopping),
            client,
            wakes: Arc::default(),
        }
    }

    fn send(&self, piece: &[u8]) {
        self.client.borrow_mut().sends.push_back(piece.to_vec());
    }

    fn poll<T>(&mut self, poll: impl FnOnce(Pin<&mut GuardedStream<Memory>>, &mut Context<'_>) -> T) -> T {
        let waker = Waker::from(Arc::clone(&self.wakes));
        poll(Pin::new(&mut self.stream), &mut Context::from_waker(&waker))
    }

    /// Reads as actix does. `None` if it has to wait.
    fn read(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 8192];
        let mut out = ReadBuf::new(&mut bytes);
        let polled = self.poll(|stream, cx| stream.poll_read(cx, &mut out));
        if let Poll::Ready(result) = polled {
            result.unwrap();
            return Some(out.filled().to_vec());
        }
        None
    }

    /// Writes as actix does: what is taken, then a flush. Says how much was taken.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.poll(|stream, cx| stream.poll_write(cx, &bytes[written..])) {
                Poll::Ready(length) => written += length?,
                Poll::Pending => return Ok(written),
            }
        }
        assert!(self.poll(|stream, cx| stream.poll_flush(cx)).is_ready());
        Ok(written)
    }

    /// A request, and its whole answer.
    fn exchange(&mut self) {
        self.send(GET);
        assert_eq!(self.read().as_deref(), Some(GET));
        self.write(ANSWER).unwrap();
    }

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        self.poll(|stream, cx| stream.poll_shutdown(cx))
    }

    fn refused(&self, refusal: HeadRefusal) -> u64 {
        self.stream.admission.connections.metrics.refused.of(refusal).get()
    }

    fn cut(&self, cut: Cut) -> u64 {
        self.stream.admission.connections.metrics.cut.of(cut).get()
    }

    fn wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::Relaxed)
    }
}

async fn pass(seconds: f64) {
    tokio::time::advance(Duration::from_secs_f64(seconds)).await;
}
