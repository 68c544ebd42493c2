//! The directories of a cache as they are read: who carries them, with which URLs, and where they are listed. Equal lists of carriers
//! are stored once, as are the carriers in them; the tables of Fedora's 153,000 directories take some 60 MB.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::FixedState;
use prost::encoding::encode_varint;

use super::numbered::Numbered;
use crate::cache::name::clean_directory;
use crate::cache::wire::{self, Fault, Field, Value};

/// The lists of a directory that a host is in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Listing {
    /// Whether it is in Global.
    pub(super) public: bool,
    /// The countries of ByCountry that it is in.
    pub(super) countries: BTreeSet<Box<str>>,
    /// The countries of ByCountryInternet2 that it is in.
    pub(super) internet2: BTreeSet<Box<str>>,
}

/// One more list that a host is in; countries by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ListedIn {
    Global,
    Country(u32),
    Internet2(u32),
}

/// A host as a directory has it: numbers of [`CarriedDirectories`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DirectoryHost {
    pub(super) host: u32,
    pub(super) urls: u32,
    pub(super) listing: u32,
}

/// What follows a base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BelowTopdir {
    /// The last bytes of the directory's name, as always in MirrorManager2's caches.
    Suffix(usize),
    /// Another text.
    Other(Box<str>),
}

impl BelowTopdir {
    fn new(name: &str, subpath: &str) -> Self {
        match name.strip_suffix(subpath) {
            Some(before) if subpath.is_empty() || before.is_empty() || before.ends_with('/') => {
                Self::Suffix(subpath.len())
            }
            _ => Self::Other(subpath.into()),
        }
    }

    /// The text, for the directory with this name.
    pub(super) fn subpath<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::Suffix(length) => name.get(name.len() - length..).unwrap_or_default(),
            Self::Other(text) => text,
        }
    }

    /// The topdir of the category, for the directory with this name.
    pub(super) fn topdir<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self {
            Self::Suffix(length) => name.get(..name.len() - length).map(|top| top.trim_end_matches('/')),
            Self::Other(_) => None,
        }
    }
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CarriedDirectory {
    pub(super) below_topdir: BelowTopdir,
    list: u32,
}

/// All directories, by their names without slashes at the ends and none doubled.
pub(super) struct CarriedDirectories {
    pub(super) directories: BTreeMap<Box<str>, CarriedDirectory>,
    /// The ids of hosts.
    pub(super) hosts: Vec<i64>,
    /// The ids of URLs, ascending, each once.
    pub(super) url_sets: Vec<Box<[i64]>>,
    pub(super) listings: Vec<Listing>,
    pub(super) carriers: Vec<DirectoryHost>,
    /// Ascending numbers of carriers, each as its distance from the one before.
    lists: Vec<Box<[u8]>>,
}

impl CarriedDirectories {
    /// The numbers of a directory's carriers.
    pub(super) fn carriers_of(&self, directory: &CarriedDirectory) -> impl Iterator<Item = usize> {
        let list = self.lists.get(directory.list as usize).map_or(&[][..], |list| list);
        let distances = wire::integers(Value::Bytes(list)).filter_map(Result::ok);
        distances.scan(0, |number, distance| {
            *number += usize::try_from(distance).unwrap_or(0);
            Some(*number)
        })
    }
}

/// What the directory at hand says of a host.
#[derive(Clone, Copy, Default)]
struct HostMark {
    directory: u32,
    urls: u32,
    listing: u32,
}

/// Reads directories one after the other. The numbers 0 of URLs and listings are the empty ones.
pub(super) struct DirectoryReader {
    directories: BTreeMap<Box<str>, CarriedDirectory>,
    hosts: Numbered<i64>,
    countries: Numbered<Box<str>>,
    url_sets: Numbered<Box<[i64]>>,
    carriers: Numbered<DirectoryHost>,
    lists: Numbered<Box<[u8]>>,
    /// A listing is the number before it and one more list, from 0 on, which is in none: so a host in very many lists takes no more room
    /// than the file.
    longer: Numbered<(u32, ListedIn)>,
    /// The host and the URLs of each entry of ByHostId, as it is encoded.
    entries: HashMap<Box<[u8]>, (u32, u32), FixedState>,
    number: u32,
    marks: Vec<HostMark>,
    /// The hosts of the directory at hand.
    present: Vec<u32>,
}

impl Default for DirectoryReader {
    fn default() -> Self {
        let mut reader = Self {
            directories: BTreeMap::new(),
            hosts: Numbered::default(),
            countries: Numbered::default(),
            url_sets: Numbered::default(),
            carriers: Numbered::default(),
            lists: Numbered::default(),
            longer: Numbered::default(),
            entries: HashMap::default(),
            number: 0,
            marks: Vec::new(),
            present: Vec::new(),
        };
        reader.url_sets.number(&[][..]);
        reader
    }
}

impl DirectoryReader {
    /// Takes a MirrorListCacheType.
    pub(super) fn directory(&mut self, mut message: &[u8]) -> Result<(), Fault> {
        self.number += 1;
        self.present.clear();
        let (mut name, mut subpath) = ("", "");
        while !message.is_empty() {
            let Field { number, value } = wire::next_field(&mut message)?;
            match (number, value) {
                (1, _) => name = wire::text(value)?,
                (3, _) => subpath = wire::text(value)?,
                (2, _) => {
                    for id in wire::integers(value) {
                        self.list(id?, ListedIn::Global);
                    }
                }
                (4, Value::Bytes(entry)) => self.list_country(entry, ListedIn::Country)?,
                (5, Value::Bytes(entry)) => self.list_country(entry, ListedIn::Internet2)?,
                (6, Value::Bytes(entry)) => self.urls(entry)?,
                (4..=6, _) => return Err(Fault::NoText),
                _ => {}
            }
        }
        let name = clean_directory(name);
        let directory = CarriedDirectory {
            below_topdir: BelowTopdir::new(&name, subpath.trim_matches('/')),
            list: self.present_carriers(),
        };
        // Of two with one name the last one counts, as for servers.
        self.directories.insert(name.into(), directory);
        Ok(())
    }

    /// How many hosts there are in the directories.
    pub(super) fn host_count(&self) -> usize {
        self.hosts.count()
    }

    /// The directories that were read.
    pub(super) fn finish(self) -> CarriedDirectories {
        let (mut listings, mut numbers) = (Numbered::<Listing>::default(), HashMap::<u32, u32>::new());
        let resolve = |carrier: &DirectoryHost| {
            let resolved = numbers.entry(carrier.listing);
            DirectoryHost {
                listing: *resolved.or_insert_with(|| listings.number_of(self.listing(carrier.listing))),
                ..*carrier
            }
        };
        let carriers = self.carriers.values().iter().map(resolve).collect();
        CarriedDirectories {
            carriers,
            directories: self.directories,
            hosts: self.hosts.into_values(),
            url_sets: self.url_sets.into_values(),
            listings: listings.into_values(),
            lists: self.lists.into_values(),
        }
    }

    fn mark(&mut self, host: u32) -> Option<&mut HostMark> {
        if self.marks.len() <= host as usize {
            self.marks.resize(host as usize + 1, HostMark::default());
        }
        let directory = self.number;
        let mark = self.marks.get_mut(host as usize)?;
        if mark.directory != directory {
            *mark = HostMark {
                directory,
                ..HostMark::default()
            };
            self.present.push(host);
        }
        Some(mark)
    }

    fn list(&mut self, id: i64, listed_in: ListedIn) {
        let host = self.hosts.number_of(id);
        let Some(listing) = self.mark(host).map(|mark| mark.listing) else {
            return;
        };
        let longer = self.longer.number_of((listing, listed_in)) + 1;
        if let Some(mark) = self.mark(host) {
            mark.listing = longer;
        }
    }

    /// The lists behind a number, in no order.
    fn listing(&self, mut number: u32) -> Listing {
        let mut listing = Listing::default();
        let country = |number: u32| self.countries.get(number).cloned().unwrap_or_default();
        while let Some((before, listed_in)) = number.checked_sub(1).and_then(|longer| self.longer.get(longer)) {
            match listed_in {
                ListedIn::Global => listing.public = true,
                ListedIn::Country(number) => drop(listing.countries.replace(country(*number))),
                ListedIn::Internet2(number) => drop(listing.internet2.replace(country(*number))),
            }
            number = *before;
        }
        listing
    }

    /// Takes an entry of ByCountry or ByCountryInternet2.
    fn list_country(&mut self, mut entry: &[u8], listed_in: impl Fn(u32) -> ListedIn) -> Result<(), Fault> {
        let mut country = "";
        for field in wire::fields(entry) {
            // Generators write it first.
            if let Field { number: 1, value } = field? {
                country = wire::text(value)?;
                break;
            }
        }
        let listed_in = listed_in(self.countries.number(super::read::country(country).as_str()));
        while !entry.is_empty() {
            let Field { number, value } = wire::next_field(&mut entry)?;
            if number == 2 {
                for id in wire::integers(value) {
                    self.list(id?, listed_in);
                }
            }
        }
        Ok(())
    }

    /// Takes an entry of ByHostId. Of two for a host the last one counts, as for servers.
    fn urls(&mut self, entry: &[u8]) -> Result<(), Fault> {
        let (host, urls) = match self.entries.get(entry) {
            Some(known) => *known,
            None => self.new_entry(entry)?,
        };
        if let Some(mark) = self.mark(host) {
            mark.urls = urls;
        }
        Ok(())
    }

    fn new_entry(&mut self, entry: &[u8]) -> Result<(u32, u32), Fault> {
        let (mut host, mut ids) = (0, Vec::new());
        for field in wire::fields(entry) {
            match field? {
                Field {
                    number: 1,
                    value: Value::Integer(id),
                } => host = id.cast_signed(),
                Field { number: 1, .. } => return Err(Fault::NoNumber),
                Field { number: 2, value } => {
                    for id in wire::integers(value) {
                        ids.push(id?);
                    }
                }
                Field { .. } => {}
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let numbers = (self.hosts.number_of(host), self.url_sets.number(ids.as_slice()));
        self.entries.insert(entry.into(), numbers);
        Ok(numbers)
    }

    /// The number of the list of carriers of the directory at hand.
    fn present_carriers(&mut self) -> u32 {
        let mut numbers = Vec::with_capacity(self.present.len());
        for host in &self.present {
            let Some(HostMark { urls, listing, .. }) = self.marks.get(*host as usize).copied() else {
                continue;
            };
            // An entry without URLs for a host that is in no list says nothing.
            if (urls, listing) != (0, 0) {
                let host = *host;
                numbers.push(self.carriers.number_of(DirectoryHost { host, urls, listing }));
            }
        }
        numbers.sort_unstable();
        let (mut before, mut encoded) = (0, Vec::with_capacity(numbers.len() + 8));
        for number in numbers {
            encode_varint((number - before).into(), &mut encoded);
            before = number;
        }
        self.lists.number(encoded.as_slice())
    }
}
