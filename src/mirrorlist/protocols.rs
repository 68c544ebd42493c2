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
        let (mut protocols, mut most_per_host) = (ProtocolSet::default(), 0);
        let names = asked.into_iter().flat_map(|list| list.split(',')).map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            most_per_host += 1;
            if let Some(protocol) = Protocol::parse(name) {
                protocols.insert(protocol);
            }
        }
        if most_per_host == 0 {
            (protocols, most_per_host) = match endpoint {
                Endpoint::Mirrorlist => (ProtocolSet::LISTED, 1),
                Endpoint::Metalink => (ProtocolSet::ALL, usize::MAX),
            };
        }
        Self {
            protocols,
            most_per_host,
        }
    }

    /// The filter by an operator's rule: the protocols that both allow, or the rule's alone if there are none.
    #[must_use]
    pub(super) fn ruled(self, allowed: ProtocolSet) -> Self {
        let both = self.protocols.intersection(allowed);
        Self {
            protocols: if both.is_empty() { allowed } else { both },
            ..self
        }
    }

    /// Whether a host with URLs of these protocols has one that is listed.
    pub fn takes_any(&self, protocols: ProtocolSet) -> bool {
        !self.protocols.intersection(protocols).is_empty()
    }

    /// A host's URLs that are listed.
    #[inline]
    pub fn urls<'a>(self, catalogue: &'a Catalogue, carrier: &Carrier) -> impl Iterator<Item = &'a Url> + use<'a> {
        let urls = catalogue.urls(carrier).iter();
        urls.filter(move |url| self.takes(url.protocol))
            .take(self.most_per_host)
    }

    /// The same without those whose bits are set in a mask. Beyond 64 URLs nothing is withheld.
    #[inline]
    pub(super) fn urls_but<'a>(
        self,
        mut withheld: u64,
        catalogue: &'a Catalogue,
        carrier: &Carrier,
    ) -> impl Iterator<Item = &'a Url> + use<'a> {
        let listed = catalogue.urls(carrier).iter().filter(move |url| {
            let is_withheld = withheld & 1 == 1;
            withheld >>= 1;
            !is_withheld && self.takes(url.protocol)
        });
        listed.take(self.most_per_host)
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
