//! What bounds the list of a request: its protocols and numbers of hosts, from the query, the settings and the operators' rules. A
//! rule replaces a setting.

use std::num::NonZeroUsize;

use super::MirrorRequest;
use super::rules::AppliedRules;
use crate::mirrorlist::Endpoint;
use crate::mirrorlist::protocols::ProtocolFilter;

/// What bounds the list of a request.
pub(super) struct Bounds {
    /// Whether the answer is a redirect.
    pub(super) is_redirect: bool,
    /// Which URLs count as usable.
    pub(super) usable: ProtocolFilter,
    /// Which URLs the answer lists: of the usable ones, for a redirect, those of the web.
    pub(super) listed: ProtocolFilter,
    /// When fewer usable hosts than this are in the nearer tiers, the global tier is added.
    pub(super) minimum: usize,
    /// At most so many hosts are listed; `None`: all that are chosen. A redirect has none, since its one host is the first.
    pub(super) maximum: Option<NonZeroUsize>,
}

impl Bounds {
    pub(super) fn new(request: &MirrorRequest<'_>, rules: Option<&AppliedRules<'_>>) -> Self {
        let &MirrorRequest {
            endpoint,
            query,
            settings,
            ..
        } = request;
        let is_redirect = endpoint == Endpoint::Mirrorlist && query.redirect;
        let asked = ProtocolFilter::new(query.protocol.as_deref(), endpoint);
        let allowed = rules.and_then(AppliedRules::protocols);
        let usable = allowed.map_or(asked, |allowed| asked.ruled(allowed));
        let maximum = rules.and_then(AppliedRules::maximum).or(settings.maximum);
        Self {
            is_redirect,
            usable,
            listed: if is_redirect { usable.for_redirects() } else { usable },
            minimum: rules.map_or(settings.minimum, |rules| rules.minimum(settings.minimum)),
            maximum: maximum.filter(|_| !is_redirect),
        }
    }
}
