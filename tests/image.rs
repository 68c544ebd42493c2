//! The server's image answers as the golden files say, in a container that may do as little as possible: a read-only root file
//! system, no capabilities, a user that the image does not know, a network that leads nowhere. `tests/deploy/run` makes the
//! image and runs this with its name in `SERVER_IMAGE`.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a step that fails fails the test"
)]

mod fixture;
mod support;

use std::env;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use prost::Message as _;
use support::http::{Response, exchange};
use support::process::{run, succeed};
use support::{PATIENCE, mmdb};
use tempfile::TempDir;

#[test]
#[ignore = "needs Docker and an image; tests/deploy/run has both"]
fn an_image_without_any_right_answers_as_the_golden_files_say() {
    let image = env::var("SERVER_IMAGE").expect("SERVER_IMAGE: the image to test");
    let container = Container::start(&image);
    let mut compared = 0;
    for entry in fs::read_dir("tests/golden").unwrap() {
        let path = entry.unwrap().path();
        let golden = fs::read_to_string(&path).unwrap();
        let (request, answer) = golden.split_once("\n\n").unwrap();
        // In a container, every peer is in the container's network, which is trusted as loopback is.
        // The golden file of a HEAD has the body that isn't sent.
        if !request.contains("\npeer: 127.0.0.1:") || request.starts_with("HEAD ") {
            continue;
        }
        // The image has no settings and the plain data, and the hosts of a JSON answer are in one line, in an order of chance.
        if request.contains("\nsetting: ") || request.contains("\nwith ") || answer.contains("application/json") {
            continue;
        }
        let response = container.ask(request);
        assert_eq!(
            without_chance(&text(&response)),
            without_chance(answer),
            "{}",
            path.display()
        );
        compared += 1;
    }
    assert!(compared > 50, "only {compared} golden files fit");
    container.stop();
}

/// A container that runs; dropping it removes it and its network.
struct Container {
    name: String,
    address: SocketAddr,
    _files: TempDir,
}

impl Container {
    fn start(image: &str) -> Self {
        let files = world();
        let name = format!("mirrorlist-image-test-{}", process::id());
        succeed(docker().args(["network", "create", "--internal", &name]));
        let mut start = docker();
        start
            .args(["run", "--detach", "--name", &name, "--network", &name])
            .args([
                "--read-only",
                "--cap-drop",
                "ALL",
                "--user",
                "1234567:0",
                "--security-opt",
                "no-new-privileges",
            ])
            .args([
                "--health-interval",
                "1s",
                "--volume",
                &format!("{}:/data:ro,z", files.path().display()),
            ])
            .arg(image)
            .args(["--cache", "/data/cache", "--global_netblocks", "/data/netblocks"])
            .args([
                "--cccsv",
                "/data/continents",
                "--geoip",
                "/data/geoip",
                "--shutdown.grace",
                "0s",
            ]);
        // From here on there is something to remove.
        let mut container = Self {
            name,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            _files: files,
        };
        succeed(&mut start);
        let started = Instant::now();
        while container.inspect("{{.State.Health.Status}}") != "healthy" {
            let logs = || support::process::describe(&run(docker().args(["logs", &container.name])));
            assert!(started.elapsed() < PATIENCE, "never healthy: {}", logs());
            thread::sleep(Duration::from_millis(200));
        }
        let address = container.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
        container.address = format!("{address}:3000").parse().unwrap();
        container
    }

    fn inspect(&self, format: &str) -> String {
        let printed = succeed(docker().args(["inspect", "--format", format, &self.name]));
        printed.trim_end().to_owned()
    }

    /// Sends the request of a golden file: its line and its headers, but for the peer.
    fn ask(&self, golden: &str) -> Response {
        let mut lines = golden.lines();
        let line = lines.next().unwrap();
        let headers: String = lines
            .filter(|line| !line.starts_with("peer: "))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let request = format!("{line} HTTP/1.1\r\nHost: mirrors.example\r\nConnection: close\r\n{headers}\r\n");
        exchange(self.address, request.as_bytes())
    }

    /// Stops it as an orchestrator does, and sees that it left in order.
    fn stop(self) {
        succeed(docker().args(["stop", "--time", "30", &self.name]));
        assert_eq!(self.inspect("{{.State.ExitCode}}"), "0");
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = docker().args(["rm", "--force", "--volumes", &self.name]).output();
        let _ = docker().args(["network", "rm", &self.name]).output();
    }
}

fn docker() -> Command {
    Command::new("docker")
}

/// The files of the fixture's world, for everybody to read.
fn world() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("cache", fixture::cache_message().encode_to_vec()),
        ("netblocks", fixture::GLOBAL_NETBLOCKS.into()),
        ("continents", fixture::CONTINENTS.into()),
        // The world has no GeoIP database, so this one knows a network that nobody asks from.
        ("geoip", mmdb::mmdb(&[("203.0.113.255/32", "JP")])),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

/// An answer as the golden files have it.
fn text(response: &Response) -> String {
    let mut text = format!("{}\n", response.status);
    for name in ["content-type", "allow", "digest", "repr-digest", "vary"] {
        if let Some(value) = response.header(name) {
            text += &format!("{name}: {value}\n");
        }
    }
    format!("{text}\n{}", response.text())
}

/// What of an answer is no matter of chance or of time: its lines, sorted, without the preferences and the date of a metalink.
fn without_chance(answer: &str) -> Vec<String> {
    let redirects = answer.starts_with("302");
    let mut lines: Vec<String> = answer
        .lines()
        .enumerate()
        .map(|(number, line)| match number {
            // The reason phrase of the status line says nothing.
            0 => line.chars().take(3).collect(),
            _ => ["preference", "priority", "pubdate"]
                .iter()
                .fold(line.to_owned(), |line, name| without_attribute(&line, name)),
        })
        // Where to is a matter of chance.
        .filter(|line| !redirects || !line.contains("://"))
        .filter(|line| !line.starts_with(" <published>") && !line.starts_with("link: "))
        .filter(|line| !line.is_empty() && !line.starts_with("date: ") && !line.starts_with("content-length: "))
        .collect();
    lines.sort();
    lines
}

fn without_attribute(line: &str, name: &str) -> String {
    let start = format!(" {name}=\"");
    match line
        .split_once(&start)
        .and_then(|(before, rest)| Some((before, rest.split_once('"')?)))
    {
        Some((before, (_, after))) => format!("{before}{after}"),
        None => line.to_owned(),
    }
}
