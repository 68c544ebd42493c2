//! Where a client is: the coordinates of its address, or those of its country. Only an order by distance asks for them.

use super::locate::ClientLocation;
use crate::geo::{Coordinates, CountryCode, centroid};
use crate::snapshot::Snapshot;

/// The data that places a client.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PlaceSource {
    /// The record of its address in a City database, with the radius in kilometres in which the client is, if the record has one.
    GeoIp(Option<f64>),
    /// The middle of its country.
    Centroid(CountryCode),
}

/// A client's place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientPlace {
    /// The coordinates.
    pub coordinates: Coordinates,
    /// Where they are from.
    pub source: PlaceSource,
}

/// Finds the place of a client. The coordinates of a City database count if it has the client in the country that the operators or
/// itself say; otherwise it is that country's middle. `None` if neither is known.
pub fn place(snapshot: &Snapshot, client: &ClientLocation) -> Option<ClientPlace> {
    let geoip = snapshot.geoip();
    let country = client.country_code();
    let agrees = || country.is_none() || geoip.lookup(client.address).map(|(of_database, _)| of_database) == country;
    let of_database = geoip.place(client.address).filter(|_| agrees());
    let of_database = of_database.map(|place| ClientPlace {
        coordinates: place.coordinates,
        source: PlaceSource::GeoIp(place.accuracy),
    });
    of_database.or_else(|| {
        let country = country?;
        Some(ClientPlace {
            coordinates: centroid(country)?,
            source: PlaceSource::Centroid(country),
        })
    })
}
