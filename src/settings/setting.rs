//! A setting as one typed value: its name, default, help and parser, and the error of all settings. [`settings!`] makes a checked
//! struct and a table of definitions from one list of them.
//!
//! Not here: which settings there are ([`super::server`], [`super::generator`]) and where their texts come from
//! ([`super::raw`], [`super::command_line`]).

use std::borrow::Cow;

use clap::Arg;

/// The untyped side of a setting, from which its flag, variable, file key and documentation follow.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The key in the configuration file; with dashes before it the long flag. A key with a dot is in a table of the file:
    /// `admin.listen` is `listen` below `[admin]`.
    pub key: &'static str,
    /// The short flag.
    pub short: Option<char>,
    /// The name of the value in the help; `None` for a switch, which has no value.
    pub value_name: Option<&'static str>,
    /// The text that counts if the setting is not set.
    pub default: &'static str,
    /// The meaning, in words of an operator.
    pub help: &'static str,
    /// What it is about, as a heading above it and its like: the first line of its struct's doc comment, up to a colon or the end of
    /// the sentence, unless the setting has a topic of its own.
    pub topic: &'static str,
    /// Adds what only clap has to know of the flag: that it is required, global, or in conflict with another.
    pub(super) arg: fn(Arg) -> Arg,
}

/// A topic and its settings.
pub(super) struct Topic<'a> {
    pub(super) name: &'static str,
    pub(super) settings: Vec<&'a Definition>,
}

/// Settings by their topics, in the order in which topics first occur.
pub(super) fn by_topic(settings: &[Definition]) -> Vec<Topic<'_>> {
    let mut topics: Vec<Topic<'_>> = Vec::new();
    for setting in settings {
        match topics.iter_mut().find(|topic| topic.name == setting.topic) {
            Some(topic) => topic.settings.push(setting),
            None => topics.push(Topic {
                name: setting.topic,
                settings: vec![setting],
            }),
        }
    }
    topics
}

/// How a message goes on after the word "expected".
pub(super) type Expected = Cow<'static, str>;

/// A setting with a value of type `T`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<T> {
    /// Everything but the type.
    pub(super) definition: Definition,
    pub(super) parse: fn(&str) -> Result<T, Expected>,
}

impl<T> Setting<T> {
    pub(super) const fn new(
        key: &'static str,
        value_name: &'static str,
        parse: fn(&str) -> Result<T, Expected>,
    ) -> Self {
        let definition = Definition {
            key,
            short: None,
            value_name: Some(value_name),
            default: "",
            help: "",
            topic: "",
            arg: |arg| arg,
        };
        Self { definition, parse }
    }

    pub(super) const fn short(mut self, short: char) -> Self {
        self.definition.short = Some(short);
        self
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.definition.default = default;
        self
    }

    /// Sets a topic, unless there is one.
    pub(super) const fn topic(mut self, topic: &'static str) -> Self {
        if self.definition.topic.is_empty() {
            self.definition.topic = heading(topic);
        }
        self
    }

    pub(super) const fn arg(mut self, arg: fn(Arg) -> Arg) -> Self {
        self.definition.arg = arg;
        self
    }

    /// Takes the lines of a doc comment, of which each begins with a space.
    pub(super) const fn help(mut self, help: &'static str) -> Self {
        self.definition.help = help.trim_ascii_start();
        self
    }
}

/// The start of a doc comment, up to a colon or the end of its sentence.
const fn heading(comment: &'static str) -> &'static str {
    let comment = comment.trim_ascii();
    let mut bytes = comment.as_bytes();
    let mut length = 0;
    while let [first, rest @ ..] = bytes {
        if matches!(*first, b':' | b'.') {
            break;
        }
        length += 1;
        bytes = rest;
    }
    comment.split_at(length).0
}

impl Setting<bool> {
    /// A flag without a value, which is off unless it is given.
    pub(super) const fn switch(key: &'static str) -> Self {
        let mut switch = Self::new(key, "", |text| Ok(text == SWITCHED_ON));
        switch.definition.value_name = None;
        switch
    }
}

/// The text of a switch that is given.
pub(super) const SWITCHED_ON: &str = "on";

/// A source of texts of settings.
pub(super) trait Texts {
    /// The checked value of a setting.
    fn get<T>(&self, setting: &Setting<T>) -> Result<T, ConfigError>;
}

/// Declares a checked struct, the settings that its fields are read from, and the table of their definitions. The doc comment of a
/// field is the help of its setting; the first line of the struct's is their topic.
macro_rules! settings {
    (
        #[doc = $topic:literal] $(#[$attribute:meta])* $visible:vis struct $name:ident {
            $($(#[doc = $help:literal])+ $field:ident: $type:ty = $setting:expr;)+
        }
    ) => {
        #[doc = $topic]
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $visible struct $name {
            $($(#[doc = $help])+ pub $field: $type,)+
        }

        impl $name {
            /// The definitions of its settings, in the order of its fields.
            pub(super) const TABLE: &[Definition] = &[$(
                Setting::<$type>::help($setting, concat!($($help),+)).topic($topic).definition
            ),+];

            /// Checks the texts of its settings, and stops at the first that is not what its setting expects.
            pub(super) fn check(texts: &impl Texts) -> Result<Self, ConfigError> {
                Ok(Self { $($field: texts.get::<$type>(&$setting)?,)+ })
            }
        }
    };
}

pub(super) use settings;

/// A mistake in the configuration: one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// Control characters in quoted values are escaped as in Rust, so that the text stays one line.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.contains(char::is_control) {
            return Self(text);
        }
        let escaped = |c: char| match c.is_control() {
            true => c.escape_default().to_string(),
            false => c.to_string(),
        };
        Self(text.chars().map(escaped).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_start_of_a_comment() {
        for (comment, topic) in [
            (" Reloads.", "Reloads"),
            (" Deadlines: how long they are. And more.", "Deadlines"),
            (" Words", "Words"),
            ("", ""),
        ] {
            assert_eq!(heading(comment), topic);
        }
    }

    #[test]
    fn a_mistake_is_one_line_whatever_it_quotes() {
        let error = ConfigError::new("port = \"1\u{1b}[31m\r\n\u{e4}\u{85}\"").to_string();
        assert_eq!(error, "port = \"1\\u{1b}[31m\\r\\n\u{e4}\\u{85}\"");
    }
}
