//! What a service manager like systemd is told: the messages of sd_notify(3) on a real socket, from start to end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails the test")]

mod fixture;
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::PATIENCE;
use support::data::DataFiles;
use support::process::{describe, run};
use support::server::Server;
use tempfile::TempDir;

/// Reloads happen when a test says so.
const NO_WATCH: [&str; 2] = ["--reload.watch", "off"];

/// What systemd sets is `WatchdogSec=` in microseconds.
const WATCHDOG: Duration = Duration::from_millis(150);

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

/// The place of a service manager.
struct Manager {
    folder: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { folder, socket }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("notify")
    }

    /// Starts a server that is to tell this manager, with further variables.
    fn start(&self, data: &DataFiles, further: &[(&str, &str)]) -> Server {
        let path = self.path();
        let mut environment = vec![("NOTIFY_SOCKET", path.as_os_str())];
        environment.extend(further.iter().map(|(name, value)| (*name, OsStr::new(*value))));
        Server::start_with(data, &NO_WATCH, &environment)
    }

    /// The next message.
    fn next(&self) -> String {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message);
        let length = length.unwrap_or_else(|error| panic!("no message within {PATIENCE:?}: {error}"));
        std::str::from_utf8(message.get(..length).unwrap()).unwrap().to_owned()
    }

    /// The next message that is no sign of life for the watchdog.
    fn next_of_state(&self) -> String {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let message = self.next();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
        panic!("nothing but signs of life within {PATIENCE:?}")
    }

    /// The clock's reading of a message that a reload begins.
    fn next_reloading(&self) -> Duration {
        let message = self.next();
        let reading = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        let reading = reading.unwrap_or_else(|| panic!("no reload begins: {message:?}"));
        Duration::from_micros(reading.trim_end().parse().unwrap())
    }

    /// Whether nothing more has come.
    fn is_quiet(&self) -> bool {
        self.socket.set_nonblocking(true).unwrap();
        self.socket.recv(&mut [0]).is_err()
    }
}

#[test]
fn a_server_says_when_it_is_ready_and_when_it_stops() {
    let (manager, data) = (Manager::new(), data());
    let server = manager.start(&data, &[]);
    assert_eq!(manager.next(), "READY=1\n");
    server.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1\n");
    assert_eq!(server.stop().code(), Some(0));
    assert!(manager.is_quiet(), "without WATCHDOG_USEC nobody wants more");
}

#[test]
fn a_server_without_data_is_never_ready() {
    let (manager, data) = (Manager::new(), data());
    fs::remove_file(data.cache()).unwrap();
    let output = run(Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"))
        .args(data.arguments())
        .args(["--port", "0", "--admin.listen", "127.0.0.1:0"])
        .env_clear()
        .env("NOTIFY_SOCKET", manager.path()));
    assert_eq!(output.status.code(), Some(66), "{}", describe(&output));
    assert!(manager.is_quiet());
}

#[test]
fn a_reload_by_signal_begins_with_reloading_and_ends_with_ready() {
    let (manager, data) = (Manager::new(), data());
    let server = manager.start(&data, &[]);
    assert_eq!(manager.next(), "READY=1\n");
    let reload = || {
        let before = Instant::now();
        server.signal("HUP");
        let reading = manager.next_reloading();
        let after = Instant::now();
        assert_eq!(manager.next(), "READY=1\n");
        (before, reading, after)
    };

    let mut cache = fixture::cache_message();
    cache.time += 1;
    data.write_cache(&cache);
    // A file that takes its time, so that who is ready too early is found out.
    let networks = (0..65_536_u32).map(|number| format!("10.{}.{}.0/24 64496\n", number >> 8, number & 0xff));
    fs::write(data.global_netblocks(), networks.collect::<String>()).unwrap();
    let first = reload();
    let list = server.get("/mirrorlist?repo=linux-1&arch=x86_64&time");
    let created = format!("# database creation time: {}\n", fixture::CREATED + 1);
    assert!(
        list.text().contains(&created),
        "ready is who has the new data: {}",
        list.text()
    );

    // systemd compares the reading with its own clock, to know that the reload is the one that it asked for.
    let second = reload();
    let passed = second.1.checked_sub(first.1).unwrap();
    assert!(passed >= second.0.duration_since(first.2), "{first:?} {second:?}");
    assert!(passed <= second.2.duration_since(first.0), "{first:?} {second:?}");
}

#[test]
fn a_server_whose_new_data_is_refused_is_ready_again_with_the_old() {
    let (manager, data) = (Manager::new(), data());
    let server = manager.start(&data, &[]);
    assert_eq!(manager.next(), "READY=1\n");
    fs::write(data.cache(), "").unwrap();
    server.signal("HUP");
    manager.next_reloading();
    assert_eq!(manager.next(), "READY=1\n");
    server.wait_for_message("reload refused; keeping the current data");
    assert_eq!(server.get("/mirrorlist?repo=linux-1&arch=x86_64").status, 200);
}

#[test]
fn the_watchdog_hears_of_a_server_again_and_again() {
    const HEARD: u32 = 16;
    let (manager, data) = (Manager::new(), data());
    let limit = WATCHDOG.as_micros().to_string();
    let started = Instant::now();
    let server = manager.start(&data, &[("WATCHDOG_USEC", &limit)]);
    assert_eq!(manager.next_of_state(), "READY=1\n");
    let mut heard = 0;
    while heard < HEARD {
        assert_eq!(manager.next(), "WATCHDOG=1\n");
        heard += 1;
    }
    // Saying it all the time would be of no use to anybody. systemd advises half of the limit; twice as often is often enough.
    let least = WATCHDOG / 4 * (HEARD - 2);
    assert!(
        started.elapsed() >= least,
        "{HEARD} times within {:?}",
        started.elapsed()
    );

    server.signal("HUP");
    assert!(manager.next_of_state().starts_with("RELOADING=1\n"));
    assert_eq!(manager.next_of_state(), "READY=1\n");
    assert_eq!(manager.next(), "WATCHDOG=1\n");
    server.signal("TERM");
    assert_eq!(manager.next_of_state(), "STOPPING=1\n");
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn the_watchdog_of_another_process_hears_nothing() {
    let (manager, data) = (Manager::new(), data());
    let limit = WATCHDOG.as_micros().to_string();
    let other = std::process::id().to_string();
    let server = manager.start(&data, &[("WATCHDOG_USEC", &limit), ("WATCHDOG_PID", &other)]);
    assert_eq!(manager.next(), "READY=1\n");
    server.signal("HUP");
    manager.next_reloading();
    assert_eq!(manager.next(), "READY=1\n");
    server.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1\n");
    assert_eq!(server.stop().code(), Some(0));
}

/// A process that is killed if a test fails before it has ended.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_watchdog_of_this_process_hears_of_it() {
    let (manager, data) = (Manager::new(), data());
    // The shell becomes the server, so that its number is the server's.
    let mut command = Command::new("sh");
    command
        .args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mirrorlist-server"))
        .args(data.arguments())
        .args(["--port", "0", "--admin.listen", "127.0.0.1:0"])
        .env_clear()
        .env("NOTIFY_SOCKET", manager.path())
        .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _server = KilledOnDrop(command.spawn().unwrap());
    assert_eq!(manager.next_of_state(), "READY=1\n");
    for _ in 0..2 {
        assert_eq!(manager.next(), "WATCHDOG=1\n");
    }
}
