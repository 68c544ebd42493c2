//! A writer of small GeoIP databases in MaxMind DB format 2.0 (<https://maxmind.github.io/MaxMind-DB/>): an IPv6 tree that
//! has IPv4 below `::/96`, with 24-bit records.

use std::net::IpAddr;

use ip_network::IpNetwork;

/// A database that knows the countries of these networks, in `country.iso_code`; inside another network, the more specific
/// one counts.
pub(crate) fn mmdb(entries: &[(&str, &str)]) -> Vec<u8> {
    let keys = ["country", "iso_code"];
    let entries: Vec<_> = entries
        .iter()
        .map(|(network, country)| (*network, &keys[..], *country))
        .collect();
    mmdb_with(&entries)
}

/// The same, with the keys that lead to the country in each network's record.
pub(crate) fn mmdb_with(entries: &[(&str, &[&str], &str)]) -> Vec<u8> {
    let record = |keys: &[&str], country: &str| {
        let mut record = Vec::new();
        for key in keys {
            map(&mut record, 1);
            text(&mut record, key);
        }
        text(&mut record, country);
        record
    };
    let records = entries
        .iter()
        .map(|(network, keys, country)| (*network, record(keys, country)));
    mmdb_of(records.collect())
}

/// A network's record in a City database.
pub(crate) struct City {
    pub(crate) network: &'static str,
    /// Empty for a record without a country.
    pub(crate) country: &'static str,
    /// Latitude and longitude.
    pub(crate) place: Option<(f64, f64)>,
    /// In kilometres.
    pub(crate) accuracy_radius: Option<u16>,
}

/// A City database.
pub(crate) fn mmdb_of_cities(cities: &[City]) -> Vec<u8> {
    let record = |city: &City| {
        let mut record = Vec::new();
        map(&mut record, 1 + usize::from(!city.country.is_empty()));
        if !city.country.is_empty() {
            text(&mut record, "country");
            map(&mut record, 1);
            text(&mut record, "iso_code");
            text(&mut record, city.country);
        }
        text(&mut record, "location");
        let place = city
            .place
            .map(|(latitude, longitude)| [("latitude", latitude), ("longitude", longitude)]);
        map(
            &mut record,
            2 * usize::from(place.is_some()) + usize::from(city.accuracy_radius.is_some()),
        );
        if let Some(radius) = city.accuracy_radius {
            text(&mut record, "accuracy_radius");
            number(&mut record, U16, radius.into());
        }
        for (key, degrees) in place.into_iter().flatten() {
            text(&mut record, key);
            head(&mut record, DOUBLE, 8);
            record.extend(degrees.to_be_bytes());
        }
        (city.network, record)
    };
    mmdb_of(cities.iter().map(record).collect())
}

/// A database of these networks' encoded records.
fn mmdb_of(records: Vec<(&str, Vec<u8>)>) -> Vec<u8> {
    let mut networks: Vec<_> = records
        .into_iter()
        .map(|(network, record)| (Bits::of(network), record))
        .collect();
    // What is inserted later replaces what it is inside of.
    networks.sort_by_key(|(bits, _)| bits.length);
    let (mut tree, mut data) = (Tree::new(), Vec::new());
    for (bits, record) in networks {
        tree.insert(bits, data.len());
        data.extend(record);
    }
    [tree.bytes(), vec![0; SEPARATOR], data, metadata(tree.nodes.len())].concat()
}

/// When all databases are built, in seconds since the Unix epoch.
pub(crate) const BUILT: u64 = 1_767_225_600;

/// This many zero bytes are between tree and data.
const SEPARATOR: usize = 16;

/// The bits of a network's address that count, from the most significant one.
#[derive(Clone, Copy)]
struct Bits {
    address: u128,
    length: u8,
}

impl Bits {
    fn of(network: &str) -> Self {
        let network: IpNetwork = network.parse().unwrap_or_else(|error| panic!("{network}: {error}"));
        match network.network_address() {
            IpAddr::V4(address) => Self {
                address: u128::from(address.to_bits()),
                length: 96 + network.netmask(),
            },
            IpAddr::V6(address) => Self {
                address: address.to_bits(),
                length: network.netmask(),
            },
        }
    }

    fn side(self, depth: u8) -> usize {
        usize::from(self.address >> (127 - depth) & 1 == 1)
    }
}

#[derive(Clone, Copy)]
enum Record {
    Nothing,
    Node(usize),
    /// An offset in the data section.
    Data(usize),
}

struct Tree {
    nodes: Vec<[Record; 2]>,
}

impl Tree {
    fn new() -> Self {
        Self {
            nodes: vec![[Record::Nothing; 2]],
        }
    }

    fn insert(&mut self, bits: Bits, data: usize) {
        let last = bits.length.checked_sub(1).expect("a network of the whole world");
        let mut node = 0;
        for depth in 0..last {
            let side = bits.side(depth);
            node = match self.nodes[node][side] {
                Record::Node(next) => next,
                // Both halves of what was one record go on saying the same.
                leaf => {
                    let next = self.nodes.len();
                    self.nodes.push([leaf; 2]);
                    self.nodes[node][side] = Record::Node(next);
                    next
                }
            };
        }
        self.nodes[node][bits.side(last)] = Record::Data(data);
    }

    fn bytes(&self) -> Vec<u8> {
        let count = self.nodes.len();
        let number = |record: &Record| match record {
            Record::Nothing => count,
            Record::Node(node) => *node,
            Record::Data(offset) => count + SEPARATOR + offset,
        };
        let records = self.nodes.iter().flatten();
        records.flat_map(|record| big_endian(number(record), 3)).collect()
    }
}

fn metadata(node_count: usize) -> Vec<u8> {
    let mut out = b"\xab\xcd\xefMaxMind.com".to_vec();
    map(&mut out, 9);
    for (key, kind, value) in [
        ("binary_format_major_version", U16, 2),
        ("binary_format_minor_version", U16, 0),
        ("build_epoch", U64, usize::try_from(BUILT).unwrap()),
        ("ip_version", U16, 6),
        ("node_count", U32, node_count),
        ("record_size", U16, 24),
    ] {
        text(&mut out, key);
        number(&mut out, kind, value);
    }
    text(&mut out, "database_type");
    text(&mut out, "Test-Country");
    text(&mut out, "description");
    map(&mut out, 0);
    text(&mut out, "languages");
    head(&mut out, ARRAY, 0);
    out
}

// Types of the data section.
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;
const U64: u8 = 9;
const ARRAY: u8 = 11;

fn map(out: &mut Vec<u8>, pairs: usize) {
    head(out, MAP, pairs);
}

fn text(out: &mut Vec<u8>, value: &str) {
    head(out, TEXT, value.len());
    out.extend(value.as_bytes());
}

fn number(out: &mut Vec<u8>, kind: u8, value: usize) {
    let length = if kind == U16 { 2 } else { 4 };
    head(out, kind, length);
    out.extend(big_endian(value, length));
}

/// A control byte, and a second one for the types that have no room in it.
fn head(out: &mut Vec<u8>, kind: u8, size: usize) {
    let size = u8::try_from(size).ok().filter(|size| *size < 29);
    let size = size.expect("only short values are needed here");
    match kind {
        ..=7 => out.push(kind << 5 | size),
        _ => out.extend([size, kind - 7]),
    }
}

fn big_endian(value: usize, length: usize) -> impl Iterator<Item = u8> {
    let bytes = u64::try_from(value).unwrap().to_be_bytes();
    let start = bytes.len() - length;
    assert!(bytes[..start].iter().all(|byte| *byte == 0), "{value} has no room");
    bytes.into_iter().skip(start)
}
