//! Attacks on the admin listener: requests that web pages and proxies send, guessed tokens, and servers that want each
//! other's Unix socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::fixture;
use super::support::PATIENCE;
use super::support::data::DataFiles;
use super::support::http::{Response, exchange};
use super::support::process::{describe, run};
use super::support::server::Server;

const NO_WATCH: [&str; 2] = ["--reload.watch", "off"];

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

/// A server whose operators elsewhere have the token `s3cret`.
fn server_with_token(data: &DataFiles) -> Server {
    let token = data.cache().with_file_name("token");
    fs::write(&token, "s3cret\n").unwrap();
    Server::start(
        data,
        &[NO_WATCH[0], NO_WATCH[1], "--admin.token_file", token.to_str().unwrap()],
    )
}

/// Sends a head as it stands, with lines that end as they should, and the end of the connection asked for.
fn ask(address: SocketAddr, head: &[&str]) -> Response {
    let request = format!("{}\r\nConnection: close\r\n\r\n", head.join("\r\n"));
    exchange(address, request.as_bytes())
}

fn status_page(server: &Server) -> Value {
    serde_json::from_slice(&server.admin_get("/admin/status").body).unwrap()
}

fn metric(server: &Server, series: &str) -> u64 {
    let metrics = server.admin_get("/metrics");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(series));
    line.unwrap_or_else(|| panic!("no {series}")).trim().parse().unwrap()
}

/// All that can be asked, with what would change something.
const TARGETS: [&str; 10] = [
    "/livez",
    "/readyz",
    "/metrics",
    "/admin/status",
    "/admin/reload",
    "/admin/reload?force=true",
    "/admin/explain?host_id=7",
    "/admin/log/reopen",
    "/admin/log/level?level=trace",
    "/nothing",
];

#[test]
fn web_pages_get_nothing_and_change_nothing() {
    let data = data();
    let server = Server::start(
        &data,
        &[NO_WATCH[0], NO_WATCH[1], "--admin.hosts", "server, scraped.example"],
    );
    let address: SocketAddr = server.admin_listen().parse().unwrap();
    let host = format!("Host: {address}");
    let foreign = [
        vec!["Host: evil.example"],
        vec!["Host: evil.example:3001"],
        vec!["Host: localhost.evil.example"],
        vec!["Host:"],
        vec![&host, "Origin: null"],
        vec![&host, "Origin: http://evil.example"],
        vec![&host, "Origin: http://127.0.0.1:1"],
        vec![&host, "Referer: http://evil.example/"],
        vec![&host, "Sec-Fetch-Site: cross-site"],
        vec![&host, "Sec-Fetch-Site: same-site"],
        vec![&host, "Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"],
    ];
    let mut asked = 0;
    for target in TARGETS {
        for method in ["GET", "POST", "HEAD", "OPTIONS"] {
            for headers in &foreign {
                let line = format!("{method} {target} HTTP/1.1");
                let head: Vec<&str> = [line.as_str()].into_iter().chain(headers.iter().copied()).collect();
                let refused = ask_any(address, &head);
                assert_eq!(refused.0, 403, "{head:?}");
                asked += 1;
                if method == "GET" {
                    assert!(refused.1.contains("\"error\":"), "{head:?}: {}", refused.1);
                }
            }
        }
    }
    let line = "GET http://evil.example/admin/reload HTTP/1.1";
    assert_eq!(ask(address, &[line, &host]).status, 403);
    for hosts in [["Host: evil.example", &host], [&host, "Host: evil.example"]] {
        let twice = ask(address, &["GET /admin/reload HTTP/1.1", hosts[0], hosts[1]]);
        assert!(matches!(twice.status, 400 | 403), "{twice:?}");
    }
    let status = status_page(&server);
    assert_eq!(
        (&status["reloads"], &status["log_level"]),
        (&serde_json::json!([]), &"info".into())
    );
    let counted = metric(&server, "mirrorlist_admin_refusals_total{reason=\"browser\"}")
        + metric(&server, "mirrorlist_admin_refusals_total{reason=\"host\"}");
    assert!(counted > asked, "{counted} of {asked}");
    assert!(
        server
            .wait_for_message("admin request refused")
            .contains("\"peer\":\"127.0.0.1:")
    );

    // What is no page's goes on: scrapers, probes, operators, the listener's own pages.
    let own = format!("Origin: http://{address}");
    for headers in [
        vec!["Host: server:3001"],
        vec!["Host: Scraped.Example."],
        vec!["Host: localhost:3001"],
        vec!["Host: 10.1.2.3:3001"],
        vec!["Host: [2001:db8::1]:3001"],
        vec![&host, "Sec-Fetch-Site: none"],
        vec![&host, &own, "Sec-Fetch-Site: same-origin"],
    ] {
        let head: Vec<&str> = ["GET /admin/reload HTTP/1.1"]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        assert_eq!(ask(address, &head).status, 200, "{head:?}");
    }
    assert_eq!(ask(address, &["GET /readyz HTTP/1.0"]).status, 200, "a health check");
}

/// The status and the body of an answer, which to HEAD has none.
fn ask_any(address: SocketAddr, head: &[&str]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{}\r\nConnection: close\r\n\r\n", head.join("\r\n")).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status.unwrap_or_else(|| panic!("{answer}")), body.unwrap())
}

#[test]
fn what_changes_more_than_a_reload_takes_post() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    for target in [
        "/admin/reload?force=true",
        "/admin/reload?force",
        "/admin/reload?force=%74rue",
        "/admin/reload?force=false&force=true",
        "/admin/log/level?level=debug",
        "/admin/log/level?level=info",
    ] {
        let refused = server.admin_get(target);
        assert_eq!(
            (refused.status, refused.header("Allow")),
            (405, Some("POST")),
            "{target}"
        );
        assert!(refused.text().contains("takes POST"), "{target}: {}", refused.text());
    }
    assert_eq!(status_page(&server)["reloads"].as_array().unwrap().len(), 0);
    assert_eq!(server.admin_get("/admin/reload?force=false").status, 200);
    assert_eq!(server.admin_post("/admin/reload?force=true").status, 200);
    assert!(
        server
            .wait_for_message("a reload is asked for")
            .contains("\"peer\":\"127.0.0.1:")
    );
    assert_eq!(server.admin_get("/admin/log/reopen").status, 200);
    assert!(
        server
            .wait_for_message("the access log is to be reopened")
            .contains("\"peer\":\"127.0.0.1:")
    );
    assert_eq!(server.admin_post("/admin/log/level?level=error").status, 200);
    assert!(
        server
            .wait_for_message("log level set")
            .contains("\"peer\":\"127.0.0.1:")
    );
}

const FORWARDING: [&str; 6] = [
    "X-Forwarded-For: 192.0.2.1",
    "x-forwarded-for:",
    "Forwarded: for=192.0.2.1",
    "Via: 1.1 proxy",
    "X-Real-IP: 192.0.2.1",
    "X-Forwarded-Host: status.example",
];

#[test]
fn a_proxy_on_this_machine_is_no_operator() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let address = server.admin_listen().parse().unwrap();
    for header in FORWARDING {
        let refused = ask(address, &["GET /admin/reload HTTP/1.1", "Host: localhost", header]);
        assert_eq!(refused.status, 403, "{header}");
        assert!(refused.text().contains("proxy"), "{}", refused.text());
        assert_eq!(
            ask(address, &["GET /livez HTTP/1.1", "Host: localhost", header]).status,
            200
        );
    }
    let server = server_with_token(&data);
    let address = server.admin_listen().parse().unwrap();
    for header in FORWARDING {
        let head = ["GET /admin/reload HTTP/1.1", "Host: localhost", header];
        assert_eq!(ask(address, &head).status, 401, "{header}");
        let head = [head[0], head[1], header, "Authorization: Bearer s3cret"];
        assert_eq!(ask(address, &head).status, 200, "{header}");
    }
    assert_eq!(
        server.admin_get("/admin/reload").status,
        200,
        "without a proxy no token is needed"
    );
}

#[test]
fn guessing_tokens_is_slow_counted_and_in_nobody_s_way() {
    const GUESSES: usize = 40;
    let data = data();
    let server = server_with_token(&data);
    let address = server.admin_listen().parse().unwrap();
    let with_token = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let head = ["GET /admin/status HTTP/1.1", "Host: localhost", "Via: 1.1 x", &header];
        let started = Instant::now();
        (ask(address, &head).status, started.elapsed())
    };
    let times: Vec<Duration> = thread::scope(|scope| {
        let with_token = &with_token;
        let guesses: Vec<_> = (0..GUESSES)
            .map(|guess| scope.spawn(move || with_token(&format!("guess-{guess}"))))
            .collect();
        // While they wait, an operator does not.
        while metric(&server, "mirrorlist_admin_refusals_total{reason=\"wrong_token\"}") < GUESSES as u64 {
            thread::yield_now();
        }
        assert_eq!(with_token("s3cret").0, 200);
        assert!(
            guesses.iter().any(|guess| !guess.is_finished()),
            "they were all answered before"
        );
        guesses
            .into_iter()
            .map(|guess| {
                let (status, time) = guess.join().unwrap();
                assert_eq!(status, 401);
                time
            })
            .collect()
    });
    assert!(times.iter().all(|time| *time >= Duration::from_secs(1)), "{times:?}");
    // Many at once wait for longer.
    assert!(
        times.iter().any(|time| *time >= Duration::from_millis(1500)),
        "{times:?}"
    );
    let line = server.wait_for_message("admin request refused");
    assert!(
        line.contains("\"peer\":\"127.0.0.1:") && line.contains("\"wrong_token\""),
        "{line}"
    );
    assert!(!line.contains("guess-") && !line.contains("s3cret"), "{line}");
}

#[test]
fn guessers_that_do_not_wait_get_no_more_guesses() {
    let data = data();
    let server = server_with_token(&data);
    let guess = |token: &str| {
        let mut stream = TcpStream::connect(server.admin_listen()).unwrap();
        write!(
            stream,
            "GET /admin/status HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 x\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        .unwrap();
        stream
    };
    let refused = |reason: &str| {
        metric(
            &server,
            &format!("mirrorlist_admin_refusals_total{{reason=\"{reason}\"}}"),
        )
    };
    let mut sent = 0;
    let mut last = Vec::new();
    while refused("too_many_tokens") == 0 {
        assert!(sent < 1_000, "1,000 guesses in a row were compared");
        // The ones before are closed without an answer.
        last = (0..20).map(|_| guess("wrong")).collect();
        sent += 20;
        while refused("wrong_token") + refused("too_many_tokens") < sent {
            thread::yield_now();
        }
    }
    let statuses: Vec<String> = last
        .into_iter()
        .map(|stream: TcpStream| {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            line.chars().skip(9).take(3).collect()
        })
        .collect();
    assert!(
        statuses.iter().all(|status| status == "401" || status == "429"),
        "{statuses:?}"
    );
    assert!(statuses.iter().any(|status| status == "429"), "{statuses:?}");
    // Who needs no token is not concerned.
    assert_eq!(server.admin_get("/admin/status").status, 200);
}

/// A server that is to fail; its exit code and what it said.
fn start_and_fail(data: &DataFiles, listen: &Path) -> (Option<i32>, String) {
    let output = run(Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"))
        .args(data.arguments())
        .args(["--port", "0", "--admin.listen", listen.to_str().unwrap()]));
    (output.status.code(), describe(&output))
}

fn get_on(socket: &Path, head: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_unix_socket_belongs_to_the_server_that_is_alive() {
    let data = data();
    let socket = data.cache().with_file_name("admin.socket");
    let listen = socket.to_str().unwrap();
    let arguments = ["--admin.listen", listen, NO_WATCH[0], NO_WATCH[1]];
    let server = Server::start(&data, &arguments);
    let metadata = fs::symlink_metadata(&socket).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    assert_eq!(
        fs::read_dir(socket.parent().unwrap())
            .unwrap()
            .filter(|entry| entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .starts_with("admin"))
            .count(),
        1,
        "nothing else is left"
    );
    // Another one does not get it, and takes nothing away.
    let (code, said) = start_and_fail(&data, &socket);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("another server listens on this socket"), "{said}");
    assert_eq!(fs::symlink_metadata(&socket).unwrap().ino(), metadata.ino());
    // The rules are those of TCP.
    let answer = get_on(&socket, "GET /admin/reload HTTP/1.1\r\nHost: localhost");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let line = server.wait_for_message("a reload is asked for");
    let uid = fs::metadata("/proc/self").unwrap().uid();
    let peer = format!("unix socket, uid {uid}, pid {}", std::process::id());
    assert!(line.contains(&peer), "{line}");
    for head in [
        "Host: evil.example",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nVia: 1.1 x",
    ] {
        let answer = get_on(&socket, &format!("GET /admin/reload HTTP/1.1\r\n{head}"));
        assert!(answer.starts_with("HTTP/1.1 403 "), "{head}: {answer}");
    }
    // A server that is killed leaves it behind, which is no obstacle.
    server.signal("KILL");
    drop(server);
    assert!(socket.exists());
    let server = Server::start(&data, &arguments);
    assert_ne!(fs::symlink_metadata(&socket).unwrap().ino(), metadata.ino());
    // Another's socket that has taken the path is not removed at the end.
    fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    assert_eq!(server.stop().code(), Some(0));
    assert!(socket.exists());
    drop(other);
    let server = Server::start(&data, &arguments);
    assert_eq!(server.stop().code(), Some(0));
    assert!(!socket.exists());
    // Nothing but a socket is replaced.
    fs::write(&socket, "something").unwrap();
    let (code, said) = start_and_fail(&data, &socket);
    assert_eq!(code, Some(69), "{said}");
    assert_eq!(fs::read(&socket).unwrap(), b"something");
}

#[test]
fn of_servers_that_start_at_once_one_gets_the_socket() {
    const SERVERS: usize = 6;
    let data = data();
    let socket = data.cache().with_file_name("admin.socket");
    // They take turns, by a lock.
    let turn = fs::File::open(socket.parent().unwrap()).unwrap();
    turn.lock().unwrap();
    let (code, said) = start_and_fail(&data, &socket);
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("holds a lock on the socket's folder"), "{said}");
    drop(turn);
    // Each finds one that nothing listens on.
    drop(UnixListener::bind(&socket).unwrap());
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
        command
            .args(data.arguments())
            .args(["--port", "0", "--log_format", "json", "--shutdown.grace", "0s"])
            .args(["--admin.listen", socket.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut servers: Vec<Killed> = (0..SERVERS).map(|_| Killed(start())).collect();
    let started = Instant::now();
    let mut ended = || {
        let codes = servers.iter_mut().filter_map(|server| server.0.try_wait().unwrap());
        codes.map(|status| status.code()).collect::<Vec<_>>()
    };
    while ended().len() < SERVERS - 1 {
        assert!(started.elapsed() < PATIENCE, "more than one server has the socket");
        thread::yield_now();
    }
    while UnixStream::connect(&socket).is_err() {
        assert!(started.elapsed() < PATIENCE, "no server has the socket");
        thread::yield_now();
    }
    assert_eq!(ended(), [Some(69); SERVERS - 1]);
}

/// A server that does not outlive the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
