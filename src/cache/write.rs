//! Writes a cache, entry by entry: nothing is held but the entry at hand. It knows nothing of the database that entries come from.
//!
//! A directory names its hosts three times, and there are 150,000 directories with 50 to 300 hosts each. So a
//! [`DirectoryEncoder`] encodes once what each host adds to a directory, and puts a directory together from these pieces.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::marker::PhantomData;

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::proto::{
    FileDetailsCacheDirectoryType, IntCoordinatesMap, IntIntMap, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap,
    StringBoolMap, StringRepeatedIntMap, StringStringMap,
};
use super::schema::{CacheField, DirectoryField, EntryField};
use crate::bits;
use crate::geo::CountryCode;

/// The ids of `Global` are pieces of a country's list, too.
const _: () = assert!(DirectoryField::Global.number() == EntryField::Value.number());

/// A table of a cache, with the message that its entries are.
pub(crate) struct CacheTable<M>(CacheField, PhantomData<fn(M)>);

const fn table<M>(field: CacheField) -> CacheTable<M> {
    CacheTable(field, PhantomData)
}

pub(crate) const NETBLOCK_COUNTRY: CacheTable<StringStringMap> = table(CacheField::NetblockCountry);
pub(crate) const BASE_URL: CacheTable<IntStringMap> = table(CacheField::HostCategoryUrl);
pub(crate) const FILE_DETAILS: CacheTable<FileDetailsCacheDirectoryType> = table(CacheField::FileDetails);
pub(crate) const DISABLED_REPOSITORY: CacheTable<StringBoolMap> = table(CacheField::DisabledRepository);
pub(crate) const CONTINENT_REDIRECT: CacheTable<StringStringMap> = table(CacheField::ContinentRedirect);
pub(crate) const REPOSITORY_REDIRECT: CacheTable<StringStringMap> = table(CacheField::RepositoryRedirect);
pub(crate) const REPOSITORY: CacheTable<StringStringMap> = table(CacheField::Repository);
pub(crate) const HOST_AS_NUMBER: CacheTable<IntRepeatedIntMap> = table(CacheField::HostAsn);
pub(crate) const HOST_COUNTRY: CacheTable<IntStringMap> = table(CacheField::HostCountry);
pub(crate) const HOST_BANDWIDTH: CacheTable<IntIntMap> = table(CacheField::HostBandwidth);
pub(crate) const HOST_ALLOWED_COUNTRIES: CacheTable<IntRepeatedStringMap> = table(CacheField::HostCountryAllowed);
pub(crate) const HOST_COORDINATES: CacheTable<IntCoordinatesMap> = table(CacheField::HostCoordinates);
pub(crate) const HOST_NETBLOCK: CacheTable<StringRepeatedIntMap> = table(CacheField::HostNetblock);

pub(crate) struct CacheWriter<W> {
    out: W,
    entry: Vec<u8>,
    bytes: u64,
}

impl<W: Write> CacheWriter<W> {
    /// Begins a cache that was made at `time`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// If `out` cannot be written, here and below.
    pub(crate) fn new(out: W, time: u64) -> io::Result<Self> {
        let mut writer = Self {
            out,
            entry: Vec::new(),
            bytes: 0,
        };
        prost::encoding::uint64::encode(CacheField::Time.number(), &time, &mut writer.entry);
        writer.write_entry()?;
        Ok(writer)
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make the entry for this")]
    pub(crate) fn entry<M: Message>(&mut self, table: &CacheTable<M>, entry: M) -> io::Result<()> {
        prost::encoding::message::encode(table.0.number(), &entry, &mut self.entry);
        self.write_entry()
    }

    /// Writes a directory. `carriers` has a bit for each column of the encoder.
    pub(crate) fn directory(
        &mut self,
        encoder: &mut DirectoryEncoder,
        name: &str,
        subpath: &str,
        carriers: &[u64],
    ) -> io::Result<()> {
        let message = encoder.encode(name, subpath, carriers);
        prost::encoding::bytes::encode(CacheField::Directory.number(), message, &mut self.entry);
        self.write_entry()
    }

    /// Writes what is buffered. Returns the size of the cache in bytes.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.bytes)
    }

    fn write_entry(&mut self) -> io::Result<()> {
        self.bytes += self.entry.len() as u64;
        self.out.write_all(&self.entry)?;
        self.entry.clear();
        Ok(())
    }
}

/// A host with its URLs for one category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CarrierColumn {
    pub(crate) host: i64,
    pub(crate) country: Option<CountryCode>,
    /// Whether it is listed for all clients.
    pub(crate) public: bool,
    /// Whether it is listed for clients in Internet2.
    pub(crate) internet2: bool,
    /// The ids of its URLs, ascending; at least one.
    pub(crate) urls: Vec<i64>,
}

/// Encodes directories that have the same columns.
pub(crate) struct DirectoryEncoder {
    columns: Vec<Piece>,
    countries: Vec<CountryRun>,
    public: Vec<u64>,
    internet2: Vec<u64>,
    /// Whether a host has more than one column.
    twins: bool,
    /// The hosts of the list at hand, encoded.
    ids: Vec<u8>,
    /// The end of each country's hosts in `ids`.
    ends: Vec<usize>,
    message: Vec<u8>,
}

/// The bytes that a column adds to a directory.
struct Piece {
    host: i64,
    urls: Vec<i64>,
    /// Its id in `Global`, or in a country's list: both fields have the same number.
    id: Vec<u8>,
    /// The entry of `ByHostId`.
    entry: Vec<u8>,
}

/// Neighbouring columns of hosts in one country.
struct CountryRun {
    country: Option<CountryCode>,
    /// The number after its last column.
    end: usize,
}

impl DirectoryEncoder {
    /// Encodes what every column adds to a directory. Columns are sorted by country, then by host.
    pub(crate) fn new<'a>(columns: impl Iterator<Item = &'a CarrierColumn>) -> Self {
        let columns: Vec<&CarrierColumn> = columns.collect();
        Self {
            countries: country_runs(&columns),
            public: mask(columns.iter().map(|column| column.public)),
            internet2: mask(columns.iter().map(|column| column.internet2)),
            twins: columns
                .chunk_by(|a, b| a.host == b.host)
                .any(|of_host| of_host.len() > 1),
            columns: columns.into_iter().map(Piece::new).collect(),
            ids: Vec::new(),
            ends: Vec::new(),
            message: Vec::new(),
        }
    }

    fn encode(&mut self, name: &str, subpath: &str, carriers: &[u64]) -> &Vec<u8> {
        self.message.clear();
        text(DirectoryField::Name.number(), name, &mut self.message);
        self.list(carriers, DirectoryList::Public);
        self.message.extend_from_slice(&self.ids);
        text(DirectoryField::Subpath.number(), subpath, &mut self.message);
        self.by_country(DirectoryField::ByCountry);
        self.list(carriers, DirectoryList::Internet2);
        self.by_country(DirectoryField::ByCountryInternet2);
        self.entries(carriers);
        &self.message
    }

    /// Lists the hosts that carry a directory, country by country.
    fn list(&mut self, carriers: &[u64], list: DirectoryList) {
        let mask = match list {
            DirectoryList::Public => &self.public,
            DirectoryList::Internet2 => &self.internet2,
        };
        self.ids.clear();
        self.ends.clear();
        let mut last = None;
        for column in ones(carriers.iter().zip(mask).map(|(bits, mask)| bits & mask)) {
            let Some(piece) = piece(&self.columns, column) else {
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
    fn by_country(&mut self, field: DirectoryField) {
        let (mut rest, mut start) = (self.ids.as_slice(), 0);
        for (run, end) in self.countries.iter().zip(&self.ends) {
            // Ends ascend, and the last one is the length.
            let (ids, later) = rest.split_at(end - start);
            (rest, start) = (later, *end);
            if let (Some(country), false) = (&run.country, ids.is_empty()) {
                let country = country.as_str();
                let key_length = 1 + encoded_len_varint(country.len() as u64) + country.len();
                encode_key(field.number(), WireType::LengthDelimited, &mut self.message);
                encode_varint((key_length + ids.len()) as u64, &mut self.message);
                text(EntryField::Key.number(), country, &mut self.message);
                self.message.extend_from_slice(ids);
            }
        }
    }

    /// Writes `ByHostId`. A host that carries the directory for several categories has the URLs of all of them.
    fn entries(&mut self, carriers: &[u64]) {
        let pieces = ones(carriers.iter().copied()).filter_map(|column| piece(&self.columns, column));
        if !self.twins {
            pieces.for_each(|piece| self.message.extend_from_slice(&piece.entry));
            return;
        }
        let pieces: Vec<&Piece> = pieces.collect();
        for of_host in pieces.chunk_by(|a, b| a.host == b.host) {
            match of_host {
                [] => {}
                [piece] => self.message.extend_from_slice(&piece.entry),
                [first, ..] => {
                    let urls: BTreeSet<i64> = of_host.iter().flat_map(|piece| piece.urls.iter().copied()).collect();
                    by_host_id(first.host, urls.into_iter().collect(), &mut self.message);
                }
            }
        }
    }
}

impl Piece {
    fn new(column: &CarrierColumn) -> Self {
        let (mut id, mut entry) = (Vec::new(), Vec::new());
        prost::encoding::int64::encode(DirectoryField::Global.number(), &column.host, &mut id);
        by_host_id(column.host, column.urls.clone(), &mut entry);
        Self {
            host: column.host,
            urls: column.urls.clone(),
            id,
            entry,
        }
    }
}

/// The hosts that a list has.
#[derive(Clone, Copy)]
enum DirectoryList {
    Public,
    Internet2,
}

fn country_runs(columns: &[&CarrierColumn]) -> Vec<CountryRun> {
    let mut end = 0;
    let runs = columns.chunk_by(|a, b| a.country == b.country);
    runs.filter_map(|run| {
        end += run.len();
        let country = run.first()?.country;
        Some(CountryRun { country, end })
    })
    .collect()
}

/// The piece of a column. Every bit of a directory is that of a column.
fn piece(columns: &[Piece], number: usize) -> Option<&Piece> {
    let piece = columns.get(number);
    debug_assert!(piece.is_some(), "there is no column {number}");
    piece
}

fn by_host_id(key: i64, value: Vec<i64>, out: &mut Vec<u8>) {
    prost::encoding::message::encode(
        DirectoryField::ByHostId.number(),
        &IntRepeatedIntMap { key, value },
        out,
    );
}

fn text(field: u32, text: &str, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Bits as words, the first one lowest in the first word.
fn mask(bits: impl Iterator<Item = bool>) -> Vec<u64> {
    let bits: Vec<bool> = bits.collect();
    let word = |bits: &[bool]| bits.iter().rev().fold(0, |word, bit| word << 1 | u64::from(*bit));
    bits.chunks(64).map(word).collect()
}

/// The numbers of the bits that are set.
pub(crate) fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    let words = words.enumerate();
    words.flat_map(|(index, word)| bits::ones(word).map(move |bit| index * 64 + bit as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::proto::MirrorListCacheType;

    #[test]
    fn a_directory_is_what_prost_would_have_written() {
        let column = |host, country: &str, public, internet2, urls: &[i64]| CarrierColumn {
            host,
            country: CountryCode::parse(country),
            public,
            internet2,
            urls: urls.to_vec(),
        };
        // Host 3 carries two categories, 2 is private, 4 has no country, 5 does not carry the directory.
        let columns = [
            column(4, "", true, false, &[6]),
            column(1, "DE", true, false, &[1]),
            column(2, "DE", false, true, &[2]),
            column(3, "US", true, true, &[3, 5]),
            column(3, "US", true, true, &[4]),
            column(5, "US", true, true, &[7]),
        ];
        let mut encoder = DirectoryEncoder::new(columns.iter());
        let message = encoder.encode("pub/linux/os", "os", &[0b1_1111]).to_vec();
        let list = |key: &str, value: &[i64]| StringRepeatedIntMap {
            key: key.to_owned(),
            value: value.to_vec(),
        };
        let entry = |key, value: &[i64]| IntRepeatedIntMap {
            key,
            value: value.to_vec(),
        };
        let expected = MirrorListCacheType {
            directory: "pub/linux/os".to_owned(),
            global: vec![4, 1, 3],
            subpath: Some("os".to_owned()),
            by_country: vec![list("DE", &[1]), list("US", &[3])],
            by_country_internet2: vec![list("DE", &[2]), list("US", &[3])],
            by_host_id: vec![entry(4, &[6]), entry(1, &[1]), entry(2, &[2]), entry(3, &[3, 4, 5])],
            ordered_mirror_list: None,
        };
        assert_eq!(MirrorListCacheType::decode(message.as_slice()).unwrap(), expected);
        assert_eq!(message, expected.encode_to_vec());
    }

    #[test]
    fn ones_are_the_set_bits() {
        assert_eq!(ones([0b101, 0, 1 << 63].into_iter()).collect::<Vec<_>>(), [0, 2, 191]);
        let bits = [true, false, true].into_iter().chain(vec![false; 188]).chain([true]);
        assert_eq!(mask(bits), [0b101, 0, 1 << 63]);
    }
}
