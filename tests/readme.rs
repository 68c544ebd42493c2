//! The tables of settings in README.md and docs/generator.md, and README's list of differences, say what the code says.
//! `UPDATE_README=1 cargo test --test readme` writes them.
#![allow(clippy::unwrap_used, reason = "a README without its table fails the test")]

use std::fmt::Write as _;

use mirrorlist_server::compare::classes::CLASSES;
use mirrorlist_server::generate::database::parameters::{PARAMETERS, VARIABLES};
use mirrorlist_server::settings::{Definition, generator_flags, probe_flags, server_settings};

fn code(text: &str) -> String {
    match text {
        "" => String::new(),
        text => format!("`{text}`"),
    }
}

/// The settings of the server.
fn settings() -> String {
    let mut table = String::new();
    for setting in server_settings() {
        let short = setting.short.map(|short| format!("`-{short}`")).unwrap_or_default();
        let default = code(setting.default).replace(',', "`, `");
        writeln!(table, "| `{}` | {short} | {default} | {} |", setting.key, setting.help).unwrap();
    }
    table
}

/// The flags of a command.
fn flags(definitions: &[Definition]) -> String {
    let mut table = String::new();
    for flag in definitions {
        let short = flag.short.map(|short| format!("`-{short}`, ")).unwrap_or_default();
        let value = flag.value_name.map(|name| format!(" {name}")).unwrap_or_default();
        let default = code(flag.default);
        writeln!(table, "| {short}`--{}{value}` | {default} | {} |", flag.key, flag.help).unwrap();
    }
    table
}

fn parameters() -> String {
    let mut table = String::new();
    for parameter in PARAMETERS {
        let (variable, default) = (code(parameter.variable.unwrap_or_default()), parameter.default);
        let default = if default.contains(' ') {
            default.to_owned()
        } else {
            code(default)
        };
        writeln!(
            table,
            "| `{}` | {variable} | {default} | {} |",
            parameter.name, parameter.meaning
        )
        .unwrap();
    }
    table
}

fn variables() -> String {
    let mut table = String::new();
    for variable in VARIABLES {
        writeln!(table, "| `{}` | {} |", variable.name, variable.meaning).unwrap();
    }
    table
}

/// The reasons of all differences that are on purpose.
fn intended() -> String {
    let reasons = CLASSES.iter().filter_map(|info| Some((info.key, info.intended?)));
    let lines = reasons.map(|(key, reason)| format!("  - {reason} (`{key}`)\n"));
    lines.chain(["  ".to_owned()]).collect()
}

#[test]
fn the_tables_are_the_code_s() {
    for (file, start, end, table) in [
        (
            "README.md",
            "<!-- compare: tests/readme.rs holds this list against the code -->\n",
            "<!-- /compare -->",
            intended(),
        ),
        (
            "README.md",
            "| setting | short | default | meaning |\n|---|---|---|---|\n",
            "<!-- /settings -->",
            settings(),
        ),
        (
            "docs/generator.md",
            "| flag | default | meaning |\n|---|---|---|\n",
            "<!-- /flags -->",
            flags(generator_flags()),
        ),
        (
            "docs/generator.md",
            "| flag of `probe` | default | meaning |\n|---|---|---|\n",
            "<!-- /probe flags -->",
            flags(probe_flags()),
        ),
        (
            "docs/generator.md",
            "| parameter | variable | default | meaning |\n|---|---|---|---|\n",
            "<!-- /parameters -->",
            parameters(),
        ),
        (
            "docs/generator.md",
            "| variable | meaning |\n|---|---|\n",
            "<!-- /variables -->",
            variables(),
        ),
    ] {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let content = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = content.split_once(start).unwrap();
        let (present, after) = rest.split_once(end).unwrap();
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(path, format!("{before}{start}{table}{end}{after}")).unwrap();
        } else {
            assert_eq!(present, table, "run UPDATE_README=1 cargo test --test readme");
        }
    }
}
