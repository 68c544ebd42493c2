//! Requests made of the data files: every repository, redirected and disabled ones too, as a mirrorlist and a metalink, and
//! directories, files and odd names, for clients in every tier and with every parameter. The same data gives the same requests.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;

use super::requests::{RequestTarget, encoded};
use crate::geo::CountryCode;
use crate::mirrorlist::locate::locate;
use crate::snapshot::{Catalogue, Snapshot};

/// At least so many requests, if the command doesn't say how many.
const ENOUGH: usize = 1_000;

/// More requests than these are not made.
const MOST: usize = 1_000_000;

/// Of ten requests so many are for repositories; the others are for paths and odd names.
const REPOSITORIES_OF_TEN: usize = 8;

/// Directories and files are this many at most; a cache has a hundred thousand.
const MOST_PATHS: usize = 2_000;

/// So many addresses of each country and of each AS are enough.
const ADDRESSES_OF_EACH: usize = 2;

/// Asks for all public mirrors, so that a missing one is seen although no client is near it.
const ALL_MIRRORS: &str = "&country=global";

/// Requests for what a snapshot has, in a mixed order.
pub fn requests(snapshot: &Snapshot, count: Option<NonZeroUsize>) -> Vec<RequestTarget> {
    let catalogue = snapshot.catalogue();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    // Each repository for all its mirrors, and for a client's.
    let mut repositories = [Some(ALL_MIRRORS), None].map(|parameter| {
        let targets = repositories(catalogue).into_iter();
        Deck::new(targets.map(|target| (target, parameter)).collect())
    });
    let mut others = Deck::new([paths(catalogue), odd_names()].concat());
    let clients = clients(snapshot).into_iter().filter(|addresses| !addresses.is_empty());
    let mut clients: Vec<Deck<String>> = clients.map(Deck::new).collect();
    let mut parameters = Deck::new(parameters(catalogue));
    let all_repositories: usize = repositories.iter().map(|deck| deck.things.len()).sum();
    let count = match count {
        Some(count) => count.get().min(MOST),
        None => ENOUGH.max(all_repositories * 10 / REPOSITORIES_OF_TEN + 10),
    };
    // Repeated requests are left out, so there are more draws than requests.
    let draws = (0..count * 3).filter_map(|number| {
        let deck = repositories
            .get_mut(number % 2)
            .filter(|_| number % 10 < REPOSITORIES_OF_TEN);
        let repository = deck.and_then(|deck| deck.draw(&mut rng));
        let (target, parameter) = repository.or_else(|| Some((others.draw(&mut rng)?, None)))?;
        let deck = number / 2 % clients.len().max(1);
        let client = clients.get_mut(deck).and_then(|deck| deck.draw(&mut rng));
        let client = client.map_or_else(String::new, |client| format!("&ip={client}"));
        let parameter = parameter.map(str::to_owned).or_else(|| parameters.draw(&mut rng));
        let parameter = parameter.unwrap_or_default();
        // An `ip=` of the parameters counts, since it is the last.
        RequestTarget::parse(&format!("{target}{client}{parameter}"), None).ok()
    });
    let mut seen = HashSet::new();
    draws
        .filter(|request| seen.insert(request.clone()))
        .take(count)
        .collect()
}

/// Things that are drawn in a random order, each once before any comes again.
struct Deck<T> {
    things: Vec<T>,
    left: usize,
}

impl<T: Clone> Deck<T> {
    fn new(things: Vec<T>) -> Self {
        Self { things, left: 0 }
    }

    fn draw(&mut self, rng: &mut Xoshiro256PlusPlus) -> Option<T> {
        if self.left == 0 {
            self.things.shuffle(rng);
            self.left = self.things.len();
        }
        self.left = self.left.checked_sub(1)?;
        self.things.get(self.left).cloned()
    }
}

/// Both forms of a target's query.
fn both(query: &str) -> [String; 2] {
    ["mirrorlist", "metalink"].map(|endpoint| format!("/{endpoint}?{query}"))
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items
}

/// Repositories, and the names that are redirected or disabled, with the archs of what answers for them.
fn repositories(catalogue: &Catalogue) -> Vec<String> {
    let keys = catalogue.repositories().filter_map(|(key, _)| key.rsplit_once('+'));
    let mut keys: BTreeSet<(&str, &str)> = keys.collect();
    let usual_arch = keys.iter().map(|(_, arch)| *arch).max().unwrap_or("x86_64");
    for prefix in catalogue.special_prefixes() {
        let target = catalogue.repository_redirect(prefix).unwrap_or(prefix);
        let archs = keys.range((target, "")..).take_while(|(other, _)| *other == target);
        let mut archs: Vec<&str> = archs.map(|(_, arch)| *arch).collect();
        if archs.is_empty() {
            archs.push(usual_arch);
        }
        keys.extend(archs.into_iter().map(|arch| (prefix, arch)));
    }
    keys.into_iter()
        .flat_map(|(repo, arch)| both(&format!("repo={}&arch={}", encoded(repo), encoded(arch))))
        .collect()
}

/// Directories, files of which details are known and others, spread evenly.
fn paths(catalogue: &Catalogue) -> Vec<String> {
    let name = |directory| catalogue.directory_name(directory);
    let directories = sorted(catalogue.directories().map(name));
    let files = catalogue.files();
    let files = sorted(files.map(|(directory, file)| format!("{}/{}", name(directory), file.name)));
    let step = |length: usize| length.div_ceil(MOST_PATHS).max(1);
    let some = directories.iter().step_by(step(directories.len()));
    let directories = some.enumerate().flat_map(|(number, directory)| {
        let path = encoded(directory);
        match number % 3 {
            0 => both(&format!("path={path}{ALL_MIRRORS}")),
            1 => both(&format!("path=/{path}/")),
            _ => both(&format!("path={path}/no-such-file.rpm")),
        }
    });
    let files = files.iter().step_by(step(files.len()));
    let files = files.flat_map(|file| both(&format!("path={}", encoded(file))));
    directories.chain(files).collect()
}

/// Names that no cache has.
fn odd_names() -> Vec<String> {
    let queries = [
        "repo=no-such-repository&arch=x86_64",
        "repo=only-a-repository",
        "path=no/such/directory/file",
        "nothing=at-all",
    ];
    queries.into_iter().flat_map(both).collect()
}

/// Addresses of clients, kind by kind: in networks of hosts, in their autonomous systems, in countries with mirrors, and elsewhere.
fn clients(snapshot: &Snapshot) -> [Vec<String>; 4] {
    let catalogue = snapshot.catalogue();
    let with_hosts = host_countries(catalogue);
    let netblocks = catalogue.host_netblocks();
    let netblocks = netblocks.map(|network| network.network_address().to_string());
    let mut systems: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    // By country and whether the address is an IPv6 one.
    let mut countries: BTreeMap<(Option<CountryCode>, bool), Vec<String>> = BTreeMap::new();
    // Every address that begins something, and some in between.
    let spread = (0..=u32::MAX)
        .step_by(1 << 20)
        .map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits | 1)));
    let known = catalogue.netblock_countries().map(|network| network.network_address());
    let as_table = snapshot.autonomous_systems();
    let announced = as_table.announcements().map(|(address, _)| address);
    for address in known.chain(announced).chain(spread) {
        if catalogue.netblock_hosts(address).next().is_some() {
            continue;
        }
        let asn = as_table.lookup(address).map(|(_, asn)| asn);
        if let Some(asn) = asn.filter(|asn| !catalogue.as_hosts(*asn).is_empty()) {
            add(systems.entry(asn.get()).or_default(), address);
            continue;
        }
        let country = locate(snapshot, address).country_code();
        add(countries.entry((country, address.is_ipv6())).or_default(), address);
    }
    let (near, far): (Vec<_>, Vec<_>) = countries
        .into_iter()
        .partition(|((country, _), _)| country.is_some_and(|country| with_hosts.contains(&country)));
    let addresses = |of: Vec<(_, Vec<String>)>| of.into_iter().flat_map(|(_, addresses)| addresses).collect();
    [
        netblocks.collect(),
        systems.into_values().flatten().collect(),
        addresses(near),
        addresses(far),
    ]
}

/// The countries of all hosts, in order.
fn host_countries(catalogue: &Catalogue) -> BTreeSet<CountryCode> {
    catalogue.hosts().filter_map(|(_, host)| host.country).collect()
}

fn add(addresses: &mut Vec<String>, address: IpAddr) {
    if addresses.len() < ADDRESSES_OF_EACH {
        addresses.push(address.to_string());
    }
}

/// Further parameters. Half of all requests have none, like most clients'.
fn parameters(catalogue: &Catalogue) -> Vec<String> {
    let countries = host_countries(catalogue);
    let mut parameters: Vec<String> = countries.iter().map(|country| format!("&country={country}")).collect();
    // Two of them, one without mirrors, the world, and a code that is no country's.
    if let (Some(first), Some(last)) = (countries.first(), countries.last())
        && first != last
    {
        parameters.push(format!("&country={},{last}", first.as_str().to_ascii_lowercase()));
    }
    const FURTHER: [&str; 19] = [
        "&country=global",
        "&country=AQ",
        "&country=de,global",
        "&country=ZZ",
        "&protocol=https",
        "&protocol=http",
        "&protocol=https,http",
        "&protocol=ftp",
        "&protocol=rsync",
        "&redirect=1",
        "&redirect=1&protocol=https",
        "&redirect",
        "&netblock=0",
        "&netblock=1",
        "&time",
        "&time=1",
        "&countme=3",
        "&ip=",
        "&ip=no-address",
    ];
    // Countries are many: the others come as often as all of them.
    let times = countries.len().div_ceil(FURTHER.len()).max(1);
    let further = FURTHER.iter().cycle().take(FURTHER.len() * times);
    parameters.extend(further.map(|text| (*text).to_owned()));
    let plain = vec![String::new(); parameters.len()];
    [parameters, plain].concat()
}
