//! The examples of documents are what the server answers, on the data of `mirrorlist-server --demo`.
//!
//! An example is a fenced block that begins with the word `console`: lines `$ curl ...`, each followed by its output. The built binary
//! answers them. Of curl, the options of [`command`] are understood; `| jq .` after it lays JSON out. In an output, `...` stands for
//! any text, and a line `...` for any lines. With `console any-order` the lines may come in any order, as the shuffled hosts of a
//! tier do. With `-i`, only the headers that the output lists count.
//!
//! A fenced block `toml settings` before an example is the server's configuration file, and `toml rules` its file of rules, both
//! until the next heading.
//!
//! `UPDATE_DOCS=1 cargo test --test documents` rewrites the outputs that are wrong.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "an example that can't be run fails the test"
)]

mod support;

#[path = "documents/command.rs"]
mod command;
#[path = "documents/document.rs"]
mod document;
#[path = "documents/json.rs"]
mod json;
#[path = "documents/pattern.rs"]
mod pattern;

use std::collections::HashMap;
use std::fs;

use command::Curl;
use document::{Block, Configuration, Example, blocks};
use pattern::{Order, matches};
use support::server::Server;

/// The documents whose examples are run.
const DOCUMENTS: &[&str] = &["docs/requests.md", "docs/rules.md", "docs/selection.md"];

/// A demonstration with these settings and rules, and the folder of their files.
struct Demonstration {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Demonstration {
    fn start(configuration: &Configuration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = Vec::new();
        for (flag, name, text) in [
            ("--config", "settings.toml", &configuration.settings),
            ("--rules", "rules.toml", &configuration.rules),
        ] {
            if let Some(text) = text {
                let path = folder.path().join(name);
                fs::write(&path, text).unwrap();
                arguments.extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self {
            server: Server::start_demo(&arguments),
            _folder: folder,
        }
    }
}

/// Runs an example. Returns its output: the one that it has if that is right, else what the server answers.
fn run(server: &Server, example: &Example, order: Order) -> Vec<String> {
    let curl = Curl::parse(&example.command);
    let response = curl.ask(server.address());
    let found = curl.output(&response, &example.output);
    if matches(&example.output, &found, order) {
        example.output.clone()
    } else {
        found
    }
}

#[test]
fn the_examples_of_documents_are_what_the_server_answers() {
    let is_update = std::env::var_os("UPDATE_DOCS").is_some();
    let mut servers: HashMap<Configuration, Demonstration> = HashMap::new();
    let mut wrong = Vec::new();
    for name in DOCUMENTS {
        let path = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut new, mut count) = (String::new(), 0);
        for block in blocks(&text) {
            let Block::Examples(examples) = block else {
                new.push_str(&block.text());
                continue;
            };
            let configuration = examples.configuration.clone();
            let demonstration = servers.entry(configuration).or_insert_with_key(Demonstration::start);
            let mut answered = examples.clone();
            for example in &mut answered.examples {
                count += 1;
                let found = run(&demonstration.server, example, examples.order);
                if found != example.output {
                    wrong.push(format!(
                        "{name}, line {}: {}\nsays\n{}\nbut the answer is\n{}",
                        example.line,
                        example.command,
                        example.output.join("\n"),
                        found.join("\n")
                    ));
                    example.output = found;
                }
            }
            new.push_str(&Block::Examples(answered).text());
        }
        assert!(count > 0, "{name} has no examples");
        if is_update {
            fs::write(&path, new).unwrap();
        } else if wrong.is_empty() {
            assert_eq!(new, text, "{name} is written back as it was read");
        }
    }
    assert!(
        is_update || wrong.is_empty(),
        "{}\n\nrun UPDATE_DOCS=1 cargo test --test documents",
        wrong.join("\n\n")
    );
}
