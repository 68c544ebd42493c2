//! The cut of an answer to a number of hosts.

use super::rank::RankedHost;
use super::select::Observer;
use crate::mirrorlist::Endpoint;

/// A metalink's list is never cut to fewer hosts than this: a client takes the next one when a mirror fails.
const FEWEST_IN_METALINK: usize = 5;

/// Keeps the first hosts of a sorted list, so many that have a URL in the answer, and reports the others.
pub(super) fn limit(
    hosts: &mut Vec<RankedHost>,
    maximum: usize,
    endpoint: Endpoint,
    has_url: impl Fn(RankedHost) -> bool,
    observer: &mut impl Observer,
) {
    let maximum = match endpoint {
        Endpoint::Metalink => maximum.max(FEWEST_IN_METALINK),
        Endpoint::Mirrorlist => maximum,
    };
    let mut left = maximum;
    let end = hosts.iter().position(|host| {
        let is_listed = has_url(*host);
        let is_beyond = is_listed && left == 0;
        left -= usize::from(is_listed && left > 0);
        is_beyond
    });
    let Some(end) = end else { return };
    for host in hosts.drain(end..) {
        observer.beyond_maximum(host.carrier());
    }
}
