//! The file that the access log is written to. Other programs truncate it (copytruncate), rename it and append to it, and it
//! can end inside a line; statistics can't be made from a file with such a line in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use slog::{Logger, warn};

/// A destination that lines are appended to.
pub(super) trait Sink: Send {
    /// Appends some of these bytes. Returns how many.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Removes the last bytes that were written. Returns whether they are gone.
    fn take_back(&mut self, bytes: usize) -> bool;

    /// Returns whether the last written bytes are still at the end.
    fn is_unchanged(&mut self) -> bool;
}

/// A regular file, a pipe or a terminal.
pub(super) struct FileSink {
    file: File,
    /// Whether it is a regular file, which has a size.
    is_regular: bool,
    /// Whether its end can be read and cut: this process has opened it for appending, and can read it.
    is_ours: bool,
    /// Whether it ends inside a line that is not to be continued.
    begin_line: bool,
}

/// A writer completes a line within this time. An incomplete line that is older has no writer any more.
const WRITING: Duration = Duration::from_millis(100);

/// Longer than any line: two fields of 255 characters, and short ones.
const LONGEST_LINE: u64 = 4096;

/// A pipe takes so many bytes as a whole or not at all (PIPE_BUF on Linux), so that a line in it is whole.
const AT_ONCE: usize = 4096;

const LINE_START: &[u8] = b"IP: ";

impl FileSink {
    /// Standard output, without the buffer of the standard library, which would hold back what was not written.
    pub(super) fn stdout() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self::new(file, false))
    }

    fn new(file: File, can_cut: bool) -> Self {
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        Self {
            file,
            is_regular,
            is_ours: is_regular && can_cut,
            begin_line: false,
        }
    }

    /// Appends to a file, which is created if it is missing. An incomplete line at its end is removed.
    pub(super) fn append_to(path: &Path, logger: &Logger) -> io::Result<Self> {
        let (file, is_readable) = open(path)?;
        let mut sink = Self::new(file, is_readable);
        if sink.is_ours {
            sink.mend_end(path, logger)?;
        }
        Ok(sink)
    }

    /// Removes an incomplete line at the end of the file, left by a server that ended while the disk was full. Text that is not of
    /// an access log is kept, and the next line begins after it.
    fn mend_end(&mut self, path: &Path, logger: &Logger) -> io::Result<()> {
        let mut cut = self.cut_line()?;
        if cut.is_some() {
            // Another server may be writing it.
            std::thread::sleep(WRITING);
            let again = self.cut_line()?;
            cut = cut.filter(|cut| again.as_ref() == Some(cut));
        }
        let Some((start, line)) = cut else {
            return Ok(());
        };
        let is_ours = line.starts_with(LINE_START) || LINE_START.starts_with(&line);
        let removed = is_ours && self.cut_at(start);
        self.begin_line = !removed;
        warn!(logger, "the access log ended inside a line";
            "file" => path.display().to_string(), "bytes" => line.len(), "removed" => removed);
        Ok(())
    }

    /// The start and the text of the incomplete line at the end, if there is one.
    fn cut_line(&self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let size = self.file.metadata()?.len();
        let from = size.saturating_sub(LONGEST_LINE);
        let mut end = vec![0; usize::try_from(size - from).map_err(io::Error::other)?];
        match self.file.read_exact_at(&mut end, from) {
            // The file was truncated meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let start = end.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let line = end.split_off(start);
        Ok((!line.is_empty()).then(|| (from + start as u64, line)))
    }

    /// Cuts the file off after a line end. Returns whether it did.
    fn cut_at(&self, start: u64) -> bool {
        let follows_line = || {
            let mut before = [0];
            start
                .checked_sub(1)
                .is_none_or(|last| self.file.read_exact_at(&mut before, last).is_ok() && before == *b"\n")
        };
        if !follows_line() || self.file.set_len(start).is_err() {
            return false;
        }
        if !follows_line() {
            // Another program truncated the file in between, and then this has made it longer, with zeros.
            let _ = self.file.set_len(0);
        }
        true
    }
}

impl Sink for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.begin_line {
            self.file.write_all(b"\n")?;
            self.begin_line = false;
        }
        self.file.write(if self.is_regular { bytes } else { at_once(bytes) })
    }

    fn take_back(&mut self, bytes: usize) -> bool {
        if !self.is_ours || !self.is_unchanged() {
            return false;
        }
        let end = self.file.stream_position().ok();
        let start = end.and_then(|end| end.checked_sub(bytes as u64));
        start.is_some_and(|start| self.cut_at(start))
    }

    fn is_unchanged(&mut self) -> bool {
        if !self.is_regular {
            return true;
        }
        // After a write, the position is where it ended, also in a file that is opened for appending.
        match (self.file.metadata(), self.file.stream_position()) {
            (Ok(metadata), Ok(position)) => metadata.len() == position,
            _ => true,
        }
    }
}

/// As many whole lines as a pipe takes at once.
fn at_once(bytes: &[u8]) -> &[u8] {
    let Some((first, _)) = bytes.split_at_checked(AT_ONCE) else {
        return bytes;
    };
    let end = first.iter().rposition(|byte| *byte == b'\n');
    end.and_then(|end| first.get(..=end)).unwrap_or(first)
}

/// Opens a file for appending, and if possible for reading. Returns whether it can be read.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // A pipe that is open for reading has a reader: this server, which never reads.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return options.open(path).map(|file| (file, false));
    }
    match options.read(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            options.read(false).open(path).map(|file| (file, false))
        }
        Err(error) => Err(error),
    }
}
