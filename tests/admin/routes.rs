//! Which requests the admin listener takes, and servers without one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use super::support::http::{Response, exchange, get};
use super::support::process::{describe, run};
use super::support::server::{Server, field};
use super::{LIST, NO_WATCH, data, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrorlist-server");

const ENDPOINTS: [(&str, &str); 8] = [
    ("/livez", "GET, HEAD"),
    ("/readyz", "GET, HEAD"),
    ("/metrics", "GET, HEAD"),
    ("/admin/status", "GET, HEAD"),
    ("/admin/reload", "GET, HEAD, POST"),
    ("/admin/explain", "GET, HEAD"),
    ("/admin/log/reopen", "GET, HEAD, POST"),
    ("/admin/log/level", "GET, HEAD, POST"),
];

fn ask(server: &Server, method: &str, target: &str) -> Response {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    exchange(server.admin_listen().parse().unwrap(), request.as_bytes())
}

#[test]
fn every_endpoint_says_which_methods_it_takes_and_does_nothing_for_others() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    for (target, allowed) in ENDPOINTS {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if allowed.contains(method) {
                continue;
            }
            let refused = ask(&server, method, &format!("{target}?force=true&level=trace"));
            assert_eq!(
                (refused.status, refused.header("Allow")),
                (405, Some(allowed)),
                "{method} {target}"
            );
            assert_eq!(
                json(&refused)["error"],
                "the method is not one of those in Allow",
                "{method} {target}"
            );
        }
    }
    let status = json(&server.admin_get("/admin/status"));
    assert_eq!(
        (&status["reloads"], &status["log_level"]),
        (&serde_json::json!([]), &"info".into())
    );
}

#[test]
fn an_unknown_endpoint_is_answered_with_the_known_ones() {
    let data = data();
    let server = Server::start(&data, &NO_WATCH);
    let known = ENDPOINTS.map(|(target, _)| target).join(" ");
    for target in [
        "/",
        "/nothing",
        "/livez/",
        "/admin",
        "/admin/",
        "/admin/nothing",
        "/admin/log",
        "*",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let refused = ask(&server, method, target);
            assert_eq!(refused.status, 404, "{method} {target}");
            assert_eq!(
                refused.text(),
                format!("no such endpoint; there are {known}\n"),
                "{method} {target}"
            );
        }
    }
}

/// A server whose messages up to the one that it listens are read. Dropping it ends it.
struct Started {
    child: Child,
    messages: Vec<String>,
    address: SocketAddr,
}

impl Started {
    fn new(arguments: &[&str]) -> (Self, super::DataFiles) {
        let data = data();
        let mut child = Command::new(PROGRAM)
            .env_clear()
            .args(data.arguments())
            .args(["--port", "0", "--log_format", "json", "--shutdown.grace", "0s"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut messages = Vec::new();
        for line in lines.map_while(Result::ok) {
            messages.push(line);
            if messages.last().unwrap().contains("\"msg\":\"listening\"") {
                break;
            }
        }
        let address = field(messages.last().unwrap(), "address").parse().unwrap();
        let started = Self {
            child,
            messages,
            address,
        };
        (started, data)
    }

    fn has_message(&self, text: &str) -> bool {
        self.messages.iter().any(|line| line.contains(text))
    }

    /// The addresses of this process's TCP sockets that listen, as `/proc/net/tcp` writes them.
    fn listening(&self) -> Vec<String> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let open: Vec<String> = open
            .filter_map(|entry| Some(fs::read_link(entry.ok()?.path()).ok()?.to_str()?.to_owned()))
            .collect();
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        // The state 0A is LISTEN.
        rows.filter(|row| row[3] == "0A" && open.contains(&format!("socket:[{}]", row[9])))
            .map(|row| row[1].to_owned())
            .collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn with_admin_listen_off_only_the_public_address_is_listened_on() {
    let (server, _data) = Started::new(&["--admin.listen", "off"]);
    assert_eq!(get(server.address, LIST).status, 200);
    assert!(!server.has_message("admin listen"), "{:?}", server.messages);
    let public = format!("0100007F:{:04X}", server.address.port());
    assert_eq!(server.listening(), [public]);

    let asked = run(Command::new(PROGRAM).args(["--admin.listen", "off", "healthcheck"]));
    assert_eq!(asked.status.code(), Some(64), "{}", describe(&asked));
    assert!(describe(&asked).contains("admin.listen is off"), "{}", describe(&asked));
}

#[test]
fn an_admin_address_that_is_set_and_taken_ends_the_server() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(Command::new(PROGRAM)
        .args(data().arguments())
        .args(["--port", "0", "--admin.listen", &address]));
    assert_eq!(output.status.code(), Some(69), "{}", describe(&output));
    let message = format!("mirrorlist-server: cannot listen on {address}: ");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains(&message) && stderr.contains("choose another --admin.listen, or off"),
        "{stderr}"
    );
}

#[test]
fn a_second_server_with_the_old_command_line_goes_on_without_an_admin_listener() {
    // Even if another program has the default address now, both of these answer.
    let servers = [Started::new(&[]), Started::new(&[])];
    for (server, _) in &servers {
        assert_eq!(get(server.address, LIST).status, 200);
    }
    let without = "no admin listener: another program has its address; set admin.listen";
    assert!(
        servers.iter().any(|(server, _)| server.has_message(without)),
        "one of them has no admin listener"
    );
}
