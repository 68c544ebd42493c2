//! The differences of directories: which are there, who carries them, with which URLs, and where they are listed. A host that is lost
//! in a category is lost in thousands of directories, so equal changes below one topdir are one line.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::directories::{CarriedDirectory, DirectoryHost, Listing};
use super::hosts::{AllUrls, ComparedHost, HostNames};
use super::numbered::Numbered;
use super::read::CacheTables;
use super::report::{Examples, TableDifferences, listed, shown};

/// A carrier with the texts of its URLs; the host is still the one of its cache.
#[derive(Debug, Clone, Copy)]
struct ResolvedCarrier {
    host: i64,
    urls: u32,
    listing: u32,
}

/// The carriers of two caches: URL ids resolved to texts, and what is the same in both under the same number.
pub(super) struct Resolved {
    /// Ascending numbers of [`AllUrls`].
    url_sets: Numbered<Box<[u32]>>,
    listings: Numbered<Listing>,
    /// By their numbers in each cache; none for those without URLs.
    carriers: [Vec<Option<ResolvedCarrier>>; 2],
}

impl Resolved {
    pub(super) fn new(caches: &[CacheTables; 2], texts: &AllUrls<'_>) -> Self {
        let mut url_sets = Numbered::<Box<[u32]>>::default();
        let mut listings = Numbered::default();
        let carriers = caches.each_ref().map(|cache| {
            let carried = &cache.carried;
            let sets: Vec<u32> = carried
                .url_sets
                .iter()
                .map(|ids| {
                    // Servers leave out ids that HCUrlCache doesn't have.
                    let known = ids.iter().filter_map(|id| texts.number(cache.urls.get(id)?));
                    let set: BTreeSet<u32> = known.collect();
                    url_sets.number_of(set.into_iter().collect())
                })
                .collect();
            let listing_numbers: Vec<u32> = carried
                .listings
                .iter()
                .map(|listing| listings.number_of(listing.clone()))
                .collect();
            let resolve = |carrier: &DirectoryHost| {
                let resolved = ResolvedCarrier {
                    host: *carried.hosts.get(carrier.host as usize)?,
                    urls: *sets.get(carrier.urls as usize)?,
                    listing: *listing_numbers.get(carrier.listing as usize)?,
                };
                // Servers take a host without a URL for one that doesn't carry the directory, wherever it is listed.
                let urls = url_sets.get(resolved.urls)?;
                (!urls.is_empty()).then_some(resolved)
            };
            carried.carriers.iter().map(resolve).collect()
        });
        Self {
            url_sets,
            listings,
            carriers,
        }
    }

    /// For each host of a cache that is in a directory, a digest of where and how, and its URLs.
    pub(super) fn digests(&self, side: usize, cache: &CacheTables) -> HashMap<i64, (u64, BTreeSet<u32>)> {
        let hasher = FixedState::default();
        let carriers = self.carriers.get(side).map_or(&[][..], Vec::as_slice);
        let mut sums = vec![0_u64; carriers.len()];
        for (name, directory) in &cache.carried.directories {
            let digest = hasher.hash_one(name);
            for carrier in cache.carried.carriers_of(directory) {
                if let Some(sum) = sums.get_mut(carrier) {
                    *sum = sum.wrapping_add(digest);
                }
            }
        }
        let mut digests = HashMap::<i64, (u64, BTreeSet<u32>)>::new();
        for (carrier, sum) in carriers.iter().zip(sums) {
            let Some(ResolvedCarrier { host, urls, listing }) = carrier else {
                continue;
            };
            let (digest, texts) = digests.entry(*host).or_default();
            // Of two carriers that are the same by now, the sums are one sum; so this has to be linear in it.
            let factor = hasher.hash_one((urls, listing)) | 1;
            *digest = digest.wrapping_add(sum.wrapping_mul(factor));
            texts.extend(self.url_sets.get(*urls).into_iter().flatten());
        }
        digests
    }

    /// A host for each URL that one has.
    pub(super) fn url_owners(&self, hosts: &HostNames) -> HashMap<u32, ComparedHost> {
        let mut owners = HashMap::new();
        for (side, carriers) in self.carriers.iter().enumerate() {
            for carrier in carriers.iter().flatten() {
                let owner = hosts.find(side, carrier.host);
                let urls = self.url_sets.get(carrier.urls).into_iter().flatten();
                for (url, owner) in urls.zip(std::iter::repeat(owner)) {
                    owners.extend(owner.map(|owner| (*url, owner)));
                }
            }
        }
        owners
    }
}

/// A carrier of one of the caches or of both. Carriers of one host stand together in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct CommonCarrier {
    host: ComparedHost,
    urls: u32,
    listing: u32,
}

/// What a change of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Change<'a> {
    /// The directory is there, or not.
    Directory,
    /// A host carries it, or not.
    Host(ComparedHost),
    /// A host has other URLs or is in other lists.
    Carrier(CommonCarrier, CommonCarrier),
    /// The directory is below another topdir.
    Topdir(Option<&'a str>),
    /// What follows the base URL is another text.
    Subpath(&'a str, &'a str),
}

/// The directories with the same change.
#[derive(Default)]
struct ChangedDirectories<'a> {
    count: usize,
    first: Vec<&'a str>,
}

/// So many directories with the same change are named; of more, only one is.
const NAMED: usize = 3;

/// The changes of directories below the same topdir.
type Changes<'a> = HashMap<(Option<&'a str>, Side, Change<'a>), ChangedDirectories<'a>>;

/// Which cache has what the other one lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Side {
    A,
    B,
    Both,
}

pub(super) fn compare(
    caches: &[CacheTables; 2],
    hosts: &HostNames,
    texts: &AllUrls<'_>,
    resolved: &Resolved,
    examples: usize,
) -> TableDifferences {
    let [a, b] = caches.each_ref().map(|cache| &cache.carried);
    let common: [Vec<Option<CommonCarrier>>; 2] = [0, 1].map(|side| {
        let carriers = resolved.carriers.get(side).map_or(&[][..], Vec::as_slice);
        let common = carriers.iter().map(|carrier| {
            let ResolvedCarrier { host, urls, listing } = (*carrier)?;
            let host = hosts.find(side, host)?;
            Some(CommonCarrier { host, urls, listing })
        });
        common.collect()
    });
    let [common_a, common_b] = &common;
    let mut found = TableDifferences {
        name: "directories",
        ..TableDifferences::default()
    };
    let [mut only_in_a, mut only_in_b, mut different]: [Changes<'_>; 3] = Default::default();
    let (mut carriers_a, mut carriers_b) = (Vec::new(), Vec::new());
    for (name, in_a) in &a.directories {
        let Some(in_b) = b.directories.get(name) else {
            found.only_in_a += 1;
            add(&mut only_in_a, in_a, name, Side::A, Change::Directory);
            continue;
        };
        let collect = |list: &mut Vec<CommonCarrier>,
                       common: &[Option<CommonCarrier>],
                       numbers: &mut dyn Iterator<Item = usize>| {
            list.clear();
            list.extend(numbers.filter_map(|number| *common.get(number)?));
            list.sort_unstable();
        };
        collect(&mut carriers_a, common_a, &mut a.carriers_of(in_a));
        collect(&mut carriers_b, common_b, &mut b.carriers_of(in_b));
        if carriers_a == carriers_b && in_a.below_topdir == in_b.below_topdir {
            found.same += 1;
            continue;
        }
        found.different += 1;
        if in_a.below_topdir != in_b.below_topdir {
            let change = match [in_a, in_b].map(|directory| directory.below_topdir.topdir(name)) {
                [Some(_), Some(topdir)] => Change::Topdir(Some(topdir)),
                _ => Change::Subpath(in_a.below_topdir.subpath(name), in_b.below_topdir.subpath(name)),
            };
            add(&mut different, in_a, name, Side::Both, change);
        }
        each_change(&carriers_a, &carriers_b, |side, change| {
            add(&mut different, in_a, name, side, change);
        });
    }
    for (name, in_b) in b
        .directories
        .iter()
        .filter(|(name, _)| !a.directories.contains_key(*name))
    {
        found.only_in_b += 1;
        add(&mut only_in_b, in_b, name, Side::B, Change::Directory);
    }
    let words = Words { hosts, texts, resolved };
    found.examples = [only_in_a, only_in_b, different].map(|changes| words.examples(changes, examples));
    found
}

fn add<'a>(changes: &mut Changes<'a>, directory: &CarriedDirectory, name: &'a str, side: Side, change: Change<'a>) {
    let topdir = directory.below_topdir.topdir(name);
    let group = changes.entry((topdir, side, change)).or_default();
    group.count += 1;
    if group.first.len() < NAMED {
        group.first.push(name);
    }
}

/// Goes through two lists of carriers in ascending order.
fn each_change<'a>(mut a: &[CommonCarrier], mut b: &[CommonCarrier], mut found: impl FnMut(Side, Change<'a>)) {
    loop {
        match (a.split_first(), b.split_first()) {
            (None, None) => return,
            (Some((in_a, rest_a)), Some((in_b, rest_b))) if in_a.host == in_b.host => {
                if in_a != in_b {
                    found(Side::Both, Change::Carrier(*in_a, *in_b));
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some((in_a, rest_a)), in_b) if in_b.is_none_or(|(in_b, _)| in_a.host < in_b.host) => {
                found(Side::A, Change::Host(in_a.host));
                a = rest_a;
            }
            (_, Some((in_b, rest_b))) => {
                found(Side::B, Change::Host(in_b.host));
                b = rest_b;
            }
            (Some(_), None) => return,
        }
    }
}

/// Puts changes in words.
struct Words<'a> {
    hosts: &'a HostNames,
    texts: &'a AllUrls<'a>,
    resolved: &'a Resolved,
}

impl Words<'_> {
    /// The changes that concern the most directories.
    fn examples(&self, changes: Changes<'_>, most: usize) -> Examples {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_by_cached_key(|((topdir, side, change), group)| {
            (
                Reverse(group.count),
                group.first.first().copied(),
                *topdir,
                *side,
                self.change(change),
            )
        });
        let mut examples = Examples::default();
        for ((topdir, side, change), group) in &changes {
            examples.add(most, || {
                let side = match side {
                    Side::A => " only in A",
                    Side::B => " only in B",
                    Side::Both => "",
                };
                format!("{}{}{side}", directories(*topdir, group), self.change(change))
            });
        }
        examples
    }

    fn change(&self, change: &Change<'_>) -> String {
        match change {
            Change::Directory => String::new(),
            Change::Host(host) => format!(": {}", self.hosts.name(*host)),
            Change::Carrier(a, b) => {
                format!(
                    ": {}: {}",
                    self.hosts.name(a.host),
                    self.carrier_change(a, b).join("; ")
                )
            }
            Change::Topdir(topdir) => format!(": below another topdir in B: {}", shown_topdir(*topdir)),
            Change::Subpath(a, b) => {
                format!(
                    ": what follows the base URL is {:?} in A, {:?} in B",
                    shown(a),
                    shown(b)
                )
            }
        }
    }

    fn carrier_change(&self, a: &CommonCarrier, b: &CommonCarrier) -> Vec<String> {
        let mut parts = Vec::new();
        let [urls_a, urls_b] =
            [a, b].map(|carrier| self.resolved.url_sets.get(carrier.urls).map_or(&[][..], |urls| urls));
        for (urls, others, side) in [(urls_a, urls_b, "A"), (urls_b, urls_a, "B")] {
            let only: Vec<u32> = urls
                .iter()
                .copied()
                .filter(|url| others.binary_search(url).is_err())
                .collect();
            if !only.is_empty() {
                let texts = listed(only.iter().map(|url| shown(self.texts.text(*url))));
                parts.push(format!("{texts} only in {side}"));
            }
        }
        let none = Listing::default();
        let [a, b] = [a, b].map(|carrier| self.resolved.listings.get(carrier.listing).unwrap_or(&none));
        match (a.public, b.public) {
            (true, false) => parts.push("public in A, private in B".to_owned()),
            (false, true) => parts.push("private in A, public in B".to_owned()),
            _ => {}
        }
        for (list, a, b) in [
            ("by country", &a.countries, &b.countries),
            ("by country for Internet2", &a.internet2, &b.internet2),
        ] {
            if a != b {
                let [a, b] = [a, b].map(|countries| listed(countries.iter().map(|country| shown(country))));
                parts.push(format!("listed {list}: {a} in A, {b} in B"));
            }
        }
        parts
    }
}

fn directories(topdir: Option<&str>, group: &ChangedDirectories<'_>) -> String {
    let first = group.first.iter().map(|name| shown(name));
    match group.count {
        1 => format!("directory {}", listed(first)),
        count if count <= NAMED => format!("directories {}", listed(first)),
        count => format!(
            "{count} directories of {}, like {}",
            shown_topdir(topdir),
            listed(first.take(1))
        ),
    }
}

fn shown_topdir(topdir: Option<&str>) -> String {
    match topdir {
        None => "no topdir".to_owned(),
        Some("") => "the root".to_owned(),
        Some(topdir) => shown(topdir),
    }
}
