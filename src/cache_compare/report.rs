//! The differences of two caches, and how they are printed.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// The differences between two caches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheComparison {
    /// The creation times, in seconds since the Unix epoch. These do not count as a difference.
    pub created: [u64; 2],
    /// A comparison for each table.
    pub tables: Vec<TableDifferences>,
}

/// The differences in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableDifferences {
    /// The table in words.
    pub name: &'static str,
    /// How many entries both caches have alike.
    pub same: usize,
    /// How many only A has.
    pub only_in_a: usize,
    /// How many only B has.
    pub only_in_b: usize,
    /// How many both have, but not alike.
    pub different: usize,
    /// Some of the differences in words: those only in A, those only in B, those that differ.
    pub examples: [Examples; 3],
}

/// Some of many differences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// The first ones.
    pub listed: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl Examples {
    /// Keeps an example, or counts it where `most` are kept already.
    pub(super) fn add(&mut self, most: usize, example: impl FnOnce() -> String) {
        match self.listed.len() < most {
            true => self.listed.push(example()),
            false => self.more += 1,
        }
    }
}

impl TableDifferences {
    /// How many entries are not alike.
    pub fn differences(&self) -> usize {
        self.only_in_a + self.only_in_b + self.different
    }
}

impl CacheComparison {
    /// How many entries of all tables are not alike.
    pub fn differences(&self) -> usize {
        self.tables.iter().map(TableDifferences::differences).sum()
    }
}

impl fmt::Display for CacheComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.created.map(time);
        writeln!(f, "A is of {a}, B of {b}")?;
        writeln!(f)?;
        writeln!(
            f,
            "{:22} {:>9} {:>9} {:>9} {:>9}",
            "", "same", "only in A", "only in B", "different"
        )?;
        for table in &self.tables {
            writeln!(
                f,
                "{:22} {:>9} {:>9} {:>9} {:>9}",
                table.name, table.same, table.only_in_a, table.only_in_b, table.different
            )?;
        }
        for table in self.tables.iter().filter(|table| table.differences() > 0) {
            writeln!(f, "\n{}:", table.name)?;
            for Examples { listed, more } in &table.examples {
                for example in listed {
                    writeln!(f, "  {example}")?;
                }
                if *more > 0 {
                    writeln!(f, "  ... and {more} more like that")?;
                }
            }
        }
        match self.differences() {
            0 => writeln!(f, "\nno differences"),
            1 => writeln!(f, "\n1 difference"),
            count => writeln!(f, "\n{count} differences"),
        }
    }
}

/// A report shows at most so many characters of a text.
const LONGEST: usize = 300;

/// A text of a cache, made safe for a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push_str("...");
            break;
        }
        match c.is_control() || is_invisible(c) {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

/// Characters that change the order in which others are shown, or show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A list in words, cut after the first few.
pub(super) fn listed(items: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 4;
    let items: Vec<String> = items.into_iter().collect();
    match items.get(..MOST) {
        _ if items.is_empty() => "none".to_owned(),
        Some(first) if items.len() > MOST => format!("{} and {} more", first.join(", "), items.len() - MOST),
        _ => items.join(", "),
    }
}

/// A time in words; a number for one that no calendar has.
pub(super) fn time(seconds: u64) -> String {
    const YEAR_10000: u64 = 253_402_300_800;
    match seconds < YEAR_10000 {
        true => humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string(),
        false => format!("second {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_can_t_change_a_terminal() {
        assert_eq!(shown("a\u{1b}[31mb\n\u{202e}\u{fc}"), "a\\u{1b}[31mb\\n\\u{202e}\u{fc}");
        assert_eq!(shown(&"x".repeat(5_000)).len(), LONGEST + 3);
    }

    #[test]
    fn times_and_lists_are_words() {
        assert_eq!(time(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(time(u64::MAX), "second 18446744073709551615");
        assert_eq!(time(253_402_300_799), "9999-12-31T23:59:59Z");
        let numbers = |count: usize| listed((0..count).map(|number| number.to_string()));
        assert_eq!((numbers(0), numbers(2)), ("none".to_owned(), "0, 1".to_owned()));
        assert_eq!(numbers(6), "0, 1, 2, 3 and 2 more");
    }
}
