//! `global_netblocks.txt`: what the table says of an address stands in a line.

use std::collections::BTreeSet;
use std::net::IpAddr;

use mirrorlist_server::geo::{AsTable, network};
use mirrorlist_server::warnings::Warnings;

use super::assert_one_line;

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let mut warnings = Warnings::default();
    let table = match AsTable::read(bytes, &mut warnings) {
        Ok(table) => table,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    for warning in warnings.first() {
        assert_one_line(warning);
    }
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let of_lines = (table.len() as u64).saturating_add(warnings.count());
    assert!(of_lines <= lines.len() as u64, "{of_lines} of {} lines", lines.len());

    let mut named = BTreeSet::new();
    let mut addresses = vec![IpAddr::from([0, 0, 0, 0]), IpAddr::from([255, 255, 255, 255])];
    for line in lines {
        let words = std::str::from_utf8(line).unwrap_or_default();
        let mut words = words.split_ascii_whitespace();
        if let (Some(Ok(network)), Some(number)) = (words.next().map(network::parse), words.next()) {
            addresses.push(network.network_address());
            named.insert((network, number.trim_start_matches("AS").parse::<u32>().ok()));
        }
    }
    for address in addresses {
        if let Some((network, asn)) = table.lookup(address) {
            assert!(network.contains(address), "{address}: {network}");
            assert!(
                named.contains(&(network, Some(asn.get()))),
                "{address}: {network} {asn}"
            );
        }
    }
}
