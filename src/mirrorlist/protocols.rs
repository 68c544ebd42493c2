//! Which of a host's URLs an answer lists.

use super::Endpoint;
use crate::cache::url::Protocol;
use crate::snapshot::{Carrier, Catalogue, ProtocolSet, Url};

/// Which of a host's URLs an answer lists, and how many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtocolFilter {
    protocols: ProtocolSet,
    most_per_host: usize,
}

impl ProtocolFilter {
    /// The filter of a request: the value of `protocol=`, else the default of the endpoint. An empty list counts as absent; no URL
    /// has an unknown protocol.
    pub fn new(asked: Option<&str>, endpoint: Endpoint) -> Self {
        let mut names = asked
            .into_iter()
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .peekable();
        if names.peek().is_none() {
            return match endpoint {
                Endpoint::Mirrorlist => Self {
                    protocols: ProtocolSet::LISTED,
                    most_per_host: 1,
                },
                Endpoint::Metalink => Self {
                    protocols: ProtocolSet::ALL,
                    most_per_host: usize::MAX,
                },
            };
        }
        let mut filter = Self {
            protocols: ProtocolSet::default(),
            most_per_host: 0,
        };
        for name in names {
            filter.most_per_host += 1;
            if let Some(protocol) = Protocol::parse(name) {
                filter.protocols.insert(protocol);
            }
        }
        filter
    }

    /// Whether a host with URLs of these protocols has one that is listed.
    pub fn takes_any(&self, protocols: ProtocolSet) -> bool {
        !self.protocols.intersection(protocols).is_empty()
    }

    /// A host's URLs that are listed.
    pub fn urls<'a>(self, catalogue: &'a Catalogue, carrier: &Carrier) -> impl Iterator<Item = &'a Url> + use<'a> {
        self.urls_but(0, catalogue, carrier)
    }

    /// The same without those whose bits are set in a mask. Beyond 64 URLs nothing is withheld.
    #[inline]
    pub(super) fn urls_but<'a>(
        self,
        withheld: u64,
        catalogue: &'a Catalogue,
        carrier: &Carrier,
    ) -> impl Iterator<Item = &'a Url> + use<'a> {
        let mut rest = withheld;
        catalogue
            .urls(carrier)
            .iter()
            .filter(move |url| {
                let is_withheld = rest & 1 == 1;
                rest >>= 1;
                !is_withheld && self.protocols.contains(url.protocol)
            })
            .take(self.most_per_host)
    }

    /// Whether a URL of this protocol is listed.
    pub(super) fn takes(self, protocol: Protocol) -> bool {
        self.protocols.contains(protocol)
    }

    /// The filter of a redirect: the first URL that a browser can be sent to.
    pub fn for_redirects(self) -> Self {
        Self {
            protocols: self.protocols.intersection(ProtocolSet::WEB),
            most_per_host: 1,
        }
    }
}
