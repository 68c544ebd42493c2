//! The answers of the server itself: each country is a network of its own, from which a client asks many times.

use std::net::{IpAddr, Ipv6Addr};

use mirrorlist_server::cache::proto::{
    IntCoordinatesMap, IntIntMap, IntRepeatedIntMap, IntStringMap, MirrorList, MirrorListCacheType,
    StringRepeatedIntMap, StringStringMap,
};
use mirrorlist_server::geo::{AsTable, ContinentTable, GeoIp};
use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::{Endpoint, MirrorQuery, MirrorRequest, Scratch, choose};
use mirrorlist_server::rules::RulesFile;
use mirrorlist_server::settings::{ChoiceSettings, HostOrder, Share};
use mirrorlist_server::snapshot::{Catalogue, DataSet, Loaded, Snapshot};
use mirrorlist_server::warnings::Warnings;
use prost::Message as _;

use crate::measures::Chances;
use crate::world::{Clients, World};

const DIRECTORY: &str = "pub/linux";

/// The distances of the first three mirrors in kilometres, by country and answer.
pub(crate) struct Drawn(Vec<Vec<[f64; 3]>>);

impl Drawn {
    /// The distances of the first mirrors, and how many clients have each.
    pub(crate) fn firsts(&self, clients: &Clients) -> Vec<(f64, f64)> {
        self.weighted(clients, |[first, ..]| *first)
    }

    /// The same of the nearest of the first three.
    pub(crate) fn best_of_three(&self, clients: &Clients) -> Vec<(f64, f64)> {
        self.weighted(clients, |three| three.iter().copied().fold(f64::INFINITY, f64::min))
    }

    fn weighted(&self, clients: &Clients, distance: impl Fn(&[f64; 3]) -> f64 + Copy) -> Vec<(f64, f64)> {
        let countries = self.0.iter().zip(&clients.counts);
        countries
            .flat_map(|(answers, count)| answers.iter().map(move |three| (distance(three), *count)))
            .collect()
    }
}

/// Has clients of each country ask so many times.
pub(crate) fn draw(world: &World, by_distance: bool, draws: usize) -> Drawn {
    let (snapshot, query) = (snapshot(world), format!("path={DIRECTORY}"));
    let query = MirrorQuery::parse(&query);
    let settings = ChoiceSettings {
        order: if by_distance {
            HostOrder::Distance
        } else {
            HostOrder::Bandwidth
        },
        ..ChoiceSettings::STANDARD
    };
    let mut scratch = Scratch::seeded(1);
    let mut answer = |country: usize| {
        let request = MirrorRequest {
            endpoint: Endpoint::Mirrorlist,
            address: IpAddr::V6(address(country)),
            query: &query,
            settings: &settings,
            now: 0,
        };
        let choice = choose(&snapshot, &request, &mut scratch, &mut ()).ok().unwrap();
        let catalogue = snapshot.catalogue();
        let mut hosts = choice.selection.hosts.iter().map(|host| {
            let id = catalogue.host(catalogue.carrier(host.carrier()).host).id;
            world.distances[country][usize::try_from(id).unwrap()]
        });
        [(); 3].map(|()| hosts.next().unwrap_or(f64::INFINITY))
    };
    Drawn(
        (0..world.countries.len())
            .map(|country| (0..draws).map(|_| answer(country)).collect())
            .collect(),
    )
}

/// The chances with `max_share`, as explanations tell them.
pub(crate) fn limited(world: &World, max_share: u8, unlimited: &Chances) -> Chances {
    let (snapshot, query) = (snapshot(world), format!("path={DIRECTORY}"));
    let query = MirrorQuery::parse(&query);
    let settings = ChoiceSettings {
        // No mirror is left out.
        minimum: world.mirrors.len(),
        order: HostOrder::Distance,
        max_share: Some(Share::percent(max_share)),
        ..ChoiceSettings::STANDARD
    };
    let chances = unlimited.0.iter().enumerate().map(|(country, unlimited)| {
        let request = MirrorRequest {
            endpoint: Endpoint::Mirrorlist,
            address: IpAddr::V6(address(country)),
            query: &query,
            settings: &settings,
            now: 0,
        };
        let explanation = explain(&snapshot, &request, 1);
        let mut chances = unlimited.clone();
        for host in explanation.tiers.iter().flat_map(|tier| &tier.hosts) {
            if let Some(share) = host.first_share {
                chances[usize::try_from(host.summary.host_id).unwrap()] = share;
            }
        }
        chances
    });
    Chances(chances.collect())
}

/// The client's address in a country.
fn address(country: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, u16::try_from(country).unwrap(), 0, 0, 0, 0, 1)
}

fn snapshot(world: &World) -> Snapshot {
    let countries: String = world
        .countries
        .iter()
        .map(|country| format!("{},{}\n", country.code, country.continent))
        .collect();
    let mut warnings = Warnings::default();
    let cache = cache(world).encode_to_vec();
    Snapshot::new(DataSet {
        cache: Loaded::built_in("simulation", Catalogue::read(cache.as_slice(), &mut warnings).unwrap()),
        global_netblocks: Loaded::built_in("simulation", AsTable::empty()),
        country_continent: Loaded::built_in(
            "simulation",
            ContinentTable::read(countries.as_bytes(), &mut warnings).unwrap(),
        ),
        geoip: Loaded::without_file(GeoIp::empty()),
        rules: Loaded::without_file(RulesFile::default()),
    })
}

/// A cache in which all mirrors carry one directory; a mirror's id is its place in the list.
fn cache(world: &World) -> MirrorList {
    let numbered = || (0_i64..).zip(&world.mirrors);
    MirrorList {
        time: 1_700_000_000,
        netblock_country_cache: world
            .countries
            .iter()
            .enumerate()
            .map(|(number, country)| StringStringMap {
                key: format!("{}/48", address(number)),
                value: country.code.to_string(),
            })
            .collect(),
        hc_url_cache: numbered()
            .map(|(key, _)| IntStringMap {
                key,
                value: format!("https://mirror{key}.example/linux"),
            })
            .collect(),
        host_country_cache: numbered()
            .map(|(key, mirror)| IntStringMap {
                key,
                value: mirror.country.to_string(),
            })
            .collect(),
        host_bandwidth_cache: numbered()
            .map(|(key, mirror)| IntIntMap {
                key,
                value: mirror.bandwidth.into(),
            })
            .collect(),
        host_coordinates_cache: numbered()
            .map(|(key, mirror)| IntCoordinatesMap {
                key,
                latitude: mirror.place.latitude_units(),
                longitude: mirror.place.longitude_units(),
            })
            .collect(),
        mirror_list_cache: vec![MirrorListCacheType {
            directory: DIRECTORY.to_owned(),
            global: numbered().map(|(key, _)| key).collect(),
            by_country: numbered()
                .map(|(key, mirror)| StringRepeatedIntMap {
                    key: mirror.country.to_string(),
                    value: vec![key],
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
