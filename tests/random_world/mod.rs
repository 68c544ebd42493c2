//! Random worlds for tests of the choice: hosts, questions, and an oracle that tells the tiers of an answer straight from the rules.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test crate uses a part; a helper that fails fails the test"
)]

pub mod families;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use mirrorlist_server::cache::proto::{
    IntIntMap, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, MirrorList, MirrorListCacheType,
    StringRepeatedIntMap,
};
use mirrorlist_server::geo::network;
use mirrorlist_server::mirrorlist::explain::reason::Reason;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, Tier, answer};
use mirrorlist_server::settings::{AsOrder, ChoiceSettings};
use mirrorlist_server::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

pub const PROTOCOLS: [&str; 4] = ["https", "http", "ftp", "rsync"];
/// Germany, France and Italy are in Europe, the United States and Canada in North America, Japan in Asia.
pub const COUNTRIES: [&str; 6] = ["DE", "FR", "IT", "US", "CA", "JP"];
pub const NETBLOCKS: [&str; 5] = [
    "192.0.2.0/24",
    "192.0.2.128/25",
    "192.0.2.200/32",
    "198.51.100.0/24",
    "2001:db8::/32",
];
pub const ADDRESSES: [&str; 6] = [
    "192.0.2.1",
    "192.0.2.129",
    "192.0.2.200",
    "198.51.100.1",
    "2001:db8::1",
    "100.64.0.1",
];
pub const AS_NUMBERS: [i64; 3] = [64496, 64497, 64498];

#[derive(Debug, Clone)]
pub struct Host {
    pub country: &'static str,
    pub private: bool,
    pub protocols: Vec<&'static str>,
    pub bandwidth: i64,
    pub allowed: Vec<&'static str>,
    pub netblocks: Vec<&'static str>,
    pub asn: Option<i64>,
    pub carries: bool,
}

impl Host {
    pub fn is_carrier(&self) -> bool {
        self.carries && !self.protocols.is_empty()
    }
}

pub fn host() -> impl Strategy<Value = Host> {
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
pub struct Question {
    pub address: &'static str,
    pub countries: Option<Vec<&'static str>>,
    pub protocols: Option<Vec<&'static str>>,
    pub netblock: bool,
    pub redirect: bool,
    pub settings: ChoiceSettings,
    pub endpoint: Endpoint,
    pub seed: u64,
}

impl Question {
    pub fn is_redirect(&self) -> bool {
        self.redirect && self.endpoint == Endpoint::Mirrorlist
    }
}

pub fn question() -> impl Strategy<Value = Question> {
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
        prop_oneof![3 => Just(false), 1 => Just(true)],
        0..6_usize,
        select(&[Endpoint::Mirrorlist, Endpoint::Metalink][..]),
        any::<u64>(),
    )
        .prop_map(
            |(address, countries, protocols, netblock, redirect, minimum, endpoint, seed)| Question {
                address,
                countries,
                protocols,
                netblock,
                redirect,
                settings: ChoiceSettings {
                    minimum,
                    ..ChoiceSettings::STANDARD
                },
                endpoint,
                seed,
            },
        )
}

/// Random questions with all wishes and settings that need no health file.
pub fn question_with_wishes() -> impl Strategy<Value = Question> {
    let excluded = prop_oneof![
        4 => select(&["!DE", "!fr", "! us", "!ca", "!JP", "!it"][..]),
        1 => select(&["!ZZ", "!global", "!", "!!DE", "!DEU", "!d\u{0}"][..]),
    ];
    (
        question(),
        prop::collection::vec((excluded, any::<bool>()), 0..6),
        prop::option::weighted(0.4, 1..8_usize),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(mut question, excluded, maximum, by_bandwidth, sticky_redirects)| {
            if !excluded.is_empty() {
                let countries = question.countries.get_or_insert_default();
                for (entry, is_first) in excluded {
                    countries.insert(if is_first { 0 } else { countries.len() }, entry);
                }
            }
            question.settings.maximum = maximum.and_then(NonZeroUsize::new);
            question.settings.sticky_redirects = sticky_redirects;
            if by_bandwidth {
                question.settings.as_order = AsOrder::Bandwidth;
            }
            question
        })
}

pub const DIRECTORY: &str = "pub/linux/1/x86_64/os/repodata";

/// The fixture's cache with these hosts in place of its own; host ids are places in `hosts`.
pub fn edit(cache: &mut MirrorList, hosts: &[Host]) {
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

pub fn continent(snapshot: &Snapshot, country: &str) -> Option<String> {
    let country = mirrorlist_server::geo::CountryCode::parse(country)?;
    let continents = snapshot.continents();
    continents
        .of(country)
        .map(|continent| continents.name(continent).to_owned())
}

/// A tier and its hosts; the netblock tier comes once for each length of prefix.
pub type Tiers = Vec<(Tier, BTreeSet<usize>)>;

/// The tiers that an answer must consist of, straight from the rules.
pub fn expected(snapshot: &Snapshot, hosts: &[Host], question: &Question) -> Tiers {
    let excluded = followed_exclusion(snapshot, hosts, question);
    tiers_without(snapshot, hosts, question, &|host| is_in(&hosts[host], &excluded)).0
}

/// The countries that the answer leaves out; none if no URL would be left.
pub fn followed_exclusion(snapshot: &Snapshot, hosts: &[Host], question: &Question) -> Vec<String> {
    let entries = question.countries.iter().flatten();
    let excluded: Vec<String> = entries
        .filter_map(|entry| entry.strip_prefix('!'))
        .map(|country| country.trim().to_uppercase())
        .collect();
    let (tiers, _) = tiers_without(snapshot, hosts, question, &|host| is_in(&hosts[host], &excluded));
    let mut left = tiers.iter().flat_map(|(_, hosts)| hosts);
    match left.any(|host| !urls(&hosts[*host], question).is_empty()) {
        true => excluded,
        false => Vec::new(),
    }
}

fn is_in(host: &Host, countries: &[String]) -> bool {
    countries.iter().any(|country| country == host.country)
}

/// The tiers as if some hosts did not carry the directory, and whether those by network are among them.
pub fn tiers_without(
    snapshot: &Snapshot,
    hosts: &[Host],
    question: &Question,
    is_excluded: &dyn Fn(usize) -> bool,
) -> (Tiers, bool) {
    let mut left = hosts.to_vec();
    for (number, host) in left.iter_mut().enumerate() {
        host.carries &= !is_excluded(number);
    }
    let hosts = &left;
    let address: IpAddr = question.address.parse().unwrap();
    let client = mirrorlist_server::mirrorlist::locate::locate(snapshot, address).country_code();
    let client = client.map(|country| country.to_string());
    let carriers: Vec<usize> = (0..hosts.len()).filter(|h| hosts[*h].is_carrier()).collect();
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
            return (vec![(Tier::Country, matching)], false);
        }
        let continents: Vec<String> = asked.iter().filter_map(|c| continent(snapshot, c)).collect();
        let matching = among(&|h| continent(snapshot, h.country).is_some_and(|c| continents.contains(&c)));
        if !matching.is_empty() {
            return (vec![(Tier::Continent, matching)], false);
        }
        by_network &= continents.is_empty();
    }
    let mut tiers = match by_network {
        true => by_network_tiers(snapshot, hosts, address),
        false => Tiers::new(),
    };
    if let Some(client) = &client {
        tiers.push((Tier::Country, among(&|h| h.country == client)));
        let home = continent(snapshot, client);
        let on_continent = among(&|h| home.is_some() && continent(snapshot, h.country) == home);
        tiers.push((Tier::Continent, on_continent));
    }
    let so_far: BTreeSet<usize> = tiers.iter().flat_map(|(_, hosts)| hosts).copied().collect();
    let usable = so_far.iter().filter(|h| !usable_urls(&hosts[**h], question).is_empty());
    if usable.count() < question.settings.minimum {
        tiers.push((Tier::Global, public));
    }
    let mut seen = BTreeSet::new();
    for (_, tier) in &mut tiers {
        tier.retain(|host| seen.insert(*host));
    }
    (tiers, by_network)
}

/// How many hosts an answer lists at most.
pub fn most_hosts(question: &Question) -> usize {
    match (question.settings.maximum, question.endpoint) {
        (Some(maximum), Endpoint::Mirrorlist) if !question.is_redirect() => maximum.get(),
        (Some(maximum), Endpoint::Metalink) => maximum.get().max(5),
        _ => usize::MAX,
    }
}

/// The netblock and AS tiers of an address.
pub fn by_network_tiers(snapshot: &Snapshot, hosts: &[Host], address: IpAddr) -> Tiers {
    let carriers = |wanted: &dyn Fn(&Host) -> bool| -> BTreeSet<usize> {
        let all = (0..hosts.len()).filter(|h| hosts[*h].is_carrier());
        all.filter(|h| wanted(&hosts[*h])).collect()
    };
    let mut netblocks: Vec<_> = NETBLOCKS.iter().map(|n| (network::parse(n).unwrap(), n)).collect();
    netblocks.retain(|(network, _)| network.contains(address));
    netblocks.sort_by_key(|(network, _)| std::cmp::Reverse(network.netmask()));
    let of_netblock = |netblock: &str| carriers(&|host| host.netblocks.contains(&netblock));
    let mut tiers: Tiers = netblocks
        .iter()
        .map(|(_, netblock)| (Tier::Netblock, of_netblock(netblock)))
        .collect();
    if let Some((_, asn)) = snapshot.autonomous_systems().lookup(address) {
        let asn = Some(i64::from(asn.get()));
        tiers.push((Tier::AutonomousSystem, carriers(&|host| host.asn == asn)));
    }
    tiers
}

/// Whether some tier has the host, listed or not.
pub fn has(tiers: &Tiers, host: usize) -> bool {
    tiers.iter().any(|(_, hosts)| hosts.contains(&host))
}

/// Why a host that carries the directory is not listed, found by changing one thing at a time.
pub fn expected_reasons(snapshot: &Snapshot, hosts: &[Host], question: &Question, host: usize) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if urls(&hosts[host], question).is_empty() {
        reasons.push(Reason::Protocol);
    }
    if has(&expected(snapshot, hosts, question), host) {
        return reasons;
    }
    let plain = Question {
        countries: None,
        netblock: true,
        ..question.clone()
    };
    let mut by_network = expected(snapshot, hosts, &plain);
    by_network.retain(|(tier, _)| matches!(tier, Tier::Netblock | Tier::AutonomousSystem));
    let excluded = followed_exclusion(snapshot, hosts, question);
    let (_, tiers_are_on) = tiers_without(snapshot, hosts, question, &|host| is_in(&hosts[host], &excluded));
    if has(&by_network, host) && !tiers_are_on {
        reasons.push(Reason::NetworkTiersOff);
    }
    if is_in(&hosts[host], &excluded) {
        reasons.push(Reason::ExcludedCountry);
        return reasons;
    }
    let mut unlimited = hosts.to_vec();
    unlimited[host].allowed.clear();
    reasons.push(if hosts[host].private {
        Reason::Private
    } else if has(
        &tiers_without(snapshot, &unlimited, question, &|host| is_in(&hosts[host], &excluded)).0,
        host,
    ) {
        Reason::CountryLimit
    } else {
        Reason::NotInTier
    });
    reasons
}

/// The protocols of a host's URLs that a list has, in order.
pub fn usable_urls(host: &Host, question: &Question) -> Vec<&'static str> {
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

/// The same for the answer, which can be a redirect.
pub fn urls(host: &Host, question: &Question) -> Vec<&'static str> {
    let mut urls = usable_urls(host, question);
    if question.is_redirect() {
        urls.retain(|protocol| matches!(*protocol, "https" | "http"));
        urls.truncate(1);
    }
    urls
}

/// The query string of a question.
pub fn query(question: &Question) -> String {
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
    if question.redirect {
        query.push_str("&redirect=1");
    }
    if !question.netblock {
        query.push_str("&netblock=0");
    }
    query
}

/// A public host of the random world with a bandwidth of 1 Mbit/s.
pub fn plain_host(country: &'static str, protocols: &[&'static str]) -> Host {
    Host {
        country,
        private: false,
        protocols: protocols.to_vec(),
        bandwidth: 1,
        allowed: Vec::new(),
        netblocks: Vec::new(),
        asn: None,
        carries: true,
    }
}

pub fn request<'a>(question: &'a Question, query: &'a MirrorQuery<'a>) -> MirrorRequest<'a> {
    MirrorRequest {
        endpoint: question.endpoint,
        address: question.address.parse().unwrap(),
        query,
        settings: &question.settings,
        now: 0,
    }
}

/// A URL's host and protocol.
pub fn host_and_protocol(url: &str) -> (usize, String) {
    let (protocol, rest) = url.split_once("://").unwrap();
    let host = rest.split('/').next().unwrap();
    (host.parse().unwrap(), protocol.to_owned())
}

/// A worker answers one client after the other; nothing of the ones before may be left in an answer.
pub fn used_answerer(snapshot: &Snapshot, question: &Question) -> Answerer {
    let mut answerer = Answerer::seeded(question.seed);
    for address in ADDRESSES {
        let before = Question {
            address,
            ..question.clone()
        };
        let query = query(&before);
        let query = MirrorQuery::parse(&query);
        drop(answer(snapshot, &request(&before, &query), "", &mut answerer));
    }
    answerer
}

/// The answer's status and its URLs as (host, protocol), in order.
pub fn ask(snapshot: &Snapshot, question: &Question, answerer: &mut Answerer) -> (u16, Vec<(usize, String)>) {
    let query = query(question);
    let query = MirrorQuery::parse(&query);
    let answer = answer(snapshot, &request(question, &query), "", answerer);
    let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
    let words = body
        .split(['\n', '>', '<'])
        .filter(|word| word.contains("://") && !word.contains(' '));
    (answer.status, words.map(host_and_protocol).collect())
}
