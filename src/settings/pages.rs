//! What packages need of a program, made from the definitions of its commands and settings: man pages, completions for shells, and a
//! file of default settings. Commands that the help does not show print them.

use std::io;
use std::str::FromStr as _;

use clap::{Arg, ArgMatches, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::command_line::flag;
use super::help::CommandHelp;
use super::setting::{ConfigError, Setting, Texts as _};

const MAN: &str = "man";
const COMPLETIONS: &str = "completions";
const SETTINGS_FILE: &str = "settings-file";

/// The arguments of the commands.
const NAME: &str = "name";
const SHELL: &str = "shell";
const FORMAT: &str = "format";

const LIST: Setting<bool> = Setting::switch("list").help("print the names of all man pages");

/// A program: what its pages are made of.
pub(super) struct Program {
    /// Its commands and flags.
    pub(super) grammar: Command,
    /// What its help says besides them.
    pub(super) helps: &'static [CommandHelp],
    /// The formats of its file of settings, and what makes each; the first is the default.
    pub(super) files: &'static [SettingsFile],
}

/// A format of a file of settings.
pub(super) struct SettingsFile {
    pub(super) format: &'static str,
    pub(super) print: fn() -> String,
}

impl Program {
    /// The grammar with the commands of this file.
    pub(super) fn with_pages(&self) -> Command {
        let formats: Vec<&str> = self.files.iter().map(|file| file.format).collect();
        let man = Command::new(MAN)
            .about("Print a man page, as roff: of the program, or of one of its commands")
            .arg(
                Arg::new(NAME)
                    .value_name("NAME")
                    .help("a command, or the name of a page"),
            )
            .arg(flag(&LIST.definition));
        let completions = Command::new(COMPLETIONS)
            .about("Print what a shell needs to complete command lines")
            .arg(
                Arg::new(SHELL)
                    .value_name("SHELL")
                    .required(true)
                    .help("bash, fish or zsh"),
            );
        let settings_file = Command::new(SETTINGS_FILE)
            .about("Print a file of settings: all of them, with their defaults, as comments")
            .arg(Arg::new(FORMAT).value_name("FORMAT").help(formats.join(" or ")));
        let hidden = [man, completions, settings_file].map(|command| command.hide(true));
        self.grammar.clone().subcommands(hidden)
    }

    /// The page that the arguments ask for, if it is one.
    pub(super) fn page(&self, matches: &ArgMatches) -> Option<Result<String, ConfigError>> {
        let text = |arguments: &ArgMatches, name| arguments.get_one::<String>(name).cloned();
        Some(match matches.subcommand()? {
            (MAN, arguments) => match arguments.get(&LIST) {
                Ok(true) => Ok(self.names().map(|name| name + "\n").collect()),
                Ok(false) => self.man(text(arguments, NAME).as_deref()),
                Err(error) => Err(error),
            },
            (COMPLETIONS, arguments) => self.completions(&text(arguments, SHELL).unwrap_or_default()),
            (SETTINGS_FILE, arguments) => self.settings_file(text(arguments, FORMAT).as_deref()),
            _ => return None,
        })
    }

    /// The names of all man pages.
    fn names(&self) -> impl Iterator<Item = String> {
        self.helps.iter().map(|help| self.name_of(help))
    }

    fn name_of(&self, help: &CommandHelp) -> String {
        match self.grammar.get_name() {
            program if program == help.command => program.to_owned(),
            program => format!("{program}-{}", help.command),
        }
    }

    fn man(&self, name: Option<&str>) -> Result<String, ConfigError> {
        let name = name.unwrap_or(self.grammar.get_name());
        let mut helps = self.helps.iter();
        let help = helps.find(|help| help.command == name || self.name_of(help) == name);
        let Some(help) = help else {
            let names: Vec<String> = self.names().collect();
            return Err(ConfigError::new(format!(
                "there is no man page {name:?}; there are {}",
                names.join(", ")
            )));
        };
        let problem = |error: io::Error| ConfigError::new(format!("man page {name:?}: {error}"));
        self.roff(help).map_err(problem)
    }

    fn roff(&self, help: &CommandHelp) -> io::Result<String> {
        let program = self.grammar.get_name();
        let page = self.name_of(help);
        let command = match self.grammar.find_subcommand(help.command) {
            Some(command) => command
                .clone()
                .bin_name(format!("{program} {}", help.command))
                .display_name(page.clone()),
            // A synopsis with all settings would be a page of its own.
            None => self
                .grammar
                .clone()
                .override_usage(format!("{program} [OPTIONS] [COMMAND]")),
        };
        let has_commands = command.has_subcommands();
        let version = self.grammar.get_version().unwrap_or_default();
        let man = Man::new(command).title(&page).source(format!("{program} {version}"));
        let mut out = Vec::new();
        man.render_title(&mut out)?;
        man.render_name_section(&mut out)?;
        man.render_synopsis_section(&mut out)?;
        man.render_description_section(&mut out)?;
        man.render_options_section(&mut out)?;
        if has_commands {
            man.render_subcommands_section(&mut out)?;
        }
        self.sections(help).to_writer(&mut out)?;
        String::from_utf8(out).map_err(io::Error::other)
    }

    /// The sections that clap knows nothing of.
    fn sections(&self, help: &CommandHelp) -> Roff {
        let mut roff = Roff::new();
        if !help.notes.is_empty() {
            roff.control("SH", ["NOTES"]).text([roman(help.notes)]);
        }
        roff.control("SH", ["EXAMPLES"]);
        for example in help.examples {
            roff.control("TP", [])
                .text([bold(example.line)])
                .text([roman(example.effect)]);
        }
        roff.control("SH", ["EXIT STATUS"]);
        for row in help.exit_codes {
            roff.control("TP", [])
                .text([bold(row.code.to_string())])
                .text([roman(row.meaning)]);
        }
        let others = self.helps.iter().filter(|other| other.command != help.command);
        let others: Vec<String> = others.map(|other| format!("{}(1)", self.name_of(other))).collect();
        roff.control("SH", ["SEE ALSO"]).text([roman(others.join(", "))]);
        if help.command != self.grammar.get_name() {
            let program = self.grammar.get_name();
            roff.text([roman(format!(
                "Settings and variables of the command are those of {program}(1)."
            ))]);
        }
        roff
    }

    fn completions(&self, shell: &str) -> Result<String, ConfigError> {
        let known = [Shell::Bash, Shell::Fish, Shell::Zsh];
        let asked = Shell::from_str(shell).ok().filter(|shell| known.contains(shell));
        let Some(shell) = asked else {
            return Err(ConfigError::new(format!(
                "completions {shell:?}: expected bash, fish or zsh"
            )));
        };
        let mut out = Vec::new();
        let mut grammar = self.grammar.clone();
        let name = grammar.get_name().to_owned();
        generate(shell, &mut grammar, name, &mut out);
        let text = String::from_utf8(out).map_err(|error| ConfigError::new(error.to_string()))?;
        // clap_complete 4.6 calls the functions of commands by two names if the program's has a hyphen, so that bash would find none:
        // `shells_complete_flags_and_commands` in tests/command_line.rs.
        let name = self.grammar.get_name();
        Ok(text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__")))
    }

    fn settings_file(&self, format: Option<&str>) -> Result<String, ConfigError> {
        let mut files = self.files.iter();
        let file = match format {
            Some(format) => files.find(|file| file.format == format),
            None => files.next(),
        };
        match file {
            Some(file) => Ok((file.print)()),
            None => {
                let formats: Vec<&str> = self.files.iter().map(|file| file.format).collect();
                Err(ConfigError::new(format!(
                    "settings-file {:?}: expected {}",
                    format.unwrap_or_default(),
                    formats.join(" or ")
                )))
            }
        }
    }
}
