//! Country codes, and address to country from a MaxMind DB file.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};

use super::ipv4_ranges::Ipv4Ranges;
use super::record::Records;

/// A country's code: two ASCII letters or digits in upper case, as in ISO 3166-1 (and GeoIP's additions like `A1`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// How many codes there can be: the bound of [`CountryCode::index`].
    pub const COUNT: usize = 36 * 36;

    /// Reads a country code in any case, white space around it aside.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().as_bytes() {
            &[a, b] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two characters.
    pub fn as_str(&self) -> &str {
        // Both bytes are ASCII, by construction.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// A dense number for tables by country, below [`CountryCode::COUNT`].
    pub fn index(self) -> usize {
        let digit = |b: u8| match b {
            b'0'..=b'9' => usize::from(b - b'0'),
            _ => usize::from(b.wrapping_sub(b'A')) + 10,
        };
        let [a, b] = self.0;
        digit(a) * 36 + digit(b)
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The field of a GeoIP record that named the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeoIpField {
    /// `country.iso_code`: where the address is used.
    Country,
    /// `registered_country.iso_code`: where the network is registered, in records that have no country.
    RegisteredCountry,
    /// `country_code` at the top of the record, as in databases of other makers.
    CountryCode,
    /// `country` at the top of the record, where that is a code and no map, as in IPinfo's databases.
    PlainCountry,
}

/// Where records name the country, the best place first.
const FIELDS: [GeoIpField; 4] = [
    GeoIpField::Country,
    GeoIpField::RegisteredCountry,
    GeoIpField::CountryCode,
    GeoIpField::PlainCountry,
];

/// The ways through a record to each of [`FIELDS`].
const WAYS: [&[&str]; 4] = [
    &["country", "iso_code"],
    &["registered_country", "iso_code"],
    &["country_code"],
    &["country"],
];

/// How many records a new database is searched for one with a country before it is called unusable.
const PROBED_RECORDS: usize = 10_000;

/// A GeoIP country database (MaxMind DB format 2.0) in memory.
pub struct GeoIp {
    /// `None` in a server without a GeoIP database.
    database: Option<Database>,
    /// What the database says of IPv4 addresses; `None` if its tree is damaged or has too many networks.
    ipv4: Option<Ipv4Ranges<Option<(CountryCode, GeoIpField)>>>,
}

struct Database {
    reader: Reader<Bytes>,
    records: Records,
    decoded: DecodedRecords,
}

/// Zero bytes between the tree and the records.
const SEPARATOR: usize = 16;

impl GeoIp {
    /// No database: no address has a country.
    pub fn empty() -> Self {
        Self {
            database: None,
            ipv4: None,
        }
    }

    /// Takes the bytes of a MaxMind DB file.
    ///
    /// # Errors
    /// Where the bytes are no MaxMind DB, for example because the file is cut short.
    pub fn new(file: Vec<u8>) -> Result<Self, MaxMindDbError> {
        let file = Bytes::from(file);
        let reader = Reader::from_source(file.clone())?;
        let metadata = reader.metadata();
        // A node is two records of so many bits; the library has checked that they are in the file.
        let tree = u64::from(metadata.node_count) * u64::from(metadata.record_size) / 4;
        let records = usize::try_from(tree).ok().and_then(|tree| tree.checked_add(SEPARATOR));
        let records = records
            .filter(|start| *start <= file.len())
            .ok_or_else(|| MaxMindDbError::invalid_database("the search tree is longer than the file"))?;
        let database = Database {
            reader,
            records: Records::new(file.slice(records..)),
            decoded: DecodedRecords::new(),
        };
        let ipv4 = Ipv4Ranges::ask(database.most_networks(), |address| database.network_of(address));
        Ok(Self {
            database: Some(database),
            ipv4,
        })
    }

    /// Whether any of the first records names a country.
    pub fn has_countries(&self) -> bool {
        self.database.as_ref().is_some_and(Database::has_countries)
    }

    /// How many nodes the database's search tree has, a measure of its size.
    pub fn node_count(&self) -> usize {
        self.database.as_ref().map_or(0, Database::node_count)
    }

    /// When the database was built, in seconds since the Unix epoch; `None` without a database.
    pub fn built(&self) -> Option<u64> {
        self.database.as_ref().map(Database::built)
    }

    /// The country of an address, and which field of its record named it. A record that can't be read is none.
    pub fn lookup(&self, address: IpAddr) -> Option<(CountryCode, GeoIpField)> {
        match (address, &self.ipv4) {
            (IpAddr::V4(address), Some(ranges)) => ranges.get(address)?,
            _ => self.database.as_ref()?.lookup(address),
        }
    }
}

impl Database {
    fn has_countries(&self) -> bool {
        let options = WithinOptions::default().include_networks_without_data();
        let Ok(networks) = self.reader.networks(options) else {
            return false;
        };
        networks
            .take(self.most_networks())
            .flatten()
            .filter(LookupResult::has_data)
            .take(PROBED_RECORDS)
            .any(|record| self.country_of(&record).is_some())
    }

    fn node_count(&self) -> usize {
        self.reader.metadata().node_count as usize
    }

    fn built(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    fn lookup(&self, address: IpAddr) -> Option<(CountryCode, GeoIpField)> {
        self.country_of(&self.reader.lookup(address).ok()?)
    }

    /// A tree has one leaf more than nodes. A walk that finds more is in a tree whose branches grow together again.
    fn most_networks(&self) -> usize {
        self.node_count() + 1
    }

    /// The prefix length of the network that the tree has for an address, and what its record says; none where the tree is
    /// damaged.
    fn network_of(&self, address: Ipv4Addr) -> Option<(u8, Option<(CountryCode, GeoIpField)>)> {
        let record = self.reader.lookup(address.into()).ok()?;
        let network = record.network().ok()?;
        // A record for more than all of IPv4 has an IPv6 network.
        let length = if network.is_ipv4() { network.prefix() } else { 0 };
        Some((length, self.country_of(&record)))
    }

    fn country_of(&self, record: &LookupResult<'_, Bytes>) -> Option<(CountryCode, GeoIpField)> {
        let offset = record.offset()?;
        let entry = u32::try_from(offset).ok()?;
        self.decoded.get(entry).unwrap_or_else(|| {
            let country = self.decode(offset);
            self.decoded.put(entry, country);
            country
        })
    }

    fn decode(&self, offset: usize) -> Option<(CountryCode, GeoIpField)> {
        let (way, code) = self.records.find(offset, &WAYS)?;
        Some((CountryCode::parse(code)?, *FIELDS.get(way)?))
    }
}

/// What records were found to say, so that none is decoded for every request: a database has millions of networks but few
/// hundred records. An entry is a record's offset in the upper half, whether there is an entry at all, and what it says.
struct DecodedRecords {
    entries: Box<[AtomicU64]>,
}

/// Of two records with the same place, the one decoded last is kept.
const DECODED_RECORDS: usize = 4096;

const DECODED: u64 = 1 << 31;

impl DecodedRecords {
    fn new() -> Self {
        Self {
            entries: std::iter::repeat_with(AtomicU64::default)
                .take(DECODED_RECORDS)
                .collect(),
        }
    }

    fn entry(&self, offset: u32) -> Option<&AtomicU64> {
        // Fibonacci hashing: the upper bits of the product depend on all bits of the offset.
        let hash = offset.wrapping_mul(0x9e37_79b9) >> (u32::BITS - DECODED_RECORDS.ilog2());
        self.entries.get(hash as usize)
    }

    fn get(&self, offset: u32) -> Option<Option<(CountryCode, GeoIpField)>> {
        let entry = self.entry(offset)?.load(Ordering::Relaxed);
        if entry >> 32 != u64::from(offset) || entry & DECODED == 0 {
            return None;
        }
        let [field, a, b, ..] = entry.to_le_bytes();
        let field = FIELDS.get(usize::from(field).checked_sub(1)?);
        Some(field.map(|field| (CountryCode([a, b]), *field)))
    }

    fn put(&self, offset: u32, country: Option<(CountryCode, GeoIpField)>) {
        let said = country.map_or(NO_COUNTRY, |(CountryCode([a, b]), field)| {
            let position = FIELDS.iter().position(|known| *known == field);
            let position = position.and_then(|position| u8::try_from(position + 1).ok());
            u32::from_le_bytes([position.unwrap_or(0), a, b, 0])
        });
        if let Some(entry) = self.entry(offset) {
            entry.store(u64::from(offset) << 32 | DECODED | u64::from(said), Ordering::Relaxed);
        }
    }
}

/// The field number of a record that names no country.
const NO_COUNTRY: u32 = u8::MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_letters_or_digits() {
        assert_eq!(CountryCode::parse("de").map(|c| c.to_string()), Some("DE".to_owned()));
        assert_eq!(CountryCode::parse(" A1 ").map(|c| c.to_string()), Some("A1".to_owned()));
        for bad in ["", "D", "DEU", "D-", "ß", "global"] {
            assert_eq!(CountryCode::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn decoded_records_are_remembered_as_they_were() {
        let decoded = DecodedRecords::new();
        let records = [
            (
                7,
                CountryCode::parse("DE").map(|country| (country, GeoIpField::Country)),
            ),
            (
                8,
                CountryCode::parse("A1").map(|country| (country, GeoIpField::CountryCode)),
            ),
            (0, None),
        ];
        for (offset, country) in records {
            assert_eq!(decoded.get(offset), None);
            decoded.put(offset, country);
        }
        for (offset, country) in records {
            assert_eq!(decoded.get(offset), Some(country));
        }
        for offset in 1_000..100_000 {
            decoded.put(offset, records[0].1);
        }
        assert!([None, Some(records[1].1)].contains(&decoded.get(8)));
    }

    #[test]
    fn indexes_are_dense_and_distinct() {
        let letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut seen = vec![false; CountryCode::COUNT];
        for a in letters.chars() {
            for b in letters.chars() {
                let index = CountryCode::parse(&format!("{a}{b}")).unwrap().index();
                assert!(!std::mem::replace(&mut seen[index], true), "{a}{b} again");
            }
        }
    }
}
