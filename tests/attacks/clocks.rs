//! Clocks that are wrong, on the machine that makes the data or on the one that serves it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use mirrorlist_server::cache::proto::MirrorList;

use crate::fixture;
use crate::support::data::DataFiles;
use crate::support::mmdb::{BUILT, mmdb};
use crate::support::process::{describe, run};
use crate::support::server::Server;

const NO_WATCH: [&str; 2] = ["--reload.watch", "off"];
const DAY: u64 = 24 * 60 * 60;
const LIST: &str = "/mirrorlist?repo=linux-1&arch=x86_64&time";

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn cache_of(created: u64) -> MirrorList {
    let mut cache = fixture::cache_message();
    cache.time = created;
    cache
}

/// When the cache that serves says that it was made.
fn serves(server: &Server) -> u64 {
    let response = server.get(LIST);
    let line = response
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("# database creation time: "));
    line.unwrap().parse().unwrap()
}

fn reload(server: &Server) -> serde_json::Value {
    serde_json::from_slice(&server.admin_get("/admin/reload").body).unwrap()
}

fn is_refused_for(report: &serde_json::Value, part: &str) {
    assert_eq!(report["outcome"], "refused", "{report}");
    assert!(report["reasons"][0].as_str().unwrap().contains(part), "{report}");
}

/// All ages that a server tells.
fn ages(server: &Server) -> Vec<f64> {
    let metrics = server.admin_get("/metrics");
    let of_metrics = metrics
        .text()
        .lines()
        .filter(|line| line.starts_with("mirrorlist_data_age_seconds{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap());
    let status: serde_json::Value = serde_json::from_slice(&server.admin_get("/admin/status").body).unwrap();
    let mut ages: Vec<f64> = of_metrics.collect();
    collect_ages(&status, &mut ages);
    assert!(ages.len() >= 8, "{ages:?} in {status}");
    ages
}

fn collect_ages(value: &serde_json::Value, ages: &mut Vec<f64>) {
    if let Some(object) = value.as_object() {
        for (key, value) in object {
            if key.starts_with("age") {
                ages.extend(value.as_f64());
            }
            collect_ages(value, ages);
        }
    } else if let Some(array) = value.as_array() {
        array.iter().for_each(|value| collect_ages(value, ages));
    }
}

/// A clock that a test sets, for one process.
struct Clock {
    file: PathBuf,
    library: PathBuf,
    _folder: tempfile::TempDir,
}

impl Clock {
    /// A clock that is right; none if faketime isn't installed, and then the test is skipped.
    fn new() -> Option<Self> {
        let folders = fs::read_dir("/usr/lib").unwrap().flatten();
        let library = folders
            .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.is_file());
        let Some(library) = library else {
            eprintln!("SKIPPED: clocks that are mended while the server runs: not installed: faketime");
            let required = std::env::var("TESTS_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
            assert!(!required, "faketime is required and not there");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let clock = Self {
            file: folder.path().join("clock"),
            library,
            _folder: folder,
        };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it: an offset like `+3600`, or a time like `1970-01-01 00:00:10`.
    fn set(&self, time: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, time).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("NO_FAKE_STAT", "1".into()),
            ("TZ", "UTC".into()),
        ]
    }

    fn server(&self, data: &DataFiles) -> Server {
        let environment = self.environment();
        let environment: Vec<(&str, &OsStr)> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_os_str()))
            .collect();
        Server::start_with(data, &NO_WATCH, &environment)
    }
}

#[test]
fn a_cache_from_the_future_is_not_served() {
    let data = DataFiles::new(&cache_of(now() + 240));
    let server = Server::start(&data, &NO_WATCH);
    // Not yet: clocks differ. It is younger than young.
    let first = serves(&server);
    assert!(ages(&server).iter().all(|age| *age >= 0.0), "{:?}", ages(&server));
    for created in [now() + 400, now() + DAY, u64::MAX / 2, u64::MAX] {
        data.write_cache(&cache_of(created));
        is_refused_for(&reload(&server), "ahead of this machine's clock");
        assert_eq!(serves(&server), first);
        let mut check = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
        let mut start = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
        start.args(["--port", "0", "--admin.listen", "off"]);
        for command in [check.arg("check"), &mut start] {
            let output = run(command.args(data.arguments()));
            let text = describe(&output);
            assert_eq!(output.status.code(), Some(66), "{created}: {text}");
            assert!(
                text.contains("mirrorlist_cache.proto: it says that it was made at")
                    && text.contains("set the clock right"),
                "{text}"
            );
        }
    }
    // None of them is what the next one is compared with.
    data.write_cache(&cache_of(first + 1));
    assert_eq!(reload(&server)["outcome"], "replaced");
    assert_eq!(serves(&server), first + 1);
}

#[test]
fn a_server_whose_clock_was_wrong_takes_right_caches_when_it_is_mended() {
    let Some(clock) = Clock::new() else { return };
    let data = DataFiles::new(&cache_of(now() + DAY));
    clock.set("+86400");
    let server = clock.server(&data);
    assert!(serves(&server) > now() + DAY - 600);
    clock.set("+0");
    assert!(ages(&server).iter().all(|age| *age >= 0.0), "{:?}", ages(&server));
    // A cache from the future is none for a right clock, whatever serves.
    data.write_cache(&cache_of(now() + DAY / 2));
    is_refused_for(&reload(&server), "ahead of this machine's clock");
    let right = now();
    data.write_cache(&cache_of(right));
    let report = reload(&server);
    assert_eq!(report["outcome"], "replaced", "{report}");
    assert_eq!(serves(&server), right);
    // From then on, older ones are refused as ever.
    data.write_cache(&cache_of(right - 100));
    is_refused_for(&reload(&server), "100 s before the one in use");
}

/// A machine without a battery starts with the year 1970; Linux knows no time before that.
#[test]
fn a_clock_of_1970_breaks_nothing() {
    let Some(clock) = Clock::new() else { return };
    let data = DataFiles::new(&cache_of(now()));
    clock.set("+0");
    let server = clock.server(&data);
    clock.set("1970-01-01 00:00:10");
    assert!(ages(&server).iter().all(|age| *age >= 0.0), "{:?}", ages(&server));
    assert_eq!(server.get(LIST).status, 200);
    data.write_cache(&cache_of(now() + 1));
    is_refused_for(&reload(&server), "Thu, 01 Jan 1970 00:00:1");
    let mut check = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
    check.arg("check").args(data.arguments()).envs(clock.environment());
    let output = run(&mut check);
    assert_eq!(output.status.code(), Some(66), "{}", describe(&output));
    clock.set("+0");
    assert_eq!(reload(&server)["outcome"], "replaced");
}

/// Writes the GeoIP database with another time of its making.
fn write_geoip(path: &Path, built: u64) {
    let mut bytes = mmdb(&[("192.0.2.0/24", "DE"), ("198.51.100.0/24", "US")]);
    let (known, built) = (u32::try_from(BUILT).unwrap(), u32::try_from(built).unwrap());
    let at = bytes
        .windows(4)
        .position(|window| window == known.to_be_bytes())
        .unwrap();
    bytes[at..at + 4].copy_from_slice(&built.to_be_bytes());
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, path).unwrap();
}

#[test]
fn other_files_from_the_future_keep_none_away() {
    let data = DataFiles::new(&cache_of(now() - 100));
    write_geoip(&data.geoip(), now() + 1000 * DAY);
    let future = SystemTime::now() + Duration::from_secs(DAY);
    for path in [data.global_netblocks(), data.country_continent()] {
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(future)
            .unwrap();
    }
    let server = Server::start(&data, &NO_WATCH);
    assert!(ages(&server).iter().all(|age| *age >= 0.0), "{:?}", ages(&server));
    let now = now();
    write_geoip(&data.geoip(), now - 10 * DAY);
    assert_eq!(reload(&server)["outcome"], "replaced");
    write_geoip(&data.geoip(), now - 11 * DAY);
    is_refused_for(&reload(&server), "geoip: it was made 86400 s before");
}
