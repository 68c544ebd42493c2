//! The built `generate-mirrorlist-cache` on a small world in a database of its own, and what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Instant;

use mirrorlist_server::cache::proto::{MirrorList, MirrorListCacheType};
use prost::Message as _;
use tempfile::TempDir;

use super::PATIENCE;
use super::postgres::{Cluster, Database, PASSWORD, cluster};
use super::process::{describe, run};

const SCHEMA: &str = include_str!("../fixtures/mirrormanager.sql");
const WORLD: &str = include_str!("../fixtures/world.sql");

/// A database and a folder for what is made of it.
pub(crate) struct Setup<'a> {
    pub(crate) database: Database<'a>,
    pub(crate) folder: TempDir,
}

impl Setup<'_> {
    pub(crate) fn outfile(&self) -> PathBuf {
        self.folder.path().join("cache.proto")
    }

    pub(crate) fn report_file(&self) -> PathBuf {
        self.folder.path().join("report.json")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_at(&self.database.url(), arguments)
    }

    /// A generator that reaches the database by another way.
    pub(crate) fn command_at(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = generator(url);
        command.arg("-o").arg(self.outfile()).args(arguments);
        command
    }

    pub(crate) fn generate(&self, arguments: &[&str]) -> Output {
        checked(run(&mut self.command(arguments)))
    }

    pub(crate) fn generate_at(&self, url: &str, arguments: &[&str]) -> Output {
        checked(run(&mut self.command_at(url, arguments)))
    }

    /// Generates without resolving names; gives the cache.
    pub(crate) fn cache(&self) -> MirrorList {
        let output = self.generate(&["--no-dns", "--report", self.report_file().to_str().unwrap()]);
        assert!(output.status.success(), "{}", describe(&output));
        read(&self.outfile())
    }

    /// The warnings of the last cache: how many of each kind, and all their texts.
    pub(crate) fn warnings(&self) -> (BTreeMap<String, u64>, String) {
        let report = self.report();
        let kinds = report["warnings"].as_object().unwrap();
        let counts = kinds
            .iter()
            .map(|(kind, found)| (kind.clone(), found["count"].as_u64().unwrap()));
        (counts.collect(), report["warnings"].to_string())
    }

    /// Asserts how many warnings of these kinds the last cache has. Returns the texts of all.
    pub(crate) fn warns(&self, kinds: &[(&str, u64)]) -> String {
        let (counts, texts) = self.warnings();
        for (kind, count) in kinds {
            assert_eq!(counts.get(*kind).copied().unwrap_or(0), *count, "{kind}: {texts}");
        }
        texts
    }

    pub(crate) fn report(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.report_file()).unwrap()).unwrap()
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn execute(&self, statements: &str) {
        self.database.client().batch_execute(statements).unwrap();
    }
}

/// The small world and these statements, in the server of this process; none if PostgreSQL isn't installed.
pub(crate) fn setup(statements: &[&str]) -> Option<Setup<'static>> {
    Some(setup_in(cluster()?, statements))
}

/// The same in another server.
pub(crate) fn setup_in<'a>(cluster: &'a Cluster, statements: &[&str]) -> Setup<'a> {
    encoded_setup_in(cluster, "UTF8", statements)
}

/// The same in a database with another encoding.
pub(crate) fn encoded_setup_in<'a>(cluster: &'a Cluster, encoding: &str, statements: &[&str]) -> Setup<'a> {
    let all: Vec<&str> = [SCHEMA, WORLD].into_iter().chain(statements.iter().copied()).collect();
    Setup {
        database: cluster.database_in(encoding, &all),
        folder: TempDir::new().unwrap(),
    }
}

/// The program, which sees nothing of the variables and the home folder of who runs the tests.
pub(crate) fn generator(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("PG") {
            command.env_remove(variable);
        }
    }
    command.env("DB_URL", url).env("HOME", "/nonexistent");
    command
}

/// No output may hold the password, whatever happens.
pub(crate) fn checked(output: Output) -> Output {
    let text = describe(&output);
    assert!(!text.contains(PASSWORD), "the password is in the output: {text}");
    output
}

pub(crate) fn fails(output: &Output, code: i32, said: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().last().unwrap_or_default();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(
        last.starts_with("generate-mirrorlist-cache: ") && last.contains(said),
        "{text}"
    );
}

pub(crate) fn read(path: &Path) -> MirrorList {
    MirrorList::decode(fs::read(path).unwrap().as_slice()).unwrap()
}

/// Waits for the thing.
pub(crate) fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "{what} did not happen");
        thread::yield_now();
    }
}

/// A generator that waits for a table which a transaction of the test has locked.
pub(crate) fn waiting_generator(setup: &Setup<'_>, holder: &mut postgres::Transaction<'_>) -> Child {
    waiting(setup, holder, setup.command(&["-d"]).stderr(Stdio::piped()))
}

/// The same for any command.
pub(crate) fn waiting(setup: &Setup<'_>, holder: &mut postgres::Transaction<'_>, command: &mut Command) -> Child {
    holder
        .batch_execute("LOCK TABLE host_category_dir IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let child = command.spawn().unwrap();
    let mut watcher = setup.database.client();
    wait_for("waiting for the lock", || {
        let query = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                     WHERE NOT granted AND d.datname = current_database()";
        let waiting: i64 = watcher.query_one(query, &[]).unwrap().get(0);
        (waiting > 0).then_some(())
    });
    child
}

/// A port where nothing listens.
pub(crate) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A thousand directories in a host_category_dir of wide rows, which make many pages of few rows, so that several connections
/// would like to read them.
pub(crate) const MANY_PAGES: &str = "
    ALTER TABLE host_category_dir ADD COLUMN path text;
    ALTER TABLE host_category_dir ALTER COLUMN path SET STORAGE PLAIN;
    INSERT INTO directory SELECT id, 'pub/linux/' || id, NULL FROM generate_series(1000, 1999) AS id;
    INSERT INTO category_directory SELECT 1, id FROM generate_series(1000, 1999) AS id;
    INSERT INTO host_category_dir SELECT id, 1, true, 1000 + id % 1000, repeat('x', 7000)
        FROM generate_series(1000, 18999) AS id;
    ";

/// The number of directories that host 1 carries alone: those thousand, and 3 of the small world.
pub(crate) fn carried(cache: &MirrorList) -> usize {
    cache.mirror_list_cache.iter().filter(|d| d.global == [1]).count()
}

/// The directory of a cache with a name.
pub(crate) fn directory<'a>(cache: &'a MirrorList, name: &str) -> &'a MirrorListCacheType {
    let found = cache
        .mirror_list_cache
        .iter()
        .find(|directory| directory.directory == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}
