//! The choice of mirrors, held against the rules in random worlds: an answer is the tiers in their order, each host once, only
//! carriers, only URLs of the protocols asked for; an explanation lists the same hosts in the same tiers and gives true reasons for
//! all others; and a weighted shuffle has the distribution that it should have.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod random_world;

use std::collections::{BTreeMap, BTreeSet};

use mirrorlist_server::mirrorlist::explain::reason::Reason;
use mirrorlist_server::mirrorlist::explain::{Explanation, ListedHost, explain};
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, Tier, answer};
use mirrorlist_server::settings::ChoiceSettings;
use proptest::prelude::*;
use random_world::{
    DIRECTORY, Host, ask, edit, expected, expected_reasons, host, host_and_protocol, most_hosts, query,
    question_with_wishes, request, urls, used_answerer,
};

/// The hosts of each tier by id.
type HostsByTier = BTreeMap<Tier, BTreeSet<usize>>;

/// The lists of an explanation: its hosts, and all URLs as (host, protocol), in order.
fn listed(explanation: &Explanation) -> (HostsByTier, Vec<(usize, String)>) {
    let id = |host: &ListedHost| usize::try_from(host.summary.host_id).unwrap();
    let tiers = explanation.tiers.iter();
    let urls = tiers.clone().flat_map(|tier| &tier.hosts).flat_map(|host| &host.urls);
    (
        tiers
            .map(|tier| (tier.tier, tier.hosts.iter().map(id).collect()))
            .collect(),
        urls.map(|url| host_and_protocol(url)).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn an_answer_is_the_tiers_in_order(hosts in prop::collection::vec(host(), 1..14), question in question_with_wishes()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
        let (status, found) = ask(&snapshot, &question, &mut used_answerer(&snapshot, &question));
        let mut tiers = expected(&snapshot, &hosts, &question);
        for (_, tier) in &mut tiers {
            tier.retain(|host| !urls(&hosts[*host], &question).is_empty());
        }
        tiers.retain(|(_, tier)| !tier.is_empty());
        if question.is_redirect() {
            let first = tiers.first().map(|(_, tier)| tier);
            prop_assert_eq!(status, if first.is_some() { 302 } else { 404 });
            prop_assert_eq!(found.len(), usize::from(first.is_some()));
            for (host, protocol) in &found {
                prop_assert!(first.is_some_and(|tier| tier.contains(host)));
                prop_assert_eq!(urls(&hosts[*host], &question), [protocol]);
            }
            return Ok(());
        }
        prop_assert_eq!(status, 200);
        let (mut rest, mut left) = (found.as_slice(), most_hosts(&question));
        for (_, mut tier) in tiers {
            while !tier.is_empty() && left > 0 {
                left -= 1;
                let host = rest.first().map(|(host, _)| *host);
                prop_assert!(host.is_some_and(|h| tier.remove(&h)), "{:?} is not of the tier that has {:?} left in {:?}", host, tier, found);
                for protocol in urls(&hosts[host.unwrap()], &question) {
                    prop_assert_eq!(rest.first(), Some(&(host.unwrap(), protocol.to_owned())));
                    rest = &rest[1..];
                }
            }
        }
        prop_assert!(rest.is_empty(), "beyond the tiers: {:?}", rest);
    }

    #[test]
    fn an_explanation_is_the_answer_with_true_reasons(hosts in prop::collection::vec(host(), 1..14), question in question_with_wishes()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
        let (status, found) = ask(&snapshot, &question, &mut Answerer::seeded(question.seed));
        let query = query(&question);
        let query = MirrorQuery::parse(&query);
        let explanation = explain(&snapshot, &request(&question, &query), question.seed);
        let (tiers, urls_in_order) = listed(&explanation);
        if let Some(refused) = &explanation.refused {
            prop_assert_eq!((refused.status, status), (404, 404));
            prop_assert!(tiers.is_empty() && explanation.not_listed.is_empty());
            return Ok(());
        }
        match question.is_redirect() {
            true => prop_assert_eq!(&urls_in_order[..1], &found),
            false => prop_assert_eq!(&urls_in_order, &found),
        }
        let mut expected_tiers = HostsByTier::new();
        for (tier, mut of_tier) in expected(&snapshot, &hosts, &question) {
            of_tier.retain(|host| !urls(&hosts[*host], &question).is_empty());
            if !of_tier.is_empty() {
                expected_tiers.entry(tier).or_default().append(&mut of_tier);
            }
        }
        let chosen: usize = expected_tiers.values().map(BTreeSet::len).sum();
        let in_list: usize = tiers.values().map(BTreeSet::len).sum();
        prop_assert_eq!(in_list, chosen.min(most_hosts(&question)));
        for (tier, of_tier) in &tiers {
            prop_assert!(of_tier.is_subset(&expected_tiers[tier]));
        }
        for tier in &explanation.tiers {
            let total: f64 = tier.hosts.iter().map(|host| host.first_probability).sum();
            if tiers[&tier.tier] == expected_tiers[&tier.tier] {
                prop_assert!((total - 1.0).abs() < 1e-9, "{:?}", tier);
            } else if tier.tier == Tier::Netblock {
                // Those cut off may have shorter prefixes, which are never first.
                prop_assert!(total < 1.0 + 1e-9, "{:?}", tier);
            } else {
                prop_assert!(total < 1.0 - 1e-9, "{:?}", tier);
            }
        }
        let carriers = (0..hosts.len()).filter(|host| hosts[*host].is_carrier());
        let is_among = |tiers: &HostsByTier, host| tiers.values().any(|tier| tier.contains(&host));
        let unlisted = carriers.filter(|host| !is_among(&tiers, *host));
        let expected: BTreeMap<usize, Vec<Reason>> = unlisted
            .map(|host| match is_among(&expected_tiers, host) {
                true => (host, vec![Reason::Maximum]),
                false => (host, expected_reasons(&snapshot, &hosts, &question, host)),
            })
            .collect();
        let reasons = explanation.not_listed.into_iter().map(|host| (usize::try_from(host.host_id).unwrap(), host.reasons));
        prop_assert_eq!(reasons.collect::<BTreeMap<_, _>>(), expected);
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
        settings: &ChoiceSettings::STANDARD,
        now: 0,
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
