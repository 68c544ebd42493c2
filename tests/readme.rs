//! The settings table in README.md and its list of differences say what the code says. `UPDATE_README=1 cargo test --test readme`
//! writes them again.
#![allow(clippy::unwrap_used, reason = "a README without them fails the tests")]

use std::fmt::Write as _;

use std::sync::Mutex;

use mirrorlist_server::compare::classes::CLASSES;
use mirrorlist_server::config::settings::SETTINGS;

/// One test at a time writes the file.
static README: Mutex<()> = Mutex::new(());

fn table() -> String {
    let mut table = String::new();
    for setting in SETTINGS {
        let short = setting.short.map(|short| format!("`-{short}`")).unwrap_or_default();
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{}`", default.replace(',', "`, `")),
        };
        writeln!(
            table,
            "| `{}` | {short} | {default} | {} |",
            setting.key, setting.description
        )
        .unwrap();
    }
    table
}

/// The reasons of all differences that are on purpose.
fn intended() -> String {
    let reasons = CLASSES.iter().filter_map(|info| Some((info.key, info.intended?)));
    reasons
        .map(|(key, reason)| format!("  - {reason} (`{key}`)\n"))
        .collect()
}

/// What stands between two texts of README.md is this.
fn hold(start: &str, end: &str, expected: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let _alone = README.lock().unwrap();
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(start).unwrap();
    let (present, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{start}{expected}{end}{after}")).unwrap();
    } else {
        assert_eq!(present, expected, "run UPDATE_README=1 cargo test --test readme");
    }
}

#[test]
fn the_settings_table_is_the_code_s() {
    hold(
        "| setting | short | default | meaning |\n|---|---|---|---|\n",
        "<!-- /settings -->",
        &table(),
    );
}

#[test]
fn the_differences_on_purpose_are_the_code_s() {
    hold(
        "  <!-- compare: tests/readme.rs holds this list against the code -->\n",
        "  <!-- /compare -->",
        &intended(),
    );
}
