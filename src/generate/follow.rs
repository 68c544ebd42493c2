//! A file that is read back while it is still being written: what a reader gets has been in the file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::deadline::Deadline;

/// How far a file has been written.
pub(super) struct Written {
    deadline: Deadline,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    ended: bool,
}

/// Writes a file and tells how far it is. Dropped, it has ended.
pub(super) struct Followed<'a> {
    file: &'a File,
    written: &'a Written,
}

/// Reads a file as far as it has been written, and waits for more until the writer has ended.
pub(super) struct Follower<'a> {
    file: &'a File,
    read: u64,
    written: &'a Written,
}

impl Written {
    /// A file of which nothing is written; what is not written until the deadline is an error.
    pub(super) fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn writer<'a>(&'a self, file: &'a File) -> Followed<'a> {
        Followed { file, written: self }
    }

    /// A reader of the same file, from its beginning.
    pub(super) fn reader<'a>(&'a self, file: &'a File) -> Follower<'a> {
        Follower {
            file,
            read: 0,
            written: self,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers can't be left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits until more than `read` bytes are written, and gives how many; the same number means that there are no more.
    fn more_than(&self, read: u64) -> u64 {
        let mut state = self.state();
        while state.bytes <= read && !state.ended {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes
    }
}

impl Write for Followed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.deadline.remaining().is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let length = self.file.write(bytes)?;
        self.written.change(|state| state.bytes += length as u64);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        self.written.change(|state| state.ended = true);
    }
}

impl Read for Follower<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.written.more_than(self.read) - self.read;
        let wanted = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        let length = self
            .file
            .read_at(buffer.get_mut(..wanted).unwrap_or_default(), self.read)?;
        self.read += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_all_that_is_written_and_then_the_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let written = Written::new(Deadline::new(std::time::Duration::from_secs(60)));
        let mut read = Vec::new();
        std::thread::scope(|scope| {
            let mut writer = written.writer(file.as_file());
            let content = &content;
            scope.spawn(move || {
                for part in content.chunks(1013) {
                    writer.write_all(part).unwrap();
                }
            });
            written.reader(file.as_file()).read_to_end(&mut read).unwrap();
        });
        assert!(read == content);
    }
}
