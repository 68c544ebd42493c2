//! Bytes on a connection, in pieces: the guard lets through one whole request head at a time, each without a body, and what it
//! refuses gets one well-formed answer.

use std::cell::RefCell;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mirrorlist_server::http::connection::guard::GuardedStream;
use mirrorlist_server::http::connection::limits::{ConnectionLimits, Connections};
use mirrorlist_server::http::connection::metrics::ConnectionMetrics;
use mirrorlist_server::http::connection::socket::Socket;
use mirrorlist_server::settings::{Deadlines, TrustedProxies};
use prometheus::Registry;
use slog::{Discard, Logger, o};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

/// None of them passes here.
const DEADLINES: Deadlines = Deadlines {
    head: HOUR,
    idle: HOUR,
    stall: HOUR,
    answer: HOUR,
};
const HOUR: Duration = Duration::from_secs(3600);

/// What may be refused at once; a time-out can't be.
const REFUSALS: [u16; 6] = [400, 413, 414, 431, 501, 505];

/// Which of two things that are wrong with a long head is seen first depends on how it comes.
const TOO_LONG: [u16; 2] = [414, 431];

const MOST_HEADERS: usize = 96;

/// The timers' runtime; nothing is waited for.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

static CONNECTIONS: LazyLock<Arc<Connections>> = LazyLock::new(|| {
    let limits = ConnectionLimits {
        all: 1_000,
        per_address: None,
        exempt: TrustedProxies::new(Vec::new()),
    };
    let metrics = ConnectionMetrics::of_listener(&Registry::new(), "fuzz", "public").unwrap();
    Connections::new(limits, metrics, Logger::root(Discard, o!()))
});

/// How bytes come and go.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Bytes that a read gives and a write takes at most.
    piece: usize,
    /// The reader's buffer in bytes.
    buffer: usize,
    /// Whether every second read and write has to wait.
    waits: bool,
}

const AT_ONCE: Plan = Plan {
    piece: usize::MAX,
    buffer: 32 << 10,
    waits: false,
};

impl Plan {
    /// From the first bytes of an input: a piece, sixteenths of a buffer (0: the default), and whether reads wait (odd).
    fn of([piece, buffer, waits]: [u8; 3]) -> Self {
        Self {
            piece: if piece == 0 { AT_ONCE.piece } else { piece.into() },
            buffer: if buffer == 0 {
                AT_ONCE.buffer
            } else {
                usize::from(buffer) * 16
            },
            waits: waits & 1 == 1,
        }
    }
}

/// The first three bytes are a [`Plan`], the others come on a connection.
pub(crate) fn check(bytes: &[u8]) {
    let Some((plan, input)) = bytes.split_first_chunk() else {
        return;
    };
    let _timers = RUNTIME.enter();
    let in_pieces = run(input, Plan::of(*plan));
    let at_once = run(input, AT_ONCE);
    let too_long = |outcome: &Outcome| outcome.refusal.is_some_and(|status| TOO_LONG.contains(&status));
    if !too_long(&in_pieces) && !too_long(&at_once) {
        assert_eq!(in_pieces, at_once, "the same bytes mean the same however they come");
    }
}

/// What became of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    heads: Vec<Vec<u8>>,
    refusal: Option<u16>,
}

/// Serves a connection: reads heads and answers them, as actix does.
fn run(input: &[u8], plan: Plan) -> Outcome {
    let wire = Rc::new(RefCell::new(Wire::new(input, plan)));
    let mut server = Server {
        stream: GuardedStream::new(
            Wired(Rc::clone(&wire)),
            DEADLINES,
            CONNECTIONS.admit(None).unwrap(),
            Box::pin(pending()),
        ),
        wire: Rc::clone(&wire),
        plan,
        polls: 0,
    };
    let (mut heads, mut answered, mut passed, mut closed) = (Vec::new(), Vec::new(), 0, false);
    while let Some((head, arrived)) = server.head() {
        passed = assert_passed(input, passed, &head);
        assert!(
            passed <= arrived,
            "a part of a head was let through before its end had come"
        );
        let request = Request::parse(&head);
        heads.push(head);
        server.assert_nothing_comes();
        let answer = request.answer();
        server.write(&answer);
        answered.extend(answer);
        closed = request.closes;
        if closed {
            break;
        }
    }
    server.shut_down();
    let wire = wire.borrow();
    assert!(wire.shut_down, "the client sees the end");
    let refusal = wire
        .output
        .strip_prefix(&answered[..])
        .expect("answers come whole and in order");
    let refusal = refusal_status(refusal);
    if refusal.is_none() && !closed {
        assert_eq!(wire.input_left(), 0);
        assert!(!holds_head(&input[passed..]), "a whole head was kept back");
    }
    Outcome { heads, refusal }
}

/// Asserts that a head is what comes next in the input, the first bytes of renamed fields aside; gives the place behind it.
fn assert_passed(input: &[u8], mut passed: usize, head: &[u8]) -> usize {
    while input[passed..].starts_with(b"\r\n") {
        passed += 2;
    }
    let came = &input[passed..];
    assert!(came.len() >= head.len(), "more was let through than came");
    for (index, (through, came)) in head.iter().zip(came).enumerate() {
        let renamed = *through == b'-' && index > 0 && head[index - 1] == b'\n';
        assert!(through == came || renamed, "byte {index} was changed");
    }
    passed + head.len()
}

fn holds_head(rest: &[u8]) -> bool {
    let mut rest = rest;
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        rest = after;
    }
    rest.windows(4).any(|window| window == b"\r\n\r\n")
}

/// A request as httparse reads it.
struct Request {
    is_head: bool,
    closes: bool,
}

impl Request {
    /// Asserts that a head is one request, without a body and without a wish for another protocol.
    fn parse(head: &[u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        assert_eq!(request.parse(head), Ok(httparse::Status::Complete(head.len())));
        let (method, version) = (request.method.unwrap(), request.version.unwrap());
        let values = |name: &str| -> Vec<&[u8]> {
            let same = request
                .headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case(name));
            same.map(|header| header.value).collect()
        };
        let options: Vec<String> = values("connection")
            .into_iter()
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase())
            .collect();
        let has_option = |name: &str| options.iter().any(|option| option == name);
        let hosts = values("host").len();
        assert!(
            method != "CONNECT" && (hosts == 1 || version == 0 && hosts == 0),
            "{hosts} hosts"
        );
        for name in ["transfer-encoding", "expect", "upgrade"] {
            assert!(values(name).is_empty(), "{name}");
        }
        let lengths = values("content-length");
        assert!(
            lengths.len() <= 1 && lengths.iter().all(|length| is_zero(length)),
            "{lengths:?}"
        );
        assert!(!has_option("upgrade") || has_option("close"));
        Self {
            is_head: method == "HEAD",
            closes: has_option("close"),
        }
    }

    fn answer(&self) -> Vec<u8> {
        let body: &[u8] = if self.is_head { b"" } else { b"\r\n\r\nHTTP" };
        [b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n", body].concat()
    }
}

fn is_zero(number: &[u8]) -> bool {
    let digits = number.trim_ascii();
    !digits.is_empty() && digits.iter().all(|digit| *digit == b'0')
}

/// The status of a refusal, if there is one: a whole answer that announces the end, and nothing behind it.
fn refusal_status(bytes: &[u8]) -> Option<u16> {
    if bytes.is_empty() {
        return None;
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = response.parse(bytes) else {
        panic!("{}", String::from_utf8_lossy(bytes));
    };
    let value = |name: &str| {
        let mut same = response.headers.iter().filter(|header| header.name == name);
        let value = same.next().unwrap_or_else(|| panic!("no {name}")).value;
        assert!(same.next().is_none(), "{name} twice");
        std::str::from_utf8(value).unwrap()
    };
    let (announced, body): (usize, _) = (value("content-length").parse().unwrap(), &bytes[length..]);
    assert!(body.is_empty() || body.len() == announced, "{announced}: {body:?}");
    assert_eq!(value("connection"), "close");
    assert!(value("date").ends_with(" GMT") && value("content-type").starts_with("text/plain"));
    let status = response.code.unwrap();
    assert!(REFUSALS.contains(&status), "{status}");
    Some(status)
}

/// The side of the guard on which actix is.
struct Server {
    stream: GuardedStream<Wired>,
    wire: Rc<RefCell<Wire>>,
    plan: Plan,
    polls: usize,
}

impl Server {
    /// The next head, and how many bytes had come when its first byte was let through; none at the end.
    fn head(&mut self) -> Option<(Vec<u8>, usize)> {
        let (mut head, mut arrived) = (Vec::new(), 0);
        loop {
            let Poll::Ready(bytes) = self.read() else {
                self.assert_waits();
                continue;
            };
            if bytes.is_empty() {
                assert!(head.is_empty(), "the stream ends inside a head: {head:?}");
                return None;
            }
            if head.is_empty() {
                arrived = self.wire.borrow().read;
            }
            head.extend(bytes);
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let parsed = httparse::Request::new(&mut headers).parse(&head);
            if parsed.unwrap_or_else(|error| panic!("{error}: {head:?}")).is_complete() {
                return Some((head, arrived));
            }
        }
    }

    /// While an answer is on its way nothing is let through, and nothing is read.
    fn assert_nothing_comes(&mut self) {
        let before = self.wire.borrow().read;
        assert!(self.read().is_pending());
        assert_eq!(self.wire.borrow().read, before);
    }

    fn read(&mut self) -> Poll<Vec<u8>> {
        self.count();
        let mut buffer = vec![0; self.plan.buffer];
        let mut buffer = ReadBuf::new(&mut buffer);
        let polled = Pin::new(&mut self.stream).poll_read(&mut context(), &mut buffer);
        polled.map(|read| {
            read.unwrap();
            buffer.filled().to_vec()
        })
    }

    fn write(&mut self, mut answer: &[u8]) {
        while !answer.is_empty() {
            self.count();
            match Pin::new(&mut self.stream).poll_write(&mut context(), answer) {
                Poll::Ready(written) => answer = &answer[written.unwrap()..],
                Poll::Pending => self.assert_waits(),
            }
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(&mut context());
        assert!(matches!(flushed, Poll::Ready(Ok(()))), "{flushed:?}");
    }

    fn shut_down(&mut self) {
        loop {
            self.count();
            let before = self.wire.borrow().read;
            match Pin::new(&mut self.stream).poll_shutdown(&mut context()) {
                Poll::Ready(done) => return done.unwrap(),
                // Others have their turn before more is dropped.
                Poll::Pending if self.wire.borrow().read > before => {}
                Poll::Pending => self.assert_waits(),
            }
        }
    }

    /// Asserts that the socket had something to wait for: else this would wait for ever.
    fn assert_waits(&self) {
        let waited = std::mem::take(&mut self.wire.borrow_mut().waited);
        assert!(waited, "it waits for nothing");
    }

    /// The work is bounded by the bytes that come.
    fn count(&mut self) {
        self.polls += 1;
        let wire = self.wire.borrow();
        assert!(self.polls < 100 + 10 * (wire.input.len() + wire.output.len()), "no end");
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The client's side of a socket.
struct Wire {
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
    shut_down: bool,
    plan: Plan,
    /// Whether the next read or write has to wait.
    waits: bool,
    /// Whether one had to since this was last asked.
    waited: bool,
}

impl Wire {
    fn new(input: &[u8], plan: Plan) -> Self {
        Self {
            input: input.to_vec(),
            read: 0,
            output: Vec::new(),
            shut_down: false,
            plan,
            waits: plan.waits,
            waited: false,
        }
    }

    fn input_left(&self) -> usize {
        self.input.len() - self.read
    }

    fn wait(&mut self) -> bool {
        let waits = self.waits;
        self.waits = self.plan.waits && !waits;
        self.waited |= waits;
        waits
    }
}

struct Wired(Rc<RefCell<Wire>>);

impl AsyncRead for Wired {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        if wire.wait() {
            return Poll::Pending;
        }
        let length = wire.input_left().min(wire.plan.piece).min(out.remaining());
        out.put_slice(&wire.input[wire.read..][..length]);
        wire.read += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wired {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        assert!(!wire.shut_down, "written after the end");
        if wire.wait() {
            return Poll::Pending;
        }
        let length = bytes.len().min(wire.plan.piece);
        wire.output.extend(&bytes[..length]);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl Socket for Wired {
    fn poll_read_ready(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The end counts as something to read, and the client always comes to it.
        Poll::Ready(Ok(()))
    }
}
