//! Everything at once, for two minutes: load, good and damaged reloads, both kinds of log rotation, a full disk, storms of SIGHUP,
//! slow, silent and hostile clients. No request of a well-behaved client fails, memory and descriptors stay as they are.
//! `CHAOS_SECONDS=3600 cargo test --test chaos` goes on for longer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mirrorlist_server::cache::proto::MirrorList;
use prost::Message as _;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use support::PATIENCE;
use support::data::DataFiles;
use support::http::get;
use support::process;
use support::server::Server;

const DEFAULT_SECONDS: u64 = 120;

/// What is compared at the end is measured first after this part of the time.
const WARM_UP: f64 = 0.25;

/// The disk of the access log, in bytes: small, so that it is full often.
const DISK: &str = "512k";

/// Everything that goes on at once.
struct Chaos<'a> {
    address: SocketAddr,
    admin: SocketAddr,
    process: u32,
    data: &'a DataFiles,
    log: PathBuf,
    archive: PathBuf,
    stop: AtomicBool,
    answered: AtomicU64,
    attacks: AtomicU64,
    reloads: AtomicU64,
}

impl Chaos<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Waits for a moment, or until all ends.
    fn pause(&self, time: Duration) {
        let started = Instant::now();
        while self.goes_on() && started.elapsed() < time {
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// A client as there are millions, on a connection that it keeps for some requests.
    fn well_behaved_client(&self) {
        let targets = [
            "/mirrorlist?repo=linux-1&arch=x86_64&time",
            "/metalink?repo=linux-1&arch=x86_64&ip=192.0.2.1",
            "/mirrorlist?repo=linux-1&arch=x86_64&country=de,fr",
        ];
        while self.goes_on() {
            let mut connection = Connection::to(self.address);
            for target in targets.iter().cycle().take(300).take_while(|_| self.goes_on()) {
                let body = connection.get(target);
                assert!(body.contains("/1/x86_64/os/"), "{target}: {body}");
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Puts good and bad files in place, and asks for reloads.
    fn reload(&self) {
        let mut random = SmallRng::seed_from_u64(1);
        let mut created = 1_000_000;
        while self.goes_on() {
            created += 1;
            let good = cache(created);
            self.data.write_cache(&good);
            let report = get(self.admin, "/admin/reload");
            assert_eq!(report.status, 200, "{}", report.text());
            let bad = damaged(&good, &mut random);
            replace(&self.data.cache(), &bad);
            let report = get(self.admin, "/admin/reload");
            assert_eq!(report.status, 422, "{}", report.text());
            let other = [
                self.data.global_netblocks(),
                self.data.country_continent(),
                self.data.geoip(),
            ];
            let other = &other[random.random_range(0..other.len())];
            let content = fs::read(other).unwrap();
            replace(other, b"");
            self.pause(Duration::from_millis(50));
            replace(other, &content);
            self.data.write_cache(&good);
            self.reloads.fetch_add(3, Ordering::Relaxed);
            self.pause(Duration::from_millis(100));
        }
    }

    /// Renames the log and has it reopened; copies and truncates it; in turn.
    fn rotate(&self) {
        while self.goes_on() {
            self.pause(Duration::from_millis(700));
            let renamed = self.log.with_extension("1");
            fs::rename(&self.log, &renamed).unwrap();
            process::run(Command::new("sh").args(["-c", &format!("kill -USR1 {}", self.process)]));
            let started = Instant::now();
            while !self.log.exists() && started.elapsed() < PATIENCE {
                thread::yield_now();
            }
            // The last lines reach the old file before the new one is opened.
            self.keep(&renamed);
            fs::remove_file(&renamed).unwrap();
            self.pause(Duration::from_millis(700));
            self.keep(&self.log);
            OpenOptions::new().write(true).truncate(true).open(&self.log).unwrap();
        }
    }

    fn keep(&self, log: &Path) {
        let lines = fs::read(log).unwrap();
        let mut archive = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&self.archive)
            .unwrap();
        archive.write_all(&lines).unwrap();
    }

    /// Fills the disk of the log, and gives it back.
    fn fill_disk(&self) {
        let filler = self.log.with_file_name("filler");
        while self.goes_on() {
            self.pause(Duration::from_secs(3));
            if let Ok(mut file) = fs::File::create(&filler) {
                while file.write_all(&[0; 4096]).is_ok() {}
            }
            self.pause(Duration::from_millis(800));
            let _ = fs::remove_file(&filler);
        }
    }

    /// Sends many SIGHUPs at once.
    fn storm(&self) {
        while self.goes_on() {
            let kills = format!("for i in $(seq 300); do kill -HUP {}; done", self.process);
            process::run(Command::new("sh").args(["-c", &kills]));
            self.pause(Duration::from_secs(4));
        }
    }

    /// Opens connections of all kinds that are no client's, and keeps some of them.
    fn attack(&self, seed: u64) {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut open: Vec<TcpStream> = Vec::new();
        let request = "GET /metalink?repo=linux-1&arch=x86_64 HTTP/1.1\r\nHost: x\r\n\r\n";
        while self.goes_on() {
            let Ok(mut connection) = TcpStream::connect(self.address) else {
                continue;
            };
            connection.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            let garbage: Vec<u8> = (0..200).map(|_| random.random()).collect();
            let _ = match random.random_range(0..7) {
                0 => Ok(()),
                1 => connection.write_all(b"GET /mirrorlist HTTP/1.1\r\nHo"),
                2 => connection.write_all(request.repeat(4_000).as_bytes()),
                3 => connection.write_all(&garbage),
                4 => connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                5 => connection.write_all(
                    format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n{request}").as_bytes(),
                ),
                _ => connection.write_all(request.as_bytes()).map(|()| {
                    let _ = connection.read(&mut [0; 100]);
                }),
            };
            self.attacks.fetch_add(1, Ordering::Relaxed);
            open.push(connection);
            if open.len() > 40 {
                open.swap_remove(random.random_range(0..open.len()));
            }
            self.pause(Duration::from_millis(20));
        }
    }
}

fn cache(created: u64) -> MirrorList {
    let mut cache = fixture::cache_message();
    cache.time = created;
    cache
}

/// A cache that a server has to refuse.
fn damaged(good: &MirrorList, random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = good.encode_to_vec();
    match random.random_range(0..4) {
        0 => bytes.clear(),
        1 => bytes.truncate(bytes.len() - 3),
        2 => bytes = vec![0xff; 1000],
        _ => {
            let mut older = good.clone();
            older.time = 1;
            bytes = older.encode_to_vec();
        }
    }
    bytes
}

/// Puts a file in the place of another in one step.
fn replace(path: &Path, content: &[u8]) {
    let new = path.with_extension("chaos");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// A kept-alive connection.
struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn get(&mut self, target: &str) -> String {
        write!(self.stream.get_mut(), "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200 "), "{target}: {line:?}");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}

/// Resident memory in KiB, and open descriptors.
fn usage(process: u32) -> (u64, usize) {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let resident = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    (resident, fs::read_dir(format!("/proc/{process}/fd")).unwrap().count())
}

/// The usage of a server that has answered, once all of its threads have what they need.
fn settled_usage(server: &Server) -> (u64, usize) {
    assert_eq!(server.get("/mirrorlist").status, 200);
    assert_eq!(server.admin_get("/livez").status, 200);
    let mut last = usage(server.process());
    loop {
        thread::park_timeout(Duration::from_millis(300));
        let now = usage(server.process());
        if now.1 == last.1 {
            return now;
        }
        last = now;
    }
}

/// What each descriptor of a process leads to.
fn descriptors(process: u32) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect()
}

/// A small file system of its own, where that can be had.
struct SmallDisk {
    folder: tempfile::TempDir,
    is_mounted: bool,
}

impl SmallDisk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = process::run(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
                .arg(folder.path()),
        );
        let is_mounted = mount.status.success();
        if !is_mounted {
            let line = "SKIPPED: chaos with a full disk: mounting a small tmpfs takes root\n";
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        Self { folder, is_mounted }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.is_mounted {
            process::run(Command::new("umount").arg("--lazy").arg(self.folder.path()));
        }
    }
}

#[test]
fn nothing_that_goes_on_at_once_fails_a_request_or_grows() {
    let seconds = env::var("CHAOS_SECONDS").map_or(DEFAULT_SECONDS, |text| text.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let data = DataFiles::new(&cache(1_000_000));
    let disk = SmallDisk::new();
    let log = disk.folder.path().join("access.log");
    let arguments = [
        "--reload.watch",
        "300ms",
        "--reload.settle",
        "100ms",
        "--log",
        log.to_str().unwrap(),
    ];
    let server = Server::start(&data, &arguments);
    let archive = tempfile::tempdir().unwrap();
    let chaos = Chaos {
        address: server.address(),
        admin: server.admin_listen().parse().unwrap(),
        process: server.process(),
        data: &data,
        log: log.clone(),
        archive: archive.path().join("lines"),
        stop: AtomicBool::new(false),
        answered: AtomicU64::new(0),
        attacks: AtomicU64::new(0),
        reloads: AtomicU64::new(0),
    };
    let idle = settled_usage(&server);
    let warm = thread::scope(|scope| {
        let chaos = &chaos;
        let mut threads = Vec::new();
        for _ in 0..4 {
            threads.push(scope.spawn(|| chaos.well_behaved_client()));
        }
        threads.push(scope.spawn(|| chaos.reload()));
        threads.push(scope.spawn(|| chaos.rotate()));
        threads.push(scope.spawn(|| chaos.storm()));
        if disk.is_mounted {
            threads.push(scope.spawn(|| chaos.fill_disk()));
        }
        for seed in 0..3 {
            threads.push(scope.spawn(move || chaos.attack(seed)));
        }
        let started = Instant::now();
        let mut warm = idle;
        while started.elapsed() < time && threads.iter().all(|thread| !thread.is_finished()) {
            thread::park_timeout(Duration::from_millis(100));
            if started.elapsed() < time.mul_f64(WARM_UP) {
                let now = usage(server.process());
                warm = (warm.0.max(now.0), warm.1.max(now.1));
            }
        }
        chaos.stop.store(true, Ordering::Relaxed);
        warm
    });
    let (answered, attacks) = (chaos.answered.into_inner(), chaos.attacks.into_inner());
    assert!(
        answered > 10 * seconds && attacks > seconds,
        "{answered} answers, {attacks} attacks"
    );
    assert!(chaos.reloads.into_inner() > seconds / 2);
    let end = usage(server.process());
    assert!(
        end.0 < warm.0 * 5 / 4 + (8 << 10),
        "memory grew from {warm:?} to {end:?} (KiB, descriptors)"
    );
    // The last connections of clients and attackers have ended, or do so with their deadlines.
    let started = Instant::now();
    while usage(server.process()).1 > idle.1 + 2 {
        assert!(
            started.elapsed() < PATIENCE,
            "descriptors: {idle:?} at the start, now {:?}",
            descriptors(server.process())
        );
        thread::park_timeout(Duration::from_millis(100));
    }
    assert!(server.stop().success());
    let mut lines = fs::read_to_string(&chaos.archive).unwrap();
    lines.push_str(&fs::read_to_string(&log).unwrap_or_default());
    assert!(lines.lines().count() > 100);
    for line in lines.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_whole = fields.len() == 10 && fields[0] == "IP:" && fields[7] == "linux-1;" && fields[9] == "x86_64";
        assert!(is_whole, "a line is cut: {line:?}");
    }
    println!(
        "{seconds} s: {answered} answers, {attacks} attacks, {} lines, {warm:?} then {end:?}",
        lines.lines().count()
    );
}
