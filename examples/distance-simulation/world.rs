//! The countries, the mirrors and the clients of the simulation.

use std::fs::File;
use std::io::BufReader;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use mirrorlist_server::geo::{Coordinates, CountryCode, GeoIp, centroid};
use mirrorlist_server::snapshot::Catalogue;
use mirrorlist_server::warnings::Warnings;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

const COUNTRIES: &str = include_str!("countries.csv");

/// How many of the invented mirrors are in each country: 430 in 72, shaped like the mirrors of a large distribution.
const INVENTED: &str = "US 88 DE 42 FR 22 CN 18 GB 16 JP 14 BR 13 RU 12 CA 11 NL 11 AU 10 IT 8 PL 8 SE 8 CZ 8 ES 7 TW 7 IN 7 CH 6 \
    AT 5 UA 5 BG 5 RO 5 DK 5 ID 5 ZA 5 KR 4 HU 4 GR 4 FI 3 NO 3 PT 3 BE 3 TR 3 IR 3 SG 3 HK 3 CL 2 CO 2 EC 2 TH 2 VN 2 NZ 2 LT 2 \
    LV 2 EE 1 SK 1 SI 1 HR 1 RS 1 BY 1 MD 1 IS 1 IE 1 LU 1 KE 1 TZ 1 MA 1 IL 1 KZ 1 UZ 1 AZ 1 GE 1 BD 1 PH 1 MY 1 AR 1 CR 1 UY 1 NC 1 CY 1 MK 1";

/// Bandwidths in Mbit/s and how many mirrors of a hundred have them.
const BANDWIDTHS: [(u32, u32); 6] = [(100, 14), (200, 4), (500, 6), (1_000, 36), (2_000, 6), (10_000, 34)];

/// A country with clients.
pub(crate) struct Country {
    pub(crate) code: CountryCode,
    pub(crate) continent: &'static str,
    /// In thousands.
    users: f64,
    /// In square kilometres.
    area: f64,
    pub(crate) place: Coordinates,
}

#[derive(Clone, Copy)]
pub(crate) struct Mirror {
    pub(crate) country: CountryCode,
    pub(crate) place: Coordinates,
    /// In Mbit/s.
    pub(crate) bandwidth: u32,
}

pub(crate) struct World {
    pub(crate) name: String,
    /// Short, for names of files.
    pub(crate) key: &'static str,
    pub(crate) countries: Vec<Country>,
    pub(crate) mirrors: Vec<Mirror>,
    /// In kilometres, by country and mirror.
    pub(crate) distances: Vec<Vec<f64>>,
}

impl World {
    /// Invented mirrors, each somewhere in a circle as large as its country around the country's middle.
    pub(crate) fn invented() -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let words: Vec<&str> = INVENTED.split_whitespace().collect();
        let countries = countries();
        let mut mirrors = Vec::new();
        for pair in words.chunks_exact(2) {
            let code = CountryCode::parse(pair[0]).unwrap();
            let country = countries.iter().find(|country| country.code == code).unwrap();
            for _ in 0..pair[1].parse().unwrap() {
                mirrors.push(Mirror {
                    country: code,
                    place: somewhere_in(country, &mut rng),
                    bandwidth: some_bandwidth(&mut rng),
                });
            }
        }
        Self::new("430 mirrors in 72 countries", "invented", countries, mirrors)
    }

    /// The public mirrors of a cache.
    pub(crate) fn of_cache(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
        let catalogue = Catalogue::read(BufReader::new(file), &mut Warnings::default())
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let public = catalogue.hosts().filter(|(index, _)| {
            let carriers = catalogue.carriers_of(*index);
            carriers.iter().any(|(_, carrier)| carrier.public)
        });
        let mirrors = public.filter_map(|(_, host)| {
            Some(Mirror {
                country: host.country?,
                place: host.place()?,
                bandwidth: host.bandwidth,
            })
        });
        let mirrors: Vec<Mirror> = mirrors.collect();
        let mut codes: Vec<CountryCode> = mirrors.iter().map(|mirror| mirror.country).collect();
        codes.sort_unstable();
        codes.dedup();
        let name = format!("{} mirrors of the cache in {} countries", mirrors.len(), codes.len());
        Self::new(&name, "cache", countries(), mirrors)
    }

    fn new(name: &str, key: &'static str, countries: Vec<Country>, mirrors: Vec<Mirror>) -> Self {
        let from = |country: &Country| {
            mirrors
                .iter()
                .map(|mirror| country.place.kilometres_to(mirror.place))
                .collect()
        };
        Self {
            name: name.to_owned(),
            key,
            distances: countries.iter().map(from).collect(),
            countries,
            mirrors,
        }
    }

    pub(crate) fn has_mirror(&self, country: usize) -> bool {
        let code = self.countries[country].code;
        self.mirrors.iter().any(|mirror| mirror.country == code)
    }

    pub(crate) fn continent(&self, code: CountryCode) -> Option<&'static str> {
        let country = self.countries.iter().find(|country| country.code == code);
        country.map(|country| country.continent)
    }

    /// The distance of the nearest mirror of each country, and how many clients that is.
    pub(crate) fn nearest(&self, clients: &Clients) -> Vec<(f64, f64)> {
        let nearest = self
            .distances
            .iter()
            .map(|distances| distances.iter().copied().fold(f64::INFINITY, f64::min));
        nearest.zip(clients.counts.iter().copied()).collect()
    }
}

/// Clients by country.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) name: &'static str,
    /// In the order of the countries; in any unit.
    pub(crate) counts: Vec<f64>,
}

impl Clients {
    pub(crate) fn by_users() -> Self {
        Self {
            name: "Internet users",
            counts: countries().iter().map(|country| country.users).collect(),
        }
    }

    /// By the IPv4 addresses of a country database: one of each 256 is looked up.
    pub(crate) fn by_addresses(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let database = GeoIp::new(bytes).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let mut by_country = vec![0.0; CountryCode::COUNT];
        for network in 0..1 << 24 {
            if let Some((country, _)) = database.lookup(IpAddr::V4(Ipv4Addr::from_bits(network << 8))) {
                by_country[country.index()] += 256.0;
            }
        }
        Self {
            name: "address space",
            counts: countries()
                .iter()
                .map(|country| by_country[country.code.index()])
                .collect(),
        }
    }

    /// Those in countries without a mirror.
    pub(crate) fn without_mirrors(&self, world: &World) -> Self {
        let counts = self.counts.iter().enumerate();
        let counts = counts.map(|(country, count)| if world.has_mirror(country) { 0.0 } else { *count });
        Self {
            name: self.name,
            counts: counts.collect(),
        }
    }
}

fn countries() -> Vec<Country> {
    let lines = COUNTRIES.lines().filter(|line| !line.starts_with('#'));
    let countries = lines.map(|line| {
        let fields: Vec<&'static str> = line.split(',').collect();
        let code = CountryCode::parse(fields[0]).unwrap();
        Country {
            code,
            continent: fields[1],
            users: fields[2].parse().unwrap(),
            area: fields[3].parse().unwrap(),
            place: centroid(code).unwrap(),
        }
    });
    countries.collect()
}

fn somewhere_in(country: &Country, rng: &mut Xoshiro256PlusPlus) -> Coordinates {
    const KILOMETRES_PER_DEGREE: f64 = 111.2;
    let radius = (country.area / std::f64::consts::PI).sqrt() / KILOMETRES_PER_DEGREE;
    let (distance, direction) = (
        radius * rng.random::<f64>().sqrt(),
        rng.random_range(0.0..std::f64::consts::TAU),
    );
    let latitude = (country.place.latitude() + distance * direction.sin()).clamp(-90.0, 90.0);
    let longitude = country.place.longitude() + distance * direction.cos() / latitude.to_radians().cos().max(0.1);
    Coordinates::from_degrees(latitude, (longitude + 540.0).rem_euclid(360.0) - 180.0).unwrap()
}

fn some_bandwidth(rng: &mut Xoshiro256PlusPlus) -> u32 {
    let mut left = rng.random_range(0..100);
    let found = BANDWIDTHS.iter().find(|(_, share)| {
        let is_found = left < *share;
        left = left.saturating_sub(*share);
        is_found
    });
    found.unwrap().0
}
