//! Lines of a text file, of which none takes more memory than a line of it can need.

use std::io::{self, BufRead};

/// A line of more bytes can't be one of these files.
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
    /// Its bytes without the line feed; the first ones of a line that is too long.
    pub(super) bytes: &'a [u8],
    /// Whether it is longer than any line of these files.
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

    /// How many bytes have been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next line; none at the end of the file.
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
            let part = buffered.get(..end.unwrap_or(buffered.len())).unwrap_or_default();
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
