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
pub use buffer::LineBuffer;
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
    lines: Arc<LineBuffer>,
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
        let (sink, reopen): (Box<dyn Sink>, Option<Reopen>) = match target {
            // It has no name by which it could be reopened.
            AccessLogTarget::Stdout => (Box::new(FileSink::stdout()?), None),
            AccessLogTarget::File(path) => {
                let notes = logger.clone();
                let open = move || -> io::Result<Box<dyn Sink>> { Ok(Box::new(FileSink::append_to(&path, &notes)?)) };
                (open()?, Some(Box::new(open)))
            }
        };
        let lines = LineBuffer::new(metrics);
        let writer = LogWriter::new(Arc::clone(&lines), sink, reopen, logger.clone());
        Ok(Self {
            writer: Some(Background::spawn("access-log", move || writer.run())?),
            lines,
            logger,
        })
    }

    /// The buffer that takes lines.
    pub fn lines(&self) -> Arc<LineBuffer> {
        Arc::clone(&self.lines)
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        self.lines.close();
        let ended = writer.end_within(CLOSE_LIMIT);
        let left = self.lines.drop_rest();
        if left > 0 {
            error!(self.logger, "access log lines are given up";
                "lines" => left, "reason" => if ended { "the file can't be written" } else { "writing takes too long" });
        }
    }
}
