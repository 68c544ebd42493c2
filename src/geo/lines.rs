//! Lines of a text file. A line takes no more memory than a line that can be used.

use std::io::{self, BufRead};

/// The most bytes of a line that can be used.
const LONGEST: usize = 1_000;

/// The lines of a file, with their numbers.
pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
    position: u64,
}

/// A line.
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its bytes without the line feed; of a line that is too long, the first ones.
    pub(super) bytes: &'a [u8],
    /// Whether it is too long to be used.
    pub(super) too_long: bool,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::new(),
            number: 0,
            position: 0,
        }
    }

    /// The number of bytes that have been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let buffered = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffered => buffered?,
            };
            if buffered.is_empty() {
                break;
            }
            any = true;
            let end = buffered.iter().position(|b| *b == b'\n');
            let (part, _) = buffered.split_at(end.unwrap_or(buffered.len()));
            let room = LONGEST - self.line.len();
            too_long |= part.len() > room;
            self.line.extend(part.iter().take(room));
            let read = part.len() + usize::from(end.is_some());
            self.source.consume(read);
            self.position += read as u64;
            if end.is_some() {
                break;
            }
        }
        self.number += 1;
        Ok(any.then_some(Line {
            number: self.number,
            bytes: &self.line,
            too_long,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_are_cut_and_counted_whatever_pieces_they_come_in() {
        let long = "x".repeat(5 * LONGEST);
        let text = format!("a\n\n{long}\n{}\nlast", "y".repeat(LONGEST));
        for piece in [1, 3, 8_192] {
            let mut lines = Lines::new(BufReader::with_capacity(piece, text.as_bytes()));
            let mut found = Vec::new();
            while let Some(line) = lines.next().unwrap() {
                found.push((line.number, line.bytes.len(), line.too_long));
            }
            assert_eq!(
                found,
                [
                    (1, 1, false),
                    (2, 0, false),
                    (3, LONGEST, true),
                    (4, LONGEST, false),
                    (5, 4, false)
                ]
            );
            assert_eq!(lines.position(), text.len() as u64);
        }
    }
}
