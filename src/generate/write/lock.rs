//! The lock of a cache: a file that its generator creates and holds. A run that was killed leaves this file, which no process
//! holds; the next run removes it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::files::{self, is_at};
use super::lock_holder;

/// A file of another generator is given up after this many times that it was gone when its lock was ours.
const LOCK_ATTEMPTS: usize = 8;

pub(super) enum Lock {
    /// A new file that this process holds.
    Ours(File),
    /// A file that another process holds: the process, in words.
    Theirs(String),
}

/// Creates the file at a path and holds it, if no other process does that already.
pub(super) fn lock(path: &Path) -> io::Result<Lock> {
    // The file is renamed or removed by the process that holds it: the one that was opened has to be the one that is there
    // once it is held.
    for _ in 0..LOCK_ATTEMPTS {
        let (file, is_new) = match files::create_new(path) {
            Ok(file) => (file, true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match open_there(path)? {
                Some(file) => (file, false),
                None => continue,
            },
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) if !is_at(&file, path) => {}
            Ok(()) if is_new => return Ok(Lock::Ours(file)),
            // Left by a run that was killed. It goes while it is held, so that no other process takes it for that, too.
            Ok(()) => files::remove(path)?,
            Err(TryLockError::WouldBlock) if is_at(&file, path) => {
                return Ok(Lock::Theirs(lock_holder::describe(&file)));
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(Lock::Theirs("one process after the other".to_owned()))
}

/// Opens the file at a path, to see whether a process holds it. What is no file is no generator's, and is removed.
fn open_there(path: &Path) -> io::Result<Option<File>> {
    match files::open_file(path, libc::O_NOFOLLOW) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A link, a pipe, a device, a socket, or a file that may not be read, which no generator makes.
        Err(_) => files::remove(path).map(|()| None),
    }
}
