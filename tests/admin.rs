//! The admin listener of the built server: reloads under load, refused data, readiness, explanations, who may do what, and
//! the end of a server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

#[path = "admin/routes.rs"]
mod routes;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use mirrorlist_server::cache::proto::MirrorList;
use serde_json::Value;
use support::PATIENCE;
use support::data::DataFiles;
use support::http::{Response, exchange};
use support::mmdb::mmdb;
use support::process::run;
use support::server::Server;

/// No watch: reloads happen when a test says so.
const NO_WATCH: [&str; 2] = ["--reload.watch", "off"];

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_else(|error| panic!("{error}: {response:?}"))
}

/// The fixture's cache, made at another time and with other host names, so that every URL tells which cache it is from.
fn cache_named(name: &str, created: u64) -> MirrorList {
    let mut cache = fixture::cache_message();
    cache.time = created;
    for url in &mut cache.hc_url_cache {
        url.value = url.value.replace(".example/", &format!(".{name}.example/"));
    }
    cache
}

const LIST: &str = "/mirrorlist?repo=linux-1&arch=x86_64&time";

/// A value that is polled until it is as wanted; what is waited for has no event of its own.
fn eventually(what: &str, wanted: impl Fn() -> bool) {
    let started = Instant::now();
    while !wanted() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

#[test]
fn reloads_under_load_fail_no_request_and_mix_no_answer() {
    const CONNECTIONS: usize = 64;
    const RELOADS: u64 = 20;
    let data = DataFiles::new(&cache_named("a", 1_000));
    let server = Server::start(&data, &NO_WATCH);
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (stop, answers, address) = (Arc::clone(&stop), Arc::clone(&answers), server.address());
            thread::spawn(move || {
                let mut connection = KeptAlive::connect(address);
                let mut seen = BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    let body = connection.get(LIST);
                    seen.insert(cache_of(&body));
                    answers.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for reload in 1..=RELOADS {
        let name = if reload % 2 == 0 { "a" } else { "b" };
        data.write_cache(&cache_named(name, 1_000 + reload));
        let before = answers.load(Ordering::Relaxed);
        let report = server.admin_get("/admin/reload");
        assert_eq!(
            (report.status, json(&report)["outcome"].as_str()),
            (200, Some("replaced")),
            "{report:?}"
        );
        assert_eq!(cache_of(server.get(LIST).text()), name);
        eventually("requests go on", || {
            answers.load(Ordering::Relaxed) > before + CONNECTIONS as u64
        });
    }
    stop.store(true, Ordering::Relaxed);
    let seen: BTreeSet<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

/// Which cache an answer is from; every line has to agree.
fn cache_of(body: &str) -> String {
    let mut names = BTreeSet::new();
    for line in body.lines() {
        if let Some(created) = line.strip_prefix("# database creation time: ") {
            let created: u64 = created.parse().unwrap();
            names.insert(if created.is_multiple_of(2) { "a" } else { "b" }.to_owned());
        } else if !line.starts_with('#') {
            names.insert(line.split('/').nth(2).unwrap().split('.').nth(1).unwrap().to_owned());
        }
    }
    assert_eq!(names.len(), 1, "a mixed answer: {body}");
    names.pop_first().unwrap()
}

/// A connection for many requests.
struct KeptAlive {
    stream: BufReader<TcpStream>,
}

impl KeptAlive {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn get(&mut self, target: &str) -> String {
        self.try_get(target).unwrap()
    }

    /// The body of an answer with status 200; none if the server closed the connection before it began to answer.
    fn try_get(&mut self, target: &str) -> Option<String> {
        write!(self.stream.get_mut(), "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
        let mut line = String::new();
        self.stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        assert!(line.starts_with("HTTP/1.1 200 "), "{line}");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        Some(String::from_utf8(body).unwrap())
    }
}

#[test]
fn a_reload_tells_what_changed_and_reads_nothing_else() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let reload = || json(&server.admin_get("/admin/reload"));
    assert_eq!(reload()["outcome"], "unchanged");
    fs::write(data.global_netblocks(), "198.51.100.0/24 64500\n2001:db8::/32 64497\n").unwrap();
    let report = reload();
    assert_eq!(
        (&report["outcome"], &report["changed"]),
        (&"replaced".into(), &serde_json::json!(["global_netblocks"]))
    );
    assert!(report["seconds"].as_f64().unwrap() >= 0.0);
    let post = b"POST /admin/reload HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(exchange(server.admin_listen().parse().unwrap(), post).status, 200);
    let status = json(&server.admin_get("/admin/status"));
    assert_eq!(status["reloads"].as_array().unwrap().len(), 3);
    assert_eq!(status["reloads"][1]["outcome"], "replaced");
    assert_eq!(status["files"]["cache"]["created"], fixture::CREATED);
    assert_eq!(status["files"]["global_netblocks"]["counts"]["networks"], 2);
}

/// Damages a file and tells the word that the refusal has to have.
type Damage = fn(&DataFiles) -> &'static str;

#[test]
fn whatever_is_wrong_with_new_data_the_old_goes_on_and_everybody_is_told() {
    let paths: [fn(&DataFiles) -> PathBuf; 4] = [
        DataFiles::cache,
        DataFiles::global_netblocks,
        DataFiles::country_continent,
        DataFiles::geoip,
    ];
    for path_of in paths {
        for damage in ["missing", "empty", "garbage", "half"] {
            refused_with(damage, |data| {
                let path = path_of(data);
                let bytes = fs::read(&path).unwrap();
                match damage {
                    "missing" => fs::remove_file(&path).unwrap(),
                    "empty" => fs::write(&path, "").unwrap(),
                    "garbage" => fs::write(&path, "\u{1}<html>").unwrap(),
                    // Of the text files the lines that are there are well-formed: they are too few.
                    _ => fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap(),
                }
                path.file_name()
                    .unwrap()
                    .to_str()
                    .map(|name| match (damage, name) {
                        ("half", "global_netblocks.txt") => "global_netblocks: 1 networks instead of 2".to_owned(),
                        ("half", "country_continent.csv") => "cccsv: 2 countries instead of 4".to_owned(),
                        (_, name) => name.to_owned(),
                    })
                    .unwrap()
            });
        }
    }
    let older: [(&str, Damage); 6] = [
        ("older cache", |data| {
            data.write_cache(&MirrorList {
                time: fixture::CREATED - 60,
                ..fixture::cache_message()
            });
            "cache: it was made 60 s before the one in use"
        }),
        ("hosts that are named but carry nothing", |data| {
            let mut cache = fixture::cache_message();
            for directory in &mut cache.mirror_list_cache {
                directory.by_host_id.truncate(1);
            }
            data.write_cache(&cache);
            "hosts instead of"
        }),
        ("fewer directories", |data| {
            let mut cache = fixture::cache_message();
            cache.mirror_list_cache.truncate(6);
            data.write_cache(&cache);
            "cache: 6 directories instead of 9, a loss of more than 25%"
        }),
        ("fewer repositories", |data| {
            let mut cache = fixture::cache_message();
            cache.repo_arch_to_directory_name.truncate(2);
            data.write_cache(&cache);
            "cache: 2 repositories instead of 4"
        }),
        ("no directories", |data| {
            data.write_cache(&MirrorList {
                mirror_list_cache: Vec::new(),
                ..fixture::cache_message()
            });
            "it has no directory"
        }),
        ("smaller GeoIP", |data| {
            fs::write(data.geoip(), mmdb(&[("192.0.2.0/24", "DE")])).unwrap();
            "geoip: 120 nodes instead of 168"
        }),
    ];
    for (name, damage) in older {
        refused_with(name, |data| damage(data).to_owned());
    }
}

#[test]
fn a_loss_of_just_the_limit_is_taken() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let text = fs::read_to_string(data.country_continent()).unwrap();
    // Three of four countries are left, and the limit is 25 %.
    fs::write(data.country_continent(), text.replace("FR,EU\n", "")).unwrap();
    let report = server.admin_get("/admin/reload");
    assert_eq!((report.status, &json(&report)["outcome"]), (200, &"replaced".into()));
}

/// Damages the files of a running server, which has to refuse them with a text that contains what `damage` gives.
fn refused_with(name: &str, damage: impl FnOnce(&DataFiles) -> String) {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let before = server.get("/mirrorlist?path=pub/linux/rsync&time").body;
    let said = damage(&data);
    let refused = server.admin_get("/admin/reload");
    assert_eq!(refused.status, 422, "{name}: {refused:?}");
    let reasons = json(&refused)["reasons"].to_string();
    assert!(
        reasons.contains(&said.replace('"', "\\\"")),
        "{name}: {said:?} is not in {reasons}"
    );
    assert_eq!(
        server.get("/mirrorlist?path=pub/linux/rsync&time").body,
        before,
        "{name}"
    );
    assert_eq!(server.get("/mirrorlist?repo=linux-1&arch=x86_64").status, 200, "{name}");
    assert_eq!(
        json(&server.admin_get("/admin/status"))["reloads"][0]["outcome"],
        "refused",
        "{name}"
    );
    let metrics = server.admin_get("/metrics");
    assert!(
        metrics
            .text()
            .contains("mirrorlist_reloads_total{outcome=\"refused\"} 1\n"),
        "{name}"
    );
    assert!(
        server
            .wait_for_message("reload refused; keeping the current data")
            .contains("\"reasons\":"),
        "{name}"
    );
    assert_eq!(server.admin_get("/readyz").status, 200, "{name}");
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    // Root reads everything; then the folder in its place is what can't be read.
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    fs::set_permissions(data.cache(), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(data.cache()).is_ok() {
        fs::remove_file(data.cache()).unwrap();
        // A circle, which not even root can follow.
        std::os::unix::fs::symlink(data.cache(), data.cache()).unwrap();
    } else {
        fs::write(data.global_netblocks(), "192.0.2.0/24 1\n203.0.113.0/24 2\n").unwrap();
        data.write_cache(&fixture::cache_message());
        fs::set_permissions(data.cache(), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let refused = server.admin_get("/admin/reload");
    assert_eq!(refused.status, 422);
    assert!(
        json(&refused)["reasons"][0]
            .as_str()
            .unwrap()
            .contains("cannot read it"),
        "{refused:?}"
    );
    assert_eq!(server.get(LIST).status, 200);
}

#[test]
fn force_takes_what_is_refused_otherwise_but_never_a_damaged_file() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    data.write_cache(&cache_named("b", 1_001));
    assert_eq!(server.admin_get("/admin/reload").status, 422);
    let unsafe_method = server.admin_get("/admin/reload?force=true");
    assert_eq!(
        (unsafe_method.status, unsafe_method.header("Allow")),
        (405, Some("POST"))
    );
    assert_eq!(
        json(&server.admin_post("/admin/reload?force=true"))["outcome"],
        "replaced"
    );
    assert_eq!(cache_of(server.get(LIST).text()), "b");
    fs::write(data.cache(), "garbage").unwrap();
    assert_eq!(server.admin_post("/admin/reload?force=true").status, 422);
    assert_eq!(server.admin_get("/admin/reload?force=perhaps").status, 400);
}

#[test]
fn the_watch_sees_new_files_however_they_come() {
    let data = DataFiles::new(&cache_named("b", 1_599_999_999));
    let server = Server::start(&data, &["--reload.watch", "20ms", "--reload.settle", "40ms"]);
    let serves = |name: &str| eventually(name, || cache_of(server.get(LIST).text()) == name);
    // Renamed over.
    data.write_cache(&cache_named("a", 1_600_000_000));
    serves("a");
    // Written in place.
    fs::write(
        data.cache(),
        prost::Message::encode_to_vec(&cache_named("b", 1_600_000_001)),
    )
    .unwrap();
    serves("b");
    // A link that points elsewhere, as in a ConfigMap.
    let other = data.cache().with_file_name("other.proto");
    fs::write(&other, prost::Message::encode_to_vec(&cache_named("a", 1_600_000_002))).unwrap();
    fs::remove_file(data.cache()).unwrap();
    std::os::unix::fs::symlink(&other, data.cache()).unwrap();
    serves("a");
    // What is refused is not tried again and again.
    fs::write(&other, "garbage").unwrap();
    server.wait_for_message("reload refused; keeping the current data");
    fs::write(data.global_netblocks(), "198.51.100.0/24 64500\n2001:db8::/32 64497\n").unwrap();
    server.wait_for_message("reload refused; keeping the current data");
    let metrics = server.admin_get("/metrics");
    assert!(
        metrics
            .text()
            .contains("mirrorlist_reloads_total{outcome=\"refused\"} 2\n"),
        "{}",
        metrics.text()
    );
}

#[test]
fn hangup_reloads_and_usr1_reopens_the_log() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    data.write_cache(&cache_named("b", 1_750_000_001));
    server.signal("HUP");
    assert!(
        server
            .wait_for_message("reload finished")
            .contains("\"outcome\":\"replaced\"")
    );
    assert_eq!(cache_of(server.get(LIST).text()), "b");

    let ask = |ip: &str| {
        assert_eq!(
            server
                .get(&format!("/mirrorlist?repo=linux-1&arch=x86_64&ip={ip}"))
                .status,
            200
        );
    };
    let log_has =
        |path: &PathBuf, ip: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("IP: {ip};")));
    let renamed = data.access_log().with_file_name("access.log.1");
    ask("192.0.2.1");
    eventually("the first line", || log_has(&data.access_log(), "192.0.2.1"));
    fs::rename(data.access_log(), &renamed).unwrap();
    ask("192.0.2.2");
    eventually("the old file goes on", || log_has(&renamed, "192.0.2.2"));
    server.signal("USR1");
    eventually("a new file", || data.access_log().exists());
    ask("192.0.2.3");
    eventually("the line in the new file", || log_has(&data.access_log(), "192.0.2.3"));
    fs::rename(data.access_log(), &renamed).unwrap();
    assert_eq!(server.admin_get("/admin/log/reopen").status, 200);
    eventually("a new file again", || data.access_log().exists());
}

#[test]
fn explain_tells_who_is_listed_and_who_is_not() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let explained = json(&server.admin_get("/admin/explain?repo=linux-1&arch=x86_64&ip=192.0.2.200&protocol=https"));
    assert_eq!(explained["client"]["country"], "DE");
    assert_eq!(explained["client"]["country_source"], "operators: 192.0.2.0/24");
    assert_eq!(explained["client"]["continent"], "EU");
    assert_eq!(explained["client"]["netblocks"][0]["network"], "192.0.2.192/26");
    assert_eq!(explained["target"]["directory"], "pub/linux/1/x86_64/os");
    let tiers: Vec<&str> = explained["tiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["tier"].as_str().unwrap())
        .collect();
    assert_eq!(tiers, ["netblock", "country", "continent", "global"]);
    assert_eq!(
        explained["tiers"][0]["hosts"][0]["urls"][0],
        "https://campus.example/pub/linux/1/x86_64/os/"
    );
    let continent = explained["tiers"][2]["hosts"].as_array().unwrap();
    let total: f64 = continent
        .iter()
        .map(|host| host["first_probability"].as_f64().unwrap())
        .sum();
    assert!((total - 1.0).abs() < 1e-9);
    let reason = |id: i64| {
        let missing = explained["not_listed"].as_array().unwrap();
        missing
            .iter()
            .find(|host| host["host_id"] == id)
            .map(|host| host["reasons"].clone())
    };
    assert_eq!(reason(2), Some(serde_json::json!(["protocol"])));
    assert_eq!(reason(9), Some(serde_json::json!(["country_limit"])));
    assert_eq!(reason(1), None);

    let host = json(&server.admin_get("/admin/explain?host=CAMPUS.example"));
    assert_eq!(host["hosts"][0]["host_id"], 7);
    assert_eq!(host["hosts"][0]["netblocks"][0], "192.0.2.128/25");
    assert_eq!(host["hosts"][0]["public"], false);
    assert_eq!(host["hosts"][0]["directories"], 6);
    assert_eq!(
        json(&server.admin_get("/admin/explain?host_id=8"))["hosts"][0]["as_numbers"][0],
        64496
    );
    assert_eq!(server.admin_get("/admin/explain?host_id=4711").status, 404);
    assert_eq!(server.admin_get("/admin/explain?ip=nonsense").status, 400);
    let refused = json(&server.admin_get("/admin/explain?repo=nope&arch=x86_64&ip=192.0.2.1"));
    assert_eq!(refused["refused"]["status"], 404);

    let offline = run(Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"))
        .args(data.arguments())
        .args(["explain", "host_id=7"]));
    assert_eq!(serde_json::from_slice::<Value>(&offline.stdout).unwrap(), host);
}

#[test]
fn readiness_tells_of_old_data_and_of_the_end() {
    let data = data();
    let server = Server::start(&data, &["--ready.max_data_age", "1h"]);
    let ready = server.admin_get("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.text().starts_with("degraded: the cache is "), "{}", ready.text());
    let unready = ["--ready.max_data_age", "1h", "--ready.when_stale", "unready"];
    let server = Server::start(&data, &unready);
    assert_eq!(server.admin_get("/readyz").status, 503);
    assert_eq!(server.admin_get("/livez").status, 200);

    let server = Server::start(&data, &["--shutdown.grace", "60s"]);
    assert_eq!(server.admin_get("/readyz").text(), "ready\n");
    let healthcheck = || {
        let program = env!("CARGO_BIN_EXE_mirrorlist-server");
        run(Command::new(program).args(["--admin.listen", server.admin_listen(), "healthcheck"]))
            .status
            .code()
    };
    assert_eq!(healthcheck(), Some(0));
    server.signal("TERM");
    server.wait_for_message("draining");
    assert_eq!(server.admin_get("/readyz").status, 503);
    assert_eq!(healthcheck(), Some(1));
    assert_eq!(server.get(LIST).status, 200, "it goes on accepting");
    // A second signal ends the grace.
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_drain_under_load_loses_no_request() {
    let data = data();
    let server = Server::start(&data, &["--shutdown.grace", "60s"]);
    let (drained, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..16)
        .map(|client| {
            let (address, drained, answers) = (server.address(), Arc::clone(&drained), Arc::clone(&answers));
            thread::spawn(move || {
                let mut connection = KeptAlive::connect(address);
                while !drained.load(Ordering::SeqCst) {
                    // Half of the clients make a connection for each request.
                    if client % 2 == 0 {
                        connection = KeptAlive::connect(address);
                    }
                    assert!(connection.get(LIST).starts_with("# repo = linux-1"));
                    answers.fetch_add(1, Ordering::SeqCst);
                }
                // Connections that are kept open don't hold up the end.
                connection
            })
        })
        .collect();
    eventually("load", || answers.load(Ordering::SeqCst) > 500);
    server.signal("TERM");
    // As a proxy does: requests go on until a health check fails, and only then stop.
    eventually("a failed health check", || server.admin_get("/readyz").status == 503);
    let before = answers.load(Ordering::SeqCst);
    eventually("load while draining", || answers.load(Ordering::SeqCst) > before + 500);
    drained.store(true, Ordering::SeqCst);
    let _kept_open: Vec<KeptAlive> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert_eq!(server.stop().code(), Some(0));
    let lines = fs::read_to_string(data.access_log()).unwrap().lines().count() as u64;
    assert_eq!(lines, answers.load(Ordering::SeqCst), "every answer is in the log");
}

#[test]
fn a_unix_socket_serves_operators_too() {
    let data = data();
    let socket = data.cache().with_file_name("admin.socket");
    let listen = socket.to_str().unwrap();
    let arguments = ["--admin.listen", listen, "--reload.watch", "off"];
    let server = Server::start(&data, &arguments);
    assert_eq!(server.admin_listen(), listen);
    let command = |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_mirrorlist-server");
        run(Command::new(program).args(["--admin.listen", listen]).args(arguments))
    };
    assert_eq!(command(&["healthcheck"]).status.code(), Some(0));
    data.write_cache(&cache_named("b", 1_001));
    let refused = command(&["reload"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("\"refused\""));
    assert_eq!(command(&["reload", "--force"]).status.code(), Some(0));
    assert_eq!(cache_of(server.get(LIST).text()), "b");
    drop(server);
    assert_eq!(command(&["healthcheck"]).status.code(), Some(69), "no server is there");
    assert!(!socket.exists());
    let server = Server::start(&data, &arguments);
    assert_eq!(server.get(LIST).status, 200);
}

#[test]
fn the_log_level_can_be_set_while_running() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    assert_eq!(json(&server.admin_get("/admin/log/level"))["level"], "info");
    assert_eq!(server.admin_post("/admin/log/level?level=loud").status, 400);
    assert_eq!(server.admin_get("/admin/log/level?level=debug").status, 405);
    assert_eq!(
        json(&server.admin_post("/admin/log/level?level=debug"))["level"],
        "debug"
    );
    server.get("/mirrorlist?path=pub/linux");
    assert!(server.wait_for_message("request").contains("\"status\":200"));
}

mod access {
    //! Who may do what, on the handler itself: only there can a test be a peer from elsewhere.

    use super::*;
    use actix_web::http::StatusCode;
    use actix_web::rt;
    use actix_web::test::{TestRequest, call_service, init_service};
    use mirrorlist_server::access_log::AccessLog;
    use mirrorlist_server::admin::access::Access;
    use mirrorlist_server::admin::token::TokenFile;
    use mirrorlist_server::admin::{Admin, AdminData, app};
    use mirrorlist_server::logging;
    use mirrorlist_server::metrics::ServerMetrics;
    use mirrorlist_server::readiness::Readiness;
    use mirrorlist_server::settings::{AccessLogTarget, AllowedHosts, ServerCommand};
    use mirrorlist_server::snapshot::SharedSnapshot;
    use std::sync::OnceLock;

    /// The status that a peer gets with an Authorization header, given the token file.
    fn status(token_file: Option<PathBuf>, peer: &str, target: &str, authorization: Option<&str>) -> u16 {
        let ServerCommand::Serve(config) = ServerCommand::parse(["mirrorlist-server"], []).unwrap() else {
            panic!("no server")
        };
        let logging = logging::logger(config.logging);
        let metrics = Arc::new(ServerMetrics::new().unwrap());
        let log = AccessLog::open(AccessLogTarget::Stdout, &metrics, logging.logger.clone()).unwrap();
        let data = AdminData {
            snapshot: Arc::new(SharedSnapshot::new(fixture::snapshot())),
            reloader: None,
        };
        let admin = Arc::new(Admin {
            readiness: Readiness::new(config.readiness),
            access: Access::new(
                AllowedHosts::default(),
                token_file.map(TokenFile::new),
                Arc::clone(&metrics),
                logging.logger.clone(),
            ),
            metrics,
            access_log: log.lines(),
            level: logging.level.clone(),
            choice: mirrorlist_server::settings::ChoiceSettings::STANDARD,
            logger: logging.logger.clone(),
            started: Instant::now(),
            data: OnceLock::from(data),
        });
        rt::System::new().block_on(async {
            let service = init_service(app(admin)).await;
            let mut request = TestRequest::with_uri(target)
                .peer_addr(peer.parse().unwrap())
                .insert_header(("Host", "localhost"));
            if let Some(authorization) = authorization {
                request = request.insert_header(("Authorization", authorization));
            }
            let status: StatusCode = call_service(&service, request.to_request()).await.status();
            status.as_u16()
        })
    }

    const STRANGER: &str = "198.51.100.1:40000";

    #[test]
    fn reading_is_for_all_and_operating_for_loopback_and_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "s3cret\n").unwrap();
        let with_token = |peer, target, authorization| status(Some(file.clone()), peer, target, authorization);
        assert_eq!(status(None, STRANGER, "/livez", None), 200);
        assert_eq!(status(None, STRANGER, "/metrics", None), 200);
        assert_eq!(status(None, STRANGER, "/admin/status", None), 403);
        assert_eq!(status(None, STRANGER, "/admin/nothing", None), 403);
        assert_eq!(status(None, STRANGER, "/%61dmin/status", None), 403);
        assert_eq!(status(None, "127.0.0.1:40000", "/admin/status", None), 200);
        assert_eq!(status(None, "[::1]:40000", "/admin/status", None), 200);
        assert_eq!(status(None, "[::ffff:127.0.0.1]:40000", "/admin/status", None), 200);
        assert_eq!(with_token(STRANGER, "/admin/status", None), 401);
        assert_eq!(with_token(STRANGER, "/admin/status", Some("Bearer s3cre")), 401);
        assert_eq!(with_token(STRANGER, "/admin/status", Some("Bearer s3cret2")), 401);
        assert_eq!(with_token(STRANGER, "/admin/status", Some("Basic s3cret")), 401);
        assert_eq!(with_token(STRANGER, "/admin/status", Some("bearer s3cret")), 200);
        fs::write(&file, "another").unwrap();
        assert_eq!(with_token(STRANGER, "/admin/status", Some("Bearer another")), 200);
        fs::write(&file, "").unwrap();
        assert_eq!(with_token(STRANGER, "/admin/status", Some("Bearer ")), 401);
        fs::remove_file(&file).unwrap();
        assert_eq!(with_token(STRANGER, "/admin/status", Some("Bearer another")), 401);
    }
}
