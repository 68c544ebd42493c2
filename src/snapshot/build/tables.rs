//! The small tables of a cache: networks, URLs, files, repositories and the attributes of hosts.

use super::CatalogueBuilder;
use crate::budget::Budget;
use crate::cache::error::{EntryError, EntryResult};
use crate::cache::name::{self, clean_directory};
use crate::cache::read::entry::TextList;
use crate::cache::read::files::{FileDetailsEntry, FileEntry};
use crate::cache::read::ids::EncodedIds;
use crate::cache::schema::CacheField;
use crate::cache::url::BaseUrl;
use crate::geo::continent::parse_continent;
use crate::geo::{AsNumber, Coordinates, CountryCode, NetworkTable, network};
use crate::snapshot::file_details::{FileDetails, FileVersion};
use crate::snapshot::hosts::{HostIndex, HostTable};
use crate::snapshot::urls::StoredUrl;
use crate::warnings::Warnings;

/// The memory of entries without their texts and lists, in bytes: the room that tables keep for growing, and the tables that are
/// made of them in the end.
mod cost {
    pub(super) const REPOSITORY: usize = 208;
    pub(super) const REPOSITORY_NAME: usize = 96;
    pub(super) const DIRECTORY_OF_FILES: usize = 240;
    pub(super) const FILE: usize = 120;
    pub(super) const AS_NUMBER: usize = 144;
    pub(super) const NETWORK_OF_HOSTS: usize = 128;
}

impl CatalogueBuilder {
    pub(super) fn netblock_country(&mut self, network: &str, country: &str) -> EntryResult {
        const TABLE: CacheField = CacheField::NetblockCountry;
        match (CountryCode::parse(country), network::parse(network)) {
            (Some(country), Ok(network)) => {
                self.budget.take(NetworkTable::<CountryCode>::NETWORK_BYTES)?;
                self.netblock_countries.push((network, country));
            }
            (None, _) => self.warn(
                TABLE,
                format_args!("network {network:?} has no country but {country:?}"),
            ),
            (_, Err(problem)) => self.warn(TABLE, format_args!("{network:?}: {problem}")),
        }
        Ok(())
    }

    pub(super) fn base_url(&mut self, id: i64, url: &str) -> EntryResult {
        match BaseUrl::parse(url) {
            Ok(url) => {
                self.budget.take(StoredUrl::BYTES + url.as_str().len())?;
                self.base_urls.insert(id, StoredUrl::new(url));
            }
            Err(problem) => {
                self.base_urls.remove(&id);
                self.warn(
                    CacheField::HostCategoryUrl,
                    format_args!("URL {id} is left out: {problem}: {url:?}"),
                );
            }
        }
        Ok(())
    }

    pub(super) fn file_details(&mut self, entry: FileDetailsEntry<'_>) -> EntryResult {
        const TABLE: CacheField = CacheField::FileDetails;
        let directory = entry.directory;
        let clean = clean_directory(directory);
        if let Some(problem) = name::problem(&clean) {
            self.warn(TABLE, format_args!("a directory is left out: {problem}: {directory:?}"));
            return Ok(());
        }
        if !self.file_details.contains_key(&*clean) {
            self.budget.take(cost::DIRECTORY_OF_FILES + clean.len())?;
        }
        let files = self.file_details.entry(clean.into()).or_default();
        for file in entry.files() {
            let file = file?;
            match name::problem(file.name) {
                None => files.push(file_details(directory, file, &mut self.budget, &mut self.warnings)?),
                Some(problem) => self.warnings.add(format_args!(
                    "{TABLE}: a file in {directory:?} is left out: {problem}: {:?}",
                    file.name
                )),
            }
        }
        Ok(())
    }

    pub(super) fn disabled_repository(&mut self, prefix: &str, disabled: bool) -> EntryResult {
        if !self.can_be_named(CacheField::DisabledRepository, prefix) {
            return Ok(());
        }
        if disabled {
            self.budget.take(cost::REPOSITORY_NAME + prefix.len())?;
            self.repositories.disabled.insert(prefix.into());
        } else {
            self.repositories.disabled.remove(prefix);
        }
        Ok(())
    }

    pub(super) fn continent_redirect(&mut self, country: &str, continent: &str) {
        match (CountryCode::parse(country), parse_continent(continent)) {
            (Some(country), Some(continent)) => {
                self.continent_redirects.insert(country, continent.map(Into::into));
            }
            _ => self.warn(
                CacheField::ContinentRedirect,
                format_args!("{country:?} to {continent:?} is not a country and a continent"),
            ),
        }
    }

    pub(super) fn repository_redirect(&mut self, from: &str, to: &str) -> EntryResult {
        const TABLE: CacheField = CacheField::RepositoryRedirect;
        if self.can_be_named(TABLE, from) && self.can_be_named(TABLE, to) {
            self.budget.take(2 * cost::REPOSITORY_NAME + from.len() + to.len())?;
            self.repositories.redirects.insert(from.into(), to.into());
        }
        Ok(())
    }

    pub(super) fn repository(&mut self, key: &str, directory: &str) -> EntryResult {
        const TABLE: CacheField = CacheField::Repository;
        if self.can_be_named(TABLE, key) && self.can_be_named(TABLE, directory) {
            // The key is also in the lists of all repositories.
            self.budget.take(cost::REPOSITORY + 5 * key.len() + directory.len())?;
            let directory = clean_directory(directory).into();
            self.repository_directories.insert(key.into(), directory);
        }
        Ok(())
    }

    pub(super) fn host_asn(&mut self, number: i64, hosts: EncodedIds<'_>) -> EntryResult {
        let Some(asn) = u32::try_from(number).ok().and_then(AsNumber::new) else {
            self.warn(CacheField::HostAsn, format_args!("{number} is no AS number"));
            return Ok(());
        };
        if !self.as_hosts.contains_key(&asn) {
            self.budget.take(cost::AS_NUMBER)?;
        }
        let list = self.as_hosts.entry(asn).or_default();
        add_hosts(list, hosts, &mut self.hosts, &mut self.budget)
    }

    pub(super) fn host_country(&mut self, host: i64, text: &str) -> EntryResult {
        let country = CountryCode::parse(text);
        if country.is_none() {
            self.warn(
                CacheField::HostCountry,
                format_args!("host {host}: {text:?} is no country code"),
            );
        }
        self.hosts.by_id(host)?.country = country;
        Ok(())
    }

    pub(super) fn host_bandwidth(&mut self, host: i64, bandwidth: i64) -> EntryResult {
        self.hosts.by_id(host)?.bandwidth = u32::try_from(bandwidth.max(1)).unwrap_or(u32::MAX);
        Ok(())
    }

    pub(super) fn host_coordinates(&mut self, host: i64, units: [i64; 2]) -> EntryResult {
        let [latitude, longitude] = units.map(|units| i32::try_from(units).ok());
        let coordinates = latitude
            .zip(longitude)
            .and_then(|(latitude, longitude)| Coordinates::from_units(latitude, longitude));
        if coordinates.is_none() {
            let [latitude, longitude] = units;
            self.warn(
                CacheField::HostCoordinates,
                format_args!("host {host}: {latitude}, {longitude} is no place in units of 0.00001 degrees"),
            );
        }
        self.hosts.by_id(host)?.coordinates = coordinates;
        Ok(())
    }

    pub(super) fn allowed_countries(&mut self, id: i64, countries: TextList<'_>) -> EntryResult {
        let host = self.hosts.by_id(id)?;
        for text in countries.iter() {
            let text = text?;
            host.restricted = true;
            match CountryCode::parse(text) {
                Some(country) => {
                    // There are fewer countries than fill a page, so that this stays short.
                    if let Err(place) = host.allowed_countries.binary_search(&country) {
                        self.budget.take(2 * size_of::<CountryCode>())?;
                        host.allowed_countries.insert(place, country);
                    }
                }
                None => self.warnings.add(format_args!(
                    "{}: host {id}: {text:?} is no country code",
                    CacheField::HostCountryAllowed
                )),
            }
        }
        Ok(())
    }

    /// Takes the hosts of a network. Networks that are the same in two spellings have the hosts of both.
    pub(super) fn host_netblock(&mut self, text: &str, hosts: EncodedIds<'_>) -> EntryResult {
        match network::parse(text) {
            Ok(network) => {
                if !self.host_netblocks.contains_key(&network) {
                    let table = NetworkTable::<Box<[HostIndex]>>::NETWORK_BYTES;
                    self.budget.take(table + cost::NETWORK_OF_HOSTS)?;
                }
                let list = self.host_netblocks.entry(network).or_default();
                add_hosts(list, hosts, &mut self.hosts, &mut self.budget)
            }
            Err(problem) => {
                self.warn(CacheField::HostNetblock, format_args!("{text:?}: {problem}"));
                Ok(())
            }
        }
    }

    /// Whether an answer can name a repository or its directory. If not, the entry is left out with a warning.
    fn can_be_named(&mut self, table: CacheField, name: &str) -> bool {
        let problem = name::problem(name);
        if let Some(problem) = problem {
            self.warn(table, format_args!("an entry is left out: {problem}: {name:?}"));
        }
        problem.is_none()
    }
}

/// A file of a directory with its versions.
fn file_details(
    directory: &str,
    file: FileEntry<'_>,
    budget: &mut Budget,
    warnings: &mut Warnings,
) -> Result<FileDetails, EntryError> {
    let name = file.name;
    let mut bad_hash = |kind: &str, text: &str| {
        warnings.add(format_args!(
            "{}: {name:?} in {directory:?}: {text:?} is no {kind} hash",
            CacheField::FileDetails
        ));
    };
    let count = file.version_count();
    budget.take(cost::FILE + name.len() + count * size_of::<FileVersion>())?;
    let mut versions = Vec::with_capacity(count);
    for version in file.versions() {
        let version = FileVersion::from_cache(&version?, &mut bad_hash);
        // Compatibility: yum 3 rejects a whole metalink in which an alternate has no time; the golden file
        // `metalink-repository` pins it.
        if versions.is_empty() || version.timestamp != 0 {
            versions.push(version);
        }
    }
    Ok(FileDetails {
        name: name.into(),
        versions: versions.into(),
    })
}

/// Adds hosts to a list. A host that is listed again takes no more room: when the list is full, each host is kept once.
fn add_hosts(
    list: &mut Vec<HostIndex>,
    ids: EncodedIds<'_>,
    hosts: &mut HostTable,
    budget: &mut Budget,
) -> EntryResult {
    ids.try_each(|id| {
        let host = hosts.index_of(id)?;
        if list.len() == list.capacity() {
            let before = list.capacity();
            list.sort_unstable();
            list.dedup();
            list.reserve(list.len() + 1);
            budget.take((list.capacity() - before) * 2 * size_of::<HostIndex>())?;
        }
        list.push(host);
        Ok(())
    })
}
