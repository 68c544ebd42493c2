//! The grammar of the command line of `mirrorlist-server`, for clap, and the parts of its help that are not settings.
//!
//! Not here: what the arguments mean ([`super::server_command`]).

use clap::{Arg, Command};

use super::command_line::flag;
use super::exit_codes;
use super::help::{CommandHelp, Example, topics, with_help};
use super::pages::{Program, SettingsFile};
use super::server::server_settings;
use super::server_flags::{CompareOptions, FORCE, JSON, ServerFlags};
use super::settings_file;

const NAME: &str = "mirrorlist-server";
pub(super) const CHECK: &str = "check";
pub(super) const EXPLAIN: &str = "explain";
pub(super) const COMPARE: &str = "compare";
pub(super) const HEALTHCHECK: &str = "healthcheck";
pub(super) const RELOAD: &str = "reload";

/// The argument of `explain`.
pub(super) const QUERY: &str = "query";

const HELPS: &[CommandHelp] = &[
    CommandHelp {
        command: NAME,
        examples: &[
            Example {
                line: "mirrorlist-server --demo",
                effect: "try it, without any files",
            },
            Example {
                line: "mirrorlist-server --listen :: --port 8080",
                effect: "all addresses, another port",
            },
            Example {
                line: "mirrorlist-server check",
                effect: "what is wrong in the data files?",
            },
        ],
        exit_codes: exit_codes::SERVE,
        notes: "Each setting can also be given as a MIRRORLIST_* variable (--port is MIRRORLIST_PORT, --admin.listen is \
                MIRRORLIST_ADMIN__LISTEN) or as a key of the configuration file (port = 3000). Flags count before variables, \
                variables before the file. With the variable NO_COLOR, messages on a terminal have no colours.",
    },
    CommandHelp {
        command: CHECK,
        examples: &[
            Example {
                line: "mirrorlist-server check --cache new.proto",
                effect: "before it goes live",
            },
            Example {
                line: "mirrorlist-server check --json",
                effect: "for scripts",
            },
        ],
        exit_codes: exit_codes::CHECK,
        notes: "With --json there is one object on standard output, whatever the exit code is, unless the command line itself is \
                mistaken: `ok`, `exit_code`, `version`, `error` (null, or the line that is also on standard error), `files` and \
                `health`. Each of `files` has the key of its setting, path, bytes, times in seconds since 1970, counts, the number of \
                warnings and the first of them.",
    },
    CommandHelp {
        command: EXPLAIN,
        examples: &[
            Example {
                line: "mirrorlist-server explain 'repo=fedora-41&arch=x86_64&ip=192.0.2.1'",
                effect: "why these mirrors?",
            },
            Example {
                line: "mirrorlist-server explain host=mirror.example.org",
                effect: "what does it carry, and why is it left out?",
            },
        ],
        exit_codes: exit_codes::EXPLAIN,
        notes: "",
    },
    CommandHelp {
        command: COMPARE,
        examples: &[
            Example {
                line: "mirrorlist-server compare --against http://127.0.0.1:18081",
                effect: "every repository",
            },
            Example {
                line: "mirrorlist-server compare --against http://127.0.0.1:18081 --from-log access.log --count 5000",
                effect: "what clients asked for",
            },
        ],
        exit_codes: exit_codes::COMPARE,
        notes: "",
    },
    CommandHelp {
        command: HEALTHCHECK,
        examples: &[Example {
            line: "mirrorlist-server healthcheck --admin.listen 127.0.0.1:3001",
            effect: "in a container",
        }],
        exit_codes: exit_codes::HEALTHCHECK,
        notes: "",
    },
    CommandHelp {
        command: RELOAD,
        examples: &[
            Example {
                line: "mirrorlist-server reload",
                effect: "read what has changed",
            },
            Example {
                line: "mirrorlist-server reload --force",
                effect: "go back to an older cache",
            },
        ],
        exit_codes: exit_codes::RELOAD,
        notes: "",
    },
];

/// The program, for its command line and its pages.
pub(super) fn program() -> Program {
    Program {
        grammar: grammar(),
        helps: HELPS,
        files: &[
            SettingsFile {
                format: "env",
                print: || settings_file::variables(&server_settings()),
            },
            SettingsFile {
                format: "toml",
                print: || settings_file::toml(&server_settings()),
            },
        ],
    }
}

/// The commands and flags that users are told of.
fn grammar() -> Command {
    let settings = server_settings();
    let arguments = settings.iter().map(|setting| {
        let flag = flag(setting).help_heading(setting.topic).hide_short_help(true);
        // A man page has the long help of what the short one hides.
        let help = flag.get_help().cloned().unwrap_or_default();
        flag.long_help(help).allow_hyphen_values(true).global(true)
    });
    let program = Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Answers which mirrors are best for a client, from MirrorManager2's data")
        .args_override_self(true)
        .args(ServerFlags::TABLE.iter().map(flag))
        .args(arguments)
        .subcommands(commands());
    with_help(program, HELPS, &topics(&settings))
}

fn commands() -> [Command; 5] {
    let check = Command::new(CHECK)
        .about("Load all data files, and print what they hold and what is wrong in them")
        .arg(flag(&JSON.definition));
    let explain = Command::new(EXPLAIN)
        .about("Print, as JSON, why a client gets its mirrors, or what is known of a mirror")
        .arg(Arg::new(QUERY).value_name("QUERY").required(true).help(
            "the query string of a request, like 'repo=fedora-41&arch=x86_64&ip=192.0.2.1', with 'endpoint=metalink' in it for a \
             metalink; or 'host=mirror.example.org' or 'host_id=1'",
        ));
    let compare = Command::new(COMPARE)
        .about("Compare the answers made from the data files with another server's")
        .long_about(
            "Load all data files and compare the answers made from them with those of another server: status, headers, mirrors of \
             each tier, hashes and comments. Prints what differs, an example each, and why if it is on purpose.",
        )
        .args(CompareOptions::TABLE.iter().map(|row| flag(row).help_heading(row.topic)));
    let healthcheck = Command::new(HEALTHCHECK).about("Ask the server that has admin.listen whether it is ready");
    let reload = Command::new(RELOAD)
        .about("Have the server that has admin.listen reload its data files")
        .arg(flag(&FORCE.definition));
    [check, explain, compare, healthcheck, reload]
}
