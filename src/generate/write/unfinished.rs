//! Files that are there only while a run is under way, so that a process that ends in the middle of it can remove them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// The files that are not finished. Clones share one set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unfinished(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Unfinished {
    /// Takes note of a file that was just created.
    pub(crate) fn add(&self, path: &Path) {
        self.0.lock().insert(path.to_owned());
    }

    /// Does the last thing to a file: gives it its real name, or removes it.
    ///
    /// # Errors
    /// If `finish` fails; the file stays unfinished.
    pub(crate) fn finish(&self, path: &Path, finish: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        // Under the lock: a file of that name that comes later is not ours.
        let mut paths = self.0.lock();
        finish()?;
        paths.remove(path);
        Ok(())
    }

    /// Removes all of them, as far as that is possible at once: the process ends.
    pub(crate) fn remove_all(&self) {
        // A disk that hangs leaves the file to the next run.
        let Some(paths) = self.0.try_lock_for(Duration::from_secs(1)) else {
            return;
        };
        for path in paths.iter() {
            // The next run replaces a file that can't be removed.
            let _ = fs::remove_file(path);
        }
    }
}
