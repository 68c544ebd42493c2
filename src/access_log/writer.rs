//! The thread that writes the access log: it takes whole lines from the buffer and brings them out as whole lines, whatever
//! becomes of the disk and the file meanwhile.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use slog::{Logger, error, info, warn};

use super::sink::Sink;
use super::{Shared, State, WAKE_AT};

/// Lines wait at most about this long.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Opens the file that now has the log's name.
pub(super) type Reopen = Box<dyn Fn() -> io::Result<Box<dyn Sink>> + Send>;

pub(super) struct Writer {
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    /// None for what has no name.
    reopen: Option<Reopen>,
    logger: Logger,
    /// Lines that were taken from the buffer.
    unwritten: Vec<u8>,
    /// This many bytes of the first of these lines are out already.
    begun: usize,
    failing: bool,
    /// Whether the file could not be reopened when that was asked for.
    reopen_failed: bool,
    reported_drops: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, sink: Box<dyn Sink>, reopen: Option<Reopen>, logger: Logger) -> Self {
        Self {
            shared,
            sink,
            reopen,
            logger,
            unwritten: Vec::new(),
            begun: 0,
            failing: false,
            reopen_failed: false,
            reported_drops: 0,
        }
    }

    pub(super) fn run(mut self) {
        loop {
            let (closed, reopen) = self.wait_for_work();
            let outcome = self.write();
            self.report(outcome);
            if reopen || self.reopen_failed {
                self.reopen();
            }
            if closed && (self.failing || self.shared.lock().waiting.is_empty()) {
                return;
            }
        }
    }

    /// Waits for lines and takes them, if the ones before them are out. Says whether the log is being closed, and whether it is
    /// to be reopened.
    fn wait_for_work(&mut self) -> (bool, bool) {
        let state = self.shared.lock();
        let idle =
            |state: &mut State| !state.closed && !state.reopen && (self.failing || state.waiting.len() < WAKE_AT);
        let (mut state, _) = self
            .shared
            .work
            .wait_timeout_while(state, FLUSH_EVERY, idle)
            .unwrap_or_else(PoisonError::into_inner);
        if self.unwritten.is_empty() {
            std::mem::swap(&mut self.unwritten, &mut state.waiting);
        }
        (state.closed, std::mem::take(&mut state.reopen))
    }

    /// Writes lines. An error in the middle of a line takes its beginning back, if that can be done; else it is completed
    /// before others follow, unless the file has changed meanwhile: then the whole line is written again.
    fn write(&mut self) -> io::Result<()> {
        if self.begun > 0 && !self.sink.is_unchanged() {
            self.begun = 0;
        }
        let mut done = self.begun;
        let outcome = loop {
            let rest = self.unwritten.get(done..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(());
            }
            match self.sink.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let lines = rest.iter().take(written).filter(|byte| **byte == b'\n').count() as u64;
                    self.shared.written.inc_by(lines);
                    self.shared.written_here.fetch_add(lines, Ordering::Relaxed);
                    done += written;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let out = self.unwritten.get(..done).unwrap_or_default();
        let whole = out.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.unwritten.drain(..whole);
        self.begun = done - whole;
        self.take_back();
        outcome
    }

    fn take_back(&mut self) {
        if self.begun > 0 && self.sink.take_back(self.begun) {
            self.begun = 0;
        }
    }

    /// Reopens the file. A line whose beginning is in the old file is written again as a whole.
    fn reopen(&mut self) {
        let Some(reopen) = &self.reopen else {
            return;
        };
        match reopen() {
            Ok(sink) => {
                // Since the last error there may be a way.
                self.take_back();
                if self.begun > 0 {
                    warn!(self.logger, "the access log that was closed ends inside a line");
                    self.begun = 0;
                }
                self.sink = sink;
                self.reopen_failed = false;
            }
            Err(error) => {
                if !self.reopen_failed {
                    error!(self.logger, "cannot reopen the access log; still writing to the old file, trying again";
                        "error" => %error);
                }
                self.reopen_failed = true;
            }
        }
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
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::metrics::Metrics;

    /// A file that can't be read, so that nothing can be taken back.
    #[derive(Default)]
    struct File {
        content: String,
        room: usize,
        is_changed: bool,
    }

    struct WriteOnly(Arc<Mutex<File>>);

    impl Sink for WriteOnly {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut file = self.0.lock().unwrap();
            let taken = bytes.len().min(file.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.room -= taken;
            file.content.push_str(str::from_utf8(&bytes[..taken]).unwrap());
            Ok(taken)
        }

        fn take_back(&mut self, _: usize) -> bool {
            false
        }

        fn is_unchanged(&mut self) -> bool {
            !self.0.lock().unwrap().is_changed
        }
    }

    /// A writer that has written two lines up to the middle of the second, and its file.
    fn stuck() -> (Writer, Arc<Mutex<File>>) {
        let file = Arc::new(Mutex::new(File {
            room: 9,
            ..File::default()
        }));
        let metrics = Metrics::new().unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: std::sync::Condvar::new(),
            written: metrics.access_log_written,
            dropped: metrics.access_log_dropped,
            written_here: AtomicU64::new(0),
        });
        let (opened, logger) = (Arc::clone(&file), Logger::root(slog::Discard, slog::o!()));
        let open = move || -> io::Result<Box<dyn Sink>> { Ok(Box::new(WriteOnly(Arc::clone(&opened)))) };
        let mut writer = Writer::new(shared, open().unwrap(), Some(Box::new(open)), logger);
        writer.unwritten = b"first\nsecond\nthird\n".to_vec();
        assert!(writer.write().is_err());
        assert_eq!(file.lock().unwrap().content, "first\nsec");
        (writer, file)
    }

    fn with_room(file: &Mutex<File>, change: impl FnOnce(&mut File)) {
        let mut file = file.lock().unwrap();
        file.room = 1000;
        change(&mut file);
    }

    #[test]
    fn a_line_that_was_begun_is_completed() {
        let (mut writer, file) = stuck();
        with_room(&file, |_| {});
        writer.write().unwrap();
        assert_eq!(file.lock().unwrap().content, "first\nsecond\nthird\n");
        assert_eq!(writer.shared.written_here.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn in_a_file_that_was_truncated_a_line_that_was_begun_is_written_as_a_whole() {
        let (mut writer, file) = stuck();
        with_room(&file, |file| {
            file.content.clear();
            file.is_changed = true;
        });
        writer.write().unwrap();
        assert_eq!(file.lock().unwrap().content, "second\nthird\n");
    }

    #[test]
    fn in_a_new_file_a_line_that_was_begun_is_written_as_a_whole() {
        let (mut writer, file) = stuck();
        with_room(&file, |file| file.content.clear());
        writer.reopen();
        writer.write().unwrap();
        assert_eq!(file.lock().unwrap().content, "second\nthird\n");
    }
}
