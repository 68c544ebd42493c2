//! What the built programs tell a person and a package of their command lines: help on one screen, exit codes, colours, man pages,
//! completions, files of default settings, `check --json`, and the version.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use mirrorlist_server::settings::{ServerCommand, generator_flags, probe_flags, server_settings};
use serde_json::{Value, json};

use support::data::DataFiles;
use support::process::{describe, find, run};

const PROGRAMS: [(&str, &str); 2] = [
    ("mirrorlist-server", env!("CARGO_BIN_EXE_mirrorlist-server")),
    (
        "generate-mirrorlist-cache",
        env!("CARGO_BIN_EXE_generate-mirrorlist-cache"),
    ),
];

/// Lines that a screen has, and characters of a line.
const SCREEN: (usize, usize) = (50, 100);

fn program(path: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command.env_clear().args(arguments);
    command
}

fn is_there(program: &str) -> bool {
    find(program).is_some()
}

/// The standard output of a program that has to succeed.
fn output(path: &str, arguments: &[&str]) -> String {
    let output = run(&mut program(path, arguments));
    assert!(output.status.success(), "{arguments:?}: {}", describe(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of a program, as its man pages name them.
fn commands(name: &str, path: &str) -> Vec<String> {
    let pages = output(path, &["man", "--list"]);
    let commands = pages.lines().filter_map(|page| page.strip_prefix(&format!("{name}-")));
    commands.map(str::to_owned).collect()
}

#[test]
fn short_help_is_one_screen_with_examples_and_exit_codes() {
    for (name, path) in PROGRAMS {
        let commands = commands(name, path);
        assert!(commands.contains(&"healthcheck".to_owned()), "{commands:?}");
        let helps = commands.iter().map(|command| vec![command.as_str(), "-h"]);
        for arguments in helps.chain([vec!["-h"]]) {
            let help = output(path, &arguments);
            assert!(help.lines().count() <= SCREEN.0, "{name} {arguments:?}:\n{help}");
            for line in help.lines() {
                assert!(line.chars().count() <= SCREEN.1, "{name} {arguments:?}: {line}");
            }
            assert!(help.contains(&format!("\nExamples:\n  {name}")), "{help}");
            let codes = help.split("\nExit codes:\n").nth(1).unwrap();
            assert!(codes.starts_with("  0 ") && codes.contains("64 a mistake"), "{help}");
        }
    }
}

#[test]
fn short_help_names_each_setting_below_its_topic() {
    let (_, server) = PROGRAMS[0];
    let help = output(server, &["-h"]);
    for setting in server_settings() {
        assert!(help.contains(&format!("  {}:", setting.topic)), "{}", setting.topic);
        let flag = format!("--{}", setting.key);
        assert!(help.split_whitespace().any(|word| word == flag), "{flag}");
    }
    let (_, generator) = PROGRAMS[1];
    let help = output(generator, &["-h"]);
    for flag in generator_flags() {
        assert!(help.contains(&format!("\n{}:\n", flag.topic)), "{}", flag.topic);
        assert!(help.contains(&format!("--{} ", flag.key)), "{}", flag.key);
    }
}

#[test]
fn long_help_and_man_pages_say_what_each_setting_means() {
    let start = |help: &str| help.split([' ', '`', ',', ';']).next().unwrap().to_owned();
    for (path, page, flags) in [
        (PROGRAMS[0].1, "mirrorlist-server", server_settings()),
        (PROGRAMS[1].1, "generate-mirrorlist-cache", generator_flags().to_vec()),
        (PROGRAMS[1].1, "generate-mirrorlist-cache-probe", probe_flags().to_vec()),
    ] {
        let command = page.strip_prefix("generate-mirrorlist-cache-");
        let arguments: Vec<&str> = command.into_iter().chain(["--help"]).collect();
        let help = output(path, &arguments);
        let man = output(path, &["man", page]).replace("\\-", "-");
        for flag in flags {
            // The probe has this one from the program.
            if command.is_some() && flag.key == "metrics-listen" {
                continue;
            }
            for text in [&help, &man] {
                let (_, after) = text.split_once(&format!("--{}", flag.key)).unwrap_or_default();
                assert!(after.contains(&start(flag.help)), "{page}: {}:\n{text}", flag.key);
            }
        }
        assert!(help.contains("Exit codes:") && help.contains("Examples:"), "{help}");
        assert!(
            man.contains(".SH \"EXIT STATUS\"") && man.contains(".SH EXAMPLES"),
            "{man}"
        );
    }
}

#[test]
fn man_pages_are_read_without_a_warning() {
    if !is_there("man") {
        println!("SKIPPED: man pages through man: no man here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (_, path) in PROGRAMS {
        for page in output(path, &["man", "--list"]).lines() {
            let file = folder.path().join(format!("{page}.1"));
            fs::write(&file, output(path, &["man", page])).unwrap();
            let mut man = Command::new("man");
            let shown = run(man
                .args(["--warnings", "--local-file"])
                .arg(&file)
                .env("MANWIDTH", "100"));
            assert!(shown.status.success(), "{page}: {}", describe(&shown));
            assert_eq!(String::from_utf8_lossy(&shown.stderr), "", "{page}");
            let text = String::from_utf8(shown.stdout).unwrap();
            for heading in ["NAME", "SYNOPSIS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
                assert!(
                    text.lines().any(|line| line == heading),
                    "{page}: no {heading}:\n{text}"
                );
            }
            assert!(!text.contains("completions"), "{page}: a hidden command:\n{text}");
        }
    }
}

/// What bash offers for the last word of a command line.
fn completed_by_bash(name: &str, path: &str, words: &[&str]) -> String {
    let script = format!(
        "source /dev/stdin; COMP_WORDS=({}); COMP_CWORD={}; \
         $(complete -p {name} | sed 's/.* -F \\([^ ]*\\).*/\\1/') {name} {last:?} {before:?}; echo \"${{COMPREPLY[@]}}\"",
        words.join(" "),
        words.len() - 1,
        last = words[words.len() - 1],
        before = words[words.len() - 2],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("completions");
    fs::write(&file, output(path, &["completions", "bash"])).unwrap();
    let script = script.replace("/dev/stdin", file.to_str().unwrap());
    let output = run(Command::new("bash").args(["-c", &script]));
    assert!(output.status.success(), "{}", describe(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn shells_complete_flags_and_commands() {
    let (name, path) = PROGRAMS[0];
    let complete = |words: &[&str]| completed_by_bash(name, path, words);
    assert_eq!(complete(&[name, "--admin.l"]), "--admin.listen");
    assert_eq!(complete(&[name, "che"]), "check");
    assert_eq!(complete(&[name, "check", "--js"]), "--json");
    let (name, path) = PROGRAMS[1];
    assert_eq!(completed_by_bash(name, path, &[name, "probe", "--pat"]), "--patience");
    for (name, path) in PROGRAMS {
        let fish = output(path, &["completions", "fish"]);
        let commands = commands(name, path);
        assert!(
            commands
                .iter()
                .all(|command| fish.contains(&format!("-a \"{command}\""))),
            "{fish}"
        );
        assert!(!fish.contains("settings-file"), "{fish}");
        let zsh = output(path, &["completions", "zsh"]);
        assert!(zsh.starts_with(&format!("#compdef {name}\n")), "{zsh}");
        for (shell, text) in [("fish", &fish), ("zsh", &zsh)] {
            if !is_there(shell) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("completions");
            fs::write(&file, text).unwrap();
            let read = run(Command::new(shell).arg("--no-execute").arg(&file));
            assert!(read.status.success(), "{}", describe(&read));
        }
    }
}

/// The lines of a file of settings without the number sign before each key.
fn uncommented(file: &str) -> String {
    let lines = file.lines().filter_map(|line| line.strip_prefix('#'));
    let keys = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
    keys.map(|line| format!("{line}\n")).collect()
}

fn serve(arguments: &[&str], environment: Vec<(String, String)>) -> ServerCommand {
    let arguments = ["mirrorlist-server"].iter().chain(arguments);
    ServerCommand::parse(arguments, environment).unwrap()
}

#[test]
fn a_file_of_settings_has_all_of_them_and_sets_none() {
    let (_, server) = PROGRAMS[0];
    // Whether the admin listener's address is set makes a difference, so it is set here, too.
    let defaults = serve(&["--admin.listen", "127.0.0.1:3001"], Vec::new());
    let toml = output(server, &["settings-file", "toml"]);
    let env = output(server, &["settings-file", "env"]);
    for (format, file) in [("toml", &toml), ("env", &env)] {
        assert!(
            file.lines().all(|line| line.is_empty() || line.starts_with('#')),
            "{format}:\n{file}"
        );
        assert_eq!(
            uncommented(file).lines().count(),
            server_settings().len(),
            "{format}:\n{file}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    fs::write(&path, uncommented(&toml)).unwrap();
    assert_eq!(serve(&["--config", path.to_str().unwrap()], Vec::new()), defaults);
    let variables = uncommented(&env);
    let variables = variables.lines().map(|line| line.split_once('=').unwrap());
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(serve(&[], variables.collect()), defaults);
    let flags = output(PROGRAMS[1].1, &["settings-file"]);
    for flag in generator_flags() {
        assert!(
            flags.contains(&format!("\n#   --{}", flag.key)),
            "{}:\n{flags}",
            flag.key
        );
    }
    assert!(flags.ends_with("\nFLAGS=\n"), "{flags}");
    for file in [&toml, &env, &flags] {
        let mut topics: Vec<&str> = file.lines().filter(|line| line.starts_with("## ")).collect();
        topics.sort_unstable();
        assert!(
            topics.windows(2).all(|pair| pair[0] != pair[1]),
            "a topic twice:\n{file}"
        );
    }
}

#[test]
fn messages_on_a_terminal_have_no_colours_with_no_color() {
    if !is_there("script") {
        println!("SKIPPED: colours on a terminal: no script here");
        return;
    }
    let command = format!(
        "{} --log - --cache /nonexistent --max_connections 99999999",
        PROGRAMS[0].1
    );
    // It warns of the connections before it misses the cache.
    let shown = |variables: &[(&str, &str)]| {
        let mut script = Command::new("script");
        script.args(["--quiet", "--command", &command, "/dev/null"]);
        script.env_remove("NO_COLOR").env("TERM", "xterm");
        script
            .env("MIRRORLIST_ADMIN__LISTEN", "127.0.0.1:0")
            .env("MIRRORLIST_PORT", "0");
        let output = run(script.envs(variables.iter().copied()));
        String::from_utf8(output.stdout).unwrap()
    };
    let has_colours = |text: &str| text.contains("\u{1b}[");
    let coloured = shown(&[]);
    assert!(has_colours(&coloured), "{coloured}");
    assert!(has_colours(&shown(&[("NO_COLOR", "")])), "an empty variable is as none");
    let plain = shown(&[("NO_COLOR", "1")]);
    assert!(!plain.is_empty() && !has_colours(&plain), "{plain}");
}

/// The exit code and the object of `check --json`.
fn check(files: &DataFiles, arguments: &[&str]) -> (i32, Value, String) {
    let output = run(program(PROGRAMS[0].1, &["check", "--json"])
        .args(files.arguments())
        .args(arguments));
    let object = serde_json::from_slice(&output.stdout).unwrap();
    (
        output.status.code().unwrap(),
        object,
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn check_as_json_says_what_the_files_hold() {
    let data = DataFiles::new(&fixture::cache_message());
    let (code, object, stderr) = check(&data, &[]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{object}");
    assert_eq!(
        [&object["ok"], &object["exit_code"], &object["error"]],
        [&json!(true), &json!(0), &Value::Null]
    );
    assert_eq!(object["version"], env!("CARGO_PKG_VERSION"));
    let files = object["files"].as_array().unwrap();
    let files: BTreeMap<&str, &Value> = files.iter().map(|file| (file["key"].as_str().unwrap(), file)).collect();
    let cache = files["cache"];
    assert_eq!(cache["path"], data.cache().to_str().unwrap());
    assert_eq!(cache["bytes"], fs::metadata(data.cache()).unwrap().len());
    assert_eq!(cache["created"], 1_700_000_000);
    assert_eq!(
        (&cache["counts"]["directories"], &cache["counts"]["repositories"]),
        (&json!(9), &json!(4))
    );
    let warnings = cache["warnings"].as_u64().unwrap();
    let first = cache["first_warnings"].as_array().unwrap();
    assert!(warnings >= first.len() as u64 && !first.is_empty(), "{cache}");
    assert!(
        first
            .iter()
            .any(|warning| warning.as_str().unwrap().contains("10.0.0.0/33")),
        "{cache}"
    );
    for key in ["global_netblocks", "cccsv", "geoip"] {
        assert!(files.contains_key(key), "{key}: {object}");
    }
    assert_eq!(object["health"], json!([]));
    let health = data.cache().with_file_name("health.json");
    fs::write(&health, "{").unwrap();
    let (code, object, _) = check(&data, &["--health.files", health.to_str().unwrap()]);
    assert_eq!(
        (code, &object["ok"]),
        (0, &json!(true)),
        "a damaged health file changes nothing"
    );
    let health = &object["health"][0];
    assert_eq!(
        (&health["state"], &health["used"]),
        (&json!("unusable"), &json!(false)),
        "{health}"
    );
    assert!(!health["reason"].as_str().unwrap().is_empty());
}

#[test]
fn check_as_json_has_errors_in_it_and_the_same_exit_codes() {
    let data = DataFiles::new(&fixture::cache_message());
    fs::write(data.geoip(), "<html>\u{1}\"quoted\"</html>").unwrap();
    let (code, object, stderr) = check(&data, &[]);
    assert_eq!(
        (code, &object["exit_code"], &object["ok"]),
        (66, &json!(66), &json!(false))
    );
    assert_eq!(object["error"]["file"], data.geoip().to_str().unwrap());
    let message = object["error"]["message"].as_str().unwrap();
    assert_eq!(stderr, format!("mirrorlist-server: {message}\n"));
    assert_eq!((&object["files"], &object["health"]), (&json!([]), &json!([])));
    for mistake in [
        ["--port", "70000"],
        ["--config", "/nonexistent/c.toml"],
        ["--log_level", "\"loud\n\""],
    ] {
        let (code, object, stderr) = check(&data, &mistake);
        assert_eq!(
            (code, &object["exit_code"], &object["ok"]),
            (64, &json!(64), &json!(false))
        );
        assert_eq!(object["error"]["file"], Value::Null);
        let message = object["error"]["message"].as_str().unwrap();
        assert_eq!(stderr, format!("mirrorlist-server: {message}\n"));
    }
    // A mistaken command line says nothing of --json that could be relied on.
    let output = run(&mut program(PROGRAMS[0].1, &["check", "--json", "--prot", "1"]));
    assert_eq!((output.status.code(), output.stdout), (Some(64), Vec::new()));
}

/// The keys of an object, of those in it and of those in its lists; not of `counts`, which differ from file to file.
fn keys(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                let path = format!("{above}.{key}");
                if key != "counts" {
                    keys(inner, &path, found);
                }
                found.insert(path);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| keys(element, above, found)),
        _ => {}
    }
}

#[test]
fn the_document_of_check_as_json_has_the_same_keys() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check.md")).unwrap();
    let example = document.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let data = DataFiles::new(&fixture::cache_message());
    let (_, object, _) = check(&data, &["--health.files", "/nonexistent/health.json"]);
    let (mut documented, mut printed) = (BTreeSet::new(), BTreeSet::new());
    keys(&example, "", &mut documented);
    keys(&object, "", &mut printed);
    assert_eq!(documented, printed);
    assert_eq!(example["version"], env!("CARGO_PKG_VERSION"), "docs/check.md");
    let cache = |object: &Value| {
        let files = object["files"].as_array().unwrap().iter();
        let mut counts = files
            .filter(|file| file["key"] == "cache")
            .map(|file| file["counts"].clone());
        counts
            .next()
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(cache(&example), cache(&object), "counts of the cache");
}

#[test]
fn everything_that_names_the_version_names_the_same() {
    let version = |tag: &str| {
        run(Command::new("packaging/version")
            .args([tag])
            .current_dir(env!("CARGO_MANIFEST_DIR")))
    };
    let agreed = version(concat!("v", env!("CARGO_PKG_VERSION")));
    assert!(agreed.status.success(), "{}", describe(&agreed));
    assert_eq!(agreed.stdout, concat!(env!("CARGO_PKG_VERSION"), "\n").as_bytes());
    let other = version("v0.0.1");
    assert_eq!(other.status.code(), Some(1));
    let message = String::from_utf8(other.stderr).unwrap();
    assert!(
        message.contains("the tag is v0.0.1, and the version in Cargo.toml"),
        "{message}"
    );
}
