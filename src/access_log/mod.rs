//! The access log, from which MirrorManager2 makes its statistics: a line per answered repository request.
//!
//! - [`mod@line`]: what a line looks like
//! - [`buffer`]: the lines that wait, in memory
//! - [`writer`]: the thread that writes them, whole lines at a time, at least every second
//! - [`sink`]: the file, which other programs rename and truncate
//!
//! A slow or full disk therefore never delays a request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::SIGXFSZ;
use slog::{Logger, error};

use crate::background::Background;
use crate::metrics::ServerMetrics;
use crate::settings::AccessLogTarget;
pub use buffer::AccessLogLines;
use buffer::LineBuffer;
use sink::{FileSink, Sink};
use writer::{LogWriter, Reopen};

mod buffer;
mod line;
mod sink;
mod writer;

/// The writer has this long to write the rest: standard output may be a pipe that is not read.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// An open access log. Dropping it writes the lines that wait, as far as that can be done in five seconds.
pub struct AccessLog {
    lines: AccessLogLines,
    writer: Option<Background>,
    logger: Logger,
}

impl AccessLog {
    /// Opens a log and starts its writer.
    ///
    /// # Errors
    /// The file can't be opened for appending or the thread can't be started.
    pub fn open(target: AccessLogTarget, metrics: &ServerMetrics, logger: Logger) -> io::Result<Self> {
        // With this handler, a file at its size limit (ulimit -f) fails the write and does not end the process.
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

    fn start(metrics: &ServerMetrics, logger: Logger, sink: Box<dyn Sink>, reopen: Option<Reopen>) -> io::Result<Self> {
        let buffer = LineBuffer::new(metrics);
        let writer = LogWriter::new(Arc::clone(&buffer), sink, reopen, logger.clone());
        Ok(Self {
            writer: Some(Background::spawn("access-log", move || writer.run())?),
            lines: AccessLogLines { buffer },
            logger,
        })
    }

    /// The handle that takes lines.
    pub fn lines(&self) -> AccessLogLines {
        self.lines.clone()
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        let buffer = &self.lines.buffer;
        buffer.close();
        let ended = writer.end_within(CLOSE_LIMIT);
        let left = buffer.drop_rest();
        if left > 0 {
            error!(self.logger, "access log lines are given up";
                "lines" => left, "reason" => if ended { "the file can't be written" } else { "writing takes too long" });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use parking_lot::Mutex;

    use super::*;
    use crate::mirrorlist::answer::AnsweredRepository;

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
            let mut content = self.content.lock();
            if *self.full.lock() && content.len() >= 100 {
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

    fn log_on(disk: Disk, metrics: &ServerMetrics) -> AccessLog {
        let logger = Logger::root(slog::Discard, slog::o!());
        AccessLog::start(metrics, logger, Box::new(disk), None).unwrap()
    }

    fn record(lines: &AccessLogLines, repo: &str) {
        let answered = AnsweredRepository {
            country: None,
            repo,
            arch: "x86_64",
        };
        lines.record("192.0.2.1".parse().unwrap(), "2026-01-31", &answered);
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
        let log = log_on(disk, &ServerMetrics::new().unwrap());
        let record = |i: usize| record(&log.lines(), &format!("repo-{i}"));
        (0..50).for_each(record);
        was_asked.recv().unwrap();
        was_asked.recv().unwrap();
        (50..100).for_each(record);
        *full.lock() = false;
        drop(log);
        let text = String::from_utf8(content.lock().clone()).unwrap();
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
        let metrics = ServerMetrics::new().unwrap();
        let log = log_on(disk, &metrics);
        let (lines, repo) = (log.lines(), "r".repeat(line::FIELD_LIMIT));
        for _ in 0..2 * buffer::BUFFER_LIMIT / repo.len() + 10 {
            record(&lines, &repo);
        }
        assert!(metrics.access_log_dropped.get() > 0);
    }
}
