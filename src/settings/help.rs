//! What the help of a command says besides its flags: examples, exit codes, and the settings by topic.
//!
//! `-h` fits on one screen; `--help` says everything, and the man pages ([`super::pages`]) say the same.
//!
//! Not here: the commands and their flags ([`super::server_grammar`], [`super::generator_grammar`]).

use std::fmt::Write as _;

use clap::Command;

use super::exit_codes::ExitCodeInfo;
use super::setting::{Definition, Topic, by_topic};

/// The parts of a command's help that its flags don't give.
pub(super) struct CommandHelp {
    /// The name of the command; the program's own help has its name.
    pub(super) command: &'static str,
    pub(super) examples: &'static [Example],
    pub(super) exit_codes: &'static [ExitCodeInfo],
    /// Sentences for the long help; empty: none.
    pub(super) notes: &'static str,
}

/// A command line and what it does.
pub(super) struct Example {
    pub(super) line: &'static str,
    pub(super) effect: &'static str,
}

/// The widest line of a help in characters, of terminals that are wider.
pub(super) const WIDTH: usize = 100;

/// The widest line that is laid out here: clap would break a longer one on a narrow terminal.
const LAID_OUT: usize = 79;

/// The column of the settings after their topic.
const TOPIC_COLUMN: usize = 21;

/// Adds examples and exit codes to a program and its commands. `topics` is a text for the program's short help.
pub(super) fn with_help(program: Command, helps: &'static [CommandHelp], topics: &str) -> Command {
    let mut program = program.max_term_width(WIDTH);
    for help in helps {
        if help.command == program.get_name() {
            program = described(program, help, topics);
        } else {
            program = program.mut_subcommand(help.command, |command| described(command, help, ""));
        }
    }
    program
}

fn described(command: Command, help: &CommandHelp, topics: &str) -> Command {
    let end = format!("{}\n{}", examples(help), exit_codes(help));
    let short = match topics {
        "" => end.clone(),
        topics => format!("{topics}\n{end}"),
    };
    let long = match help.notes {
        "" => end,
        notes => format!("{notes}\n\n{end}"),
    };
    command.after_help(short).after_long_help(long)
}

fn examples(help: &CommandHelp) -> String {
    let mut text = "Examples:\n".to_owned();
    for Example { line, effect } in help.examples {
        // Writing to a String can't fail.
        let _ = match line.len() + effect.len() + 6 <= LAID_OUT {
            true => writeln!(text, "  {line}  # {effect}"),
            false => writeln!(text, "  {line}\n      # {effect}"),
        };
    }
    text
}

/// All codes in as few lines as possible.
fn exit_codes(help: &CommandHelp) -> String {
    let codes = help.exit_codes.iter();
    let codes: Vec<String> = codes.map(|row| format!("{} {}", row.code, row.meaning)).collect();
    format!("Exit codes:\n{}", lines(&codes, "  ", ", "))
}

/// The flags of settings, a line or two for each topic.
pub(super) fn topics(settings: &[Definition]) -> String {
    let mut text = "Settings (--help says what each means):\n".to_owned();
    for Topic { name, settings } in by_topic(settings) {
        let flags: Vec<String> = settings.into_iter().map(flags_of).collect();
        let margin = " ".repeat(TOPIC_COLUMN);
        let flags = lines(&flags, &margin, " ");
        // A long topic has a line of its own.
        let _ = match flags.get(name.len() + 3..) {
            Some(rest) if name.len() + 3 < TOPIC_COLUMN => write!(text, "  {name}:{rest}"),
            _ => write!(text, "  {name}:\n{flags}"),
        };
    }
    text
}

fn flags_of(setting: &Definition) -> String {
    let short = setting.short.map(|short| format!("-{short} ")).unwrap_or_default();
    format!("{short}--{}", setting.key)
}

/// Items in lines that begin with a margin and are not too wide.
fn lines(items: &[String], margin: &str, between: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for (place, item) in items.iter().enumerate() {
        let between = if place == 0 { "" } else { between };
        if place > 0 && width + between.len() + item.len() <= LAID_OUT {
            text.push_str(between);
            width += between.len() + item.len();
        } else {
            if place > 0 {
                text.push_str(between.trim_end());
                text.push('\n');
            }
            text.push_str(margin);
            width = margin.len() + item.len();
        }
        text.push_str(item);
    }
    text.push('\n');
    text
}
