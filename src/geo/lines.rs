//! Lines of a text file. A line takes no more memory than a line that can be used.

use std::io::{self, BufRead, Read as _};

/// The most bytes of a line that can be used.
const LONGEST: usize = 1_000;

/// The lines of a file, with their numbers.
pub(super) struct Lines<R> {
    source: R,
    line: Vec<u8>,
    number: u64,
    /// The number of bytes that have been read.
    pub(super) position: u64,
}

pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its bytes without the line feed; of a line that is too long, the first ones.
    pub(super) bytes: &'a [u8],
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

    /// The next line; `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut limited = (&mut self.source).take(LONGEST as u64 + 1);
        let mut read = limited.read_until(b'\n', &mut self.line)?;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        }
        let too_long = self.line.len() > LONGEST;
        if too_long {
            self.line.truncate(LONGEST);
            read += self.source.skip_until(b'\n')?;
        }
        self.position += read as u64;
        self.number += 1;
        Ok((read > 0).then_some(Line {
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
                found.push((line.number, (line.bytes.len(), line.too_long)));
            }
            let lengths = [(1, false), (0, false), (LONGEST, true), (LONGEST, false), (4, false)];
            assert!(found.into_iter().eq((1..).zip(lengths)), "in pieces of {piece}");
            assert_eq!(lines.position, text.len() as u64);
        }
    }
}
