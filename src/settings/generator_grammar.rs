//! The grammar of the command line of `generate-mirrorlist-cache`, for clap, and the parts of its help that are not flags.
//!
//! Not here: what the arguments mean ([`super::generator`]).

use std::path::PathBuf;

use clap::{Arg, Command, value_parser};

use super::command_line::{METRICS_LISTEN, flag};
use super::exit_codes;
use super::generator::{EXAMPLES, generator_flags};
use super::help::{CommandHelp, Example, with_help};
use super::pages::{Program, SettingsFile};
use super::probe::probe_flags;
use super::settings_file;

const NAME: &str = "generate-mirrorlist-cache";
pub(super) const HEALTHCHECK: &str = "healthcheck";
pub(super) const COMPARE: &str = "compare";
pub(super) const PROBE: &str = "probe";

/// The arguments of `compare`.
pub(super) const CACHES: &str = "caches";

const HELPS: &[CommandHelp] = &[
    CommandHelp {
        command: NAME,
        examples: &[
            Example {
                line: "generate-mirrorlist-cache --check --debug",
                effect: "every warning, nothing written",
            },
            Example {
                line: "generate-mirrorlist-cache -o /srv/mirrorlist_cache.proto",
                effect: "once, from cron",
            },
            Example {
                line: "generate-mirrorlist-cache --interval 15m",
                effect: "as a service",
            },
        ],
        exit_codes: exit_codes::GENERATE,
        notes: "The database's URL is DB_URL of the environment or else of the file of --config: \
                DB_URL=\"postgresql://user:password@host/database?sslmode=verify-full\", or like \"host=… user=…\"; below it, libpq's \
                variables (PGHOST, PGPASSFILE, …) and ~/.pgpass count. With the variable NO_COLOR, messages on a terminal have no \
                colours.",
    },
    CommandHelp {
        command: HEALTHCHECK,
        examples: &[Example {
            line: "generate-mirrorlist-cache healthcheck --metrics-listen 127.0.0.1:9180",
            effect: "in a container",
        }],
        exit_codes: exit_codes::GENERATOR_HEALTHCHECK,
        notes: "",
    },
    CommandHelp {
        command: COMPARE,
        examples: &[Example {
            line: "generate-mirrorlist-cache compare old.proto new.proto",
            effect: "before another generator",
        }],
        exit_codes: exit_codes::COMPARE_CACHES,
        notes: "",
    },
    CommandHelp {
        command: PROBE,
        examples: &[
            Example {
                line: "generate-mirrorlist-cache probe --watch 'fedora-41+*' --contact ops@example.org",
                effect: "one round",
            },
            Example {
                line: "generate-mirrorlist-cache probe --interval 5m --metrics-listen 127.0.0.1:9181",
                effect: "as a service",
            },
        ],
        exit_codes: exit_codes::PROBE,
        notes: "Only http and https are asked, and no private host. Two rounds without an answer make a mirror dead, three make it \
                stale or lacking something, and two good rounds end that; the health file keeps count.",
    },
];

/// The program, for its command line and its pages.
pub(super) fn program() -> Program {
    Program {
        grammar: grammar(),
        helps: HELPS,
        files: &[SettingsFile {
            format: "env",
            print: || settings_file::flags(generator_flags()),
        }],
    }
}

/// The commands and flags that users are told of.
fn grammar() -> Command {
    let program = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Makes the cache of mirrorlist-server from MirrorManager2's database")
        .args_override_self(true)
        .args(generator_flags().iter().map(|row| flag(row).help_heading(row.topic)))
        .subcommands(commands());
    with_help(program, HELPS, "")
}

fn commands() -> [Command; 3] {
    let healthcheck = Command::new(HEALTHCHECK)
        .about("Ask the generator that has --metrics-listen whether its last run succeeded")
        .long_about(
            "Ask the generator that has --metrics-listen, or 127.0.0.1:9180 without that flag, whether its last run succeeded",
        );
    let compare = Command::new(COMPARE)
        .about("Print what differs between two caches as clients see it")
        .arg(
            Arg::new(CACHES)
                .value_names(["A", "B"])
                .num_args(0..)
                .value_parser(value_parser!(PathBuf))
                .help("the two cache files"),
        )
        .arg(flag(&EXAMPLES.definition));
    let own = probe_flags()
        .iter()
        .filter(|flag| flag.key != METRICS_LISTEN.definition.key);
    let probe = Command::new(PROBE)
        .about("Ask the mirrors of a cache how they are, and write a health file")
        .long_about(
            "Ask the mirrors of a cache for files of their repositories, and write for mirrorlist-server which of them are dead, \
             stale or lack something",
        )
        .args_override_self(true)
        .args(own.map(|row| flag(row).help_heading(row.topic)));
    [healthcheck, compare, probe]
}
