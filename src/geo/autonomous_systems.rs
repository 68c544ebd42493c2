//! Address to AS number, from `global_netblocks.txt`: lines of a network, white space and an AS number, as made from
//! routing tables. The AS number `None` stands for a network that is known to belong to no single AS.

use std::fmt;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::num::NonZeroU32;

use ip_network::{IpNetwork, Ipv4Network};
use ip_network_table::IpNetworkTable;

use super::ipv4_ranges::{Ipv4Entry, Ipv4Ranges};
use super::network;
use crate::warnings::Warnings;

/// The number of an autonomous system; 0 is reserved (RFC 7607).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AsNumber(NonZeroU32);

impl AsNumber {
    /// An AS number from its value; none for 0.
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

/// The networks of the Internet's routing table and the AS that announces each.
pub struct AsTable {
    ipv4: Ipv4Ranges<Announcement>,
    ipv4_networks: usize,
    ipv6: IpNetworkTable<Option<AsNumber>>,
}

/// Who announces an IPv4 network, in few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announcement {
    /// 0, which is nobody's: none.
    asn: [u8; 4],
    prefix_length: u8,
}

impl Announcement {
    const NONE: Self = Self::new(0, None);

    const fn new(prefix_length: u8, asn: Option<AsNumber>) -> Self {
        let asn = match asn {
            Some(asn) => asn.get(),
            None => 0,
        };
        Self {
            asn: asn.to_ne_bytes(),
            prefix_length,
        }
    }

    fn asn(self) -> Option<AsNumber> {
        AsNumber::new(u32::from_ne_bytes(self.asn))
    }
}

impl AsTable {
    /// A table without a network: no address has an AS.
    pub fn empty() -> Self {
        Self::new(Vec::new(), IpNetworkTable::new())
    }

    fn new(ipv4: Vec<Ipv4Entry<Announcement>>, ipv6: IpNetworkTable<Option<AsNumber>>) -> Self {
        Self {
            ipv4_networks: ipv4.len(),
            ipv4: Ipv4Ranges::of_networks(ipv4, Announcement::NONE),
            ipv6,
        }
    }

    /// Reads `global_netblocks.txt`. A line that can't be used is a warning with its number; blank lines are nothing.
    ///
    /// # Errors
    /// What reading `lines` gives.
    pub fn read(mut lines: impl BufRead, warnings: &mut Warnings) -> io::Result<Self> {
        let (mut ipv4, mut ipv6) = (Vec::new(), IpNetworkTable::new());
        let mut line = Vec::new();
        let mut number: u64 = 0;
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(Self::new(ipv4, ipv6));
            }
            number += 1;
            match parse_line(&line) {
                Ok(Some((IpNetwork::V4(network), asn))) => ipv4.push(Ipv4Entry {
                    first: network.network_address().to_bits(),
                    length: network.netmask(),
                    value: Announcement::new(network.netmask(), asn),
                }),
                Ok(Some((network @ IpNetwork::V6(_), asn))) => {
                    ipv6.insert(network, asn);
                }
                Ok(None) => {}
                Err(problem) => {
                    let shown = String::from_utf8_lossy(&line);
                    warnings.add(format_args!("line {number}: {:?}: {problem}", shown.trim_end()));
                }
            }
        }
    }

    /// How many networks the file has; an IPv4 network that occurs twice counts twice.
    pub fn len(&self) -> usize {
        self.ipv4_networks + self.ipv6.len().1
    }

    /// Whether the table has no network at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most specific network that holds the address, if that network has an AS.
    pub fn lookup(&self, address: IpAddr) -> Option<(IpNetwork, AsNumber)> {
        match address {
            IpAddr::V4(address) => {
                let announcement = self.ipv4.get(address)?;
                let asn = announcement.asn()?;
                // A prefix length of an IPv4 network, so that there is such a network.
                let network = Ipv4Network::new_truncate(address, announcement.prefix_length).ok()?;
                Some((network.into(), asn))
            }
            IpAddr::V6(_) => {
                let (network, asn) = self.ipv6.longest_match(address)?;
                Some((network, (*asn)?))
            }
        }
    }
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
        assert_eq!(asn(&table, "198.51.100.1"), Some(64496));
        assert_eq!(asn(&table, "198.51.100.129"), Some(64497));
        assert_eq!(asn(&table, "198.51.100.200"), None);
        assert_eq!(asn(&table, "2001:db8:1::1"), Some(64498));
        assert_eq!(asn(&table, "192.0.2.1"), None);
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
