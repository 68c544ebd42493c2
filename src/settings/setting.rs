//! A setting as one typed value: its name, default, help and parser. Tables of them are made by [`settings!`].
//!
//! Not here: which settings there are ([`super::server`], [`super::generator`]) and where their texts come from
//! ([`super::raw`], [`super::command_line`]).

use std::borrow::Cow;

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
}

/// How a message goes on after the word "expected".
pub(super) type Expected = Cow<'static, str>;

/// Makes a value of a text.
pub(super) type Parser<T> = fn(&str) -> Result<T, Expected>;

/// A setting with a value of type `T`.
#[derive(Debug, Clone, Copy)]
pub struct Setting<T> {
    /// Everything but the type.
    pub definition: Definition,
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

    /// Takes the lines of a doc comment, of which each begins with a space.
    pub(super) const fn help(mut self, help: &'static str) -> Self {
        self.definition.help = help.trim_ascii_start();
        self
    }
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

/// Declares settings as constants, and the table of all of them. The doc comment of a setting is its help.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+ $visible:vis $table:ident:
        $($(#[doc = $help:literal])+ $name:ident: $type:ty = $setting:expr;)+
    ) => {
        $(
            $(#[doc = $help])+
            $visible const $name: Setting<$type> = $setting.help(concat!($($help),+));
        )+

        $(#[doc = $about])+
        $visible const $table: &[Definition] = &[$($name.definition),+];
    };
}

pub(super) use settings;
