//! A file that is read back while it is still being written.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;

use parking_lot::{Condvar, Mutex};

use crate::generate::deadline::Deadline;

/// The progress of writing a file.
pub(super) struct Written {
    deadline: Deadline,
    state: Mutex<WriteState>,
    changed: Condvar,
}

#[derive(Default)]
struct WriteState {
    bytes: u64,
    ended: bool,
}

/// Writes a file and tells its readers; the file ends when this is dropped.
pub(crate) struct Followed<'a> {
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
    /// A file of which nothing is written. Writing after the deadline fails.
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

    fn change(&self, change: impl FnOnce(&mut WriteState)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// Waits until more than `read` bytes are written. Returns how many; the same number means that there are no more.
    fn more_than(&self, read: u64) -> u64 {
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| state.bytes <= read && !state.ended);
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
        let wanted = usize::try_from(there).map_or(buffer.len(), |there| there.min(buffer.len()));
        let (wanted, _) = buffer.split_at_mut(wanted);
        let length = self.file.read_at(wanted, self.read)?;
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
