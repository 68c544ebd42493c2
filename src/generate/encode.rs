//! A cache in its wire format, entry by entry: nothing is held but the entry at hand.
//!
//! A directory names its hosts three times, and there are 150,000 directories with 50 to 300 hosts each. So what a host adds
//! to a directory is encoded once for each group, and a directory is put together from these pieces.

use std::collections::BTreeSet;
use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::hosts::{HostNumber, Hosts};
use super::ids::HostId;
use super::layout::{Column, DirectoryEntry, Group};
use super::up_to_date::ones;
use crate::cache::proto;
use crate::geo::CountryCode;

/// The fields of MirrorList, see `proto/mirrormanager.proto`.
pub mod field {
    #![allow(missing_docs, reason = "the schema is the documentation")]
    pub const TIME: u32 = 1;
    pub const NETBLOCK_COUNTRY: u32 = 2;
    pub const HC_URL: u32 = 4;
    pub const FILE_DETAILS: u32 = 5;
    pub const DISABLED_REPOSITORY: u32 = 6;
    pub const COUNTRY_CONTINENT_REDIRECT: u32 = 7;
    pub const REPOSITORY_REDIRECT: u32 = 8;
    pub const REPO_ARCH_TO_DIRECTORY_NAME: u32 = 9;
    pub const HOST_ASN: u32 = 10;
    pub const HOST_COUNTRY: u32 = 12;
    pub const HOST_BANDWIDTH: u32 = 13;
    pub const HOST_COUNTRY_ALLOWED: u32 = 14;
    pub const HOST_NETBLOCK: u32 = 15;
    pub const MIRROR_LIST: u32 = 16;
    /// Of MirrorListCacheType, like the next two.
    pub const DIRECTORY: u32 = 1;
    pub const SUBPATH: u32 = 3;
    pub const BY_HOST_ID: u32 = 6;
}

/// Writes a cache.
pub struct CacheWriter<W> {
    out: W,
    entry: Vec<u8>,
    bytes: u64,
}

impl<W: Write> CacheWriter<W> {
    /// A writer of a cache that was made at `time`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What writing gives, here and below.
    pub fn new(out: W, time: u64) -> io::Result<Self> {
        let mut writer = Self {
            out,
            entry: Vec::new(),
            bytes: 0,
        };
        encode_key(field::TIME, WireType::Varint, &mut writer.entry);
        encode_varint(time, &mut writer.entry);
        writer.write_entry()?;
        Ok(writer)
    }

    /// Writes an entry of a table.
    ///
    /// # Errors
    /// What writing gives.
    pub fn message(&mut self, field: u32, message: &impl Message) -> io::Result<()> {
        self.entry.clear();
        prost::encoding::message::encode(field, message, &mut self.entry);
        self.write_entry()
    }

    /// Writes a directory and those who carry it.
    ///
    /// # Errors
    /// What writing gives.
    pub fn directory(&mut self, encoder: &mut GroupEncoder, directory: &DirectoryEntry, row: &[u64]) -> io::Result<()> {
        let message = encoder.encode(directory, row);
        self.entry.clear();
        encode_key(field::MIRROR_LIST, WireType::LengthDelimited, &mut self.entry);
        encode_varint(message.len() as u64, &mut self.entry);
        self.entry.extend_from_slice(message);
        self.write_entry()
    }

    /// Writes what is left, and gives the size of the cache in bytes.
    ///
    /// # Errors
    /// What writing gives.
    pub fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.bytes)
    }

    fn write_entry(&mut self) -> io::Result<()> {
        self.bytes += self.entry.len() as u64;
        self.out.write_all(&self.entry)
    }
}

/// Encodes the directories of one group.
pub struct GroupEncoder {
    columns: Vec<Piece>,
    countries: Vec<CountryRun>,
    public: Vec<u64>,
    internet2: Vec<u64>,
    /// Whether a host carries more than one category of this group.
    twins: bool,
    /// The hosts of the list at hand, as ids.
    ids: Vec<u8>,
    /// Where each country's hosts end in `ids`.
    ends: Vec<usize>,
    message: Vec<u8>,
}

/// What a column adds to a directory that it carries.
struct Piece {
    host: HostNumber,
    host_id: HostId,
    urls: Vec<i64>,
    /// An id in `Global` or in a country's list: both fields have the same number.
    id: Vec<u8>,
    /// The entry of `ByHostId`.
    entry: Vec<u8>,
}

/// Columns side by side whose hosts are in one country.
struct CountryRun {
    country: Option<CountryCode>,
    /// The number after its last column.
    end: usize,
}

/// The other fields of MirrorListCacheType.
mod directory_field {
    pub(super) const BY_COUNTRY: u32 = 4;
    pub(super) const BY_COUNTRY_INTERNET2: u32 = 5;
}

/// `Global` of MirrorListCacheType and `value` of StringRepeatedIntMap.
const HOST_IN_LIST: u32 = 2;
/// `key` of StringRepeatedIntMap.
const LIST_KEY: u32 = 1;

impl GroupEncoder {
    /// Encodes what every column of a group adds to a directory.
    pub fn new(group: &Group, hosts: &Hosts) -> Self {
        let mut encoder = Self {
            columns: group.columns.iter().map(|column| piece(column, hosts)).collect(),
            countries: Vec::new(),
            public: vec![0; group.columns.len().div_ceil(64)],
            internet2: vec![0; group.columns.len().div_ceil(64)],
            twins: group
                .columns
                .windows(2)
                .any(|pair| matches!(pair, [a, b] if a.host == b.host)),
            ids: Vec::new(),
            ends: Vec::new(),
            message: Vec::new(),
        };
        for (number, column) in group.columns.iter().enumerate() {
            let Some(host) = hosts.get(column.host) else {
                continue;
            };
            if !host.private {
                set(&mut encoder.public, number);
            }
            if host.internet2 {
                set(&mut encoder.internet2, number);
            }
            match encoder.countries.last_mut() {
                Some(run) if run.country == host.country => run.end = number + 1,
                _ => encoder.countries.push(CountryRun {
                    country: host.country,
                    end: number + 1,
                }),
            }
        }
        encoder
    }

    /// A directory's message. `row` has a bit for each column that carries it.
    fn encode(&mut self, directory: &DirectoryEntry, row: &[u64]) -> &[u8] {
        self.message.clear();
        text(field::DIRECTORY, &directory.name, &mut self.message);
        self.list(row, List::Public);
        self.message.extend_from_slice(&self.ids);
        text(field::SUBPATH, directory.subpath(), &mut self.message);
        self.by_country(directory_field::BY_COUNTRY);
        self.list(row, List::Internet2);
        self.by_country(directory_field::BY_COUNTRY_INTERNET2);
        if self.twins {
            self.entries_with_twins(row);
        } else {
            self.entries(row);
        }
        &self.message
    }

    /// Lists the ids of the hosts that carry a directory, country by country.
    fn list(&mut self, row: &[u64], list: List) {
        let mask = match list {
            List::Public => &self.public,
            List::Internet2 => &self.internet2,
        };
        self.ids.clear();
        self.ends.clear();
        let mut last = None;
        for column in ones(row.iter().zip(mask).map(|(bits, mask)| bits & mask)) {
            let Some(piece) = self.columns.get(column) else {
                continue;
            };
            // Ends of the countries before this column's.
            while self.countries.get(self.ends.len()).is_some_and(|run| run.end <= column) {
                self.ends.push(self.ids.len());
            }
            if last != Some(piece.host) {
                self.ids.extend_from_slice(&piece.id);
                last = Some(piece.host);
            }
        }
        self.ends.resize(self.countries.len(), self.ids.len());
    }

    /// Writes the list as a message for each country.
    fn by_country(&mut self, field: u32) {
        let mut start = 0;
        for (run, end) in self.countries.iter().zip(&self.ends) {
            let ids = self.ids.get(start..*end).unwrap_or_default();
            start = *end;
            if let (Some(country), false) = (&run.country, ids.is_empty()) {
                let country = country.as_str();
                let key_length = 1 + encoded_len_varint(country.len() as u64) + country.len();
                encode_key(field, WireType::LengthDelimited, &mut self.message);
                encode_varint((key_length + ids.len()) as u64, &mut self.message);
                text(LIST_KEY, country, &mut self.message);
                self.message.extend_from_slice(ids);
            }
        }
    }

    fn entries(&mut self, row: &[u64]) {
        for column in ones(row.iter().copied()) {
            if let Some(piece) = self.columns.get(column) {
                self.message.extend_from_slice(&piece.entry);
            }
        }
    }

    /// A host that carries the directory for several categories has the URLs of all of them.
    fn entries_with_twins(&mut self, row: &[u64]) {
        let carriers: Vec<&Piece> = ones(row.iter().copied())
            .filter_map(|column| self.columns.get(column))
            .collect();
        for twins in carriers.chunk_by(|a, b| a.host == b.host) {
            match twins {
                [piece] => self.message.extend_from_slice(&piece.entry),
                twins => {
                    let urls: BTreeSet<i64> = twins.iter().flat_map(|piece| piece.urls.iter().copied()).collect();
                    let Some(first) = twins.first() else { continue };
                    self.message
                        .extend(by_host_id(first.host_id, urls.into_iter().collect()));
                }
            }
        }
    }
}

/// Which hosts a list is of.
#[derive(Clone, Copy)]
enum List {
    Public,
    Internet2,
}

fn piece(column: &Column, hosts: &Hosts) -> Piece {
    // Every column is of a host of the same table.
    let host_id = hosts.get(column.host).map_or(HostId(0), |host| host.id);
    let mut id = Vec::new();
    prost::encoding::int64::encode(HOST_IN_LIST, &host_id.0, &mut id);
    Piece {
        host: column.host,
        host_id,
        urls: column.urls.clone(),
        id,
        entry: by_host_id(host_id, column.urls.clone()),
    }
}

fn by_host_id(host: HostId, urls: Vec<i64>) -> Vec<u8> {
    let mut entry = Vec::new();
    let message = proto::IntRepeatedIntMap {
        key: host.0,
        value: urls,
    };
    prost::encoding::message::encode(field::BY_HOST_ID, &message, &mut entry);
    entry
}

fn text(field: u32, text: &str, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::findings::Findings;
    use crate::generate::ids::{CategoryId, DirectoryId, HostCategoryId, SiteId};
    use crate::generate::layout::{Layout, UrlIndex};
    use crate::generate::tables::{
        CarrierTables, CategoryDirectoryRow, CategoryRow, DirectoryRow, HostCategoryRow, HostRow, SiteRow, UrlRow,
    };
    use crate::generate::up_to_date::UpToDate;

    fn host(id: i64, country: &str, private: bool, internet2: bool) -> HostRow {
        HostRow {
            id: HostId(id),
            name: format!("mirror{id}.example.org"),
            site: Some(SiteId(1)),
            country: country.to_owned(),
            bandwidth: None,
            private,
            user_active: true,
            admin_active: true,
            internet2,
            internet2_clients: true,
            asn: None,
            asn_clients: false,
        }
    }

    /// Two categories with one topdir; host 3 carries both, 2 is private, 4 has no country.
    fn tables() -> CarrierTables {
        let host_category = |id, host, category| HostCategoryRow {
            id: HostCategoryId(id),
            host: Some(HostId(host)),
            category: Some(CategoryId(category)),
            always_up_to_date: true,
        };
        let url = |id, host_category| UrlRow {
            id,
            host_category: HostCategoryId(host_category),
            url: format!("https://mirror.example.org/{id}"),
        };
        CarrierTables {
            sites: vec![SiteRow {
                id: SiteId(1),
                name: "site".to_owned(),
                private: false,
                user_active: true,
                admin_active: true,
            }],
            hosts: vec![
                host(1, "de", false, false),
                host(2, "DE", true, true),
                host(3, "US", false, true),
                host(4, "", false, false),
            ],
            categories: [1, 2]
                .map(|id| CategoryRow {
                    id: CategoryId(id),
                    name: format!("category {id}"),
                    topdir: Some(DirectoryId(1)),
                })
                .into(),
            directories: vec![
                DirectoryRow {
                    id: DirectoryId(1),
                    name: Some("pub/linux".into()),
                    changed: None,
                },
                DirectoryRow {
                    id: DirectoryId(2),
                    name: Some("/pub//linux/os/".into()),
                    changed: None,
                },
            ],
            category_directories: [1, 2]
                .map(|category| CategoryDirectoryRow {
                    category: CategoryId(category),
                    directory: DirectoryId(2),
                })
                .into(),
            exclusive_hosts: Vec::new(),
            host_categories: vec![
                host_category(1, 1, 1),
                host_category(2, 2, 1),
                host_category(3, 3, 1),
                host_category(4, 3, 2),
                host_category(5, 4, 1),
            ],
            urls: vec![url(1, 1), url(2, 2), url(3, 3), url(4, 4), url(5, 3), url(6, 5)],
        }
    }

    #[test]
    fn a_directory_is_what_prost_would_have_written() {
        let tables = tables();
        let mut findings = Findings::default();
        let hosts = Hosts::new(&tables.sites, &tables.hosts, &mut findings);
        let (urls, _) = UrlIndex::new(&tables.urls, &tables.host_categories, &hosts, &mut findings);
        let layout = Layout::new(&tables, &hosts, &urls, &mut findings);
        let mut up_to_date = UpToDate::new(&layout);
        up_to_date.apply_rules(&layout);
        let group = &layout.groups[0];
        let mut encoder = GroupEncoder::new(group, &hosts);
        let message = encoder.encode(&group.rows[0], up_to_date.row(0, 0)).to_vec();
        let list = |key: &str, value: &[i64]| proto::StringRepeatedIntMap {
            key: key.to_owned(),
            value: value.to_vec(),
        };
        let entry = |key, value: &[i64]| proto::IntRepeatedIntMap {
            key,
            value: value.to_vec(),
        };
        let expected = proto::MirrorListCacheType {
            directory: "pub/linux/os".to_owned(),
            global: vec![4, 1, 3],
            subpath: Some("os".to_owned()),
            by_country: vec![list("DE", &[1]), list("US", &[3])],
            by_country_internet2: vec![list("DE", &[2]), list("US", &[3])],
            by_host_id: vec![entry(4, &[6]), entry(1, &[1]), entry(2, &[2]), entry(3, &[3, 4, 5])],
            ordered_mirror_list: None,
        };
        assert_eq!(
            proto::MirrorListCacheType::decode(message.as_slice()).unwrap(),
            expected
        );
        assert_eq!(message, expected.encode_to_vec());
    }
}
