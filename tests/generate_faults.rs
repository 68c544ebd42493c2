//! The generator when things nearby break: a database that hangs, is silent or has other things to do, poolers, standbys,
//! clocks, and folders where others may write.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper that fails fails the test"
)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use mirrorlist_server::generate::database::Environment;
use mirrorlist_server::generate::{self, DatabaseSource, GenerateError, SilenceLimits};
use mirrorlist_server::settings::GeneratorCommand;
use prost::Message as _;
use slog::Logger;
use support::generator::{
    MANY_PAGES, Setup, carried, checked, fails, generator, read, setup, setup_in, wait_for, waiting, waiting_generator,
};
use support::http;
use support::pgbouncer::Pgbouncer;
use support::postgres::{Cluster, PASSWORD};
use support::process::{describe, run, succeed};
use support::proxy::Proxy;
use support::standby;
use tempfile::TempDir;

/// A generator with `--interval` that can be watched.
struct Staying {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    address: std::net::SocketAddr,
}

impl Staying {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .args(["--metrics-listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = lines.next().unwrap().unwrap();
        let listening: serde_json::Value = serde_json::from_str(&listening).unwrap();
        Self {
            child,
            lines,
            address: listening["address"].as_str().unwrap().parse().unwrap(),
        }
    }

    /// The next line with this text.
    fn line(&mut self, text: &str) -> String {
        let found = self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no line {text:?}"))
    }

    fn health(&self) -> (u16, String) {
        let response = http::get(self.address, "/healthz");
        (response.status, response.text().to_owned())
    }

    fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    fn count(&self, of: &str) -> usize {
        fs::read_dir(format!("/proc/{}/{of}", self.child.id())).unwrap().count()
    }

    fn end(&mut self) -> ExitStatus {
        wait_for("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Staying {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    succeed(Command::new("sh").args(["-c", &format!("kill -s {name} {}", child.id())]));
}

/// How many connections of generators the server has.
fn connections(setup: &Setup<'_>) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = 'generate-mirrorlist-cache'";
    setup.database.client().query_one(query, &[]).unwrap().get(0)
}

/// Generates in this process with short limits for a silent database.
fn generate_here(url: &str, setup: &Setup<'_>, silence: SilenceLimits) -> Result<(), GenerateError> {
    let outfile = setup.outfile();
    let arguments = [
        "generate",
        "--no-dns",
        "--timeout",
        "50s",
        "-o",
        outfile.to_str().unwrap(),
    ];
    let GeneratorCommand::Generate(config) = GeneratorCommand::parse(arguments).unwrap() else {
        panic!("no command to generate");
    };
    let source = DatabaseSource::find(&config, &Environment::from([("DB_URL", url)])).unwrap();
    let source = DatabaseSource { silence, ..source };
    generate::generate(&config, &source, &Logger::root(slog::Discard, slog::o!()))
}

const SHORT: SilenceLimits = SilenceLimits {
    quiet: Duration::from_millis(300),
    proof: Duration::from_millis(1500),
};

fn says(result: Result<(), GenerateError>, part: &str) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 69, "{text}");
    assert!(text.contains(part), "{text}");
    assert!(!text.contains(PASSWORD) && text.lines().count() == 1, "{text}");
}

#[test]
fn a_run_that_waits_for_a_lock_ends_in_time_and_cancels_its_query() {
    let Some(setup) = setup(&[]) else { return };
    setup.cache();
    let before = setup.files();
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    holder
        .batch_execute("LOCK TABLE host_category_dir IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let started = Instant::now();
    let output = setup.generate(&["--timeout", "2s"]);
    fails(
        &output,
        69,
        "not done after 2s, while reading the database (host_category_dir)",
    );
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    wait_for("cancelling", || (connections(&setup) == 0).then_some(()));
    assert_eq!(setup.files(), before);
}

#[test]
fn a_run_ends_in_time_wherever_the_network_goes_silent() {
    let Some(setup) = setup(&[
        "INSERT INTO directory SELECT id, repeat('pub/linux/', 20) || id, NULL FROM generate_series(1000, 9000) AS id;",
    ]) else {
        return;
    };
    let cluster = setup.database.cluster;
    thread::scope(|scope| {
        for (number, (bytes, tls)) in [
            (0, "disable"),
            (0, "require"),
            (5, "require"),
            (100, "disable"),
            (500, "disable"),
        ]
        .into_iter()
        .chain([
            (2_000, "disable"),
            (3_000, "require"),
            (20_000, "disable"),
            (500_000, "disable"),
        ])
        .enumerate()
        {
            let setup = &setup;
            scope.spawn(move || {
                let proxy = Proxy::start(cluster.port);
                proxy.silence(bytes, usize::MAX);
                let url = cluster.url_at(proxy.port, &setup.database.name, &format!("sslmode={tls}"));
                let outfile = setup.folder.path().join(format!("{number}.proto"));
                let output = checked(run(generator(&url).arg("-o").arg(outfile).args(["--timeout", "2s"])));
                fails(&output, 69, "not done after 2s, while");
            });
        }
    });
    assert_eq!(setup.files(), Vec::<String>::new());
}

#[test]
fn runs_that_hang_are_followed_by_others_and_pile_up_nothing() {
    let Some(setup) = setup(&[]) else { return };
    let cluster = setup.database.cluster;
    let proxy = Proxy::start(cluster.port);
    proxy.silence(1_000, usize::MAX);
    let url = cluster.url_at(proxy.port, &setup.database.name, "sslmode=disable");
    let mut command = setup.command_at(&url, &["--interval", "1s", "--timeout", "1s", "--no-dns"]);
    let mut generator = Staying::start(&mut command);
    let mut first = None;
    for _ in 0..4 {
        let line = generator.line("not done after 1s");
        assert!(line.contains("\"exit_code\":69"), "{line}");
        generator.line("waiting");
        let first = *first.get_or_insert((generator.count("task"), generator.count("fd")));
        // The thread of a run may end a moment after the run was given up.
        wait_for("no more threads and descriptors than after the first run", || {
            (generator.count("task") <= first.0 && generator.count("fd") <= first.1).then_some(())
        });
    }
    let (status, text) = generator.health();
    assert_eq!(status, 503, "{text}");
    assert!(
        text.contains("more than three intervals of 1s") && text.contains("not done after 1s"),
        "{text}"
    );
    proxy.silence(u64::MAX, 0);
    generator.line("published");
    wait_for("health", || (generator.health().0 == 200).then_some(()));
    generator.signal("TERM");
    assert!(generator.end().success());
}

#[test]
fn a_run_that_nothing_can_interrupt_is_left_behind() {
    let Some(setup) = setup(&[]) else { return };
    let pipe = setup.folder.path().join("ca.pem");
    succeed(Command::new("mkfifo").arg(&pipe));
    let cluster = setup.database.cluster;
    let parameters = format!("sslmode=require&sslrootcert={}", pipe.display());
    let url = cluster.url_at(cluster.port, &setup.database.name, &parameters);
    let mut command = setup.command_at(&url, &["--timeout", "1s", "--no-dns"]);
    let mut generator = Staying::start(command.args(["--interval", "1s"]));
    let line = generator.line("not done after 1s, while it hangs");
    assert!(line.contains("\"exit_code\":69"), "{line}");
    generator.line("waiting for the run before it, which hangs");
    // Nothing but the run was waiting for the certificates; with them, others succeed.
    let authority = fs::read(cluster.folder.join("ca.pem")).unwrap();
    fs::write(&pipe, &authority).unwrap();
    let regular = setup.folder.path().join("regular.pem");
    fs::write(&regular, &authority).unwrap();
    fs::rename(&regular, &pipe).unwrap();
    generator.line("published");
    assert_eq!(setup.files(), ["ca.pem", "cache.proto"]);
}

#[test]
fn a_database_that_is_stopped_is_silent() {
    let Some(cluster) = Cluster::alone() else { return };
    let setup = setup_in(&cluster, &[]);
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    holder
        .batch_execute("LOCK TABLE host_category_dir IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let limits = SilenceLimits {
        quiet: Duration::from_secs(1),
        ..SHORT
    };
    thread::scope(|scope| {
        let run = scope.spawn(|| generate_here(&setup.database.url(), &setup, limits));
        let mut watcher = setup.database.client();
        wait_for("the generator's query", || {
            let query = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            let waiting: i64 = watcher.query_one(query, &[]).unwrap().get(0);
            (waiting > 0).then_some(())
        });
        cluster.signal("STOP");
        let result = run.join().unwrap();
        cluster.signal("CONT");
        says(result, "it is silent: nothing came for");
    });
    assert!(setup.files().is_empty(), "{:?}", setup.files());
}

#[test]
fn a_connection_that_is_lost_is_silent_though_the_database_works() {
    let Some(setup) = setup(&[]) else { return };
    let cluster = setup.database.cluster;
    for (bytes, said) in [
        (200, "it is silent: it did not let us in within 1.8 s"),
        (1_500, "it is silent: nothing came for"),
        (3_000, "it is silent: nothing came for"),
    ] {
        let proxy = Proxy::start(cluster.port);
        proxy.silence(bytes, 1);
        let url = cluster.url_at(proxy.port, &setup.database.name, "sslmode=disable");
        says(generate_here(&url, &setup, SHORT), said);
    }
}

#[test]
fn a_process_of_the_database_that_is_stopped_is_silent() {
    let Some(setup) = setup(&["
        ALTER TABLE host_category_dir RENAME TO slow;
        CREATE VIEW host_category_dir AS SELECT slow.* FROM slow, generate_series(1, 3000000000) AS n WHERE n < 0
    "]) else {
        return;
    };
    thread::scope(|scope| {
        let run = scope.spawn(|| generate_here(&setup.database.url(), &setup, SHORT));
        let mut watcher = setup.database.client();
        let process: i32 = wait_for("the scan", || {
            let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%string_agg%' \
                         AND pid <> pg_backend_pid()";
            Some(watcher.query_opt(query, &[]).unwrap()?.get(0))
        });
        let kill = |name: &str| succeed(Command::new("sh").args(["-c", &format!("kill -s {name} {process}")]));
        kill("STOP");
        let result = run.join().unwrap();
        kill("CONT");
        says(result, "its process does nothing else");
    });
}

#[test]
fn a_long_query_is_not_silence() {
    let Some(setup) = setup(&["
        ALTER TABLE host_category_dir RENAME TO slow;
        CREATE VIEW host_category_dir AS SELECT slow.* FROM slow, pg_sleep(4)
    "]) else {
        return;
    };
    generate_here(&setup.database.url(), &setup, SHORT).unwrap();
    assert_eq!(read(&setup.outfile()).mirror_list_cache.len(), 5);
    // Nor is one that waits for others.
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    holder
        .batch_execute("LOCK TABLE slow IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    thread::scope(|scope| {
        let run = scope.spawn(|| generate_here(&setup.database.url(), &setup, SHORT));
        let mut watcher = setup.database.client();
        wait_for("a long wait", || {
            let query = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted \
                         AND a.datname = current_database() AND query_start < clock_timestamp() - interval '3 s'";
            let waiting: i64 = watcher.query_one(query, &[]).unwrap().get(0);
            (waiting > 0).then_some(())
        });
        holder.rollback().unwrap();
        run.join().unwrap().unwrap();
    });
}

#[test]
fn a_run_that_hangs_is_no_good_health() {
    let Some(setup) = setup(&[]) else { return };
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    let mut generator = Staying::start(setup.command(&["--no-dns"]).args(["--interval", "1s"]));
    assert_eq!(generator.health(), (200, "ok\n".to_owned()));
    generator.line("published");
    holder
        .batch_execute("LOCK TABLE host_category_dir IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let text = wait_for("ill health", || {
        let (status, text) = generator.health();
        (status == 503).then_some(text)
    });
    assert!(
        text.starts_with("no run has succeeded for ")
            && text.contains("more than three intervals of 1s; one has been under way for")
            && text.contains("(read"),
        "{text}"
    );
    holder.rollback().unwrap();
    wait_for("health", || (generator.health().0 == 200).then_some(()));
}

#[test]
fn a_first_run_that_hangs_is_no_good_health() {
    let Some(setup) = setup(&[]) else { return };
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    holder
        .batch_execute("LOCK TABLE host_category_dir IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let generator = Staying::start(setup.command(&["--no-dns"]).args(["--interval", "1s"]));
    assert_eq!(generator.health().0, 200);
    wait_for("ill health", || (generator.health().0 == 503).then_some(()));
}

#[test]
fn the_second_signal_ends_a_run_at_once() {
    const TERM: i32 = 15;
    const INT: i32 = 2;
    let Some(setup) = setup(&[]) else { return };
    let mut client = setup.database.client();
    let staying = |holder: &mut postgres::Transaction<'_>| {
        waiting(
            &setup,
            holder,
            setup.command(&["--interval", "1h"]).stderr(Stdio::null()),
        )
    };
    for (name, number) in [("TERM", TERM), ("INT", INT)] {
        let mut holder = client.transaction().unwrap();
        let mut child = staying(&mut holder);
        signal(&child, name);
        // Before it has seen the first one, a second one would be the same.
        wait_for("the first signal", || is_blocked_or_caught(&child).then_some(()));
        assert!(child.try_wait().unwrap().is_none());
        let status = wait_for("the end", || {
            signal_if_running(&mut child, name);
            child.try_wait().unwrap()
        });
        assert_eq!(status.signal(), Some(number), "{status}");
        assert!(setup.files().is_empty(), "{:?}", setup.files());
    }
    // After a single one, the run comes to its end.
    let mut holder = client.transaction().unwrap();
    let mut child = staying(&mut holder);
    signal(&child, "TERM");
    holder.rollback().unwrap();
    let status = wait_for("the end", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
    assert_eq!(setup.files(), ["cache.proto"]);
    // A single run has none to come after it: one signal is enough.
    let mut holder = client.transaction().unwrap();
    let mut child = waiting_generator(&setup, &mut holder);
    signal(&child, "TERM");
    let status = wait_for("the end", || child.try_wait().unwrap());
    assert_eq!(status.signal(), Some(TERM), "{status}");
    assert_eq!(setup.files(), ["cache.proto"]);
}

/// Whether no signal waits to be taken by a process.
fn is_blocked_or_caught(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let pending = status
        .lines()
        .filter(|line| line.starts_with("SigPnd") || line.starts_with("ShdPnd"));
    pending.into_iter().all(|line| line.ends_with("0000000000000000"))
}

fn signal_if_running(child: &mut Child, name: &str) {
    if child.try_wait().unwrap().is_none() {
        let _ = Command::new("sh")
            .args(["-c", &format!("kill -s {name} {} 2>/dev/null", child.id())])
            .status();
    }
}

#[test]
fn the_process_that_writes_the_same_file_is_named() {
    let Some(setup) = setup(&[]) else { return };
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    let mut child = waiting_generator(&setup, &mut holder);
    let output = setup.generate(&[]);
    let named = format!("is held by process {} (generate-mirrorlist-cache) since 2", child.id());
    fails(&output, 73, &named);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What can be put in the way of a file: something that has to be removed without touching what it leads to.
fn put_in_the_way(kind: &str, path: &Path, precious: &Path) {
    let _ = fs::remove_file(path);
    match kind {
        "symlink" => symlink(precious, path).unwrap(),
        "dangling" => symlink("/nonexistent/file", path).unwrap(),
        "hard link" => fs::hard_link(precious, path).unwrap(),
        "pipe" => drop(succeed(Command::new("mkfifo").arg(path))),
        _ => fs::write(path, "stale").unwrap(),
    }
}

#[test]
fn nothing_is_written_through_what_is_in_the_way() {
    let Some(setup) = setup(&[]) else { return };
    let others = TempDir::new().unwrap();
    let precious = others.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    let names = [
        ".cache.proto.new",
        ".cache.proto.previous.new",
        ".report.json.new",
        "report.json",
    ];
    for name in names {
        for kind in ["symlink", "dangling", "hard link", "pipe", "stale"] {
            let path = setup.folder.path().join(name);
            if (name, kind) == ("report.json", "pipe") {
                continue;
            }
            put_in_the_way(kind, &path, &precious);
            setup.cache();
            assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{name}: {kind}");
            assert!(setup.report()["cache"]["hosts"].as_u64().unwrap() > 0);
            for made in ["cache.proto", "report.json"] {
                let made = fs::symlink_metadata(setup.folder.path().join(made)).unwrap();
                assert!(made.is_file(), "{name}: {kind}");
            }
            let files = setup.files();
            let left = files.iter().filter(|file| file.starts_with('.')).count();
            assert_eq!(left, 0, "{name}: {kind}: {files:?}");
        }
    }
    // A folder is no generator's leftover.
    for (name, code) in [(".cache.proto.new", 73), (".report.json.new", 73)] {
        let path = setup.folder.path().join(name);
        fs::create_dir(&path).unwrap();
        let report = setup.report_file();
        let output = setup.generate(&["--no-dns", "--report", report.to_str().unwrap()]);
        fails(&output, code, &format!("{name} is in the way"));
        fs::remove_dir(&path).unwrap();
    }
}

#[test]
fn what_is_no_file_is_not_replaced_by_one() {
    let Some(setup) = setup(&[]) else { return };
    let pipe = setup.outfile();
    succeed(Command::new("mkfifo").arg(&pipe));
    fails(
        &setup.generate(&["--no-dns"]),
        73,
        "no file but a folder, a pipe or a device",
    );
    // With --check, nothing is written, and nothing waits for what is never written into the pipe.
    let output = setup.generate(&["--no-dns", "--check"]);
    assert!(output.status.success(), "{}", describe(&output));
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
    fs::remove_file(&pipe).unwrap();
    let report = setup.folder.path().join("null");
    symlink("/dev/null", &report).unwrap();
    let output = setup.generate(&["--no-dns", "--report", report.to_str().unwrap()]);
    fails(
        &output,
        73,
        "no file but a folder, a pipe or a device; name another one with --report",
    );
    assert_eq!(setup.files(), ["null"]);
}

#[test]
fn a_file_that_is_its_own_previous_leaves_no_third_name() {
    let Some(setup) = setup(&[]) else { return };
    setup.cache();
    fs::hard_link(setup.outfile(), setup.folder.path().join("cache.proto.previous")).unwrap();
    setup.cache();
    assert_eq!(setup.files(), ["cache.proto", "cache.proto.previous", "report.json"]);
}

#[test]
fn a_pooler_of_one_connection_is_enough() {
    let Some(setup) = setup(&[MANY_PAGES]) else { return };
    for mode in ["session", "transaction"] {
        let Some(pooler) = Pgbouncer::start(&setup.database, mode) else {
            return;
        };
        let url = pooler.url(&setup.database);
        // The second run gets the connection that the first one had.
        for _ in 0..2 {
            let output = setup.generate_at(&url, &["--no-dns"]);
            assert!(output.status.success(), "{mode}: {}", describe(&output));
            assert_eq!(carried(&read(&setup.outfile())), 1000 + 3, "{mode}");
        }
    }
}

#[test]
fn limits_and_formats_of_the_user_do_not_matter() {
    let Some(cluster) = Cluster::alone() else { return };
    let setup = setup_in(
        &cluster,
        &[
            MANY_PAGES,
            "
        ALTER TABLE host_category_dir RENAME TO slow;
        CREATE VIEW host_category_dir AS SELECT slow.* FROM slow, pg_sleep(1)
    ",
        ],
    );
    setup.execute(&format!(
        "CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
         ALTER ROLE reader SET statement_timeout = '100ms';
         ALTER ROLE reader SET idle_in_transaction_session_timeout = '200ms';
         ALTER ROLE reader SET lock_timeout = '100ms';
         ALTER ROLE reader SET default_transaction_isolation = 'serializable';
         ALTER ROLE reader SET default_transaction_deferrable = on;
         ALTER ROLE reader SET row_security = off;
         ALTER ROLE reader SET client_encoding = 'LATIN1';
         ALTER ROLE reader SET DateStyle = 'German';
         ALTER ROLE reader SET IntervalStyle = 'sql_standard';
         ALTER ROLE reader SET bytea_output = 'escape';
         ALTER ROLE reader SET extra_float_digits = -5;
         ALTER ROLE reader SET standard_conforming_strings = off;
         ALTER ROLE reader SET search_path = public, pg_temp;
         UPDATE host SET name = 'm\u{fc}nchen' WHERE id = 1"
    ));
    let url = setup.database.url().replace("//mm:", "//reader:");
    let report = setup.report_file();
    let mut command = setup.command_at(&url, &["--no-dns", "--report", report.to_str().unwrap()]);
    let output = checked(run(&mut command));
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(carried(&read(&setup.outfile())), 1000 + 3);
    assert_eq!(setup.report()["hosts"][0]["name"], "m\u{fc}nchen");
}

#[test]
fn an_idle_transaction_is_not_ended_while_others_scan() {
    // Every row of host_category_dir waits for a lock.
    let policy = format!(
        "CREATE FUNCTION waits() RETURNS boolean LANGUAGE plpgsql VOLATILE AS
             'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN true; END';
         CREATE POLICY waits ON host_category_dir USING (waits());
         ALTER TABLE host_category_dir ENABLE ROW LEVEL SECURITY;
         CREATE ROLE idle_reader LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO idle_reader;
         ALTER ROLE idle_reader SET idle_in_transaction_session_timeout = '200ms'"
    );
    let Some(setup) = setup(&[MANY_PAGES, &policy]) else {
        return;
    };
    let (mut rows, mut last_table) = (setup.database.client(), setup.database.client());
    let mut rows = rows.transaction().unwrap();
    rows.batch_execute("SELECT pg_advisory_xact_lock(1)").unwrap();
    let mut last_table = last_table.transaction().unwrap();
    last_table
        .batch_execute("LOCK TABLE file_detail IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let url = setup.database.url().replace("//mm:", "//idle_reader:");
    let mut command = setup.command_at(&url, &["--no-dns"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut watcher = setup.database.client();
    let mut are_there = |number: i64, condition: &str| {
        let query = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'idle_reader' AND {condition}"
        );
        let found: i64 = watcher.query_one(&query, &[]).unwrap().get(0);
        (found == number).then_some(())
    };
    wait_for("two scans", || are_there(2, "wait_event = 'advisory'"));
    last_table.rollback().unwrap();
    wait_for("an idle transaction", || {
        are_there(
            1,
            "state = 'idle in transaction' AND state_change < clock_timestamp() - interval '400 ms'",
        )
    });
    rows.rollback().unwrap();
    let output = checked(child.wait_with_output().unwrap());
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(carried(&read(&setup.outfile())), 1000 + 3);
}

#[test]
fn a_query_that_is_cancelled_is_tried_again() {
    let Some(setup) = setup(&[]) else { return };
    for end in ["pg_cancel_backend", "pg_terminate_backend"] {
        let mut client = setup.database.client();
        let mut holder = client.transaction().unwrap();
        let child = waiting_generator(&setup, &mut holder);
        let mut watcher = setup.database.client();
        let waiting = "SELECT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                       WHERE NOT granted AND a.datname = current_database()";
        let first: i32 = watcher.query_one(waiting, &[]).unwrap().get(0);
        watcher.execute(&format!("SELECT {end}({first})"), &[]).unwrap();
        wait_for("the second attempt", || {
            let row = watcher.query_opt(waiting, &[]).unwrap()?;
            (row.get::<_, i32>(0) != first).then_some(())
        });
        holder.rollback().unwrap();
        let output = checked(child.wait_with_output().unwrap());
        let text = describe(&output);
        assert!(
            output.status.success() && text.contains("reading the database again"),
            "{end}: {text}"
        );
        assert_eq!(read(&setup.outfile()).mirror_list_cache.len(), 5);
    }
}

#[test]
fn a_query_that_is_always_cancelled_is_given_up() {
    let Some(setup) = setup(&[]) else { return };
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    let mut child = waiting_generator(&setup, &mut holder);
    let mut watcher = setup.database.client();
    wait_for("the end", || {
        let cancel = "SELECT pg_cancel_backend(l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                      WHERE NOT granted AND a.datname = current_database()";
        watcher.execute(cancel, &[]).unwrap();
        child.try_wait().unwrap()
    });
    let output = checked(child.wait_with_output().unwrap());
    fails(&output, 69, "something cancelled the query");
    assert!(setup.files().is_empty(), "{:?}", setup.files());
}

#[test]
fn a_hot_standby_that_has_to_go_on_is_read_again() {
    let Some(primary) = Cluster::alone() else { return };
    let setup = setup_in(
        &primary,
        &["
        CREATE TABLE changing AS SELECT generate_series(1, 1000) AS id;
        ALTER TABLE changing SET (autovacuum_enabled = off);
        ALTER TABLE host_category_dir RENAME TO slow;
        CREATE VIEW host_category_dir AS SELECT slow.* FROM slow, pg_sleep(2)
    "],
    );
    let standby = standby::follow(&primary);
    let url = standby.url(&setup.database.name);
    let child = setup.command_at(&url, &["-d"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut watcher = postgres::Client::connect(&url, postgres::NoTls).unwrap();
    wait_for("the scan", || {
        let query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let scans: i64 = watcher.query_one(query, &[]).unwrap().get(0);
        (scans > 0).then_some(())
    });
    // The standby has to remove rows that the generator still sees.
    setup.execute("DELETE FROM changing");
    setup.execute("VACUUM changing");
    let output = checked(child.wait_with_output().unwrap());
    let text = describe(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("reading the database again") && text.contains("conflict with recovery"),
        "{text}"
    );
    assert_eq!(read(&setup.outfile()).mirror_list_cache.len(), 5);
}

#[test]
fn a_clock_behind_the_current_file_replaces_nothing_without_force() {
    let Some(setup) = setup(&[]) else { return };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    // Within the five minutes that a server accepts, and beyond.
    for ahead in [100, 3_600, 1_000_000_000_000] {
        let mut current = setup.cache();
        current.time = now + ahead;
        fs::write(setup.outfile(), current.encode_to_vec()).unwrap();
        let before = fs::read(setup.outfile()).unwrap();
        for arguments in [&["--no-dns"][..], &["--no-dns", "--check"]] {
            let output = setup.generate(arguments);
            fails(&output, 70, "s ahead of this machine's clock");
            fails(&output, 70, "--force");
        }
        assert!(fs::read(setup.outfile()).unwrap() == before);
        assert!(setup.generate(&["--no-dns", "--force"]).status.success());
        let made = read(&setup.outfile()).time;
        assert!((now..now + 60).contains(&made), "{made}");
    }
}
