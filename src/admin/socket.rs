//! The file of the admin listener's Unix socket: taking its path without taking it from a running server, and removing it.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::net::{UnixSocket, UnixStream};

/// Read and write for its user and group.
const MODE: u32 = 0o660;

const BACKLOG: u32 = 128;

/// How long to wait for the lock. Another server that starts or stops in the same folder holds it for some milliseconds.
const LOCK_LIMIT: Duration = Duration::from_secs(2);

/// The file of a socket. Dropping it removes the file, unless another server has replaced it.
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Listens on a path. The socket appears there in one step, with its mode, and replaces only one that nothing listens on.
///
/// # Errors
/// A server listens there (`AddrInUse`), something else than a socket is there, or the operating system refuses.
pub(crate) async fn listen(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let _lock = lock_folder(path)?;
    if holds_socket(path)? && is_alive(path).await? {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another server listens on this socket",
        ));
    }
    let new = path.with_added_extension(std::process::id().to_string());
    if holds_socket(&new)? {
        fs::remove_file(&new)?;
    }
    let listener = prepare(&new, path);
    if listener.is_err() {
        // It may be there or not.
        let _ = fs::remove_file(&new);
    }
    listener
}

/// Makes a socket under a temporary name, and renames it once it has its mode and listens.
fn prepare(new: &Path, path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(new)?;
    // Before it listens it takes no connection, whatever its mode.
    fs::set_permissions(new, Permissions::from_mode(MODE))?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    let identity = identity(new)?;
    fs::rename(new, path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity,
    };
    Ok((listener, file))
}

/// Returns whether a socket is at a path, rather than nothing.
fn holds_socket(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(true),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something else than a socket is there",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether a program listens on a socket.
///
/// # Errors
/// It can't be found out, for want of permission.
async fn is_alive(path: &Path) -> io::Result<bool> {
    match UnixStream::connect(path).await {
        Ok(_) => Ok(true),
        // So many connections wait that this one can't.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Locks a folder, so that servers with sockets in it start and stop in turn. Returns `None` if the folder can't be locked: some
/// network file systems have no locks.
fn lock_folder(path: &Path) -> io::Result<Option<File>> {
    let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) else {
        return Ok(None);
    };
    let started = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(Some(folder)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if started.elapsed() < LOCK_LIMIT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    io::ErrorKind::AddrInUse,
                    "another program holds a lock on the socket's folder",
                ));
            }
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A socket that is left behind is replaced by the next server.
        if let Ok(_lock) = lock_folder(&self.path)
            && identity(&self.path).is_ok_and(|identity| identity == self.identity)
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}
