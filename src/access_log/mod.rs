//! The access log, from which MirrorManager2 makes its statistics: a line per answered repository request.
//!
//! `IP: 192.0.2.1; DATE: 2026-01-31; COUNTRY: US; REPO: fedora-41; ARCH: x86_64`
//!
//! Requests put lines into a buffer in memory; a thread of its own ([`writer`]) appends them to the file ([`sink`]), whole
//! lines at a time, at least every second. A slow or full disk therefore never delays a request: what doesn't fit into the
//! buffer is dropped and counted.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::IntCounter;
use signal_hook::consts::SIGXFSZ;
use slog::{Logger, error};

use crate::background::Background;
use crate::metrics::Metrics;
use crate::mirrorlist::answer::AnsweredRepository;
use crate::settings::AccessLogTarget;
use sink::{FileSink, Sink};
use writer::{Reopen, Writer};

mod sink;
mod writer;

/// The buffer holds this many bytes, some 80,000 lines; what comes beyond is dropped.
const BUFFER_LIMIT: usize = 8 << 20;

/// The writer is woken early when this many bytes wait.
const WAKE_AT: usize = 64 << 10;

/// A log that is dropped without being closed waits this long for its writer.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// MirrorManager2 stores a field in a column of this many characters.
const FIELD_LIMIT: usize = 255;

/// The access log; closing it writes what is left.
pub struct AccessLog {
    lines: AccessLogLines,
    writer: Option<Background>,
    logger: Logger,
}

/// Puts lines into an access log; for each worker a clone.
#[derive(Clone)]
pub struct AccessLogLines {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    written: IntCounter,
    dropped: IntCounter,
    /// Lines of this log that are written.
    written_here: AtomicU64,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Lines that were taken, whether they are written by now or not.
    accepted: u64,
    /// Whether the file is to be reopened before more is written.
    reopen: bool,
    closed: bool,
}

impl AccessLog {
    /// Opens a log and starts its writer.
    ///
    /// # Errors
    /// The file can't be opened for appending or the thread can't be started.
    pub fn open(target: AccessLogTarget, metrics: &Metrics, logger: Logger) -> io::Result<Self> {
        // A file that reaches a limit of its size (ulimit -f) is then an error of the write and not the end of the process.
        signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        match target {
            // It has no name by which it could be reopened.
            AccessLogTarget::Stdout => Self::start(metrics, logger, Box::new(FileSink::stdout()?), None),
            AccessLogTarget::File(path) => {
                let notes = logger.clone();
                let open = move || -> io::Result<Box<dyn Sink>> { Ok(Box::new(FileSink::append_to(&path, &notes)?)) };
                Self::start(metrics, logger, open()?, Some(Box::new(open)))
            }
        }
    }

    fn start(metrics: &Metrics, logger: Logger, sink: Box<dyn Sink>, reopen: Option<Reopen>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            written: metrics.access_log_written.clone(),
            dropped: metrics.access_log_dropped.clone(),
            written_here: AtomicU64::new(0),
        });
        let writer = Writer::new(Arc::clone(&shared), sink, reopen, logger.clone());
        Ok(Self {
            writer: Some(Background::spawn("access-log", move || writer.run())?),
            lines: AccessLogLines { shared },
            logger,
        })
    }

    /// The end that takes lines.
    pub fn lines(&self) -> AccessLogLines {
        self.lines.clone()
    }

    /// Writes what waits and stops the writer. After this time lines that are not written are given up: standard output may be
    /// a pipe that is not read.
    pub fn close(mut self, limit: Duration) {
        self.stop(limit);
    }

    fn stop(&mut self, limit: Duration) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        let shared = &self.lines.shared;
        shared.lock().closed = true;
        shared.work.notify_one();
        let ended = writer.end_within(limit);
        let written = shared.written_here.load(Ordering::Relaxed);
        let left = shared.lock().accepted.saturating_sub(written);
        if left > 0 {
            shared.dropped.inc_by(left);
            error!(self.logger, "access log lines are given up";
                "lines" => left, "reason" => if ended { "the file can't be written" } else { "writing takes too long" });
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.stop(DROP_LIMIT);
    }
}

impl AccessLogLines {
    /// Writes a line for an answered repository request. `date` is the day in UTC like `2026-01-31`.
    pub fn record(&self, address: IpAddr, date: &str, answered: &AnsweredRepository<'_>) {
        let line = format_line(address, date, answered);
        let mut state = self.shared.lock();
        if state.waiting.len() + line.len() > BUFFER_LIMIT {
            drop(state);
            self.shared.dropped.inc();
            return;
        }
        let before = state.waiting.len();
        state.waiting.extend_from_slice(line.as_bytes());
        state.accepted += 1;
        let wake = before < WAKE_AT && state.waiting.len() >= WAKE_AT;
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Has the file reopened before more is written, since the one that is open was renamed.
    pub fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding the lock, and the state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn format_line(address: IpAddr, date: &str, answered: &AnsweredRepository<'_>) -> String {
    let mut line = String::with_capacity(128);
    let country = answered.country.as_ref().map_or("N/A", |country| country.as_str());
    // Writing to a String can't fail.
    let _ = write!(line, "IP: {address}; DATE: {date}; COUNTRY: {country}; REPO: ");
    push_field(answered.repo, &mut line);
    line.push_str("; ARCH: ");
    push_field(answered.arch, &mut line);
    line.push('\n');
    line
}

/// Appends a field: never empty, without white space (which separates fields) or control characters, and not too long.
fn push_field(text: &str, line: &mut String) {
    if text.len() <= FIELD_LIMIT && !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        line.push_str(text);
        return;
    }
    if text.is_empty() {
        line.push('_');
    }
    let clean = |c: char| if c.is_whitespace() || c.is_control() { '_' } else { c };
    line.extend(text.chars().take(FIELD_LIMIT).map(clean));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::CountryCode;
    use std::sync::mpsc;

    fn answered<'a>(repo: &'a str, arch: &'a str) -> AnsweredRepository<'a> {
        AnsweredRepository {
            country: CountryCode::parse("US"),
            repo,
            arch,
        }
    }

    fn line(repo: &str, arch: &str) -> String {
        format_line("192.0.2.1".parse().unwrap(), "2026-01-31", &answered(repo, arch))
    }

    #[test]
    fn a_line_is_what_the_statistics_read() {
        assert_eq!(
            line("fedora-41", "x86_64"),
            "IP: 192.0.2.1; DATE: 2026-01-31; COUNTRY: US; REPO: fedora-41; ARCH: x86_64\n"
        );
        let unknown = AnsweredRepository {
            country: None,
            ..answered("a", "b")
        };
        let line = format_line("2001:db8::1".parse().unwrap(), "2026-01-31", &unknown);
        assert_eq!(line.split_whitespace().nth(5), Some("N/A;"));
    }

    #[test]
    fn no_field_breaks_a_line() {
        for bad in ["a b", "a\nb", "a\u{85}b", "a\u{2003}b", "a\0b"] {
            let line = line(bad, "x");
            assert_eq!(line.split_whitespace().collect::<Vec<_>>()[7], "a_b;", "{bad:?}");
            assert_eq!(line.matches('\n').count(), 1);
        }
        let words = line(&"é".repeat(300), "");
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words[7].chars().count(), FIELD_LIMIT + 1);
        assert_eq!(words[9], "_");
    }

    /// A disk that takes some bytes of each write, reports when it is asked, and fails while the test says so.
    #[derive(Clone)]
    struct Disk {
        content: Arc<Mutex<Vec<u8>>>,
        full: Arc<Mutex<bool>>,
        asked: mpsc::Sender<()>,
    }

    impl Sink for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.asked.send(());
            let mut content = self.content.lock().unwrap();
            if *self.full.lock().unwrap() && content.len() >= 100 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(100);
            content.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }
        fn take_back(&mut self, _: usize) -> bool {
            false
        }
        fn is_unchanged(&mut self) -> bool {
            true
        }
    }

    fn log_on(disk: Disk, metrics: &Metrics) -> AccessLog {
        let logger = Logger::root(slog::Discard, slog::o!());
        AccessLog::start(metrics, logger, Box::new(disk), None).unwrap()
    }

    #[test]
    fn a_full_disk_loses_no_line_that_fits_into_memory_and_cuts_none() {
        let (content, full) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(true)));
        let (asked, was_asked) = mpsc::channel();
        let disk = Disk {
            content: Arc::clone(&content),
            full: Arc::clone(&full),
            asked,
        };
        let log = log_on(disk, &Metrics::new().unwrap());
        let record = |i: usize| {
            let repo = format!("repo-{i}");
            log.lines()
                .record("192.0.2.1".parse().unwrap(), "2026-01-31", &answered(&repo, "x86_64"));
        };
        (0..50).for_each(record);
        was_asked.recv().unwrap();
        was_asked.recv().unwrap();
        (50..100).for_each(record);
        *full.lock().unwrap() = false;
        log.close(DROP_LIMIT);
        let text = String::from_utf8(content.lock().unwrap().clone()).unwrap();
        let repos: Vec<&str> = text
            .lines()
            .map(|line| line.split_whitespace().nth(7).unwrap())
            .collect();
        let expected: Vec<String> = (0..100).map(|i| format!("repo-{i};")).collect();
        assert_eq!(repos, expected);
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let (asked, _was_asked) = mpsc::channel();
        let disk = Disk {
            content: Arc::new(Mutex::new(vec![0; 100])),
            full: Arc::new(Mutex::new(true)),
            asked,
        };
        let metrics = Metrics::new().unwrap();
        let log = log_on(disk, &metrics);
        let repo = "r".repeat(FIELD_LIMIT);
        let length = line(&repo, "x").len();
        let lines = log.lines();
        for _ in 0..2 * BUFFER_LIMIT / length + 10 {
            lines.record("192.0.2.1".parse().unwrap(), "2026-01-31", &answered(&repo, "x"));
        }
        assert!(metrics.access_log_dropped.get() > 0);
    }
}
