//! GeoIP databases: what loads answers for every address, the same each time, and with country codes only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mirrorlist_server::geo::GeoIp;

use super::assert_one_line;

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let geoip = match GeoIp::new(bytes.to_vec()) {
        Ok(geoip) => geoip,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    let _ = (geoip.built(), geoip.node_count(), geoip.has_countries());
    for address in addresses() {
        let found = geoip.lookup(address);
        assert_eq!(found, geoip.lookup(address), "{address}");
        if let Some(place) = geoip.place(address) {
            let [latitude, longitude] = [place.coordinates.latitude(), place.coordinates.longitude()];
            assert!(
                latitude.abs() <= 90.0 && longitude.abs() <= 180.0,
                "{address}: {place:?}"
            );
            assert!(place.accuracy.is_none_or(|radius| radius > 0.0), "{address}: {place:?}");
        }
        if let Some((country, _)) = found {
            let text = country.as_str();
            let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
            assert!(is_code, "{address}: {text:?}");
        }
    }
}

/// Addresses in and around the networks of the seeds, and some that are far apart.
fn addresses() -> impl Iterator<Item = IpAddr> {
    let spread = (0..32)
        .flat_map(|bit| [1_u32 << bit, !(1 << bit)])
        .map(Ipv4Addr::from_bits);
    let near = ["192.0.2.1", "198.51.100.129", "203.0.113.255"].map(|text| text.parse().unwrap());
    let ipv6 = (0..128)
        .step_by(3)
        .map(|bit| Ipv6Addr::from_bits(0x2001_0db8 << 96 ^ 1 << bit));
    spread.map(IpAddr::V4).chain(near).chain(ipv6.map(IpAddr::V6))
}
