//! Replaces the current cache by a new one: never by half a file, and the old one stays at hand.
//!
//! The new file is created in the same folder under a name of its own, and is also the lock: the generator that holds it is the
//! only one of that cache.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::files::{self, MODE, is_at, sibling};
use super::follow::{Followed, Written};
use super::lock::{Lock, lock};
use super::unfinished::Unfinished;
use super::validate::write_and_validate;
use crate::generate::deadline::Deadline;
use crate::generate::error::GenerateError;
use crate::snapshot::Catalogue;

/// A new cache file that is not in its place yet. Dropped, it disappears.
pub(crate) struct NewFile {
    /// The path that it will have.
    target: PathBuf,
    /// The path that it has.
    path: PathBuf,
    file: File,
    unfinished: Unfinished,
    deadline: Deadline,
}

impl NewFile {
    /// Begins a new file in the folder of `outfile`; if that is a link, of what it leads to.
    ///
    /// # Errors
    /// If it can't be written, is something else than a file, or another generator is writing it.
    pub(crate) fn begin(outfile: &Path, unfinished: &Unfinished, deadline: Deadline) -> Result<Self, GenerateError> {
        let target = fs::canonicalize(outfile).unwrap_or_else(|_| outfile.to_owned());
        let path = sibling(&target, ".", ".new");
        if let Some(problem) = files::not_a_file(&target, "--outfile") {
            return Err(GenerateError::Output { path: target, problem });
        }
        let file = match lock(&path).map_err(|error| GenerateError::output(&target, &error))? {
            Lock::Ours(file) => file,
            Lock::Theirs(holder) => {
                let problem = format!(
                    "another generator is writing it: {} is held by {holder}; try again when that has ended",
                    path.display()
                );
                return Err(GenerateError::Output { path: target, problem });
            }
        };
        unfinished.add(&path);
        let new = Self {
            target,
            path,
            file,
            unfinished: unfinished.clone(),
            deadline,
        };
        let failed = |error: io::Error| GenerateError::output(&new.target, &error);
        // Known before the database is asked. While it is written, other generators have to be able to open it.
        new.take_over().map_err(failed)?;
        new.file.set_permissions(Permissions::from_mode(MODE)).map_err(failed)?;
        files::remove(&previous_link(&new.target)).map_err(failed)?;
        Ok(new)
    }

    /// Writes the file and, meanwhile, loads it as a server would. At the end it is on the disk.
    ///
    /// # Errors
    /// If it cannot be written, for example because the disk is full, or not in time, or a server would refuse it.
    pub(crate) fn write(
        &self,
        write: impl FnOnce(BufWriter<Followed<'_>>) -> io::Result<u64>,
    ) -> Result<(u64, Catalogue), GenerateError> {
        let written = Written::new(self.deadline);
        let write_and_sync = |out: BufWriter<Followed<'_>>| {
            let bytes = write(out)?;
            self.file.sync_all().map(|()| bytes)
        };
        let (bytes, catalogue) =
            write_and_validate(written.reader(&self.file), written.writer(&self.file), write_and_sync);
        let bytes = bytes.map_err(|error| match self.deadline.check(WRITING) {
            Err(missed) => missed,
            Ok(()) => GenerateError::output(&self.target, &error),
        })?;
        Ok((bytes, catalogue?))
    }

    /// Gives the file the mode, the group and the owner of the one in its place, if there is one.
    fn take_over(&self) -> io::Result<()> {
        match fs::metadata(&self.target) {
            Ok(old) => files::take_over(&self.file, &old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts the file in its place. The old one stays in the same folder as `….previous`, if that is asked for.
    ///
    /// # Errors
    /// If that can't be done, or not in time; the old file is where it was.
    pub(crate) fn publish(self, keep_previous: bool) -> Result<(), GenerateError> {
        self.deadline.check(WRITING)?;
        let failed = |error: io::Error| GenerateError::output(&self.target, &error);
        self.take_over().map_err(failed)?;
        if keep_previous {
            link_previous(&self.target).map_err(failed)?;
        }
        if !is_at(&self.file, &self.path) {
            let path = self.path.display();
            return Err(failed(io::Error::other(format!(
                "something replaced or removed {path}; see that only the generator may write the folder"
            ))));
        }
        self.unfinished
            .finish(&self.path, || fs::rename(&self.path, &self.target))
            .map_err(failed)?;
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)
    }
}

/// The last work of a run, for messages.
const WRITING: &str = "writing the new cache";

impl Drop for NewFile {
    fn drop(&mut self) {
        // A published file has moved.
        if is_at(&self.file, &self.path) {
            // The next run replaces a file that can't be removed.
            let _ = self.unfinished.finish(&self.path, || fs::remove_file(&self.path));
        }
    }
}

/// Gives the current file a second name. On a file system without links, it is copied.
fn link_previous(target: &Path) -> io::Result<()> {
    let link = previous_link(target);
    files::remove(&link)?;
    if let Err(error) = fs::hard_link(target, &link) {
        if error.kind() == io::ErrorKind::NotFound {
            return Ok(());
        }
        let mut copy = files::create(&link)?;
        let mut file = files::open_file(target, 0)?;
        io::copy(&mut file, &mut copy)?;
        files::take_over(&copy, &file.metadata()?)?;
    }
    fs::rename(&link, sibling(target, "", ".previous"))?;
    // Two names of the same file: renaming one to the other leaves both.
    files::remove(&link)
}

fn previous_link(target: &Path) -> PathBuf {
    sibling(target, ".", ".previous.new")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Duration;

    fn publish(mut new: NewFile, content: &str) {
        new.file.write_all(content.as_bytes()).unwrap();
        new.publish(true).unwrap();
    }

    fn begin(outfile: &Path) -> Result<NewFile, GenerateError> {
        let deadline = Deadline::new(Duration::from_secs(60));
        NewFile::begin(outfile, &Unfinished::default(), deadline)
    }

    #[test]
    fn one_generator_writes_a_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cache.proto");
        // As a killed run leaves it.
        fs::write(folder.path().join(".cache.proto.new"), "half").unwrap();
        for content in ["one", "two", "three"] {
            let new = begin(&target).unwrap();
            let second = begin(&target).err().unwrap();
            assert_eq!(second.exit_code(), 73);
            assert!(second.to_string().contains("another generator"), "{second}");
            publish(new, content);
        }
        let previous = folder.path().join("cache.proto.previous");
        let contents = [&target, &previous].map(|path| fs::read_to_string(path).unwrap());
        assert_eq!(contents, ["three", "two"]);
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o644);
        drop(begin(&target).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_link_goes_on_leading_to_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.proto"), folder.path().join("link.proto"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        publish(begin(&link).unwrap(), "new");
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
