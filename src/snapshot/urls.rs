//! The base URLs of hosts, ready to copy into answers.

use std::collections::HashMap;
use std::fmt::Write as _;

use foldhash::fast::RandomState;

use super::text_arena::{TextArena, TextSpan};
use crate::budget::{Budget, OverBudget};
use crate::cache::url::{BaseUrl, Protocol};
use crate::geo::CountryCode;
use crate::index_table::part;
use crate::xml;

/// A set of protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProtocolSet(u8);

impl ProtocolSet {
    /// Every protocol.
    pub const ALL: Self = Self(0b1111);
    /// The default of a mirrorlist: rsync never.
    pub const LISTED: Self = Self(0b111);
    /// The protocols that a redirect can send to.
    pub const WEB: Self = Self(0b011);

    /// Adds a protocol.
    pub fn insert(&mut self, protocol: Protocol) {
        self.0 |= 1 << protocol as u8;
    }

    /// Whether a protocol is in the set.
    pub fn contains(self, protocol: Protocol) -> bool {
        self.0 & (1 << protocol as u8) != 0
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

/// A base URL of the cache, and its texts once a carrier has it.
#[derive(Debug)]
pub(super) struct StoredUrl {
    text: Box<str>,
    protocol: Protocol,
    /// Its texts, as it is and escaped for XML.
    spans: Option<(TextSpan, TextSpan)>,
}

impl StoredUrl {
    /// The memory that a URL takes until the tables are ready, without its text, in bytes.
    pub(super) const BYTES: usize = 2 * size_of::<(i64, Self)>() + 16;

    pub(super) fn new(url: BaseUrl<'_>) -> Self {
        Self {
            text: url.as_str().into(),
            protocol: url.protocol(),
            spans: None,
        }
    }
}

/// The URLs of a carrier among all URLs.
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

/// A base URL of a carrier, ready to copy into answers.
#[derive(Debug, Clone, Copy)]
pub struct Url {
    /// The URL's protocol.
    pub protocol: Protocol,
    /// The URL itself, without a slash at its end.
    pub base: TextSpan,
    /// The same, escaped for XML.
    pub escaped: TextSpan,
    /// A metalink's `url` element up to its `preference`: one text for all URLs of a protocol and a country, so that it stays in
    /// the processor's cache.
    pub element_start: TextSpan,
}

/// The URLs of all carriers.
#[derive(Debug, Default)]
pub(super) struct Urls {
    urls: Vec<Url>,
    pub(super) texts: TextArena,
    element_starts: HashMap<(Protocol, Option<CountryCode>), TextSpan>,
}

impl Urls {
    pub(super) fn get(&self, range: UrlRange) -> &[Url] {
        let start = range.start as usize;
        part(&self.urls, start..start + range.len())
    }

    /// Ends the adding of URLs.
    pub(super) fn finish(&mut self) {
        self.texts.finish();
        self.urls.shrink_to_fit();
    }

    /// Adds the URLs with these ids, best protocol first and otherwise in their order. Skips ids without a URL, and URLs that no
    /// longer fit the 32-bit indexes; the range is then shorter than `ids`.
    pub(super) fn add(
        &mut self,
        ids: impl Iterator<Item = i64>,
        stored: &mut HashMap<i64, StoredUrl, RandomState>,
        location: Option<CountryCode>,
        budget: &mut Budget,
    ) -> Result<(UrlRange, ProtocolSet), OverBudget> {
        let start = self.urls.len();
        let mut set = ProtocolSet::default();
        for id in ids {
            if let Some(url) = stored.get_mut(&id) {
                budget.take(2 * size_of::<Url>())?;
                if let Some(ready) = self.ready_to_copy(url, location, budget)? {
                    set.insert(url.protocol);
                    self.urls.push(ready);
                }
            }
        }
        let (_, added) = self.urls.split_at_mut(start);
        added.sort_by_key(|url| url.protocol);
        Ok(match (u32::try_from(start), u32::try_from(added.len())) {
            (Ok(start), Ok(length)) => (UrlRange { start, length }, set),
            _ => Default::default(),
        })
    }

    /// The texts of a URL, stored with the first carrier that has it. Returns `None` when they no longer fit the index.
    fn ready_to_copy(
        &mut self,
        url: &mut StoredUrl,
        location: Option<CountryCode>,
        budget: &mut Budget,
    ) -> Result<Option<Url>, OverBudget> {
        if url.spans.is_none() {
            let escaped = xml::escaped(&url.text);
            let texts = if *escaped == *url.text { 1 } else { 2 };
            // The table of texts doubles as it grows.
            budget.take(2 * texts * escaped.len())?;
            let base = self.texts.push(&url.text);
            let of_escaped = if texts == 1 { base } else { self.texts.push(&escaped) };
            url.spans = base.zip(of_escaped);
        }
        let element_start = self.element_start(url.protocol, location);
        let spans = url.spans.zip(element_start);
        Ok(spans.map(|((base, escaped), element_start)| Url {
            protocol: url.protocol,
            base,
            escaped,
            element_start,
        }))
    }

    fn element_start(&mut self, protocol: Protocol, location: Option<CountryCode>) -> Option<TextSpan> {
        let key = (protocol, location);
        if let Some(known) = self.element_starts.get(&key) {
            return Some(*known);
        }
        let name = protocol.name();
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
