//! Two caches with their ids resolved: URLs to texts, hosts to names. Equal values of both caches have the same index.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::directories::{CacheCarrier, LastList, Listing, UrlIdSet};
use super::distinct::DistinctTable;
use super::hosts::{HostFacts, host_name, pair_hosts};
use super::read::CacheTables;
use super::values::{ComparedHost, HostListing, UrlSet, UrlText};
use crate::index_table::IndexTable;

/// A host that carries directories of one cache or of both. Carriers of one host stand together in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ComparedCarrier<H = ComparedHost> {
    pub(super) host: H,
    pub(super) urls: UrlSet,
    pub(super) listing: HostListing,
}

/// The carriers of a cache, by their index there; `None` for one without a URL that HCUrlCache has: servers take its host for one that does
/// not carry the directory.
pub(super) type Carriers<H = ComparedHost> = IndexTable<CacheCarrier, Option<ComparedCarrier<H>>>;

/// One of two caches that are compared.
pub(super) struct ComparedCache<'a> {
    pub(super) tables: &'a CacheTables,
    /// By id.
    pub(super) hosts: HashMap<i64, ComparedHost>,
    pub(super) carriers: Carriers,
}

/// Two caches that are compared.
pub(super) struct ComparedCaches<'a> {
    pub(super) caches: [ComparedCache<'a>; 2],
    /// The texts of all URLs of both caches.
    pub(super) texts: DistinctTable<UrlText, &'a str>,
    /// In ascending order.
    pub(super) url_sets: UrlSets,
    pub(super) listings: DistinctTable<HostListing, Listing>,
    names: IndexTable<ComparedHost, String>,
    /// So many examples are kept of each kind of difference in each table.
    pub(super) examples: usize,
}

type UrlSets = DistinctTable<UrlSet, Box<[UrlText]>>;

impl<'a> ComparedCaches<'a> {
    pub(super) fn new(caches: &'a [CacheTables; 2], examples: usize) -> Self {
        let mut texts = DistinctTable::default();
        for url in caches.iter().flat_map(|cache| cache.urls.values()) {
            texts.insert(&**url);
        }
        let (mut url_sets, mut listings) = (DistinctTable::default(), DistinctTable::default());
        let carriers = caches
            .each_ref()
            .map(|tables| resolve(tables, &texts, &mut url_sets, &mut listings));
        let ([a, b], [carriers_a, carriers_b]) = (caches, carriers);
        let facts =
            [(a, &carriers_a), (b, &carriers_b)].map(|(tables, carriers)| facts(tables, carriers, &texts, &url_sets));
        let (names, [hosts_a, hosts_b]) = pair_hosts(&facts);
        Self {
            caches: [
                ComparedCache::new(a, hosts_a, &carriers_a),
                ComparedCache::new(b, hosts_b, &carriers_b),
            ],
            texts,
            url_sets,
            listings,
            names,
            examples,
        }
    }

    /// The tables of both caches.
    pub(super) fn tables(&self) -> [&'a CacheTables; 2] {
        self.caches.each_ref().map(|cache| cache.tables)
    }

    /// A host in words, like `mirror.example.org (host 12, DE)`.
    pub(super) fn name(&self, host: ComparedHost) -> &str {
        self.names.at(host)
    }

    /// A host for each URL that one has.
    pub(super) fn url_owners(&self) -> HashMap<&'a str, ComparedHost> {
        let carriers = self.caches.iter().flat_map(|cache| cache.carriers.rows()).flatten();
        let urls = carriers.flat_map(|carrier| {
            let urls = self.url_sets.at(carrier.urls).iter();
            urls.map(|url| (*self.texts.at(*url), carrier.host))
        });
        urls.collect()
    }
}

impl<'a> ComparedCache<'a> {
    fn new(tables: &'a CacheTables, hosts: HashMap<i64, ComparedHost>, carriers: &Carriers<i64>) -> Self {
        let compared = |carrier: &Option<ComparedCarrier<i64>>| {
            let ComparedCarrier { host, urls, listing } = (*carrier)?;
            let host = *hosts.get(&host)?;
            Some(ComparedCarrier { host, urls, listing })
        };
        let carriers: Vec<_> = carriers.rows().iter().map(compared).collect();
        Self {
            tables,
            hosts,
            carriers: carriers.into(),
        }
    }
}

/// The carriers of a cache with the texts of their URLs; hosts still have the ids of their cache.
fn resolve(
    tables: &CacheTables,
    texts: &DistinctTable<UrlText, &str>,
    url_sets: &mut UrlSets,
    listings: &mut DistinctTable<HostListing, Listing>,
) -> Carriers<i64> {
    let carried = &tables.carried;
    let sets = carried.url_sets.values().iter().map(|ids| {
        // Servers leave out ids that HCUrlCache doesn't have.
        let known = ids.iter().filter_map(|id| texts.find(&&**tables.urls.get(id)?));
        let set: BTreeSet<UrlText> = known.collect();
        url_sets.insert(set.into_iter().collect())
    });
    let sets: IndexTable<UrlIdSet, UrlSet> = sets.collect::<Vec<_>>().into();
    let mut known = HashMap::<Option<LastList>, HostListing>::new();
    let carriers = carried.carriers.values().iter().map(|carrier| {
        let urls = *sets.at(carrier.urls);
        let listing = known.entry(carrier.lists);
        let resolved = ComparedCarrier {
            host: carrier.host,
            urls,
            listing: *listing.or_insert_with(|| listings.insert(carried.listing(carrier.lists))),
        };
        (!url_sets.at(urls).is_empty()).then_some(resolved)
    });
    carriers.collect::<Vec<_>>().into()
}

/// The facts that tell each host of a cache from the others. A host can have attributes and carry nothing, or the other way round.
fn facts<'a>(
    tables: &CacheTables,
    carriers: &Carriers<i64>,
    texts: &DistinctTable<UrlText, &'a str>,
    url_sets: &UrlSets,
) -> Vec<HostFacts<'a>> {
    let hasher = FixedState::default();
    let mut sums: IndexTable<CacheCarrier, u64> = vec![0; carriers.len()].into();
    for (name, directory) in &tables.carried.directories {
        let digest = hasher.hash_one(name);
        for carrier in tables.carried.carriers_of(directory) {
            let sum = sums.at_mut(*carrier);
            *sum = sum.wrapping_add(digest);
        }
    }
    let mut facts = BTreeMap::<i64, HostFacts<'_>>::new();
    for (id, attributes) in &tables.hosts {
        facts.entry(*id).or_default().attributes = attributes.clone();
    }
    for (carrier, sum) in carriers.rows().iter().zip(sums.rows()) {
        if let Some(ComparedCarrier { host, urls, listing }) = carrier {
            let host = facts.entry(*host).or_default();
            // Of two carriers that are the same by now, the sums are one sum; so this has to be linear in it.
            let factor = hasher.hash_one((urls, listing)) | 1;
            host.directories = host.directories.wrapping_add(sum.wrapping_mul(factor));
            host.urls.extend(url_sets.at(*urls));
        }
    }
    let facts = facts.into_iter().map(|(id, host)| HostFacts {
        id,
        names: host.urls.iter().map(|url| host_name(texts.at(*url))).collect(),
        ..host
    });
    facts.collect()
}
