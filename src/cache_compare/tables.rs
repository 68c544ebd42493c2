//! The differences of the small tables.

use std::collections::{BTreeMap, BTreeSet};

use super::compared::{ComparedCache, ComparedCaches};
use super::read::CacheTables;
use super::report::{Examples, TableDifferences, listed, shown};
use super::values::{ComparedHost, HostAttributes};

/// Compares all tables but the file details and the directories.
pub(super) fn compare(compared: &ComparedCaches<'_>) -> Vec<TableDifferences> {
    let texts = |name, table: fn(&CacheTables) -> &BTreeMap<String, String>| {
        compared.values(
            name,
            compared.tables().map(table),
            |key| shown(key),
            |value| shown(value),
        )
    };
    let disabled = compared.tables().map(|tables| tables.disabled_repositories.iter());
    let hosts = compared.caches.each_ref().map(|cache| cache.hosts.values().copied());
    vec![
        texts("netblock countries", |tables| &tables.netblock_countries),
        urls(compared),
        compared.presence("disabled repositories", disabled, |prefix| {
            format!("{} is disabled", shown(prefix))
        }),
        texts("continent redirects", |tables| &tables.continent_redirects),
        texts("repository redirects", |tables| &tables.repository_redirects),
        texts("repositories", |tables| &tables.repositories),
        compared.presence("hosts", hosts, |host| compared.name(*host).to_owned()),
        compared.members("AS hosts", |host| &host.as_numbers, |asn| format!("AS {asn}")),
        compared.attribute("bandwidths", |host| host.bandwidth, |mbits| format!("{mbits} Mbit/s")),
        compared.attribute(
            "countries of hosts",
            |host| host.country.clone(),
            |country| shown(country),
        ),
        compared.attribute(
            "coordinates of hosts",
            |host| host.coordinates,
            |[latitude, longitude]| format!("({latitude}, {longitude}) / 100000 degrees"),
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
    let urls = compared.tables().map(|tables| tables.urls.values());
    compared.presence("URLs", urls, |url| match owners.get(&***url) {
        Some(owner) => format!("{} of {}", shown(url), compared.name(*owner)),
        None => format!("{} (of no host)", shown(url)),
    })
}

impl ComparedCaches<'_> {
    /// Compares two tables. `entry` puts an entry of one of them in words, `difference` one of both.
    pub(super) fn differences<K: Ord, V: PartialEq>(
        &self,
        name: &'static str,
        [a, b]: [&BTreeMap<K, V>; 2],
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
                    different.add(self.examples, || difference(key, in_a, in_b));
                }
                None => {
                    found.only_in_a += 1;
                    only_in_a.add(self.examples, || format!("{} only in A", entry(key, in_a)));
                }
            }
        }
        for (key, in_b) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
            found.only_in_b += 1;
            only_in_b.add(self.examples, || format!("{} only in B", entry(key, in_b)));
        }
        found
    }

    /// Compares two tables of a value for each key.
    fn values<K: Ord, V: PartialEq>(
        &self,
        name: &'static str,
        tables: [&BTreeMap<K, V>; 2],
        key: impl Fn(&K) -> String,
        shown: impl Fn(&V) -> String,
    ) -> TableDifferences {
        self.differences(
            name,
            tables,
            |of, value| format!("{}: {}", key(of), shown(value)),
            |of, a, b| format!("{}: {} in A, {} in B", key(of), shown(a), shown(b)),
        )
    }

    /// Compares two sets of keys.
    fn presence<K: Ord>(
        &self,
        name: &'static str,
        keys: [impl Iterator<Item = K>; 2],
        shown: impl Fn(&K) -> String,
    ) -> TableDifferences {
        let [a, b] = keys.map(|keys| keys.map(|key| (key, ())).collect());
        self.differences(name, [&a, &b], |key, ()| shown(key), |key, (), ()| shown(key))
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
                .collect()
        });
        self.values(name, [&a, &b], |host| self.name(*host).to_owned(), shown)
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
        self.differences(
            name,
            [&a, &b],
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
