//! Warnings about entries of a data file that cannot be used while the file can: all are counted, the first few are kept word for word.

use std::fmt::{self, Display, Write as _};

/// How many warnings are kept with their text; the rest are only counted.
const KEPT: usize = 5;

/// At most so many bytes of a text are kept: it can quote an entry as long as a file.
const LONGEST: usize = 1_000;

/// The warnings of one data file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings {
    count: u64,
    first: Vec<String>,
}

impl Warnings {
    /// Counts a warning and keeps its text if it is among the first.
    pub fn add(&mut self, text: impl Display) {
        self.count += 1;
        if self.first.len() < KEPT {
            let mut kept = Kept::default();
            // It fails when the text is longer than what is kept.
            let _ = write!(kept, "{text}");
            self.first.push(kept.0);
        }
    }

    /// How many warnings there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The texts of the first few, in the order of the file.
    pub fn first(&self) -> &[String] {
        &self.first
    }
}

/// The beginning of a text. Writing more fails, so that the rest is never formatted.
#[derive(Default)]
struct Kept(String);

impl fmt::Write for Kept {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST.saturating_sub(self.0.len());
        let (fits, rest) = text.split_at(text.floor_char_boundary(room));
        self.0.push_str(fits);
        if rest.is_empty() {
            return Ok(());
        }
        self.0.push('\u{2026}');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_long_text_is_kept() {
        let mut warnings = Warnings::default();
        warnings.add(format_args!("host {}: {:?}", 7, "\u{1}".repeat(1 << 20)));
        warnings.add("short");
        let [long, short] = warnings.first() else {
            panic!("{warnings:?}");
        };
        assert!(long.starts_with("host 7: \"\\u{1}") && long.ends_with('\u{2026}'));
        assert!(long.len() < LONGEST + 10 && long.capacity() < 4 * LONGEST);
        assert_eq!((short.as_str(), warnings.count()), ("short", 2));
    }
}
