//! The error of all settings.

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
    fn a_mistake_is_one_line_whatever_it_quotes() {
        let error = ConfigError::new("port = \"1\u{1b}[31m\r\n\u{e4}\u{85}\"").to_string();
        assert_eq!(error, "port = \"1\\u{1b}[31m\\r\\n\u{e4}\\u{85}\"");
    }
}
