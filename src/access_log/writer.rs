//! The thread that writes the access log. It takes whole lines from the buffer and writes whole lines, also if the disk is full or
//! the file is replaced meanwhile.

use std::io;
use std::sync::Arc;

use slog::{Logger, error, info, warn};

use super::buffer::LineBuffer;
use super::sink::Sink;

/// Opens the file that now has the log's name.
pub(super) type Reopen = Box<dyn Fn() -> io::Result<Box<dyn Sink>> + Send>;

pub(super) struct LogWriter {
    buffer: Arc<LineBuffer>,
    sink: Box<dyn Sink>,
    /// `None` if the log has no name by which it could be reopened.
    reopen: Option<Reopen>,
    logger: Logger,
    unwritten: Vec<u8>,
    /// This many bytes of the first of these lines are written already.
    begun: usize,
    failing: bool,
    /// Whether the file could not be reopened when that was asked for.
    reopen_failed: bool,
    reported_drops: u64,
}

impl LogWriter {
    pub(super) fn new(buffer: Arc<LineBuffer>, sink: Box<dyn Sink>, reopen: Option<Reopen>, logger: Logger) -> Self {
        Self {
            buffer,
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
            let work = self.buffer.wait(&mut self.unwritten, self.failing);
            let outcome = self.write();
            self.report(outcome);
            if work.reopen || self.reopen_failed {
                self.reopen();
            }
            if work.closed && (self.failing || self.buffer.is_empty()) {
                return;
            }
        }
    }

    /// Writes lines. After an error in the middle of a line, its beginning is removed from the file if possible. Otherwise the
    /// line is completed before others follow, or written again as a whole if the file has changed meanwhile.
    fn write(&mut self) -> io::Result<()> {
        if self.begun > 0 && !self.sink.is_unchanged() {
            self.begun = 0;
        }
        let (begun, mut rest) = self.unwritten.split_at(self.begun);
        let mut done = begun.len();
        let outcome = loop {
            if rest.is_empty() {
                break Ok(());
            }
            match self.sink.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (out, after) = rest.split_at(written);
                    let lines = out.iter().filter(|byte| **byte == b'\n').count();
                    self.buffer.written.inc_by(lines as u64);
                    done += written;
                    rest = after;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let out = self.unwritten.split_at(done).0;
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
                // A failed removal may succeed now.
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
                let dropped = self.buffer.dropped.get();
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
    use parking_lot::Mutex;

    use super::*;
    use crate::metrics::ServerMetrics;

    /// A file that can't be read, so that nothing can be taken back. It takes a hundred bytes at once.
    #[derive(Default)]
    struct File {
        content: String,
        room: usize,
        is_changed: bool,
    }

    struct WriteOnly(Arc<Mutex<File>>);

    impl Sink for WriteOnly {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut file = self.0.lock();
            let taken = bytes.len().min(file.room).min(100);
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
            !self.0.lock().is_changed
        }
    }

    /// A writer that has written two lines up to the middle of the second, and its file.
    fn stuck() -> (LogWriter, Arc<Mutex<File>>) {
        let file = Arc::new(Mutex::new(File {
            room: 9,
            ..File::default()
        }));
        let buffer = LineBuffer::new(&ServerMetrics::new().unwrap());
        let opened = Arc::clone(&file);
        let open = move || -> io::Result<Box<dyn Sink>> { Ok(Box::new(WriteOnly(Arc::clone(&opened)))) };
        let logger = Logger::root(slog::Discard, slog::o!());
        let mut writer = LogWriter::new(buffer, open().unwrap(), Some(Box::new(open)), logger);
        writer.unwritten = b"first\nsecond\nthird\n".to_vec();
        assert!(writer.write().is_err());
        assert_eq!(file.lock().content, "first\nsec");
        (writer, file)
    }

    #[test]
    fn a_full_disk_loses_no_line_that_fits_into_memory_and_cuts_none() {
        let (mut writer, file) = stuck();
        writer.failing = true;
        let repeated: Vec<String> = (0..100).map(|i| format!("line {i}\n")).collect();
        repeated.iter().for_each(|line| writer.buffer.add(line));
        file.lock().room = 10_000;
        writer.buffer.close();
        let buffer = Arc::clone(&writer.buffer);
        writer.run();
        assert_eq!(
            file.lock().content,
            format!("first\nsecond\nthird\n{}", repeated.concat())
        );
        assert_eq!((buffer.written.get(), buffer.drop_rest()), (103, 0));
    }

    #[test]
    fn in_another_or_a_truncated_file_a_line_that_was_begun_is_written_as_a_whole() {
        for is_new in [false, true] {
            let (mut writer, file) = stuck();
            *file.lock() = File {
                room: 1000,
                is_changed: !is_new,
                ..File::default()
            };
            if is_new {
                writer.reopen();
            }
            writer.write().unwrap();
            assert_eq!(file.lock().content, "second\nthird\n", "{is_new}");
        }
    }
}
