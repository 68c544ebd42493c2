//! Six real mirrors, the probe, a server and librepo: what is bad is found within three rounds, told everywhere, comes last, and is
//! good again after two good rounds. A probe without a network changes nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use mirrorlist_server::cache::proto::IntIntMap;
use serde_json::Value;

use crate::repository::{PACKAGE, Repository, SUBPATH, TOP_DIRECTORY};
use crate::support::data::DataFiles;
use crate::support::mirrors::{Authority, Mirror, MirrorReply, MirrorRequest, cache_of, next_address, repomd};
use crate::support::process::{describe, run};
use crate::support::programs::{Program, are_there};
use crate::support::server::Server;
use crate::with_repository;

const CURRENT: u64 = 1_767_225_600;
const QUERY: &str = "repo=a&arch=x86_64";

/// A mirror's host as the cache numbers it.
const GOOD: usize = 0;
const SILENT: usize = 1;
const REFUSING: usize = 2;
const STALE: usize = 3;
const LACKING: usize = 4;
const EXPIRED: usize = 5;

/// Serves a repository as `a`.
fn serving(repository: &Repository) -> impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static {
    let directory = repository.root().join(TOP_DIRECTORY).join(SUBPATH);
    move |request| {
        let file = request
            .target
            .strip_prefix("/pub/a/os/")
            .map(|path| directory.join(path));
        match file.and_then(|file| fs::read(file).ok()) {
            Some(content) => MirrorReply::ok(content),
            None => MirrorReply::status("404 Not Found"),
        }
    }
}

/// Six mirrors, their cache, a server, and the folder of the health file.
struct World {
    repository: Repository,
    /// In the order of the constants; the last one is the expired certificate's.
    mirrors: Vec<Mirror>,
    urls: Vec<Vec<String>>,
    files: DataFiles,
    folder: tempfile::TempDir,
    server: Server,
}

impl World {
    fn new() -> Self {
        let repository = Repository::with_version(1);
        let authority = Authority::new("a test");
        let good = serving(&repository);
        let refusing = format!("http://{}:9/pub", next_address());
        let expired = Mirror::https(&authority, 2021, serving(&repository));
        let mirrors = vec![
            Mirror::new(good),
            Mirror::new(|_| MirrorReply::Silence),
            Mirror::new(|_| MirrorReply::ok(repomd(CURRENT - 1_000))),
            Mirror::new(|_| MirrorReply::status("404 Not Found")),
            Mirror::new(serving(&repository)),
            expired,
        ];
        let url = |number: usize| vec![mirrors[number].url()];
        let urls = vec![
            url(0),
            url(1),
            vec![refusing],
            url(2),
            url(3),
            vec![mirrors[5].url(), mirrors[4].url()],
        ];
        let hosts: Vec<_> = (1_i64..)
            .zip(&urls)
            .map(|(id, urls)| (id, "DE", urls.clone()))
            .collect();
        let content = fs::read(repository.repomd()).unwrap();
        let mut cache = cache_of(&hosts, &[("a", vec![(CURRENT, &content)])]);
        // Without the health of mirrors the silent one comes first, nearly always.
        cache.host_bandwidth_cache = vec![IntIntMap { key: 2, value: 10_000 }];
        let files = DataFiles::new(&cache);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roots.pem"), &authority.pem).unwrap();
        let health = folder.path().join("health.json");
        let server = Server::start(
            &files,
            &["--reload.watch", "off", "--health.files", health.to_str().unwrap()],
        );
        Self {
            repository,
            mirrors,
            urls,
            files,
            folder,
            server,
        }
    }

    fn health_file(&self) -> PathBuf {
        self.folder.path().join("health.json")
    }

    /// A round of the probe, after which the server takes the new file. Returns the probe's log.
    fn round(&self) -> String {
        let mut probe = Command::new(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"));
        probe
            .args(["probe", "-d", "--patience", "400ms", "--cache"])
            .arg(self.files.cache());
        probe.arg("--outfile").arg(self.health_file());
        let output = run(probe.env("SSL_CERT_FILE", self.folder.path().join("roots.pem")));
        assert!(output.status.success(), "{}", describe(&output));
        assert_eq!(self.server.admin_get("/admin/reload").status, 200);
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, target: &str) -> Value {
        serde_json::from_slice(&self.server.admin_get(target).body).unwrap()
    }

    /// The hosts of a mirrorlist and their URLs, in order.
    fn listed(&self) -> Vec<(usize, String)> {
        let answer = self.server.get(&format!("/mirrorlist?{QUERY}&protocol=https,http"));
        let urls = answer.text().lines().filter(|line| !line.starts_with('#'));
        let host = |url: &str| {
            self.urls
                .iter()
                .position(|urls| urls.iter().any(|base| url.starts_with(base)))
        };
        urls.map(|url| (host(url).unwrap(), url.to_owned())).collect()
    }

    /// How many hosts have each verdict, by the metrics.
    fn verdicts(&self) -> BTreeMap<String, u32> {
        let metrics = self.server.admin_get("/metrics");
        let lines = metrics
            .text()
            .lines()
            .filter_map(|line| line.strip_prefix("mirrorlist_health_hosts{verdict=\""));
        lines
            .map(|line| {
                let (verdict, count) = line.split_once("\"} ").unwrap();
                (verdict.to_owned(), count.parse().unwrap())
            })
            .collect()
    }

    /// What is said of the first URL of a host: by explain, verdict and last answer.
    fn explained(&self, host: usize) -> Vec<(String, String)> {
        let answer = self.json(&format!("/admin/explain?host_id={}", host + 1));
        let verdicts = answer["hosts"][0]["health"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        verdicts
            .iter()
            .map(|v| (text(&v["verdict"]), text(&v["last_answer"])))
            .collect()
    }
}

fn counts(good: u32, dead: u32, missing: u32, stale: u32) -> BTreeMap<String, u32> {
    let counts = [("good", good), ("dead", dead), ("missing", missing), ("stale", stale)];
    counts.map(|(verdict, count)| (verdict.to_owned(), count)).into()
}

/// Loads the repository with librepo.
fn load(world: &World) {
    let folder = tempfile::tempdir().unwrap();
    let url = world.server.url(&format!("/metalink?{QUERY}"));
    let output = run(Program::Librepo.command().args(["metalink", &url]).arg(folder.path()));
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{PACKAGE} 1\n"));
}

#[test]
fn bad_mirrors_come_last_until_they_are_good_again_and_a_cut_off_probe_changes_nothing() {
    if !are_there("mirrors, a probe and librepo", &with_repository(Program::Librepo)) {
        return;
    }
    let world = World::new();
    assert_eq!(world.listed().len(), 7);

    // One bad answer is no verdict.
    assert!(!world.round().contains("a verdict on a mirror changes"));
    assert_eq!(world.verdicts(), counts(6, 0, 0, 0));
    // Two make a URL dead.
    let log = world.round();
    let dead = [SILENT, REFUSING].map(|host| &world.urls[host][0]);
    assert!(
        dead.iter()
            .all(|url| log.lines().any(|line| line.contains(*url) && line.contains("dead"))),
        "{log}"
    );
    assert_eq!(world.verdicts(), counts(4, 2, 0, 0));
    // Three make a repository stale or missing.
    let log = world.round();
    assert!(log.contains("stale") && log.contains("missing"), "{log}");
    assert_eq!(world.verdicts(), counts(2, 2, 1, 1));

    let listed = world.listed();
    let mut first: Vec<usize> = listed[..2].iter().map(|(host, _)| *host).collect();
    first.sort_unstable();
    assert_eq!(first, [GOOD, EXPIRED], "{listed:?}");
    assert!(listed.iter().all(|(_, url)| !url.starts_with("https:")), "{listed:?}");
    assert_eq!(listed.len(), 6);
    let said = |host: usize, verdict: &str, words: &str| {
        let explained = world.explained(host);
        assert!(
            explained.iter().any(|(v, w)| v == verdict && w.contains(words)),
            "{explained:?}"
        );
    };
    said(GOOD, "good", "current version");
    said(SILENT, "dead", "no answer within 400 ms");
    said(REFUSING, "dead", "connection refused");
    said(STALE, "stale", "unknown content");
    said(LACKING, "missing", "404");
    said(EXPIRED, "dead", "expired");
    said(EXPIRED, "good", "current version");
    let explained = world.json(&format!("/admin/explain?{QUERY}"));
    let demoted = explained["tiers"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&demoted["demoted"], demoted["hosts"].as_array().unwrap().len()),
        (&true.into(), 4)
    );

    // librepo loads from the first one; the silent one, for which it would wait a minute, is never asked.
    world.mirrors[SILENT].requests();
    load(&world);
    assert_eq!(world.mirrors[SILENT].requests().len(), 0);

    // They recover: two good answers end a verdict.
    for mirror in &world.mirrors {
        mirror.behave(serving(&world.repository));
    }
    world.round();
    assert_eq!(world.verdicts(), counts(2, 2, 1, 1));
    let log = world.round();
    let ended = log
        .lines()
        .filter(|line| line.contains("a verdict on a mirror changes") && line.contains("good"));
    assert_eq!(ended.count(), 3, "the silent, the stale and the lacking one: {log}");
    assert_eq!(world.verdicts(), counts(5, 1, 0, 0));
    assert_eq!(world.explained(STALE)[0].0, "good");
    assert_eq!(world.listed().last().unwrap().0, REFUSING);

    // The probe loses its network.
    for mirror in &world.mirrors {
        mirror.behave(|_| MirrorReply::Close);
    }
    world.round();
    world.round();
    let status = world.json("/admin/status");
    assert_eq!(
        status["health"]["files"][0]["state"], "set_aside",
        "{}",
        status["health"]
    );
    let metrics = world.server.admin_get("/metrics");
    assert!(
        metrics.text().contains("mirrorlist_health_file_set_aside{path="),
        "{}",
        metrics.text()
    );
    assert_eq!(world.verdicts(), counts(5, 1, 0, 0), "what was known before counts");
    assert_eq!(world.listed().last().unwrap().0, REFUSING);
}
