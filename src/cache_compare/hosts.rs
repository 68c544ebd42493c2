//! Which host of one cache is which of the other, and what it is called. A cache has ids of hosts but no names: a host is called by
//! the host names of its URLs.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;

use super::compared::{ComparedHost, UrlText};
use super::read::HostAttributes;
use super::report::shown;
use crate::index_table::IndexTable;

/// The hosts of two caches, those that are the same in both under one index.
pub(super) struct HostPairs {
    /// In words, like `mirror.example.org (host 12, DE)`.
    pub(super) names: IndexTable<ComparedHost, String>,
    /// By id, for each cache.
    pub(super) hosts: [HashMap<i64, ComparedHost>; 2],
}

impl HostPairs {
    pub(super) fn new([a, b]: &[Vec<HostFacts<'_>>; 2]) -> Self {
        let pairs = pairs(a, b);
        let names: Vec<String> = pairs.iter().map(|pair| name(*pair)).collect();
        let names = IndexTable::from(names);
        let [mut hosts_a, mut hosts_b] = [HashMap::new(), HashMap::new()];
        for (host, [a, b]) in names.indexes().zip(pairs) {
            hosts_a.extend(a.map(|a| (a.id, host)));
            hosts_b.extend(b.map(|b| (b.id, host)));
        }
        Self {
            names,
            hosts: [hosts_a, hosts_b],
        }
    }
}

/// What tells a host from others.
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
    let authority = rest
        .split_once(['/', '?', '#'])
        .map_or(rest, |(authority, _)| authority);
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

/// A host of A and of B that are the same, or a host of one of them.
type Pair<'a, 'b> = [Option<&'b HostFacts<'a>>; 2];

/// What two hosts have in common that are one: digests of it.
type Rule = fn(&HostFacts<'_>) -> Vec<u64>;

/// What makes hosts of two caches the same one, whatever their ids, the strongest reason first.
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

/// What makes hosts the same one in caches that give the same hosts the same ids.
const BY_ID: [Rule; 2] = [
    |host| vec![digest((9, host.id, &host.attributes))],
    |host| match host.urls.is_empty() {
        true => vec![digest((10, host.id))],
        false => Vec::new(),
    },
];

/// A digest, for hosts that have a URL.
fn when(host: &HostFacts<'_>, digest: u64) -> Vec<u64> {
    match host.urls.is_empty() {
        true => Vec::new(),
        false => vec![digest],
    }
}

fn digest(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}

/// Finds the hosts that two caches have in common; those of only one stand alone.
fn pairs<'a, 'b>(a: &'b [HostFacts<'a>], b: &'b [HostFacts<'a>]) -> Vec<Pair<'a, 'b>> {
    let (mut pairs, mut open_a, mut open_b) = (Vec::new(), a.iter().collect(), b.iter().collect());
    for rule in BY_NAME {
        pair_by(rule, &mut open_a, &mut open_b, &mut pairs);
    }
    let same_id = pairs.iter().filter(|pair| match pair {
        [Some(a), Some(b)] => a.id == b.id,
        _ => false,
    });
    if same_id.count() * 2 >= pairs.len() {
        for rule in BY_ID {
            pair_by(rule, &mut open_a, &mut open_b, &mut pairs);
        }
    }
    pairs.extend(open_a.into_iter().map(|host| [Some(host), None]));
    pairs.extend(open_b.into_iter().map(|host| [None, Some(host)]));
    pairs.sort_by_key(|[a, b]| a.or(*b).map(|host| host.id));
    pairs
}

/// Pairs the hosts that have something in common by a rule; they are open no longer.
fn pair_by<'a, 'b>(
    rule: Rule,
    open_a: &mut Vec<&'b HostFacts<'a>>,
    open_b: &mut Vec<&'b HostFacts<'a>>,
    pairs: &mut Vec<Pair<'a, 'b>>,
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
                    pairs.push([Some(a), Some(b)]);
                    return false;
                }
            }
        }
        true
    });
    open_b.retain(|host| !taken.contains(&host.id));
}

/// A host in words.
fn name(pair: Pair<'_, '_>) -> String {
    const MOST: usize = 2;
    let known = || pair.iter().flatten();
    let [a, b] = pair;
    let is_new = |name: &&&str| !a.is_some_and(|a| a.names.contains(*name));
    let of_a = a.into_iter().flat_map(|host| &host.names);
    let of_b = b.into_iter().flat_map(|host| host.names.iter().filter(is_new));
    let names: Vec<&str> = of_a.chain(of_b).copied().collect();
    let mut text = match names.get(..MOST).unwrap_or(&names) {
        [] => "a host without URLs".to_owned(),
        some => shown(&some.join(" / ")),
    };
    if names.len() > MOST {
        text.push_str(" / ...");
    }
    let ids = match pair {
        [Some(a), Some(b)] if a.id != b.id => format!("host {} in A, {} in B", a.id, b.id),
        _ => known()
            .next()
            .map(|host| format!("host {}", host.id))
            .unwrap_or_default(),
    };
    match known().find_map(|host| host.attributes.country.as_deref()) {
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
