//! The guard on a socket in memory and a clock that stands still.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use prometheus::Registry;
use slog::{Discard, Logger, o};

use super::*;
use crate::http::client_address::TrustedProxies;
use crate::http::connection::limits::{ConnectionLimits, Connections};

/// What a client does.
#[derive(Default)]
struct Client {
    /// What arrives, piece by piece; an empty piece is the end.
    sends: VecDeque<Vec<u8>>,
    received: Vec<u8>,
    /// So many bytes more are taken from the server.
    takes: usize,
    /// Whether the server has said that it writes no more.
    is_shut_down: bool,
}

#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Client>>);

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
    client: Rc<RefCell<Client>>,
    wakes: Arc<Wakes>,
    registry: Registry,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
const HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const WITHOUT_BODY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";

impl Rig {
    fn new() -> Self {
        Self::stopping_when(Box::pin(pending()))
    }

    fn stopping_when(stopping: Stopping) -> Self {
        let registry = Registry::new();
        let metrics = ConnectionMetrics::of_listener(&registry, "test", "l").unwrap();
        let limits = ConnectionLimits {
            all: 1,
            per_address: None,
            exempt: TrustedProxies::loopback(),
        };
        let connections = Connections::new(limits, Arc::clone(&metrics), Logger::root(Discard, o!()));
        let admission = connections.admit(None).unwrap();
        let memory = Memory::default();
        let client = Rc::clone(&memory.0);
        client.borrow_mut().takes = 1 << 20;
        Self {
            stream: GuardedStream::new(memory, Deadlines::STANDARD, metrics, admission, stopping),
            client,
            wakes: Arc::default(),
            registry,
        }
    }

    fn send(&self, piece: &[u8]) {
        self.client.borrow_mut().sends.push_back(piece.to_vec());
    }

    fn poll<T>(&mut self, poll: impl FnOnce(Pin<&mut GuardedStream<Memory>>, &mut Context<'_>) -> T) -> T {
        let waker = Waker::from(Arc::clone(&self.wakes));
        poll(Pin::new(&mut self.stream), &mut Context::from_waker(&waker))
    }

    /// What actix reads with a buffer of this size; none where it has to wait.
    fn read_into(&mut self, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; size];
        let mut out = ReadBuf::new(&mut bytes);
        let polled = self.poll(|stream, cx| stream.poll_read(cx, &mut out));
        match polled {
            Poll::Ready(result) => {
                result.unwrap();
                Some(out.filled().to_vec())
            }
            Poll::Pending => None,
        }
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        self.read_into(8192)
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

    fn shut_down(&mut self) -> Poll<io::Result<()>> {
        self.poll(|stream, cx| stream.poll_shutdown(cx))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.swap(0, Ordering::Relaxed)
    }

    fn counted(&self, name: &str, label: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metrics = family.get_metric().iter();
        let with_label = metrics.filter(|metric| metric.get_label().iter().any(|pair| pair.value() == label));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counts")]
        with_label.map(|metric| metric.get_counter().get_value() as u64).sum()
    }
}

/// Runs a test on a runtime whose clock moves only when it is told to.
fn with_clock<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test())
}

async fn pass(seconds: f64) {
    tokio::time::advance(Duration::from_secs_f64(seconds)).await;
}

#[test]
fn one_head_passes_at_a_time_and_none_while_an_answer_is_on_its_way() {
    with_clock(async || {
        let mut rig = Rig::new();
        assert_eq!(rig.read(), None);
        rig.send(&[GET, HEAD, GET, &GET[..9]].concat());
        assert_eq!(rig.read().as_deref(), Some(GET));
        assert_eq!(rig.read(), None);
        rig.write(&ANSWER[..20]).unwrap();
        assert_eq!((rig.read(), rig.wakes()), (None, 0));
        rig.write(&ANSWER[20..]).unwrap();
        assert_eq!(rig.wakes(), 1);
        assert_eq!(rig.read().as_deref(), Some(HEAD));
        assert_eq!(rig.read(), None);
        rig.write(WITHOUT_BODY).unwrap();
        assert_eq!(rig.read().as_deref(), Some(GET));
        rig.write(ANSWER).unwrap();
        assert_eq!(rig.read(), None);
        rig.send(&GET[9..]);
        assert_eq!(rig.read().as_deref(), Some(GET));
        rig.write(ANSWER).unwrap();
        let expected = [ANSWER, WITHOUT_BODY, ANSWER, ANSWER].concat();
        assert_eq!(rig.client.borrow().received, expected);
    });
}

#[test]
fn a_head_passes_whole_however_it_comes_and_whatever_room_there_is() {
    with_clock(async || {
        let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(9_000));
        for (piece, room) in [(1, 8192), (7, 2048), (3_000, 1024), (10_000, 100), (10_000, 8192)] {
            let mut rig = Rig::new();
            for part in [b"\r\n", long.as_bytes(), GET].concat().chunks(piece) {
                rig.send(part);
            }
            let mut head = Vec::new();
            while let Some(part) = rig.read_into(room) {
                assert!(!part.is_empty() && part.len() <= room);
                head.extend(part);
            }
            assert_eq!(String::from_utf8(head).unwrap(), long, "{piece} {room}");
            rig.write(ANSWER).unwrap();
            let mut next = Vec::new();
            while let Some(part) = rig.read_into(room) {
                next.extend(part);
            }
            assert_eq!(next, GET, "{piece} {room}");
        }
    });
}

#[test]
fn the_end_of_a_client_is_the_end() {
    with_clock(async || {
        for beginning in [&b""[..], b"GET / HT"] {
            let mut rig = Rig::new();
            if !beginning.is_empty() {
                rig.send(beginning);
                assert_eq!(rig.read(), None);
            }
            rig.send(b"");
            assert_eq!(rig.read().as_deref(), Some(&b""[..]));
            assert_eq!(rig.read().as_deref(), Some(&b""[..]));
            assert!(rig.shut_down().is_ready());
            let client = rig.client.borrow();
            assert!(client.is_shut_down && client.received.is_empty());
        }
    });
}

#[test]
fn a_refusal_is_written_and_what_still_comes_is_dropped() {
    with_clock(async || {
        let mut rig = Rig::new();
        rig.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nbody");
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
        assert_eq!(rig.counted("test_requests_refused_total", "body"), 1);
        rig.client.borrow_mut().takes = 10;
        assert!(rig.shut_down().is_pending());
        assert_eq!(rig.client.borrow().received, b"HTTP/1.1 4");
        rig.client.borrow_mut().takes = 1000;
        assert!(rig.shut_down().is_pending());
        let received = String::from_utf8(rig.client.borrow().received.clone()).unwrap();
        assert!(
            received.starts_with("HTTP/1.1 413 ") && received.contains("connection: close\r\n"),
            "{received}"
        );
        assert!(rig.client.borrow().is_shut_down);
        rig.send(b"more of the body");
        assert!(rig.shut_down().is_pending());
        assert!(rig.client.borrow().sends.is_empty());
        rig.send(b"");
        assert!(rig.shut_down().is_ready());
    });
}

#[test]
fn what_a_client_sends_after_the_end_is_dropped_for_two_seconds_or_until_it_is_too_much() {
    with_clock(async || {
        let mut rig = Rig::new();
        rig.send(b"nonsense\n");
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
        assert!(rig.shut_down().is_pending());
        pass(1.9).await;
        assert!(rig.shut_down().is_pending());
        pass(0.2).await;
        assert!(rig.shut_down().is_ready());

        let mut rig = Rig::new();
        rig.send(b"nonsense\n");
        rig.read();
        assert!(rig.shut_down().is_pending());
        let megabyte = vec![0; 1 << 20];
        let mut sent = 0;
        while rig.shut_down().is_pending() {
            if rig.client.borrow().sends.is_empty() {
                rig.send(&megabyte);
                sent += 1;
            }
            assert!(sent <= 17, "{sent} MiB");
        }
        assert!(sent >= 15, "{sent} MiB");
    });
}

#[test]
fn an_orderly_end_needs_no_lingering() {
    with_clock(async || {
        let mut rig = Rig::new();
        rig.send(GET);
        rig.read();
        rig.write(ANSWER).unwrap();
        assert!(rig.shut_down().is_ready());
        // With more requests behind it, the end waits for the client's.
        let mut rig = Rig::new();
        rig.send(&[GET, GET].concat());
        rig.read();
        rig.write(ANSWER).unwrap();
        assert!(rig.shut_down().is_pending());
        rig.send(b"");
        assert!(rig.shut_down().is_ready());
        // So it does where they are still in the socket.
        let mut rig = Rig::new();
        rig.send(GET);
        rig.read();
        rig.send(GET);
        rig.write(ANSWER).unwrap();
        assert_eq!(rig.wakes(), 1);
        assert!(rig.shut_down().is_pending());
    });
}

#[test]
fn every_head_has_five_seconds() {
    with_clock(async || {
        for before in [0, 1] {
            let mut rig = Rig::new();
            for _ in 0..before {
                rig.send(GET);
                rig.read();
                rig.write(ANSWER).unwrap();
            }
            pass(30.0).await;
            assert_eq!(rig.read(), None);
            for _ in 0..4 {
                rig.send(b"G");
                assert_eq!(rig.read(), None);
                pass(1.2).await;
            }
            assert_eq!(rig.read(), None);
            rig.wakes();
            pass(0.3).await;
            assert!(rig.wakes() > 0);
            assert_eq!(rig.read().as_deref(), Some(&b""[..]));
            assert_eq!(rig.counted("test_requests_refused_total", "too_slow"), 1);
            assert!(rig.shut_down().is_pending());
            rig.send(b"");
            assert!(rig.shut_down().is_ready());
            let received = rig.client.borrow().received.clone();
            assert!(String::from_utf8_lossy(&received).contains("HTTP/1.1 408 "));
        }
    });
}

#[test]
fn an_idle_connection_has_seventy_five_seconds_from_its_last_answer() {
    with_clock(async || {
        let mut rig = Rig::new();
        assert_eq!(rig.read(), None);
        pass(74.0).await;
        assert_eq!(rig.read(), None);
        rig.send(GET);
        rig.read();
        rig.write(ANSWER).unwrap();
        rig.wakes();
        pass(74.0).await;
        assert_eq!(rig.read(), None);
        pass(2.0).await;
        assert!(rig.wakes() > 0);
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
        assert_eq!(rig.client.borrow().received, ANSWER);
        // One that has never asked, and one that is answered before it was ever idle.
        let mut silent = Rig::new();
        assert_eq!(silent.read(), None);
        let mut busy = Rig::new();
        busy.send(GET);
        busy.read();
        busy.write(ANSWER).unwrap();
        pass(76.0).await;
        assert!(silent.wakes() > 0 && busy.wakes() > 0);
        assert_eq!(silent.read().as_deref(), Some(&b""[..]));
        assert_eq!(busy.read().as_deref(), Some(&b""[..]));
    });
}

#[test]
fn an_answer_without_progress_ends_after_ten_seconds_and_a_slow_one_after_sixty() {
    with_clock(async || {
        let mut rig = Rig::new();
        rig.send(GET);
        rig.read();
        rig.client.borrow_mut().takes = 10;
        assert_eq!(rig.write(ANSWER).unwrap(), 10);
        pass(9.0).await;
        assert_eq!(rig.write(&ANSWER[10..]).unwrap(), 0);
        rig.client.borrow_mut().takes = 1;
        assert_eq!(rig.write(&ANSWER[10..]).unwrap(), 1);
        rig.wakes();
        pass(9.0).await;
        assert_eq!(rig.write(&ANSWER[11..]).unwrap(), 0);
        pass(2.0).await;
        assert!(rig.wakes() > 0);
        let error = rig.write(&ANSWER[11..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(rig.counted("test_answers_cut_total", "stalled"), 1);

        let mut rig = Rig::new();
        rig.send(GET);
        rig.read();
        rig.client.borrow_mut().takes = 0;
        assert_eq!(rig.write(ANSWER).unwrap(), 0);
        for byte in 0..7 {
            pass(8.0).await;
            rig.client.borrow_mut().takes = 1;
            assert_eq!(rig.write(&ANSWER[byte..]).unwrap(), 1);
        }
        pass(5.0).await;
        let error = rig.write(&ANSWER[7..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(rig.counted("test_answers_cut_total", "slow"), 1);
        assert_eq!(rig.counted("test_answers_cut_total", "stalled"), 0);
    });
}

#[test]
fn a_refusal_that_is_not_read_ends_after_ten_seconds() {
    with_clock(async || {
        let mut rig = Rig::new();
        rig.client.borrow_mut().takes = 0;
        rig.send(b"\x16\x03");
        rig.read();
        assert!(rig.shut_down().is_pending());
        pass(9.0).await;
        assert!(rig.shut_down().is_pending());
        pass(2.0).await;
        assert!(matches!(rig.shut_down(), Poll::Ready(Err(_))));
        assert_eq!(rig.counted("test_answers_cut_total", "stalled"), 1);
    });
}

#[test]
fn a_handler_may_take_its_time() {
    with_clock(async || {
        let mut rig = Rig::new();
        assert_eq!(rig.read(), None);
        rig.send(GET);
        rig.read();
        pass(600.0).await;
        assert_eq!(rig.read(), None);
        rig.wakes();
        assert_eq!(rig.write(ANSWER).unwrap(), ANSWER.len());
        // Nothing is to be done until the next request or the deadline.
        assert_eq!(rig.wakes(), 0);
        pass(74.0).await;
        assert_eq!(rig.wakes(), 0);
        pass(2.0).await;
        assert!(rig.wakes() > 0);
        assert_eq!(rig.read().as_deref(), Some(&b""[..]));
    });
}

#[test]
fn the_deadline_after_an_answer_is_not_that_of_a_slow_client() {
    with_clock(async || {
        // A timer that was set for a far deadline, and one that was set for a near one.
        for near in [false, true] {
            let mut rig = Rig::new();
            rig.stream.deadlines.idle = Duration::from_secs(if near { 75 } else { 2 });
            rig.send(GET);
            rig.read();
            rig.client.borrow_mut().takes = 0;
            assert_eq!(rig.write(ANSWER).unwrap(), 0);
            pass(1.0).await;
            rig.client.borrow_mut().takes = 1000;
            rig.write(ANSWER).unwrap();
            rig.wakes();
            if near {
                pass(70.0).await;
                assert_eq!(rig.read(), None);
                pass(6.0).await;
            } else {
                pass(2.1).await;
            }
            assert!(rig.wakes() > 0, "{near}");
            assert_eq!(rig.read().as_deref(), Some(&b""[..]), "{near}");
        }
    });
}

#[test]
fn a_stop_ends_idle_connections_and_no_others() {
    with_clock(async || {
        let stop = Rc::new(RefCell::new((false, None::<Waker>)));
        let stopping = || -> Stopping {
            let stop = Rc::clone(&stop);
            Box::pin(poll_fn(move |cx| {
                let mut stop = stop.borrow_mut();
                stop.1 = Some(cx.waker().clone());
                if stop.0 { Poll::Ready(()) } else { Poll::Pending }
            }))
        };
        let mut idle = Rig::stopping_when(stopping());
        assert_eq!(idle.read(), None);
        let mut heading = Rig::stopping_when(stopping());
        heading.send(&GET[..5]);
        assert_eq!(heading.read(), None);
        let mut answering = Rig::stopping_when(stopping());
        answering.send(GET);
        answering.read();
        // Watched since its answer, though it was never idle when it was read.
        let mut answered = Rig::stopping_when(stopping());
        answered.send(GET);
        answered.read();
        answered.write(ANSWER).unwrap();
        answered.wakes();
        stop.borrow_mut().0 = true;
        stop.borrow_mut().1.take().unwrap().wake();
        assert_eq!(answered.wakes(), 1);
        assert_eq!(answered.read().as_deref(), Some(&b""[..]));
        assert_eq!(idle.read().as_deref(), Some(&b""[..]));
        assert_eq!(heading.read(), None);
        heading.send(&GET[5..]);
        assert_eq!(heading.read().as_deref(), Some(GET));
        for mut rig in [heading, answering] {
            assert_eq!(rig.read(), None);
            rig.write(ANSWER).unwrap();
            assert_eq!(rig.wakes(), 1);
            assert_eq!(rig.read().as_deref(), Some(&b""[..]));
        }
        // What came before the stop is answered.
        let mut asked = Rig::stopping_when(stopping());
        asked.send(GET);
        assert_eq!(asked.read().as_deref(), Some(GET));
    });
}
