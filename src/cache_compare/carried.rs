//! The differences of directories: which are there, who carries them, with which URLs, and where they are listed. A host that is lost
//! in a category is lost in thousands of directories, so that equal changes below one topdir are one example.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::compared::{ComparedCache, ComparedCaches, ComparedCarrier};
use super::directories::CarriedDirectory;
use super::report::{Examples, TableDifferences, listed, shown};
use super::values::ComparedHost;
use crate::cache::name::topdir;

/// A change of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Change<'a> {
    /// The directory is there, or not.
    Directory,
    /// A host carries it, or not.
    Host(ComparedHost),
    /// A host has other URLs or is in other lists.
    Carrier(ComparedCarrier, ComparedCarrier),
    /// The directory is below another topdir.
    Topdir(&'a str),
    /// Another path follows the base URL.
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

pub(super) fn compare(compared: &ComparedCaches<'_>) -> TableDifferences {
    let [cache_a, cache_b] = &compared.caches;
    let [a, b] = compared.tables().map(|tables| &tables.carried.directories);
    let mut found = TableDifferences {
        name: "directories",
        ..TableDifferences::default()
    };
    let [mut only_in_a, mut only_in_b, mut different]: [Changes<'_>; 3] = Default::default();
    for (name, in_a) in a {
        let Some(in_b) = b.get(name) else {
            found.only_in_a += 1;
            add(&mut only_in_a, in_a, name, Side::A, Change::Directory);
            continue;
        };
        let mut changed = false;
        each_change(name, (cache_a, in_a), (cache_b, in_b), |side, change| {
            changed = true;
            add(&mut different, in_a, name, side, change);
        });
        match changed {
            true => found.different += 1,
            false => found.same += 1,
        }
    }
    for (name, in_b) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
        found.only_in_b += 1;
        add(&mut only_in_b, in_b, name, Side::B, Change::Directory);
    }
    found.examples = [only_in_a, only_in_b, different].map(|changes| compared.changes(changes));
    found
}

fn add<'a>(changes: &mut Changes<'a>, directory: &CarriedDirectory, name: &'a str, side: Side, change: Change<'a>) {
    let topdir = topdir(name, &directory.subpath);
    let group = changes.entry((topdir, side, change)).or_default();
    group.count += 1;
    if group.first.len() < NAMED {
        group.first.push(name);
    }
}

/// Finds the changes between a directory of A and the one of B with the same name.
fn each_change<'a>(
    name: &'a str,
    (cache_a, in_a): (&ComparedCache<'_>, &'a CarriedDirectory),
    (cache_b, in_b): (&ComparedCache<'_>, &'a CarriedDirectory),
    mut found: impl FnMut(Side, Change<'a>),
) {
    if in_a.subpath != in_b.subpath {
        let change = match [in_a, in_b].map(|directory| topdir(name, &directory.subpath)) {
            [Some(_), Some(topdir)] => Change::Topdir(topdir),
            _ => Change::Subpath(&in_a.subpath, &in_b.subpath),
        };
        found(Side::Both, change);
    }
    let (a, b) = (cache_a.carriers_of(in_a), cache_b.carriers_of(in_b));
    let (mut a, mut b) = (a.as_slice(), b.as_slice());
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

impl ComparedCache<'_> {
    /// The carriers of a directory, in ascending order.
    fn carriers_of(&self, directory: &CarriedDirectory) -> Vec<ComparedCarrier> {
        let carriers = self.tables.carried.carriers_of(directory).iter();
        let mut carriers: Vec<_> = carriers.filter_map(|carrier| *self.carriers.at(*carrier)).collect();
        carriers.sort_unstable();
        carriers
    }
}

impl ComparedCaches<'_> {
    /// Changes in words, those that concern the most directories first.
    fn changes(&self, changes: Changes<'_>) -> Examples {
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_by_cached_key(|((topdir, side, change), group)| {
            let first = group.first.first().copied();
            (Reverse(group.count), first, *topdir, *side, self.change(change))
        });
        let mut examples = Examples::default();
        for ((topdir, side, change), group) in &changes {
            examples.add(self.examples, || {
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
            Change::Host(host) => format!(": {}", self.name(*host)),
            Change::Carrier(a, b) => format!(": {}: {}", self.name(a.host), self.carrier_change(a, b)),
            Change::Topdir(topdir) => format!(": below another topdir in B: {}", shown_topdir(Some(topdir))),
            Change::Subpath(a, b) => {
                let [a, b] = [a, b].map(|subpath| shown(subpath));
                format!(": what follows the base URL is {a:?} in A, {b:?} in B")
            }
        }
    }

    fn carrier_change(&self, a: &ComparedCarrier, b: &ComparedCarrier) -> String {
        let mut parts = Vec::new();
        let [urls_a, urls_b] = [a, b].map(|carrier| self.url_sets.at(carrier.urls));
        for (urls, others, side) in [(urls_a, urls_b, "A"), (urls_b, urls_a, "B")] {
            let only = urls.iter().filter(|url| others.binary_search(url).is_err());
            let texts: Vec<String> = only.map(|url| shown(self.texts.at(*url))).collect();
            if !texts.is_empty() {
                parts.push(format!("{} only in {side}", listed(texts)));
            }
        }
        let [a, b] = [a, b].map(|carrier| self.listings.at(carrier.listing));
        if a.public != b.public {
            let [a, b] = [a, b].map(|listing| if listing.public { "public" } else { "private" });
            parts.push(format!("{a} in A, {b} in B"));
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
        parts.join("; ")
    }
}

fn directories(topdir: Option<&str>, group: &ChangedDirectories<'_>) -> String {
    let first = group.first.iter().map(|name| shown_topdir(Some(name)));
    match group.count {
        1 => format!("directory {}", listed(first)),
        count if count <= NAMED => format!("directories {}", listed(first)),
        count => {
            let (topdir, first) = (shown_topdir(topdir), listed(first.take(1)));
            format!("{count} directories of {topdir}, like {first}")
        }
    }
}

fn shown_topdir(topdir: Option<&str>) -> String {
    match topdir {
        None => "no topdir".to_owned(),
        Some("") => "the root".to_owned(),
        Some(topdir) => shown(topdir),
    }
}
