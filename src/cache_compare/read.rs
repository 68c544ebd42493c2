//! A cache file to the tables that are compared, in one streaming pass: texts as a server takes them, and those that a
//! server leaves out as they stand in the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use super::UnusableFile;
use super::directories::CarriedDirectories;
use super::values::{FileName, HostAttributes, VersionDigest, country};
use crate::cache::MOST_HOSTS;
use crate::cache::error::{CacheError, EntryError, TooMany};
use crate::cache::name::{LONGEST_NAME, clean_directory};
use crate::cache::read::entry::CacheEntry;
use crate::cache::read::files::FileDetailsEntry;
use crate::cache::read::ids::EncodedIds;
use crate::cache::read::read_entries;
use crate::cache::url::BaseUrl;
use crate::geo::network;

/// The file is read in pieces of this many bytes.
const BUFFER: usize = 256 << 10;

/// Progress is told after so many bytes.
const STEP: u64 = 1 << 20;

/// A text that is not a network is compared by so many characters of it; servers leave it out.
const NO_NETWORK: usize = 200;

/// The tables of one cache.
#[derive(Default)]
pub(super) struct CacheTables {
    /// In seconds since the Unix epoch.
    pub(super) created: u64,
    /// By network.
    pub(super) netblock_countries: BTreeMap<String, String>,
    /// By id.
    pub(super) urls: HashMap<i64, Box<str>>,
    pub(super) files: BTreeMap<FileName, Vec<VersionDigest>>,
    pub(super) disabled_repositories: BTreeSet<String>,
    /// By country.
    pub(super) continent_redirects: BTreeMap<String, String>,
    pub(super) repository_redirects: BTreeMap<String, String>,
    /// Directories by "prefix+arch".
    pub(super) repositories: BTreeMap<String, String>,
    /// By id; those that have any attribute.
    pub(super) hosts: BTreeMap<i64, HostAttributes>,
    pub(super) carried: CarriedDirectories,
}

/// Reads a cache.
///
/// # Errors
/// If the file cannot be read, is damaged, or has no creation time or no directory.
pub(super) fn read(path: &Path, progress: &dyn Fn(u64)) -> Result<CacheTables, UnusableFile> {
    let file = File::open(path).map_err(UnusableFile::Read)?;
    let (mut tables, mut has_time, mut told) = (CacheTables::default(), false, 0);
    let size = read_entries(BufReader::with_capacity(BUFFER, file), |entry, read| {
        if read - told >= STEP {
            progress(read - told);
            told = read;
        }
        has_time |= matches!(entry, CacheEntry::Time(_));
        tables.accept(entry)
    })?;
    progress(size - told);
    if size == 0 {
        return Err(UnusableFile::Empty);
    }
    if !has_time {
        return Err(CacheError::Lacks("creation time").into());
    }
    if tables.carried.directories.is_empty() {
        return Err(CacheError::Lacks("directory").into());
    }
    tables.hosts.retain(|_, host| *host != HostAttributes::default());
    Ok(tables)
}

impl CacheTables {
    /// Takes one entry. Of two entries with one key the last one counts, as for servers; lists of hosts are joined.
    fn accept(&mut self, entry: CacheEntry<'_>) -> Result<(), EntryError> {
        match entry {
            CacheEntry::Time(created) => self.created = created,
            CacheEntry::NetblockCountry {
                network: text,
                country: of,
            } => {
                _ = self.netblock_countries.insert(network(text), country(of));
            }
            CacheEntry::HostCategoryUrl { id, url } => {
                let unusable = url.trim().trim_end_matches('/');
                let url = BaseUrl::parse(url).map_or(unusable, BaseUrl::as_str);
                _ = self.urls.insert(id, url.into());
            }
            CacheEntry::FileDetails(files) => self.file_details(files)?,
            CacheEntry::DisabledRepository { prefix, disabled } => match disabled {
                true => _ = self.disabled_repositories.insert(prefix.to_owned()),
                false => _ = self.disabled_repositories.remove(prefix),
            },
            CacheEntry::ContinentRedirect { country: of, continent } => {
                _ = self
                    .continent_redirects
                    .insert(country(of), continent.trim().to_owned());
            }
            CacheEntry::RepositoryRedirect { from, to } => {
                _ = self.repository_redirects.insert(from.to_owned(), to.to_owned());
            }
            CacheEntry::Repository { key, directory } => {
                let directory = clean_directory(directory).into_owned();
                _ = self.repositories.insert(key.to_owned(), directory);
            }
            CacheEntry::HostAsn { asn, hosts } => self.each_host(hosts, |host| _ = host.as_numbers.insert(asn))?,
            CacheEntry::HostCountry { host, country: text } => {
                self.host(host)?.country = Some(country(text)).filter(|country| !country.is_empty());
            }
            CacheEntry::HostBandwidth { host, bandwidth } => {
                self.host(host)?.bandwidth = Some(bandwidth.min(u32::MAX.into())).filter(|mbits| *mbits > 1);
            }
            CacheEntry::HostCoordinates { host, units } => self.host(host)?.coordinates = Some(units),
            CacheEntry::HostCountryAllowed { host, countries } => {
                let host = self.host(host)?;
                for text in countries.iter() {
                    host.allowed_countries.insert(country(text?));
                }
            }
            CacheEntry::HostNetblock { network: text, hosts } => {
                let network: Arc<str> = network(text).into();
                self.each_host(hosts, |host| _ = host.netblocks.insert(Arc::clone(&network)))?;
            }
            CacheEntry::Directory(directory) => self.carried.read(directory)?,
        }
        Ok(())
    }

    fn host(&mut self, id: i64) -> Result<&mut HostAttributes, TooMany> {
        if self.hosts.len() >= MOST_HOSTS && !self.hosts.contains_key(&id) {
            return Err(TooMany::Hosts);
        }
        Ok(self.hosts.entry(id).or_default())
    }

    fn each_host(&mut self, ids: EncodedIds<'_>, mut take: impl FnMut(&mut HostAttributes)) -> Result<(), EntryError> {
        ids.try_each(|id| {
            take(self.host(id)?);
            Ok(())
        })
    }

    fn file_details(&mut self, entry: FileDetailsEntry<'_>) -> Result<(), EntryError> {
        let directory: Arc<str> = clean_directory(entry.directory).into();
        // Servers leave them out.
        if directory.len() > LONGEST_NAME {
            return Ok(());
        }
        for file in entry.files() {
            let file = file?;
            let name = FileName {
                directory: Arc::clone(&directory),
                file: file.name.into(),
            };
            let versions = file.versions().map(|version| Ok(VersionDigest::new(&version?)));
            let versions: Vec<VersionDigest> = versions.collect::<Result<_, EntryError>>()?;
            // A file without a version is answered like one that is not there.
            match versions.is_empty() {
                true => self.files.remove(&name),
                false => self.files.insert(name, versions),
            };
        }
        Ok(())
    }
}

/// A network without host bits; a text that is none, as it stands.
fn network(text: &str) -> String {
    network::parse(text).map_or_else(
        |_| text.trim().chars().take(NO_NETWORK).collect(),
        |network| network.to_string(),
    )
}
