//! One cache, packed for looking up: directories and their carriers, repositories, hosts, files.
//!
//! Everything that answers need is found by hash, index or longest prefix. Nothing changes once `super::build` has made it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use bytes::Bytes;
use foldhash::fast::RandomState;
use ip_network::IpNetwork;

use super::carriers::{Carrier, CarrierIndex, CarrierSets};
use super::directories::{DirectoryIndex, DirectoryTable};
use super::file_details::FileDetails;
use super::hosts::{Host, HostIndex};
use super::repositories::{Repository, RepositoryTable};
use super::text_arena::{PaddedText, TextSpan};
use super::urls::{Url, Urls};
use crate::geo::{AsNumber, CountryCode, Direction, NetworkTable};
use crate::index_table::IndexTable;

/// The contents of a cache.
pub struct Catalogue {
    pub(super) created: u64,
    pub(super) hosts: IndexTable<HostIndex, Host>,
    /// From the centre of the Earth; `None` for a host without a known place.
    pub(super) directions: IndexTable<HostIndex, Option<Direction>>,
    pub(super) carriers: IndexTable<CarrierIndex, Carrier>,
    pub(super) urls: Urls,
    pub(super) sets: CarrierSets,
    pub(super) directories: DirectoryTable,
    /// The files of each directory, in the order of their names.
    pub(super) file_details: HashMap<DirectoryIndex, Box<[FileDetails]>, RandomState>,
    pub(super) repositories: RepositoryTable,
    pub(super) netblock_countries: NetworkTable<CountryCode>,
    pub(super) continent_redirects: BTreeMap<CountryCode, Option<Box<str>>>,
    pub(super) host_netblocks: NetworkTable<Box<[HostIndex]>>,
    pub(super) as_hosts: HashMap<AsNumber, Box<[HostIndex]>, RandomState>,
}

/// How many entries of each kind a catalogue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogueCounts {
    /// Hosts that the cache names.
    pub hosts: usize,
    /// Pairs of a host and a category.
    pub carriers: usize,
    /// Directories that can be asked for.
    pub directories: usize,
    /// Repositories (prefix and architecture) that can be asked for.
    pub repositories: usize,
    /// Directories with details of some file.
    pub directories_with_files: usize,
    /// Networks that hosts registered.
    pub host_netblocks: usize,
    /// Autonomous systems that have a host.
    pub as_numbers: usize,
}

impl Catalogue {
    /// When the cache was generated, in seconds since the Unix epoch.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The counts of entries.
    pub fn counts(&self) -> CatalogueCounts {
        CatalogueCounts {
            hosts: self.hosts.len(),
            carriers: self.carriers.len(),
            directories: self.directories.table.len(),
            repositories: self.repositories.by_key.len(),
            directories_with_files: self.file_details.len(),
            host_netblocks: self.host_netblocks.len(),
            as_numbers: self.as_hosts.len(),
        }
    }

    /// How many hosts carry a directory at a usable URL.
    pub fn carrying_hosts(&self) -> usize {
        let carriers = self.carriers.rows().iter().filter(|carrier| !carrier.urls.is_empty());
        carriers.map(|carrier| carrier.host).collect::<HashSet<_>>().len()
    }

    /// Memory that the tables by directory take, in bytes.
    pub fn directory_bytes(&self) -> usize {
        self.directories.bytes() + self.sets.bytes()
    }

    /// The directory with this name: no slash at either end, none doubled.
    pub fn directory(&self, name: &str) -> Option<DirectoryIndex> {
        self.directories.find(name)
    }

    /// A directory's name.
    pub fn directory_name(&self, directory: DirectoryIndex) -> &str {
        self.directories.name(directory)
    }

    /// The path from a base URL to a directory; empty for a category's top directory.
    pub fn subpath(&self, directory: DirectoryIndex) -> &str {
        self.directories.subpath(directory)
    }

    /// Every directory.
    pub fn directories(&self) -> impl Iterator<Item = DirectoryIndex> + use<> {
        self.directories.table.indexes()
    }

    /// The carriers of a directory: each host once, in ascending order within each group of carriers.
    pub fn carriers(&self, directory: DirectoryIndex) -> impl Iterator<Item = (CarrierIndex, &Carrier)> {
        let carriers = self.sets.iter(self.directories.carriers(directory));
        carriers.map(|index| (index, self.carriers.at(index)))
    }

    /// The carrier with an index.
    #[inline]
    pub fn carrier(&self, index: CarrierIndex) -> &Carrier {
        self.carriers.at(index)
    }

    /// Where a host is, as seen from the centre of the Earth; `None` if neither its coordinates nor its country are known.
    #[inline]
    pub fn direction(&self, host: HostIndex) -> Option<Direction> {
        *self.directions.at(host)
    }

    /// The URLs of a carrier, best protocol first.
    pub fn urls(&self, carrier: &Carrier) -> &[Url] {
        self.urls.get(carrier.urls)
    }

    /// A text of a URL, for copying.
    #[inline]
    pub fn text(&self, span: TextSpan) -> PaddedText<'_> {
        self.urls.texts.padded(span)
    }

    /// A base URL itself, without a slash at its end.
    pub fn base_url(&self, url: &Url) -> &str {
        self.urls.texts.get(url.base)
    }

    /// The host with an index.
    #[inline]
    pub fn host(&self, index: HostIndex) -> &Host {
        self.hosts.at(index)
    }

    /// Every host.
    pub fn hosts(&self) -> impl Iterator<Item = (HostIndex, &Host)> {
        self.hosts.iter()
    }

    /// The carriers of a host: one for each category, as a rule. Looks at all carriers.
    pub fn carriers_of(&self, host: HostIndex) -> Vec<(CarrierIndex, &Carrier)> {
        self.carriers
            .iter()
            .filter(|(_, carrier)| carrier.host == host)
            .collect()
    }

    /// The networks that a host registered. Looks at all networks.
    pub fn netblocks_of(&self, host: HostIndex) -> Vec<String> {
        let netblocks = self.host_netblocks.iter().filter(|(_, hosts)| hosts.contains(&host));
        netblocks.map(|(network, _)| network.to_string()).collect()
    }

    /// The autonomous systems that a host is in. Looks at all of them.
    pub fn as_numbers_of(&self, host: HostIndex) -> Vec<u32> {
        let numbers = self.as_hosts.iter().filter(|(_, hosts)| hosts.contains(&host));
        let mut numbers: Vec<u32> = numbers.map(|(asn, _)| asn.get()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The details of a file in a directory.
    pub fn file_details(&self, directory: DirectoryIndex, name: &str) -> Option<&FileDetails> {
        let files = self.file_details.get(&directory)?;
        let position = files.binary_search_by(|file| (*file.name).cmp(name)).ok()?;
        files.get(position)
    }

    /// The files of a directory that have details, in the order of their names.
    pub fn files_of(&self, directory: DirectoryIndex) -> &[FileDetails] {
        self.file_details.get(&directory).map_or(&[], |files| files)
    }

    /// Every file with details, and its directory, in no order.
    pub fn files(&self) -> impl Iterator<Item = (DirectoryIndex, &FileDetails)> {
        let directories = self.file_details.iter();
        directories.flat_map(|(directory, files)| files.iter().map(|file| (*directory, file)))
    }

    /// The repository with a prefix and an architecture. `scratch` is for the key, so that none is allocated.
    pub fn repository(&self, prefix: &str, arch: &str, scratch: &mut String) -> Option<Repository> {
        scratch.clear();
        scratch.push_str(prefix);
        scratch.push('+');
        scratch.push_str(arch);
        self.repositories.by_key.get(scratch.as_str()).copied()
    }

    /// Every repository as `prefix+arch`, in any order.
    pub fn repositories(&self) -> impl Iterator<Item = (&str, Repository)> {
        let repositories = self.repositories.by_key.iter();
        repositories.map(|(key, repository)| (&**key, *repository))
    }

    /// Every prefix that is redirected, and every one that is disabled, in any order.
    pub fn special_prefixes(&self) -> impl Iterator<Item = &str> {
        let RepositoryTable {
            redirects, disabled, ..
        } = &self.repositories;
        redirects.keys().chain(disabled).map(|prefix| &**prefix)
    }

    /// The prefix that answers when this one is asked for.
    pub fn repository_redirect(&self, prefix: &str) -> Option<&str> {
        self.repositories.redirects.get(prefix).map(|to| &**to)
    }

    /// Whether a prefix is disabled.
    pub fn is_disabled(&self, prefix: &str) -> bool {
        self.repositories.disabled.contains(prefix)
    }

    /// A comment line for each repository.
    pub fn available_repositories(&self) -> &Bytes {
        &self.repositories.available
    }

    /// The same lines, safe in an XML comment.
    pub fn available_repositories_comment(&self) -> &Bytes {
        &self.repositories.available_comment
    }

    /// The operators' country of an address, and the network of that entry.
    pub fn netblock_country(&self, address: IpAddr) -> Option<(IpNetwork, CountryCode)> {
        let (network, country) = self.netblock_countries.longest_match(address)?;
        Some((network, *country))
    }

    /// The networks registered by hosts that hold an address, with those hosts, the most specific network first.
    pub fn netblock_hosts(&self, address: IpAddr) -> impl Iterator<Item = (IpNetwork, &[HostIndex])> {
        self.host_netblocks
            .matches(address)
            .map(|(network, hosts)| (network, &**hosts))
    }

    /// Every network with a country of the operators'.
    pub fn netblock_countries(&self) -> impl Iterator<Item = IpNetwork> {
        self.netblock_countries.iter().map(|(network, _)| network)
    }

    /// Every network that hosts registered.
    pub fn host_netblocks(&self) -> impl Iterator<Item = IpNetwork> {
        self.host_netblocks.iter().map(|(network, _)| network)
    }

    /// The hosts of an autonomous system.
    pub fn as_hosts(&self, asn: AsNumber) -> &[HostIndex] {
        self.as_hosts.get(&asn).map_or(&[], |hosts| hosts)
    }

    /// Countries with another continent than in the CSV file.
    pub fn continent_redirects(&self) -> impl Iterator<Item = (CountryCode, Option<&str>)> {
        let redirects = self.continent_redirects.iter();
        redirects.map(|(country, continent)| (*country, continent.as_deref()))
    }
}
