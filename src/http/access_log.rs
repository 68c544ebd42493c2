//! The access log, from which MirrorManager2 makes its statistics: a line per answered repository request.
//!
//! `IP: 192.0.2.1; DATE: 2026-01-31; COUNTRY: US; REPO: fedora-41; ARCH: x86_64`
//!
//! Requests put lines into a buffer in memory; a thread of its own appends them to the file, whole lines at a time, at least
//! every second. A slow or full disk therefore never delays a request: what doesn't fit into the buffer is dropped and
//! counted.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use prometheus::IntCounter;
use slog::{Logger, error, info};

use crate::metrics::Metrics;
use crate::mirrorlist::answer::AnsweredRepository;

/// The buffer holds this many bytes, some 80,000 lines; what comes beyond is dropped.
const BUFFER_LIMIT: usize = 8 << 20;

/// The writer is woken early when this many bytes wait.
const WAKE_AT: usize = 64 << 10;

/// Lines wait at most about this long.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// MirrorManager2 stores a field in a column of this many characters.
const FIELD_LIMIT: usize = 255;

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// To the end of a file.
    File(PathBuf),
    /// To standard output.
    Stdout,
}

/// The access log; closing it writes what is left.
pub struct AccessLog {
    lines: AccessLogLines,
    writer: Option<JoinHandle<()>>,
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
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Whether the file is to be opened anew before more is written.
    reopen: bool,
    closed: bool,
}

impl AccessLog {
    /// Opens a log and starts its writer.
    ///
    /// # Errors
    /// Where the file can't be opened for appending or the thread can't be started.
    pub fn open(target: AccessLogTarget, metrics: &Metrics, logger: Logger) -> io::Result<Self> {
        Self::with_open(metrics, logger, move || {
            Ok(match &target {
                AccessLogTarget::Stdout => Box::new(io::stdout()),
                AccessLogTarget::File(path) => Box::new(open_for_append(path)?),
            })
        })
    }

    fn with_open(
        metrics: &Metrics,
        logger: Logger,
        open: impl Fn() -> io::Result<Sink> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            written: metrics.access_log_written.clone(),
            dropped: metrics.access_log_dropped.clone(),
        });
        let writer = Writer {
            shared: Arc::clone(&shared),
            sink: open()?,
            open: Box::new(open),
            logger,
            failing: false,
            inside_line: false,
            reported_drops: 0,
        };
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            lines: AccessLogLines { shared },
            writer: Some(thread),
        })
    }

    /// The end that takes lines.
    pub fn lines(&self) -> AccessLogLines {
        self.lines.clone()
    }

    /// Writes what waits and stops the writer.
    pub fn close(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        self.lines.shared.lock().closed = true;
        self.lines.shared.work.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic over there has been reported by the panic hook; there is nothing left to write.
            let _ = writer.join();
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.stop();
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
        let wake = before < WAKE_AT && state.waiting.len() >= WAKE_AT;
        drop(state);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Has the file opened anew before more is written, since the one that is open was renamed.
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

fn open_for_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
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

type Sink = Box<dyn Write + Send>;

struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    open: Box<dyn Fn() -> io::Result<Sink> + Send>,
    logger: Logger,
    failing: bool,
    /// Whether the last write ended inside a line.
    inside_line: bool,
    reported_drops: u64,
}

impl Writer {
    fn run(mut self) {
        let mut unwritten: Vec<u8> = Vec::new();
        loop {
            let (closed, reopen) = self.wait_for_work(&mut unwritten);
            self.write(&mut unwritten);
            if reopen {
                self.reopen(&mut unwritten);
            }
            if closed && (self.failing || self.shared.lock().waiting.is_empty()) {
                return;
            }
        }
    }

    /// Waits for lines and takes them, if the ones before them are out. Says whether the log is being closed, and whether it is
    /// to be opened anew.
    fn wait_for_work(&mut self, unwritten: &mut Vec<u8>) -> (bool, bool) {
        let state = self.shared.lock();
        let idle =
            |state: &mut State| !state.closed && !state.reopen && (self.failing || state.waiting.len() < WAKE_AT);
        let (mut state, _) = self
            .shared
            .work
            .wait_timeout_while(state, FLUSH_EVERY, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if unwritten.is_empty() {
            std::mem::swap(unwritten, &mut state.waiting);
        }
        (state.closed, std::mem::take(&mut state.reopen))
    }

    /// Opens the file anew. A line whose beginning is in the old file is not continued in the new one.
    fn reopen(&mut self, unwritten: &mut Vec<u8>) {
        match (self.open)() {
            Ok(sink) => {
                self.sink = sink;
                if self.inside_line {
                    let line_end = unwritten
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .map_or(unwritten.len(), |end| end + 1);
                    unwritten.drain(..line_end);
                    self.inside_line = false;
                    self.shared.dropped.inc();
                }
            }
            Err(error) => error!(self.logger, "cannot open the access log anew; the old file is written on";
                "error" => %error),
        }
    }

    /// Writes lines. After an error the rest, which can begin inside a line, is kept for the next time, so that a line is
    /// completed before others follow it.
    fn write(&mut self, unwritten: &mut Vec<u8>) {
        let mut done = 0;
        let outcome = loop {
            let rest = unwritten.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break self.sink.flush();
            }
            match self.sink.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => done += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let written = unwritten.get(..done).unwrap_or_default();
        self.shared
            .written
            .inc_by(written.iter().filter(|byte| **byte == b'\n').count() as u64);
        if let Some(last) = written.last() {
            self.inside_line = *last != b'\n';
        }
        unwritten.drain(..done);
        self.report(outcome);
    }

    /// Logs the first of a run of errors, and the end of the run.
    fn report(&mut self, outcome: io::Result<()>) {
        match outcome {
            Err(error) if !self.failing => {
                self.failing = true;
                error!(self.logger, "cannot write the access log; lines are kept in memory and dropped when that is full";
                    "error" => %error);
            }
            Ok(()) if self.failing => {
                self.failing = false;
                let dropped = self.shared.dropped.get();
                info!(self.logger, "the access log is written again";
                    "dropped_lines" => dropped - self.reported_drops);
                self.reported_drops = dropped;
            }
            Ok(()) | Err(_) => {}
        }
    }
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

    impl Write for Disk {
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
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_on(disk: Disk, metrics: &Metrics) -> AccessLog {
        let logger = Logger::root(slog::Discard, slog::o!());
        AccessLog::with_open(metrics, logger, move || Ok(Box::new(disk.clone()))).unwrap()
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
        log.close();
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
