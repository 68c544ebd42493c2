//! The lock of a cache: a file that its generator creates and holds. A run that was killed leaves this file, which no process
//! holds; the next run removes it.

use std::fmt::Write as _;
use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::files::{self, is_at};

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
                return Ok(Lock::Theirs(describe(&file)));
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

/// Says which process holds the lock of this file, as far as the operating system tells, and since when. A run creates its file,
/// so the file is as old as the run.
fn describe(file: &File) -> String {
    let metadata = file.metadata().ok();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = metadata.as_ref().and_then(|metadata| holder(&locks, metadata));
    let mut text = match holder {
        Some(process) => {
            let name = name_of(process).map(|name| format!(" ({name})"));
            format!("process {process}{}", name.unwrap_or_default())
        }
        None => "a process that can't be seen from here, in another container or on another machine".to_owned(),
    };
    if let Some(since) = metadata.and_then(|metadata| metadata.created().or_else(|_| metadata.modified()).ok()) {
        let age = SystemTime::now().duration_since(since).unwrap_or_default();
        let age = humantime::format_duration(Duration::from_secs(age.as_secs()));
        // Writing to a String can't fail.
        let _ = write!(text, " since {} ({age} ago)", humantime::format_rfc3339_seconds(since));
    }
    text
}

/// The process that holds a lock of the whole file, from the text of /proc/locks: lines like
/// `1: FLOCK  ADVISORY  WRITE 4711 fd:01:262147 0 EOF`.
fn holder(locks: &str, metadata: &Metadata) -> Option<u32> {
    let (device, inode) = (metadata.dev(), metadata.ino());
    let (major, minor) = (libc::major(device), libc::minor(device));
    let (exact, of_inode) = (format!("{major:02x}:{minor:02x}:{inode}"), format!(":{inode}"));
    let holder_and_file = |line| {
        let mut words = str::split_whitespace(line).skip(1);
        let (kind, process, file) = (words.next()?, words.nth(2)?, words.next()?);
        (kind == "FLOCK").then_some((process.parse().ok()?, file))
    };
    let mut holders: Vec<(u32, &str)> = locks.lines().filter_map(holder_and_file).collect();
    holders.retain(|(_, file)| file.ends_with(&of_inode));
    // Some file systems show another device there than with the file; then the inode has to do, if it is of one file only.
    let found = match &holders[..] {
        [only] => Some(only),
        holders => holders.iter().find(|(_, file)| *file == exact),
    };
    found.map(|(process, _)| *process)
}

/// The name of a process's program; its arguments could hold secrets.
fn name_of(process: u32) -> Option<String> {
    let folder = Path::new("/proc").join(process.to_string());
    let program = fs::read_link(folder.join("exe")).ok();
    let program = program.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let name = program.or_else(|| fs::read_to_string(folder.join("comm")).ok())?;
    Some(name.trim().chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_named_with_its_program_and_the_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().lock().unwrap();
        let text = describe(&file.reopen().unwrap());
        let process = std::process::id().to_string();
        let program = std::env::current_exe().unwrap();
        let program = program.file_name().unwrap().to_str().unwrap();
        let begin = format!("process {process} ({program}) since 2");
        assert!(text.starts_with(&begin) && text.ends_with("s ago)"), "{text}");
        file.as_file().unlock().unwrap();
        let text = describe(file.as_file());
        assert!(text.starts_with("a process that can't be seen from here"), "{text}");
    }

    #[test]
    fn other_locks_are_of_others() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let metadata = file.as_file().metadata().unwrap();
        let inode = metadata.ino();
        let of_this = format!("1: FLOCK  ADVISORY  WRITE 4711 fd:01:{inode} 0 EOF");
        assert_eq!(holder(&of_this, &metadata), Some(4711));
        for line in [
            format!("1: POSIX  ADVISORY  WRITE 4711 fd:01:{inode} 0 EOF"),
            format!("1: FLOCK  ADVISORY  WRITE 4711 fd:01:1{inode} 0 EOF"),
            format!("1: -> FLOCK  ADVISORY  WRITE 4711 fd:01:{inode} 0 EOF"),
            format!("1: FLOCK ADVISORY WRITE 1 ff:01:{inode} 0 EOF\n2: FLOCK ADVISORY WRITE 2 ff:02:{inode} 0 EOF"),
            "1: FLOCK".to_owned(),
        ] {
            assert_eq!(holder(&line, &metadata), None, "{line}");
        }
    }
}
