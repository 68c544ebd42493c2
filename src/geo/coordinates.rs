//! Places on the globe, and how far two of them are apart.
//!
//! Which place a host or a client has, and what a distance is worth, is decided elsewhere.

use std::fmt;

/// The mean radius of the Earth in kilometres (IUGG, R1).
const EARTH_RADIUS: f64 = 6_371.008_8;

/// Units of [`Coordinates`] in a degree. A unit is 1.1 m at the equator.
const UNITS_PER_DEGREE: f64 = 100_000.0;

/// The poles, in units.
const POLE: i32 = 9_000_000;

/// The antimeridian, in units.
const ANTIMERIDIAN: i32 = 18_000_000;

/// A place on the globe: geographic coordinates (WGS 84) in units of 0.00001 degrees, never (0, 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Coordinates {
    latitude: i32,
    longitude: i32,
}

impl Coordinates {
    /// The place at a latitude from -90 to 90 and a longitude from -180 to 180 degrees. `None` for other numbers, and for (0, 0),
    /// where geocoders put what they do not know.
    pub fn from_degrees(latitude: f64, longitude: f64) -> Option<Self> {
        let [latitude, longitude] = [(latitude, POLE), (longitude, ANTIMERIDIAN)].map(|(degrees, most)| {
            let units = (degrees * UNITS_PER_DEGREE).round();
            #[expect(clippy::cast_possible_truncation, reason = "at most 180 degrees")]
            (units.abs() <= f64::from(most)).then_some(units as i32)
        });
        Self::from_units(latitude?, longitude?)
    }

    /// The same in units of 0.00001 degrees.
    pub fn from_units(latitude: i32, longitude: i32) -> Option<Self> {
        let is_place = (-POLE..=POLE).contains(&latitude)
            && (-ANTIMERIDIAN..=ANTIMERIDIAN).contains(&longitude)
            && (latitude, longitude) != (0, 0);
        is_place.then_some(Self { latitude, longitude })
    }

    /// The same from decimal texts.
    pub fn parse(latitude: &str, longitude: &str) -> Option<Self> {
        Self::from_degrees(latitude.trim().parse().ok()?, longitude.trim().parse().ok()?)
    }

    /// The latitude in units of 0.00001 degrees, north positive.
    pub fn latitude_units(self) -> i32 {
        self.latitude
    }

    /// The longitude in units of 0.00001 degrees, east positive.
    pub fn longitude_units(self) -> i32 {
        self.longitude
    }

    /// The latitude in degrees, north positive.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / UNITS_PER_DEGREE
    }

    /// The longitude in degrees, east positive.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / UNITS_PER_DEGREE
    }

    /// The length of the great circle to another place, in kilometres (haversine formula).
    pub fn kilometres_to(self, other: Self) -> f64 {
        let half_sine_squared = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
        let cosines = self.latitude().to_radians().cos() * other.latitude().to_radians().cos();
        let across = half_sine_squared(self.longitude(), other.longitude());
        let along = half_sine_squared(self.latitude(), other.latitude());
        chord_to_kilometres(2.0 * (along + cosines * across).sqrt())
    }

    /// The direction of the place from the centre of the Earth.
    pub fn direction(self) -> Direction {
        let (latitude_sine, latitude_cosine) = self.latitude().to_radians().sin_cos();
        let (longitude_sine, longitude_cosine) = self.longitude().to_radians().sin_cos();
        #[expect(clippy::cast_possible_truncation, reason = "half a metre is near enough")]
        Direction(
            [
                latitude_cosine * longitude_cosine,
                latitude_cosine * longitude_sine,
                latitude_sine,
            ]
            .map(|part| part as f32),
        )
    }
}

/// As in explanations: `52.52, 13.405`.
impl fmt::Display for Coordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.latitude(), self.longitude())
    }
}

/// A unit vector from the centre of the Earth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction([f32; 3]);

impl Direction {
    /// The straight line to another place, through the Earth, in units of its radius: 0 to 2.
    ///
    /// Optimised: a distance takes no trigonometry. Differences are exact where a dot product would lose the places that are near.
    #[inline]
    pub fn chord_to(self, other: Self) -> f32 {
        let ([a, b, c], [x, y, z]) = (self.0, other.0);
        let squared = (a - x) * (a - x) + (b - y) * (b - y) + (c - z) * (c - z);
        squared.sqrt()
    }
}

/// The length of the great circle above a chord of 0 to 2 radii of the Earth, in kilometres.
pub fn chord_to_kilometres(chord: f64) -> f64 {
    2.0 * EARTH_RADIUS * (chord / 2.0).min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64, longitude: f64) -> Coordinates {
        Coordinates::from_degrees(latitude, longitude).unwrap()
    }

    #[test]
    fn what_is_no_place_is_missing() {
        for (latitude, longitude) in [
            (0.0, 0.0),
            (0.000_001, -0.000_001),
            (90.1, 0.0),
            (-91.0, 10.0),
            (10.0, 180.1),
            (10.0, -181.0),
            (f64::NAN, 10.0),
            (10.0, f64::NAN),
            (f64::INFINITY, 10.0),
            (1e300, -1e300),
        ] {
            assert_eq!(
                Coordinates::from_degrees(latitude, longitude),
                None,
                "{latitude}, {longitude}"
            );
        }
        assert_eq!(Coordinates::from_units(i32::MIN, i32::MAX), None);
        for (latitude, longitude) in [("", "1"), ("1", ""), ("NaN", "1"), ("52,5", "13"), ("0", "0.0")] {
            assert_eq!(Coordinates::parse(latitude, longitude), None, "{latitude}, {longitude}");
        }
        assert_eq!(
            Coordinates::parse(" 52.52", "13.405 ").unwrap().to_string(),
            "52.52, 13.405"
        );
        assert_eq!(at(0.0, 10.0).longitude(), 10.0);
    }

    #[test]
    fn distances_are_great_circles() {
        let quarter = std::f64::consts::FRAC_PI_2 * EARTH_RADIUS;
        for (a, b, kilometres) in [
            // The antimeridian is no border, nor are the poles.
            (at(0.0, 179.5), at(0.0, -179.5), quarter / 90.0),
            (at(10.0, 180.0), at(10.0, -180.0), 0.0),
            (at(89.0, 0.0), at(89.0, 180.0), quarter / 45.0),
            (at(90.0, 0.0), at(90.0, 123.0), 0.0),
            (at(90.0, 0.0), at(-90.0, 50.0), 2.0 * quarter),
            (at(0.0, 90.0), at(0.0, -90.0), 2.0 * quarter),
            (at(0.0, 1.0), at(0.0, 91.0), quarter),
            (at(52.52, 13.405), at(52.52, 13.405), 0.0),
            // Berlin to Paris.
            (at(52.52, 13.405), at(48.8566, 2.3522), 877.46),
        ] {
            let chord = chord_to_kilometres(f64::from(a.direction().chord_to(b.direction())));
            for found in [a.kilometres_to(b), b.kilometres_to(a)] {
                assert!((found - kilometres).abs() < 0.01, "{a} to {b}: {found}");
            }
            // Near the antipodes a chord hardly grows with the distance.
            let error = if kilometres > 19_000.0 { 10.0 } else { 0.01 };
            assert!((chord - kilometres).abs() < error, "{a} to {b}: {chord}");
        }
    }
}
