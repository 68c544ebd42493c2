//! Pairs the hosts of two caches, and names them. A cache has ids of hosts but no names: a host is called by
//! the host names of its URLs.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

use super::report::shown;
use super::values::{ComparedHost, HostAttributes, UrlText};
use crate::index_table::IndexTable;

/// Finds which host of one cache is which of the other. Gives the names of all, like `mirror.example.org (host 12, DE)`, and the hosts
/// of each cache by id; those that are the same in both have one index.
pub(super) fn pair_hosts(
    [a, b]: &[Vec<HostFacts<'_>>; 2],
) -> (IndexTable<ComparedHost, String>, [HashMap<i64, ComparedHost>; 2]) {
    let pairs = pairs(a, b);
    let names: Vec<String> = pairs.iter().map(|pair| name(*pair)).collect();
    let names = IndexTable::from(names);
    let [mut hosts_a, mut hosts_b] = [HashMap::new(), HashMap::new()];
    for (host, pair) in names.indexes().zip(pairs) {
        match pair {
            HostPair::Both(a, b) => {
                hosts_a.insert(a.id, host);
                hosts_b.insert(b.id, host);
            }
            HostPair::OnlyInA(a) => _ = hosts_a.insert(a.id, host),
            HostPair::OnlyInB(b) => _ = hosts_b.insert(b.id, host),
        }
    }
    (names, [hosts_a, hosts_b])
}

/// The facts that tell a host from others.
#[derive(Default)]
pub(super) struct HostFacts<'a> {
    pub(super) id: i64,
    pub(super) attributes: HostAttributes,
    pub(super) urls: BTreeSet<UrlText>,
    /// The host names in the URLs.
    pub(super) names: BTreeSet<&'a str>,
    /// A digest of the directories that list it, and of how they do.
    pub(super) directories: u64,
}

/// The host name in a URL, or all of a URL that has none.
pub(super) fn host_name(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, _) = rest.split_once(['/', '?', '#']).unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    match name {
        "" => url,
        name => name,
    }
}

/// A host of both caches or of one.
#[derive(Clone, Copy)]
enum HostPair<'a, 'b> {
    Both(&'b HostFacts<'a>, &'b HostFacts<'a>),
    OnlyInA(&'b HostFacts<'a>),
    OnlyInB(&'b HostFacts<'a>),
}

impl<'a, 'b> HostPair<'a, 'b> {
    /// The host, as A has it if it does, and as B has it if both do.
    fn facts(self) -> (&'b HostFacts<'a>, Option<&'b HostFacts<'a>>) {
        match self {
            Self::Both(host, other) => (host, Some(other)),
            Self::OnlyInA(host) | Self::OnlyInB(host) => (host, None),
        }
    }
}

/// Digests of a host; two hosts are the same one if they have one in common.
type Rule = fn(&HostFacts<'_>) -> Vec<u64>;

/// The rules that find a host of one cache in the other whatever its id, the strongest first.
const BY_NAME: [Rule; 9] = [
    |host| vec![digest((&host.urls, &host.attributes, host.directories))],
    |host| when(host, digest((1, &host.urls, &host.attributes))),
    |host| when(host, digest((2, &host.urls, host.id))),
    |host| when(host, digest((3, &host.urls))),
    |host| when(host, digest((4, &host.names, host.id))),
    |host| when(host, digest((5, &host.names, &host.attributes.country))),
    |host| when(host, digest((6, &host.names))),
    |host| host.urls.iter().map(|url| digest((7, url))).collect(),
    |host| host.names.iter().map(|name| digest((8, name))).collect(),
];

/// The rules for caches that give the same hosts the same ids.
const BY_ID: [Rule; 2] = [
    |host| vec![digest((9, host.id, &host.attributes))],
    |host| Vec::from_iter(host.urls.is_empty().then(|| digest((10, host.id)))),
];

/// A digest, for hosts that have a URL.
fn when(host: &HostFacts<'_>, digest: u64) -> Vec<u64> {
    Vec::from_iter((!host.urls.is_empty()).then_some(digest))
}

fn digest(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}

/// Finds the hosts that two caches have in common; those of only one stand alone.
fn pairs<'a, 'b>(a: &'b [HostFacts<'a>], b: &'b [HostFacts<'a>]) -> Vec<HostPair<'a, 'b>> {
    let (mut pairs, mut open_a, mut open_b) = (Vec::new(), a.iter().collect(), b.iter().collect());
    for rule in BY_NAME {
        pair_by(rule, &mut open_a, &mut open_b, &mut pairs);
    }
    let has_one_id = |pair: &&HostPair<'_, '_>| matches!(pair, HostPair::Both(a, b) if a.id == b.id);
    if pairs.iter().filter(has_one_id).count() * 2 >= pairs.len() {
        for rule in BY_ID {
            pair_by(rule, &mut open_a, &mut open_b, &mut pairs);
        }
    }
    pairs.extend(open_a.into_iter().map(HostPair::OnlyInA));
    pairs.extend(open_b.into_iter().map(HostPair::OnlyInB));
    pairs.sort_by_key(|pair| pair.facts().0.id);
    pairs
}

/// Pairs the hosts that have something in common by a rule; they are open no longer.
fn pair_by<'a, 'b>(
    rule: Rule,
    open_a: &mut Vec<&'b HostFacts<'a>>,
    open_b: &mut Vec<&'b HostFacts<'a>>,
    pairs: &mut Vec<HostPair<'a, 'b>>,
) {
    let mut candidates = HashMap::<u64, VecDeque<&HostFacts<'_>>>::new();
    for host in open_b.iter().copied() {
        for key in rule(host) {
            candidates.entry(key).or_default().push_back(host);
        }
    }
    let mut taken = BTreeSet::new();
    open_a.retain(|a| {
        for key in rule(a) {
            while let Some(b) = candidates.get_mut(&key).and_then(VecDeque::pop_front) {
                if taken.insert(b.id) {
                    pairs.push(HostPair::Both(a, b));
                    return false;
                }
            }
        }
        true
    });
    open_b.retain(|host| !taken.contains(&host.id));
}

/// A host in words.
fn name(pair: HostPair<'_, '_>) -> String {
    const MOST: usize = 2;
    let (host, other) = pair.facts();
    let new_names = other.into_iter().flat_map(|other| other.names.difference(&host.names));
    let names: Vec<&str> = host.names.iter().chain(new_names).copied().collect();
    let mut text = match names.get(..MOST).unwrap_or(&names) {
        [] => "a host without URLs".to_owned(),
        some => shown(&some.join(" / ")),
    };
    if names.len() > MOST {
        text.push_str(" / ...");
    }
    let ids = match other {
        Some(other) if other.id != host.id => format!("host {} in A, {} in B", host.id, other.id),
        _ => format!("host {}", host.id),
    };
    let of_other = || other.and_then(|other| other.attributes.country.as_deref());
    match host.attributes.country.as_deref().or_else(of_other) {
        Some(country) => format!("{text} ({ids}, {})", shown(country)),
        None => format!("{text} ({ids})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_s_host_name_is_found() {
        for (url, name) in [
            ("https://mirror.example.org/pub/linux", "mirror.example.org"),
            ("http://user:secret@mirror.example.org:8080", "mirror.example.org"),
            ("https://[2001:db8::1]:8443/x", "[2001:db8::1]"),
            ("https://[2001:db8::1]/x", "[2001:db8::1]"),
            ("rsync://mirror.example.org?x", "mirror.example.org"),
            ("nonsense", "nonsense"),
            ("https://", "https://"),
        ] {
            assert_eq!(host_name(url), name, "{url}");
        }
    }
}
