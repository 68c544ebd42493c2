//! The setting `maximum`: how many hosts an answer lists at most.

use std::num::NonZeroUsize;

use super::rank::RankedHost;
use crate::mirrorlist::Endpoint;

/// A metalink lists at least so many hosts, since librepo goes on to its next URL when a mirror fails.
const LEAST_OF_A_METALINK: usize = 5;

/// Takes the hosts beyond the maximum off a list that is in order, and returns them. Hosts without a URL that the answer lists do not
/// count.
pub(super) fn cut_off(
    hosts: &mut Vec<RankedHost>,
    maximum: NonZeroUsize,
    endpoint: Endpoint,
    is_listed: impl Fn(RankedHost) -> bool,
) -> Vec<RankedHost> {
    let most = match endpoint {
        Endpoint::Mirrorlist => maximum.get(),
        Endpoint::Metalink => maximum.get().max(LEAST_OF_A_METALINK),
    };
    let listed = hosts.iter().enumerate().filter(|(_, host)| is_listed(**host));
    match listed.map(|(place, _)| place).nth(most) {
        Some(place) => hosts.split_off(place),
        None => Vec::new(),
    }
}
