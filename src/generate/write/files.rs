//! Files that are created, never opened: anything in the way is removed, not followed. In a folder where others may write, the
//! names of such files can have been taken by links to something precious, by pipes without a reader, or by files of others.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::unfinished::Unfinished;

/// Attempts to remove something that comes into the way again and again.
const ATTEMPTS: usize = 8;

/// All users may read a new file: the servers run as other users.
pub(super) const MODE: u32 = 0o644;

/// Creates a file for reading and writing. Anything that has its name is removed, a link without the file it leads to.
///
/// # Errors
/// If the file can't be created, or a folder is in the way.
pub(super) fn create(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        match create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => remove(path)?,
            result => return result,
        }
    }
    let path = path.display();
    let problem = format!("something creates {path} again and again; find out what, and stop it");
    Err(io::Error::new(io::ErrorKind::AlreadyExists, problem))
}

/// Creates a file for reading and writing that is not there yet.
///
/// # Errors
/// If it is there, or can't be created.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(MODE).open(path)
}

/// Replaces a small file, or a link, in one step: readers see the old content or the new one. The new file takes over mode and group,
/// and is on the disk before it has its name.
///
/// # Errors
/// If it can't be written; the old file is where it was.
pub(crate) fn replace(
    path: &Path,
    unfinished: &Unfinished,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let new = sibling(path, ".", ".new");
    let replaced = (|| {
        let file = create(&new)?;
        unfinished.add(&new);
        match fs::symlink_metadata(path) {
            Ok(old) if old.is_file() => take_over(&file, &old)?,
            _ => {}
        }
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        unfinished.finish(&new, || fs::rename(&new, path))
    })();
    if replaced.is_err() {
        // The next run replaces a file that can't be removed.
        let _ = unfinished.finish(&new, || fs::remove_file(&new));
    }
    replaced
}

/// Gives a file that will replace another one its mode and its group, and its owner as far as that is permitted. A group that
/// can't be kept gives its rights to no other one.
///
/// # Errors
/// If those who read the other file by their group could not read this one.
pub(super) fn take_over(new: &File, old: &Metadata) -> io::Result<()> {
    let now = new.metadata()?;
    if (now.uid(), now.gid()) != (old.uid(), old.gid()) && fchown(new, Some(old.uid()), Some(old.gid())).is_err() {
        // The file shows what came of it.
        let _ = fchown(new, None, Some(old.gid()));
    }
    let mut mode = old.mode() & 0o777;
    if new.metadata()?.gid() != old.gid() {
        let of_others = mode & 0o007;
        if mode & 0o040 != 0 && of_others & 0o004 == 0 {
            let problem = format!(
                "its readers have their right from its group, {}, which this user can't give to a new file; run the generator \
                 as a member of that group, or let all users read the file",
                old.gid()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        mode = mode & 0o707 | of_others << 3;
    }
    new.set_permissions(Permissions::from_mode(mode))
}

/// Removes anything at a path but a folder. Nothing there is fine.
///
/// # Errors
/// If it can't be removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let problem = format!("{} is in the way and can't be removed: {error}", path.display());
            Err(io::Error::new(error.kind(), problem))
        }
        _ => Ok(()),
    }
}

/// Opens a file for reading. A pipe or a device is opened without waiting, and refused. A link is followed, unless `flags` has
/// `O_NOFOLLOW`.
///
/// # Errors
/// If it can't be opened, or is no file.
pub(crate) fn open_file(path: &Path, flags: libc::c_int) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | flags;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    Ok(file)
}

/// Whether an open file is the one at a path, which is not followed.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(opened), Ok(there)) => (opened.dev(), opened.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// A path in the same folder: with another beginning and end of the file's name.
pub(super) fn sibling(path: &Path, before: &str, after: &str) -> PathBuf {
    let mut name = OsString::from(before);
    // A path without a name is a folder, which is refused before.
    name.push(path.file_name().unwrap_or_default());
    name.push(after);
    path.with_file_name(name)
}

/// The problem with a path that leads to something other than a file; `None` if nothing is there.
pub(crate) fn not_a_file(path: &Path, flag: &str) -> Option<String> {
    let there = fs::metadata(path).ok()?;
    (!there.is_file())
        .then(|| format!("it is no file but a folder, a pipe or a device; name another one with {flag}, or remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_over_the_mode_and_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "").unwrap();
        for mode in [0o600, 0o640, 0o664, 0o644] {
            fs::set_permissions(&old, Permissions::from_mode(mode)).unwrap();
            let file = create(&new).unwrap();
            take_over(&file, &fs::metadata(&old).unwrap()).unwrap();
            assert_eq!(file.metadata().unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn what_is_in_the_way_is_removed_and_what_it_leads_to_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, precious) = (folder.path().join("new"), folder.path().join("precious"));
        fs::write(&precious, "precious").unwrap();
        let put_in_the_way: [&dyn Fn(); 5] = [
            &|| fs::write(&path, "stale").unwrap(),
            &|| std::os::unix::fs::symlink(&precious, &path).unwrap(),
            &|| std::os::unix::fs::symlink("/nonexistent/x", &path).unwrap(),
            &|| fs::hard_link(&precious, &path).unwrap(),
            &|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
        ];
        for put in put_in_the_way {
            put();
            let mut file = create(&path).unwrap();
            file.write_all(b"new").unwrap();
            assert!(is_at(&file, &path) && fs::symlink_metadata(&path).unwrap().is_file());
            assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
            fs::remove_file(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
        let error = create(&path).unwrap_err().to_string();
        assert!(error.contains("new is in the way"), "{error}");
    }
}
