//! A new cache in the place of the old one: never half a file, never a bad one, and the last one stays at hand.
//!
//! The new file is written beside the old one under a name of its own, which is also the lock: who holds it is the only
//! generator of that file. A run that was killed leaves this file, and the next run takes it over.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use super::encode::field;
use super::error::GenerateError;
use super::follow::{Followed, Written};
use foldhash::fast::FixedState;

use crate::snapshot::Catalogue;
use crate::snapshot::cache;
use crate::snapshot::wire::{self, Field, FieldReader, Value};
use crate::warnings::Warnings;

/// Files are written and read in pieces of this many bytes, which stay in a processor's cache.
const WRITE_BUFFER: usize = 256 << 10;
const READ_BUFFER: usize = 256 << 10;

/// Everybody may read a cache: the servers run as other users.
const MODE: u32 = 0o644;

/// A new cache file that is not in its place yet. Dropped, it disappears.
pub struct NewFile {
    /// Where it will be.
    target: PathBuf,
    /// Where it is.
    path: PathBuf,
    file: File,
    published: bool,
}

impl NewFile {
    /// Begins a new file beside `outfile`; where that is a link, beside what it leads to.
    ///
    /// # Errors
    /// Where it can't be written, or another generator is writing it.
    pub(super) fn begin(outfile: &Path) -> Result<Self, GenerateError> {
        let target = fs::canonicalize(outfile).unwrap_or_else(|_| outfile.to_owned());
        let path = beside(&target, ".", ".new");
        let failed = |error: io::Error| GenerateError::output(&target, &error);
        // The file is given a new name or removed by whoever holds the lock: the one that was opened has to be the one that
        // is there once the lock is ours.
        for _ in 0..LOCK_ATTEMPTS {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(MODE)
                .open(&path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            if is_at(&file, &path) {
                file.set_len(0).map_err(failed)?;
                file.set_permissions(Permissions::from_mode(MODE)).map_err(failed)?;
                let _ = fs::remove_file(previous_link(&target));
                return Ok(Self {
                    target,
                    path,
                    file,
                    published: false,
                });
            }
        }
        Err(GenerateError::Output {
            path: target,
            problem: format!(
                "another generator is writing it (it holds {}); try again later",
                path.display()
            ),
        })
    }

    /// Writes the file and, meanwhile, reads it back as a server would. At the end it is on the disk.
    ///
    /// # Errors
    /// Where it can't be written, for example because the disk is full, or a server would refuse it.
    pub(super) fn write(
        &self,
        write: impl FnOnce(BufWriter<Followed<'_>>) -> io::Result<u64>,
    ) -> Result<(u64, Catalogue), GenerateError> {
        let failed = |error: io::Error| GenerateError::output(&self.target, &error);
        let written = Written::default();
        let reader = written.reader(File::open(&self.path).map_err(failed)?);
        thread::scope(|scope| {
            let validated = scope.spawn(|| validate(BufReader::with_capacity(READ_BUFFER, reader)));
            let writer = BufWriter::with_capacity(WRITE_BUFFER, written.writer(&self.file));
            let bytes = write(writer).and_then(|bytes| self.file.sync_all().map(|()| bytes));
            // A panic over there is a defect; it goes on here.
            let validated = validated.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            Ok((bytes.map_err(failed)?, validated?))
        })
    }

    /// Puts the file in its place. The old one stays beside it as `….previous`.
    ///
    /// # Errors
    /// Where that can't be done; the old file is where it was.
    pub(super) fn publish(mut self) -> Result<(), GenerateError> {
        let failed = |error: io::Error| GenerateError::output(&self.target, &error);
        keep_previous(&self.target).map_err(failed)?;
        fs::rename(&self.path, &self.target).map_err(failed)?;
        self.published = true;
        let folder = folder_of(&self.target);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.published {
            // What can't be removed is taken over by the next run.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a new cache as a server would.
///
/// # Errors
/// Where a server would refuse it.
pub fn validate(file: impl io::BufRead) -> Result<Catalogue, GenerateError> {
    let mut warnings = Warnings::default();
    match cache::read(file, &mut warnings) {
        Ok(catalogue) => Ok(catalogue),
        Err(error) => Err(GenerateError::Refused(format!(
            "the new cache is not usable: {error}; check that this is the right database; the present file stays as it is"
        ))),
    }
}

/// How much a cache has, of what must not shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Hosts that carry a directory.
    pub hosts: usize,
    /// Directories.
    pub directories: usize,
    /// Repositories.
    pub repositories: usize,
}

impl Size {
    /// The size of a cache.
    pub fn of(catalogue: &Catalogue) -> Self {
        let counts = catalogue.counts();
        Self {
            hosts: catalogue.carrying_hosts(),
            directories: counts.directories,
            repositories: counts.repositories,
        }
    }
}

/// The size of the present cache; none where there is none that can be read. Its entries are counted, not judged: that takes
/// a fraction of the time of loading it.
pub fn present_size(outfile: &Path) -> Option<Size> {
    let file = File::open(outfile).ok()?;
    let mut fields = FieldReader::new(BufReader::with_capacity(READ_BUFFER, file));
    let (mut directories, mut repositories) = (0, 0);
    let mut hosts = HashSet::<u64, FixedState>::default();
    while let Some(field) = fields.next().ok()? {
        match (field.number, field.value) {
            (field::REPO_ARCH_TO_DIRECTORY_NAME, _) => repositories += 1,
            (field::MIRROR_LIST, Value::Bytes(directory)) => {
                directories += 1;
                for entry in wire::fields(directory) {
                    if let Some(host) = carrying_host(entry.ok()?) {
                        hosts.insert(host);
                    }
                }
            }
            _ => {}
        }
    }
    Some(Size {
        hosts: hosts.len(),
        directories,
        repositories,
    })
}

/// The host of an entry of `ByHostId`, if the entry has more than that.
fn carrying_host(entry: Field<'_>) -> Option<u64> {
    let (field::BY_HOST_ID, Value::Bytes(mut message)) = (entry.number, entry.value) else {
        return None;
    };
    match wire::next_field(&mut message).ok()? {
        Field {
            number: 1,
            value: Value::Integer(host),
        } if !message.is_empty() => Some(host),
        _ => None,
    }
}

/// Whether a new cache may follow the present one.
///
/// # Errors
/// Where it has no host or directory, or lost more than `max_shrink` (0 to 1) of one of them.
pub fn check_size(present: Option<Size>, new: Size, max_shrink: f64) -> Result<(), GenerateError> {
    let refused = |what: &str| {
        GenerateError::Refused(format!(
            "the new cache {what}; the present file stays as it is; check the database, or publish it with --force"
        ))
    };
    let pairs = [
        ("hosts", present.map(|size| size.hosts), new.hosts),
        ("directories", present.map(|size| size.directories), new.directories),
        ("repositories", present.map(|size| size.repositories), new.repositories),
    ];
    for (what, before, after) in pairs {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
        let too_few = before.is_some_and(|before| (after as f64) < before as f64 * (1.0 - max_shrink));
        // A master without repositories is asked for paths only.
        if after == 0 && what != "repositories" {
            return Err(refused(&format!("has no {what}")));
        }
        if too_few {
            let before = before.unwrap_or_default();
            return Err(refused(&format!(
                "has {after} {what} instead of {before}, a loss of more than {}%",
                max_shrink * 100.0
            )));
        }
    }
    Ok(())
}

/// A file of another generator is given up after this many times that it was gone when its lock was ours.
const LOCK_ATTEMPTS: usize = 8;

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(opened), Ok(there)) => (opened.dev(), opened.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Gives the present file a second name. Where the file system has no links, it is copied.
fn keep_previous(target: &Path) -> io::Result<()> {
    let link = previous_link(target);
    match fs::hard_link(target, &link) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {
            fs::copy(target, &link)?;
        }
    }
    fs::rename(link, beside(target, "", ".previous"))
}

fn previous_link(target: &Path) -> PathBuf {
    beside(target, ".", ".previous.new")
}

fn beside(target: &Path, before: &str, after: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(target.file_name().unwrap_or_default());
    name.push(after);
    target.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl NewFile {
        fn write_bytes(&self, bytes: &[u8]) {
            io::Write::write_all(&mut (&self.file), bytes).unwrap();
        }
    }

    const SIZE: Size = Size {
        hosts: 100,
        directories: 1000,
        repositories: 40,
    };

    #[test]
    fn what_shrinks_too_much_is_refused() {
        assert!(check_size(Some(SIZE), SIZE, 0.25).is_ok());
        assert!(check_size(Some(SIZE), Size { hosts: 75, ..SIZE }, 0.25).is_ok());
        assert!(check_size(None, SIZE, 0.25).is_ok());
        for (size, said) in [
            (
                Size { hosts: 74, ..SIZE },
                "74 hosts instead of 100, a loss of more than 25%",
            ),
            (
                Size {
                    directories: 700,
                    ..SIZE
                },
                "700 directories instead of 1000",
            ),
            (
                Size {
                    repositories: 29,
                    ..SIZE
                },
                "29 repositories instead of 40",
            ),
            (
                Size {
                    repositories: 0,
                    ..SIZE
                },
                "0 repositories instead of 40",
            ),
            (Size { hosts: 0, ..SIZE }, "no hosts"),
        ] {
            let error = check_size(Some(SIZE), size, 0.25).unwrap_err();
            assert_eq!(error.exit_code(), 70);
            assert!(error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn one_generator_writes_a_file_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("cache.proto");
        let names = || {
            let mut names: Vec<_> = fs::read_dir(folder.path())
                .unwrap()
                .map(|e| e.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        // As a killed run leaves it.
        fs::write(folder.path().join(".cache.proto.new"), "half").unwrap();
        for content in ["one", "two", "three"] {
            let new = NewFile::begin(&target).unwrap();
            let second = NewFile::begin(&target).err().unwrap();
            assert_eq!(second.exit_code(), 73);
            assert!(second.to_string().contains("another generator"), "{second}");
            new.write_bytes(content.as_bytes());
            new.publish().unwrap();
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "three");
        assert_eq!(
            fs::read_to_string(folder.path().join("cache.proto.previous")).unwrap(),
            "two"
        );
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o644);
        drop(NewFile::begin(&target).unwrap());
        assert_eq!(names(), ["cache.proto", "cache.proto.previous"]);
    }

    #[test]
    fn a_link_goes_on_leading_to_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.proto"), folder.path().join("link.proto"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let new = NewFile::begin(&link).unwrap();
        new.write_bytes(b"new");
        new.publish().unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
