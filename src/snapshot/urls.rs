//! The base URLs of hosts, ready to copy into answers.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::chunked::{Chunked, ChunkedTexts, TextSpan};
use crate::geo::CountryCode;
use crate::xml;

/// A protocol that some URL of the cache has: a small number for sets of protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol(u8);

impl Protocol {
    /// `https`.
    pub const HTTPS: Self = Self(0);
    /// `http`.
    pub const HTTP: Self = Self(1);
    /// `ftp`.
    pub const FTP: Self = Self(2);
    /// `rsync`.
    pub const RSYNC: Self = Self(3);
}

/// The protocols that have a number from the start, in the order in which they are preferred.
const WELL_KNOWN: [&str; 4] = ["https", "http", "ftp", "rsync"];

/// A set of protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProtocolSet(u32);

impl ProtocolSet {
    /// Every protocol.
    pub const ALL: Self = Self(u32::MAX);
    /// What a mirrorlist lists where no protocol is asked for: rsync never.
    pub const LISTED: Self = Self(0b111);
    /// What a browser can be sent to.
    pub const WEB: Self = Self(0b011);

    /// Adds a protocol.
    pub fn insert(&mut self, protocol: Protocol) {
        self.0 |= 1 << protocol.0;
    }

    /// Whether a protocol is in the set.
    pub fn contains(self, protocol: Protocol) -> bool {
        self.0 & (1 << protocol.0) != 0
    }

    /// The protocols that both sets have.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set has no protocol.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The names of the protocols that a cache's URLs have.
#[derive(Debug, Clone)]
pub(super) struct Protocols {
    names: Vec<Box<str>>,
}

impl Protocols {
    pub(super) fn new() -> Self {
        Self {
            names: WELL_KNOWN.iter().map(|name| Box::from(*name)).collect(),
        }
    }

    /// The protocol with a name, in any case, if a URL has it.
    pub(super) fn find(&self, name: &str) -> Option<Protocol> {
        let position = self.names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        u8::try_from(position).ok().map(Protocol)
    }

    /// The protocol with a name, a new one if it is new; none where a set has no room for more.
    fn find_or_add(&mut self, name: &str) -> Option<Protocol> {
        let found = self.find(name);
        if found.is_none() && self.names.len() < 32 {
            self.names.push(name.to_ascii_lowercase().into());
            return self.find(name);
        }
        found
    }

    fn name(&self, protocol: Protocol) -> &str {
        self.names.get(usize::from(protocol.0)).map_or("", |name| name)
    }
}

/// A base URL that can stand in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseUrl {
    text: Box<str>,
    protocol: Protocol,
}

impl BaseUrl {
    /// Checks a base URL of the cache.
    pub(super) fn parse(text: &str, protocols: &mut Protocols) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("it has a control character or white space in it");
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("it does not begin with a protocol and ://");
        };
        if rest.is_empty() {
            return Err("it names no host");
        }
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if !scheme_ok {
            return Err("its protocol is no URL scheme");
        }
        let protocol = protocols.find_or_add(scheme).ok_or("there are too many protocols")?;
        Ok(Self {
            text: text.into(),
            protocol,
        })
    }
}

/// A carrier's URLs in [`Urls`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UrlRange {
    start: u32,
    length: u32,
}

impl UrlRange {
    /// How many there are.
    pub fn len(self) -> usize {
        self.length as usize
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// A base URL of a carrier as answers need it: texts for [`super::Catalogue::text`].
#[derive(Debug, Clone, Copy)]
pub struct Url {
    /// The URL's protocol.
    pub protocol: Protocol,
    /// The URL itself, without a slash at its end.
    pub base: TextSpan,
    /// The same, escaped for XML.
    pub escaped: TextSpan,
    /// A metalink's `url` element up to its `preference`: the same text for all URLs of a protocol and a country, so that it
    /// stays in a processor's cache.
    pub element_start: TextSpan,
}

/// The URLs of all carriers.
#[derive(Debug, Default)]
pub(super) struct Urls {
    urls: Vec<Url>,
    texts: ChunkedTexts,
    element_starts: HashMap<(u8, Option<CountryCode>), TextSpan>,
}

impl Urls {
    pub(super) fn get(&self, range: UrlRange) -> &[Url] {
        let start = range.start as usize;
        self.urls.get(start..start + range.len()).unwrap_or_default()
    }

    pub(super) fn text(&self, span: TextSpan) -> Chunked<'_> {
        self.texts.get(span)
    }

    /// Adds a carrier's URLs, best protocol first and otherwise in their order.
    pub(super) fn add<'a>(
        &mut self,
        urls: impl Iterator<Item = &'a BaseUrl>,
        protocols: &Protocols,
        location: Option<CountryCode>,
    ) -> (UrlRange, ProtocolSet) {
        let start = self.urls.len();
        let mut set = ProtocolSet::default();
        for url in urls {
            // There is room for 256 GB of texts.
            if let Some(ready) = self.ready_to_copy(url, protocols, location) {
                set.insert(url.protocol);
                self.urls.push(ready);
            }
        }
        if let Some(added) = self.urls.get_mut(start..) {
            added.sort_by_key(|url| url.protocol.0);
        }
        let range = UrlRange {
            // Bounded by the number of (host, category, URL) rows, far below 2^32.
            start: u32::try_from(start).unwrap_or(u32::MAX),
            length: u32::try_from(self.urls.len() - start).unwrap_or(0),
        };
        (range, set)
    }

    fn ready_to_copy(&mut self, url: &BaseUrl, protocols: &Protocols, location: Option<CountryCode>) -> Option<Url> {
        let base = self.texts.push(&url.text)?;
        let mut escaped = String::new();
        xml::escape_into(&url.text, &mut escaped);
        Some(Url {
            protocol: url.protocol,
            base,
            escaped: if *escaped == *url.text {
                base
            } else {
                self.texts.push(&escaped)?
            },
            element_start: self.element_start(url.protocol, protocols, location)?,
        })
    }

    fn element_start(
        &mut self,
        protocol: Protocol,
        protocols: &Protocols,
        location: Option<CountryCode>,
    ) -> Option<TextSpan> {
        let key = (protocol.0, location);
        if let Some(known) = self.element_starts.get(&key) {
            return Some(*known);
        }
        let name = protocols.name(protocol);
        let mut start = format!("    <url protocol=\"{name}\" type=\"{name}\"");
        if let Some(location) = location {
            // Writing to a String can't fail.
            let _ = write!(start, " location=\"{location}\"");
        }
        let span = self.texts.push(&start)?;
        self.element_starts.insert(key, span);
        Some(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_that_would_break_an_answer_is_refused() {
        let mut protocols = Protocols::new();
        for bad in [
            "",
            "mirror.example.org",
            "https://",
            "://x",
            "ht tp://x",
            "http://x/a b",
            "http://x/\u{7}y",
            "1http://x",
        ] {
            assert!(BaseUrl::parse(bad, &mut protocols).is_err(), "{bad:?}");
        }
        let url = BaseUrl::parse(" HTTPS://mirror.example.org/pub\n", &mut protocols).unwrap();
        assert_eq!(
            (&*url.text, url.protocol),
            ("HTTPS://mirror.example.org/pub", Protocol::HTTPS)
        );
    }
}
