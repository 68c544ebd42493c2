//! Whether a whole request head may pass to actix.
//!
//! RFC 9112 is read strictly, so that no two programs on a request's way can disagree about where a request ends: lines end
//! with CR LF, a body is refused, and a head that is not well-formed gets an answer and the end of the connection.

use std::mem::MaybeUninit;

use actix_web::http::Uri;
use actix_web::http::uri::Authority;

use super::refusal::HeadRefusal;

/// A head has at most this many header lines: as many as actix reads.
const MOST_HEADERS: usize = 96;

/// Checks a complete head. Returns whether its method is HEAD. Headers that ask for another protocol or for an interim answer are
/// renamed in place, so that actix ignores them.
pub(super) fn check(head: &mut [u8]) -> Result<bool, HeadRefusal> {
    let mut headers = [const { MaybeUninit::uninit() }; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut headers) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(HeadRefusal::Malformed),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadRefusal::HeadTooLarge),
        Err(httparse::Error::Version) if names_a_version(head) => return Err(HeadRefusal::Version),
        Err(_) => return Err(HeadRefusal::Malformed),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(HeadRefusal::Malformed);
    };
    if Uri::try_from(target).is_err() {
        return Err(HeadRefusal::Malformed);
    }
    let mut fields = Fields::default();
    let mut renamed = Vec::new();
    for header in &*request.headers {
        if fields.take(header.name, header.value)? {
            // A name is a part of the head, so that its position is the distance of their addresses.
            renamed.push(header.name.as_ptr() as usize - head.as_ptr() as usize);
        }
    }
    fields.check(method, version == 1)?;
    let is_head = method == "HEAD";
    for start in renamed {
        if let Some(byte) = head.get_mut(start) {
            *byte = b'-';
        }
    }
    Ok(is_head)
}

/// Whether a request line is well-formed and names some HTTP version.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [_, _, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]] = parts[..] else {
        return false;
    };
    major.is_ascii_digit() && minor.is_ascii_digit()
}

/// The header fields that decide where a request ends.
#[derive(Default)]
struct Fields {
    host: bool,
    content_length: Option<bool>,
    transfer_encoding: Option<bool>,
}

impl Fields {
    /// Takes a field. Returns whether it is to be renamed.
    fn take(&mut self, name: &str, value: &[u8]) -> Result<bool, HeadRefusal> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is("host") => {
                if self.host || !is_host(value) {
                    return Err(HeadRefusal::Malformed);
                }
                self.host = true;
            }
            14 if is("content-length") => {
                let digits = value.trim_ascii();
                if self.content_length.is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                    return Err(HeadRefusal::Malformed);
                }
                self.content_length = Some(digits.iter().any(|digit| *digit != b'0'));
            }
            17 if is("transfer-encoding") => {
                if self.transfer_encoding.is_some() {
                    return Err(HeadRefusal::Malformed);
                }
                self.transfer_encoding = Some(value.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            }
            6 | 7 if is("expect") || is("upgrade") => return Ok(true),
            10 if is("connection") => return Ok(asks_for_upgrade(value)),
            _ => {}
        }
        Ok(false)
    }

    /// Checks the request as a whole.
    fn check(&self, method: &str, is_1_1: bool) -> Result<(), HeadRefusal> {
        if is_1_1 && !self.host {
            return Err(HeadRefusal::Malformed);
        }
        match (self.transfer_encoding, self.content_length) {
            (Some(_), length) if !is_1_1 || length.is_some() => Err(HeadRefusal::Malformed),
            (Some(true), _) | (None, Some(true)) => Err(HeadRefusal::Body),
            (Some(false), _) => Err(HeadRefusal::NotImplemented),
            // RFC 1945, 7.2.2, and actix insists on it.
            (None, None) if !is_1_1 && method == "POST" => Err(HeadRefusal::Malformed),
            (None, _) if method == "CONNECT" => Err(HeadRefusal::NotImplemented),
            (None, _) => Ok(()),
        }
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

    /// Checks a head without its last, empty line.
    fn checked(lines: &str) -> Result<bool, HeadRefusal> {
        check(&mut format!("{lines}\r\n").into_bytes())
    }

    #[test]
    fn heads_that_every_program_reads_the_same_pass() {
        for (head, is_head) in [
            ("GET /metalink?repo=a&arch=b HTTP/1.1\r\nHost: x\r\n", false),
            ("HEAD / HTTP/1.0\r\n", true),
            ("BREW /pot HTTP/1.1\r\nhost: [::1]:80\r\n", false),
            ("OPTIONS * HTTP/1.1\r\nHost:\r\n", false),
            ("GET http://x/y HTTP/1.1\r\nHost: x\r\n", false),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 00\r\n", false),
            ("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \u{e4},,[::1\r\n", false),
        ] {
            assert_eq!(checked(head), Ok(is_head), "{head}");
        }
    }

    #[test]
    fn heads_that_could_be_read_in_two_ways_are_refused() {
        let malformed = [
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n",
            "GET / HTTP/1.1\r\nHost: u@x\r\n",
            "GET / HTTP/1.1\r\nHost : x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n",
            "GET  / HTTP/1.1\r\nHost: x\r\n",
            "GET /a b HTTP/1.1\r\nHost: x\r\n",
            "GET /\u{e4} HTTP/1.1\r\nHost: x\r\n",
            "GET /\r\n",
            "GET / HTTP/1.10\r\nHost: x\r\n",
            "GET / http/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.0\r\n",
        ];
        let body = [
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n",
        ];
        let not_implemented = [
            "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n",
        ];
        let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}", "a: b\r\n".repeat(MOST_HEADERS));
        for (refusal, heads) in [
            (HeadRefusal::Malformed, &malformed[..]),
            (HeadRefusal::Body, &body),
            (HeadRefusal::NotImplemented, &not_implemented),
            (
                HeadRefusal::Version,
                &["GET / HTTP/2.0\r\nHost: x\r\n", "PRI * HTTP/2.0\r\n"],
            ),
            (HeadRefusal::HeadTooLarge, &[&many]),
        ] {
            for head in heads {
                assert_eq!(checked(head), Err(refusal), "{head}");
            }
        }
    }

    #[test]
    fn requests_for_another_protocol_are_hidden_from_actix() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nExpect: 100-continue\r\nConnection: Upgrade, HTTP2-Settings\r\n\
                    Connection: close, upgrade\r\n\r\n";
        let mut bytes = head.as_bytes().to_vec();
        check(&mut bytes).unwrap();
        let hidden = head
            .replace("Upgrade: h2c", "-pgrade: h2c")
            .replace("Expect", "-xpect")
            .replace("Connection: Upgrade", "-onnection: Upgrade");
        assert_eq!(String::from_utf8(bytes).unwrap(), hidden);
    }
}
