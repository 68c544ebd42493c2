//! Request heads as bytes: where one ends, whether it may pass to actix, and the answer where it may not.
//!
//! RFC 9112 is read strictly, so that no two programs on a request's way can disagree about where a request ends: lines end
//! with CR LF, a body is refused, and what is not well-formed gets an answer and the end of the connection.

use std::mem::MaybeUninit;
use std::time::SystemTime;

use actix_web::http::Uri;
use actix_web::http::uri::Authority;

/// A request line has at most this many bytes.
const LONGEST_LINE: usize = 16 << 10;

/// A head has at most this many bytes.
const LONGEST_HEAD: usize = 32 << 10;

/// A head has at most this many header lines: as many as actix reads.
const MOST_HEADERS: usize = 96;

/// Empty lines before a request line that are passed over (RFC 9112, 2.2).
const LEADING_EMPTY_LINES: u8 = 2;

/// Why a request gets no further than here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is no well-formed head.
    Malformed,
    /// The head took too long.
    TooSlow,
    /// It has a body.
    Body,
    /// The request line is too long.
    TargetTooLong,
    /// The head is too long, or has too many lines.
    HeadTooLarge,
    /// The body has an unknown transfer coding, or the method is CONNECT.
    NotImplemented,
    /// The version is neither HTTP/1.0 nor HTTP/1.1; HTTP/2's preface is one of these.
    Version,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Malformed,
        Self::TooSlow,
        Self::Body,
        Self::TargetTooLong,
        Self::HeadTooLarge,
        Self::NotImplemented,
        Self::Version,
    ];

    /// The value of the metrics' label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooSlow => "too_slow",
            Self::Body => "body",
            Self::TargetTooLong => "target_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::NotImplemented => "not_implemented",
            Self::Version => "version",
        }
    }

    fn status(self) -> &'static str {
        match self {
            Self::Malformed => "400 Bad Request",
            Self::TooSlow => "408 Request Timeout",
            Self::Body => "413 Content Too Large",
            Self::TargetTooLong => "414 URI Too Long",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::NotImplemented => "501 Not Implemented",
            Self::Version => "505 HTTP Version Not Supported",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Malformed => "this is no well-formed HTTP/1.1 request (RFC 9112)",
            Self::TooSlow => "the request took too long to arrive",
            Self::Body => "requests with a body are not accepted",
            Self::TargetTooLong => "the request line is longer than 16 KiB",
            Self::HeadTooLarge => "the request's headers are more than 96 or longer than 32 KiB",
            Self::NotImplemented => "neither CONNECT nor this transfer coding is supported",
            Self::Version => "only HTTP/1.1 and HTTP/1.0 are supported",
        }
    }

    /// The whole answer. `start` is what has arrived of the request: a HEAD request gets no body.
    pub(super) fn answer(self, start: &[u8]) -> Vec<u8> {
        let text = self.text();
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut answer = format!(
            "HTTP/1.1 {}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
             date: {date}\r\n\r\n",
            self.status(),
            text.len() + 1
        );
        if !start.starts_with(b"HEAD") {
            answer.push_str(text);
            answer.push('\n');
        }
        answer.into_bytes()
    }
}

/// Finds the end of a head, in bytes that come piece by piece.
#[derive(Debug, Default)]
pub(super) struct HeadScanner {
    /// Bytes that have been looked at.
    scanned: usize,
    /// Where the line at hand begins.
    line: usize,
    empty_lines: u8,
}

/// What the bytes so far are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The beginning of a head.
    Incomplete,
    /// An empty line before a head, two bytes long: to be left out before the rest is scanned.
    EmptyLine,
    /// A head of this many bytes.
    Complete(usize),
}

impl HeadScanner {
    /// Looks at what has come since the last time. `bytes` begins where the head does.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Scan, Refusal> {
        // What can't be the beginning of a method, like a TLS handshake, never becomes a head.
        if bytes
            .first()
            .is_some_and(|byte| !byte.is_ascii_graphic() && *byte != b'\r')
        {
            return Err(Refusal::Malformed);
        }
        while let Some(found) = memchr::memchr(b'\n', bytes.get(self.scanned..).unwrap_or_default()) {
            let newline = self.scanned + found;
            let Some(line) = bytes.get(self.line..newline) else {
                return Err(Refusal::Malformed);
            };
            // httparse finds CRs elsewhere; with one here, the head would have no end.
            let Some((b'\r', text)) = line.split_last() else {
                return Err(Refusal::Malformed);
            };
            if text.last() == Some(&b'\r') {
                return Err(Refusal::Malformed);
            }
            let (is_empty, is_first) = (text.is_empty(), self.line == 0);
            let end = newline + 1;
            if is_empty && is_first {
                if self.empty_lines == LEADING_EMPTY_LINES {
                    return Err(Refusal::Malformed);
                }
                *self = Self {
                    empty_lines: self.empty_lines + 1,
                    ..Self::default()
                };
                return Ok(Scan::EmptyLine);
            }
            if is_first && end > LONGEST_LINE {
                return Err(Refusal::TargetTooLong);
            }
            if is_empty {
                return if end > LONGEST_HEAD {
                    Err(Refusal::HeadTooLarge)
                } else {
                    Ok(Scan::Complete(end))
                };
            }
            (self.scanned, self.line) = (end, end);
        }
        self.scanned = bytes.len();
        if self.line == 0 && bytes.len() > LONGEST_LINE {
            return Err(Refusal::TargetTooLong);
        }
        if bytes.len() > LONGEST_HEAD {
            return Err(Refusal::HeadTooLarge);
        }
        Ok(Scan::Incomplete)
    }
}

/// A head that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Whether the method is HEAD.
    pub(super) is_head: bool,
}

/// Judges a complete head. Headers by which a client asks for another protocol or for an interim answer are renamed in
/// place, so that actix takes no notice of them.
pub(super) fn judge(head: &mut [u8]) -> Result<Accepted, Refusal> {
    let mut renamed = Vec::new();
    let accepted = judge_unchanged(head, &mut renamed)?;
    for start in renamed {
        if let Some(byte) = head.get_mut(start) {
            *byte = b'-';
        }
    }
    Ok(accepted)
}

/// Judges a head; notes where the names of headers begin that are to be renamed.
fn judge_unchanged(head: &[u8], renamed: &mut Vec<usize>) -> Result<Accepted, Refusal> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::Malformed),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        Err(httparse::Error::Version) if names_a_version(head) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::Malformed);
    };
    if Uri::try_from(target).is_err() {
        return Err(Refusal::Malformed);
    }
    let mut fields = Fields::default();
    for header in &*request.headers {
        if fields.take(header.name, header.value)? {
            // A name is a part of the head, so that its place is the distance of their addresses.
            renamed.push(header.name.as_ptr() as usize - head.as_ptr() as usize);
        }
    }
    fields.check(method, version == 1)?;
    Ok(Accepted {
        is_head: method == "HEAD",
    })
}

/// Whether a request line is well-formed and names some HTTP version.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut parts = line.split(|byte| *byte == b' ');
    let (_, _, version, end) = (parts.next(), parts.next(), parts.next(), parts.next());
    let named = match version {
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]) => {
            [major, minor].iter().all(|digit| digit.is_ascii_digit())
        }
        _ => false,
    };
    named && end.is_none()
}

/// The header fields that say where a request ends and what becomes of its connection.
#[derive(Default)]
struct Fields {
    host: bool,
    content_length: Option<bool>,
    transfer_encoding: Option<bool>,
}

impl Fields {
    /// Takes a field; says whether it is to be renamed.
    fn take(&mut self, name: &str, value: &[u8]) -> Result<bool, Refusal> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is("host") => {
                if self.host || !is_host(value) {
                    return Err(Refusal::Malformed);
                }
                self.host = true;
            }
            14 if is("content-length") => {
                let digits = value.trim_ascii();
                let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                if self.content_length.is_some() || !is_number {
                    return Err(Refusal::Malformed);
                }
                self.content_length = Some(digits.iter().any(|digit| *digit != b'0'));
            }
            17 if is("transfer-encoding") => {
                if self.transfer_encoding.is_some() {
                    return Err(Refusal::Malformed);
                }
                self.transfer_encoding = Some(value.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            }
            6 if is("expect") => return Ok(true),
            7 if is("upgrade") => return Ok(true),
            10 if is("connection") => return Ok(asks_for_upgrade(value)),
            _ => {}
        }
        Ok(false)
    }

    /// What speaks against the request as a whole.
    fn check(&self, method: &str, is_1_1: bool) -> Result<(), Refusal> {
        if is_1_1 && !self.host {
            return Err(Refusal::Malformed);
        }
        match (self.transfer_encoding, self.content_length) {
            (Some(_), _) if !is_1_1 => return Err(Refusal::Malformed),
            (Some(_), Some(_)) => return Err(Refusal::Malformed),
            (Some(true), None) | (None, Some(true)) => return Err(Refusal::Body),
            (Some(false), None) => return Err(Refusal::NotImplemented),
            // RFC 1945, 7.2.2, and actix insists on it.
            (None, None) if !is_1_1 && method == "POST" => return Err(Refusal::Malformed),
            (None, _) => {}
        }
        if method == "CONNECT" {
            return Err(Refusal::NotImplemented);
        }
        Ok(())
    }
}

/// Whether a Host field's value is empty or names a host, and maybe a port (RFC 9112, 3.2).
fn is_host(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    value.is_empty() || (!value.contains(&b'@') && Authority::try_from(value).is_ok())
}

/// Whether a Connection field names `upgrade` and not `close`, which actix heeds first.
fn asks_for_upgrade(value: &[u8]) -> bool {
    let names = |option: &[u8]| {
        value
            .split(|byte| *byte == b',')
            .any(|part| part.trim_ascii().eq_ignore_ascii_case(option))
    };
    names(b"upgrade") && !names(b"close")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(head: &str) -> Result<Accepted, Refusal> {
        judge(&mut head.as_bytes().to_vec())
    }

    fn scan_all(bytes: &[u8], piece: usize) -> Result<Scan, Refusal> {
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
            (&b"\x16\x03\x01"[..], Refusal::Malformed),
            (b"GET / HTTP/1.1\n\n", Refusal::Malformed),
            (b"GET / HTTP/1.1\r\nHost: x\n\r\n", Refusal::Malformed),
            (b"\r\n\r\n\r\nGET /", Refusal::Malformed),
            (b"GET / HTTP/1.1\r\r\n", Refusal::Malformed),
            (b"\n", Refusal::Malformed),
            (&[b'x'; LONGEST_LINE + 1], Refusal::TargetTooLong),
            (
                &[&b"GET / HTTP/1.1\r\n"[..], &[b'x'; LONGEST_HEAD]].concat(),
                Refusal::HeadTooLarge,
            ),
        ] {
            assert_eq!(scan_all(bytes, 5), Err(refusal), "{}", String::from_utf8_lossy(bytes));
            assert_eq!(scan_all(bytes, 100_000), Err(refusal));
        }
    }

    #[test]
    fn heads_that_every_program_reads_the_same_pass() {
        for (line, headers, is_head) in [
            ("GET /metalink?repo=a&arch=b HTTP/1.1", "Host: x\r\n", false),
            ("HEAD / HTTP/1.0", "", true),
            ("BREW /pot HTTP/1.1", "host: [::1]:80\r\n", false),
            ("OPTIONS * HTTP/1.1", "Host:\r\n", false),
            ("GET http://x/y HTTP/1.1", "Host: x\r\n", false),
            ("POST / HTTP/1.1", "Host: x\r\nContent-Length: 00\r\n", false),
            ("GET / HTTP/1.1", "Host: x\r\nX-Forwarded-For: \u{e4},,[::1\r\n", false),
        ] {
            let head = format!("{line}\r\n{headers}\r\n");
            assert_eq!(judged(&head), Ok(Accepted { is_head }), "{head}");
        }
    }

    #[test]
    fn heads_that_could_be_read_in_two_ways_are_refused() {
        for (line, headers, refusal) in [
            ("GET / HTTP/1.1", "", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host: x\r\nHost: x\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host: a b\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host: u@x\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host : x\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host: x\r\n folded\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host: x\r\nX: a\rb\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1", "Host: x\r\nX: a\0b\r\n", Refusal::Malformed),
            ("GET  / HTTP/1.1", "Host: x\r\n", Refusal::Malformed),
            ("GET /a b HTTP/1.1", "Host: x\r\n", Refusal::Malformed),
            ("GET /\u{e4} HTTP/1.1", "Host: x\r\n", Refusal::Malformed),
            ("GET /", "", Refusal::Malformed),
            ("GET / HTTP/2.0", "Host: x\r\n", Refusal::Version),
            ("PRI * HTTP/2.0", "", Refusal::Version),
            ("GET / HTTP/1.10", "Host: x\r\n", Refusal::Malformed),
            ("GET / http/1.1", "Host: x\r\n", Refusal::Malformed),
            ("CONNECT x:443 HTTP/1.1", "Host: x\r\n", Refusal::NotImplemented),
            ("POST / HTTP/1.1", "Host: x\r\nContent-Length: 1\r\n", Refusal::Body),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nContent-Length: 99999999999999999999999\r\n",
                Refusal::Body,
            ),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nContent-Length: +1\r\n",
                Refusal::Malformed,
            ),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nContent-Length: 0, 0\r\n",
                Refusal::Malformed,
            ),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
                Refusal::Malformed,
            ),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nTransfer-Encoding: Chunked\r\n",
                Refusal::Body,
            ),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nTransfer-Encoding: gzip, chunked\r\n",
                Refusal::NotImplemented,
            ),
            (
                "GET / HTTP/1.1",
                "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
                Refusal::Malformed,
            ),
            ("GET / HTTP/1.0", "Transfer-Encoding: chunked\r\n", Refusal::Malformed),
            ("POST / HTTP/1.0", "", Refusal::Malformed),
        ] {
            let head = format!("{line}\r\n{headers}\r\n");
            assert_eq!(judged(&head), Err(refusal), "{head}");
        }
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(MOST_HEADERS));
        assert_eq!(judged(&many), Err(Refusal::HeadTooLarge));
    }

    #[test]
    fn wishes_for_another_protocol_are_hidden_from_actix() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nExpect: 100-continue\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                    Connection: close, upgrade\r\n\r\n";
        let mut bytes = head.as_bytes().to_vec();
        judge(&mut bytes).unwrap();
        let hidden = head
            .replace("Upgrade: h2c", "-pgrade: h2c")
            .replace("Expect", "-xpect")
            .replace("Connection: Upgrade", "-onnection: Upgrade");
        assert_eq!(String::from_utf8(bytes).unwrap(), hidden);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        for refusal in Refusal::ALL {
            let text = |start: &[u8]| String::from_utf8(refusal.answer(start)).unwrap();
            let (get, head) = (text(b"GET"), text(b"HEAD / "));
            assert!(get.starts_with(&head) && head.ends_with("\r\n\r\n"), "{get}");
            let length = format!("content-length: {}\r\n", get.len() - head.len());
            assert!(head.contains(&length), "{get}");
        }
    }
}
