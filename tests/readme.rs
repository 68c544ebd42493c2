//! The settings table in README.md says what the code says. `UPDATE_README=1 cargo test --test readme` writes it anew.
#![allow(clippy::unwrap_used, reason = "a README without its table fails the test")]

use std::fmt::Write as _;

use mirrorlist_server::config::settings::SETTINGS;

const START: &str = "| setting | short | default | meaning |\n|---|---|---|---|\n";
const END: &str = "<!-- /settings -->";

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

#[test]
fn the_settings_table_is_the_code_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(START).unwrap();
    let (present, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{START}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(present, table(), "run UPDATE_README=1 cargo test --test readme");
    }
}
