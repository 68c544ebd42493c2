//! A hot standby that cancels whatever is in its way at once.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::postgres::{Cluster, PASSWORD, programs, unprivileged};
use super::process;

/// Starts a standby of a server.
pub(crate) fn follow(primary: &Cluster) -> Cluster {
    let programs = programs().unwrap();
    let folder = tempfile::Builder::new()
        .prefix("mirrorlist-standby-")
        .tempdir()
        .unwrap()
        .keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let source = format!(
        "host=127.0.0.1 port={} user=mm password={PASSWORD} sslmode=disable",
        primary.port
    );
    process::succeed(
        unprivileged(&programs.join("pg_basebackup"))
            .args([
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--no-sync",
            ])
            .arg(format!("--dbname={source}"))
            .arg("--pgdata")
            .arg(folder.join("data")),
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Cluster::run(
        &programs,
        folder,
        port,
        &["-c", "max_standby_streaming_delay=0", "-c", "ssl=off"],
    )
}
