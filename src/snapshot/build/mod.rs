//! A cache's entries to a [`Catalogue`], in one pass: each entry is packed into its table and forgotten.
//!
//! - [`tables`]: the entries of the small tables
//! - [`directory`]: the entries of directories; [`drafts`]: the carriers that are found in them
//! - this file: the builder, and the finished catalogue
//!
//! A file that is damaged is refused. An entry that is well-formed but cannot be used (a network that is none, a URL with a control
//! character) is left out and counted. No work for an entry grows with the entries before it, and what entries take is charged to a
//! [`Budget`]: a file can be made of messages of two bytes that would take a hundred each. Nothing here knows the bytes of a message:
//! [`crate::cache`] does.

mod directory;
mod drafts;
mod tables;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::io::BufRead;

use foldhash::fast::RandomState;
use ip_network::IpNetwork;

use super::carriers::{Carrier, CarrierIndex, CarrierSetsBuilder};
use super::catalogue::Catalogue;
use super::directories::{DirectoryIndex, DirectoryTable};
use super::file_details::{FileDetails, each_file_once};
use super::hosts::{HostIndex, HostTable};
use super::masks::CarrierMasks;
use super::repositories::RepositoryTable;
use super::urls::{StoredUrl, Urls};
use crate::budget::{Budget, OverBudget};
use crate::cache::error::{CacheError, EntryResult};
use crate::cache::read::entry::CacheEntry;
use crate::cache::read::read_entries;
use crate::cache::schema::CacheField;
use crate::geo::{AsNumber, Coordinates, CountryCode, Direction, NetworkTable};
use crate::index_table::IndexTable;
use crate::warnings::Warnings;
use directory::CurrentDirectory;
use drafts::{CarrierDraft, CarrierDrafts};

impl Catalogue {
    /// Reads a cache. `warnings` become those about the entries that are left out.
    ///
    /// # Errors
    /// If the file is damaged, would take too much memory, or has no creation time, directory or usable URL.
    pub fn read(file: impl BufRead, warnings: &mut Warnings) -> Result<Self, CacheError> {
        let mut builder = CatalogueBuilder::default();
        read_entries(file, |entry, read| {
            builder.budget.read(read);
            builder.accept(entry)
        })?;
        builder.finish(warnings)
    }
}

type HostLists<K> = HashMap<K, Vec<HostIndex>, RandomState>;

/// A catalogue while its cache is read.
#[derive(Default)]
struct CatalogueBuilder {
    warnings: Warnings,
    budget: Budget,
    created: Option<u64>,
    hosts: HostTable,
    base_urls: HashMap<i64, StoredUrl, RandomState>,
    repositories: RepositoryTable,
    /// The name of the directory of each repository, by `prefix+arch`.
    repository_directories: HashMap<Box<str>, Box<str>, RandomState>,
    directories: DirectoryTable,
    file_details: BTreeMap<Box<str>, Vec<FileDetails>>,
    netblock_countries: Vec<(IpNetwork, CountryCode)>,
    continent_redirects: BTreeMap<CountryCode, Option<Box<str>>>,
    host_netblocks: HostLists<IpNetwork>,
    as_hosts: HostLists<AsNumber>,
    sets: CarrierSetsBuilder,
    drafts: CarrierDrafts,
    current: CurrentDirectory,
}

impl CatalogueBuilder {
    /// Takes one entry. Of two entries with one key the last one counts; lists of hosts are joined.
    fn accept(&mut self, entry: CacheEntry<'_>) -> EntryResult {
        match entry {
            CacheEntry::Time(created) => self.created = Some(created),
            CacheEntry::NetblockCountry { network, country } => self.netblock_country(network, country)?,
            CacheEntry::HostCategoryUrl { id, url } => self.base_url(id, url)?,
            CacheEntry::FileDetails(files) => self.file_details(files)?,
            CacheEntry::DisabledRepository { prefix, disabled } => self.disabled_repository(prefix, disabled)?,
            CacheEntry::ContinentRedirect { country, continent } => self.continent_redirect(country, continent),
            CacheEntry::RepositoryRedirect { from, to } => self.repository_redirect(from, to)?,
            CacheEntry::Repository { key, directory } => self.repository(key, directory)?,
            CacheEntry::HostAsn { asn, hosts } => self.host_asn(asn, hosts)?,
            CacheEntry::HostCountry { host, country } => self.host_country(host, country)?,
            CacheEntry::HostBandwidth { host, bandwidth } => self.host_bandwidth(host, bandwidth)?,
            CacheEntry::HostCountryAllowed { host, countries } => self.allowed_countries(host, countries)?,
            CacheEntry::HostNetblock { network, hosts } => self.host_netblock(network, hosts)?,
            CacheEntry::HostCoordinates { host, units } => self.host_coordinates(host, units)?,
            CacheEntry::Directory(directory) => self.directory(directory)?,
        }
        Ok(())
    }

    /// Counts something that cannot be used.
    fn warn(&mut self, table: CacheField, problem: impl Display) {
        self.warnings.add(format_args!("{table}: {problem}"));
    }

    fn finish(mut self, warnings: &mut Warnings) -> Result<Catalogue, CacheError> {
        let created = self.created.ok_or(CacheError::Lacks("creation time"))?;
        if self.directories.table.len() == 0 {
            return Err(CacheError::Lacks("directory"));
        }
        let (carriers, urls) = self.finish_carriers()?;
        if carriers.rows().iter().all(|carrier| carrier.urls.is_empty()) {
            return Err(CacheError::Lacks("host with a usable URL"));
        }
        self.budget
            .take(CarrierMasks::most_bytes(&self.sets.bases(), carriers.rows()))?;
        self.directories.shrink();
        let file_details = self.attach_file_details();
        self.repositories
            .add_all(self.repository_directories, &self.directories, &mut self.warnings);
        *warnings = self.warnings;
        Ok(Catalogue {
            created,
            carriers,
            urls,
            sets: self.sets.finish(),
            file_details,
            repositories: self.repositories,
            directories: self.directories,
            netblock_countries: NetworkTable::new(self.netblock_countries),
            continent_redirects: self.continent_redirects,
            host_netblocks: NetworkTable::new(each_host_once(self.host_netblocks).collect()),
            as_hosts: each_host_once(self.as_hosts).collect(),
            directions: directions(&self.hosts),
            hosts: self.hosts.hosts,
        })
    }

    /// The carriers in the order of their indexes: group by group.
    fn finish_carriers(&mut self) -> Result<(IndexTable<CarrierIndex, Carrier>, Urls), OverBudget> {
        let mut drafts = std::mem::take(&mut self.drafts).table.into_rows();
        // A draft that another replaced in the only directory that it was in is no carrier.
        drafts.retain(|draft| draft.member.is_some());
        drafts.sort_unstable_by_key(|draft| draft.member);
        let mut urls = Urls::default();
        let mut carriers = Vec::with_capacity(drafts.len());
        for draft in &drafts {
            carriers.push(self.finish_carrier(draft, &mut urls)?);
        }
        urls.finish();
        Ok((carriers.into(), urls))
    }

    fn finish_carrier(&mut self, draft: &CarrierDraft, urls: &mut Urls) -> Result<Carrier, OverBudget> {
        let host = self.hosts.hosts.at(draft.host);
        let ids = || draft.urls.get().iter();
        let (range, protocols) = urls.add(ids(), &mut self.base_urls, host.country, &mut self.budget)?;
        if range.len() < ids().count() {
            let some: Vec<i64> = ids().take(20).collect();
            self.warnings.add(format_args!(
                "{}: host {} has URLs that {} lacks or that can't be used: ids {some:?}",
                CacheField::Directory,
                host.id,
                CacheField::HostCategoryUrl,
            ));
        }
        Ok(Carrier {
            host: draft.host,
            country: draft.country,
            public: draft.public,
            restricted: host.restricted,
            protocols,
            #[expect(clippy::cast_precision_loss, reason = "bandwidths need no more than three digits")]
            inverse_bandwidth: 1.0 / host.bandwidth as f32,
            urls: range,
        })
    }

    fn attach_file_details(&mut self) -> HashMap<DirectoryIndex, Box<[FileDetails]>, RandomState> {
        let mut attached = HashMap::default();
        for (name, files) in std::mem::take(&mut self.file_details) {
            match self.directories.find(&name) {
                Some(directory) => _ = attached.insert(directory, each_file_once(files)),
                None => self.warn(CacheField::FileDetails, format_args!("no host carries {name:?}")),
            }
        }
        attached
    }
}

/// Where hosts are, as seen from the centre of the Earth.
fn directions(hosts: &HostTable) -> IndexTable<HostIndex, Option<Direction>> {
    let hosts = hosts.hosts.rows().iter();
    let directions = hosts.map(|host| host.place().map(Coordinates::direction));
    directions.collect::<Vec<_>>().into()
}

/// Lists of hosts in ascending order, each host once.
fn each_host_once<K>(lists: HostLists<K>) -> impl Iterator<Item = (K, Box<[HostIndex]>)> {
    lists.into_iter().map(|(key, mut hosts)| {
        hosts.sort_unstable();
        hosts.dedup();
        (key, hosts.into())
    })
}
