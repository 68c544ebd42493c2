//! The client's place in explanations, where the order is by distance.

use serde::Serialize;

use crate::mirrorlist::place::{ClientPlace, PlaceSource};

/// Where a client is, and which data says so.
#[derive(Debug, Serialize)]
pub struct ExplainedPlace {
    /// In degrees, north positive.
    latitude: f64,
    /// In degrees, east positive.
    longitude: f64,
    /// The fields of the GeoIP record, or the country whose middle it is.
    source: String,
    /// The radius in kilometres in which the client is; `None` if the database says none.
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy_radius: Option<f64>,
}

impl ExplainedPlace {
    pub(super) fn new(place: ClientPlace) -> Self {
        let (source, accuracy_radius) = match place.source {
            PlaceSource::GeoIp(radius) => ("geoip: location".to_owned(), radius),
            PlaceSource::Centroid(country) => (format!("middle of {country}"), None),
        };
        Self {
            latitude: place.coordinates.latitude(),
            longitude: place.coordinates.longitude(),
            source,
            accuracy_radius,
        }
    }
}
