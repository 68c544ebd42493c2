//! A cache file to a [`Catalogue`], in one pass: each message is read, packed and forgotten.
//!
//! What can't be decoded means that the file is damaged, and it is refused. What can be decoded but not used (a network that
//! is none, a URL with a control character) is left out and counted. Nothing is searched through for each entry, whatever the
//! entries are, and what they take is charged to a [`Budget`]: a file can be made of messages of two bytes that would take a
//! hundred each.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::BufRead;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ip_network::IpNetwork;
use prost::Message;

use super::carriers::{Carrier, CarrierSetsBuilder, Group, MOST_CARRIERS, Member};
use super::catalogue::Catalogue;
use super::directories::{DirectoryIndex, DirectoryTable};
use super::file_details::{FileDetails, FileVersion, each_file_once};
use super::hosts::{HostIndex, HostTable};
use super::masks::CarrierMasks;
use super::repositories::RepositoriesBuilder;
use super::urls::{StoredUrl, Urls};
use crate::budget::{Budget, OverBudget};
use crate::cache::name::{self, clean_directory};
use crate::cache::proto;
use crate::cache::url::BaseUrl;
use crate::cache::wire::{self, Fault, Field, FieldReader, Value, WireError};
use crate::geo::continent::parse_continent;
use crate::geo::{AsNumber, CountryCode, NetworkTable, network};
use crate::warnings::Warnings;

/// Why a file is no usable cache.
#[derive(Debug)]
pub enum CacheError {
    /// It is damaged or not a cache at all.
    Wire(WireError),
    /// It would take more memory than its size allows.
    TooLarge(OverBudget),
    /// It is well-formed but lacks what a server needs.
    Lacks(&'static str),
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::TooLarge(error) => error.fmt(f),
            Self::Lacks(what) => write!(f, "it has no {what}"),
        }
    }
}

impl std::error::Error for CacheError {}

impl From<OverBudget> for CacheError {
    fn from(error: OverBudget) -> Self {
        Self::TooLarge(error)
    }
}

/// Reads a cache.
///
/// # Errors
/// Where the file is damaged, would take too much memory, or has no creation time, directory or usable URL.
pub fn read(file: impl BufRead, warnings: &mut Warnings) -> Result<Catalogue, CacheError> {
    let mut fields = FieldReader::new(file);
    let mut builder = Builder::default();
    loop {
        let at = fields.position();
        let Some(field) = fields.next().map_err(CacheError::Wire)? else {
            break;
        };
        builder.accept(at, field, warnings).map_err(|error| match error {
            EntryError::Malformed(problem) => CacheError::Wire(WireError::Malformed { at, problem }),
            EntryError::TooLarge(error) => CacheError::TooLarge(error),
        })?;
    }
    builder.finish(warnings)
}

/// Why an entry makes the whole file unusable.
enum EntryError {
    Malformed(String),
    TooLarge(OverBudget),
}

impl From<OverBudget> for EntryError {
    fn from(error: OverBudget) -> Self {
        Self::TooLarge(error)
    }
}

impl From<Fault> for EntryError {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault.to_string())
    }
}

impl From<&str> for EntryError {
    fn from(problem: &str) -> Self {
        Self::Malformed(problem.to_owned())
    }
}

type EntryResult = Result<(), EntryError>;

/// What entries take beside their texts and lists, in bytes: the room that tables keep for growing, and the tables that are
/// made of them in the end.
mod cost {
    pub(super) const REPOSITORY: usize = 208;
    pub(super) const REPOSITORY_NAME: usize = 96;
    pub(super) const DIRECTORY_OF_FILES: usize = 240;
    pub(super) const FILE: usize = 120;
    pub(super) const AS_NUMBER: usize = 144;
    pub(super) const NETWORK_OF_HOSTS: usize = 128;
    pub(super) const CARRIER: usize = 120;
    pub(super) const ODD_SUBPATH: usize = 56;
}

/// A carrier as it is found in the cache. Two directories have the same carrier where all of this is the same.
struct Draft {
    host: HostIndex,
    /// The encoded list of URL ids, to recognise the carrier in the next directory without decoding.
    encoded: Box<[u8]>,
    country: Option<CountryCode>,
    public: bool,
    /// None until the end of the first directory that it is in.
    member: Option<Member>,
}

/// What the directory at hand says of a host.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// The directory for which public, country and position hold.
    directory: u32,
    public: bool,
    country: Option<CountryCode>,
    /// Where the host's carrier stands in [`Builder::present`].
    position: Option<u32>,
    /// The carrier that the host was last.
    latest: Option<u32>,
}

/// A carrier to be found: a host as a directory describes it.
#[derive(Clone, Copy)]
struct Sought<'a> {
    host: HostIndex,
    encoded: &'a [u8],
    public: bool,
    country: Option<CountryCode>,
}

impl Sought<'_> {
    fn is_like(&self, draft: &Draft) -> bool {
        draft.host == self.host && draft.public == self.public && draft.country == self.country
    }
}

/// All carriers found so far, by what the cache says of them.
#[derive(Default)]
struct Drafts {
    drafts: Vec<Draft>,
    hasher: RandomState,
    by_encoding: HashTable<u32>,
    /// By the ids of their URLs, however these are encoded.
    by_urls: HashTable<u32>,
}

impl Drafts {
    fn get(&self, number: u32) -> Option<&Draft> {
        self.drafts.get(number as usize)
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Draft> {
        self.drafts.get_mut(number as usize)
    }

    /// The carrier that has the same encoding.
    fn find_encoded(&self, sought: Sought<'_>) -> Option<u32> {
        let same = |number: &u32| {
            self.get(*number)
                .is_some_and(|draft| sought.is_like(draft) && *draft.encoded == *sought.encoded)
        };
        let hash = hash_encoded(&self.hasher, sought.host, sought.encoded);
        self.by_encoding.find(hash, same).copied()
    }

    /// The carrier that has the same URLs in another encoding, or a new one.
    fn find_or_add(&mut self, sought: Sought<'_>, budget: &mut Budget) -> Result<u32, EntryError> {
        let (drafts, hasher) = (&self.drafts, &self.hasher);
        let same = |number: &u32| {
            drafts
                .get(*number as usize)
                .is_some_and(|draft| sought.is_like(draft) && url_ids(&draft.encoded).eq(url_ids(sought.encoded)))
        };
        let hash = hash_urls(hasher, sought.host, sought.encoded);
        if let Some(known) = self.by_urls.find(hash, same) {
            return Ok(*known);
        }
        if drafts.len() >= MOST_CARRIERS {
            return Err("there are more than 16 million pairs of a host and its URLs".into());
        }
        budget.take(cost::CARRIER + sought.encoded.len())?;
        // Below MOST_CARRIERS.
        let number = u32::try_from(drafts.len()).unwrap_or(u32::MAX);
        self.drafts.push(Draft {
            host: sought.host,
            encoded: sought.encoded.into(),
            country: sought.country,
            public: sought.public,
            member: None,
        });
        let drafts = &self.drafts;
        let draft = |number: &u32| drafts.get(*number as usize);
        self.by_urls.insert_unique(hash, number, |number| {
            draft(number).map_or(0, |draft| hash_urls(hasher, draft.host, &draft.encoded))
        });
        let hash = hash_encoded(hasher, sought.host, sought.encoded);
        self.by_encoding.insert_unique(hash, number, |number| {
            draft(number).map_or(0, |draft| hash_encoded(hasher, draft.host, &draft.encoded))
        });
        Ok(number)
    }
}

fn hash_encoded(hasher: &RandomState, host: HostIndex, encoded: &[u8]) -> u64 {
    hasher.hash_one((host, encoded))
}

fn hash_urls(hasher: &RandomState, host: HostIndex, encoded: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write_usize(host.get());
    for id in url_ids(encoded) {
        hasher.write_i64(id);
    }
    hasher.finish()
}

/// The ids of a carrier's URLs, in an encoding that was checked with [`has_urls`].
fn url_ids(encoded: &[u8]) -> impl Iterator<Item = i64> {
    let lists = wire::fields(encoded).filter_map(|field| field.ok().filter(|field| field.number == 2));
    lists.flat_map(|field| wire::integers(field.value).filter_map(Result::ok))
}

/// Whether an encoded list of URL ids has any.
fn has_urls(encoded: &[u8]) -> Result<bool, Fault> {
    let mut any = false;
    for field in wire::fields(encoded) {
        let Field { number, value } = field?;
        if number == 2 {
            for id in wire::integers(value) {
                id?;
                any = true;
            }
        }
    }
    Ok(any)
}

#[derive(Default)]
struct Builder {
    budget: Budget,
    created: Option<u64>,
    hosts: HostTable,
    base_urls: HashMap<i64, StoredUrl, RandomState>,
    repositories: RepositoriesBuilder,
    directories: DirectoryTable,
    file_details: BTreeMap<Box<str>, Vec<FileDetails>>,
    netblock_countries: Vec<(IpNetwork, CountryCode)>,
    continent_redirects: BTreeMap<CountryCode, Option<Box<str>>>,
    host_netblocks: HashMap<IpNetwork, Vec<HostIndex>, RandomState>,
    as_hosts: HashMap<AsNumber, Vec<HostIndex>, RandomState>,

    sets: CarrierSetsBuilder,
    drafts: Drafts,
    marks: Vec<Mark>,
    directory_number: u32,
    /// The carriers of the directory at hand.
    present: Vec<u32>,
}

impl Builder {
    /// Takes one field of the cache, which begins at this byte.
    fn accept(&mut self, at: u64, field: Field<'_>, warnings: &mut Warnings) -> EntryResult {
        let bytes = match (field.number, field.value) {
            (1, Value::Integer(time)) => {
                self.created = Some(time);
                return Ok(());
            }
            (1..=16, Value::Bytes(bytes)) => bytes,
            (1..=16, _) => {
                return Err(EntryError::Malformed(format!(
                    "field {} is not a message",
                    field.number
                )));
            }
            // A later version of the format may have more fields.
            _ => return Ok(()),
        };
        self.budget.read(at + bytes.len() as u64);
        match field.number {
            2 => self.netblock_country(&decode(bytes)?, warnings),
            4 => self.base_url(&decode(bytes)?, warnings),
            5 => self.file_details(bytes, warnings),
            6 => self.disabled_repository(decode(bytes)?, warnings),
            7 => {
                self.continent_redirect(&decode(bytes)?, warnings);
                Ok(())
            }
            8 => self.repository_redirect(decode(bytes)?, warnings),
            9 => self.repository(decode(bytes)?, warnings),
            10 => self.as_hosts(bytes, warnings),
            12 => self.host_country(&decode(bytes)?, warnings),
            13 => self.host_bandwidth(&decode(bytes)?),
            14 => self.allowed_countries(bytes, warnings),
            15 => self.host_netblock(bytes, warnings),
            16 => self.directory(bytes, warnings),
            // The location, maximum connections and anything else that no server uses.
            _ => Ok(()),
        }
    }

    fn netblock_country(&mut self, entry: &proto::StringStringMap, warnings: &mut Warnings) -> EntryResult {
        let proto::StringStringMap { key, value } = entry;
        match (CountryCode::parse(value), network::parse(key)) {
            (Some(country), Ok(network)) => {
                self.budget.take(NetworkTable::<CountryCode>::NETWORK_BYTES)?;
                self.netblock_countries.push((network, country));
            }
            (None, _) => warnings.add(format_args!(
                "NetblockCountryCache: network {key:?} has no country but {value:?}"
            )),
            (_, Err(problem)) => warnings.add(format_args!("NetblockCountryCache: {key:?}: {problem}")),
        }
        Ok(())
    }

    fn base_url(&mut self, entry: &proto::IntStringMap, warnings: &mut Warnings) -> EntryResult {
        let proto::IntStringMap { key, value } = entry;
        match BaseUrl::parse(value) {
            Ok(url) => {
                self.budget.take(StoredUrl::BYTES + url.as_str().len())?;
                self.base_urls.insert(*key, StoredUrl::new(url));
            }
            Err(problem) => {
                self.base_urls.remove(key);
                warnings.add(format_args!("HCUrlCache: URL {key} is left out: {problem}: {value:?}"));
            }
        }
        Ok(())
    }

    /// Takes a FileDetailsCacheDirectoryType.
    fn file_details(&mut self, bytes: &[u8], warnings: &mut Warnings) -> EntryResult {
        let directory = text_of(bytes, 1)?;
        let clean = clean_directory(directory);
        if let Some(problem) = name::problem(&clean) {
            warnings.add(format_args!(
                "FileDetailsCache: a directory is left out: {problem}: {directory:?}"
            ));
            return Ok(());
        }
        if !self.file_details.contains_key(&*clean) {
            self.budget.take(cost::DIRECTORY_OF_FILES + clean.len())?;
        }
        let files = self.file_details.entry(clean.into()).or_default();
        for file in messages_of(bytes, 2) {
            let file = file?;
            let name = text_of(file, 1)?;
            if let Some(problem) = name::problem(name) {
                warnings.add(format_args!(
                    "FileDetailsCache: a file in {directory:?} is left out: {problem}: {name:?}"
                ));
                continue;
            }
            let mut bad_hash = |kind: &str, text: &str| {
                warnings.add(format_args!(
                    "FileDetailsCache: {name:?} in {directory:?}: {text:?} is no {kind} hash"
                ));
            };
            let count = messages_of(file, 2).count();
            self.budget
                .take(cost::FILE + name.len() + count * size_of::<FileVersion>())?;
            let mut versions = Vec::with_capacity(count);
            for version in messages_of(file, 2) {
                let version = FileVersion::from_cache(&decode(version?)?, &mut bad_hash);
                // Compatibility: yum 3 rejects a whole metalink in which an alternate has no time; the golden file
                // `metalink-repository` pins it.
                if versions.is_empty() || version.timestamp != 0 {
                    versions.push(version);
                }
            }
            files.push(FileDetails {
                name: name.into(),
                versions: versions.into(),
            });
        }
        Ok(())
    }

    fn disabled_repository(&mut self, entry: proto::StringBoolMap, warnings: &mut Warnings) -> EntryResult {
        if !can_be_named("DisabledRepositoryCache", &entry.key, warnings) {
            return Ok(());
        }
        if entry.value {
            self.budget.take(cost::REPOSITORY_NAME + entry.key.len())?;
            self.repositories.disabled.insert(entry.key.into());
        } else {
            self.repositories.disabled.remove(entry.key.as_str());
        }
        Ok(())
    }

    fn continent_redirect(&mut self, entry: &proto::StringStringMap, warnings: &mut Warnings) {
        match (CountryCode::parse(&entry.key), parse_continent(&entry.value)) {
            (Some(country), Some(continent)) => {
                self.continent_redirects.insert(country, continent.map(Into::into));
            }
            _ => warnings.add(format_args!(
                "CountryContinentRedirectCache: {:?} to {:?} is not a country and a continent",
                entry.key, entry.value
            )),
        }
    }

    fn repository_redirect(&mut self, entry: proto::StringStringMap, warnings: &mut Warnings) -> EntryResult {
        let proto::StringStringMap { key, value } = entry;
        let mut can_be_named = |name| can_be_named("RepositoryRedirectCache", name, warnings);
        if can_be_named(&key) && can_be_named(&value) {
            self.budget.take(2 * cost::REPOSITORY_NAME + key.len() + value.len())?;
            self.repositories.redirects.insert(key.into(), value.into());
        }
        Ok(())
    }

    fn repository(&mut self, entry: proto::StringStringMap, warnings: &mut Warnings) -> EntryResult {
        let proto::StringStringMap { key, value } = entry;
        let mut can_be_named = |name| can_be_named("RepoArchToDirectoryName", name, warnings);
        if can_be_named(&key) && can_be_named(&value) {
            // The key is also in the lists of all repositories.
            self.budget.take(cost::REPOSITORY + 5 * key.len() + value.len())?;
            let directory = clean_directory(&value).into();
            self.repositories.directories.insert(key.into(), directory);
        }
        Ok(())
    }

    fn as_hosts(&mut self, entry: &[u8], warnings: &mut Warnings) -> EntryResult {
        let number = integer_of(entry, 1)?;
        let Some(asn) = u32::try_from(number).ok().and_then(AsNumber::new) else {
            warnings.add(format_args!("HostAsnCache: {number} is no AS number"));
            return Ok(());
        };
        if !self.as_hosts.contains_key(&asn) {
            self.budget.take(cost::AS_NUMBER)?;
        }
        let hosts = self.as_hosts.entry(asn).or_default();
        add_hosts(hosts, entry, &mut self.hosts, &mut self.budget)
    }

    fn host_country(&mut self, entry: &proto::IntStringMap, warnings: &mut Warnings) -> EntryResult {
        let country = CountryCode::parse(&entry.value);
        if country.is_none() {
            warnings.add(format_args!(
                "HostCountryCache: host {}: {:?} is no country code",
                entry.key, entry.value
            ));
        }
        self.hosts.by_id(entry.key).ok_or(TOO_MANY_HOSTS)?.country = country;
        Ok(())
    }

    fn host_bandwidth(&mut self, entry: &proto::IntIntMap) -> EntryResult {
        let bandwidth = u32::try_from(entry.value.clamp(1, u32::MAX.into())).unwrap_or(1);
        self.hosts.by_id(entry.key).ok_or(TOO_MANY_HOSTS)?.bandwidth = bandwidth;
        Ok(())
    }

    fn allowed_countries(&mut self, entry: &[u8], warnings: &mut Warnings) -> EntryResult {
        let id = integer_of(entry, 1)?;
        let host = self.hosts.by_id(id).ok_or(TOO_MANY_HOSTS)?;
        for text in messages_of(entry, 2) {
            let text = std::str::from_utf8(text?).map_err(|_| Fault::Text)?;
            host.restricted = true;
            match CountryCode::parse(text) {
                Some(country) => {
                    // There are fewer countries than fill a page, so that this stays short.
                    if let Err(place) = host.allowed_countries.binary_search(&country) {
                        self.budget.take(2 * size_of::<CountryCode>())?;
                        host.allowed_countries.insert(place, country);
                    }
                }
                None => warnings.add(format_args!(
                    "HostCountryAllowedCache: host {id}: {text:?} is no country code"
                )),
            }
        }
        Ok(())
    }

    /// Networks that are the same in two spellings have the hosts of both.
    fn host_netblock(&mut self, entry: &[u8], warnings: &mut Warnings) -> EntryResult {
        let text = text_of(entry, 1)?;
        match network::parse(text) {
            Ok(network) => {
                if !self.host_netblocks.contains_key(&network) {
                    let table = NetworkTable::<Box<[HostIndex]>>::NETWORK_BYTES;
                    self.budget.take(table + cost::NETWORK_OF_HOSTS)?;
                }
                let hosts = self.host_netblocks.entry(network).or_default();
                add_hosts(hosts, entry, &mut self.hosts, &mut self.budget)
            }
            Err(problem) => {
                warnings.add(format_args!("HostNetblockCache: {text:?}: {problem}"));
                Ok(())
            }
        }
    }

    /// Takes a MirrorListCacheType: first what it says of hosts in general, then the hosts that carry it.
    fn directory(&mut self, bytes: &[u8], warnings: &mut Warnings) -> EntryResult {
        self.directory_number += 1;
        let (mut name, mut subpath) = (None, "");
        // From the first entry of ByHostId on; as a rule, there are only those.
        let mut entries: Option<&[u8]> = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            while let Some(id) = wire::next_short_integer(&mut rest, GLOBAL) {
                self.mark_public(id.into())?;
            }
            let before = rest;
            while wire::next_short_message(&mut rest, BY_HOST_ID).is_some() {
                entries.get_or_insert(before);
            }
            if rest.is_empty() {
                break;
            }
            let before = rest;
            let Field { number, value } = wire::next_field(&mut rest)?;
            match (number, value) {
                (1, _) => name = Some(wire::text(value)?),
                (2, _) => {
                    for id in wire::integers(value) {
                        self.mark_public(id?)?;
                    }
                }
                (3, _) => subpath = wire::text(value)?,
                (4, Value::Bytes(entry)) => self.mark_country(entry, warnings)?,
                (6, Value::Bytes(_)) => {
                    entries.get_or_insert(before);
                }
                (4 | 6, _) => {
                    return Err(EntryError::Malformed(format!(
                        "field {number} of a directory is not a message"
                    )));
                }
                _ => {}
            }
        }
        self.present.clear();
        self.carriers(entries.unwrap_or_default())?;
        let members = self.group_new_carriers();
        // An empty name is one: that of the root.
        let Some(name) = name else {
            warnings.add("MirrorListCache: a directory has no name");
            return Ok(());
        };
        let clean = clean_directory(name);
        let subpath = subpath.trim_matches('/');
        if let Some(problem) = name::problem(&clean).or_else(|| name::problem(subpath)) {
            warnings.add(format_args!(
                "MirrorListCache: a directory is left out: {problem}: {clean:?}"
            ));
            return Ok(());
        }
        let (set, new_words) = self
            .sets
            .insert(members.into_iter())
            .ok_or("there are too many directories")?;
        if new_words > 0 {
            self.budget
                .take(CarrierSetsBuilder::SET_BYTES + new_words * CarrierSetsBuilder::WORD_BYTES)?;
        }
        let directory = self.directories.insert(&clean, subpath, set)?;
        if directory.odd_subpath {
            self.budget.take(cost::ODD_SUBPATH + subpath.len())?;
        }
        if directory.new {
            self.budget.take(DirectoryTable::DIRECTORY_BYTES + 2 * clean.len())?;
        } else {
            warnings.add(format_args!(
                "MirrorListCache: {clean:?} occurs twice; the last one counts"
            ));
        }
        Ok(())
    }

    /// The number of a host.
    #[inline(always)]
    fn host(&mut self, id: i64) -> Result<HostIndex, EntryError> {
        match self.hosts.index_of(id) {
            Some(host) => Ok(host),
            None => Err(TOO_MANY_HOSTS.into()),
        }
    }

    /// What the directory at hand says of a host, nothing if it is the first word of it.
    #[inline]
    fn mark(&mut self, host: HostIndex) -> Option<&mut Mark> {
        if self.marks.len() <= host.get() {
            self.make_room(host);
        }
        let directory = self.directory_number;
        let mark = self.marks.get_mut(host.get())?;
        if mark.directory != directory {
            *mark = Mark {
                directory,
                latest: mark.latest,
                ..Mark::default()
            };
        }
        Some(mark)
    }

    #[cold]
    fn make_room(&mut self, host: HostIndex) {
        self.marks.resize(host.get() + 1, Mark::default());
    }

    #[inline(always)]
    fn mark_public(&mut self, host: i64) -> EntryResult {
        let host = self.host(host)?;
        if let Some(mark) = self.mark(host) {
            mark.public = true;
        }
        Ok(())
    }

    #[inline(always)]
    fn mark_in_country(&mut self, host: i64, country: Option<CountryCode>) -> EntryResult {
        let host = self.host(host)?;
        if let Some(mark) = self.mark(host) {
            mark.country = country;
        }
        Ok(())
    }

    fn mark_country(&mut self, entry: &[u8], warnings: &mut Warnings) -> EntryResult {
        let text = key_text(entry)?;
        let country = CountryCode::parse(text);
        if country.is_none() {
            warnings.add(format_args!("MirrorListCache: ByCountry: {text:?} is no country code"));
        }
        let mut rest = entry;
        loop {
            while let Some(id) = wire::next_short_integer(&mut rest, COUNTRY_HOSTS) {
                self.mark_in_country(id.into(), country)?;
            }
            if rest.is_empty() {
                return Ok(());
            }
            let Field { number, value } = wire::next_field(&mut rest)?;
            if number == 2 {
                for id in wire::integers(value) {
                    self.mark_in_country(id?, country)?;
                }
            }
        }
    }

    /// Takes the entries of ByHostId of a directory or of its end.
    fn carriers(&mut self, mut rest: &[u8]) -> EntryResult {
        loop {
            while let Some(entry) = wire::next_short_message(&mut rest, BY_HOST_ID) {
                self.carrier(entry)?;
            }
            if rest.is_empty() {
                return Ok(());
            }
            if let Field {
                number: 6,
                value: Value::Bytes(entry),
            } = wire::next_field(&mut rest)?
            {
                self.carrier(entry)?;
            }
        }
    }

    /// Takes an entry of ByHostId. A host that has no URL doesn't carry the directory; of two entries for a host the last
    /// one counts.
    fn carrier(&mut self, entry: &[u8]) -> EntryResult {
        let (id, encoded) = host_and_urls(entry)?;
        let host = self.host(id)?;
        let Some(&mut Mark {
            public,
            country,
            position,
            latest,
            ..
        }) = self.mark(host)
        else {
            return Ok(());
        };
        let sought = Sought {
            host,
            encoded,
            public,
            country,
        };
        // Neighbouring directories are of the same category.
        let is_latest = latest
            .and_then(|latest| self.drafts.get(latest))
            .is_some_and(|draft| *draft.encoded == *encoded && draft.public == public && draft.country == country);
        let found = match latest
            .filter(|_| is_latest)
            .or_else(|| self.drafts.find_encoded(sought))
        {
            Some(known) => known,
            None if !has_urls(encoded)? => return Ok(()),
            None => self.drafts.find_or_add(sought, &mut self.budget)?,
        };
        let position = match position {
            Some(position) => {
                if let Some(place) = self.present.get_mut(position as usize) {
                    *place = found;
                }
                position
            }
            None => {
                // A directory has at most as many as there are hosts.
                let position = u32::try_from(self.present.len()).unwrap_or(u32::MAX);
                self.present.push(found);
                position
            }
        };
        if let Some(mark) = self.mark(host) {
            mark.position = Some(position);
            mark.latest = Some(found);
        }
        Ok(())
    }

    /// The members that carry the directory at hand. New carriers join the group of the first known one.
    fn group_new_carriers(&mut self) -> Vec<Member> {
        let known = |number: &u32| Some(self.drafts.get(*number)?.member?.group);
        let mut group: Option<Group> = self.present.iter().find_map(known);
        let mut members = Vec::with_capacity(self.present.len());
        for number in &self.present {
            let Some(draft) = self.drafts.get_mut(*number) else {
                continue;
            };
            let member = *draft.member.get_or_insert_with(|| {
                let group = *group.get_or_insert_with(|| self.sets.new_group());
                self.sets.new_member(group)
            });
            members.push(member);
        }
        members
    }

    fn finish(mut self, warnings: &mut Warnings) -> Result<Catalogue, CacheError> {
        let created = self.created.ok_or(CacheError::Lacks("creation time"))?;
        if self.directories.len() == 0 {
            return Err(CacheError::Lacks("directory"));
        }
        let (carriers, urls) = self.finish_carriers(warnings)?;
        if carriers.iter().all(|carrier| carrier.urls.is_empty()) {
            return Err(CacheError::Lacks("host with a usable URL"));
        }
        self.budget
            .take(CarrierMasks::most_bytes(&self.sets.bases(), &carriers))?;
        self.directories.shrink();
        let file_details = self.attach_file_details(warnings);
        let host_netblocks = self.host_netblocks.into_iter();
        Ok(Catalogue {
            created,
            carriers,
            urls,
            sets: self.sets.finish(),
            file_details,
            repositories: self.repositories.finish(&self.directories, warnings),
            directories: self.directories,
            netblock_countries: NetworkTable::new(self.netblock_countries),
            continent_redirects: self.continent_redirects,
            host_netblocks: NetworkTable::new(
                host_netblocks
                    .map(|(network, hosts)| (network, each_once(hosts)))
                    .collect(),
            ),
            as_hosts: self
                .as_hosts
                .into_iter()
                .map(|(asn, hosts)| (asn, each_once(hosts)))
                .collect(),
            hosts: self.hosts.into_hosts(),
        })
    }

    /// The carriers in the order of their indexes: group by group.
    fn finish_carriers(&mut self, warnings: &mut Warnings) -> Result<(Vec<Carrier>, Urls), OverBudget> {
        let bases = self.sets.bases();
        let index = |member: Member| bases.get(member.group as usize).copied().unwrap_or(0) + member.bit;
        let drafts = std::mem::take(&mut self.drafts).drafts;
        // One that was replaced in the only directory that it was in carries none.
        let mut drafts: Vec<(u32, &Draft)> = drafts
            .iter()
            .filter_map(|draft| Some((index(draft.member?), draft)))
            .collect();
        drafts.sort_unstable_by_key(|(index, _)| *index);
        let mut urls = Urls::default();
        let mut carriers = Vec::with_capacity(drafts.len());
        for (_, draft) in drafts {
            let Some(host) = self.hosts.get(draft.host) else {
                continue;
            };
            let ids = || url_ids(&draft.encoded);
            let (range, set) = urls.add(ids(), &mut self.base_urls, host.country, &mut self.budget)?;
            if range.len() < ids().count() {
                let some: Vec<i64> = ids().take(20).collect();
                warnings.add(format_args!(
                    "MirrorListCache: host {} has URLs that HCUrlCache lacks or that can't be used: ids {some:?}",
                    host.id
                ));
            }
            carriers.push(Carrier {
                host: draft.host,
                country: draft.country,
                public: draft.public,
                restricted: host.restricted,
                protocols: set,
                #[expect(clippy::cast_precision_loss, reason = "bandwidths need no more than three digits")]
                inverse_bandwidth: 1.0 / host.bandwidth as f32,
                urls: range,
            });
        }
        Ok((carriers, urls))
    }

    fn attach_file_details(
        &mut self,
        warnings: &mut Warnings,
    ) -> HashMap<DirectoryIndex, Box<[FileDetails]>, RandomState> {
        let mut attached = HashMap::default();
        for (name, files) in std::mem::take(&mut self.file_details) {
            match self.directories.find(&name) {
                Some(directory) => {
                    attached.insert(directory, each_file_once(files));
                }
                None => warnings.add(format_args!("FileDetailsCache: no host carries {name:?}")),
            }
        }
        attached
    }
}

const TOO_MANY_HOSTS: &str = "there are more than 65,536 hosts";

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, EntryError> {
    M::decode(bytes).map_err(|e| EntryError::Malformed(e.to_string()))
}

/// Whether a repository or its directory can be named in an answer; if not, it is left out with a warning.
fn can_be_named(table: &str, name: &str, warnings: &mut Warnings) -> bool {
    let problem = name::problem(name);
    if let Some(problem) = problem {
        warnings.add(format_args!("{table}: an entry is left out: {problem}: {name:?}"));
    }
    problem.is_none()
}

/// The text in a field of a message, the last one if there are several.
fn text_of(message: &[u8], field: u32) -> Result<&str, Fault> {
    let mut text = "";
    for found in wire::fields(message) {
        let Field { number, value } = found?;
        if number == field {
            text = wire::text(value)?;
        }
    }
    Ok(text)
}

/// The integer in a field of a message, the last one if there are several.
fn integer_of(message: &[u8], field: u32) -> Result<i64, Fault> {
    let mut integer = 0;
    for found in wire::fields(message) {
        match found? {
            Field {
                number,
                value: Value::Integer(value),
            } if number == field => integer = value.cast_signed(),
            Field { number, .. } if number == field => return Err(Fault::NoNumber),
            _ => {}
        }
    }
    Ok(integer)
}

/// The messages or texts in a field of a message.
fn messages_of(message: &[u8], field: u32) -> impl Iterator<Item = Result<&[u8], Fault>> {
    wire::fields(message).filter_map(move |found| match found {
        Ok(Field { number, value }) if number == field => Some(match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Fault::NoText),
        }),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    })
}

/// Adds the hosts of an entry to a list. A host that is listed again takes no more room: where there is none left, each host is
/// kept once.
fn add_hosts(list: &mut Vec<HostIndex>, entry: &[u8], hosts: &mut HostTable, budget: &mut Budget) -> EntryResult {
    for field in wire::fields(entry) {
        let Field { number, value } = field?;
        if number != 2 {
            continue;
        }
        for id in wire::integers(value) {
            let host = hosts.index_of(id?).ok_or(TOO_MANY_HOSTS)?;
            if list.len() == list.capacity() {
                let before = list.capacity();
                list.sort_unstable();
                list.dedup();
                list.reserve(list.len() + 1);
                budget.take((list.capacity() - before) * 2 * size_of::<HostIndex>())?;
            }
            list.push(host);
        }
    }
    Ok(())
}

/// The keys of what a directory has most of: hosts in Global, hosts in an entry of ByCountry, entries of ByHostId.
const GLOBAL: u8 = wire::integer_key(2);
const COUNTRY_HOSTS: u8 = wire::integer_key(2);
const BY_HOST_ID: u8 = wire::bytes_key(6);
/// The key of the host in an entry of ByHostId.
const ENTRY_HOST: u8 = wire::integer_key(1);

/// The key of an entry of ByCountry, which generators write first; of two the last one counts.
fn key_text(entry: &[u8]) -> Result<&str, Fault> {
    let mut text = "";
    let mut rest = entry;
    loop {
        while wire::next_short_integer(&mut rest, COUNTRY_HOSTS).is_some() {}
        if rest.is_empty() {
            return Ok(text);
        }
        let Field { number, value } = wire::next_field(&mut rest)?;
        if number == 1 {
            text = wire::text(value)?;
        }
    }
}

/// An entry of ByHostId: the host's id and the encoded rest. Generators write the id first; otherwise the rest is all.
fn host_and_urls(entry: &[u8]) -> Result<(i64, &[u8]), EntryError> {
    let mut rest = entry;
    if let Some(id) = wire::next_short_integer(&mut rest, ENTRY_HOST) {
        return Ok((id.into(), rest));
    }
    if let Field {
        number: 1,
        value: Value::Integer(id),
    } = wire::next_field(&mut rest)?
    {
        return Ok((id.cast_signed(), rest));
    }
    for field in wire::fields(rest) {
        if let Field {
            number: 1,
            value: Value::Integer(id),
        } = field?
        {
            return Ok((id.cast_signed(), entry));
        }
    }
    Err("ByHostId has an entry without a host".into())
}

fn each_once(mut hosts: Vec<HostIndex>) -> Box<[HostIndex]> {
    hosts.sort_unstable();
    hosts.dedup();
    hosts.into()
}
