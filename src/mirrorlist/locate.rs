//! Locates a client: the country of its address, and which data says so. Continents are [`crate::geo`]'s.

use std::net::IpAddr;

use ip_network::IpNetwork;

use crate::geo::{CountryCode, GeoIpField};
use crate::snapshot::Snapshot;

/// The data that names the country of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountrySource {
    /// The operators' entry for this network (NetblockCountryCache).
    Operators(IpNetwork),
    /// This field of the address's record in the GeoIP database.
    GeoIp(GeoIpField),
}

/// A located client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLocation {
    /// The client's address; an IPv4 address is never in its IPv6 form.
    pub address: IpAddr,
    /// Its country and the source; `None` if no data names one.
    pub country: Option<(CountryCode, CountrySource)>,
}

impl ClientLocation {
    /// The country, if it is known.
    pub fn country_code(&self) -> Option<CountryCode> {
        self.country.map(|(country, _)| country)
    }
}

/// Finds the country of an address: the operators' entry for the most specific network, else the GeoIP database's.
pub fn locate(snapshot: &Snapshot, address: IpAddr) -> ClientLocation {
    let address = address.to_canonical();
    let operators = snapshot.catalogue().netblock_country(address);
    let operators = operators.map(|(network, country)| (country, CountrySource::Operators(network)));
    let country = operators.or_else(|| {
        let (country, field) = snapshot.geoip().lookup(address)?;
        Some((country, CountrySource::GeoIp(field)))
    });
    ClientLocation { address, country }
}
