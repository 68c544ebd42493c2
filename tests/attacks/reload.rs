//! Reloads at the wrong time: callers while one is under way, storms of signals, files that can't be read for a while.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mirrorlist_server::cache::proto::MirrorList;
use serde_json::Value;

use super::fixture;
use super::support::PATIENCE;
use super::support::data::DataFiles;
use super::support::http::{Response, get, post};
use super::support::postgres::unprivileged;
use super::support::process::succeed;
use super::support::server::Server;

const NO_WATCH: [&str; 2] = ["--reload.watch", "off"];

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

fn newer(seconds: u64) -> MirrorList {
    MirrorList {
        time: fixture::CREATED + seconds,
        ..fixture::cache_message()
    }
}

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}"))
}

fn reloads(server: &Server, outcome: &str) -> u64 {
    let metrics = server.admin_get("/metrics");
    let series = format!("mirrorlist_reloads_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap().parse().unwrap()
}

fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let started = Instant::now();
    while !wanted() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

/// A reload that has begun to read a file and goes on once this is dropped.
struct UnderWay {
    holder: Child,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // The end of its input lets the reader go on.
        drop(self.holder.stdin.take());
        self.holder.wait().unwrap();
    }
}

/// Holds a lease on a file (fcntl(2)): who opens it waits. Tells when somebody does, and lets go at the end of its input.
const HOLDER: &str = "
import fcntl, os, signal, sys
file = os.open(sys.argv[1], os.O_RDWR)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGIO])
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
signal.sigwait([signal.SIGIO])
print('wanted', flush=True)
sys.stdin.read()
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
";

/// Begins a reload that reads an empty file, in place of a good one, and is refused for it in the end. The next reload reads the
/// good one.
fn begin_reload(data: &DataFiles, begin: impl FnOnce()) -> UnderWay {
    let under_way = hold_reloads(data, begin);
    let path = data.country_continent();
    fs::rename(path.with_extension("kept"), path).unwrap();
    under_way
}

/// Begins a reload that reads an empty file, as all reloads after it. (A signal has a reader open the file once more.)
fn hold_reloads(data: &DataFiles, begin: impl FnOnce()) -> UnderWay {
    let (path, kept) = (
        data.country_continent(),
        data.country_continent().with_extension("kept"),
    );
    fs::rename(&path, kept).unwrap();
    File::create(&path).unwrap();
    let mut holder = Command::new("python3")
        .args(["-c", HOLDER])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert_eq!(says.next().unwrap().unwrap(), "held");
    begin();
    assert_eq!(says.next().unwrap().unwrap(), "wanted");
    UnderWay { holder }
}

#[test]
fn a_report_speaks_of_the_files_as_they_are_after_the_call() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let admin = server.admin_listen().parse().unwrap();
    thread::scope(|scope| {
        let mut first = None;
        let under_way = begin_reload(&data, || first = Some(scope.spawn(move || get(admin, "/admin/reload"))));
        server.wait_for_message("a reload is asked for");
        data.write_cache(&newer(60));
        let second = scope.spawn(move || get(admin, "/admin/reload"));
        server.wait_for_message("a reload is asked for");
        drop(under_way);
        assert_eq!(json(&first.unwrap().join().unwrap())["outcome"], "refused");
        let second = json(&second.join().unwrap());
        assert_eq!(
            (&second["outcome"], &second["changed"]),
            (&"replaced".into(), &serde_json::json!(["cache"]))
        );
    });
    let created = &json(&server.admin_get("/admin/status"))["files"]["cache"]["created"];
    assert_eq!(*created, fixture::CREATED + 60);
}

#[test]
fn who_waits_shares_a_reload_with_his_like() {
    const EACH: usize = 20;
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let admin = server.admin_listen().parse().unwrap();
    thread::scope(|scope| {
        let under_way = begin_reload(&data, || server.signal("HUP"));
        // Older than what serves: refused, unless it is forced.
        data.write_cache(&MirrorList {
            time: fixture::CREATED - 60,
            ..fixture::cache_message()
        });
        let plain: Vec<_> = (0..EACH)
            .map(|_| scope.spawn(move || json(&get(admin, "/admin/reload"))))
            .collect();
        for _ in 0..EACH {
            server.wait_for_message("a reload is asked for");
        }
        let forced: Vec<_> = (0..EACH)
            .map(|_| scope.spawn(move || json(&post(admin, "/admin/reload?force=true"))))
            .collect();
        for _ in 0..EACH {
            server.wait_for_message("a reload is asked for");
        }
        // A storm of signals is one more caller.
        storm(&server, 200);
        assert_eq!(server.admin_get("/livez").status, 200);
        drop(under_way);
        for caller in plain {
            let report = caller.join().unwrap();
            assert_eq!(
                (&report["outcome"], &report["forced"]),
                (&"refused".into(), &false.into())
            );
        }
        for caller in forced {
            let report = caller.join().unwrap();
            assert_eq!(
                (&report["outcome"], &report["forced"]),
                (&"replaced".into(), &true.into())
            );
        }
    });
    // It comes after all that was asked for before.
    json(&get(admin, "/admin/reload"));
    // The running one, the one that all plain callers share, the one of all forced ones, the last one, and at most two for all
    // signals: some can join the plain callers, some come while the first of these two runs.
    let all: u64 = ["replaced", "unchanged", "refused"]
        .iter()
        .map(|outcome| reloads(&server, outcome))
        .sum();
    assert!((4..=6).contains(&all), "{all} reloads");
}

fn storm(server: &Server, signals: usize) {
    let process = server.process();
    let script = format!("i=0; while [ $i -lt {signals} ]; do kill -HUP {process}; i=$((i+1)); done");
    succeed(Command::new("sh").args(["-c", &script]));
}

#[test]
fn a_reload_that_never_ends_and_a_storm_of_signals_hold_up_no_stop() {
    let data = data();
    let mut server = Server::start(&data, &NO_WATCH);
    let admin = server.admin_listen().parse().unwrap();
    let mut callers = Vec::new();
    // One waits for the reload under way, the other for the next.
    let mut call = || {
        callers.push(thread::spawn(move || get(admin, "/admin/reload")));
        server.wait_for_message("a reload is asked for");
    };
    let under_way = hold_reloads(&data, &mut call);
    call();
    storm(&server, 1000);
    server.signal("TERM");
    server.wait_for_message("draining");
    let status = server.ends_within(Duration::from_secs(20));
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    for caller in callers {
        let answer = caller.join().unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    drop(under_way);
}

#[test]
fn what_cannot_be_read_for_now_is_tried_again_and_what_is_wrong_is_not() {
    let data = data();
    fs::set_permissions(data.cache().parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let command = unprivileged(Path::new(env!("CARGO_BIN_EXE_mirrorlist-server")));
    let arguments = ["--reload.watch", "20ms", "--reload.settle", "20ms", "--log", "-"];
    let server = Server::start_command(command, &data, &arguments, &[]);
    let mode = |mode| fs::set_permissions(data.cache(), fs::Permissions::from_mode(mode)).unwrap();
    // Permissions belong to the file that comes, and are no change of it when they change.
    let new = data.cache().with_file_name("unreadable");
    fs::write(&new, prost::Message::encode_to_vec(&newer(60))).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o000)).unwrap();
    fs::rename(&new, data.cache()).unwrap();
    let refused = server.wait_for_message("reload refused; keeping the current data");
    assert!(
        refused.contains("cannot read it") && refused.contains("\"passing\":true"),
        "{refused}"
    );
    eventually("another attempt", || reloads(&server, "refused") >= 2);
    mode(0o644);
    // That was tried again in silence: the next message tells of the success.
    let next = server.next_message();
    assert!(
        next.contains("\"msg\":\"reload finished\"") && next.contains("\"replaced\""),
        "{next}"
    );
    let before = reloads(&server, "refused");
    assert!(before < 10, "{before} attempts");

    // The file that was read and is wrong waits for a change, for longer than the first attempts would take.
    let garbage = data.cache().with_file_name("garbage");
    fs::write(&garbage, "garbage").unwrap();
    fs::rename(garbage, data.cache()).unwrap();
    let refused = server.wait_for_message("reload refused; keeping the current data");
    assert!(refused.contains("\"passing\":false"), "{refused}");
    let refusals = reloads(&server, "refused");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        assert_eq!(reloads(&server, "refused"), refusals);
        thread::yield_now();
    }
}

#[test]
fn warnings_are_those_of_what_was_loaded() {
    let data = data();
    fs::write(
        data.global_netblocks(),
        "198.51.100.0/24 64496\n2001:db8::/32 64497\nbad\n",
    )
    .unwrap();
    let server = Server::start(&data, &NO_WATCH);
    fs::write(
        data.global_netblocks(),
        "198.51.100.0/24 64496\n2001:db8::/32 64498\nbad\nworse\n",
    )
    .unwrap();
    let mut cache = Vec::new();
    File::open(data.cache()).unwrap().read_to_end(&mut cache).unwrap();
    fs::write(data.cache(), "garbage").unwrap();
    let report = json(&server.admin_get("/admin/reload"));
    assert_eq!(report["outcome"], "refused");
    assert_eq!(report["changed"], serde_json::json!(["cache", "global_netblocks"]));
    server.wait_for_message("reload refused; keeping the current data");
    File::create(data.cache()).unwrap().write_all(&cache).unwrap();
    assert_eq!(json(&server.admin_get("/admin/reload"))["outcome"], "replaced");
    // The fixture's cache has some, too.
    for (file, count) in [("mirrorlist_cache.proto", 3), ("global_netblocks.txt", 2)] {
        let warning = server.wait_for_message("entries of a data file are left out");
        let counted = format!("\"count\":{count},");
        assert!(warning.contains(file) && warning.contains(&counted), "{warning}");
    }
}
