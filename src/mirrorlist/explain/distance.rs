//! Places, distances and weights in explanations, where the order is by distance.

use serde::Serialize;

use crate::mirrorlist::choose::{DistanceChoice, RankedHost};
use crate::mirrorlist::place::{ClientPlace, PlaceSource};
use crate::snapshot::Catalogue;

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

/// The distance of a listed host, and what it is worth.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ExplainedDistance {
    /// From the client's place, in kilometres; `None` if the host's place is not known.
    pub kilometres: Option<f64>,
    /// Its weight, in Mbit/s: the bandwidth, less what its distance costs.
    pub weight: f64,
    /// The probability that it is the first of the answer, where `max_share` changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_share: Option<f64>,
}

impl ExplainedDistance {
    pub(super) fn new(choice: &DistanceChoice, catalogue: &Catalogue, host: RankedHost) -> Self {
        let index = catalogue.carrier(host.carrier()).host;
        Self {
            kilometres: choice.measure.kilometres(catalogue, index).map(f64::round),
            weight: choice.measure.weight(host.tier(), catalogue, index),
            first_share: choice.first_shares.as_ref().map(|shares| shares.of(host.carrier())),
        }
    }
}
