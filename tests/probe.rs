//! `generate-mirrorlist-cache probe` asks real mirrors on loopback: the built binary, sockets, TLS, files and signals.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

#[path = "probe/schema.rs"]
mod schema;
mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use mirrorlist_server::cache::proto::MirrorList;
use prost::Message as _;
use serde_json::Value;
use support::PATIENCE;
use support::http;
use support::mirrors::{
    Authority, Mirror, MirrorReply, MirrorRequest, OpenConnections, TOPDIR, cache_of, next_address, repomd,
};
use support::process::{describe, run};
use tempfile::TempDir;

/// The times of the known versions.
const CURRENT: u64 = 1_700_000_000;
const OLDER: u64 = 1_600_000_000;

/// A folder with a cache, and the health file that a probe makes of it.
struct World {
    folder: TempDir,
}

impl World {
    /// A world whose hosts (country and URLs, numbered from 1) carry the repository `a`.
    fn new(hosts: &[(&str, Vec<String>)]) -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        world.write_cache(hosts, &["a"]);
        world
    }

    fn write_cache(&self, hosts: &[(&str, Vec<String>)], repositories: &[&str]) {
        let hosts: Vec<_> = (1..)
            .zip(hosts)
            .map(|(id, (country, urls))| (id, *country, urls.clone()))
            .collect();
        let (current, older) = (repomd(CURRENT), repomd(OLDER));
        let versions = || vec![(CURRENT, current.as_slice()), (OLDER, older.as_slice())];
        let repositories: Vec<_> = repositories.iter().map(|name| (*name, versions())).collect();
        self.write(&cache_of(&hosts, &repositories));
    }

    fn write(&self, cache: &MirrorList) {
        let new = self.path("new");
        fs::write(&new, cache.encode_to_vec()).unwrap();
        fs::rename(new, self.path("cache.proto")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn outfile(&self) -> PathBuf {
        self.path("health.json")
    }

    fn arguments(&self, further: &[&str]) -> Vec<String> {
        let (cache, outfile) = (self.path("cache.proto"), self.outfile());
        let own = [
            "probe",
            "--cache",
            cache.to_str().unwrap(),
            "-o",
            outfile.to_str().unwrap(),
        ];
        // Long enough for a busy machine; tests of silence set their own.
        let all = own.iter().chain(&["--patience", "30s"]).chain(further);
        all.map(|argument| (*argument).to_owned()).collect()
    }

    fn command(&self, further: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"));
        command.args(self.arguments(further));
        // A proxy would be no mirror.
        command
            .env("http_proxy", "http://127.0.0.1:1")
            .env("ALL_PROXY", "http://127.0.0.1:1");
        if self.path("roots.pem").exists() {
            command.env("SSL_CERT_FILE", self.path("roots.pem"));
        }
        command
    }

    /// A round, of which cron would hear nothing.
    fn round(&self, further: &[&str]) -> Value {
        let output = run(&mut self.command(further));
        assert!(output.status.success(), "{}", describe(&output));
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "{}",
            describe(&output)
        );
        self.health()
    }

    /// A round with everything in the log.
    fn logged_round(&self, further: &[&str]) -> (Value, String) {
        let all: Vec<&str> = ["-d"].iter().chain(further).copied().collect();
        let output = run(&mut self.command(&all));
        assert!(output.status.success(), "{}", describe(&output));
        (self.health(), text(&output.stderr))
    }

    fn health(&self) -> Value {
        let health = serde_json::from_slice(&fs::read(self.outfile()).unwrap()).unwrap();
        schema::assert_valid(&health);
        health
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a file says of a URL.
fn url_in<'a>(health: &'a Value, url: &str) -> &'a Value {
    let urls = health["urls"].as_array().unwrap();
    urls.iter()
        .find(|known| known["url"] == url)
        .unwrap_or_else(|| panic!("no {url} in {health:#}"))
}

/// The verdict on a URL and on its first repository, and the words of the latter's last answer.
fn verdicts<'a>(health: &'a Value, url: &str) -> [&'a str; 3] {
    let url = url_in(health, url);
    let repository = &url["repositories"][0];
    [
        &url["standing"]["verdict"],
        &repository["standing"]["verdict"],
        &repository["last_answer"],
    ]
    .map(|value| value.as_str().unwrap())
}

fn good(_: &MirrorRequest) -> MirrorReply {
    MirrorReply::ok(repomd(CURRENT))
}

/// A URL that refuses connections.
fn refusing() -> String {
    let listener = TcpListener::bind((next_address(), 0)).unwrap();
    format!("http://{}/pub", listener.local_addr().unwrap())
}

/// The content, after so many redirects to other paths.
fn after_redirects(number: usize, request: &MirrorRequest) -> MirrorReply {
    match request.target.matches("/x").count() == number {
        true => MirrorReply::ok(repomd(CURRENT)),
        false => MirrorReply::redirect(format!("/x{}", request.target)),
    }
}

#[test]
fn one_round_finds_what_each_mirror_is_like() {
    let authority = Authority::new("known");
    let moved_to = Mirror::new(good);
    let location = format!("{}/a/os/repodata/repomd.xml", moved_to.url());
    let to_https = Mirror::https(&authority, 2100, good);
    let https_location = format!("{}/a/os/repodata/repomd.xml", to_https.url());
    let stranger = Mirror::https(&Authority::new("unknown"), 2100, good);
    let looping = |request: &MirrorRequest| MirrorReply::redirect(format!("{}?again", request.target));
    let mirrors = [
        (Mirror::new(good), "good", "200, current version"),
        (Mirror::https(&authority, 2100, good), "good", "200, current version"),
        (
            Mirror::new(|_| MirrorReply::ok(repomd(OLDER))),
            "good",
            "200, an older known version",
        ),
        (
            Mirror::new(|_| MirrorReply::ok(repomd(CURRENT + 1))),
            "good",
            "200, newer than the cache",
        ),
        (
            Mirror::new(move |_| MirrorReply::redirect(location.clone())),
            "good",
            "200, current version, at 127.",
        ),
        (
            Mirror::new(move |_| MirrorReply::redirect(https_location.clone())),
            "good",
            "200, current version, at 127.",
        ),
        (
            Mirror::new(|request| after_redirects(6, request)),
            "good",
            "200, current version",
        ),
        (
            Mirror::new(|_| MirrorReply::ok(repomd(OLDER + 1))),
            "stale",
            "200, unknown content of ",
        ),
        (
            Mirror::new(|_| MirrorReply::ok("<html>Welcome</html>")),
            "stale",
            "200, unknown content of 20 bytes",
        ),
        (
            Mirror::new(|_| MirrorReply::ok(vec![b'x'; 2 << 20])),
            "stale",
            "200, unknown content of more than 1048576 bytes",
        ),
        (
            Mirror::new(|_| MirrorReply::status("404 Not Found")),
            "missing",
            "404 Not Found",
        ),
        (
            Mirror::new(|_| MirrorReply::status("206 Partial Content")),
            "missing",
            "206 Partial Content",
        ),
        (
            Mirror::new(|_| MirrorReply::Unmeasured(vec![b'x'; (1 << 20) + 1])),
            "stale",
            "200, unknown content of more than 1048576 bytes",
        ),
        (
            Mirror::new(|_| MirrorReply::Unmeasured(vec![b'x'; 1 << 20])),
            "stale",
            "200, unknown content of 1048576 bytes",
        ),
        (
            Mirror::new(|request| after_redirects(7, request)),
            "missing",
            "more than 6 redirects, the last one to http://127.",
        ),
        (
            Mirror::new(looping),
            "missing",
            "more than 6 redirects, the last one to http://127.",
        ),
        (
            Mirror::new(|_| MirrorReply::redirect("ftp://a.example/x")),
            "missing",
            "302 to ftp://a.example/x, which is not HTTP",
        ),
        (
            Mirror::new(|_| MirrorReply::status("302 Found")),
            "missing",
            "302 without a Location",
        ),
        (
            Mirror::new(|_| MirrorReply::status("429 Too Many Requests")),
            "unjudged",
            "429 Too Many Requests",
        ),
        (
            Mirror::new(|_| MirrorReply::status("503 Service Unavailable")),
            "dead",
            "503 Service Unavailable",
        ),
        (
            Mirror::new(|_| MirrorReply::Close),
            "dead",
            "connection closed before the end of the answer",
        ),
        (Mirror::https(&authority, 2021, good), "dead", "certificate expired"),
        (stranger, "dead", "certificate of an unknown issuer"),
    ];
    let refusing = refusing();
    let mut hosts: Vec<(&str, Vec<String>)> = mirrors.iter().map(|(mirror, ..)| ("DE", vec![mirror.url()])).collect();
    hosts.push(("FR", vec![refusing.clone()]));
    let world = World::new(&hosts);
    fs::write(world.path("roots.pem"), &authority.pem).unwrap();
    let rounds: Vec<Value> = (0..3).map(|_| world.round(&[])).collect();
    let cases = mirrors
        .iter()
        .map(|(mirror, verdict, words)| (mirror.url(), *verdict, *words));
    for (url, kind, words) in cases.chain([(refusing, "dead", "connection refused")]) {
        for (round, health) in (1..).zip(&rounds) {
            let expected = match kind {
                "dead" if round >= 2 => ["dead", "good"],
                "stale" | "missing" if round >= 3 => ["good", kind],
                _ => ["good", "good"],
            };
            let [of_url, of_repository, answer] = verdicts(health, &url);
            // A redirect to another site is told at once.
            let of_url = if words.ends_with(", at 127.") && of_url == "moved" {
                "good"
            } else {
                of_url
            };
            assert_eq!([of_url, of_repository], expected, "{words} in round {round}");
            // What did not change is not sent again by a mirror that says so; these say nothing.
            assert!(answer.starts_with(words), "{answer} instead of {words}");
            let works = kind != "dead";
            let families = url_in(health, &url)["families"].as_array().unwrap().clone();
            assert_eq!(
                families,
                if works { vec![Value::from("ipv4")] } else { Vec::new() },
                "{words}"
            );
        }
    }
    assert_eq!(verdicts(&rounds[0], &mirrors[4].0.url())[0], "moved");
    // Of another port of the same host it is not.
    assert_eq!(verdicts(&rounds[0], &mirrors[6].0.url())[0], "good");
}

#[test]
fn a_mirror_that_says_nothing_or_too_little_is_dead_when_patience_ends() {
    let silent = Mirror::new(|_| MirrorReply::Silence);
    let slow = Mirror::new(|_| MirrorReply::Trickle);
    let world = World::new(&[("DE", vec![silent.url()]), ("DE", vec![slow.url()])]);
    let patience = ["--patience", "300ms"];
    world.round(&patience);
    let health = world.round(&patience);
    for mirror in [&silent, &slow] {
        let url = url_in(&health, &mirror.url());
        assert_eq!(url["standing"]["verdict"], "dead");
        assert_eq!(url["last_answer"], "no answer within 300 ms");
    }
}

#[test]
fn a_verdict_needs_strikes_and_good_answers_in_a_row_across_restarts() {
    let (dying, rotting) = (Mirror::new(good), Mirror::new(good));
    let world = World::new(&[("DE", vec![dying.url()]), ("FR", vec![rotting.url()])]);
    let mut seen = Vec::new();
    let mut logs = Vec::new();
    for bad in [false, true, true, true, false, true, false, false] {
        let (dead, stale): (MirrorReply, MirrorReply) = match bad {
            true => (MirrorReply::Close, MirrorReply::ok("old")),
            false => (MirrorReply::ok(repomd(CURRENT)), MirrorReply::ok(repomd(CURRENT))),
        };
        dying.behave(move |_| dead.clone());
        rotting.behave(move |_| stale.clone());
        let (health, log) = world.logged_round(&[]);
        let [of_dying, _, _] = verdicts(&health, &dying.url());
        let [_, of_rotting, _] = verdicts(&health, &rotting.url());
        seen.push((of_dying.to_owned(), of_rotting.to_owned()));
        logs.push(log);
    }
    let seen: Vec<(&str, &str)> = seen
        .iter()
        .map(|(dying, rotting)| (dying.as_str(), rotting.as_str()))
        .collect();
    let (good, dead) = (("good", "good"), ("dead", "good"));
    let both = ("dead", "stale");
    assert_eq!(seen, [good, good, dead, both, both, both, both, good]);

    let changes = |log: &String| {
        log.lines()
            .filter(|line| line.contains("a verdict on a mirror changes"))
            .count()
    };
    assert_eq!(logs.iter().map(changes).collect::<Vec<_>>(), [0, 0, 1, 1, 0, 0, 0, 2]);
    let change = logs[2]
        .lines()
        .find(|line| line.contains("a verdict on a mirror changes"))
        .unwrap();
    let change: Value = serde_json::from_str(change).unwrap();
    assert_eq!(
        (&change["level"], &change["url"]),
        (&"WARN".into(), &dying.url().into())
    );
    assert_eq!(
        (&change["from"], &change["to"], &change["families"]),
        (&"good".into(), &"dead".into(), &"".into())
    );
    assert_eq!(change["last_answer"], "connection closed before the end of the answer");
    assert!(change["after_s"].is_u64());
    let end = logs[7]
        .lines()
        .find(|line| line.contains("\"directory\":\"pub/linux/a/os\"") && line.contains("changes"));
    assert!(end.unwrap().contains("\"level\":\"INFO\""), "{end:?}");
}

#[test]
fn an_https_url_that_fails_leaves_the_http_url_of_its_host_good() {
    let authority = Authority::new("known");
    let (expired, fine) = (Mirror::https(&authority, 2021, good), Mirror::new(good));
    let world = World::new(&[("DE", vec![expired.url(), fine.url()])]);
    fs::write(world.path("roots.pem"), &authority.pem).unwrap();
    world.round(&[]);
    let health = world.round(&[]);
    assert_eq!(
        verdicts(&health, &expired.url()),
        ["dead", "good", "certificate expired"]
    );
    assert_eq!(verdicts(&health, &fine.url()), ["good", "good", "200, current version"]);
}

#[test]
fn content_that_did_not_change_does_not_come_again() {
    let mirror = Mirror::new(|request| {
        let known = request.header("If-None-Match") == Some("\"v1\"");
        match known && request.header("If-Modified-Since") == Some("Tue, 14 Nov 2023 22:13:20 GMT") {
            true => MirrorReply::status("304 Not Modified"),
            false => MirrorReply::Answer(
                "200 OK",
                vec![
                    ("ETag", "\"v1\"".to_owned()),
                    ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT".to_owned()),
                ],
                repomd(CURRENT),
            ),
        }
    });
    let world = World::new(&[("DE", vec![mirror.url()])]);
    assert_eq!(verdicts(&world.round(&[]), &mirror.url())[2], "200, current version");
    assert_eq!(verdicts(&world.round(&[]), &mirror.url())[2], "304, current version");
    // The cache knows other versions now: what is there is stale, though it did not change.
    let new = repomd(CURRENT + 100);
    world.write(&cache_of(
        &[(1, "DE", vec![mirror.url()])],
        &[("a", vec![(CURRENT + 100, &new)])],
    ));
    for _ in 0..2 {
        world.round(&[]);
    }
    assert_eq!(
        verdicts(&world.round(&[]), &mirror.url()),
        ["good", "stale", "304, unknown content"]
    );
}

#[test]
fn a_mirror_sees_who_asks_and_for_what() {
    let mirror = Mirror::new(|request| match request.target.contains("/b/") {
        true => MirrorReply::status("500 Internal Server Error"),
        false => MirrorReply::ok(repomd(CURRENT)),
    });
    let world = World::new(&[]);
    world.write_cache(&[("DE", vec![mirror.url()])], &["a", "b", "c"]);
    let contact = [
        "--contact",
        "admin@probe.example, +49 0",
        "--watch",
        "a+*,*/b/os,nothing*",
    ];
    let (health, log) = world.logged_round(&contact);
    let requests = mirror.requests();
    let targets: Vec<&str> = requests.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(
        targets,
        ["/pub/a/os/repodata/repomd.xml", "/pub/b/os/repodata/repomd.xml"]
    );
    let version = env!("CARGO_PKG_VERSION");
    for request in &requests {
        assert_eq!(
            request.header("User-Agent").unwrap(),
            format!("generate-mirrorlist-cache/{version} (mirror health probe; admin@probe.example, +49 0)")
        );
        assert_eq!(request.header("Accept-Encoding"), Some("identity"));
        assert_eq!(request.header("Host"), Some(mirror.address().to_string().as_str()));
    }
    assert_eq!(
        log.matches("no repository of the cache matches a pattern of --watch")
            .count(),
        1,
        "{log}"
    );
    // One error of several is a lack of that repository.
    let repositories = url_in(&health, &mirror.url())["repositories"].as_array().unwrap();
    assert_eq!(repositories.len(), 2);
    assert_eq!(repositories[1]["directory"], format!("{TOPDIR}/b/os"));
    assert_eq!(
        (
            &repositories[1]["standing"]["strikes"],
            repositories[1]["last_answer"].as_str()
        ),
        (&1.into(), Some("500 Internal Server Error"))
    );
}

#[test]
fn a_host_is_asked_one_question_at_a_time_and_sixty_four_hosts_at_once() {
    // Each waits until 64 connections are open.
    let barrier = Arc::new(Barrier::new(64));
    let open = Arc::<OpenConnections>::default();
    let mirrors: Vec<Mirror> = (0..128)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            Mirror::counted(&open, move |_| {
                barrier.wait();
                MirrorReply::ok(repomd(CURRENT))
            })
        })
        .collect();
    let hosts: Vec<_> = mirrors.iter().map(|mirror| ("DE", vec![mirror.url()])).collect();
    let health = World::new(&hosts).round(&[]);
    for mirror in &mirrors {
        assert_eq!(verdicts(&health, &mirror.url())[2], "200, current version");
    }
    assert_eq!(open.most(), 64);

    // Two URLs of one host, another host on the same machine, and two repositories.
    let mirror = Mirror::new(good);
    let url = |path: &str| format!("{}/{path}", mirror.url());
    let world = World::new(&[]);
    world.write_cache(&[("DE", vec![url("1"), url("2")]), ("FR", vec![url("3")])], &["a", "b"]);
    let health = world.round(&[]);
    assert_eq!((mirror.most_connections(), mirror.requests().len()), (1, 6));
    let order: Vec<_> = health["urls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|url| (&url["host_id"], &url["country"]))
        .collect();
    assert_eq!(
        order,
        [
            (&1.into(), &"DE".into()),
            (&1.into(), &"DE".into()),
            (&2.into(), &"FR".into())
        ]
    );

    // Fewer, if that is asked for.
    let open = Arc::<OpenConnections>::default();
    let mirrors: Vec<Mirror> = (0..20).map(|_| Mirror::counted(&open, good)).collect();
    let hosts: Vec<_> = mirrors.iter().map(|mirror| ("DE", vec![mirror.url()])).collect();
    World::new(&hosts).round(&["--parallel", "1"]);
    assert_eq!(open.most(), 1);
}

/// A health file without its times.
fn without_times(world: &World) -> String {
    let is_time = |line: &&str| {
        let line = line.trim_start();
        ["\"made\"", "\"valid_until\"", "\"since\"", "\"checked\""]
            .iter()
            .any(|key| line.starts_with(key))
    };
    let text = fs::read_to_string(world.outfile()).unwrap();
    text.lines()
        .filter(|line| !is_time(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_file_is_the_same_whatever_the_order_of_answers() {
    let mirrors: Vec<Mirror> = (0..30)
        .map(|number| {
            Mirror::new(move |_| match number % 3 {
                0 => MirrorReply::ok(repomd(CURRENT)),
                1 => MirrorReply::status("404 Not Found"),
                _ => MirrorReply::Close,
            })
        })
        .collect();
    let hosts: Vec<_> = mirrors.iter().map(|mirror| ("DE", vec![mirror.url()])).collect();
    let files: Vec<String> = (0..2)
        .map(|_| {
            let world = World::new(&[]);
            world.write_cache(&hosts, &["a", "b", "c", "d"]);
            for _ in 0..2 {
                world.round(&["--place", "here \u{e4}"]);
            }
            without_times(&world)
        })
        .collect();
    assert_eq!(files[0], files[1]);
    assert!(files[0].contains("\"place\": \"here \u{e4}\""), "{}", files[0]);
}

#[test]
fn a_new_file_takes_over_mode_and_link_and_says_how_long_it_counts() {
    let mirror = Mirror::new(good);
    let world = World::new(&[("DE", vec![mirror.url()])]);
    let health = world.round(&[]);
    let seconds = |health: &Value| health["valid_until"].as_u64().unwrap() - health["made"].as_u64().unwrap();
    assert_eq!(seconds(&health), 3_600);
    assert_eq!(health["cache_created"], 1_700_000_000);
    let real = world.path("real.json");
    fs::rename(world.outfile(), &real).unwrap();
    std::os::unix::fs::symlink(&real, world.outfile()).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(seconds(&world.round(&["--valid", "90s"])), 90);
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(world.outfile()).unwrap().is_symlink());
    let mut names: Vec<_> = fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["cache.proto", "health.json", "real.json"]);
}

#[test]
fn a_damaged_file_is_a_warning_and_a_fresh_start() {
    let mirror = Mirror::new(|_| MirrorReply::Close);
    let world = World::new(&[("DE", vec![mirror.url()])]);
    world.round(&[]);
    let whole = fs::read(world.outfile()).unwrap();
    fs::write(world.outfile(), &whole[..whole.len() / 2]).unwrap();
    let (health, log) = world.logged_round(&[]);
    assert!(
        log.contains("cannot use the last health file; its strikes are lost") && log.contains("line "),
        "{log}"
    );
    assert_eq!(url_in(&health, &mirror.url())["standing"]["strikes"], 1);
    // Whole again, it counts on.
    assert_eq!(verdicts(&world.round(&[]), &mirror.url())[0], "dead");
}

fn fails(output: &Output, code: i32, said: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(
        error.starts_with("generate-mirrorlist-cache: ") && error.contains(said),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn what_cannot_be_done_is_one_line_and_leaves_the_file() {
    let mirror = Mirror::new(good);
    let world = World::new(&[("DE", vec![mirror.url()])]);
    world.round(&[]);
    let before = fs::read(world.outfile()).unwrap();
    fs::write(world.path("cache.proto"), "no cache").unwrap();
    fails(&run(&mut world.command(&[])), 66, "not a usable mirrorlist cache");
    fs::remove_file(world.path("cache.proto")).unwrap();
    fails(&run(&mut world.command(&[])), 66, "cache.proto: cannot read it");
    assert_eq!(fs::read(world.outfile()).unwrap(), before);
    world.write_cache(&[("DE", vec![mirror.url()])], &["a"]);
    fails(&run(&mut world.command(&["-o", "/dev/null"])), 73, "--outfile");
    let nowhere = world.path("no-folder/x.json");
    let output = run(&mut world.command(&["-o", nowhere.to_str().unwrap()]));
    fails(&output, 73, "no-folder/x.json: cannot write it");
    fails(
        &run(&mut world.command(&["--patience", "soon"])),
        64,
        "--patience \"soon\"",
    );
}

#[test]
fn a_signal_in_the_middle_of_a_round_leaves_the_old_file() {
    let mirror = Mirror::new(good);
    let world = World::new(&[("DE", vec![mirror.url()])]);
    world.round(&[]);
    let before = fs::read(world.outfile()).unwrap();
    mirror.requests();
    for signal in ["TERM", "INT"] {
        mirror.behave(|_| MirrorReply::Silence);
        let mut child = world.command(&["--patience", "1h"]).spawn().unwrap();
        mirror.wait_for_request();
        kill(&child, signal);
        assert!(!child.wait().unwrap().success());
    }
    assert_eq!(fs::read(world.outfile()).unwrap(), before);
    assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 2);
}

fn kill(child: &Child, signal: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -s {signal} {}", child.id())])
        .status();
    assert!(status.unwrap().success());
}

/// A probe that keeps running, and the lines of its log.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(world: &World, further: &[&str]) -> Self {
        let arguments = ["--interval", "1s", "--metrics-listen", "127.0.0.1:0"];
        let further: Vec<&str> = arguments.iter().chain(further).copied().collect();
        let mut child = world.command(&further).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Reads the log up to a line with this text.
    fn wait_for(&self, said: &str) -> Value {
        let started = Instant::now();
        let mut before = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed()));
            let line = line.unwrap_or_else(|_| panic!("no {said:?} in {before}"));
            before += &line;
            if line.contains(said) {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_probe_with_an_interval_goes_on_and_shows_how_it_is() {
    let (first, second) = (Mirror::new(good), Mirror::new(|_| MirrorReply::Close));
    let world = World::new(&[("DE", vec![first.url()])]);
    let mut probe = Running::start(&world, &[]);
    let address: SocketAddr = probe.wait_for("listening")["address"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    probe.wait_for("all mirrors were asked");
    let healthz = || http::get(address, "/healthz");
    assert_eq!((healthz().status, healthz().text().trim()), (200, "ok"));
    let health = world.health();
    let valid = health["valid_until"].as_u64().unwrap() - health["made"].as_u64().unwrap();
    assert!((3..60).contains(&valid), "{valid}");

    // A new cache is read, and an unusable one is an error; the file stays then.
    world.write_cache(&[("DE", vec![first.url()]), ("FR", vec![second.url()])], &["a"]);
    assert_eq!(probe.wait_for("the cache is read")["urls"], 2);
    probe.wait_for("\"to\":\"dead\"");
    probe.wait_for("all mirrors were asked");
    let metrics = http::get(address, "/metrics");
    for line in [
        "mirrorlist_probe_urls{verdict=\"dead\"} 1",
        "mirrorlist_probe_urls{verdict=\"good\"} 1",
        "mirrorlist_probe_repositories{verdict=\"good\"} 2",
        "mirrorlist_probe_hosts 2",
        "mirrorlist_probe_rounds_total{outcome=\"failure\"} 0",
    ] {
        assert!(metrics.text().contains(line), "{line} in {}", metrics.text());
    }
    fs::write(world.path("cache.proto"), "no cache").unwrap();
    assert_eq!(probe.wait_for("not a usable mirrorlist cache")["exit_code"], 66);
    assert_eq!(healthz().status, 503);
    assert!(
        healthz().text().contains("not a usable mirrorlist cache"),
        "{}",
        healthz().text()
    );
    let mut healthcheck = Command::new(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"));
    healthcheck.args(["healthcheck", "--metrics-listen", &address.to_string()]);
    assert_eq!(run(&mut healthcheck).status.code(), Some(1));
    assert_eq!(world.health()["urls"].as_array().unwrap().len(), 2);

    world.write_cache(&[("DE", vec![first.url()])], &["a"]);
    probe.wait_for("all mirrors were asked");
    assert_eq!(world.health()["urls"].as_array().unwrap().len(), 1);
    assert_eq!(run(&mut healthcheck).status.code(), Some(0));
    kill(&probe.child, "TERM");
    assert!(!probe.child.wait().unwrap().success());
}

#[test]
fn a_report_is_printed_on_demand() {
    let (fine, bad) = (Mirror::new(good), Mirror::new(|_| MirrorReply::Close));
    let world = World::new(&[("DE", vec![fine.url()]), ("FR", vec![bad.url()])]);
    world.round(&[]);
    let output = run(&mut world.command(&["--report"]));
    let report = text(&output.stdout);
    assert!(output.stderr.is_empty(), "{}", describe(&output));
    for line in [
        "2 hosts with 2 URLs were asked",
        "FR             0        1        0        0",
        &format!(
            "  dead     {}: connection closed before the end of the answer",
            bad.url()
        ),
    ] {
        assert!(report.contains(line), "{line} in {report}");
    }
}

#[test]
fn a_cache_without_anything_to_ask_gives_an_empty_file() {
    let world = World::new(&[(
        "DE",
        vec!["rsync://127.0.0.1:1/pub".to_owned(), "ftp://127.0.0.1:1/pub".to_owned()],
    )]);
    let (health, log) = world.logged_round(&[]);
    assert_eq!(health["urls"], Value::Array(Vec::new()));
    assert!(log.contains("no public URL of the cache can be asked"), "{log}");
}

/// Runs a probe where names have these addresses; none where this user may not change what a process sees of /etc.
fn round_with_names(world: &World, names: &str) -> Option<Value> {
    fs::write(world.path("hosts"), names).unwrap();
    let script = "mount --bind \"$1\" /etc/hosts || exit 77; shift; exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(world.path("hosts"));
    command
        .arg(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"))
        .args(world.arguments(&[]));
    let output = run(&mut command);
    if matches!(output.status.code(), Some(1 | 77)) {
        eprintln!("SKIPPED: names need root: {}", describe(&output));
        return None;
    }
    assert!(output.status.success(), "{}", describe(&output));
    Some(world.health())
}

#[test]
fn families_are_tried_apart() {
    let (ipv4, ipv6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let names = "127.0.0.1 both.example four.example half.example\n::1 both.example six.example half.example\n";
    let (both, only_ipv6) = (Mirror::on(&[ipv4, ipv6], good), Mirror::on(&[ipv6], good));
    let urls = [
        both.url_by("both.example"),
        both.url_by("four.example"),
        both.url_by("six.example"),
        // Its name has both families, and one of them works.
        only_ipv6.url_by("half.example"),
        both.url_by("[::1]"),
        both.url_by("nowhere.invalid"),
    ];
    let hosts: Vec<_> = urls.iter().map(|url| ("DE", vec![url.clone()])).collect();
    let world = World::new(&hosts);
    for _ in 0..2 {
        let Some(health) = round_with_names(&world, names) else {
            return;
        };
        let families = urls.iter().map(|url| url_in(&health, url)["families"].to_string());
        assert_eq!(
            families.collect::<Vec<_>>(),
            [
                "[\"ipv4\",\"ipv6\"]",
                "[\"ipv4\"]",
                "[\"ipv6\"]",
                "[\"ipv6\"]",
                "[\"ipv6\"]",
                "[]"
            ]
        );
    }
    let health = world.health();
    let verdicts: Vec<_> = urls.iter().map(|url| verdicts(&health, url)).collect();
    assert!(
        verdicts[..5]
            .iter()
            .all(|verdicts| *verdicts == ["good", "good", "200, current version"])
    );
    assert_eq!(verdicts[5], ["dead", "good", "name has no address"]);
}
