//! The differences of the small tables.

use std::collections::{BTreeMap, BTreeSet};

use super::compared::{ComparedCache, ComparedCaches};
use super::report::{Examples, TableDifferences, listed, shown};
use super::values::{ComparedHost, HostAttributes};

/// Compares two tables. `entry` puts an entry of one of them in words, `difference` one of both.
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
pub(super) fn compare(compared: &ComparedCaches<'_>) -> Vec<TableDifferences> {
    let [a, b] = compared.tables();
    let texts = |name, tables: [&BTreeMap<String, String>; 2]| {
        differences(
            name,
            tables,
            compared.examples,
            |key, value| format!("{}: {}", shown(key), shown(value)),
            |key, a, b| format!("{}: {} in A, {} in B", shown(key), shown(a), shown(b)),
        )
    };
    let disabled = [a, b].map(|tables| tables.disabled_repositories.keys().collect());
    vec![
        texts("netblock countries", [&a.netblock_countries, &b.netblock_countries]),
        urls(compared),
        compared.presence("disabled repositories", disabled, |prefix| {
            format!("{} is disabled", shown(prefix))
        }),
        texts("continent redirects", [&a.continent_redirects, &b.continent_redirects]),
        texts(
            "repository redirects",
            [&a.repository_redirects, &b.repository_redirects],
        ),
        texts("repositories", [&a.repositories, &b.repositories]),
        compared.hosts(),
        compared.members("AS hosts", |host| &host.as_numbers, |asn| format!("AS {asn}")),
        compared.attribute("bandwidths", |host| host.bandwidth, |mbits| format!("{mbits} Mbit/s")),
        compared.attribute(
            "countries of hosts",
            |host| host.country.clone(),
            |country| shown(country),
        ),
        compared.attribute(
            "allowed countries",
            |host| Some(host.allowed_countries.clone()).filter(|countries| !countries.is_empty()),
            |countries| listed(countries.iter().map(|country| shown(country))),
        ),
        compared.members("host netblocks", |host| &host.netblocks, |network| shown(network)),
    ]
}

/// Compares the texts of URLs, whatever their ids.
fn urls(compared: &ComparedCaches<'_>) -> TableDifferences {
    let owners = compared.url_owners();
    let urls = compared
        .tables()
        .map(|tables| tables.urls.values().map(|url| &**url).collect());
    compared.presence("URLs", urls, |url: &&str| match owners.get(url) {
        Some(owner) => format!("{} of {}", shown(url), compared.name(*owner)),
        None => format!("{} (of no host)", shown(url)),
    })
}

impl ComparedCaches<'_> {
    /// Compares two sets of keys.
    fn presence<K: Ord>(
        &self,
        name: &'static str,
        keys: [BTreeSet<K>; 2],
        shown: impl Fn(&K) -> String,
    ) -> TableDifferences {
        let [a, b] = keys.map(|keys| keys.into_iter().map(|key| (key, ())).collect());
        differences(
            name,
            [&a, &b],
            self.examples,
            |key, ()| shown(key),
            |key, (), ()| shown(key),
        )
    }

    /// Compares which hosts the caches know at all.
    fn hosts(&self) -> TableDifferences {
        let hosts = self
            .caches
            .each_ref()
            .map(|cache| cache.hosts.values().copied().collect());
        self.presence("hosts", hosts, |host| self.name(*host).to_owned())
    }

    /// Compares an attribute that hosts have or not.
    fn attribute<V: PartialEq>(
        &self,
        name: &'static str,
        attribute: impl Fn(&HostAttributes) -> Option<V>,
        shown: impl Fn(&V) -> String,
    ) -> TableDifferences {
        let [a, b] = self.caches.each_ref().map(|cache| {
            let hosts = cache.attributes();
            hosts
                .filter_map(|(host, attributes)| Some((host, attribute(attributes)?)))
                .collect::<BTreeMap<ComparedHost, V>>()
        });
        differences(
            name,
            [&a, &b],
            self.examples,
            |host, value| format!("{}: {}", self.name(*host), shown(value)),
            |host, a, b| format!("{}: {} in A, {} in B", self.name(*host), shown(a), shown(b)),
        )
    }

    /// Compares lists of hosts: a difference names the hosts that only one of two lists has.
    fn members<K: Ord + Clone>(
        &self,
        name: &'static str,
        keys: impl Fn(&HostAttributes) -> &BTreeSet<K>,
        shown: impl Fn(&K) -> String,
    ) -> TableDifferences {
        let [a, b] = self.caches.each_ref().map(|cache| {
            let mut lists = BTreeMap::<K, BTreeSet<ComparedHost>>::new();
            for (host, attributes) in cache.attributes() {
                for key in keys(attributes) {
                    lists.entry(key.clone()).or_default().insert(host);
                }
            }
            lists
        });
        let names =
            |hosts: &mut dyn Iterator<Item = &ComparedHost>| listed(hosts.map(|host| self.name(*host).to_owned()));
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
}

impl ComparedCache<'_> {
    /// The hosts that have attributes.
    fn attributes(&self) -> impl Iterator<Item = (ComparedHost, &HostAttributes)> {
        let hosts = self.tables.hosts.iter();
        hosts.filter_map(|(id, attributes)| Some((*self.hosts.get(id)?, attributes)))
    }
}
