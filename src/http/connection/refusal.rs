//! Why a request gets no further than its connection's guard, and the answer that the client gets instead.

use std::time::SystemTime;

use crate::metrics::table::label_values;

label_values! {
    /// Why a request is refused before actix sees it.
    pub(crate) enum HeadRefusal {
        Malformed = "malformed",
        TooSlow = "too_slow",
        Body = "body",
        TargetTooLong = "target_too_long",
        /// The head is too long, or has too many lines.
        HeadTooLarge = "head_too_large",
        /// The body has an unknown transfer coding, or the method is CONNECT.
        NotImplemented = "not_implemented",
        /// The version is neither HTTP/1.0 nor HTTP/1.1; HTTP/2's preface is one of these.
        Version = "version",
    }
}

impl HeadRefusal {
    /// The whole answer. `start` is what has arrived of the request: a HEAD request gets no body.
    pub(super) fn answer(self, start: &[u8]) -> Vec<u8> {
        let (status, text) = match self {
            Self::Malformed => ("400 Bad Request", "this is no well-formed HTTP/1.1 request (RFC 9112)"),
            Self::TooSlow => ("408 Request Timeout", "the request took too long to arrive"),
            Self::Body => ("413 Content Too Large", "requests with a body are not accepted"),
            Self::TargetTooLong => ("414 URI Too Long", "the request line is longer than 16 KiB"),
            Self::HeadTooLarge => (
                "431 Request Header Fields Too Large",
                "the request's headers are more than 96 or longer than 32 KiB",
            ),
            Self::NotImplemented => (
                "501 Not Implemented",
                "neither CONNECT nor this transfer coding is supported",
            ),
            Self::Version => (
                "505 HTTP Version Not Supported",
                "only HTTP/1.1 and HTTP/1.0 are supported",
            ),
        };
        let date = httpdate::fmt_http_date(SystemTime::now());
        let mut answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
             date: {date}\r\n\r\n",
            text.len() + 1
        );
        if !start.starts_with(b"HEAD") {
            answer.push_str(text);
            answer.push('\n');
        }
        answer.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::table::LabelValue as _;

    #[test]
    fn an_answer_to_head_has_no_body() {
        for refusal in HeadRefusal::ALL {
            let text = |start: &[u8]| String::from_utf8(refusal.answer(start)).unwrap();
            let (get, head) = (text(b"GET"), text(b"HEAD / "));
            assert!(get.starts_with(&head) && head.ends_with("\r\n\r\n"), "{get}");
            let length = format!("content-length: {}\r\n", get.len() - head.len());
            assert!(head.contains(&length), "{get}");
        }
    }
}
