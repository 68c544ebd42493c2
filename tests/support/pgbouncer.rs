//! A pooler with a single connection to the database.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::time::Instant;

use postgres::{Client, NoTls};
use tempfile::TempDir;

use super::postgres::{Database, PASSWORD, unprivileged};
use super::{PATIENCE, process};

/// A pooler that runs; dropping it stops it.
pub(crate) struct Pgbouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Pgbouncer {
    /// Starts a pooler of one connection before a database; none if it isn't installed, and then the test is skipped.
    pub(crate) fn start(database: &Database<'_>, pool_mode: &str) -> Option<Self> {
        let Some(program) = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
            .map(std::path::PathBuf::from)
            .into_iter()
            .find(|program| program.is_file())
            .or_else(|| process::find("pgbouncer"))
        else {
            eprintln!("SKIPPED: the generator through a pooler: not installed: pgbouncer");
            let required = std::env::var("TESTS_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
            assert!(!required, "pgbouncer is required and not there");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=mm password={PASSWORD}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = 1\n\
             max_db_connections = 1\n",
            database.cluster.port
        );
        fs::write(&settings, text).unwrap();
        let child = unprivileged(&program)
            .arg("-q")
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pooler = Self {
            child,
            port,
            _folder: folder,
        };
        let started = Instant::now();
        while let Err(error) = Client::connect(&pooler.url(database), NoTls) {
            assert!(started.elapsed() < PATIENCE, "pgbouncer doesn't start: {error}");
            std::thread::yield_now();
        }
        Some(pooler)
    }

    /// The URL of the database through the pooler.
    pub(crate) fn url(&self, database: &Database<'_>) -> String {
        database.cluster.url_at(self.port, &database.name, "sslmode=disable")
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
