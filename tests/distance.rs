//! The order by distance (`order = "distance"`), held against its law in random worlds: the law is written here a second time, from
//! docs/selection.md and with other formulas.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::net::IpAddr;

use fixture::health::{WrittenHealth, dead, health_file};
use mirrorlist_server::admin::explain::explain_text;
use mirrorlist_server::cache::proto::{
    IntCoordinatesMap, IntIntMap, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, MirrorList,
    MirrorListCacheType, StringRepeatedIntMap, StringStringMap,
};
use mirrorlist_server::geo::{AsTable, ContinentTable, CountryCode, GeoIp, centroid};
use mirrorlist_server::health::file::UrlHealth;
use mirrorlist_server::health::verdict::{Standing, Verdict};
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, Scratch, Tier, answer, choose};
use mirrorlist_server::rules::RulesFile;
use mirrorlist_server::settings::{AsOrder, ChoiceSettings, HostOrder, Share};
use mirrorlist_server::snapshot::{Catalogue, DataSet, Loaded, Snapshot};
use mirrorlist_server::warnings::Warnings;
use prost::Message as _;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use support::mmdb::{City, mmdb_of_cities};

const DIRECTORY: &str = "pub/linux/os";

#[derive(Debug, Clone)]
struct Host {
    country: &'static str,
    /// Latitude and longitude in degrees.
    place: Option<(f64, f64)>,
    bandwidth: i64,
    protocol: &'static str,
    private: bool,
}

fn host(country: &'static str, place: Option<(f64, f64)>, bandwidth: i64) -> Host {
    Host {
        country,
        place,
        bandwidth,
        protocol: "https",
        private: false,
    }
}

/// The operators say nothing of 198.51.100.0/24.
const NETBLOCK_COUNTRIES: [(&str, &str); 3] = [
    ("192.0.2.0/25", "FJ"),
    ("192.0.2.128/25", "DE"),
    ("203.0.113.0/24", "A1"),
];
const IN_FIJI: &str = "192.0.2.1";
const IN_GERMANY: &str = "192.0.2.129";
const IN_NO_COUNTRY: &str = "203.0.113.1";
const IN_THE_DATABASE: &str = "198.51.100.1";

/// A cache of hosts whose ids are their places in the list.
fn cache(hosts: &[Host]) -> MirrorList {
    let numbered = || (0_i64..).zip(hosts);
    let public = || numbered().filter(|(_, host)| !host.private);
    #[expect(clippy::cast_possible_truncation, reason = "at most 18,000,000")]
    let units = |degrees: f64| (degrees * 100_000.0).round() as i32;
    MirrorList {
        time: fixture::CREATED,
        netblock_country_cache: NETBLOCK_COUNTRIES
            .map(|(key, value)| StringStringMap {
                key: key.to_owned(),
                value: value.to_owned(),
            })
            .to_vec(),
        hc_url_cache: numbered()
            .map(|(key, host)| IntStringMap {
                key,
                value: format!("{}://{key}", host.protocol),
            })
            .collect(),
        host_country_cache: numbered()
            .map(|(key, host)| IntStringMap {
                key,
                value: host.country.to_owned(),
            })
            .collect(),
        host_bandwidth_cache: numbered()
            .map(|(key, host)| IntIntMap {
                key,
                value: host.bandwidth,
            })
            .collect(),
        host_coordinates_cache: numbered()
            .filter_map(|(key, host)| {
                let (latitude, longitude) = host.place?;
                Some(IntCoordinatesMap {
                    key,
                    latitude: units(latitude),
                    longitude: units(longitude),
                })
            })
            .collect(),
        mirror_list_cache: vec![MirrorListCacheType {
            directory: DIRECTORY.to_owned(),
            global: public().map(|(id, _)| id).collect(),
            by_country: public()
                .map(|(id, host)| StringRepeatedIntMap {
                    key: host.country.to_owned(),
                    value: vec![id],
                })
                .collect(),
            by_host_id: numbered()
                .map(|(key, _)| IntRepeatedIntMap { key, value: vec![key] })
                .collect(),
            ..MirrorListCacheType::default()
        }],
        ..MirrorList::default()
    }
}

fn snapshot_of(cache: &MirrorList, cities: &[City]) -> Snapshot {
    snapshot_with_rules(cache, cities, "")
}

fn snapshot_with_rules(cache: &MirrorList, cities: &[City], rules: &str) -> Snapshot {
    let mut warnings = Warnings::default();
    let netblocks = AsTable::read("192.0.2.0/24 64496\n".as_bytes(), &mut warnings).unwrap();
    let geoip = match cities {
        [] => Loaded::without_file(GeoIp::empty()),
        cities => Loaded::built_in("test", GeoIp::new(mmdb_of_cities(cities)).unwrap()),
    };
    let continents = ContinentTable::read(fixture::CONTINENTS.as_bytes(), &mut warnings).unwrap();
    let bytes = cache.encode_to_vec();
    let catalogue = Catalogue::read(BufReader::new(bytes.as_slice()), &mut warnings).unwrap();
    Snapshot::new(DataSet {
        cache: Loaded::built_in("test", catalogue),
        global_netblocks: Loaded::built_in("test", netblocks),
        country_continent: Loaded::built_in("test", continents),
        geoip,
        rules: Loaded::built_in("test", RulesFile::read(rules).unwrap()),
    })
}

fn snapshot(hosts: &[Host]) -> Snapshot {
    snapshot_of(&cache(hosts), &[])
}

fn by_distance() -> ChoiceSettings {
    ChoiceSettings {
        order: HostOrder::Distance,
        ..ChoiceSettings::STANDARD
    }
}

/// The tiers and ids of the hosts of a choice, in order.
fn chosen(
    snapshot: &Snapshot,
    address: &str,
    parameters: &str,
    settings: &ChoiceSettings,
    scratch: &mut Scratch,
) -> Vec<(Tier, usize)> {
    let query = format!("path={DIRECTORY}{parameters}");
    let query = MirrorQuery::parse(&query);
    let request = MirrorRequest {
        endpoint: Endpoint::Mirrorlist,
        address: address.parse::<IpAddr>().unwrap(),
        query: &query,
        settings,
        now: 0,
    };
    let choice = choose(snapshot, &request, scratch, &mut ()).ok().unwrap();
    let hosts = choice.selection.hosts.iter().map(|host| {
        let carrier = snapshot.catalogue().carrier(host.carrier());
        (
            host.tier(),
            usize::try_from(snapshot.catalogue().host(carrier.host).id).unwrap(),
        )
    });
    hosts.collect()
}

fn middle(country: &str) -> Option<(f64, f64)> {
    let place = centroid(CountryCode::parse(country)?)?;
    Some((place.latitude(), place.longitude()))
}

/// The great circle by the spherical law of cosines, in kilometres.
fn kilometres(a: (f64, f64), b: (f64, f64)) -> f64 {
    let [(a, at), (b, to)] = [a, b].map(|(latitude, longitude)| (latitude.to_radians(), longitude.to_radians()));
    let cosine = a.sin() * b.sin() + a.cos() * b.cos() * (to - at).cos();
    6_371.0 * cosine.clamp(-1.0, 1.0).acos()
}

/// The law of docs/selection.md for a host in another country.
fn weight(client: (f64, f64), near: f64, host: &Host) -> f64 {
    let place = host
        .place
        .filter(|place| *place != (0.0, 0.0))
        .or_else(|| middle(host.country));
    let distance = place.map_or(12_000.0, |place| kilometres(client, place)).min(12_000.0);
    host.bandwidth.max(1) as f64 * 0.5_f64.powf(distance.max(near) / 100.0)
}

/// Pearson's chi-square of ordered pairs (first and second host) against drawing by weights without replacement, and its degrees
/// of freedom. Pairs that are expected less than 10 times are one cell.
fn chi_square(weights: &[f64], counts: &BTreeMap<(usize, usize), u32>, draws: u32) -> (f64, usize) {
    let total: f64 = weights.iter().sum();
    let (mut sum, mut cells, mut rare) = (0.0, 0, (0.0, 0.0));
    let hosts = 0..weights.len();
    for (first, second) in hosts
        .clone()
        .flat_map(|first| hosts.clone().map(move |second| (first, second)))
    {
        if first == second {
            continue;
        }
        let probability = weights[first] / total * weights[second] / (total - weights[first]);
        let expected = probability * f64::from(draws);
        let count = f64::from(counts.get(&(first, second)).copied().unwrap_or(0));
        if expected < 10.0 {
            rare = (rare.0 + expected, rare.1 + count);
            continue;
        }
        sum += (count - expected).powi(2) / expected;
        cells += 1;
    }
    if rare.0 >= 10.0 {
        sum += (rare.1 - rare.0).powi(2) / rare.0;
        cells += 1;
    } else {
        assert!(rare.1 < 30.0, "{rare:?}");
    }
    (sum, cells.max(2) - 1)
}

/// The 99.99 % quantile of chi-square (Wilson and Hilferty).
fn quantile(freedom: usize) -> f64 {
    let freedom = freedom as f64;
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 3.719 * spread.sqrt()).powi(3)
}

/// Asserts that the first two hosts come as if drawn by these weights.
fn assert_law(hosts: &[Host], cities: &[City], address: &str, weights: &[f64]) {
    const DRAWS: u32 = 20_000;
    let (snapshot, settings) = (snapshot_of(&cache(hosts), cities), by_distance());
    let mut scratch = Scratch::seeded(11);
    let mut counts = BTreeMap::new();
    for _ in 0..DRAWS {
        let hosts = chosen(&snapshot, address, "", &settings, &mut scratch);
        *counts.entry((hosts[0].1, hosts[1].1)).or_default() += 1;
    }
    let (sum, freedom) = chi_square(weights, &counts, DRAWS);
    assert!(
        sum < quantile(freedom),
        "chi-square {sum} of {freedom}: {counts:?}, {weights:?}, {hosts:?}"
    );
}

/// Where hosts are put: near the client, on the antimeridian, the poles, one place twice, nowhere, and (0, 0).
fn random_place(rng: &mut Xoshiro256PlusPlus, client: (f64, f64)) -> Option<(f64, f64)> {
    match rng.random_range(0..10) {
        0 => None,
        1 => Some((0.0, 0.0)),
        2 => Some((rng.random_range(-30.0..30.0), if rng.random() { 180.0 } else { -180.0 })),
        3 => Some((90.0, rng.random_range(-180.0..180.0))),
        4 => Some((-17.5, 179.0)),
        5 => Some((-17.5, -179.0)),
        _ => {
            let latitude: f64 = client.0 + rng.random_range(-9.0..9.0);
            let longitude: f64 = client.1 + rng.random_range(-9.0..9.0);
            let longitude = if longitude > 180.0 {
                longitude - 360.0
            } else {
                longitude
            };
            Some((latitude.clamp(-90.0, 90.0), longitude.max(-180.0)))
        }
    }
}

fn random_hosts(rng: &mut Xoshiro256PlusPlus, client: (f64, f64)) -> Vec<Host> {
    let countries = ["NZ", "US", "NC", "A1", "WS", "KI"];
    let bandwidths = [0, 1, 100, 1_000, 10_000];
    (0..9)
        .map(|_| {
            let country = countries[rng.random_range(0..countries.len())];
            host(
                country,
                random_place(rng, client),
                bandwidths[rng.random_range(0..bandwidths.len())],
            )
        })
        .collect()
}

#[test]
fn hosts_come_as_the_law_says_in_random_worlds() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    for _ in 0..12 {
        // Fiji is on both sides of the antimeridian, and has no mirror here.
        let client = middle("FJ").unwrap();
        let hosts = random_hosts(&mut rng, client);
        let weights: Vec<f64> = hosts.iter().map(|host| weight(client, 500.0, host)).collect();
        assert_law(&hosts, &[], IN_FIJI, &weights);
    }
}

#[test]
fn a_city_database_places_clients_as_well_as_it_knows_them() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
    for (client, accuracy_radius) in [
        ((-16.0, 179.9), None),
        ((-16.0, -179.9), Some(5)),
        ((88.0, 100.0), Some(700)),
        ((-90.0, 0.0), Some(1_000)),
        ((40.0, -100.0), Some(300)),
    ] {
        let hosts = random_hosts(&mut rng, client);
        let near = accuracy_radius.map_or(500.0, |radius| f64::from(radius).max(500.0));
        let weights: Vec<f64> = hosts.iter().map(|host| weight(client, near, host)).collect();
        let city = City {
            network: "198.51.100.0/24",
            country: "FJ",
            place: Some(client),
            accuracy_radius,
        };
        assert_law(&hosts, &[city], IN_THE_DATABASE, &weights);
    }
}

#[test]
fn the_test_can_tell_another_law() {
    let client = middle("FJ").unwrap();
    let hosts = [("NZ", -20.0), ("WS", -23.0), ("NC", -26.0)]
        .map(|(country, latitude)| host(country, Some((latitude, 175.0)), 100));
    let weights = hosts.each_ref().map(|host| weight(client, 500.0, host));
    assert_law(&hosts, &[], IN_FIJI, &weights);
    let other = hosts
        .each_ref()
        .map(|host| weight(client, 500.0, host) * if host.country == "NC" { 1.3 } else { 1.0 });
    assert!(std::panic::catch_unwind(|| assert_law(&hosts, &[], IN_FIJI, &other)).is_err());
}

/// How often each host is the first, as shares.
fn firsts(snapshot: &Snapshot, address: &str, settings: &ChoiceSettings) -> BTreeMap<usize, f64> {
    const DRAWS: u32 = 10_000;
    let mut scratch = Scratch::seeded(3);
    let mut shares = BTreeMap::new();
    for _ in 0..DRAWS {
        *shares
            .entry(chosen(snapshot, address, "", settings, &mut scratch)[0].1)
            .or_insert(0.0) += 1.0 / f64::from(DRAWS);
    }
    shares
}

fn assert_near(found: &BTreeMap<usize, f64>, expected: &[(usize, f64)]) {
    let expected: BTreeMap<usize, f64> = expected.iter().copied().collect();
    let is_near = found.keys().chain(expected.keys()).all(|host| {
        let [found, expected] = [found, &expected].map(|shares| shares.get(host).copied().unwrap_or(0.0));
        (found - expected).abs() < 0.02
    });
    assert!(is_near, "{found:?} and not {expected:?}");
}

#[test]
fn the_own_country_comes_first_and_by_bandwidth_where_only_the_country_is_known() {
    let hosts = [
        host("DE", Some((54.5, 9.0)), 300),
        host("DE", Some((47.5, 10.0)), 100),
        host("FR", Some((51.0, 9.0)), 10_000),
        // Of two equal places elsewhere, bandwidth tells.
        host("FR", Some((48.0, 2.0)), 300),
        host("CZ", Some((48.0, 2.0)), 100),
    ];
    let snapshot_without = snapshot(&hosts);
    let settings = by_distance();
    assert_near(
        &firsts(&snapshot_without, IN_GERMANY, &settings),
        &[(0, 0.75), (1, 0.25)],
    );
    let found = chosen(&snapshot_without, IN_GERMANY, "", &settings, &mut Scratch::seeded(1));
    let tiers: Vec<Tier> = found.iter().map(|(tier, _)| *tier).collect();
    assert_eq!(
        tiers,
        [
            Tier::Country,
            Tier::Country,
            Tier::Distance,
            Tier::Distance,
            Tier::Distance
        ]
    );
    // With coordinates, distances count at home, too: 780 km are 2.8 halvings beyond 500 km.
    let city = |country, accuracy_radius| {
        [City {
            network: "198.51.100.0/24",
            country,
            place: Some((47.5, 10.0)),
            accuracy_radius,
        }]
    };
    let at_home = weight((47.5, 10.0), 500.0, &hosts[0]);
    let all = at_home + weight((47.5, 10.0), 500.0, &hosts[1]);
    let snapshot = snapshot_of(&cache(&hosts), &city("DE", Some(20)));
    assert_near(
        &firsts(&snapshot, IN_THE_DATABASE, &settings),
        &[(0, at_home / all), (1, 1.0 - at_home / all)],
    );
    // A place that is known to 800 km tells nothing within these.
    let snapshot = snapshot_of(&cache(&hosts), &city("DE", Some(800)));
    assert_near(&firsts(&snapshot, IN_THE_DATABASE, &settings), &[(0, 0.75), (1, 0.25)]);
    // The operators' country wins, and the database's place counts where it agrees.
    for (country, first) in [("US", 0.75), ("DE", at_home / all)] {
        let cities = [City {
            network: "192.0.2.128/25",
            ..city(country, None).into_iter().next().unwrap()
        }];
        let snapshot = snapshot_of(&cache(&hosts), &cities);
        assert_near(
            &firsts(&snapshot, IN_GERMANY, &settings),
            &[(0, first), (1, 1.0 - first)],
        );
    }
}

#[test]
fn a_client_without_a_place_gets_the_order_by_bandwidth() {
    let hosts = [
        host("DE", Some((51.0, 9.0)), 100),
        host("US", Some((40.0, -100.0)), 100),
    ];
    let other = City {
        network: "192.0.2.0/24",
        country: "DE",
        place: Some((51.0, 9.0)),
        accuracy_radius: None,
    };
    let snapshot = snapshot_of(&cache(&hosts), &[other]);
    for address in [IN_NO_COUNTRY, IN_THE_DATABASE, "2001:db8::1"] {
        let [a, b] = [by_distance(), ChoiceSettings::STANDARD]
            .map(|settings| chosen(&snapshot, address, "", &settings, &mut Scratch::seeded(9)));
        assert_eq!(a, b, "{address}");
        assert!(a.iter().all(|(tier, _)| *tier == Tier::Global), "{address}: {a:?}");
    }
    // Coordinates without a country are a place.
    let nowhere = City {
        network: "198.51.100.0/24",
        country: "",
        place: Some((40.0, -99.0)),
        accuracy_radius: Some(20),
    };
    let german = City {
        network: "192.0.2.0/24",
        country: "DE",
        place: None,
        accuracy_radius: Some(20),
    };
    let snapshot = snapshot_of(&cache(&hosts), &[nowhere, german]);
    let found = chosen(&snapshot, IN_THE_DATABASE, "", &by_distance(), &mut Scratch::seeded(9));
    assert_eq!(found, [(Tier::Distance, 1), (Tier::Distance, 0)]);
}

#[test]
fn netblock_and_as_stay_before_all_others_and_country_means_what_it_meant() {
    let far = Some((-30.0, 140.0));
    let hosts = [
        host("AU", far, 100),
        host("AU", far, 100),
        host("FR", Some((48.0, 2.0)), 100),
        Host {
            private: true,
            ..host("NL", Some((52.0, 5.0)), 100)
        },
        host("JP", None, 100),
    ];
    let mut cache = cache(&hosts);
    cache.host_netblock_cache = vec![StringRepeatedIntMap {
        key: "192.0.2.128/26".to_owned(),
        value: vec![0],
    }];
    cache.host_asn_cache = vec![IntRepeatedIntMap {
        key: 64496,
        value: vec![1, 2, 3],
    }];
    let snapshot = snapshot_of(&cache, &[]);
    let settings = by_distance();
    // Within the AS, near hosts come first, private ones among them.
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let found = chosen(&snapshot, IN_GERMANY, "", &settings, &mut Scratch::seeded(seed));
        assert_eq!(found[0], (Tier::Netblock, 0));
        assert_eq!(found[3], (Tier::AutonomousSystem, 1));
        assert_eq!(found[4], (Tier::Distance, 4));
        seen.insert((found[1].1, found[2].1));
    }
    assert_eq!(seen, BTreeSet::from([(2, 3), (3, 2)]));
    for parameters in ["&country=au", "&country=jp,fr", "&country=global"] {
        let [a, b] = [&settings, &ChoiceSettings::STANDARD]
            .map(|settings| chosen(&snapshot, IN_GERMANY, parameters, settings, &mut Scratch::seeded(9)));
        assert_eq!(a, b, "{parameters}");
    }
    // A country without hosts, on a continent without any, is as absent.
    let found = chosen(&snapshot, IN_GERMANY, "&country=aq", &settings, &mut Scratch::seeded(9));
    assert_eq!(found[0], (Tier::Distance, 2));
    let found = chosen(&snapshot, IN_GERMANY, "&netblock=0", &settings, &mut Scratch::seeded(9));
    assert_eq!(found[0], (Tier::Distance, 2));
    assert_eq!(found.len(), 4);
}

/// What a rule for all clients makes of a choice by distance.
fn ruled(cache: &MirrorList, keys: &str, seed: u64) -> Vec<(Tier, usize)> {
    let rule = format!("[[clients]]\nname = \"all\"\nnetworks = [\"0.0.0.0/0\"]\n{keys}\n");
    let snapshot = snapshot_with_rules(cache, &[], &rule);
    chosen(&snapshot, IN_GERMANY, "", &by_distance(), &mut Scratch::seeded(seed))
}

#[test]
fn rules_put_hosts_first_or_leave_them_out_of_an_order_by_distance() {
    let far = Some((-30.0, 140.0));
    let private = |country, place| Host {
        private: true,
        ..host(country, place, 100)
    };
    let hosts = [
        host("AU", far, 100),
        host("AU", far, 100),
        host("FR", Some((48.0, 2.0)), 100),
        private("NL", Some((52.0, 5.0))),
        host("DE", None, 100),
    ];
    let mut cache = cache(&hosts);
    cache.host_netblock_cache = vec![StringRepeatedIntMap {
        key: "192.0.2.128/26".to_owned(),
        value: vec![0],
    }];
    let all = [
        (Tier::Netblock, 0),
        (Tier::Country, 4),
        (Tier::Distance, 2),
        (Tier::Distance, 1),
    ];
    let with = |first: &[(Tier, usize)]| -> Vec<(Tier, usize)> {
        let others = all.iter().filter(|host| !first.contains(host));
        first.iter().chain(others).copied().collect()
    };
    for seed in 0..20 {
        // A preferred host in the client's network is listed once, and a private one elsewhere is added.
        assert_eq!(ruled(&cache, "prefer = [0]", seed), all);
        assert_eq!(ruled(&cache, "prefer = [4, 0]", seed), all);
        assert_eq!(ruled(&cache, "prefer = [1]", seed), with(&[(Tier::Distance, 1)]));
        assert_eq!(ruled(&cache, "prefer = [3]", seed), with(&[(Tier::Distance, 3)]));
        assert_eq!(
            ruled(&cache, "only = [3, 1]", seed),
            [(Tier::Distance, 3), (Tier::Distance, 1)]
        );
        assert_eq!(
            ruled(&cache, "never = [0, \"FR\"]", seed),
            [(Tier::Country, 4), (Tier::Distance, 1)]
        );
    }
}

#[test]
fn the_weight_of_a_rule_takes_the_place_of_the_bandwidth_in_the_law() {
    let place = Some((48.0, 2.0));
    let hosts = [host("FR", place, 100), host("FR", place, 100)];
    let rules = "[[mirrors]]\nname = \"heavy\"\nhost = 0\nweight = 300\n";
    let snapshot = snapshot_with_rules(&cache(&hosts), &[], rules);
    assert_near(&firsts(&snapshot, IN_GERMANY, &by_distance()), &[(0, 0.75), (1, 0.25)]);
    let shares = sticky_firsts(
        &snapshot_with_rules(&with_clients_in("DE", &hosts), &[], rules),
        &by_distance(),
    );
    assert_near(&shares, &[(0, 0.75), (1, 0.25)]);
}

#[test]
fn a_list_is_long_enough_and_no_longer() {
    // Germany's 3 hosts, 30 near ones of which the answer lists 25, 30 on the other side of the Earth.
    let near = (0..30).map(|number| Host {
        protocol: if number < 5 { "ftp" } else { "https" },
        ..host("FR", Some((48.0, f64::from(number) / 10.0)), 100)
    });
    let far = (0..30).map(|_| host("NZ", None, 10_000));
    let hosts: Vec<Host> = (0..3).map(|_| host("DE", None, 1)).chain(near).chain(far).collect();
    let snapshot = snapshot(&hosts);
    let listed = |settings: &ChoiceSettings| {
        let found = chosen(
            &snapshot,
            IN_GERMANY,
            "&protocol=https",
            settings,
            &mut Scratch::seeded(9),
        );
        found
            .into_iter()
            .filter(|(_, id)| hosts[*id].protocol == "https")
            .collect::<Vec<_>>()
    };
    let found = listed(&by_distance());
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|(_, id)| *id < 33), "{found:?}");
    assert!(found[..3].iter().all(|(tier, _)| *tier == Tier::Country));
    for (minimum, length) in [(0, 20), (40, 40), (1_000, 58)] {
        let settings = ChoiceSettings {
            minimum,
            ..by_distance()
        };
        assert_eq!(listed(&settings).len(), length);
    }
}

#[test]
fn hosts_for_other_countries_are_not_offered() {
    let hosts = [host("FR", None, 100), host("IT", None, 100), host("DE", None, 100)];
    let mut cache = cache(&hosts);
    cache.host_country_allowed_cache = [(1, "IT"), (2, "FR"), (0, "DE")]
        .map(|(key, country)| IntRepeatedStringMap {
            key,
            value: vec![country.to_owned()],
        })
        .to_vec();
    let snapshot = snapshot_of(&cache, &[]);
    let found = chosen(&snapshot, IN_GERMANY, "", &by_distance(), &mut Scratch::seeded(9));
    assert_eq!(found, [(Tier::Distance, 0)]);
    let text = explain_text(&snapshot, &format!("path={DIRECTORY}&ip={IN_GERMANY}"), &by_distance()).unwrap();
    let explained: serde_json::Value = serde_json::from_str(&text).unwrap();
    let reasons = explained["not_listed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["reasons"].to_string());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [r#"["country_limit"]"#, r#"["country_limit"]"#]
    );
}

#[test]
fn max_share_moves_first_places_to_hosts_that_are_about_as_near() {
    let share = |percent| ChoiceSettings {
        max_share: Some(Share::percent(percent)),
        ..by_distance()
    };
    let hosts = [
        host("DE", None, 1),
        host("FR", Some((50.0, 8.0)), 300),
        host("CZ", Some((50.0, 10.0)), 100),
        host("NZ", None, 10_000),
    ];
    let snapshot_of_four = snapshot(&hosts);
    for (percent, shares) in [
        (100, &[(0, 1.0)][..]),
        (60, &[(0, 0.6), (1, 0.3), (2, 0.1)]),
        (40, &[(0, 0.4), (1, 0.4), (2, 0.2)]),
        // New Zealand is not near, so that no host has room.
        (20, &[(0, 0.6), (1, 0.2), (2, 0.2)]),
    ] {
        assert_near(&firsts(&snapshot_of_four, IN_GERMANY, &share(percent)), shares);
    }
    // Whoever is first, the own country is next.
    for seed in 0..30 {
        let found = chosen(
            &snapshot_of_four,
            IN_GERMANY,
            "",
            &share(40),
            &mut Scratch::seeded(seed),
        );
        assert!(found[0].1 == 0 || found[1] == (Tier::Country, 0), "{found:?}");
        assert_eq!(found.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>().len(), 4);
    }
    // An explanation tells the shares.
    let text = explain_text(
        &snapshot_of_four,
        &format!("path={DIRECTORY}&ip={IN_GERMANY}"),
        &share(40),
    )
    .unwrap();
    let explained: serde_json::Value = serde_json::from_str(&text).unwrap();
    let shares: BTreeMap<i64, f64> = explained["tiers"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|tier| tier["hosts"].as_array().unwrap())
        .map(|host| (host["host_id"].as_i64().unwrap(), host["first_share"].as_f64().unwrap()))
        .collect();
    assert_eq!(
        shares.values().map(|share| (share * 100.0).round()).collect::<Vec<_>>(),
        [40.0, 40.0, 20.0, 0.0]
    );
    // A country's own hosts have room first.
    let two = [host("DE", None, 900), host("DE", None, 100), hosts[1].clone()];
    assert_near(&firsts(&snapshot(&two), IN_GERMANY, &share(50)), &[(0, 0.5), (1, 0.5)]);
}

#[test]
fn an_explanation_shows_places_kilometres_and_weights() {
    let hosts = [
        host("DE", None, 100),
        host("FR", Some((48.8566, 2.3522)), 1_000),
        host("A1", None, 10_000),
    ];
    let query = format!("path={DIRECTORY}&ip={IN_GERMANY}");
    let explain = |settings: &ChoiceSettings| -> serde_json::Value {
        serde_json::from_str(&explain_text(&snapshot(&hosts), &query, settings).unwrap()).unwrap()
    };
    let explained = explain(&by_distance());
    assert_eq!(
        explained["client"]["place"],
        serde_json::json!({"latitude": 51.0, "longitude": 9.0, "source": "middle of DE"})
    );
    let tiers = explained["tiers"].as_array().unwrap();
    assert_eq!(
        tiers.iter().map(|tier| &tier["tier"]).collect::<Vec<_>>(),
        ["country", "distance"]
    );
    assert_eq!(tiers[0]["hosts"][0]["weight"], 100.0);
    let paris = kilometres((51.0, 9.0), (48.8566, 2.3522));
    let near = &tiers[1]["hosts"][0];
    assert_eq!(near["kilometres"], paris.round());
    let weight = near["weight"].as_f64().unwrap();
    assert!(
        (weight - 1_000.0 * 0.5_f64.powf((paris - 500.0).max(0.0) / 100.0)).abs() < 1.0,
        "{weight}"
    );
    assert_eq!(tiers[1]["hosts"][1]["kilometres"], serde_json::Value::Null);
    // What is not by distance is explained as ever: the weight is the bandwidth.
    let text = explain(&ChoiceSettings::STANDARD).to_string();
    assert!(text.contains(r#""weight":1000}"#), "{text}");
    for word in ["kilometres", "place", "first_share"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn the_comment_line_names_the_countries_that_are_listed() {
    let hosts = [host("FR", None, 100), host("DE", None, 100), host("CZ", None, 100)];
    let snapshot = snapshot(&hosts);
    let query = format!("path={DIRECTORY}");
    let query = MirrorQuery::parse(&query);
    let settings = by_distance();
    let request = MirrorRequest {
        endpoint: Endpoint::Mirrorlist,
        address: IN_GERMANY.parse().unwrap(),
        query: &query,
        settings: &settings,
        now: 0,
    };
    let answer = answer(&snapshot, &request, "", &mut Answerer::seeded(1));
    let text = String::from_utf8(answer.body.start.to_vec()).unwrap();
    assert!(
        text.starts_with("# path = pub/linux/os country = DE country = CZ country = FR\n"),
        "{text}"
    );
}

#[test]
fn bad_hosts_come_last_and_those_of_the_country_stay() {
    let mut hosts = vec![host("DE", None, 10_000), host("DE", None, 1), host("FR", None, 100)];
    hosts.extend((0..25).map(|_| host("PL", None, 100)));
    let bad = [0, 2].map(|id| dead(&format!("https://{id}")));
    let written = WrittenHealth::new(&[health_file(bad.to_vec())]);
    let snapshot = snapshot(&hosts).with_health_files(&written.settings);
    let limited = ChoiceSettings {
        max_share: Some(Share::percent(50)),
        ..by_distance()
    };
    for (settings, seed) in [by_distance(), limited]
        .iter()
        .flat_map(|settings| (0..10).map(move |seed| (settings, seed)))
    {
        let found = chosen(&snapshot, IN_GERMANY, "", settings, &mut Scratch::seeded(seed));
        let ids: Vec<usize> = found.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids.iter().filter(|id| **id > 2).count(), 19, "{ids:?}");
        // Host 2 is elsewhere, and there are enough good ones.
        assert_eq!((ids.len(), ids[20]), (21, 0), "{ids:?}");
        assert!(settings.max_share.is_some() || ids[0] == 1, "{ids:?}");
    }
}

#[test]
fn in_an_as_the_hosts_of_the_own_country_are_near_wherever_they_are() {
    let private = |place, bandwidth| Host {
        private: true,
        ..host("DE", place, bandwidth)
    };
    let hosts = [
        private(Some((54.5, 9.0)), 300),
        private(Some((-30.0, 140.0)), 100),
        host("NL", Some((52.0, 5.0)), 0),
        host("US", None, 10_000),
    ];
    let mut cache = cache(&hosts);
    cache.host_asn_cache = vec![IntRepeatedIntMap {
        key: 64496,
        value: vec![0, 1, 2, 3],
    }];
    let snapshot = snapshot_of(&cache, &[]);
    assert_near(&firsts(&snapshot, IN_GERMANY, &by_distance()), &[(0, 0.75), (1, 0.25)]);
    let text = explain_text(&snapshot, &format!("path={DIRECTORY}&ip={IN_GERMANY}"), &by_distance()).unwrap();
    let explained: serde_json::Value = serde_json::from_str(&text).unwrap();
    let hosts = explained["tiers"][0]["hosts"].as_array().unwrap();
    let weights: BTreeMap<i64, f64> = hosts
        .iter()
        .map(|host| (host["host_id"].as_i64().unwrap(), host["weight"].as_f64().unwrap()))
        .collect();
    assert_eq!((weights[&0], weights[&1], weights[&2]), (300.0, 100.0, 1.0));
    assert!(weights[&3] < 1e-5, "{weights:?}");
}

/// The parameters that make a redirect by the settings of `redirect.sticky`, from many networks of New Zealand, which has no host.
fn sticky_firsts(snapshot: &Snapshot, settings: &ChoiceSettings) -> BTreeMap<usize, f64> {
    const NETWORKS: u32 = 10_000;
    let settings = ChoiceSettings {
        sticky_redirects: true,
        ..settings.clone()
    };
    let mut shares = BTreeMap::new();
    for network in 0..NETWORKS {
        let address = |host: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + (network << 8) + host).to_string();
        let [one, other] = [(1, 5), (200, 6)].map(|(host, seed)| {
            let mut scratch = Scratch::seeded(seed);
            chosen(snapshot, &address(host), "&redirect=1", &settings, &mut scratch)
        });
        assert_eq!(one, other, "{network}");
        *shares.entry(one[0].1).or_insert(0.0) += 1.0 / f64::from(NETWORKS);
    }
    shares
}

/// A cache whose clients in 10.0.0.0/8 are in a country.
fn with_clients_in(country: &str, hosts: &[Host]) -> MirrorList {
    let mut cache = cache(hosts);
    cache.netblock_country_cache.push(StringStringMap {
        key: "10.0.0.0/8".to_owned(),
        value: country.to_owned(),
    });
    cache
}

#[test]
fn sticky_redirects_keep_the_mirror_of_a_network_with_the_shares_of_the_law() {
    let near = (51.0, 9.0);
    let mut hosts: Vec<Host> = (0..60).map(|_| host("PL", Some(near), 10)).collect();
    hosts.push(host("FR", Some(near), 600));
    hosts.push(host("FR", Some((51.0, 24.0)), 10_000));
    let snapshot_of_many = snapshot_of(&with_clients_in("DE", &hosts), &[]);
    let shares = sticky_firsts(&snapshot_of_many, &by_distance());
    let all: Vec<f64> = hosts.iter().map(|host| weight(near, 500.0, host)).collect();
    let total: f64 = all.iter().sum();
    let of = |host: usize| shares.get(&host).copied().unwrap_or(0.0);
    assert!((of(60) - all[60] / total).abs() < 0.02, "{shares:?}");
    assert!((of(61) - all[61] / total).abs() < 0.02, "{shares:?}");

    // `max_share` says who is first, in the same way.
    let hosts = [
        host("DE", None, 1),
        host("FR", Some((50.0, 8.0)), 300),
        host("CZ", Some((50.0, 10.0)), 100),
        host("NZ", None, 10_000),
    ];
    let limited = ChoiceSettings {
        max_share: Some(Share::percent(60)),
        ..by_distance()
    };
    let snapshot_of_four = snapshot_of(&with_clients_in("DE", &hosts), &[]);
    let shares = sticky_firsts(&snapshot_of_four, &limited);
    assert_near(&shares, &[(0, 0.6), (1, 0.3), (2, 0.1)]);
}

#[test]
fn excluded_countries_are_left_out_before_the_nearest_are_looked_for() {
    let mut hosts: Vec<Host> = (0..30).map(|_| host("FR", None, 10_000)).collect();
    hosts.extend([
        host("DE", None, 10),
        host("DE", None, 10),
        host("NZ", None, 10),
        host("PL", None, 10),
    ]);
    hosts[29].private = true;
    let mut cache = cache(&hosts);
    cache.host_asn_cache = vec![IntRepeatedIntMap {
        key: 64496,
        value: vec![29, 31],
    }];
    let snapshot = snapshot_of(&cache, &[]);
    let found = |parameters: &str, seed| {
        chosen(
            &snapshot,
            IN_GERMANY,
            parameters,
            &by_distance(),
            &mut Scratch::seeded(seed),
        )
    };
    for seed in 0..20 {
        assert_eq!(
            found("&country=!fr", seed),
            [
                (Tier::AutonomousSystem, 31),
                (Tier::Country, 30),
                (Tier::Distance, 33),
                (Tier::Distance, 32)
            ]
        );
        let without_home = found("&country=!de", seed);
        assert_eq!(without_home[0], (Tier::AutonomousSystem, 29));
        assert_eq!(without_home.len(), 20);
        // All are excluded: the choice starts over.
        assert_eq!(found("&country=!fr,!de,!nz,!pl", seed).len(), 20);
        // The excluded country is the one asked for, and so is its continent: the choice by distance gives nothing, and that of the
        // countries all of them.
        let other = found("&country=de,!de,!fr,!pl,!nz", seed);
        assert!(other.iter().all(|(tier, _)| *tier == Tier::Country), "{other:?}");
    }
    let query = format!("path={DIRECTORY}&ip={IN_GERMANY}");
    let explain = |parameters: &str, settings: &ChoiceSettings| -> serde_json::Value {
        serde_json::from_str(&explain_text(&snapshot, &format!("{query}{parameters}"), settings).unwrap()).unwrap()
    };
    let reasons = |explained: &serde_json::Value, reason: &str| {
        let unlisted = explained["not_listed"].as_array().unwrap();
        unlisted
            .iter()
            .filter(|host| host["reasons"] == serde_json::json!([reason]))
            .count()
    };
    assert_eq!(
        reasons(&explain("&country=!fr", &by_distance()), "excluded_country"),
        30
    );
    // What was given up on the way leaves no trace.
    let started_over = explain("&country=de,!de,!fr,!pl,!nz", &by_distance());
    assert!(!started_over.to_string().contains("kilometres") && started_over["client"]["place"].is_null());
    // A maximum cuts the end of the list off; those beyond enough hosts are still farther.
    let at_most_five = ChoiceSettings {
        maximum: std::num::NonZeroUsize::new(5),
        ..by_distance()
    };
    let explained = explain("", &at_most_five);
    let listed: usize = explained["tiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tier| tier["hosts"].as_array().unwrap().len())
        .sum();
    assert_eq!(
        (listed, reasons(&explained, "maximum"), reasons(&explained, "farther")),
        (5, 15, 14)
    );
    // Chances count the hosts that this draw left out.
    let chances: Vec<f64> = explained["tiers"][2]["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["first_probability"].as_f64().unwrap())
        .collect();
    assert!(
        chances.iter().all(|chance| (chance - 1.0 / 29.0).abs() < 0.001),
        "{chances:?}"
    );
}

#[test]
fn the_as_tier_is_by_distance_whatever_as_order_says() {
    let hosts = [host("DE", None, 100), host("DE", None, 300), host("NZ", None, 10_000)];
    let mut cache = cache(&hosts);
    cache.host_asn_cache = vec![IntRepeatedIntMap {
        key: 64496,
        value: vec![0, 1, 2],
    }];
    let snapshot = snapshot_of(&cache, &[]);
    for as_order in [AsOrder::Random, AsOrder::Bandwidth] {
        let settings = ChoiceSettings {
            as_order,
            ..by_distance()
        };
        assert_near(&firsts(&snapshot, IN_GERMANY, &settings), &[(0, 0.25), (1, 0.75)]);
        // Without a place of the client, it is as without distance.
        cache.netblock_country_cache.clear();
        let nowhere = snapshot_of(&cache, &[]);
        let shares = match as_order {
            AsOrder::Random => [1.0 / 3.0; 3],
            AsOrder::Bandwidth => [0.01, 0.03, 0.96],
        };
        let shares: Vec<(usize, f64)> = shares.into_iter().enumerate().collect();
        assert_near(&firsts(&nowhere, IN_GERMANY, &settings), &shares);
    }
}

#[test]
fn what_ipv6_reaches_comes_first_even_if_it_is_far_or_alone_has_a_limit() {
    let mut hosts: Vec<Host> = (0..25).map(|_| host("DE", None, 10_000)).collect();
    hosts.extend((0..25).map(|_| host("CZ", None, 10_000)));
    hosts.extend([host("NZ", None, 10), host("NZ", None, 30)]);
    let said = |id: usize| UrlHealth {
        url: format!("https://{id}"),
        standing: Standing {
            verdict: Verdict::Good,
            ..Standing::new(7)
        },
        families: match id < 50 {
            true => vec!["ipv4".to_owned()],
            false => vec!["ipv4".to_owned(), "ipv6".to_owned()],
        },
        ..UrlHealth::default()
    };
    let written = WrittenHealth::new(&[health_file((0..52).map(said).collect())]);
    let mut cache = cache(&hosts);
    cache.netblock_country_cache.push(StringStringMap {
        key: "2001:db8::/32".to_owned(),
        value: "DE".to_owned(),
    });
    let snapshot = snapshot_of(&cache, &[]).with_health_files(&written.settings);
    let prefers = ChoiceSettings {
        prefer_family: true,
        ..by_distance()
    };
    let limited = ChoiceSettings {
        max_share: Some(Share::percent(50)),
        ..prefers
    };
    assert_near(&firsts(&snapshot, "2001:db8::1", &prefers), &[(50, 0.25), (51, 0.75)]);
    assert_near(&firsts(&snapshot, "2001:db8::1", &limited), &[(50, 0.5), (51, 0.5)]);
    let found = chosen(&snapshot, "2001:db8::1", "", &limited, &mut Scratch::seeded(1));
    assert!(found[..2].iter().all(|(_, id)| *id >= 50), "{found:?}");
    assert_eq!(found.iter().filter(|(tier, _)| *tier == Tier::Country).count(), 25);
    assert!(firsts(&snapshot, IN_GERMANY, &prefers).keys().all(|id| *id < 25));
}

#[test]
fn the_first_that_max_share_draws_stays_in_the_list_if_the_country_has_enough_hosts() {
    let mut hosts: Vec<Host> = (0..25).map(|_| host("DE", None, 100)).collect();
    hosts.push(host("CZ", None, 100));
    let settings = ChoiceSettings {
        max_share: Some(Share::percent(3)),
        ..by_distance()
    };
    let shares = firsts(&snapshot(&hosts), IN_GERMANY, &settings);
    assert!((shares[&25] - 0.03).abs() < 0.01, "{shares:?}");
}
