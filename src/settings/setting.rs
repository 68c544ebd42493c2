//! A setting as one typed value: its name, default, help and parser. [`settings!`] makes a checked struct and a table of
//! definitions from one list of them.
//!
//! Not here: which settings there are ([`super::server`], [`super::generator`]) and where their texts come from
//! ([`super::raw`], [`super::command_line`]).

use std::borrow::Cow;

use clap::Arg;

use super::error::ConfigError;

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
    /// Adds what only clap has to know of the flag: that it is required, global, or in conflict with another.
    pub(super) arg: fn(Arg) -> Arg,
}

/// How a message goes on after the word "expected".
pub(super) type Expected = Cow<'static, str>;

/// Makes a value of a text.
pub(super) type Parser<T> = fn(&str) -> Result<T, Expected>;

/// A setting with a value of type `T`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting<T> {
    /// Everything but the type.
    pub(super) definition: Definition,
    pub(super) parse: Parser<T>,
}

impl<T> Setting<T> {
    pub(super) const fn new(key: &'static str, value_name: &'static str, parse: Parser<T>) -> Self {
        let definition = Definition {
            key,
            short: None,
            value_name: Some(value_name),
            default: "",
            help: "",
            arg: |arg| arg,
        };
        Self { definition, parse }
    }

    /// A flag without a value; its text is [`SWITCHED_ON`] if it is given, else empty.
    pub(super) const fn switch_to(key: &'static str, parse: Parser<T>) -> Self {
        let mut switch = Self::new(key, "", parse);
        switch.definition.value_name = None;
        switch
    }

    pub(super) const fn short(mut self, short: char) -> Self {
        self.definition.short = Some(short);
        self
    }

    pub(super) const fn default(mut self, default: &'static str) -> Self {
        self.definition.default = default;
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

impl Setting<bool> {
    /// A flag without a value, which is off unless it is given.
    pub(super) const fn switch(key: &'static str) -> Self {
        Self::switch_to(key, |text| Ok(text == SWITCHED_ON))
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
/// field is the help of its setting.
macro_rules! settings {
    (
        $(#[$attribute:meta])* $visible:vis struct $name:ident {
            $($(#[doc = $help:literal])+ $field:ident: $type:ty = $setting:expr;)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $visible struct $name {
            $($(#[doc = $help])+ pub $field: $type,)+
        }

        impl $name {
            /// The definitions of its settings, in the order of its fields.
            pub(super) const TABLE: &[Definition] = &[$(
                Setting::<$type>::help($setting, concat!($($help),+)).definition
            ),+];

            /// Checks the texts of its settings, and stops at the first that is not what its setting expects.
            pub(super) fn check(texts: &impl Texts) -> Result<Self, ConfigError> {
                Ok(Self { $($field: texts.get::<$type>(&$setting)?,)+ })
            }
        }
    };
}

pub(super) use settings;
