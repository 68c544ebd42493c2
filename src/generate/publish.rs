//! A new cache in the place of the old one: never half a file, never a bad one, and the last one stays at hand.
//!
//! The new file is created in the same folder under a name of its own, and is also the lock: the generator that holds it is the
//! only one of that cache. A run that was killed leaves this file, which nothing holds; the next run removes it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::PermissionsExt as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use super::deadline::Deadline;
use super::encode::field;
use super::error::GenerateError;
use super::exclusive::{self, Links, MODE, is_at};
use super::follow::{Followed, Written};
use super::lock_holder;
use super::served::{Gone, Served, ServedBuilder};
use super::unfinished::Unfinished;
use foldhash::fast::FixedState;

use crate::cache::read::stream::FieldReader;
use crate::cache::wire::{self, Field, Value};
use crate::snapshot::Catalogue;
use crate::snapshot::age::{self, Utc};
use crate::warnings::Warnings;

/// Files are written and read in pieces of this many bytes, which stay in a processor's cache.
const WRITE_BUFFER: usize = 256 << 10;
const READ_BUFFER: usize = 256 << 10;

/// A new cache file that is not in its place yet. Dropped, it disappears.
pub struct NewFile {
    /// Where it will be.
    target: PathBuf,
    /// Where it is.
    path: PathBuf,
    file: File,
    unfinished: Unfinished,
    deadline: Deadline,
    published: bool,
}

impl NewFile {
    /// Begins a new file in the folder of `outfile`; if that is a link, of what it leads to.
    ///
    /// # Errors
    /// If it can't be written, is something else than a file, or another generator is writing it.
    pub(super) fn begin(outfile: &Path, unfinished: &Unfinished, deadline: Deadline) -> Result<Self, GenerateError> {
        let target = fs::canonicalize(outfile).unwrap_or_else(|_| outfile.to_owned());
        let path = beside(&target, ".", ".new");
        let failed = |error: io::Error| GenerateError::output(&target, &error);
        if fs::metadata(&target).is_ok_and(|there| !there.is_file()) {
            return Err(GenerateError::Output {
                path: target,
                problem:
                    "it is no file but a folder, a pipe or a device; name another one with --outfile, or remove it"
                        .to_owned(),
            });
        }
        let file = match lock(&path).map_err(failed)? {
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
            published: false,
        };
        let failed = |error: io::Error| GenerateError::output(&new.target, &error);
        // Known before the database is asked. While it is written, other generators have to be able to open it.
        new.take_over().map_err(failed)?;
        new.file.set_permissions(Permissions::from_mode(MODE)).map_err(failed)?;
        exclusive::remove(&previous_link(&new.target)).map_err(failed)?;
        Ok(new)
    }

    /// Writes the file and, meanwhile, reads it back as a server would. At the end it is on the disk.
    ///
    /// # Errors
    /// If it can't be written, for example because the disk is full, or not in time, or a server would refuse it.
    pub(super) fn write(
        &self,
        write: impl FnOnce(BufWriter<Followed<'_>>) -> io::Result<u64>,
    ) -> Result<(u64, Catalogue), GenerateError> {
        let failed = |error: io::Error| match self.deadline.check(WRITING) {
            Err(missed) => missed,
            Ok(()) => GenerateError::output(&self.target, &error),
        };
        let written = Written::new(self.deadline);
        let reader = written.reader(&self.file);
        thread::scope(|scope| {
            let validated = scope.spawn(|| validate(BufReader::with_capacity(READ_BUFFER, reader)));
            let writer = BufWriter::with_capacity(WRITE_BUFFER, written.writer(&self.file));
            let bytes = write(writer).and_then(|bytes| self.file.sync_all().map(|()| bytes));
            // A panic over there is a defect; it goes on here.
            let validated = validated.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            Ok((bytes.map_err(failed)?, validated?))
        })
    }

    /// Gives the file the mode, the group and the owner of the one in its place, if there is one.
    fn take_over(&self) -> io::Result<()> {
        match fs::metadata(&self.target) {
            Ok(old) => exclusive::take_over(&self.file, &old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts the file in its place. The old one stays in the same folder as `….previous`, if that is asked for.
    ///
    /// # Errors
    /// If that can't be done, or not in time; the old file is where it was.
    pub(super) fn publish(mut self, previous: Previous) -> Result<(), GenerateError> {
        self.deadline.check(WRITING)?;
        let failed = |error: io::Error| GenerateError::output(&self.target, &error);
        self.take_over().map_err(failed)?;
        if previous == Previous::Keep {
            keep_previous(&self.target).map_err(failed)?;
        }
        if !is_at(&self.file, &self.path) {
            return Err(failed(io::Error::other(format!(
                "something replaced or removed {}; see that only the generator may write the folder",
                self.path.display()
            ))));
        }
        self.unfinished
            .finish(&self.path, || fs::rename(&self.path, &self.target))
            .map_err(failed)?;
        self.published = true;
        let folder = folder_of(&self.target);
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

/// What becomes of the file that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previous {
    /// It stays as `….previous`.
    Keep,
    /// It goes. A `….previous` of an earlier run stays as it is.
    Drop,
}

/// What a run does at its end, for messages.
const WRITING: &str = "writing the new cache";

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.published && is_at(&self.file, &self.path) {
            // What can't be removed is replaced by the next run.
            let _ = self.unfinished.finish(&self.path, || fs::remove_file(&self.path));
        }
    }
}

enum Lock {
    /// A new file that this process holds.
    Ours(File),
    /// Another process holds the file: which one, in words.
    Theirs(String),
}

/// Creates the file at a path and holds it, if no other process does that already.
fn lock(path: &Path) -> io::Result<Lock> {
    // The file is renamed or removed by the process that holds it: the one that was opened has to be the one that is there
    // once it is held.
    for _ in 0..LOCK_ATTEMPTS {
        let created = match exclusive::create_new(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
            Err(error) => return Err(error),
        };
        let is_new = created.is_some();
        let file = match created {
            Some(file) => file,
            None => match open_there(path)? {
                Some(file) => file,
                None => continue,
            },
        };
        match file.try_lock() {
            Ok(()) if !is_at(&file, path) => {}
            Ok(()) if is_new => return Ok(Lock::Ours(file)),
            // Left by a run that was killed. It goes while it is held, so that no other process takes it for that, too.
            Ok(()) => exclusive::remove(path)?,
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
    match exclusive::open_file(path, Links::Refuse) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A link, a pipe, a device, a socket, or a file that may not be read, which no generator makes.
        Err(_) => exclusive::remove(path).map(|()| None),
    }
}

/// Reads a new cache as a server would.
///
/// # Errors
/// If a server would refuse it.
pub fn validate(file: impl io::BufRead) -> Result<Catalogue, GenerateError> {
    let refused = |problem: String| {
        GenerateError::Refused(format!(
            "the new cache is not usable: {problem}; the present file stays as it is"
        ))
    };
    let mut warnings = Warnings::default();
    let catalogue = Catalogue::read(file, &mut warnings)
        .map_err(|error| refused(format!("{error}; check that this is the right database")))?;
    age::check_created(catalogue.created(), age::now()).map_err(|error| refused(error.to_string()))?;
    Ok(catalogue)
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

/// What of the present cache the next one is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// How much it has.
    pub size: Size,
    /// What clients find in it.
    pub served: Served,
    /// When it says that it was made, in seconds since the Unix epoch.
    pub time: Option<u64>,
}

/// The present cache; none if there is none that can be read. Its entries are counted, not judged: that takes a fraction of the
/// time of loading it.
pub fn present(outfile: &Path) -> Option<Present> {
    let file = exclusive::open_file(outfile, Links::Follow).ok()?;
    let mut fields = FieldReader::new(BufReader::with_capacity(READ_BUFFER, file));
    let (mut directories, mut repositories, mut time) = (0, 0, None);
    let mut hosts = HashSet::<u64, FixedState>::default();
    let mut served = ServedBuilder::default();
    while let Some(field) = fields.next().ok()? {
        match (field.number, field.value) {
            (field::TIME, Value::Integer(made)) => time = Some(made),
            (field::DISABLED_REPOSITORY, Value::Bytes(entry)) => served.disabled(entry),
            (field::REPO_ARCH_TO_DIRECTORY_NAME, Value::Bytes(entry)) => {
                repositories += 1;
                served.repository(entry);
            }
            (field::MIRROR_LIST, Value::Bytes(directory)) => {
                directories += 1;
                let (mut name, mut subpath, mut carried) = ("", None, false);
                for entry in wire::fields(directory) {
                    let entry = entry.ok()?;
                    match entry.number {
                        field::DIRECTORY => name = wire::text(entry.value).unwrap_or_default(),
                        field::SUBPATH => subpath = wire::text(entry.value).ok(),
                        field::BY_HOST_ID => {
                            if let Some(host) = carrying_host(entry) {
                                hosts.insert(host);
                                carried = true;
                            }
                        }
                        _ => {}
                    }
                }
                served.directory(name, subpath, carried);
            }
            _ => {}
        }
    }
    Some(Present {
        size: Size {
            hosts: hosts.len(),
            directories,
            repositories,
        },
        served: served.finish(),
        time,
    })
}

/// The host of an entry of `ByHostId`, if the entry has more than that.
fn carrying_host(entry: Field<'_>) -> Option<u64> {
    let Value::Bytes(mut message) = entry.value else {
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

/// Whether a cache that is made now may follow the present one, by their times.
///
/// # Errors
/// If this machine's clock is behind the time of the present one.
pub fn check_clock(present: Option<&Present>, now: u64) -> Result<(), GenerateError> {
    match present.and_then(|present| present.time) {
        Some(time) if time > now => Err(GenerateError::Refused(format!(
            "the present file was made at {}, which is {} s ahead of this machine's clock ({}); the present file stays as it is; \
             set the clock right or, if the time of the present file is wrong, replace it with --force",
            Utc(time),
            time - now,
            Utc(now)
        ))),
        _ => Ok(()),
    }
}

/// Whether a new cache may follow the present one.
///
/// # Errors
/// Where it has no host or directory, lost more than `max_shrink` (0 to 1) of one of them, or something is gone as a whole.
pub fn check_loss(present: Option<Size>, new: Size, max_shrink: f64, gone: &Gone) -> Result<(), GenerateError> {
    let lost = [lost_part(present, new, max_shrink), gone.describe()];
    let lost: Vec<String> = lost.into_iter().flatten().collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(GenerateError::Refused(format!(
            "the new cache {}; the present file stays as it is; check the database, or publish it with --force",
            lost.join(", and ")
        ))),
    }
}

/// What there is too little of, in words.
fn lost_part(present: Option<Size>, new: Size, max_shrink: f64) -> Option<String> {
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
            return Some(format!("has no {what}"));
        }
        if too_few {
            let before = before.unwrap_or_default();
            return Some(format!(
                "has {after} {what} instead of {before}, a loss of more than {}%",
                max_shrink * 100.0
            ));
        }
    }
    None
}

/// A file of another generator is given up after this many times that it was gone when its lock was ours.
const LOCK_ATTEMPTS: usize = 8;

/// Gives the present file a second name. On a file system without links, it is copied.
fn keep_previous(target: &Path) -> io::Result<()> {
    let link = previous_link(target);
    exclusive::remove(&link)?;
    match fs::hard_link(target, &link) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(_) => {
            let mut copy = exclusive::create(&link)?;
            let mut file = exclusive::open_file(target, Links::Follow)?;
            io::copy(&mut file, &mut copy)?;
            exclusive::take_over(&copy, &file.metadata()?)?;
        }
    }
    fs::rename(&link, beside(target, "", ".previous"))?;
    // Two names of the same file: renaming one to the other leaves both.
    exclusive::remove(&link)
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

    fn begin(outfile: &Path) -> Result<NewFile, GenerateError> {
        NewFile::begin(
            outfile,
            &Unfinished::default(),
            Deadline::new(std::time::Duration::from_secs(60)),
        )
    }

    const SIZE: Size = Size {
        hosts: 100,
        directories: 1000,
        repositories: 40,
    };

    #[test]
    fn what_shrinks_too_much_is_refused() {
        assert!(check_loss(Some(SIZE), SIZE, 0.25, &Gone::default()).is_ok());
        assert!(check_loss(Some(SIZE), Size { hosts: 75, ..SIZE }, 0.25, &Gone::default()).is_ok());
        assert!(check_loss(None, SIZE, 0.25, &Gone::default()).is_ok());
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
            let error = check_loss(Some(SIZE), size, 0.25, &Gone::default()).unwrap_err();
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
            let new = begin(&target).unwrap();
            let second = begin(&target).err().unwrap();
            assert_eq!(second.exit_code(), 73);
            assert!(second.to_string().contains("another generator"), "{second}");
            new.write_bytes(content.as_bytes());
            new.publish(Previous::Keep).unwrap();
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "three");
        assert_eq!(
            fs::read_to_string(folder.path().join("cache.proto.previous")).unwrap(),
            "two"
        );
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o644);
        drop(begin(&target).unwrap());
        assert_eq!(names(), ["cache.proto", "cache.proto.previous"]);
    }

    #[test]
    fn a_link_goes_on_leading_to_the_cache() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real.proto"), folder.path().join("link.proto"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let new = begin(&link).unwrap();
        new.write_bytes(b"new");
        new.publish(Previous::Keep).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
