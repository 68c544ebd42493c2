//! The hosts that rules name, found in a cache: by MirrorManager2's id, or by the name in any of a host's URLs.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::carriers::CarrierIndex;
use super::super::catalogue::Catalogue;
use super::super::hosts::HostIndex;
use crate::rules::values::HostRef;

/// The hosts of a cache by id and name, and the carriers of each.
pub(super) struct HostsByRef {
    hosts: HashMap<HostRef, Vec<HostIndex>, FixedState>,
    carriers: HashMap<HostIndex, Vec<CarrierIndex>, FixedState>,
}

impl HostsByRef {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let mut hosts = HashMap::<HostRef, Vec<HostIndex>, FixedState>::default();
        let mut carriers = HashMap::<_, Vec<_>, _>::default();
        for (index, host) in catalogue.hosts() {
            hosts.insert(HostRef::Id(host.id), vec![index]);
        }
        for (index, carrier) in catalogue.carriers.iter() {
            carriers.entry(carrier.host).or_default().push(index);
            for url in catalogue.urls(carrier) {
                let name = HostRef::Name(name_in(catalogue.base_url(url)).to_ascii_lowercase().into());
                let named = hosts.entry(name).or_default();
                if named.last() != Some(&carrier.host) {
                    named.push(carrier.host);
                }
            }
        }
        for named in hosts.values_mut() {
            named.sort_unstable();
            named.dedup();
        }
        Self { hosts, carriers }
    }

    /// The hosts with an id or a name; none if the cache has no such host.
    pub(super) fn find(&self, host: &HostRef) -> &[HostIndex] {
        self.hosts.get(host).map_or(&[], |hosts| hosts)
    }

    /// The carriers of a host.
    pub(super) fn carriers(&self, host: HostIndex) -> &[CarrierIndex] {
        self.carriers.get(&host).map_or(&[], |carriers| carriers)
    }

    /// The carriers of some hosts, and those among them that the cache does not have.
    pub(super) fn carriers_of<'r>(&self, hosts: &'r [HostRef]) -> (Vec<CarrierIndex>, Vec<&'r HostRef>) {
        let found = hosts.iter().flat_map(|host| self.find(host));
        let carriers = found.flat_map(|host| self.carriers(*host)).copied().collect();
        let unknown = hosts.iter().filter(|host| self.find(host).is_empty());
        (carriers, unknown.collect())
    }
}

/// The host's name in a URL, without user, port and the brackets of an IPv6 address.
fn name_in(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_neither_scheme_nor_user_nor_port_nor_path() {
        for (url, name) in [
            ("https://mirror.example/pub", "mirror.example"),
            ("http://a.example:8080", "a.example"),
            ("rsync://user@a.example/module", "a.example"),
            ("https://[2001:db8::1]:8443/pub", "2001:db8::1"),
        ] {
            assert_eq!(name_in(url), name, "{url}");
        }
    }
}
