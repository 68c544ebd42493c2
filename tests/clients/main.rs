//! The programs that ask mirrorlist servers, on the built server and on mirrors that are good, dead or stale: what counts is
//! what they end up with. A program that isn't installed skips its tests, loudly; `tests/run` installs them all.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod health;
mod mirror;
mod repository;
mod scene;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use mirrorlist_server::cache::proto::FileDetailsType;
use tempfile::TempDir;

use mirror::{DeadMirror, Mirror};
use repository::{PACKAGE, Repository, details};
use scene::{NONE_LEFT, REPOMD, REPOSITORY, Scene};
use support::http;
use support::process::{describe, run, succeed};
use support::programs::{Program, are_there};

const INDEX: &str = "/repodata/repomd.xml";

/// When the current version of the repository was made, and the one before it.
const NOW: u64 = 1_767_225_600;
const BEFORE: u64 = NOW - 86_400;

/// The current repository on a good mirror and the one before it on a stale one; a third mirror is dead.
struct Mirrors {
    current: Repository,
    older: Repository,
    good: Mirror,
    stale: Mirror,
    dead: DeadMirror,
}

impl Mirrors {
    fn new() -> Self {
        let (current, older) = (Repository::with_version(2), Repository::with_version(1));
        Self {
            good: Mirror::of(current.root()),
            stale: Mirror::of(older.root()),
            dead: DeadMirror::new(),
            current,
            older,
        }
    }

    fn current_details(&self) -> FileDetailsType {
        details(&self.current.repomd(), NOW)
    }

    fn older_details(&self) -> FileDetailsType {
        details(&self.older.repomd(), BEFORE)
    }

    /// The dead mirror, the stale one, the good one: clients that take what comes first get nothing or the wrong thing.
    fn worst_first(&self) -> Scene {
        let order = [self.dead.address(), self.stale.address(), self.good.address()];
        Scene::with(&order, vec![self.current_details()])
    }

    /// The dead mirror and the good one, for clients that can't see that a mirror is stale.
    fn dead_first(&self) -> Scene {
        let order = [self.dead.address(), self.good.address()];
        Scene::with(&order, vec![self.current_details()])
    }

    /// A stale mirror is found out by asking it, once.
    fn assert_that_the_stale_one_was_passed_over(&self) {
        assert_eq!(self.stale.requests_for(INDEX), 1, "requests to the stale mirror");
        assert_eq!(self.good.requests_for(INDEX), 1, "requests to the good mirror");
    }
}

fn with_repository(further: Program) -> [Program; 3] {
    let [rpmbuild, createrepo] = Repository::NEEDS;
    [rpmbuild, createrepo, further]
}

/// Loads the repository with librepo; prints its packages.
fn librepo(kind: &str, scene: &Scene) -> Output {
    librepo_with(kind, scene, REPOSITORY)
}

/// The same with a query of its own.
fn librepo_with(kind: &str, scene: &Scene, query: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let url = scene.url(kind, query);
    run(Program::Librepo.command().args([kind, &url]).arg(folder.path()))
}

fn assert_printed(output: &Output, expected: &str) {
    assert!(output.status.success(), "{}", describe(output));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{}",
        describe(output)
    );
}

#[test]
fn librepo_gets_through_dead_and_stale_mirrors_with_a_metalink() {
    if !are_there("librepo with a metalink", &with_repository(Program::Librepo)) {
        return;
    }
    let mirrors = Mirrors::new();
    let output = librepo("metalink", &mirrors.worst_first());
    assert_printed(&output, &format!("{PACKAGE} 2\n"));
    mirrors.assert_that_the_stale_one_was_passed_over();
}

#[test]
fn librepo_takes_nothing_from_stale_mirrors_alone() {
    if !are_there("librepo and a stale mirror", &with_repository(Program::Librepo)) {
        return;
    }
    let mirrors = Mirrors::new();
    let scene = Scene::with(&[mirrors.stale.address()], vec![mirrors.current_details()]);
    let output = librepo("metalink", &scene);
    assert!(!output.status.success(), "{}", describe(&output));
}

#[test]
fn librepo_takes_an_older_version_that_the_metalink_has_as_an_alternate() {
    if !are_there("librepo and alternates", &with_repository(Program::Librepo)) {
        return;
    }
    let mirrors = Mirrors::new();
    let versions = vec![mirrors.current_details(), mirrors.older_details()];
    let scene = Scene::with(&[mirrors.stale.address(), mirrors.good.address()], versions);
    assert_printed(&librepo("metalink", &scene), &format!("{PACKAGE} 1\n"));
}

#[test]
fn librepo_gets_past_a_dead_mirror_with_a_mirrorlist() {
    if !are_there("librepo with a mirrorlist", &with_repository(Program::Librepo)) {
        return;
    }
    let mirrors = Mirrors::new();
    let output = librepo("mirrorlist", &mirrors.dead_first());
    assert_printed(&output, &format!("{PACKAGE} 2\n"));
}

#[test]
fn librepo_reads_past_the_words_on_a_wish_that_is_not_followed() {
    if !are_there("librepo and a comment", &with_repository(Program::Librepo)) {
        return;
    }
    let mirrors = Mirrors::new();
    let scene = mirrors.worst_first();
    let query = format!("{REPOSITORY}{NONE_LEFT}");
    for kind in ["metalink", "mirrorlist"] {
        let answer = scene.server.get(&format!("/{kind}?{query}"));
        assert!(
            answer.text().contains("Ignoring excluded countries"),
            "{}",
            answer.text()
        );
    }
    assert_printed(&librepo_with("metalink", &scene, &query), &format!("{PACKAGE} 2\n"));
    mirrors.assert_that_the_stale_one_was_passed_over();
    let output = librepo_with("mirrorlist", &mirrors.dead_first(), &query);
    assert_printed(&output, &format!("{PACKAGE} 2\n"));
}

/// A machine with dnf that has our repository and no other.
struct DnfMachine {
    folder: TempDir,
}

impl DnfMachine {
    fn new(kind: &str, scene: &Scene) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let url = scene.url(kind, REPOSITORY);
        fs::create_dir(path("repos")).unwrap();
        fs::write(
            path("repos/example.repo"),
            format!("[example]\nname=Example\nenabled=1\ngpgcheck=0\n{kind}={url}\n"),
        )
        .unwrap();
        let settings = ["cachedir", "logdir", "persistdir", "varsdir"].map(|name| format!("{name}={}\n", path(name)));
        let settings = settings.concat();
        fs::write(
            path("dnf.conf"),
            format!("[main]\nplugins=0\nreposdir={}\n{settings}", path("repos")),
        )
        .unwrap();
        Self { folder }
    }

    /// Calls dnf; gives what it prints.
    fn dnf(&self, arguments: &[&str]) -> String {
        let path = |name: &str| self.folder.path().join(name);
        succeed(
            Program::Dnf
                .command()
                .arg("--config")
                .arg(path("dnf.conf"))
                .arg("--installroot")
                .arg(path("root"))
                .args(["--quiet", "--releasever=1", "--disablerepo=*", "--enablerepo=example"])
                .args(arguments),
        )
    }

    /// Makes the cache from mirrors and gives the packages that dnf then knows of.
    fn packages(&self) -> String {
        self.dnf(&["makecache"]);
        self.dnf(&["--cacheonly", "repoquery", "--queryformat", "%{name} %{version}"])
    }
}

#[test]
fn dnf_gets_through_dead_and_stale_mirrors_with_a_metalink() {
    if !are_there("dnf with a metalink", &with_repository(Program::Dnf)) {
        return;
    }
    let mirrors = Mirrors::new();
    let scene = mirrors.worst_first();
    let machine = DnfMachine::new("metalink", &scene);
    assert_eq!(machine.packages(), format!("{PACKAGE} 2\n"));
    mirrors.assert_that_the_stale_one_was_passed_over();
}

#[test]
fn dnf_gets_past_a_dead_mirror_with_a_mirrorlist() {
    if !are_there("dnf with a mirrorlist", &with_repository(Program::Dnf)) {
        return;
    }
    let mirrors = Mirrors::new();
    let scene = mirrors.dead_first();
    let machine = DnfMachine::new("mirrorlist", &scene);
    assert_eq!(machine.packages(), format!("{PACKAGE} 2\n"));
}

/// A mirror with a file in place of a repository's index, for clients that don't read it.
struct PlainMirror {
    root: TempDir,
    mirror: Mirror,
}

impl PlainMirror {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let mirror = Self {
            mirror: Mirror::of(root.path()),
            root,
        };
        fs::create_dir_all(mirror.repomd().parent().unwrap()).unwrap();
        fs::write(mirror.repomd(), "<repomd>not read by anyone</repomd>\n").unwrap();
        mirror
    }

    fn repomd(&self) -> PathBuf {
        repository::repomd(self.root.path())
    }

    fn details(&self) -> FileDetailsType {
        details(&self.repomd(), NOW)
    }

    fn scene(&self) -> Scene {
        Scene::with(&[self.mirror.address()], vec![self.details()])
    }

    fn content(&self) -> String {
        fs::read_to_string(self.repomd()).unwrap()
    }
}

/// Details that no mirror has the file to.
fn wrong(mirror: &PlainMirror) -> FileDetailsType {
    FileDetailsType {
        sha256: Some("0".repeat(64)),
        sha512: Some("0".repeat(128)),
        ..mirror.details()
    }
}

/// Has aria2 follow the metalink of a file into a folder.
fn aria2(scene: &Scene, folder: &TempDir) -> Output {
    aria2_with(&scene.url("metalink", REPOMD), folder)
}

fn aria2_with(url: &str, folder: &TempDir) -> Output {
    run(Program::Aria2
        .command()
        .args(["--no-conf", "--no-netrc", "--console-log-level=notice", "--dir"])
        .arg(folder.path())
        .arg(url))
}

#[test]
fn aria2_reads_past_the_words_on_a_wish_that_is_not_followed() {
    if !are_there("aria2 and a comment", &[Program::Aria2]) {
        return;
    }
    let mirror = PlainMirror::new();
    let folder = tempfile::tempdir().unwrap();
    let scene = mirror.scene();
    let url = scene.url("metalink", &format!("{REPOMD}{NONE_LEFT}"));
    let output = aria2_with(&url, &folder);
    assert!(output.status.success(), "{}", describe(&output));
    let fetched = fs::read_to_string(folder.path().join("repomd.xml"));
    assert_eq!(fetched.unwrap(), mirror.content());
}

#[test]
fn aria2_follows_a_metalink_past_a_dead_mirror_to_the_file() {
    if !are_there("aria2 with a metalink", &[Program::Aria2]) {
        return;
    }
    let (good, dead) = (PlainMirror::new(), DeadMirror::new());
    let scene = Scene::with(&[dead.address(), good.mirror.address()], vec![good.details()]);
    let folder = tempfile::tempdir().unwrap();
    let output = aria2(&scene, &folder);
    assert!(output.status.success(), "{}", describe(&output));
    let fetched = fs::read_to_string(folder.path().join("repomd.xml"));
    assert_eq!(fetched.unwrap(), good.content());
}

#[test]
fn aria2_follows_a_metalink_4_past_a_dead_mirror_and_checks_the_file() {
    if !are_there("aria2 with a metalink 4", &[Program::Aria2]) {
        return;
    }
    let (good, dead) = (PlainMirror::new(), DeadMirror::new());
    let order = [dead.address(), good.mirror.address()];
    for (versions, is_good) in [(good.details(), true), (wrong(&good), false)] {
        let scene = Scene::with(&order, vec![versions]);
        let folder = tempfile::tempdir().unwrap();
        let output = aria2_with(&scene.url("metalink", &format!("{REPOMD}&format=metalink4")), &folder);
        assert_eq!(output.status.success(), is_good, "{}", describe(&output));
        let fetched = fs::read_to_string(folder.path().join("repomd.xml"));
        assert!(!is_good || fetched.unwrap() == good.content(), "{}", describe(&output));
        assert_eq!(
            !is_good,
            describe(&output).contains("hecksum error"),
            "{}",
            describe(&output)
        );
    }
}

#[test]
fn aria2_is_redirected_to_the_file_whatever_it_makes_of_the_links() {
    if !are_there("aria2 with a redirect", &[Program::Aria2]) {
        return;
    }
    let (good, dead) = (PlainMirror::new(), DeadMirror::new());
    let scene = Scene::with(&[good.mirror.address(), dead.address()], vec![good.details()]);
    let folder = tempfile::tempdir().unwrap();
    let output = aria2_with(&scene.url("mirrorlist", &format!("{REPOMD}&redirect=1")), &folder);
    assert!(output.status.success(), "{}", describe(&output));
    let fetched = fs::read_to_string(folder.path().join("repomd.xml"));
    assert_eq!(fetched.unwrap(), good.content(), "{}", describe(&output));
}

#[test]
fn a_program_that_reads_json_finds_the_mirror_with_the_current_file() {
    if !are_there("a program that reads JSON", &[Program::Python]) {
        return;
    }
    let (good, stale, dead) = (PlainMirror::new(), PlainMirror::new(), DeadMirror::new());
    fs::write(stale.repomd(), "<repomd>of yesterday</repomd>\n").unwrap();
    let order = [dead.address(), stale.mirror.address(), good.mirror.address()];
    let scene = Scene::with(&order, vec![good.details()]);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/json_mirrors.py");
    let url = scene.url("metalink", &format!("{REPOMD}&format=json"));
    let output = run(Program::Python.command().args([program, &url]));
    let expected = format!("{}\n{}", good.mirror.address(), good.content());
    assert_printed(&output, &expected);
}

#[test]
fn aria2_refuses_a_file_with_another_hash() {
    if !are_there("aria2 and a wrong hash", &[Program::Aria2]) {
        return;
    }
    let mirror = PlainMirror::new();
    let scene = Scene::with(&[mirror.mirror.address()], vec![wrong(&mirror)]);
    let folder = tempfile::tempdir().unwrap();
    let output = aria2(&scene, &folder);
    assert!(!output.status.success(), "{}", describe(&output));
    assert!(describe(&output).contains("hecksum error"), "{}", describe(&output));
}

#[test]
fn curl_is_redirected_to_the_file() {
    if !are_there("curl with a redirect", &[Program::Curl]) {
        return;
    }
    let mirror = PlainMirror::new();
    let scene = mirror.scene();
    let url = scene.url("mirrorlist", &format!("{REPOMD}&redirect=1"));
    let follow = ["-q", "--silent", "--show-error", "--fail", "--location"];
    let output = run(Program::Curl
        .command()
        .args(follow)
        .args(["--write-out", "%{num_redirects}", &url]));
    assert_printed(&output, &format!("{}1", mirror.content()));
}

#[test]
fn curl_that_offers_http2_is_answered_with_http1() {
    if !are_there("curl with HTTP/2", &[Program::CurlWithHttp2]) {
        return;
    }
    let scene = PlainMirror::new().scene();
    let url = scene.url("mirrorlist", REPOSITORY);
    // It asks with Upgrade: h2c.
    let output = run(Program::CurlWithHttp2
        .command()
        .args(["-q", "--silent", "--show-error", "--fail", "--http2"])
        .args(["--write-out", "HTTP/%{http_version}", &url]));
    let with_http1 = scene.server.get(&format!("/mirrorlist?{REPOSITORY}"));
    assert_printed(&output, &format!("{}HTTP/1.1", with_http1.text()));
}

#[test]
fn a_health_check_of_haproxy_is_answered() {
    // HTTP/1.0 without Host, as HAProxy sends it; after the answer the server closes the connection.
    let mirror = PlainMirror::new();
    let scene = mirror.scene();
    let directory = scene::base_url(mirror.mirror.address()) + "/1/os";
    for (endpoint, listed) in [
        ("mirrorlist", format!("{directory}/\n")),
        ("metalink", format!(">{directory}{INDEX}</url>")),
    ] {
        let check = format!("GET /{endpoint}?{REPOSITORY} HTTP/1.0\r\n\r\n");
        let answer = http::exchange(scene.server.address(), check.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains(&listed), "{}", answer.text());
    }
}

#[test]
fn the_access_log_has_the_country_of_the_client_behind_a_proxy() {
    if !are_there("curl as a proxy's client", &[Program::Curl]) {
        return;
    }
    let scene = PlainMirror::new().scene();
    let clients = [
        "192.0.2.9",
        "198.51.100.9",
        "198.51.100.200",
        "2001:db8::9",
        "203.0.113.9",
    ];
    for client in clients {
        let forwarded = format!("X-Forwarded-For: {client}");
        let url = scene.url("metalink", REPOSITORY);
        succeed(
            Program::Curl
                .command()
                .args(["-q", "--silent", "--fail", "--header", &forwarded, &url]),
        );
    }
    let Scene { server, files } = scene;
    assert!(server.stop().success(), "the server stops in order");
    let log = fs::read_to_string(files.access_log()).unwrap();
    let noted: Vec<(&str, &str)> = log
        .lines()
        .map(|line| line.split_whitespace().collect())
        .map(|fields: Vec<&str>| (fields[1].trim_end_matches(';'), fields[5].trim_end_matches(';')))
        .filter(|(address, _)| !address.starts_with("127."))
        .collect();
    assert_eq!(
        noted,
        clients
            .into_iter()
            .zip(["DE", "US", "JP", "FR", "N/A"])
            .collect::<Vec<_>>(),
        "{log}"
    );
}
