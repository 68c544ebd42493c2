//! Files that are there only while a run is under way, so that a process that ends in the middle of it can remove them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// The files that are not finished. Clones are of the same set.
#[derive(Debug, Clone, Default)]
pub struct Unfinished(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Unfinished {
    /// Takes note of a file that was just created.
    pub(super) fn add(&self, path: &Path) {
        self.paths().insert(path.to_owned());
    }

    /// Does the last thing to a file: gives it its real name, or removes it.
    ///
    /// # Errors
    /// What `finish` gives; the file stays unfinished.
    pub(super) fn finish(&self, path: &Path, finish: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        // Under the lock: a file of that name that comes later is not ours.
        let mut paths = self.paths();
        finish()?;
        paths.remove(path);
        Ok(())
    }

    /// Removes all of them, as far as that is possible at once: the process ends.
    pub(super) fn remove_all(&self) {
        let patience = Instant::now() + Duration::from_secs(1);
        let paths = loop {
            match self.0.try_lock() {
                Ok(paths) => break paths,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                // A disk that hangs leaves the file to the next run.
                Err(TryLockError::WouldBlock) if Instant::now() > patience => return,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        };
        for path in paths.iter() {
            // What can't be removed is replaced by the next run.
            let _ = fs::remove_file(path);
        }
    }

    fn paths(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        // The set is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
