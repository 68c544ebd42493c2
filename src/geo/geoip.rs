//! Address to country, and to coordinates, from a MaxMind DB file, whose tree the `maxminddb` crate reads. Two tables spare most of
//! the work for countries: one of all IPv4 addresses, and one of the records that were decoded.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};

use super::coordinates::Coordinates;
use super::country::CountryCode;
use super::ipv4_ranges::Ipv4Ranges;
use super::record::Record;

/// The field of a GeoIP record that named the country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum GeoIpField {
    /// `country.iso_code`: the country in which the address is used.
    Country,
    /// `registered_country.iso_code`: the country in which the network is registered, in records that have no country.
    RegisteredCountry,
    /// `country_code` at the top of the record, as in databases of other makers.
    CountryCode,
    /// `country` at the top of the record, if it is a code and no map, as in IPinfo's databases.
    PlainCountry,
}

/// All fields in their order, the best first, and the keys that lead to each.
const FIELDS: [(GeoIpField, &[&str]); 4] = [
    (GeoIpField::Country, &["country", "iso_code"]),
    (GeoIpField::RegisteredCountry, &["registered_country", "iso_code"]),
    (GeoIpField::CountryCode, &["country_code"]),
    (GeoIpField::PlainCountry, &["country"]),
];

/// The keys that lead to the coordinates in a record of a City database.
const LOCATION: &[&str] = &["location"];

/// The place of an address, as a City database has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoIpPlace {
    /// `location.latitude` and `location.longitude`.
    pub coordinates: Coordinates,
    /// `location.accuracy_radius` in kilometres: how far the client can be from there.
    pub accuracy: Option<f64>,
}

/// The records of a new database that are searched for one with a country before it is called unusable.
const PROBED_RECORDS: usize = 10_000;

/// A GeoIP country or City database (MaxMind DB format 2.0) in memory.
#[derive(Default)]
pub struct GeoIp {
    /// `None` in a server without a GeoIP database.
    database: Option<MaxMindDb>,
    /// The countries of all IPv4 addresses; `None` if the tree is damaged or has too many networks.
    ipv4: Option<Ipv4Ranges<Option<(CountryCode, GeoIpField)>>>,
}

impl GeoIp {
    /// No database: no address has a country.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Takes the bytes of a MaxMind DB file.
    ///
    /// # Errors
    /// The bytes are no MaxMind DB, for example because the file is cut short.
    pub fn new(file: Vec<u8>) -> Result<Self, MaxMindDbError> {
        let database = MaxMindDb::new(&Bytes::from(file))?;
        let ipv4 = Ipv4Ranges::ask(database.max_networks(), |address| database.network_of(address));
        Ok(Self {
            database: Some(database),
            ipv4,
        })
    }

    /// Whether any of the first records names a country.
    pub fn has_countries(&self) -> bool {
        self.database.as_ref().is_some_and(MaxMindDb::has_countries)
    }

    /// The nodes of the database's search tree, a measure of its size.
    pub fn node_count(&self) -> usize {
        self.database.as_ref().map_or(0, MaxMindDb::node_count)
    }

    /// Whether any of the first records has coordinates, as in a City database.
    pub fn has_places(&self) -> bool {
        self.database.as_ref().is_some_and(|database| database.has_places)
    }

    /// When the database was built, in seconds since the Unix epoch; `None` without a database.
    pub fn built(&self) -> Option<u64> {
        Some(self.database.as_ref()?.reader.metadata().build_epoch)
    }

    /// The country of an address, and which field of its record named it. A record that can't be read names none.
    pub fn lookup(&self, address: IpAddr) -> Option<(CountryCode, GeoIpField)> {
        match (address, &self.ipv4) {
            (IpAddr::V4(address), Some(ranges)) => ranges.get(address)?,
            _ => {
                let database = self.database.as_ref()?;
                database.country_of(&database.reader.lookup(address).ok()?)
            }
        }
    }

    /// The coordinates of an address; `None` if the database has none for it, or they are no place.
    pub fn place(&self, address: IpAddr) -> Option<GeoIpPlace> {
        let database = self.database.as_ref().filter(|database| database.has_places)?;
        database.place_in(&database.reader.lookup(address).ok()?)
    }
}

struct MaxMindDb {
    /// Whether it is worth looking for coordinates.
    has_places: bool,
    reader: Reader<Bytes>,
    records: Bytes,
    decoded: DecodedRecords,
}

/// Zero bytes between the tree and the records.
const SEPARATOR: usize = 16;

impl MaxMindDb {
    fn new(file: &Bytes) -> Result<Self, MaxMindDbError> {
        let reader = Reader::from_source(file.clone())?;
        let metadata = reader.metadata();
        // A node is two records of so many bits; the crate has checked that they are in the file.
        let tree = u64::from(metadata.node_count) * u64::from(metadata.record_size) / 4;
        let records = usize::try_from(tree).ok().and_then(|tree| tree.checked_add(SEPARATOR));
        let records = records
            .filter(|start| *start <= file.len())
            .ok_or_else(|| MaxMindDbError::invalid_database("the search tree is longer than the file"))?;
        let mut database = Self {
            has_places: false,
            reader,
            records: file.slice(records..),
            decoded: DecodedRecords::new(),
        };
        database.has_places = database.any_record(|record| database.place_in(record).is_some());
        Ok(database)
    }

    fn has_countries(&self) -> bool {
        self.any_record(|record| self.country_of(record).is_some())
    }

    /// Whether something holds for any of the first records.
    fn any_record(&self, holds: impl Fn(&LookupResult<'_, Bytes>) -> bool) -> bool {
        let options = WithinOptions::default().include_networks_without_data();
        let Ok(networks) = self.reader.networks(options) else {
            return false;
        };
        networks
            .take(self.max_networks())
            .flatten()
            .filter(LookupResult::has_data)
            .take(PROBED_RECORDS)
            .any(|record| holds(&record))
    }

    fn node_count(&self) -> usize {
        self.reader.metadata().node_count as usize
    }

    /// A tree has one leaf more than nodes. A walk that finds more is in a tree whose branches grow together again.
    fn max_networks(&self) -> usize {
        self.node_count() + 1
    }

    /// The prefix length of the network that the tree has for an address, and the country that its record names; `None` if the tree
    /// is damaged.
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

    fn place_in(&self, record: &LookupResult<'_, Bytes>) -> Option<GeoIpPlace> {
        let mut record = Record::new(&self.records, record.offset()?);
        let keys = ["latitude", "longitude", "accuracy_radius"];
        let [latitude, longitude, accuracy] = record.numbers(LOCATION, keys);
        Some(GeoIpPlace {
            coordinates: Coordinates::from_degrees(latitude?, longitude?)?,
            accuracy: accuracy.filter(|radius| radius.is_finite() && *radius > 0.0),
        })
    }

    fn decode(&self, offset: usize) -> Option<(CountryCode, GeoIpField)> {
        country_in(Record::new(&self.records, offset))
    }
}

/// The first field that has a country's code: a name, or nothing, in one of them does not hide the next.
fn country_in(mut record: Record<'_>) -> Option<(CountryCode, GeoIpField)> {
    let code_of = |(field, path): (GeoIpField, &[&str])| Some((CountryCode::parse(record.text(path)?)?, field));
    FIELDS.into_iter().find_map(code_of)
}

/// The countries of the records that were decoded, so that none is decoded for every request: a database has millions of networks
/// but few hundred records. The upper half of an entry is the record's offset; the lower half has [`DECODED`], the field and the code.
struct DecodedRecords {
    entries: Box<[AtomicU64]>,
}

/// Of two records with the same place, the one decoded last is kept.
const DECODED_RECORDS: usize = 4096;

const DECODED: u64 = 1 << 31;

/// In place of a field, for a record that names no country.
const NO_COUNTRY: u8 = u8::MAX;

impl DecodedRecords {
    fn new() -> Self {
        Self {
            entries: (0..DECODED_RECORDS).map(|_| AtomicU64::default()).collect(),
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
        let field = FIELDS.get(usize::from(field));
        Some(field.map(|(field, _)| (CountryCode([a, b]), *field)))
    }

    fn put(&self, offset: u32, country: Option<(CountryCode, GeoIpField)>) {
        let [field, a, b] = match country {
            Some((CountryCode([a, b]), field)) => [field as u8, a, b],
            None => [NO_COUNTRY, 0, 0],
        };
        if let Some(entry) = self.entry(offset) {
            let said = u64::from(u32::from_le_bytes([field, a, b, 0]));
            entry.store(u64::from(offset) << 32 | DECODED | said, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_code_counts_and_not_the_first_text() {
        for (record, country, field) in [
            (
                &b"\xe2\x4ccountry_code\x40\x47country\x42de"[..],
                "DE",
                GeoIpField::PlainCountry,
            ),
            (
                b"\xe2\x47country\x45Japan\x4ccountry_code\x42JP",
                "JP",
                GeoIpField::CountryCode,
            ),
        ] {
            let found = country_in(Record::new(record, 0));
            assert_eq!(found, CountryCode::parse(country).map(|country| (country, field)));
        }
        assert_eq!(country_in(Record::new(b"\xe1\x47country\x45Japan", 0)), None);
    }

    #[test]
    fn decoded_records_are_remembered_as_they_were() {
        let decoded = DecodedRecords::new();
        let records = [
            (7, Some((CountryCode(*b"DE"), GeoIpField::Country))),
            (8, Some((CountryCode(*b"A1"), GeoIpField::CountryCode))),
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
}
