//! Why a file of rules is refused: one line with the place in the file, counted from 1.

use std::string::FromUtf8Error;

/// A mistake in a file of rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct RulesError {
    line: usize,
    column: usize,
    problem: String,
}

/// A message quotes at most so many bytes: a value can be as long as the file.
const LONGEST: usize = 600;

impl RulesError {
    /// A mistake that the TOML parser, or a value's own parser, found.
    pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        let place = error.span().map_or(0, |span| span.start);
        Self::at(text, place, error.message())
    }

    /// Bytes that are no text.
    pub(crate) fn not_utf8(error: &FromUtf8Error) -> Self {
        let place = error.utf8_error().valid_up_to();
        let valid = error.as_bytes().get(..place).unwrap_or_default();
        Self::at(
            &String::from_utf8_lossy(valid),
            place,
            "a byte that is no UTF-8; save the file as UTF-8",
        )
    }

    /// A mistake at a place, in bytes from the start.
    pub(super) fn at(text: &str, place: usize, problem: &str) -> Self {
        let (line, column) = position(text, place);
        let kept = problem.floor_char_boundary(LONGEST);
        let (start, rest) = problem.split_at(kept);
        let mut problem = String::with_capacity(start.len());
        for c in start.chars() {
            match c.is_control() {
                true => problem.extend(c.escape_default()),
                false => problem.push(c),
            }
        }
        if !rest.is_empty() {
            problem.push('\u{2026}');
        }
        Self { line, column, problem }
    }
}

/// The line of a place, and its column in characters, both from 1.
pub(super) fn position(text: &str, place: usize) -> (usize, usize) {
    let (before, _) = text.split_at(text.floor_char_boundary(place));
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let (_, in_line) = before.split_at(start);
    (line, in_line.chars().count() + 1)
}
