//! Address to AS number, from `global_netblocks.txt`: lines of a network, white space and an AS number, as made from
//! routing tables. The AS number `None` stands for a network that is known to belong to no single AS.

use std::fmt;
use std::io::{self, BufRead};
use std::net::IpAddr;
use std::num::NonZeroU32;

use ip_network::IpNetwork;
use ip_network_table::IpNetworkTable;

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
    pub fn get(self) -> u32 {
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
    networks: IpNetworkTable<Option<AsNumber>>,
}

impl AsTable {
    /// A table without a network: no address has an AS.
    pub fn empty() -> Self {
        Self {
            networks: IpNetworkTable::new(),
        }
    }

    /// Reads `global_netblocks.txt`. A line that can't be used is a warning with its number; blank lines are nothing.
    ///
    /// # Errors
    /// What reading `lines` gives.
    pub fn read(mut lines: impl BufRead, warnings: &mut Warnings) -> io::Result<Self> {
        let mut networks = IpNetworkTable::new();
        let mut line = Vec::new();
        let mut number: u64 = 0;
        loop {
            line.clear();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Ok(Self { networks });
            }
            number += 1;
            match parse_line(&line) {
                Ok(Some((network, asn))) => {
                    networks.insert(network, asn);
                }
                Ok(None) => {}
                Err(problem) => {
                    let shown = String::from_utf8_lossy(&line);
                    warnings.add(format_args!("line {number}: {:?}: {problem}", shown.trim_end()));
                }
            }
        }
    }

    /// How many networks the table has.
    pub fn len(&self) -> usize {
        let (v4, v6) = self.networks.len();
        v4 + v6
    }

    /// Whether the table has no network at all.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The most specific network that holds the address, if that network has an AS.
    pub fn lookup(&self, address: IpAddr) -> Option<(IpNetwork, AsNumber)> {
        let (network, asn) = self.networks.longest_match(address)?;
        Some((network, (*asn)?))
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
