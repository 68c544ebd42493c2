//! The rule for base URLs of hosts: answers and the header of a redirect have them as they are. Names of directories have their own
//! rule in [`super::name`].

use thiserror::Error;

/// A base URL has at most this many bytes: with a path after it, it still fits a line that librepo reads.
pub const LONGEST_URL: usize = 2_000;

/// A protocol that mirrors are reached by, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named like their schemes")]
pub enum Protocol {
    Https,
    Http,
    Ftp,
    Rsync,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 4] = [Self::Https, Self::Http, Self::Ftp, Self::Rsync];

    /// The protocol with a name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Its name, which is the scheme of its URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Ftp => "ftp",
            Self::Rsync => "rsync",
        }
    }
}

/// Why a text is no base URL that can stand in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UrlError {
    #[error("it is longer than 2,000 bytes")]
    Long,
    #[error("it has a control character or white space in it")]
    ControlOrSpace,
    #[error("it has a character beyond ASCII in it; write it percent-encoded")]
    BeyondAscii,
    #[error("it does not begin with https://, http://, ftp:// or rsync://")]
    Scheme,
    #[error("it names no host")]
    Host,
}

/// A base URL that can stand in an answer: printable ASCII without a space, of one of the four protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseUrl<'a> {
    text: &'a str,
    protocol: Protocol,
}

impl<'a> BaseUrl<'a> {
    /// Parses a base URL. White space around it and slashes at its end are cut off: answers put a slash and a path after it.
    ///
    /// # Errors
    /// If it can't stand in an answer.
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        let text = without_end(text.trim_start());
        if text.len() > LONGEST_URL {
            return Err(UrlError::Long);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::ControlOrSpace);
        }
        if !text.is_ascii() {
            return Err(UrlError::BeyondAscii);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let protocol = Protocol::parse(scheme).ok_or(UrlError::Scheme)?;
        if rest.is_empty() || rest.starts_with(['/', '?', '#']) {
            return Err(UrlError::Host);
        }
        Ok(Self { text, protocol })
    }

    /// The URL.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// Its protocol.
    pub fn protocol(self) -> Protocol {
        self.protocol
    }
}

/// A URL without slashes and white space at its end, however they are mixed; those of `://` stay.
fn without_end(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let trimmed = rest.trim_end_matches(|c: char| c == '/' || c.is_whitespace());
    // The cut-off part is an end of `rest`, which is an end of `url`.
    let (kept, _) = url.split_at(url.len() - (rest.len() - trimmed.len()));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_would_break_an_answer_is_refused() {
        let long = format!("http://x/{}", "y".repeat(LONGEST_URL));
        for (bad, error) in [
            ("", UrlError::Scheme),
            ("mirror.example.org", UrlError::Scheme),
            ("://x", UrlError::Scheme),
            ("1http://x", UrlError::Scheme),
            ("gopher://x", UrlError::Scheme),
            ("javascript://x", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https:// / ", UrlError::Host),
            ("https:///pub", UrlError::Host),
            ("http://?x", UrlError::Host),
            ("ht tp://x", UrlError::ControlOrSpace),
            ("http://x/a b", UrlError::ControlOrSpace),
            ("http://x/\u{7}y", UrlError::ControlOrSpace),
            ("http://x/a\r\nSet-Cookie: b", UrlError::ControlOrSpace),
            ("http://x/\u{85}y", UrlError::ControlOrSpace),
            ("http://x/\u{7f}", UrlError::ControlOrSpace),
            ("http://m\u{fc}nchen.example/", UrlError::BeyondAscii),
            (&long, UrlError::Long),
        ] {
            assert_eq!(BaseUrl::parse(bad), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn what_would_double_a_slash_is_cut_off() {
        for text in [
            "http://x/pub",
            "http://x/pub/",
            "http://x/pub//",
            "http://x/pub/ ",
            " http://x/pub / / \n",
            "http://x/pub\u{a0}/",
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().as_str(), "http://x/pub", "{text:?}");
        }
        assert_eq!(BaseUrl::parse("http://x/").unwrap().as_str(), "http://x");
        // Of the longest URL, slashes at the end count as little.
        let padded = format!("http://x/y{}", "/".repeat(LONGEST_URL));
        assert_eq!(BaseUrl::parse(&padded).unwrap().as_str(), "http://x/y");
    }

    #[test]
    fn every_protocol_is_known_in_any_case() {
        for (text, protocol) in [
            (" HTTPS://mirror.example.org/pub\n", Protocol::Https),
            ("http://mirror.example.org", Protocol::Http),
            ("Ftp://mirror.example.org/pub", Protocol::Ftp),
            ("rsync://mirror.example.org/pub", Protocol::Rsync),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.as_str(), url.protocol()), (text.trim(), protocol));
        }
        let longest = format!("http://x/{}", "y".repeat(LONGEST_URL - 9));
        assert_eq!(BaseUrl::parse(&longest).unwrap().as_str(), longest);
    }
}
