//! What was wrong in a data file without making it unusable: all of it counted, the first few kept word for word.

use std::fmt::Display;

/// How many warnings are kept with their text; the rest are only counted.
const KEPT: usize = 5;

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
            self.first.push(text.to_string());
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The texts of the first few, in the order of the file.
    pub fn first(&self) -> &[String] {
        &self.first
    }
}
