//! Coordinates of hosts on their way from the database through the cache to a server, and caches with and without them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::fs;

use mirrorlist_server::cache::proto::{IntCoordinatesMap, IntStringMap, MirrorList, MirrorListCacheType};
use mirrorlist_server::geo::{Coordinates, CountryCode, centroid};
use prost::Message as _;
use support::generator::setup;

const OLD: &str = include_str!("fixtures/old.sql");

/// Host 2 is placed well, 3 and 5 on the edges of the globe; 1, 4, 6, 7 and 8 are not placed.
const PLACES: &str = "
    UPDATE host SET latitude = 38.9, longitude = -77.03641 WHERE id = 2;
    UPDATE host SET latitude = -90, longitude = 180 WHERE id = 3;
    UPDATE host SET latitude = 0, longitude = -180 WHERE id = 5;
    UPDATE host SET latitude = 0, longitude = 0 WHERE id = 1;
    UPDATE host SET latitude = 'NaN', longitude = 10 WHERE id = 4;
    UPDATE host SET latitude = 50 WHERE id = 6;
    UPDATE host SET latitude = 91, longitude = 10 WHERE id = 7;
    UPDATE host SET latitude = 10, longitude = '-Infinity' WHERE id = 8;
";

fn coordinates(cache: &MirrorList) -> Vec<(i64, i32, i32)> {
    let entries = cache.host_coordinates_cache.iter();
    entries
        .map(|entry| (entry.key, entry.latitude, entry.longitude))
        .collect()
}

#[test]
fn the_cache_has_the_coordinates_that_are_a_place() {
    let Some(setup) = setup(&[PLACES]) else { return };
    let cache = setup.cache();
    let placed = [
        (2, 3_890_000, -7_703_641),
        (3, -9_000_000, 18_000_000),
        (5, 0, -18_000_000),
    ];
    assert_eq!(coordinates(&cache), placed);
    let texts = setup.warns(&[("coordinates", 5)]);
    assert!(
        texts.contains("host 6 (mirror6.example.org): latitude \\\"50\\\" and longitude \\\"NULL\\\" are no place"),
        "{texts}"
    );
    // The same data make the same bytes, but for the time at the beginning.
    let first = fs::read(setup.outfile()).unwrap().split_off(6);
    setup.execute("UPDATE host SET name = name WHERE id < 4");
    setup.cache();
    assert!(first == fs::read(setup.outfile()).unwrap().split_off(6));
}

#[test]
fn columns_of_any_type_are_read_and_missing_ones_are_no_mistake() {
    let places = "ALTER TABLE host ALTER latitude TYPE text, ALTER longitude TYPE numeric;
        UPDATE host SET latitude = ' 38.9', longitude = -77.03641 WHERE id = 2;
        UPDATE host SET latitude = 'north', longitude = 1e30 WHERE id = 3;";
    for (edit, placed, warned) in [
        (places, vec![(2, 3_890_000, -7_703_641)], 1),
        (OLD, vec![], 0),
        ("ALTER TABLE host DROP COLUMN latitude", vec![], 0),
        ("", vec![], 0),
    ] {
        let Some(setup) = setup(&[edit]) else { return };
        assert_eq!(coordinates(&setup.cache()), placed, "{edit}");
        setup.warns(&[("coordinates", warned)]);
    }
}

/// A reader that does not know the field, as all others.
#[derive(Clone, PartialEq, prost::Message)]
struct OtherReader {
    #[prost(uint64, required, tag = "1")]
    time: u64,
    #[prost(message, repeated, tag = "12")]
    host_country_cache: Vec<IntStringMap>,
    #[prost(message, repeated, tag = "16")]
    mirror_list_cache: Vec<MirrorListCacheType>,
}

fn entry(key: i64, latitude: i32, longitude: i32) -> IntCoordinatesMap {
    IntCoordinatesMap {
        key,
        latitude,
        longitude,
    }
}

#[test]
fn other_readers_skip_coordinates() {
    let old = fixture::cache_message();
    let mut new = old.clone();
    new.host_coordinates_cache = vec![entry(1, 5_200_000, 1_300_000), entry(3, -1, 18_000_000)];
    let [old, new] = [old, new].map(|cache| cache.encode_to_vec());
    assert!(new.len() > old.len());
    assert_eq!(
        OtherReader::decode(&old[..]).unwrap(),
        OtherReader::decode(&new[..]).unwrap()
    );
}

#[test]
fn a_host_is_where_the_cache_says_or_else_in_the_middle_of_its_country() {
    let placed = [
        entry(1, 5_200_000, 1_300_000),
        entry(2, 0, 0),
        entry(3, 9_000_001, 0),
        entry(4, i32::MIN, i32::MAX),
        // The last one counts.
        entry(6, 1_000_000, 1_000_000),
        entry(6, -3_500_000, 13_900_000),
    ];
    let (snapshot, warnings) = fixture::snapshot_with(|cache| {
        cache.host_coordinates_cache = placed.to_vec();
        // A host whose country is no country's code.
        cache.host_country_cache[10].value = "A1".to_owned();
    });
    let warned: Vec<&String> = warnings
        .first()
        .iter()
        .filter(|text| text.contains("Coordinates"))
        .collect();
    assert_eq!(warned.len(), 3, "{warned:?}");
    assert_eq!(
        warned[1],
        "HostCoordinatesCache: host 3: 9000001, 0 is no place in units of 0.00001 degrees"
    );
    let place = |id: i64| {
        let mut hosts = snapshot.catalogue().hosts();
        hosts.find(|(_, host)| host.id == id).unwrap().1.place()
    };
    let middle = |code: &str| centroid(CountryCode::parse(code).unwrap());
    assert_eq!(place(1), Coordinates::from_degrees(52.0, 13.0));
    assert_eq!(place(6), Coordinates::from_degrees(-35.0, 139.0));
    assert_eq!(
        [place(2), place(3), place(4)],
        [middle("DE"), middle("FR"), middle("US")]
    );
    assert_eq!(place(11), None);
}
