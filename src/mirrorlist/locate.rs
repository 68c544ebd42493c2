//! Where a client is, as far as the choice of mirrors goes: the country of its address, and who said so.

use std::net::IpAddr;

use ip_network::IpNetwork;

use crate::geo::CountryCode;
use crate::geo::GeoIpField;
use crate::snapshot::Snapshot;

/// Who said in which country an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountrySource {
    /// The operators, for this network (NetblockCountryCache).
    Operators(IpNetwork),
    /// The GeoIP database, in this field of its record.
    GeoIp(GeoIpField),
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLocation {
    /// The client's address; an IPv4 address is never in its IPv6 form.
    pub address: IpAddr,
    /// Its country and who said so, where anybody knows.
    pub country: Option<(CountryCode, CountrySource)>,
}

impl ClientLocation {
    /// The country, where it is known.
    pub fn country_code(&self) -> Option<CountryCode> {
        self.country.map(|(country, _)| country)
    }
}

/// Finds the country of an address: the operators' word for the most specific network counts before the database's.
pub fn locate(snapshot: &Snapshot, address: IpAddr) -> ClientLocation {
    let address = address.to_canonical();
    let operators = snapshot
        .catalogue()
        .netblock_country(address)
        .map(|(network, country)| (country, CountrySource::Operators(network)));
    let country = operators.or_else(|| {
        let (country, field) = snapshot.geoip().lookup(address)?;
        Some((country, CountrySource::GeoIp(field)))
    });
    ClientLocation { address, country }
}
