//! The choice of mirrors, held against the rules: whatever the world and the question, an answer is the tiers in their order,
//! each host once, only carriers, only URLs of the protocols asked for; and a weighted shuffle has the distribution that it
//! should have.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;

use std::collections::BTreeSet;
use std::net::IpAddr;

use mirrorlist_server::cache::proto::{
    IntIntMap, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, MirrorList, MirrorListCacheType,
    StringRepeatedIntMap,
};
use mirrorlist_server::geo::network;
use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

const PROTOCOLS: [&str; 4] = ["https", "http", "ftp", "rsync"];
/// Germany, France and Italy are in Europe, the United States and Canada in North America, Japan in Asia.
const COUNTRIES: [&str; 6] = ["DE", "FR", "IT", "US", "CA", "JP"];
const NETBLOCKS: [&str; 5] = [
    "192.0.2.0/24",
    "192.0.2.128/25",
    "192.0.2.200/32",
    "198.51.100.0/24",
    "2001:db8::/32",
];
const ADDRESSES: [&str; 6] = [
    "192.0.2.1",
    "192.0.2.129",
    "192.0.2.200",
    "198.51.100.1",
    "2001:db8::1",
    "100.64.0.1",
];
const AS_NUMBERS: [i64; 3] = [64496, 64497, 64498];

#[derive(Debug, Clone)]
struct Host {
    country: &'static str,
    private: bool,
    protocols: Vec<&'static str>,
    bandwidth: i64,
    allowed: Vec<&'static str>,
    netblocks: Vec<&'static str>,
    asn: Option<i64>,
    carries: bool,
}

fn host() -> impl Strategy<Value = Host> {
    (
        select(&COUNTRIES[..]),
        any::<bool>(),
        subsequence(&PROTOCOLS[..], 0..=4),
        select(&[-1, 0, 1, 100, 1_000_000][..]),
        prop_oneof![3 => Just(Vec::new()), 1 => subsequence(&COUNTRIES[..], 1..=2)],
        subsequence(&NETBLOCKS[..], 0..=2),
        prop_oneof![2 => Just(None), 1 => select(&AS_NUMBERS[..]).prop_map(Some)],
        prop_oneof![4 => Just(true), 1 => Just(false)],
    )
        .prop_map(
            |(country, private, protocols, bandwidth, allowed, netblocks, asn, carries)| Host {
                country,
                private,
                protocols,
                bandwidth,
                allowed,
                netblocks,
                asn,
                carries,
            },
        )
}

#[derive(Debug, Clone)]
struct Question {
    address: &'static str,
    countries: Option<Vec<&'static str>>,
    protocols: Option<Vec<&'static str>>,
    netblock: bool,
    minimum: usize,
    endpoint: Endpoint,
    seed: u64,
}

fn question() -> impl Strategy<Value = Question> {
    let countries = prop_oneof![
        Just("DE"),
        Just("fr"),
        Just("US"),
        Just("CA"),
        Just("global"),
        Just("AQ"),
        Just("ZZ"),
        Just("")
    ];
    (
        select(&ADDRESSES[..]),
        prop::option::of(prop::collection::vec(countries, 0..4)),
        prop::option::of(subsequence(&["HTTPS", "http", "ftp", "rsync", "gopher"][..], 0..=3)),
        any::<bool>(),
        0..6_usize,
        select(&[Endpoint::Mirrorlist, Endpoint::Metalink][..]),
        any::<u64>(),
    )
        .prop_map(
            |(address, countries, protocols, netblock, minimum, endpoint, seed)| Question {
                address,
                countries,
                protocols,
                netblock,
                minimum,
                endpoint,
                seed,
            },
        )
}

const DIRECTORY: &str = "pub/linux/1/x86_64/os/repodata";

/// The fixture's cache with these hosts in place of its own; host ids are places in `hosts`.
fn edit(cache: &mut MirrorList, hosts: &[Host]) {
    let numbered = || (0_i64..).zip(hosts);
    let url_ids = |id: i64, host: &Host| (id * 10..).take(host.protocols.len()).collect::<Vec<i64>>();
    cache.hc_url_cache = numbered()
        .flat_map(|(id, host)| {
            (id * 10..)
                .zip(&host.protocols)
                .map(move |(key, protocol)| IntStringMap {
                    key,
                    value: format!("{protocol}://{id}"),
                })
        })
        .collect();
    let group = |ids: Vec<i64>, key: &str| StringRepeatedIntMap {
        key: key.to_owned(),
        value: ids,
    };
    let ids = |wanted: &dyn Fn(&Host) -> bool| {
        numbered()
            .filter(|(_, h)| wanted(h))
            .map(|(id, _)| id)
            .collect::<Vec<_>>()
    };
    cache.host_country_cache = numbered()
        .map(|(key, host)| IntStringMap {
            key,
            value: host.country.to_owned(),
        })
        .collect();
    cache.host_bandwidth_cache = numbered()
        .map(|(key, host)| IntIntMap {
            key,
            value: host.bandwidth,
        })
        .collect();
    cache.host_country_allowed_cache = numbered()
        .filter(|(_, host)| !host.allowed.is_empty())
        .map(|(key, host)| IntRepeatedStringMap {
            key,
            value: host.allowed.iter().map(|c| (*c).to_owned()).collect(),
        })
        .collect();
    cache.host_netblock_cache = NETBLOCKS
        .iter()
        .map(|netblock| group(ids(&|h| h.netblocks.contains(netblock)), netblock))
        .collect();
    cache.host_asn_cache = AS_NUMBERS
        .iter()
        .map(|asn| IntRepeatedIntMap {
            key: *asn,
            value: ids(&|h| h.asn == Some(*asn)),
        })
        .collect();
    let directory = |name: &str, with: &dyn Fn(&Host) -> bool| MirrorListCacheType {
        directory: name.to_owned(),
        global: ids(&|h| !h.private),
        by_country: COUNTRIES
            .iter()
            .map(|c| group(ids(&|h| !h.private && h.country == *c), c))
            .collect(),
        by_host_id: numbered()
            .filter(|(_, host)| with(host))
            .map(|(key, host)| IntRepeatedIntMap {
                key,
                value: url_ids(key, host),
            })
            .collect(),
        ..MirrorListCacheType::default()
    };
    // The other directories make the carriers of different ones meet in the loader's groups.
    cache.mirror_list_cache = vec![
        directory("other", &|h| h.private),
        directory(DIRECTORY, &|h| h.carries),
        directory("another", &|h| !h.carries),
        directory("everybody's", &|_| true),
    ];
}

fn continent(snapshot: &Snapshot, country: &str) -> Option<String> {
    let country = mirrorlist_server::geo::CountryCode::parse(country)?;
    let continents = snapshot.continents();
    continents
        .of(country)
        .map(|continent| continents.name(continent).to_owned())
}

/// The tiers that an answer must consist of, straight from the rules.
fn expected(snapshot: &Snapshot, hosts: &[Host], question: &Question) -> Vec<BTreeSet<usize>> {
    let address: IpAddr = question.address.parse().unwrap();
    let client = mirrorlist_server::mirrorlist::locate::locate(snapshot, address).country_code();
    let client = client.map(|country| country.to_string());
    let carriers: Vec<usize> = (0..hosts.len())
        .filter(|h| hosts[*h].carries && !hosts[*h].protocols.is_empty())
        .collect();
    let offered = |h: &usize| {
        let allowed = &hosts[*h].allowed;
        allowed.is_empty() || client.as_deref().is_some_and(|c| allowed.contains(&c))
    };
    let public: BTreeSet<usize> = carriers
        .iter()
        .copied()
        .filter(|h| !hosts[*h].private && offered(h))
        .collect();
    let among = |wanted: &dyn Fn(&Host) -> bool| -> BTreeSet<usize> {
        public.iter().copied().filter(|h| wanted(&hosts[*h])).collect()
    };
    let mut by_network = question.netblock;
    if let Some(countries) = &question.countries {
        let asked: Vec<String> = countries.iter().map(|c| c.to_uppercase()).collect();
        let matching = among(&|h| asked.iter().any(|c| c == "GLOBAL" || c == h.country));
        if !matching.is_empty() {
            return vec![matching];
        }
        let continents: Vec<String> = asked.iter().filter_map(|c| continent(snapshot, c)).collect();
        let matching = among(&|h| continent(snapshot, h.country).is_some_and(|c| continents.contains(&c)));
        if !matching.is_empty() {
            return vec![matching];
        }
        by_network &= continents.is_empty();
    }
    let mut tiers: Vec<BTreeSet<usize>> = Vec::new();
    if by_network {
        let mut netblocks: Vec<_> = NETBLOCKS.iter().map(|n| (network::parse(n).unwrap(), n)).collect();
        netblocks.retain(|(network, _)| network.contains(address));
        netblocks.sort_by_key(|(network, _)| std::cmp::Reverse(network.netmask()));
        for (_, netblock) in netblocks {
            tiers.push(
                carriers
                    .iter()
                    .copied()
                    .filter(|h| hosts[*h].netblocks.contains(netblock))
                    .collect(),
            );
        }
        if let Some((_, asn)) = snapshot.autonomous_systems().lookup(address) {
            let asn = Some(i64::from(asn.get()));
            tiers.push(carriers.iter().copied().filter(|h| hosts[*h].asn == asn).collect());
        }
    }
    if let Some(client) = &client {
        tiers.push(among(&|h| h.country == client));
        let home = continent(snapshot, client);
        tiers.push(among(&|h| home.is_some() && continent(snapshot, h.country) == home));
    }
    let so_far: BTreeSet<usize> = tiers.iter().flatten().copied().collect();
    if so_far
        .iter()
        .filter(|h| !urls(&hosts[**h], question).is_empty())
        .count()
        < question.minimum
    {
        tiers.push(public);
    }
    let mut seen = BTreeSet::new();
    for tier in &mut tiers {
        tier.retain(|host| seen.insert(*host));
    }
    tiers
}

/// The protocols of a host's URLs that an answer lists, in order.
fn urls(host: &Host, question: &Question) -> Vec<&'static str> {
    let by_preference = || PROTOCOLS.iter().copied().filter(|p| host.protocols.contains(p));
    match &question.protocols {
        Some(asked) if !asked.is_empty() => {
            let takes = |p: &&str| asked.iter().any(|a| a.eq_ignore_ascii_case(p));
            by_preference().filter(takes).take(asked.len()).collect()
        }
        _ if question.endpoint == Endpoint::Metalink => by_preference().collect(),
        _ => by_preference().filter(|p| *p != "rsync").take(1).collect(),
    }
}

/// The query string of a question.
fn query(question: &Question) -> String {
    let mut query = format!("path={DIRECTORY}");
    if question.endpoint == Endpoint::Metalink {
        query.push_str("/repomd.xml");
    }
    if let Some(countries) = &question.countries {
        query.push_str(&format!("&country={}", countries.join(",")));
    }
    if let Some(protocols) = &question.protocols {
        query.push_str(&format!("&protocol={}", protocols.join(",")));
    }
    if !question.netblock {
        query.push_str("&netblock=0");
    }
    query
}

fn request<'a>(question: &Question, query: &'a MirrorQuery<'a>) -> MirrorRequest<'a> {
    MirrorRequest {
        endpoint: question.endpoint,
        address: question.address.parse().unwrap(),
        query,
        minimum: question.minimum,
    }
}

/// A URL's host and protocol.
fn host_and_protocol(url: &str) -> (usize, String) {
    let (protocol, rest) = url.split_once("://").unwrap();
    let host = rest.split('/').next().unwrap();
    (host.parse().unwrap(), protocol.to_owned())
}

/// The answer's URLs as (host, protocol), in order.
fn ask(snapshot: &Snapshot, question: &Question) -> Vec<(usize, String)> {
    let query = query(question);
    let query = MirrorQuery::parse(&query);
    let answer = answer(
        snapshot,
        &request(question, &query),
        "",
        &mut Answerer::seeded(question.seed),
    );
    assert_eq!(answer.status, 200);
    let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
    let words = body
        .split(['\n', '>', '<'])
        .filter(|word| word.contains("://") && !word.contains(' '));
    words.map(host_and_protocol).collect()
}

/// The same as the explanation has it, which also has to account for every host that carries the directory.
fn explained(snapshot: &Snapshot, hosts: &[Host], question: &Question) -> Vec<(usize, String)> {
    let query = query(question);
    let query = MirrorQuery::parse(&query);
    let explanation = explain(snapshot, &request(question, &query), question.seed);
    assert!(explanation.refused.is_none());
    let listed = || explanation.tiers.iter().flat_map(|tier| &tier.hosts);
    let accounted: BTreeSet<i64> = listed()
        .map(|h| h.host_id)
        .chain(explanation.not_listed.iter().map(|h| h.host_id))
        .collect();
    let carriers = hosts
        .iter()
        .filter(|host| host.carries && !host.protocols.is_empty())
        .count();
    assert_eq!(accounted.len(), carriers);
    assert_eq!(
        listed().count() + explanation.not_listed.len(),
        carriers,
        "no host is both"
    );
    for tier in &explanation.tiers {
        let total: f64 = tier.hosts.iter().map(|host| host.first_probability).sum();
        assert!((total - 1.0).abs() < 1e-9, "{tier:?}");
    }
    listed()
        .flat_map(|host| &host.urls)
        .map(|url| host_and_protocol(url))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_answer_is_the_tiers_in_order(hosts in prop::collection::vec(host(), 1..14), question in question()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
        let found = ask(&snapshot, &question);
        let mut rest = found.as_slice();
        for mut tier in expected(&snapshot, &hosts, &question) {
            tier.retain(|host| !urls(&hosts[*host], &question).is_empty());
            while !tier.is_empty() {
                let host = rest.first().map(|(host, _)| *host);
                prop_assert!(host.is_some_and(|h| tier.remove(&h)), "{:?} is not of the tier that has {:?} left in {:?}", host, tier, found);
                for protocol in urls(&hosts[host.unwrap()], &question) {
                    prop_assert_eq!(rest.first(), Some(&(host.unwrap(), protocol.to_owned())));
                    rest = &rest[1..];
                }
            }
        }
        prop_assert!(rest.is_empty(), "beyond the tiers: {:?}", rest);
        prop_assert_eq!(explained(&snapshot, &hosts, &question), found);
    }
}

/// How often each ordered pair of hosts came first and second in `draws` shuffles of hosts with these bandwidths.
fn first_two(bandwidths: &[i64], draws: usize) -> Vec<Vec<u32>> {
    let hosts: Vec<Host> = bandwidths
        .iter()
        .map(|bandwidth| Host {
            country: "JP",
            private: false,
            protocols: vec!["https"],
            bandwidth: *bandwidth,
            allowed: Vec::new(),
            netblocks: Vec::new(),
            asn: None,
            carries: true,
        })
        .collect();
    let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
    let query = format!("path={DIRECTORY}");
    let query = MirrorQuery::parse(&query);
    let request = MirrorRequest {
        endpoint: Endpoint::Mirrorlist,
        address: "100.64.0.1".parse().unwrap(),
        query: &query,
        minimum: 5,
    };
    let mut answerer = Answerer::seeded(7);
    let mut counts = vec![vec![0; hosts.len()]; hosts.len()];
    for _ in 0..draws {
        let answer = answer(&snapshot, &request, "", &mut answerer);
        let body = std::str::from_utf8(&answer.body.start).unwrap();
        let host = |line: &str| -> usize {
            line.strip_prefix("https://")
                .unwrap()
                .split('/')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let mut lines = body.lines().skip(1);
        let (first, second) = (host(lines.next().unwrap()), host(lines.next().unwrap()));
        counts[first][second] += 1;
    }
    counts
}

/// Pearson's chi-square of counts against the theory of drawing without replacement.
fn chi_square(weights: &[f64], counts: &[Vec<u32>], draws: usize) -> f64 {
    let total: f64 = weights.iter().sum();
    let mut sum = 0.0;
    for (first, row) in counts.iter().enumerate() {
        for (second, count) in row.iter().enumerate() {
            if first != second {
                let probability = weights[first] / total * weights[second] / (total - weights[first]);
                let expected = probability * draws as f64;
                sum += (f64::from(*count) - expected).powi(2) / expected;
            }
        }
    }
    sum
}

#[test]
fn a_weighted_shuffle_draws_without_replacement_by_bandwidth() {
    const DRAWS: usize = 200_000;
    let bandwidths = [0, 1, 10, 100, 40];
    let counts = first_two(&bandwidths, DRAWS);
    let right = [1.0, 1.0, 10.0, 100.0, 40.0];
    // 20 ordered pairs, so 19 degrees of freedom: the 99.9 % quantile is 43.8.
    let distance = chi_square(&right, &counts, DRAWS);
    assert!(distance < 43.8, "chi-square {distance}: {counts:?}");
    // The test can tell: a largest bandwidth that is five percent off fails it.
    let wrong = [1.0, 1.0, 10.0, 105.0, 40.0];
    assert!(chi_square(&wrong, &counts, DRAWS) > 43.8);
}
