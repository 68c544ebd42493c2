//! A cache file to a [`Catalogue`], in one pass: each message is read, packed and forgotten.
//!
//! What can't be decoded means that the file is damaged, and it is refused. What can be decoded but not used (a network that
//! is none, a URL with a control character) is left out and counted.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::BufRead;
use std::ops::Range;

use foldhash::fast::FixedState;
use ip_network_table::IpNetworkTable;
use prost::Message;

use super::carriers::{Carrier, CarrierSetsBuilder, Group, Member};
use super::catalogue::Catalogue;
use super::directories::{DirectoryIndex, DirectoryTable};
use super::file_details::{FileDetails, FileVersion};
use super::hosts::{HostIndex, HostTable};
use super::repositories::RepositoriesBuilder;
use super::urls::{BaseUrl, Protocols, Urls};
use super::wire::{self, Field, FieldReader, Value, WireError};
use crate::geo::continent::parse_continent;
use crate::geo::{AsNumber, Continent, CountryCode, network};
use crate::proto;
use crate::warnings::Warnings;

/// Why a file is no usable cache.
#[derive(Debug)]
pub enum CacheError {
    /// It is damaged or not a cache at all.
    Wire(WireError),
    /// It is well-formed but lacks what a server needs.
    Lacks(&'static str),
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Lacks(what) => write!(f, "it has no {what}"),
        }
    }
}

impl std::error::Error for CacheError {}

/// Reads a cache.
///
/// # Errors
/// Where the file is damaged or has no creation time, directory or usable URL.
pub fn read(file: impl BufRead, warnings: &mut Warnings) -> Result<Catalogue, CacheError> {
    let mut fields = FieldReader::new(file);
    let mut builder = Builder::default();
    loop {
        let at = fields.position();
        let Some(field) = fields.next().map_err(CacheError::Wire)? else {
            break;
        };
        builder
            .accept(field, warnings)
            .map_err(|problem| CacheError::Wire(WireError::Malformed { at, problem }))?;
    }
    builder.finish(warnings)
}

/// A carrier as it is found in the cache. Two directories have the same carrier where all of this is the same.
struct Draft {
    host: HostIndex,
    /// The encoded list of URL ids, to recognise the carrier in the next directory without decoding.
    encoded: Box<[u8]>,
    url_ids: Box<[i64]>,
    country: Option<CountryCode>,
    public: bool,
    member: Member,
}

/// What the directory at hand says of a host.
#[derive(Clone, Copy, Default)]
struct Mark {
    /// The directory for which the rest holds.
    directory: u32,
    public: bool,
    country: Option<CountryCode>,
    /// Where the host's carrier stands in [`Builder::present`].
    present: Option<u32>,
}

/// A host's carrier in the directory at hand.
#[derive(Clone, Copy)]
struct Present {
    draft: usize,
    /// Whether the carrier occurs for the first time, and has no group yet.
    new: bool,
}

#[derive(Default)]
struct Builder {
    created: Option<u64>,
    hosts: HostTable,
    base_urls: HashMap<i64, Box<str>, FixedState>,
    repositories: RepositoriesBuilder,
    directories: DirectoryTable,
    file_details: BTreeMap<Box<str>, Vec<FileDetails>>,
    netblock_countries: Vec<(Box<str>, CountryCode)>,
    continent_redirects: Vec<(CountryCode, Option<Continent>)>,
    host_netblocks: BTreeMap<Box<str>, Vec<HostIndex>>,
    as_hosts: HashMap<AsNumber, Vec<HostIndex>, FixedState>,

    sets: CarrierSetsBuilder,
    drafts: Vec<Draft>,
    /// The drafts of each host, by host number.
    drafts_of_host: Vec<Vec<usize>>,
    marks: Vec<Mark>,
    directory_number: u32,
    /// Where the entries of ByHostId are in the directory at hand.
    host_entries: Vec<Range<usize>>,
    present: Vec<Present>,
}

impl Builder {
    /// Takes one field of the cache. The error is what is wrong with its encoding.
    fn accept(&mut self, field: Field<'_>, warnings: &mut Warnings) -> Result<(), String> {
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
            2 => self.netblock_country(&decode(bytes)?, warnings),
            4 => self.base_url(decode(bytes)?),
            5 => self.file_details(decode(bytes)?, warnings),
            6 => self.disabled_repository(decode(bytes)?),
            7 => self.continent_redirect(&decode(bytes)?, warnings),
            8 => self.repository_redirect(decode(bytes)?),
            9 => self.repository(&decode(bytes)?),
            10 => self.as_hosts(&decode(bytes)?, warnings),
            12 => self.host_country(&decode(bytes)?, warnings),
            13 => self.host_bandwidth(&decode(bytes)?),
            14 => self.allowed_countries(&decode(bytes)?, warnings),
            15 => self.host_netblock(decode(bytes)?),
            16 => return self.directory(bytes, warnings),
            // The location, maximum connections and anything else that no server uses.
            _ => {}
        }
        Ok(())
    }

    fn netblock_country(&mut self, entry: &proto::StringStringMap, warnings: &mut Warnings) {
        match CountryCode::parse(&entry.value) {
            Some(country) => self.netblock_countries.push((entry.key.as_str().into(), country)),
            None => warnings.add(format_args!(
                "NetblockCountryCache: network {:?} has no country but {:?}",
                entry.key, entry.value
            )),
        }
    }

    fn base_url(&mut self, entry: proto::IntStringMap) {
        self.base_urls.insert(entry.key, entry.value.into());
    }

    fn file_details(&mut self, entry: proto::FileDetailsCacheDirectoryType, warnings: &mut Warnings) {
        let files = self
            .file_details
            .entry(clean_directory(&entry.directory).into())
            .or_default();
        for file in entry.file_details_cache_files {
            let mut bad_hash = |kind: &str, text: &str| {
                warnings.add(format_args!(
                    "FileDetailsCache: {:?} in {:?}: {text:?} is no {kind} hash",
                    file.filename, entry.directory
                ));
            };
            let versions = file
                .file_details
                .iter()
                .map(|details| FileVersion::from_cache(details, &mut bad_hash))
                .collect();
            files.retain(|known| *known.name != *file.filename);
            files.push(FileDetails {
                name: file.filename.into(),
                versions,
            });
        }
    }

    fn disabled_repository(&mut self, entry: proto::StringBoolMap) {
        if entry.value {
            self.repositories.disabled.insert(entry.key.into());
        } else {
            self.repositories.disabled.remove(entry.key.as_str());
        }
    }

    fn continent_redirect(&mut self, entry: &proto::StringStringMap, warnings: &mut Warnings) {
        match (CountryCode::parse(&entry.key), parse_continent(entry.value.trim())) {
            (Some(country), Some(continent)) => self.continent_redirects.push((country, continent)),
            _ => warnings.add(format_args!(
                "CountryContinentRedirectCache: {:?} to {:?} is not a country and a continent",
                entry.key, entry.value
            )),
        }
    }

    fn repository_redirect(&mut self, entry: proto::StringStringMap) {
        self.repositories.redirects.insert(entry.key.into(), entry.value.into());
    }

    fn repository(&mut self, entry: &proto::StringStringMap) {
        let directory = clean_directory(&entry.value).into();
        self.repositories
            .directories
            .insert(entry.key.as_str().into(), directory);
    }

    fn as_hosts(&mut self, entry: &proto::IntRepeatedIntMap, warnings: &mut Warnings) {
        let Some(asn) = u32::try_from(entry.key).ok().and_then(AsNumber::new) else {
            warnings.add(format_args!("HostAsnCache: {} is no AS number", entry.key));
            return;
        };
        let hosts = self.as_hosts.entry(asn).or_default();
        hosts.extend(entry.value.iter().map(|id| self.hosts.index_of(*id)));
    }

    fn host_country(&mut self, entry: &proto::IntStringMap, warnings: &mut Warnings) {
        let country = CountryCode::parse(&entry.value);
        if country.is_none() {
            warnings.add(format_args!(
                "HostCountryCache: host {}: {:?} is no country code",
                entry.key, entry.value
            ));
        }
        if let Some(host) = self.hosts.by_id(entry.key) {
            host.country = country;
        }
    }

    fn host_bandwidth(&mut self, entry: &proto::IntIntMap) {
        if let Some(host) = self.hosts.by_id(entry.key) {
            host.bandwidth = u32::try_from(entry.value.clamp(1, u32::MAX.into())).unwrap_or(1);
        }
    }

    fn allowed_countries(&mut self, entry: &proto::IntRepeatedStringMap, warnings: &mut Warnings) {
        let Some(host) = self.hosts.by_id(entry.key) else {
            return;
        };
        for text in &entry.value {
            match CountryCode::parse(text) {
                Some(country) if host.allowed_countries.contains(&country) => {}
                Some(country) => host.allowed_countries.push(country),
                None => warnings.add(format_args!(
                    "HostCountryAllowedCache: host {}: {text:?} is no country code",
                    entry.key
                )),
            }
        }
    }

    fn host_netblock(&mut self, entry: proto::StringRepeatedIntMap) {
        let hosts = self.host_netblocks.entry(entry.key.into()).or_default();
        hosts.extend(entry.value.iter().map(|id| self.hosts.index_of(*id)));
    }

    /// Takes a MirrorListCacheType: first what it says of hosts in general, then the hosts that carry it.
    fn directory(&mut self, bytes: &[u8], warnings: &mut Warnings) -> Result<(), String> {
        self.directory_number += 1;
        let (mut name, mut subpath) = ("", "");
        self.host_entries.clear();
        let mut rest = bytes;
        while !rest.is_empty() {
            while let Some(id) = wire::next_short_integer(&mut rest, GLOBAL) {
                self.mark_public(id.into());
            }
            while let Some(entry) = wire::next_short_message(&mut rest, BY_HOST_ID) {
                self.note_host_entry(bytes, entry);
            }
            if rest.is_empty() {
                break;
            }
            let Field { number, value } = wire::next_field(&mut rest)?;
            match (number, value) {
                (1, _) => name = wire::text(value)?,
                (2, _) => {
                    for id in wire::integers(value) {
                        self.mark_public(id?);
                    }
                }
                (3, _) => subpath = wire::text(value)?,
                (4, Value::Bytes(entry)) => self.mark_country(entry, warnings)?,
                (6, Value::Bytes(entry)) => self.note_host_entry(bytes, entry),
                (4 | 6, _) => return Err(format!("field {number} of a directory is not a message")),
                _ => {}
            }
        }
        self.present.clear();
        let entries = std::mem::take(&mut self.host_entries);
        for entry in &entries {
            self.carrier(bytes.get(entry.clone()).unwrap_or_default())?;
        }
        self.host_entries = entries;
        let members = self.group_new_carriers();
        let clean = clean_directory(name);
        if clean.is_empty() {
            warnings.add("MirrorListCache: a directory has no name");
            return Ok(());
        }
        let set = self
            .sets
            .insert(members.into_iter())
            .ok_or("there are too many directories")?;
        match self.directories.insert(&clean, subpath, set) {
            Ok(true) => {}
            Ok(false) => warnings.add(format_args!(
                "MirrorListCache: {clean:?} occurs twice; the last one counts"
            )),
            Err(problem) => warnings.add(format_args!("MirrorListCache: {clean:.80?} is left out: {problem}")),
        }
        Ok(())
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
                ..Mark::default()
            };
        }
        Some(mark)
    }

    #[cold]
    fn make_room(&mut self, host: HostIndex) {
        self.marks.resize(host.get() + 1, Mark::default());
        self.drafts_of_host.resize(host.get() + 1, Vec::new());
    }

    #[inline(always)]
    fn note_host_entry(&mut self, directory: &[u8], entry: &[u8]) {
        // An entry is a part of the directory's bytes, so that its place in them is the distance of their addresses.
        let start = entry.as_ptr() as usize - directory.as_ptr() as usize;
        self.host_entries.push(start..start + entry.len());
    }

    #[inline(always)]
    fn mark_public(&mut self, host: i64) {
        let host = self.hosts.index_of(host);
        if let Some(mark) = self.mark(host) {
            mark.public = true;
        }
    }

    #[inline(always)]
    fn mark_in_country(&mut self, host: i64, country: Option<CountryCode>) {
        let host = self.hosts.index_of(host);
        if let Some(mark) = self.mark(host) {
            mark.country = country;
        }
    }

    fn mark_country(&mut self, entry: &[u8], warnings: &mut Warnings) -> Result<(), String> {
        let text = key_text(entry)?;
        let country = CountryCode::parse(text);
        if country.is_none() {
            warnings.add(format_args!("MirrorListCache: ByCountry: {text:?} is no country code"));
        }
        let mut rest = entry;
        loop {
            while let Some(id) = wire::next_short_integer(&mut rest, COUNTRY_HOSTS) {
                self.mark_in_country(id.into(), country);
            }
            if rest.is_empty() {
                return Ok(());
            }
            let Field { number, value } = wire::next_field(&mut rest)?;
            if number == 2 {
                for id in wire::integers(value) {
                    self.mark_in_country(id?, country);
                }
            }
        }
    }

    /// Takes an entry of ByHostId. A host that has no URL doesn't carry the directory; of two entries for a host the last
    /// one counts.
    fn carrier(&mut self, entry: &[u8]) -> Result<(), String> {
        let (id, encoded) = host_and_urls(entry)?;
        let host = self.hosts.index_of(id);
        let Some(&mut Mark {
            public,
            country,
            present,
            ..
        }) = self.mark(host)
        else {
            return Ok(());
        };
        let known = self.known_carrier(host, encoded, public, country);
        let found = match known {
            Some(draft) => Some(Present { draft, new: false }),
            None => self.new_carrier(host, encoded, public, country)?,
        };
        match (found, present) {
            (Some(found), Some(position)) => {
                if let Some(place) = self.present.get_mut(position as usize) {
                    *place = found;
                }
            }
            (Some(found), None) => {
                // A directory has fewer entries than bytes, and fewer of these than 2^32.
                let position = u32::try_from(self.present.len()).ok();
                self.present.push(found);
                if let Some(mark) = self.mark(host) {
                    mark.present = position;
                }
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// The carrier that a host was before with the same encoded URL list. Neighbouring directories are of the same category, so
    /// that the one found last is looked at first.
    fn known_carrier(
        &mut self,
        host: HostIndex,
        encoded: &[u8],
        public: bool,
        country: Option<CountryCode>,
    ) -> Option<usize> {
        let drafts = &self.drafts;
        let same = |draft: &usize| {
            let draft = drafts.get(*draft);
            draft.is_some_and(|d| *d.encoded == *encoded && d.public == public && d.country == country)
        };
        let of_host = self.drafts_of_host.get_mut(host.get())?;
        let position = of_host.iter().position(same)?;
        of_host.swap(0, position);
        of_host.first().copied()
    }

    /// A carrier whose encoded URL list is new: it can still be a known one in another encoding.
    fn new_carrier(
        &mut self,
        host: HostIndex,
        encoded: &[u8],
        public: bool,
        country: Option<CountryCode>,
    ) -> Result<Option<Present>, String> {
        let mut url_ids = Vec::new();
        for field in wire::fields(encoded) {
            let Field { number, value } = field?;
            if number == 2 {
                for id in wire::integers(value) {
                    url_ids.push(id?);
                }
            }
        }
        if url_ids.is_empty() {
            return Ok(None);
        }
        let Some(drafts) = self.drafts_of_host.get_mut(host.get()) else {
            return Ok(None);
        };
        let known = drafts.iter().copied().find(|draft| {
            self.drafts
                .get(*draft)
                .is_some_and(|d| *d.url_ids == *url_ids && d.public == public && d.country == country)
        });
        if let Some(draft) = known {
            return Ok(Some(Present { draft, new: false }));
        }
        let draft = self.drafts.len();
        if draft >= MOST_CARRIERS {
            return Err("there are more than 16 million pairs of a host and its URLs".to_owned());
        }
        drafts.push(draft);
        self.drafts.push(Draft {
            host,
            encoded: encoded.into(),
            url_ids: url_ids.into(),
            country,
            public,
            member: Member { group: 0, bit: 0 },
        });
        Ok(Some(Present { draft, new: true }))
    }

    /// The members that carry the directory at hand. New carriers join the group of the first known one.
    fn group_new_carriers(&mut self) -> Vec<Member> {
        let mut group: Option<Group> = None;
        for present in self.present.iter().filter(|present| !present.new) {
            group = self.drafts.get(present.draft).map(|draft| draft.member.group);
            if group.is_some() {
                break;
            }
        }
        let mut members = Vec::with_capacity(self.present.len());
        for present in &self.present {
            let Some(draft) = self.drafts.get_mut(present.draft) else {
                continue;
            };
            if present.new {
                let group = *group.get_or_insert_with(|| self.sets.new_group());
                draft.member = self.sets.new_member(group);
            }
            members.push(draft.member);
        }
        members
    }

    fn finish(mut self, warnings: &mut Warnings) -> Result<Catalogue, CacheError> {
        let created = self.created.ok_or(CacheError::Lacks("creation time"))?;
        if self.directories.len() == 0 {
            return Err(CacheError::Lacks("directory"));
        }
        let mut protocols = Protocols::new();
        let base_urls = check_urls(std::mem::take(&mut self.base_urls), &mut protocols, warnings);
        let (carriers, urls) = self.finish_carriers(&base_urls, &protocols, warnings);
        if carriers.iter().all(|carrier| carrier.urls.is_empty()) {
            return Err(CacheError::Lacks("host with a usable URL"));
        }
        self.directories.shrink();
        let file_details = self.attach_file_details(warnings);
        let host_netblocks = self.netblock_table(warnings);
        let mut netblock_countries = IpNetworkTable::new();
        for (text, country) in &self.netblock_countries {
            match network::parse(text) {
                Ok(network) => {
                    netblock_countries.insert(network, *country);
                }
                Err(problem) => warnings.add(format_args!("NetblockCountryCache: {text:?}: {problem}")),
            }
        }
        Ok(Catalogue {
            created,
            carriers,
            urls,
            protocols,
            sets: self.sets.finish(),
            file_details,
            repositories: self.repositories.finish(&self.directories, warnings),
            directories: self.directories,
            netblock_countries,
            continent_redirects: self.continent_redirects,
            host_netblocks,
            as_hosts: self
                .as_hosts
                .into_iter()
                .map(|(asn, hosts)| (asn, each_once(hosts)))
                .collect(),
            hosts: self.hosts.into_hosts(),
        })
    }

    /// The carriers in the order of their indexes: group by group.
    fn finish_carriers(
        &self,
        base_urls: &HashMap<i64, BaseUrl, FixedState>,
        protocols: &Protocols,
        warnings: &mut Warnings,
    ) -> (Vec<Carrier>, Urls) {
        let bases = self.sets.bases();
        let index = |member: Member| bases.get(member.group as usize).copied().unwrap_or(0) + member.bit;
        let mut drafts: Vec<&Draft> = self.drafts.iter().collect();
        drafts.sort_unstable_by_key(|draft| index(draft.member));
        let mut urls = Urls::default();
        let mut carriers = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let Some(host) = self.hosts.get(draft.host) else {
                continue;
            };
            let found = draft.url_ids.iter().filter_map(|id| base_urls.get(id));
            let (range, set) = urls.add(found, protocols, host.country);
            if range.len() < draft.url_ids.len() {
                warnings.add(format_args!(
                    "MirrorListCache: host {} has URLs that HCUrlCache lacks or that can't be used: ids {:?}",
                    host.id, draft.url_ids
                ));
            }
            carriers.push(Carrier {
                host: draft.host,
                country: draft.country,
                public: draft.public,
                restricted: !host.allowed_countries.is_empty(),
                protocols: set,
                #[expect(clippy::cast_precision_loss, reason = "bandwidths need no more than three digits")]
                inverse_bandwidth: 1.0 / host.bandwidth as f32,
                urls: range,
            });
        }
        (carriers, urls)
    }

    fn attach_file_details(
        &mut self,
        warnings: &mut Warnings,
    ) -> HashMap<DirectoryIndex, Box<[FileDetails]>, FixedState> {
        let mut attached = HashMap::default();
        for (name, files) in std::mem::take(&mut self.file_details) {
            match self.directories.find(&name) {
                Some(directory) => {
                    attached.insert(directory, files.into());
                }
                None => warnings.add(format_args!("FileDetailsCache: no host carries {name:?}")),
            }
        }
        attached
    }

    /// Networks that are the same in two spellings have the hosts of both.
    fn netblock_table(&mut self, warnings: &mut Warnings) -> IpNetworkTable<Box<[HostIndex]>> {
        let mut hosts_of: HashMap<_, Vec<HostIndex>> = HashMap::new();
        for (text, hosts) in std::mem::take(&mut self.host_netblocks) {
            match network::parse(&text) {
                Ok(network) => hosts_of.entry(network).or_default().extend(hosts),
                Err(problem) => warnings.add(format_args!("HostNetblockCache: {text:?}: {problem}")),
            }
        }
        let mut table = IpNetworkTable::new();
        for (network, hosts) in hosts_of {
            table.insert(network, each_once(hosts));
        }
        table
    }
}

/// Carrier indexes have 24 bits, see [`super::CarrierIndex`].
const MOST_CARRIERS: usize = 1 << 24;

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, String> {
    M::decode(bytes).map_err(|e| e.to_string())
}

/// The keys of what a directory has most of: hosts in Global, hosts in an entry of ByCountry, entries of ByHostId.
const GLOBAL: u8 = wire::integer_key(2);
const COUNTRY_HOSTS: u8 = wire::integer_key(2);
const BY_HOST_ID: u8 = wire::bytes_key(6);
/// The key of the host in an entry of ByHostId.
const ENTRY_HOST: u8 = wire::integer_key(1);

/// The key of an entry of ByCountry, which generators write first; of two the last one counts.
fn key_text(entry: &[u8]) -> Result<&str, String> {
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
fn host_and_urls(entry: &[u8]) -> Result<(i64, &[u8]), String> {
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
    Err("ByHostId has an entry without a host".to_owned())
}

fn check_urls(
    texts: HashMap<i64, Box<str>, FixedState>,
    protocols: &mut Protocols,
    warnings: &mut Warnings,
) -> HashMap<i64, BaseUrl, FixedState> {
    let mut texts: Vec<(i64, Box<str>)> = texts.into_iter().collect();
    texts.sort_unstable();
    let mut urls = HashMap::default();
    for (id, text) in texts {
        match BaseUrl::parse(&text, protocols) {
            Ok(url) => {
                urls.insert(id, url);
            }
            Err(problem) => warnings.add(format_args!("HCUrlCache: URL {id} {text:?} is left out: {problem}")),
        }
    }
    urls
}

fn each_once(mut hosts: Vec<HostIndex>) -> Box<[HostIndex]> {
    hosts.sort_unstable();
    hosts.dedup();
    hosts.into()
}

/// A directory's name without slashes at its ends and with none doubled.
pub(crate) fn clean_directory(name: &str) -> std::borrow::Cow<'_, str> {
    let trimmed = name.trim_matches('/');
    if !trimmed.contains("//") {
        return trimmed.into();
    }
    let parts: Vec<&str> = trimmed.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/").into()
}
