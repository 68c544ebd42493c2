//! A cache file to the tables that are compared, in one streaming pass: texts as a server takes them, what it leaves out as it stands
//! in the file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::directories::{CarriedDirectories, DirectoryReader};
use super::files::{FileName, VersionDigest};
use crate::cache::name::{LONGEST_NAME, clean_directory};
use crate::cache::proto;
use crate::cache::wire::{Fault, Field, FieldReader, Value, WireError};
use crate::geo::network;

/// The file is read in pieces of this many bytes.
const BUFFER: usize = 256 << 10;

/// Progress is told after so many bytes.
const STEP: u64 = 1 << 20;

/// As for servers. A host takes much more memory than its id does in a file.
const MOST_HOSTS: usize = 65_536;

const TOO_MANY_HOSTS: &str = "there are more than 65,536 hosts";

/// What is no network is known by so many characters of it; servers leave it out.
const NO_NETWORK: usize = 200;

/// What a cache says of a host outside of its directories.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct HostAttributes {
    pub(super) country: Option<String>,
    /// In Mbit/s; none where it counts as 1.
    pub(super) bandwidth: Option<i64>,
    pub(super) allowed_countries: BTreeSet<String>,
    pub(super) as_numbers: BTreeSet<i64>,
    pub(super) netblocks: BTreeSet<Arc<str>>,
}

/// The tables of one cache.
pub(super) struct CacheTables {
    pub(super) created: u64,
    /// By network.
    pub(super) netblock_countries: BTreeMap<String, String>,
    /// By id.
    pub(super) urls: HashMap<i64, Box<str>>,
    pub(super) files: BTreeMap<FileName, Vec<VersionDigest>>,
    pub(super) disabled_repositories: BTreeMap<String, ()>,
    /// By country.
    pub(super) continent_redirects: BTreeMap<String, String>,
    pub(super) repository_redirects: BTreeMap<String, String>,
    /// Directories by "prefix+arch".
    pub(super) repositories: BTreeMap<String, String>,
    /// By id; those that have any attribute.
    pub(super) hosts: BTreeMap<i64, HostAttributes>,
    pub(super) carried: CarriedDirectories,
}

/// A country as it is compared.
pub(super) fn country(text: &str) -> String {
    text.trim().to_uppercase()
}

/// Reads a cache.
///
/// # Errors
/// What is wrong with the file, and what to do.
pub(super) fn read(path: &Path, progress: &dyn Fn(u64)) -> Result<CacheTables, String> {
    let file = File::open(path).map_err(|error| format!("cannot read it: {error}"))?;
    let mut fields = FieldReader::new(BufReader::with_capacity(BUFFER, file));
    let (mut tables, mut told) = (TablesReader::default(), 0);
    loop {
        let at = fields.position();
        if at - told >= STEP {
            progress(at - told);
            told = at;
        }
        let field = match fields.next() {
            Ok(Some(field)) => field,
            Ok(None) => break,
            Err(WireError::Read(error)) => return Err(format!("cannot read it: {error}")),
            Err(error) => return Err(unusable(&error.to_string())),
        };
        tables
            .accept(field)
            .map_err(|problem| unusable(&WireError::Malformed { at, problem }.to_string()))?;
    }
    progress(fields.position() - told);
    match (fields.position(), tables.created) {
        (0, _) => Err("the file is empty".to_owned()),
        (_, None) => Err(unusable("it has no creation time")),
        (_, Some(created)) => {
            let tables = tables.finish(created);
            match tables.carried.directories.is_empty() {
                true => Err(unusable("it has no directory")),
                false => Ok(tables),
            }
        }
    }
}

fn unusable(problem: &str) -> String {
    format!("not a usable mirrorlist cache: {problem}; generate it again or copy it again")
}

#[derive(Default)]
struct TablesReader {
    created: Option<u64>,
    netblock_countries: BTreeMap<String, String>,
    urls: HashMap<i64, Box<str>>,
    files: BTreeMap<FileName, Vec<VersionDigest>>,
    disabled_repositories: BTreeMap<String, ()>,
    continent_redirects: BTreeMap<String, String>,
    repository_redirects: BTreeMap<String, String>,
    repositories: BTreeMap<String, String>,
    hosts: BTreeMap<i64, HostAttributes>,
    directories: DirectoryReader,
}

impl TablesReader {
    /// Takes one field of the cache. Of two entries with one key the last one counts, as for servers; lists of hosts are joined.
    fn accept(&mut self, field: Field<'_>) -> Result<(), String> {
        let bytes = match (field.number, field.value) {
            (1, Value::Integer(time)) => {
                self.created = Some(time);
                return Ok(());
            }
            (1..=16, Value::Bytes(bytes)) => bytes,
            (1..=16, _) => return Err(format!("field {} is not a message", field.number)),
            // A later version of the format may have more fields.
            _ => return Ok(()),
        };
        match field.number {
            2 => {
                let entry: proto::StringStringMap = decode(bytes)?;
                self.netblock_countries
                    .insert(network(&entry.key), country(&entry.value));
            }
            4 => {
                let entry: proto::IntStringMap = decode(bytes)?;
                let url = entry.value.trim().trim_end_matches('/');
                self.urls.insert(entry.key, url.into());
            }
            5 => self.file_details(decode(bytes)?),
            6 => {
                let entry: proto::StringBoolMap = decode(bytes)?;
                match entry.value {
                    true => self.disabled_repositories.insert(entry.key, ()),
                    false => self.disabled_repositories.remove(&entry.key),
                };
            }
            7 => {
                let entry: proto::StringStringMap = decode(bytes)?;
                let continent = entry.value.trim().to_owned();
                self.continent_redirects.insert(country(&entry.key), continent);
            }
            8 => {
                let entry: proto::StringStringMap = decode(bytes)?;
                self.repository_redirects.insert(entry.key, entry.value);
            }
            9 => {
                let entry: proto::StringStringMap = decode(bytes)?;
                self.repositories
                    .insert(entry.key, clean_directory(&entry.value).into_owned());
            }
            10 => {
                let entry: proto::IntRepeatedIntMap = decode(bytes)?;
                for host in entry.value {
                    self.host(host)?.as_numbers.insert(entry.key);
                }
            }
            12 => {
                let entry: proto::IntStringMap = decode(bytes)?;
                self.host(entry.key)?.country = Some(country(&entry.value)).filter(|country| !country.is_empty());
            }
            13 => {
                let entry: proto::IntIntMap = decode(bytes)?;
                self.host(entry.key)?.bandwidth = Some(entry.value.min(u32::MAX.into())).filter(|value| *value > 1);
            }
            14 => {
                let entry: proto::IntRepeatedStringMap = decode(bytes)?;
                let countries = entry.value.iter().map(|text| country(text));
                self.host(entry.key)?.allowed_countries.extend(countries);
            }
            15 => {
                let entry: proto::StringRepeatedIntMap = decode(bytes)?;
                let network: Arc<str> = network(&entry.key).into();
                for host in entry.value {
                    self.host(host)?.netblocks.insert(network.clone());
                }
            }
            16 => {
                self.directories
                    .directory(bytes)
                    .map_err(|fault: Fault| fault.to_string())?;
                if self.directories.host_count() > MOST_HOSTS {
                    return Err(TOO_MANY_HOSTS.to_owned());
                }
            }
            // The location and the maximum connections, which no server uses.
            _ => {}
        }
        Ok(())
    }

    fn host(&mut self, id: i64) -> Result<&mut HostAttributes, String> {
        if self.hosts.len() >= MOST_HOSTS && !self.hosts.contains_key(&id) {
            return Err(TOO_MANY_HOSTS.to_owned());
        }
        Ok(self.hosts.entry(id).or_default())
    }

    fn file_details(&mut self, entry: proto::FileDetailsCacheDirectoryType) {
        let directory: Arc<str> = clean_directory(&entry.directory).into();
        // Servers leave them out.
        if directory.len() > LONGEST_NAME {
            return;
        }
        for file in entry.file_details_cache_files {
            let name = FileName {
                directory: Arc::clone(&directory),
                file: file.filename.into(),
            };
            // A file without a version is answered like one that is not there.
            match file.file_details.is_empty() {
                true => self.files.remove(&name),
                false => {
                    let versions = file.file_details.iter().map(VersionDigest::new);
                    self.files.insert(name, versions.collect())
                }
            };
        }
    }

    fn finish(self, created: u64) -> CacheTables {
        let mut hosts = self.hosts;
        hosts.retain(|_, attributes| *attributes != HostAttributes::default());
        CacheTables {
            created,
            netblock_countries: self.netblock_countries,
            urls: self.urls,
            files: self.files,
            disabled_repositories: self.disabled_repositories,
            continent_redirects: self.continent_redirects,
            repository_redirects: self.repository_redirects,
            repositories: self.repositories,
            hosts,
            carried: self.directories.finish(),
        }
    }
}

/// A network without host bits; what is none, as it stands.
fn network(text: &str) -> String {
    network::parse(text).map_or_else(
        |_| text.trim().chars().take(NO_NETWORK).collect(),
        |network| network.to_string(),
    )
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, String> {
    M::decode(bytes).map_err(|error| error.to_string())
}
