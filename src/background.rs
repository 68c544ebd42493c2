//! A thread whose end is awaited for a limited time. A write to a pipe that is not read, or a read from a file system that has
//! gone away, blocks for ever, and the end of the program must not wait for it.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// A thread of its own. Its channel brings nothing; it is disconnected when the thread ends.
pub(crate) struct Background(Receiver<()>);

impl Background {
    /// Starts a thread.
    ///
    /// # Errors
    /// The operating system starts no more threads.
    pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (running, end) = mpsc::channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // A panic drops it, too, and the panic hook reports the panic.
            let _running: mpsc::Sender<()> = running;
            work();
        })?;
        Ok(Self(end))
    }

    /// Waits for the thread's end, at most for this time. Returns whether it has ended. If not, it goes on until the process ends.
    pub(crate) fn end_within(self, limit: Duration) -> bool {
        matches!(self.0.recv_timeout(limit), Err(RecvTimeoutError::Disconnected))
    }
}
