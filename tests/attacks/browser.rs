//! What a page of another site can do to the admin listener from within a real browser: nothing.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::fixture;
use super::support::PATIENCE;
use super::support::data::DataFiles;
use super::support::process::run;
use super::support::programs::{Program, are_there};
use super::support::server::Server;

/// A page that tries everything a page can, and then fetches `/done` with the number of its attempts.
const ATTACK: &str = r#"<!doctype html><meta charset="utf-8"><title>attack</title><body><script>
const admins = ["http://127.0.0.1:PORT", "http://localhost:PORT", "http://evil.example:PORT"];
const targets = ["/admin/reload", "/admin/reload?force=true", "/admin/log/level?level=debug", "/admin/log/reopen"];
let attempts = 0;
function element(name, attributes) {
    return new Promise(done => {
        const made = document.createElement(name);
        made.onload = made.onerror = done;
        Object.assign(made, attributes);
        document.body.append(made);
        attempts++;
    });
}
function form(method, action) {
    return new Promise(done => {
        const frame = document.createElement("iframe");
        frame.name = "frame" + attempts;
        document.body.append(frame);
        const form = document.createElement("form");
        Object.assign(form, {method, action, target: frame.name});
        for (const pair of new URL(action).searchParams) {
            const input = document.createElement("input");
            [input.name, input.value] = pair;
            form.append(input);
        }
        document.body.append(form);
        frame.onload = done;
        form.submit();
        attempts++;
    });
}
async function attack() {
    for (const admin of admins) for (const target of targets) {
        const url = admin + target;
        for (const method of ["GET", "POST"]) for (const referrerPolicy of ["no-referrer", "unsafe-url"]) {
            attempts++;
            await fetch(url, {method, mode: "no-cors", referrerPolicy}).catch(() => 0);
        }
        attempts++;
        await fetch(url, {method: "PUT", headers: {"X-Own": "1"}}).catch(() => 0);
        await element("img", {src: url});
        await element("script", {src: url});
        await element("link", {rel: "stylesheet", href: url});
        await element("iframe", {src: url});
        await element("iframe", {src: url, sandbox: "", referrerPolicy: "no-referrer"});
        await form("GET", url);
        await form("POST", url);
    }
    await fetch("/done?" + attempts);
}
attack();
</script>"#;

/// A page that leaves for the admin listener.
const LEAVE: &str =
    r#"<!doctype html><title>leave</title><script>location = "http://127.0.0.1:PORT/admin/reload";</script>"#;

/// Another site: serves pages and tells which paths were asked for.
struct Site {
    address: SocketAddr,
    asked: Receiver<String>,
}

impl Site {
    fn start(admin_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::channel();
        // It ends with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                thread::spawn(move || {
                    if let Some(path) = serve(&stream, admin_port) {
                        let _ = sender.send(path);
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Waits until a path that begins so is asked for.
    fn wait_for(&self, start: &str) -> String {
        let started = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            let path = self.asked.recv_timeout(left);
            let path = path.unwrap_or_else(|error| panic!("the browser does not ask for {start}: {error}"));
            if path.starts_with(start) {
                return path;
            }
        }
    }
}

fn serve(mut stream: &TcpStream, admin_port: u16) -> Option<String> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    lines.find(String::is_empty)?;
    let page = match path.as_str() {
        "/attack" => ATTACK,
        "/leave" => LEAVE,
        _ => "",
    };
    let page = page.replace("PORT", &admin_port.to_string());
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    )
    .ok()?;
    Some(path)
}

/// A browser that shows a page until it is dropped.
struct Browser {
    child: Child,
    _profile: TempDir,
}

/// Chromium without a window, for which evil.example is this machine.
fn chromium(profile: &TempDir) -> Command {
    let mut command = Program::Chromium.command();
    command
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--no-proxy-server",
            "--host-resolver-rules=MAP evil.example 127.0.0.1",
        ]);
    command.env("HOME", profile.path());
    command
}

impl Browser {
    fn open(url: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = chromium(&profile);
        // Without a port for its developers' tools, it would print the page and leave at once.
        command.args(["--remote-debugging-port=0", url]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            child: command.spawn().unwrap(),
            _profile: profile,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the browser shows whose user typed a URL.
fn shown(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = run(chromium(&profile).args(["--dump-dom", url]));
    String::from_utf8(output.stdout).unwrap()
}

fn status(server: &Server) -> Value {
    serde_json::from_slice(&server.admin_get("/admin/status").body).unwrap()
}

fn refusals(server: &Server) -> u64 {
    let metrics = server.admin_get("/metrics");
    let refusals = metrics
        .text()
        .lines()
        .filter(|line| line.starts_with("mirrorlist_admin_refusals_total{"));
    refusals
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

#[test]
fn a_browser_is_an_operator_only_where_its_user_types_the_address() {
    if !are_there("pages against the admin listener", &[Program::Chromium]) {
        return;
    }
    let data = DataFiles::new(&fixture::cache_message());
    let server = Server::start(&data, &["--reload.watch", "off"]);
    let admin: SocketAddr = server.admin_listen().parse().unwrap();
    let site = Site::start(admin.port());
    // Another port of the same host is another origin of the same site; another name is another site.
    for host in ["127.0.0.1", "evil.example"] {
        let before = refusals(&server);
        let browser = Browser::open(&format!("http://{host}:{}/attack", site.address.port()));
        let done = site.wait_for("/done?");
        drop(browser);
        let attempts: u64 = done.trim_start_matches("/done?").parse().unwrap();
        assert!(attempts > 100, "{done}");
        let refused = refusals(&server) - before;
        // A browser may answer some of them itself, but these attacks are about those that arrive.
        assert!(refused >= attempts * 9 / 10, "{refused} of {attempts} from {host}");
        let status = status(&server);
        assert_eq!(status["reloads"], serde_json::json!([]), "{host}");
        assert_eq!(status["log_level"], "info", "{host}");
    }
    let before = refusals(&server);
    let browser = Browser::open(&format!("http://evil.example:{}/leave", site.address.port()));
    site.wait_for("/leave");
    let started = Instant::now();
    while refusals(&server) == before {
        assert!(
            started.elapsed() < PATIENCE,
            "the browser does not leave for the admin listener"
        );
        assert_eq!(status(&server)["reloads"], serde_json::json!([]));
        thread::yield_now();
    }
    drop(browser);
    assert_eq!(status(&server)["reloads"], serde_json::json!([]));

    // The listener itself under another name (DNS rebinding).
    for target in ["/admin/status", "/admin/reload", "/metrics", "/livez"] {
        let page = shown(&format!("http://evil.example:{}{target}", admin.port()));
        assert!(page.contains("admin.hosts"), "{target}: {page}");
    }
    assert_eq!(status(&server)["reloads"], serde_json::json!([]));

    // What the user types works.
    let page = shown(&format!("http://{admin}/admin/reload"));
    assert!(page.contains("\"outcome\":\"unchanged\""), "{page}");
    assert_eq!(status(&server)["reloads"].as_array().unwrap().len(), 1);
    let page = shown(&format!("http://localhost:{}/admin/reload?force=true", admin.port()));
    assert!(page.contains("takes POST"), "{page}");
}
