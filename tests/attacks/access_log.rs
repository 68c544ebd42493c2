//! The access log on full disks, under rotation, and with readers that don't read: every line in every file is whole.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::fixture;
use super::support::PATIENCE;
use super::support::data::DataFiles;
use super::support::http::get;
use super::support::process::run;
use super::support::server::{Server, field};

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

/// Asks as a client of this number, whose address the log then has.
fn ask(address: SocketAddr, client: usize) {
    let ip = format!("10.{}.{}.{}", client >> 16, client >> 8 & 0xff, client & 0xff);
    let answer = get(address, &format!("/mirrorlist?repo=linux-1&arch=x86_64&ip={ip}"));
    assert_eq!(answer.status, 200);
}

/// The clients that a log has; every line has to be whole, as the statistics read them.
fn clients(log: &[u8]) -> BTreeSet<usize> {
    let text = std::str::from_utf8(log).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "it ends inside a line: {:?}",
        text.lines().last()
    );
    let mut clients = BTreeSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words.len(), 10, "{line:?}");
        assert_eq!(
            [0, 2, 4, 6, 8].map(|at| words[at]),
            ["IP:", "DATE:", "COUNTRY:", "REPO:", "ARCH:"],
            "{line:?}"
        );
        assert_eq!((words[7], words[9]), ("linux-1;", "x86_64"), "{line:?}");
        let numbers: Vec<usize> = words[1]
            .trim_end_matches(';')
            .split('.')
            .map(|n| n.parse().unwrap())
            .collect();
        let client = numbers[1] << 16 | numbers[2] << 8 | numbers[3];
        assert!(clients.insert(client), "{client} is there twice");
    }
    clients
}

fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let started = Instant::now();
    while !wanted() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

fn everybody(count: usize) -> BTreeSet<usize> {
    (0..count).collect()
}

/// Fills the log's disk until the server says that it is full, and some more. The number of clients that asked.
fn fill(server: &Server) -> usize {
    let metrics = || server.admin_get("/metrics").text().to_owned();
    let written = |text: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("mirrorlist_access_log_lines_written_total "));
        line.unwrap().parse::<usize>().unwrap()
    };
    let mut asked = 0;
    loop {
        for _ in 0..100 {
            ask(server.address(), asked);
            asked += 1;
        }
        while written(&metrics()) < asked {
            if server.has_message("cannot write the access log; lines are kept in memory and dropped when that is full")
            {
                return asked;
            }
        }
    }
}

/// What happens to a full log, in each of the ways that logs are rotated; every file has whole lines and no line is lost.
fn rotate_full_log(start: impl Fn(&DataFiles) -> Server, log_of: impl Fn(&DataFiles) -> PathBuf) {
    // Truncated, as copytruncate does.
    let data = data();
    let (server, log) = (start(&data), log_of(&data));
    let asked = fill(&server);
    let copied = clients(&fs::read(&log).unwrap());
    assert!(copied.len() < asked);
    OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    ask(server.address(), asked);
    server.wait_for_message("the access log is written again");
    assert_eq!(server.stop().code(), Some(0));
    let after = clients(&fs::read(&log).unwrap());
    assert!(after.is_disjoint(&copied));
    assert_eq!(&copied | &after, everybody(asked + 1));
    fs::remove_file(&log).unwrap();

    // Renamed and reopened; the disk has room again once the old file is gone.
    let data = self::data();
    let (server, log) = (start(&data), log_of(&data));
    let asked = fill(&server);
    let renamed = log.with_extension("1");
    fs::rename(&log, &renamed).unwrap();
    server.signal("USR1");
    eventually("a new file", || log.exists());
    ask(server.address(), asked);
    let copied = clients(&fs::read(&renamed).unwrap());
    fs::remove_file(&renamed).unwrap();
    server.wait_for_message("the access log is written again");
    assert_eq!(server.stop().code(), Some(0));
    let after = clients(&fs::read(&log).unwrap());
    assert!(after.is_disjoint(&copied));
    assert_eq!(&copied | &after, everybody(asked + 1));
}

#[test]
fn a_log_that_reaches_its_limit_has_whole_lines_and_does_not_end_the_server() {
    let start = |data: &DataFiles| {
        // Eight pieces of 512 or 1,024 bytes, as the shell has it; a process that goes beyond gets SIGXFSZ.
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -f 8; exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_mirrorlist-server"),
        ]);
        Server::start_command(command, data, &["--reload.watch", "off"], &[])
    };
    rotate_full_log(start, DataFiles::access_log);
}

/// A file system of 64 KB, while it exists.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// None for who may not mount, or in a container that may not.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64k", "mirrorlist-tests"])
            .arg(folder.path());
        run(&mut mount).status.success().then_some(Self { folder })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg(self.folder.path()));
    }
}

#[test]
fn a_full_disk_leaves_whole_lines_however_the_log_is_rotated() {
    let Some(disk) = SmallDisk::mount() else {
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: the access log on a full disk: a tmpfs can't be mounted here\n",
        );
        return;
    };
    let start = |data: &DataFiles| {
        let log = disk.log();
        Server::start(data, &["--reload.watch", "off", "--log", log.to_str().unwrap()])
    };
    rotate_full_log(start, |_| disk.log());
}

#[test]
fn a_log_that_ends_inside_a_line_is_mended_at_the_start_and_nothing_else_is_touched() {
    const LINE: &str = "IP: 10.0.0.0; DATE: 2026-01-31; COUNTRY: US; REPO: linux-1; ARCH: x86_64\n";
    let data = data();
    let log = data.access_log();
    let restarted_with = |content: String| {
        fs::write(&log, content).unwrap();
        let server = Server::start(&data, &["--reload.watch", "off"]);
        ask(server.address(), 1);
        assert_eq!(server.stop().code(), Some(0));
        fs::read_to_string(&log).unwrap()
    };
    for cut in [1, 4, 20, LINE.len() - 1] {
        let content = restarted_with(format!("{LINE}{}", &LINE[..cut]));
        assert_eq!(clients(content.as_bytes()), BTreeSet::from([0, 1]), "{content}");
    }
    assert_eq!(
        clients(restarted_with(LINE[..30].to_owned()).as_bytes()),
        BTreeSet::from([1])
    );
    assert_eq!(
        clients(restarted_with(LINE.to_owned()).as_bytes()),
        BTreeSet::from([0, 1])
    );
    // What is no access log stays as it is, with a line end.
    let other = restarted_with("root:x:0:0".to_owned());
    assert!(other.starts_with("root:x:0:0\nIP: 10.0.0.1; "), "{other}");
    let other = restarted_with("x".repeat(10_000));
    assert!(other.starts_with(&format!("{}\nIP: ", "x".repeat(10_000))));
}

/// A server whose output is not read once it listens.
struct Unread {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Unread {
    fn start(data: &DataFiles, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"))
            .args(data.arguments())
            .args(["--port", "0", "--admin.listen", "127.0.0.1:0", "--log_format", "json"])
            .args(["--shutdown.grace", "0s"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut address = |name: &str| {
            let mut line = String::new();
            while !line.contains(&format!("\"msg\":\"{name}\"")) {
                line.clear();
                assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended");
            }
            field(&line, "address").parse().unwrap()
        };
        let (admin, address) = (address("admin listening"), address("listening"));
        Self {
            child,
            address,
            admin,
            stderr,
        }
    }

    /// Tells it to stop and waits for its end, which must not take long.
    fn stop(&mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        run(Command::new("sh").args(["-c", &kill]));
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "it does not stop");
            thread::yield_now();
        };
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_is_not_read_holds_up_no_stop_and_what_is_given_up_is_told() {
    let data = data();
    let mut server = Unread::start(&data, &["--log", "-"]);
    // More than a pipe holds.
    for client in 0..2000 {
        ask(server.address, client);
    }
    server.stop();
    let mut messages = String::new();
    server.stderr.read_to_string(&mut messages).unwrap();
    let given_up = messages
        .lines()
        .find(|line| line.contains("\"msg\":\"access log lines are given up\""));
    let given_up = given_up.unwrap_or_else(|| panic!("{messages}"));
    let lines = given_up.split_once("\"lines\":").unwrap().1;
    let lines: usize = lines.split([',', '}']).next().unwrap().parse().unwrap();
    // What is in the pipe is not lost, and is whole.
    let mut log = Vec::new();
    server.child.stdout.take().unwrap().read_to_end(&mut log).unwrap();
    let read = clients(&log);
    assert_eq!(read, everybody(read.len()));
    assert_eq!(read.len() + lines, 2000);
}

#[test]
fn messages_that_are_not_read_hold_up_no_answer_and_no_stop() {
    let data = data();
    let mut server = Unread::start(&data, &["--log_level", "trace"]);
    for client in 0..6000 {
        ask(server.address, client);
    }
    assert_eq!(get(server.admin, "/admin/reload").status, 200);
    server.stop();
    assert_eq!(clients(&fs::read(data.access_log()).unwrap()), everybody(6000));
}

#[test]
fn two_servers_append_whole_lines_to_one_log() {
    let (first, second) = (data(), data());
    let log = first.access_log();
    let servers = [
        Server::start(&first, &["--reload.watch", "off"]),
        Server::start(&second, &["--reload.watch", "off", "--log", log.to_str().unwrap()]),
    ];
    thread::scope(|scope| {
        for (number, server) in servers.iter().enumerate() {
            let address = server.address();
            scope.spawn(move || (0..500).for_each(|client| ask(address, 2 * client + number)));
        }
    });
    for server in servers {
        assert_eq!(server.stop().code(), Some(0));
    }
    assert_eq!(clients(&fs::read(&log).unwrap()), everybody(1000));
}
