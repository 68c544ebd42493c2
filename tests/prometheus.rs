//! Prometheus with a built server: its own linter finds nothing in the metrics, the alert rules in docs/ do what their tests
//! say, and a real Prometheus scrapes a server, finds the requests that were made, and evaluates the rules on them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::PATIENCE;
use support::data::DataFiles;
use support::http::exchange;
use support::process::{describe, run_with_input, succeed};
use support::programs::{Program, are_there};
use support::server::Server;
use tempfile::TempDir;

/// A request to a server, and how often it is made.
const REQUESTS: [(&str, u64); 4] = [
    ("/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1", 5),
    ("/metalink?repo=linux-1&arch=x86_64&ip=192.0.2.1", 3),
    ("/metalink?repo=unknown&arch=x86_64", 2),
    ("/nothing", 1),
];

fn document(name: &str) -> String {
    format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A server that has answered the requests and reloaded once.
fn server_with_requests() -> (Server, DataFiles) {
    let data = DataFiles::new(&fixture::cache_message());
    let server = Server::start(&data, &["--reload.watch", "off"]);
    for (target, times) in REQUESTS {
        for _ in 0..times {
            server.get(target);
        }
    }
    assert_eq!(server.admin_get("/admin/reload").status, 200);
    (server, data)
}

#[test]
fn the_linter_finds_nothing_in_the_metrics() {
    if !are_there("linting the metrics", &[Program::Promtool]) {
        return;
    }
    let (server, data) = server_with_requests();
    let metrics = data.cache().with_file_name("metrics.txt");
    fs::write(&metrics, server.admin_get("/metrics").body).unwrap();
    let mut promtool = Program::Promtool.command();
    let output = run_with_input(promtool.args(["check", "metrics"]), File::open(metrics).unwrap());
    // It writes what it finds to standard error, and what is only a matter of taste does not fail it.
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        describe(&output)
    );
}

#[test]
fn the_alert_rules_are_well_formed() {
    if !are_there("checking the alert rules", &[Program::Promtool]) {
        return;
    }
    let mut promtool = Program::Promtool.command();
    succeed(promtool.args(["check", "rules", "--lint-fatal", &document("alerts.yaml")]));
}

#[test]
fn the_alert_rules_fire_when_they_are_to_and_only_then() {
    if !are_there("testing the alert rules", &[Program::Promtool]) {
        return;
    }
    let mut promtool = Program::Promtool.command();
    succeed(promtool.args(["test", "rules", &document("alerts_test.yaml")]));
}

#[test]
fn each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let rules = fs::read_to_string(document("alerts.yaml")).unwrap();
    let tests = fs::read_to_string(document("alerts_test.yaml")).unwrap();
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() >= 6, "{alerts:?}");
    for alert in alerts {
        // The text after the name, up to the next test.
        let cases: Vec<&str> = tests
            .split("- alertname: ")
            .filter_map(|case| case.strip_prefix(alert)?.strip_prefix('\n'))
            .collect();
        let fires = |case: &&&str| case.contains("exp_labels:");
        let is_quiet = |case: &&&str| case.contains("exp_alerts: []");
        assert!(cases.iter().find(fires).is_some(), "{alert} never fires");
        assert!(cases.iter().find(is_quiet).is_some(), "{alert} always fires");
    }
}

#[test]
fn prometheus_scrapes_a_server_and_evaluates_the_rules() {
    if !are_there("a real Prometheus", &[Program::Prometheus]) {
        return;
    }
    let (server, _data) = server_with_requests();
    let prometheus = Prometheus::start(server.admin_listen());
    prometheus.wait_for("up{job=\"mirrorlist\"}", "1");

    let all: u64 = REQUESTS.iter().map(|(_, times)| times).sum();
    prometheus.wait_for("sum(mirrorlist_requests_total)", &all.to_string());
    for (selector, expected) in [
        ("endpoint=\"mirrorlist\",status=\"2xx\",tier=\"as\"", "0"),
        ("endpoint=\"mirrorlist\",status=\"2xx\",tier=\"country\"", "5"),
        ("endpoint=\"metalink\",status=\"2xx\",tier=\"country\"", "3"),
        ("endpoint=\"metalink\",status=\"4xx\",tier=\"none\"", "2"),
        ("endpoint=\"other\",status=\"4xx\",tier=\"none\"", "1"),
    ] {
        let query = format!("mirrorlist_requests_total{{{selector}}}");
        assert_eq!(prometheus.value(&query).as_deref(), Some(expected), "{query}");
    }

    // The fixture's cache is years old; else only files may be old.
    let mut active = prometheus.alerts_with("MirrorlistCacheStale");
    active.retain(|alert| !["MirrorlistNetblocksOld", "MirrorlistGeoipOld"].contains(&alert.as_str()));
    assert_eq!(active, ["MirrorlistCacheStale"]);

    let queries = documented_queries();
    assert!(queries.len() >= 5, "{queries:?}");
    for query in queries {
        // An unknown metric is no error to Prometheus, but gives nothing; tests/metrics_doc.rs looks at their names.
        prometheus.query(&query);
    }
    prometheus.stop();
}

/// The queries in the last table of docs/metrics.md, in which a `|` is escaped.
fn documented_queries() -> Vec<String> {
    let text = fs::read_to_string(document("metrics.md")).unwrap();
    let (_, table) = text.split_once("| question | query |\n|---|---|\n").unwrap();
    let queries = table.lines().map(|line| line.split('`').nth(1).unwrap());
    queries.map(|query| query.replace("\\|", "|")).collect()
}

/// A Prometheus that scrapes one server every second; dropping it kills it.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts on a free port. Another program can take the port before it does; then another port is tried.
    fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        let rules = document("alerts.yaml");
        fs::write(
            &configuration,
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
                 rule_files: ['{rules}']\n\
                 scrape_configs: [{{job_name: mirrorlist, static_configs: [{{targets: ['{target}']}}]}}]\n"
            ),
        )
        .unwrap();
        let started = Instant::now();
        loop {
            let address = free_address();
            let mut child = command(&configuration, folder.path(), address).spawn().unwrap();
            match wait_until_ready(&lines_of(&mut child)) {
                Ok(()) => {
                    return Self {
                        child,
                        address,
                        _folder: folder,
                    };
                }
                Err(messages) => {
                    let _ = child.kill();
                    child.wait().unwrap();
                    let is_taken = messages.contains("address already in use");
                    assert!(is_taken && started.elapsed() < PATIENCE, "{messages}");
                }
            }
        }
    }

    /// Waits until a query gives one value, which is to be this.
    fn wait_for(&self, query: &str, expected: &str) {
        let value = eventually(|| self.value(query).filter(|value| value == expected));
        assert!(value.is_some(), "{query} is {:?}, not {expected}", self.value(query));
    }

    /// The value of the only series that a query gives.
    fn value(&self, query: &str) -> Option<String> {
        let answer = self.query(query);
        let series = answer["data"]["result"].as_array()?;
        assert!(series.len() <= 1, "{query}: {answer:#}");
        Some(series.first()?["value"][1].as_str()?.to_owned())
    }

    fn query(&self, query: &str) -> Value {
        self.get(&format!("/api/v1/query?query={}", percent_encoded(query)))
    }

    /// Waits until every rule has been evaluated without an error and this alert waits or fires; gives all that do. Rules are
    /// evaluated in their order, so that those before this one have seen the same values.
    fn alerts_with(&self, alert: &str) -> Vec<String> {
        let alerts = eventually(|| {
            let rules = self.rules();
            for rule in &rules {
                assert_ne!(rule["health"], "err", "{rule:#}");
            }
            let is_active = |rule: &&Value| rule["state"] == "pending" || rule["state"] == "firing";
            let name = |rule: &Value| rule["name"].as_str().unwrap().to_owned();
            let active: Vec<String> = rules.iter().filter(is_active).map(name).collect();
            let all_evaluated = rules.iter().all(|rule| rule["health"] == "ok");
            (all_evaluated && active.iter().any(|active| active == alert)).then_some(active)
        });
        alerts.unwrap_or_else(|| panic!("{alert} does not fire: {:#?}", self.rules()))
    }

    fn rules(&self) -> Vec<Value> {
        let answer = self.get("/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        rules.cloned().collect()
    }

    fn get(&self, target: &str) -> Value {
        // HTTP/1.0, so that the answer does not come in chunks.
        let answer = exchange(self.address, format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Stops it in order.
    fn stop(mut self) {
        succeed(Command::new("sh").args(["-c", &format!("kill -s TERM {}", self.child.id())]));
        let status = eventually(|| self.child.try_wait().unwrap());
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(configuration: &Path, folder: &Path, address: SocketAddr) -> Command {
    let mut command = Program::Prometheus.command();
    command
        .arg(format!("--config.file={}", configuration.display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Prometheus doesn't report which port it took, so it gets one that was free a moment ago.
fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
}

/// The lines of standard error, read to the end even after the receiver is dropped.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

/// Waits until it says that it answers; else gives what it said to its end.
fn wait_until_ready(lines: &Receiver<String>) -> Result<(), String> {
    let (started, mut seen) = (Instant::now(), Vec::new());
    while let Ok(line) = lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
        if line.contains("Server is ready to receive web requests") {
            return Ok(());
        }
        seen.push(line);
    }
    Err(seen.join("\n"))
}

/// Asks again and again until there is something, or gives up.
fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    const INTERVAL: Duration = Duration::from_millis(50);
    let started = Instant::now();
    loop {
        let found = ask();
        if found.is_some() || started.elapsed() > PATIENCE {
            return found;
        }
        // What Prometheus scrapes and evaluates has no event that could be waited for.
        thread::sleep(INTERVAL);
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
