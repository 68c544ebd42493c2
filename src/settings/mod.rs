//! Settings: raw texts from flags, `MIRRORLIST_*` variables and a file become checked values, or an error that says which
//! setting is wrong, where it was set and what is expected.
//!
//! - [`table`]: the table of all settings, from which flags, variables, file keys and documentation follow
//! - [`command_line`]: arguments to a command and raw settings
//! - [`raw`]: flag over environment over file over default, through the `config` crate
//! - [`checked`]: texts to values, one struct per concern
//! - [`values`]: the plain types of these values, which the other rooms import from here

pub mod checked;
pub mod command_line;
pub mod raw;
pub mod table;
mod values;

use std::fmt;

pub use checked::{AdminConfig, ServerConfig};
pub use command_line::{Command, parse};
pub(crate) use values::host_name;
pub use values::{
    AccessLogTarget, AdminAddress, AllowedHosts, Deadlines, LogFormat, LoggingSettings, Percentage, PublicSettings,
    ReadinessLimits, ReloadLimits, TrustedProxies, WatchSettings,
};

/// A mistake in the configuration: one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// What is quoted may have control characters; they are written as in Rust, so that it stays one line.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.contains(char::is_control) {
            return Self(text);
        }
        let escaped = |c: char| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        };
        Self(text.chars().map(escaped).collect())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_one_line_whatever_it_quotes() {
        let error = ConfigError::new("port = \"1\u{1b}[31m\r\n\u{e4}\u{85}\"").to_string();
        assert_eq!(error, "port = \"1\\u{1b}[31m\\r\\n\u{e4}\\u{85}\"");
    }
}
