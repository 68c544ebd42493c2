//! docs/metrics.md says what a server exposes: the same metrics with the same types, labels and texts. And what the alert rules
//! ask for is there. `UPDATE_DOCS=1 cargo test --test metrics_doc` updates the tables.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a document or an answer that can't be read fails the test"
)]

mod fixture;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;

use support::data::DataFiles;
use support::server::Server;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
const ALERTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.yaml");

/// The tables' heads and the lines after their ends.
const METRICS: [&str; 2] = [
    "| metric | type | labels | unit | what it tells |\n|---|---|---|---|---|\n",
    "<!-- /metrics -->",
];
const LABELS: [&str; 2] = ["| label | values |\n|---|---|\n", "<!-- /labels -->"];

/// Labels whose values depend on who asks or what is built, so that the document describes them in words.
const OPEN_LABELS: [&str; 4] = ["country", "path", "rule", "version"];

/// A health file that knows no mirror.
const HEALTH_FILE: &str = r#"{"format": 1, "made": 1700000000, "valid_until": 9000000000, "urls": []}"#;

/// A rule that changes nothing here.
const RULES: &str = "[[mirrors]]\nname = \"out\"\nhost = \"unknown.example\"\nout = true\n";

/// A metric, as Prometheus' text format has it.
#[derive(Default)]
struct Family {
    help: String,
    kind: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// What a server exposes that has answered requests and reloaded its data.
fn exposed() -> BTreeMap<String, Family> {
    let data = DataFiles::new(&fixture::cache_message());
    let health = data.cache().with_file_name("health.json");
    fs::write(&health, HEALTH_FILE).unwrap();
    let rules = data.cache().with_file_name("rules.toml");
    fs::write(&rules, RULES).unwrap();
    let (health, rules) = (health.to_str().unwrap(), rules.to_str().unwrap());
    let settings = ["--reload.watch", "off", "--health.files", health, "--rules", rules];
    let server = Server::start(&data, &settings);
    for target in [
        "/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1",
        "/metalink?repo=linux-1&arch=x86_64&ip=2001:db8::1",
        "/mirrorlist?repo=linux-1&arch=x86_64&redirect",
        "/metalink?repo=unknown&arch=x86_64",
        "/nothing",
    ] {
        server.get(target);
    }
    assert_eq!(server.admin_get("/admin/reload").status, 200);
    parse(server.admin_get("/metrics").text())
}

/// Reads Prometheus' text format, in which the lines of a metric follow its HELP and TYPE.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            name.clone_into(&mut last);
            let family = families.entry(name.to_owned()).or_default();
            assert_eq!(family.help, "", "{name} is there twice");
            help.clone_into(&mut family.help);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, last, "HELP comes before TYPE");
            kind.clone_into(&mut families.get_mut(name).unwrap().kind);
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            assert!(name.starts_with(&last), "{name} has neither HELP nor TYPE");
            note_labels(line, &mut families.get_mut(&last).unwrap().labels);
        }
    }
    families
}

/// Notes the labels of a sample, but not the one that belongs to every histogram.
fn note_labels(sample: &str, labels: &mut BTreeMap<String, BTreeSet<String>>) {
    let Some((_, rest)) = sample.split_once('{') else {
        return;
    };
    let (pairs, _) = rest.split_once('}').unwrap();
    for pair in pairs.split(',') {
        let (label, value) = pair.split_once('=').unwrap();
        if label != "le" {
            let values = labels.entry(label.to_owned()).or_default();
            values.insert(value.trim_matches('"').to_owned());
        }
    }
}

/// The unit, which Prometheus wants in the name.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_timestamp_seconds") || name.ends_with("_start_time_seconds") {
        "seconds since 1970"
    } else if name.ends_with("_seconds") {
        "seconds"
    } else if name.ends_with("_bytes") {
        "bytes"
    } else if name.ends_with("_info") {
        ""
    } else {
        "count"
    }
}

fn code(words: impl IntoIterator<Item = impl std::fmt::Display>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

fn metrics_table(families: &BTreeMap<String, Family>) -> String {
    let mut table = String::new();
    for (name, family) in families {
        let (kind, labels, help) = (&family.kind, code(family.labels.keys()), &family.help);
        writeln!(table, "| `{name}` | {kind} | {labels} | {} | {help} |", unit(name)).unwrap();
    }
    table
}

fn labels_table(families: &BTreeMap<String, Family>) -> String {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (label, values) in families.values().flat_map(|family| &family.labels) {
        if !OPEN_LABELS.contains(&label.as_str()) {
            all.entry(label).or_default().extend(values.iter().map(String::as_str));
        }
    }
    let mut table = String::new();
    for (label, values) in all {
        writeln!(table, "| `{label}` | {} |", code(values)).unwrap();
    }
    table
}

/// The document before a table, the table, and what follows.
fn split<'a>(document: &'a str, [start, end]: [&str; 2]) -> [&'a str; 3] {
    let (before, rest) = document.split_once(start).unwrap_or_else(|| panic!("no table {start}"));
    let (table, after) = rest.split_once(end).unwrap_or_else(|| panic!("no {end}"));
    [before, table, after]
}

#[test]
fn the_document_has_the_metrics_that_a_server_exposes() {
    let families = exposed();
    let tables = [(METRICS, metrics_table(&families)), (LABELS, labels_table(&families))];
    for (markers, table) in tables {
        let document = fs::read_to_string(DOCUMENT).unwrap();
        let [before, present, after] = split(&document, markers);
        if env::var_os("UPDATE_DOCS").is_some() {
            let [start, end] = markers;
            fs::write(DOCUMENT, format!("{before}{start}{table}{end}{after}")).unwrap();
        } else {
            assert_eq!(present, table, "run UPDATE_DOCS=1 cargo test --test metrics_doc");
        }
    }
}

#[test]
fn every_metric_says_what_it_is_and_every_open_label_is_described() {
    let document = fs::read_to_string(DOCUMENT).unwrap();
    for (name, family) in exposed() {
        assert!(
            family.help.ends_with('.') && family.help.len() > 10,
            "{name}: {:?}",
            family.help
        );
        assert!(
            ["counter", "gauge", "histogram"].contains(&family.kind.as_str()),
            "{name}"
        );
        assert!(!family.help.contains('|'), "{name}: the help breaks the table");
    }
    for label in OPEN_LABELS {
        assert!(document.contains(&format!("\n- `{label}` is ")), "{label}");
    }
}

#[test]
fn what_the_alert_rules_and_the_document_ask_for_is_exposed() {
    let families = exposed();
    let is_exposed = |name: &str| {
        let histogram = ["_bucket", "_sum", "_count"]
            .into_iter()
            .find_map(|suffix| families.get(name.strip_suffix(suffix)?))
            .is_some_and(|family| family.kind == "histogram");
        histogram || families.contains_key(name)
    };
    for path in [ALERTS, DOCUMENT] {
        let text = fs::read_to_string(path).unwrap();
        let mut asked = 0;
        // The colon belongs to names of what rules record, which are no server's.
        for name in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':') {
            if name.starts_with("mirrorlist_") && name != "mirrorlist_cache" {
                asked += 1;
                assert!(is_exposed(name), "{path}: no server exposes {name}");
            }
        }
        assert!(asked >= 7, "{path}: only {asked} metrics");
    }
}
