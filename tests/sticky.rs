//! The settings `redirect.sticky` and `as_order`, held against docs/requests.md: which mirror a network gets, that it keeps it, and the
//! shares of mirrors over many networks or draws (chi-square).
#![allow(
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod random_world;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fixture::health::{WrittenHealth, dead, health_file};
use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::settings::{AsOrder, ChoiceSettings};
use mirrorlist_server::snapshot::{Snapshot, age};
use random_world::{DIRECTORY, Host, edit, host_and_protocol};

const NETWORKS: u32 = 20_000;
const BANDWIDTHS: [i64; 5] = [1, 10, 100, 40, 50];

/// The 99.9 % quantile of chi-square with four degrees of freedom: one less than there are mirrors.
const FOUR_DEGREES: f64 = 18.47;

/// The same with 15 degrees of freedom.
const FIFTEEN_DEGREES: f64 = 37.70;

fn sticky() -> ChoiceSettings {
    ChoiceSettings {
        sticky_redirects: true,
        ..ChoiceSettings::STANDARD
    }
}

fn hosts(bandwidths: &[i64], asn: Option<i64>) -> Vec<Host> {
    let host = |bandwidth: &i64| Host {
        country: "JP",
        private: false,
        protocols: vec!["https"],
        bandwidth: *bandwidth,
        allowed: Vec::new(),
        netblocks: Vec::new(),
        asn,
        carries: true,
    };
    bandwidths.iter().map(host).collect()
}

fn snapshot_made(created: u64) -> Snapshot {
    let change = |cache: &mut mirrorlist_server::cache::proto::MirrorList| {
        edit(cache, &hosts(&BANDWIDTHS, None));
        cache.time = created;
    };
    fixture::snapshot_with(change).0
}

/// The mirror that an address is redirected to.
fn mirror(
    snapshot: &Snapshot,
    settings: &ChoiceSettings,
    address: IpAddr,
    query: &str,
    worker: &mut Answerer,
) -> usize {
    let query = format!("{query}&redirect=1");
    let query = MirrorQuery::parse(&query);
    let request = MirrorRequest {
        endpoint: Endpoint::Mirrorlist,
        address,
        query: &query,
        settings,
        now: age::now(),
    };
    let answer = answer(snapshot, &request, "", worker);
    host_and_protocol(&answer.location.unwrap()).0
}

fn target() -> String {
    format!("path={DIRECTORY}")
}

/// Successive networks of a family, with a client in each.
fn client(ipv6: bool, number: u32) -> IpAddr {
    match ipv6 {
        false => Ipv4Addr::from_bits(0x1400_0000 + (number << 8) + number % 251).into(),
        true => {
            let network = 0x2a00_0000_0000 + u128::from(number);
            Ipv6Addr::from_bits(network << 80 | u128::from(number % 1_009)).into()
        }
    }
}

fn mirrors(snapshot: &Snapshot, ipv6: bool) -> Vec<usize> {
    let (settings, mut worker) = (sticky(), Answerer::seeded(1));
    let clients = (0..NETWORKS).map(|number| client(ipv6, number));
    clients
        .map(|client| mirror(snapshot, &settings, client, &target(), &mut worker))
        .collect()
}

/// Pearson's chi-square of counts against weights.
fn distance(counts: &[usize], weights: &[f64]) -> f64 {
    let (drawn, total) = (counts.iter().sum::<usize>() as f64, weights.iter().sum::<f64>());
    let expected = weights.iter().map(|weight| weight / total * drawn);
    let squares = counts
        .iter()
        .zip(expected)
        .map(|(count, expected)| (*count as f64 - expected).powi(2) / expected);
    squares.sum()
}

fn counts(mirrors: &[usize]) -> Vec<usize> {
    let of = |host| mirrors.iter().filter(|mirror| **mirror == host).count();
    (0..BANDWIDTHS.len()).map(of).collect()
}

#[test]
fn shares_over_networks_are_those_of_bandwidths_in_both_families_and_for_neighbours() {
    let snapshot = snapshot_made(1_700_000_000);
    let weights = BANDWIDTHS.map(|bandwidth| bandwidth as f64);
    for ipv6 in [false, true] {
        let mirrors = mirrors(&snapshot, ipv6);
        let counts = counts(&mirrors);
        assert!(distance(&counts, &weights) < FOUR_DEGREES, "{counts:?}");
        // The test can tell: a bandwidth that is a tenth off fails it.
        let wrong = [1.0, 10.0, 110.0, 40.0, 50.0];
        assert!(distance(&counts, &wrong) > FOUR_DEGREES, "{counts:?}");
        // The mirror of a network says nothing of that of the next: pairs are as likely as their parts together.
        let shares: Vec<f64> = weights[1..]
            .iter()
            .map(|weight| weight / weights.iter().sum::<f64>())
            .collect();
        let (mut pairs, mut likely) = (vec![0; 16], vec![0.0; 16]);
        for pair in mirrors.chunks_exact(2).filter(|pair| pair[0] > 0 && pair[1] > 0) {
            pairs[(pair[0] - 1) * 4 + pair[1] - 1] += 1;
        }
        for (place, share) in likely.iter_mut().enumerate() {
            *share = shares[place / 4] * shares[place % 4];
        }
        assert!(distance(&pairs, &likely) < FIFTEEN_DEGREES, "{pairs:?}");
    }
}

#[test]
fn a_network_keeps_its_mirror_whatever_worker_server_address_and_repository() {
    let (one, other) = (snapshot_made(1_700_000_000), snapshot_made(1_700_000_000));
    let (settings, mut worker) = (sticky(), Answerer::seeded(1));
    for number in 0..500 {
        for (ipv6, neighbour) in [(false, 255), (true, u128::MAX >> 48)] {
            let first = client(ipv6, number);
            let last = match first {
                IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() | 255).into(),
                IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() | neighbour).into(),
            };
            let expected = mirror(&one, &settings, first, &target(), &mut worker);
            let mut restarted = Answerer::seeded(u64::from(number));
            assert_eq!(mirror(&other, &settings, last, &target(), &mut restarted), expected);
            let elsewhere = "path=everybody's/file.rpm&country=jp";
            assert_eq!(mirror(&other, &settings, first, elsewhere, &mut worker), expected);
        }
    }
    // Without the setting, it is by chance.
    let draws = (0..100).map(|_| {
        mirror(
            &one,
            &ChoiceSettings::STANDARD,
            client(false, 1),
            &target(),
            &mut worker,
        )
    });
    assert!(
        counts(&draws.collect::<Vec<_>>())
            .iter()
            .filter(|count| **count > 0)
            .count()
            > 2
    );
}

#[test]
fn a_new_cache_gives_each_network_another_draw() {
    let [before, after] = [1_700_000_000, 1_700_000_001].map(|created| mirrors(&snapshot_made(created), false));
    let stayed = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before == after)
        .count() as f64;
    let total: f64 = BANDWIDTHS.iter().map(|bandwidth| *bandwidth as f64).sum();
    let expected: f64 = BANDWIDTHS
        .iter()
        .map(|bandwidth| (*bandwidth as f64 / total).powi(2))
        .sum();
    assert!((stayed / f64::from(NETWORKS) - expected).abs() < 0.02, "{stayed}");
}

/// The mirror of a network as docs/requests.md defines it.
#[expect(deprecated, reason = "SipHash-2-4 of another hand")]
fn defined_mirror(address: IpAddr, created: u64) -> usize {
    use std::hash::{Hasher, SipHasher};
    let network = match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).to_ipv6_mapped()
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
        }
    };
    let key = |host: usize| {
        let mut hasher = SipHasher::new();
        hasher.write(&network.octets());
        hasher.write(&created.to_be_bytes());
        hasher.write(&(host as u64).to_be_bytes());
        let uniform = ((hasher.finish() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -uniform.ln() / BANDWIDTHS[host] as f64
    };
    let first = (0..BANDWIDTHS.len()).min_by(|one, other| key(*one).total_cmp(&key(*other)));
    first.unwrap()
}

#[test]
fn the_mirror_of_a_network_is_the_documented_one() {
    let created = 1_712_345_678;
    let snapshot = snapshot_made(created);
    for ipv6 in [false, true] {
        for (number, mirror) in (0..2_000).zip(mirrors(&snapshot, ipv6)) {
            assert_eq!(mirror, defined_mirror(client(ipv6, number), created), "{number}");
        }
    }
}

#[test]
fn a_mirror_that_turns_bad_moves_only_its_own_networks() {
    let healthy = snapshot_made(1_700_000_000);
    let written = WrittenHealth::new(&[health_file(vec![dead("https://2")])]);
    let sick = snapshot_made(1_700_000_000).with_health_files(&written.settings);
    let (before, after) = (mirrors(&healthy, false), mirrors(&sick, false));
    let mut moved = Vec::new();
    for (before, after) in before.iter().zip(&after) {
        match *before {
            2 => moved.push(*after),
            stays => assert_eq!(*after, stays),
        }
    }
    assert!(!moved.contains(&2));
    // They are spread over the others by their bandwidths.
    let moved = counts(&moved);
    let others = [moved[0], moved[1], moved[3], moved[4]];
    assert!(distance(&others, &[1.0, 10.0, 40.0, 50.0]) < FOUR_DEGREES, "{moved:?}");
}

#[test]
fn lists_and_metalinks_do_not_stick() {
    let snapshot = snapshot_made(1_700_000_000);
    let list = |seed| {
        let text = target();
        let query = MirrorQuery::parse(&text);
        let request = MirrorRequest {
            endpoint: Endpoint::Mirrorlist,
            address: client(false, 1),
            query: &query,
            settings: &sticky(),
            now: 0,
        };
        answer(&snapshot, &request, "", &mut Answerer::seeded(seed)).body
    };
    assert!((1..20).any(|seed| list(seed) != list(0)));
}

#[test]
fn an_explanation_knows_that_a_redirect_sticks() {
    let snapshot = snapshot_made(1_700_000_000);
    let text = format!("{}&redirect=1", target());
    let query = MirrorQuery::parse(&text);
    for number in 0..20 {
        let address = client(false, number);
        let request = MirrorRequest {
            endpoint: Endpoint::Mirrorlist,
            address,
            query: &query,
            settings: &sticky(),
            now: 0,
        };
        let explanation = explain(&snapshot, &request, u64::from(number));
        let tier = &explanation.tiers[0].hosts;
        let probabilities: Vec<f64> = tier.iter().map(|host| host.first_probability).collect();
        assert_eq!(probabilities, [1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(
            usize::try_from(tier[0].summary.host_id).unwrap(),
            defined_mirror(address, 1_700_000_000)
        );
    }
}

/// How often each mirror of an AS came first, and the probabilities that an explanation gives.
fn first_of_as(as_order: AsOrder) -> (Vec<usize>, Vec<f64>) {
    let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts(&BANDWIDTHS, Some(64496))));
    let settings = ChoiceSettings {
        as_order,
        ..ChoiceSettings::STANDARD
    };
    let mut worker = Answerer::seeded(3);
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let draws = (0..NETWORKS).map(|_| mirror(&snapshot, &settings, address, &target(), &mut worker));
    let counts = counts(&draws.collect::<Vec<_>>());
    let text = target();
    let query = MirrorQuery::parse(&text);
    let request = MirrorRequest {
        endpoint: Endpoint::Mirrorlist,
        address,
        query: &query,
        settings: &settings,
        now: 0,
    };
    let explanation = explain(&snapshot, &request, 1);
    let mut probabilities = vec![0.0; BANDWIDTHS.len()];
    for host in &explanation.tiers[0].hosts {
        probabilities[usize::try_from(host.summary.host_id).unwrap()] = host.first_probability;
    }
    (counts, probabilities)
}

#[test]
fn hosts_of_an_as_are_alike_or_weighted_by_bandwidth() {
    let (counts, probabilities) = first_of_as(AsOrder::Random);
    assert!(distance(&counts, &[1.0; 5]) < FOUR_DEGREES, "{counts:?}");
    assert!(probabilities.iter().all(|probability| (probability - 0.2).abs() < 1e-9));
    let (counts, probabilities) = first_of_as(AsOrder::Bandwidth);
    let weights = BANDWIDTHS.map(|bandwidth| bandwidth as f64);
    assert!(distance(&counts, &weights) < FOUR_DEGREES, "{counts:?}");
    assert!(distance(&counts, &probabilities) < FOUR_DEGREES, "{probabilities:?}");
}

#[test]
fn a_sticky_as_tier_has_the_shares_of_its_order() {
    let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts(&BANDWIDTHS, Some(64498))));
    for (as_order, weights) in [
        (AsOrder::Random, [1.0; 5]),
        (AsOrder::Bandwidth, BANDWIDTHS.map(|bandwidth| bandwidth as f64)),
    ] {
        let settings = ChoiceSettings { as_order, ..sticky() };
        let mut worker = Answerer::seeded(1);
        let draws = (0..NETWORKS).map(|number| {
            let network = 0x2001_0db8_0000 + u128::from(number);
            let address = Ipv6Addr::from_bits(network << 80 | 1).into();
            mirror(&snapshot, &settings, address, &target(), &mut worker)
        });
        let counts = counts(&draws.collect::<Vec<_>>());
        assert!(distance(&counts, &weights) < FOUR_DEGREES, "{as_order:?}: {counts:?}");
    }
}
