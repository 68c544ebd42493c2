//! Address to AS number, from `global_netblocks.txt`: lines of a network, white space and an AS number, as made from routing
//! tables. The AS number `None` stands for a network that belongs to no single AS.

use std::fmt;
use std::io::BufRead;
use std::net::IpAddr;
use std::num::NonZeroU32;

use ip_network::IpNetwork;

use super::ipv4_ranges::Ipv4Ranges;
use super::lines::Lines;
use super::network;
use super::ranges::{Entry, Ipv6Bytes, Ranges, sort};
use crate::budget::{Budget, ReadError};
use crate::warnings::Warnings;

/// The number of an autonomous system; 0 is reserved (RFC 7607).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsNumber(NonZeroU32);

impl AsNumber {
    /// An AS number from its value; `None` for 0.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for AsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The networks of the Internet's routing table, and the AS that announces each.
pub struct AsTable {
    ipv4: Ipv4Ranges<Announcement>,
    ipv4_networks: usize,
    ipv6: Ranges<Ipv6Bytes, Announcement>,
    ipv6_networks: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announcement {
    /// 0, which is reserved, stands for none.
    asn: [u8; 4],
    prefix_length: u8,
}

impl Announcement {
    const NONE: Self = Self {
        asn: [0; 4],
        prefix_length: 0,
    };

    fn new(prefix_length: u8, asn: Option<AsNumber>) -> Self {
        let asn = asn.map_or(0, AsNumber::get).to_ne_bytes();
        Self { asn, prefix_length }
    }

    fn asn(self) -> Option<AsNumber> {
        AsNumber::new(u32::from_ne_bytes(self.asn))
    }
}

impl AsTable {
    /// A table without networks: no address has an AS.
    pub fn empty() -> Self {
        Self::new(Vec::new(), Vec::new())
    }

    fn new(ipv4: Vec<Entry<u32, Announcement>>, mut ipv6: Vec<Entry<Ipv6Bytes, Announcement>>) -> Self {
        each_once(&mut ipv6);
        Self {
            ipv4_networks: ipv4.len(),
            ipv4: Ipv4Ranges::of_networks(ipv4, Announcement::NONE),
            ipv6_networks: ipv6.len(),
            ipv6: Ranges::of_networks(ipv6, Announcement::NONE),
        }
    }

    /// Reads `global_netblocks.txt`. A line that can't be used is a warning with its number; blank lines are skipped.
    ///
    /// # Errors
    /// Reading `lines` fails, or the table would take more memory than the file's size allows.
    pub fn read(lines: impl BufRead, warnings: &mut Warnings) -> Result<Self, ReadError> {
        let mut lines = Lines::new(lines);
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        let mut budget = Budget::default();
        while let Some(line) = lines.next()? {
            let parsed = match line.too_long {
                true => Err("the line is too long".to_owned()),
                false => parse_line(line.bytes),
            };
            match parsed {
                Ok(Some((network, asn))) => {
                    let length = network.netmask();
                    let value = Announcement::new(length, asn);
                    match network.network_address() {
                        IpAddr::V4(address) => ipv4.push(Entry::new(address.to_bits(), length, value)),
                        IpAddr::V6(address) => {
                            budget.read(lines.position);
                            add_once(&mut ipv6, Entry::new(address.octets(), length, value), &mut budget)?;
                        }
                    }
                }
                Ok(None) => {}
                Err(problem) => {
                    let shown = String::from_utf8_lossy(line.bytes);
                    warnings.add(format_args!("line {}: {:?}: {problem}", line.number, shown.trim_end()));
                }
            }
        }
        Ok(Self::new(ipv4, ipv6))
    }

    /// How many networks the file has; an IPv4 network that occurs twice counts twice.
    pub fn len(&self) -> usize {
        self.ipv4_networks + self.ipv6_networks
    }

    /// Whether the table has no network at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first address of each range of addresses that an AS announces, with the AS; IPv4 first.
    pub fn announcements(&self) -> impl Iterator<Item = (IpAddr, AsNumber)> {
        let ipv4 = self.ipv4.iter().map(|(first, value)| (IpAddr::V4(first), value));
        let ipv6 = self.ipv6.iter().map(|(first, value)| (IpAddr::from(first), value));
        ipv4.chain(ipv6)
            .filter_map(|(first, value)| Some((first, value.asn()?)))
    }

    /// The most specific network that holds the address, if that network has an AS.
    pub fn lookup(&self, address: IpAddr) -> Option<(IpNetwork, AsNumber)> {
        let announcement = match address {
            IpAddr::V4(address) => self.ipv4.get(address)?,
            IpAddr::V6(address) => self.ipv6.get(address.octets())?,
        };
        let asn = announcement.asn()?;
        // The prefix length of a network of the address's family, so that there is such a network.
        let network = IpNetwork::new_truncate(address, announcement.prefix_length).ok()?;
        Some((network, asn))
    }
}

/// The memory of an IPv6 network while the table is made, in bytes: itself, and the two borders that it has at most.
const IPV6_NETWORK_BYTES: usize =
    size_of::<Entry<Ipv6Bytes, Announcement>>() + 2 * size_of::<(Ipv6Bytes, Announcement)>();

/// Adds a network. An IPv6 network's line can be shorter than its entry, so a file of equal lines would take more memory than its
/// size allows. Duplicates are therefore removed each time before the vector grows.
fn add_once(
    networks: &mut Vec<Entry<Ipv6Bytes, Announcement>>,
    network: Entry<Ipv6Bytes, Announcement>,
    budget: &mut Budget,
) -> Result<(), ReadError> {
    budget.take(IPV6_NETWORK_BYTES)?;
    if networks.len() == networks.capacity() {
        let before = networks.len();
        each_once(networks);
        budget.give_back((before - networks.len()) * IPV6_NETWORK_BYTES);
        networks.reserve(networks.len() + 1);
    }
    networks.push(network);
    Ok(())
}

/// Sorts networks and keeps the last of equal ones.
fn each_once(networks: &mut Vec<Entry<Ipv6Bytes, Announcement>>) {
    sort(networks);
    networks.dedup_by(|later, earlier| {
        let same = (later.first, later.length) == (earlier.first, earlier.length);
        if same {
            *earlier = *later;
        }
        same
    });
}

fn parse_line(line: &[u8]) -> Result<Option<(IpNetwork, Option<AsNumber>)>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    let mut words = line.split_ascii_whitespace();
    let Some(network) = words.next() else {
        return Ok(None);
    };
    let network = network::parse(network).map_err(|e| e.to_string())?;
    let asn = match words.next() {
        None => return Err("no AS number after the network".to_owned()),
        Some("None") => None,
        Some(word) => {
            let number = word.strip_prefix("AS").unwrap_or(word);
            match number.parse() {
                Ok(number) => AsNumber::new(number),
                Err(_) => return Err(format!("{word:?} is no AS number")),
            }
        }
    };
    Ok(Some((network, asn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asn(table: &AsTable, address: &str) -> Option<u32> {
        table.lookup(address.parse().unwrap()).map(|(_, asn)| asn.get())
    }

    #[test]
    fn the_longest_prefix_answers_and_none_hides_a_shorter_one() {
        let text = b"198.51.100.0/24 64496\n198.51.100.128/25 64497\n\n198.51.100.192/26 None\n2001:db8::/32 64498\r\n";
        let mut warnings = Warnings::default();
        let table = AsTable::read(&text[..], &mut warnings).unwrap();
        for (address, expected) in [
            ("198.51.100.1", Some(64496)),
            ("198.51.100.129", Some(64497)),
            ("198.51.100.200", None),
            ("2001:db8:1::1", Some(64498)),
            ("192.0.2.1", None),
        ] {
            assert_eq!(asn(&table, address), expected, "{address}");
        }
        assert_eq!((table.len(), warnings.count()), (4, 0));
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_are_kept() {
        let text = b"198.51.100.0/24 64496\n10.0.0.0/33 1\nnonsense\n192.0.2.0/24\n192.0.2.0/24 x\n\xff\xfe 3\n203.0.113.0/24 5";
        let mut warnings = Warnings::default();
        let table = AsTable::read(&text[..], &mut warnings).unwrap();
        assert_eq!((table.len(), warnings.count()), (2, 5));
        assert_eq!(
            warnings.first()[0],
            "line 2: \"10.0.0.0/33 1\": the prefix length is larger than 32"
        );
        assert_eq!(asn(&table, "203.0.113.9"), Some(5));
    }
}
