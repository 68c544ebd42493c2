//! Finds where a request head ends, in bytes that come piece by piece. Whether the head is well-formed is decided in
//! [`super::head`].

use super::refusal::HeadRefusal;

/// The longest request line and the longest head, in bytes.
const LONGEST_LINE: usize = 16 << 10;
const LONGEST_HEAD: usize = 32 << 10;

/// Empty lines before a request line that are skipped (RFC 9112, 2.2).
const LEADING_EMPTY_LINES: u8 = 2;

/// The state of a search for the end of a head.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    /// Bytes that are scanned already.
    scanned: usize,
    /// The start of the current line.
    line: usize,
    empty_lines: u8,
}

/// The bytes so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The beginning of a head.
    Incomplete,
    /// An empty line before a head, two bytes long. The caller removes it before it scans the rest.
    EmptyLine,
    /// A head of this many bytes.
    Complete(usize),
}

impl HeadScanner {
    /// Scans the bytes that have come since the last call. `bytes` begins with the head.
    ///
    /// # Errors
    /// The bytes can't become a head.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Scan, HeadRefusal> {
        // A TLS handshake, for example, is not the beginning of a method.
        if bytes
            .first()
            .is_some_and(|byte| !byte.is_ascii_graphic() && *byte != b'\r')
        {
            return Err(HeadRefusal::Malformed);
        }
        while let Some(found) = bytes.get(self.scanned..).and_then(|rest| memchr::memchr(b'\n', rest)) {
            let newline = self.scanned + found;
            // httparse finds CRs elsewhere; with one here, the head would have no end.
            let Some((b'\r', text)) = bytes.get(self.line..newline).and_then(<[u8]>::split_last) else {
                return Err(HeadRefusal::Malformed);
            };
            if text.last() == Some(&b'\r') {
                return Err(HeadRefusal::Malformed);
            }
            let (is_empty, is_first) = (text.is_empty(), self.line == 0);
            let end = newline + 1;
            if is_empty && is_first {
                if self.empty_lines == LEADING_EMPTY_LINES {
                    return Err(HeadRefusal::Malformed);
                }
                *self = Self {
                    empty_lines: self.empty_lines + 1,
                    ..Self::default()
                };
                return Ok(Scan::EmptyLine);
            }
            if is_first && end > LONGEST_LINE {
                return Err(HeadRefusal::TargetTooLong);
            }
            if is_empty {
                return if end > LONGEST_HEAD {
                    Err(HeadRefusal::HeadTooLarge)
                } else {
                    Ok(Scan::Complete(end))
                };
            }
            (self.scanned, self.line) = (end, end);
        }
        self.scanned = bytes.len();
        if self.line == 0 && bytes.len() > LONGEST_LINE {
            return Err(HeadRefusal::TargetTooLong);
        }
        if bytes.len() > LONGEST_HEAD {
            return Err(HeadRefusal::HeadTooLarge);
        }
        Ok(Scan::Incomplete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan_all(bytes: &[u8], piece: usize) -> Result<Scan, HeadRefusal> {
        let mut scanner = HeadScanner::default();
        let mut start = 0;
        let mut end = 0;
        loop {
            match scanner.scan(&bytes[start..end])? {
                Scan::EmptyLine => start += 2,
                Scan::Complete(length) => return Ok(Scan::Complete(start + length)),
                Scan::Incomplete if end == bytes.len() => return Ok(Scan::Incomplete),
                Scan::Incomplete => end = (end + piece).min(bytes.len()),
            }
        }
    }

    #[test]
    fn a_head_ends_with_its_empty_line_however_it_comes() {
        let head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let more = [&head[..], b"GET /"].concat();
        let after_empty_lines = [b"\r\n\r\n", &head[..]].concat();
        for piece in 1..=more.len() {
            assert_eq!(scan_all(&more, piece), Ok(Scan::Complete(head.len())));
            assert_eq!(scan_all(&after_empty_lines, piece), Ok(Scan::Complete(head.len() + 4)));
            assert_eq!(scan_all(&head[..head.len() - 1], piece), Ok(Scan::Incomplete));
        }
    }

    #[test]
    fn what_is_no_head_or_too_long_is_refused_before_it_ends() {
        for (bytes, refusal) in [
            (&b"\x16\x03\x01"[..], HeadRefusal::Malformed),
            (b"GET / HTTP/1.1\n\n", HeadRefusal::Malformed),
            (b"GET / HTTP/1.1\r\nHost: x\n\r\n", HeadRefusal::Malformed),
            (b"\r\n\r\n\r\nGET /", HeadRefusal::Malformed),
            (b"GET / HTTP/1.1\r\r\n", HeadRefusal::Malformed),
            (b"\n", HeadRefusal::Malformed),
            (&[b'x'; LONGEST_LINE + 1], HeadRefusal::TargetTooLong),
            (
                &[&b"GET / HTTP/1.1\r\n"[..], &[b'x'; LONGEST_HEAD]].concat(),
                HeadRefusal::HeadTooLarge,
            ),
        ] {
            assert_eq!(scan_all(bytes, 5), Err(refusal), "{}", String::from_utf8_lossy(bytes));
            assert_eq!(scan_all(bytes, 100_000), Err(refusal));
        }
    }
}
