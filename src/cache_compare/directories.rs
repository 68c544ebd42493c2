//! The directories of a cache as they are read: who carries them, with which URLs, and where they are listed. Equal lists of
//! carriers are stored once, as are the carriers in them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use foldhash::fast::FixedState;

use super::distinct::DistinctTable;
use super::values::country;
use crate::cache::MOST_HOSTS;
use crate::cache::error::{EntryError, TooMany};
use crate::cache::name::clean_directory;
use crate::cache::read::directory::{CountryList, DirectoryMessage, DirectoryVisitor};
use crate::cache::read::ids::EncodedIds;
use crate::index_table::{MOST_ROWS, table_indexes};

table_indexes! {
    /// A set of ids of URLs of one cache.
    pub(super) struct UrlIdSet for at most MOST_ROWS;

    /// A host with URLs and lists that it is in, of one cache.
    pub(super) struct CacheCarrier for at most MOST_ROWS;

    /// The last of the lists that a host is in; the others come before it.
    pub(super) struct LastList for at most MOST_ROWS;

    struct CarrierList for at most MOST_ROWS;

    struct ListedCountry for at most MOST_ROWS;
}

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

/// A list of a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum HostList {
    #[default]
    Global,
    Country(ListedCountry),
    Internet2(ListedCountry),
}

/// A host as a directory has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct DirectoryHost {
    /// Its id.
    pub(super) host: i64,
    pub(super) urls: UrlIdSet,
    pub(super) lists: Option<LastList>,
}

/// A directory.
#[derive(Debug, Clone)]
pub(super) struct CarriedDirectory {
    /// The path that follows a base URL.
    pub(super) subpath: Box<str>,
    carriers: CarrierList,
}

/// A host as the current directory describes it.
#[derive(Default)]
struct CurrentHost {
    urls: Option<UrlIdSet>,
    lists: Option<LastList>,
}

#[derive(Default)]
struct KnownHosts {
    /// The ids of the hosts of all directories.
    all: HashSet<i64, FixedState>,
    /// The hosts of the current directory by their ids. Emptying it takes no longer than filling it, however large another
    /// directory was.
    current: BTreeMap<i64, CurrentHost>,
}

impl KnownHosts {
    /// The description of a host in the current directory. A cache has a hundred of them for each directory, so each is looked up
    /// once for each list that it is in.
    fn current(&mut self, id: i64) -> Result<&mut CurrentHost, TooMany> {
        match self.current.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                self.all.insert(id);
                // As for servers. A host takes much more memory than its id does in a file.
                match self.all.len() > MOST_HOSTS {
                    true => Err(TooMany::Hosts),
                    false => Ok(new.insert(CurrentHost::default())),
                }
            }
        }
    }
}

/// All directories, and how far they are read.
#[derive(Default)]
pub(super) struct CarriedDirectories {
    /// By their names without slashes at the ends and none doubled.
    pub(super) directories: BTreeMap<Box<str>, CarriedDirectory>,
    hosts: KnownHosts,
    /// The ids of URLs, ascending, each once.
    pub(super) url_sets: DistinctTable<UrlIdSet, Box<[i64]>>,
    pub(super) carriers: DistinctTable<CacheCarrier, DirectoryHost>,
    /// Carriers in ascending order.
    lists: DistinctTable<CarrierList, Box<[CacheCarrier]>>,
    countries: DistinctTable<ListedCountry, Box<str>>,
    /// A list that hosts are in, and the one before it. So a host in very many lists takes no more room than the file.
    host_lists: DistinctTable<LastList, (Option<LastList>, HostList)>,
    /// The URLs of entries of ByHostId by their encoding; `None` for no URL.
    encoded: HashMap<Box<[u8]>, Option<UrlIdSet>, FixedState>,
}

impl CarriedDirectories {
    /// Takes a directory. Of two with one name the last one counts, as for servers; those without a name are left out.
    pub(super) fn read(&mut self, message: DirectoryMessage<'_>) -> Result<(), EntryError> {
        self.hosts.current.clear();
        let head = message.visit(self)?;
        let carriers = self.list_carriers();
        if let Some(name) = head.name {
            let directory = CarriedDirectory {
                subpath: head.subpath.unwrap_or_default().trim_matches('/').into(),
                carriers,
            };
            self.directories.insert(clean_directory(name).into(), directory);
        }
        Ok(())
    }

    /// The carriers of a directory.
    pub(super) fn carriers_of(&self, directory: &CarriedDirectory) -> &[CacheCarrier] {
        self.lists.at(directory.carriers)
    }

    /// The lists that a host is in.
    pub(super) fn listing(&self, mut last: Option<LastList>) -> Listing {
        let mut listing = Listing::default();
        while let Some(list) = last {
            let (before, list) = self.host_lists.at(list);
            match list {
                HostList::Global => listing.public = true,
                HostList::Country(country) => _ = listing.countries.insert(self.countries.at(*country).clone()),
                HostList::Internet2(country) => _ = listing.internet2.insert(self.countries.at(*country).clone()),
            }
            last = *before;
        }
        listing
    }

    fn list(&mut self, id: i64, list: HostList) -> Result<(), EntryError> {
        let host = self.hosts.current(id)?;
        host.lists = Some(self.host_lists.insert((host.lists, list)));
        Ok(())
    }

    fn list_country(&mut self, hosts: CountryList<'_>, list: fn(ListedCountry) -> HostList) -> Result<(), EntryError> {
        let list = list(self.countries.insert(country(hosts.country()?).into()));
        hosts.hosts().try_each(|id| self.list(id, list))
    }

    fn url_set(&mut self, urls: EncodedIds<'_>) -> Result<Option<UrlIdSet>, EntryError> {
        if let Some(known) = self.encoded.get(urls.as_bytes()) {
            return Ok(*known);
        }
        let ids: BTreeSet<i64> = urls.check()?.iter().collect();
        let set = (!ids.is_empty()).then(|| self.url_sets.insert(ids.into_iter().collect()));
        self.encoded.insert(urls.as_bytes().into(), set);
        Ok(set)
    }

    /// The list of the carriers of the current directory.
    fn list_carriers(&mut self) -> CarrierList {
        let mut list = Vec::with_capacity(self.hosts.current.len());
        for (&host, &CurrentHost { urls, lists }) in &self.hosts.current {
            // Servers take a host without a URL for one that does not carry the directory, wherever it is listed.
            list.extend(urls.map(|urls| self.carriers.insert(DirectoryHost { host, urls, lists })));
        }
        list.sort_unstable();
        self.lists.insert(list.into())
    }
}

impl<'a> DirectoryVisitor<'a> for CarriedDirectories {
    fn public(&mut self, host: i64) -> Result<(), EntryError> {
        self.list(host, HostList::Global)
    }

    fn by_country(&mut self, list: CountryList<'a>) -> Result<(), EntryError> {
        self.list_country(list, HostList::Country)
    }

    fn by_country_internet2(&mut self, list: CountryList<'a>) -> Result<(), EntryError> {
        self.list_country(list, HostList::Internet2)
    }

    /// Takes an entry of ByHostId. Of two for a host the last one with a URL counts, as for servers.
    fn carrier(&mut self, id: i64, urls: EncodedIds<'a>) -> Result<(), EntryError> {
        let urls = self.url_set(urls)?;
        let host = self.hosts.current(id)?;
        host.urls = urls.or(host.urls);
        Ok(())
    }
}
