//! What SECURITY.md names is there: settings, files, and the tests that hold what it says.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a helper that fails fails the test")]

mod fuzz_targets;

use std::fs;
use std::path::Path;

use mirrorlist_server::settings::server_settings;

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_tests_of_the_threat_model_are_there() {
    let document = text("SECURITY.md");
    let rows = document.lines().filter(|line| line.starts_with("| **"));
    let mut tests = 0;
    for row in rows {
        let cell = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        assert!(cell.contains('`'), "no test in {row}");
        for reference in cell.split(';') {
            let mut names = quoted(reference);
            let file = text(&format!("tests/{}", names.next().unwrap()));
            for name in names {
                let is_target = fuzz_targets::TARGETS.iter().any(|(target, _)| *target == name);
                let found = is_target || file.contains(&format!("fn {name}(")) || file.contains(&format!("{name} "));
                assert!(found, "there is no {name} in {reference}");
                tests += 1;
            }
        }
    }
    assert!(tests > 20, "{tests} tests");
}

#[test]
fn the_settings_and_files_of_the_threat_model_are_there() {
    let document = text("SECURITY.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in quoted(&document).filter(|name| !name.contains([' ', '='])) {
        let is_path =
            name.contains('/') && !name.starts_with('/') && !name.ends_with(".rs") || name.starts_with("src/");
        if is_path {
            assert!(root.join(name).exists(), "there is no {name}");
        }
        let is_key = ["admin.", "reload.", "max_", "trusted_", "ip_"]
            .iter()
            .any(|start| name.starts_with(start));
        if is_key && !name.ends_with(".rs") {
            let is_setting = server_settings().iter().any(|setting| setting.key == name);
            assert!(is_setting, "{name} is no setting");
        }
    }
}
