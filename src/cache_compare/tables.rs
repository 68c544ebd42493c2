//! The differences of the small tables.

use std::collections::{BTreeMap, BTreeSet};

use super::carried::Resolved;
use super::hosts::{AllUrls, ComparedHost, HostNames};
use super::read::{CacheTables, HostAttributes};
use super::report::{Examples, TableDifferences, listed, shown};

/// Compares two tables: `entry` puts an entry of only one of them in words, `difference` one of both.
pub(super) fn differences<K: Ord, V: PartialEq>(
    name: &'static str,
    [a, b]: [&BTreeMap<K, V>; 2],
    most_examples: usize,
    entry: impl Fn(&K, &V) -> String,
    difference: impl Fn(&K, &V, &V) -> String,
) -> TableDifferences {
    let mut found = TableDifferences {
        name,
        ..TableDifferences::default()
    };
    let [only_in_a, only_in_b, different]: &mut [Examples; 3] = &mut found.examples;
    for (key, in_a) in a {
        match b.get(key) {
            Some(in_b) if in_a == in_b => found.same += 1,
            Some(in_b) => {
                found.different += 1;
                different.add(most_examples, || difference(key, in_a, in_b));
            }
            None => {
                found.only_in_a += 1;
                only_in_a.add(most_examples, || format!("{} only in A", entry(key, in_a)));
            }
        }
    }
    for (key, in_b) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
        found.only_in_b += 1;
        only_in_b.add(most_examples, || format!("{} only in B", entry(key, in_b)));
    }
    found
}

/// Compares all tables but the file details and the directories.
pub(super) fn compare(
    caches: &[CacheTables; 2],
    hosts: &HostNames,
    texts: &AllUrls<'_>,
    resolved: &Resolved,
    examples: usize,
) -> Vec<TableDifferences> {
    let [a, b] = caches;
    let texts_of = |name, tables: [&BTreeMap<String, String>; 2]| {
        differences(
            name,
            tables,
            examples,
            |key, value| format!("{}: {}", shown(key), shown(value)),
            |key, a, b| format!("{}: {} in A, {} in B", shown(key), shown(a), shown(b)),
        )
    };
    let by_host = HostTables {
        caches,
        hosts,
        examples,
    };
    vec![
        texts_of("netblock countries", [&a.netblock_countries, &b.netblock_countries]),
        url_differences(caches, hosts, texts, resolved, examples),
        differences(
            "disabled repositories",
            [&a.disabled_repositories, &b.disabled_repositories],
            examples,
            |prefix, ()| format!("{} is disabled", shown(prefix)),
            |prefix, (), ()| shown(prefix),
        ),
        texts_of("continent redirects", [&a.continent_redirects, &b.continent_redirects]),
        texts_of(
            "repository redirects",
            [&a.repository_redirects, &b.repository_redirects],
        ),
        texts_of("repositories", [&a.repositories, &b.repositories]),
        by_host.presence(),
        by_host.members("AS hosts", |host| &host.as_numbers, |asn| format!("AS {asn}")),
        by_host.attribute("bandwidths", |host| host.bandwidth, |mbits| format!("{mbits} Mbit/s")),
        by_host.attribute(
            "countries of hosts",
            |host| host.country.clone(),
            |country| shown(country),
        ),
        by_host.attribute(
            "allowed countries",
            |host| Some(host.allowed_countries.clone()).filter(|countries| !countries.is_empty()),
            |countries| listed(countries.iter().map(|country| shown(country))),
        ),
        by_host.members("host netblocks", |host| &host.netblocks, |network| shown(network)),
    ]
}

/// Compares the texts of URLs, whatever their ids.
fn url_differences(
    caches: &[CacheTables; 2],
    hosts: &HostNames,
    texts: &AllUrls<'_>,
    resolved: &Resolved,
    examples: usize,
) -> TableDifferences {
    let owners = resolved.url_owners(hosts);
    let [a, b] = caches.each_ref().map(|cache| {
        cache
            .urls
            .values()
            .map(|url| (&**url, ()))
            .collect::<BTreeMap<&str, ()>>()
    });
    let url = |url: &&str| {
        let owner = texts.number(url).and_then(|number| owners.get(&number));
        match owner {
            Some(owner) => format!("{} of {}", shown(url), hosts.name(*owner)),
            None => format!("{} (of no host)", shown(url)),
        }
    };
    differences("URLs", [&a, &b], examples, |key, ()| url(key), |key, (), ()| url(key))
}

/// Compares what the caches say of hosts.
struct HostTables<'a> {
    caches: &'a [CacheTables; 2],
    hosts: &'a HostNames,
    examples: usize,
}

impl HostTables<'_> {
    /// The hosts that a cache knows at all.
    fn presence(&self) -> TableDifferences {
        let [a, b] = [0, 1].map(|side| self.hosts.all(side).map(|host| (host, ())).collect::<BTreeMap<_, ()>>());
        let name = |host: &ComparedHost| self.hosts.name(*host).to_owned();
        differences(
            "hosts",
            [&a, &b],
            self.examples,
            |host, ()| name(host),
            |host, (), ()| name(host),
        )
    }

    /// An attribute that hosts have or not.
    fn attribute<V: PartialEq>(
        &self,
        name: &'static str,
        attribute: impl Fn(&HostAttributes) -> Option<V>,
        shown: impl Fn(&V) -> String,
    ) -> TableDifferences {
        let [a, b] = [0, 1].map(|side| {
            let hosts = self.of(side);
            hosts
                .filter_map(|(host, attributes)| Some((host, attribute(attributes)?)))
                .collect::<BTreeMap<ComparedHost, V>>()
        });
        let host = |host: &ComparedHost| self.hosts.name(*host);
        differences(
            name,
            [&a, &b],
            self.examples,
            |key, value| format!("{}: {}", host(key), shown(value)),
            |key, a, b| format!("{}: {} in A, {} in B", host(key), shown(a), shown(b)),
        )
    }

    /// A table of lists of hosts: a difference names the hosts that only one of two lists has.
    fn members<K: Ord + Clone>(
        &self,
        name: &'static str,
        keys: impl Fn(&HostAttributes) -> &BTreeSet<K>,
        shown: impl Fn(&K) -> String,
    ) -> TableDifferences {
        let [a, b] = [0, 1].map(|side| {
            let mut lists = BTreeMap::<K, BTreeSet<ComparedHost>>::new();
            for (host, attributes) in self.of(side) {
                for key in keys(attributes) {
                    lists.entry(key.clone()).or_default().insert(host);
                }
            }
            lists
        });
        let names = |hosts: &mut dyn Iterator<Item = &ComparedHost>| {
            listed(hosts.map(|host| self.hosts.name(*host).to_owned()))
        };
        differences(
            name,
            [&a, &b],
            self.examples,
            |key, hosts| format!("{}: {}", shown(key), names(&mut hosts.iter())),
            |key, a, b| {
                let mut parts = Vec::new();
                for (hosts, others, side) in [(a, b, "A"), (b, a, "B")] {
                    if !hosts.is_subset(others) {
                        parts.push(format!("{} only in {side}", names(&mut hosts.difference(others))));
                    }
                }
                format!("{}: {}", shown(key), parts.join("; "))
            },
        )
    }

    /// The hosts of a cache that have attributes.
    fn of(&self, side: usize) -> impl Iterator<Item = (ComparedHost, &HostAttributes)> {
        let cache = self.caches.get(side);
        let hosts = cache.into_iter().flat_map(|cache| &cache.hosts);
        hosts.filter_map(move |(id, attributes)| Some((self.hosts.find(side, *id)?, attributes)))
    }
}
