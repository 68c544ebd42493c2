//! Country to coordinates: where a host or a client is taken to be of which only the country is known.
//!
//! The table is in the program (`country_coordinates.csv`, which names its sources: all are in the public domain).

use std::sync::LazyLock;

use super::coordinates::Coordinates;
use super::country::CountryCode;

/// Lines like `AD,42.5,1.5`, and comments.
const TABLE: &str = include_str!("country_coordinates.csv");

/// By [`CountryCode::index`].
static CENTROIDS: LazyLock<Box<[Option<Coordinates>]>> = LazyLock::new(|| {
    let mut centroids = vec![None; CountryCode::COUNT].into_boxed_slice();
    for (country, coordinates) in TABLE.lines().filter_map(parse_line) {
        if let Some(entry) = centroids.get_mut(country.index()) {
            *entry = Some(coordinates);
        }
    }
    centroids
});

/// The coordinates of a country; `None` for a code that is no country's, like `A1` or `EU`.
pub fn centroid(country: CountryCode) -> Option<Coordinates> {
    CENTROIDS.get(country.index()).copied().flatten()
}

fn parse_line(line: &str) -> Option<(CountryCode, Coordinates)> {
    let (country, place) = line.split_once(',')?;
    let (latitude, longitude) = place.split_once(',')?;
    Some((CountryCode::parse(country)?, Coordinates::parse(latitude, longitude)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_country_and_countries_are_where_they_are() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let mut known = 0;
        for line in lines {
            let (country, coordinates) = parse_line(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(centroid(country), Some(coordinates), "{line} twice");
            known += 1;
        }
        // The 249 of ISO 3166-1, and Kosovo.
        assert_eq!(known, 250);
        let far = |a, b| {
            let [a, b] = [a, b].map(|code| centroid(CountryCode::parse(code).unwrap()).unwrap());
            a.kilometres_to(b)
        };
        assert!((400.0..900.0).contains(&far("DE", "FR")));
        assert!((1_500.0..2_500.0).contains(&far("FJ", "KI")), "{}", far("FJ", "KI"));
        assert!(far("NZ", "ES") > 18_000.0);
        assert_eq!(centroid(CountryCode::parse("A1").unwrap()), None);
    }
}
