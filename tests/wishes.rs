//! What clients wish for, held against docs/requests.md: hosts that a family of addresses reaches (`ip_version=`, `prefer_family`) in
//! random worlds, and requests made to be expensive or to break an answer. Excluded countries and `maximum` are in `selection.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

#[path = "fuzz_targets/answers.rs"]
#[allow(dead_code, reason = "fuzz targets use the rest")]
mod answers;
mod fixture;
mod random_world;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use answers::assert_readable;
use mirrorlist_server::health::HealthFile;
use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::explain::reason::Reason;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::settings::ChoiceSettings;
use mirrorlist_server::snapshot::Snapshot;
use proptest::prelude::*;
use random_world::families::{Reach, Said, snapshot_of, world};
use random_world::{
    Host, PROTOCOLS, Question, Tiers, host_and_protocol, plain_host, query, question_with_wishes, request,
    tiers_without, urls,
};

/// What depends on the request, too.
trait ReachOfRequest {
    fn listable(&self, host: usize, question: &Question) -> Vec<&'static str>;
    fn is_excluded(&self, host: usize, question: &Question) -> bool;
    fn listed(&self, host: usize, question: &Question) -> Vec<&'static str>;
}

impl ReachOfRequest for Reach<'_> {
    /// The protocols of a host that the answer can list, before it takes the first few.
    fn listable(&self, host: usize, question: &Question) -> Vec<&'static str> {
        let by = |protocol: &&'static str| {
            let only = Host {
                protocols: vec![*protocol],
                ..self.hosts[host].clone()
            };
            self.hosts[host].protocols.contains(protocol) && !urls(&only, question).is_empty()
        };
        PROTOCOLS.into_iter().filter(by).collect()
    }

    fn is_excluded(&self, host: usize, question: &Question) -> bool {
        let listable = self.listable(host, question);
        !listable.is_empty() && !listable.iter().any(|protocol| self.reaches(host, protocol))
    }

    /// What the answer lists of a host, from the reachable URLs if there are any.
    fn listed(&self, host: usize, question: &Question) -> Vec<&'static str> {
        let mut row = self.hosts[host].clone();
        let listable = self.listable(host, question);
        if listable.iter().any(|protocol| self.reaches(host, protocol)) {
            row.protocols.retain(|protocol| self.reaches(host, protocol));
        }
        urls(&row, question)
    }
}

/// Which of its wishes an answer follows: the excluded countries, the family.
type Followed = (bool, bool);

/// The first of the answers, from all wishes to none, that lists something.
fn expected(snapshot: &Snapshot, reach: &Reach<'_>, question: &Question) -> (Tiers, Followed, bool) {
    let excluded: Vec<String> = question
        .countries
        .iter()
        .flatten()
        .filter_map(|entry| entry.strip_prefix('!'))
        .map(|c| c.trim().to_uppercase())
        .collect();
    let mut tiers = Tiers::new();
    for followed in [(true, true), (true, false), (false, true), (false, false)] {
        let by_country = |host: usize| excluded.iter().any(|country| country == reach.hosts[host].country);
        let is_excluded =
            |host: usize| followed.0 && by_country(host) || followed.1 && reach.is_excluded(host, question);
        (tiers, _) = tiers_without(snapshot, reach.hosts, question, &is_excluded);
        for (_, tier) in &mut tiers {
            tier.retain(|host| !urls(&reach.hosts[*host], question).is_empty());
        }
        tiers.retain(|(_, tier)| !tier.is_empty());
        if !tiers.is_empty() {
            return (tiers, followed, true);
        }
    }
    (tiers, (false, false), false)
}

/// The status, the text, and the URLs as (host, protocol), in order.
fn ask(snapshot: &Snapshot, question: &Question, further: &str) -> (u16, String, Vec<(usize, String)>) {
    let query = format!("{}{further}", query(question));
    let query = MirrorQuery::parse(&query);
    let answer = answer(
        snapshot,
        &request(question, &query),
        "",
        &mut Answerer::seeded(question.seed),
    );
    assert_readable(&answer);
    let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
    let words = body
        .split(['\n', '>', '<'])
        .filter(|word| word.contains("://") && !word.contains(' '));
    let urls = words.map(host_and_protocol).collect();
    (answer.status, body, urls)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_family_gets_the_hosts_that_it_reaches((hosts, files) in world(), question in question_with_wishes(), ipv6 in any::<bool>()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let mut question = question;
        question.settings.maximum = None;
        let snapshot = snapshot_of(&hosts, &files, "");
        let (family, further) = if ipv6 { ("ipv6", "&ip_version=6") } else { ("ipv4", "&ip_version=%34") };
        let reach = Reach { hosts: &hosts, files: &files, family };
        let (status, body, found) = ask(&snapshot, &question, further);
        let (mut tiers, (countries, by_family), lists_any) = expected(&snapshot, &reach, &question);
        let listed = |host: usize| match by_family {
            true => reach.listed(host, &question),
            false => urls(&hosts[host], &question),
        };
        let text = format!("{}{further}", query(&question));
        let parsed = MirrorQuery::parse(&text);
        let explanation = explain(&snapshot, &request(&question, &parsed), question.seed);
        for host in &explanation.not_listed {
            let id = usize::try_from(host.host_id).unwrap();
            let by_reason = host.reasons.contains(&Reason::IpVersion);
            prop_assert_eq!(by_reason, by_family && lists_any && reach.is_excluded(id, &question), "{}: {:?}", id, host.reasons);
        }
        if question.is_redirect() {
            prop_assert_eq!(status, if lists_any { 302 } else { 404 });
            for (host, protocol) in &found {
                prop_assert!(tiers[0].1.contains(host));
                prop_assert_eq!(listed(*host), [protocol]);
            }
            return Ok(());
        }
        let words = match (lists_any, countries, by_family) {
            (true, false, true) => " Ignoring excluded countries",
            (true, true, false) => " Ignoring ip_version",
            (true, false, false) => " Ignoring excluded countries and ip_version",
            _ => "",
        };
        let comment = match question.endpoint {
            Endpoint::Mirrorlist => body.lines().next(),
            Endpoint::Metalink => body.lines().find(|line| line.contains("<!--")),
        };
        let comment = comment.unwrap_or_default().trim_end_matches(" -->");
        prop_assert!(comment.ends_with(words) && comment.contains("Ignoring") != words.is_empty(), "{:?}: {}", words, comment);
        let mut rest = found.as_slice();
        for (_, tier) in &mut tiers {
            while !tier.is_empty() {
                let host = rest.first().map(|(host, _)| *host);
                prop_assert!(host.is_some_and(|host| tier.remove(&host)), "{:?} left of {:?}", tier, found);
                for protocol in listed(host.unwrap()) {
                    prop_assert_eq!(rest.first(), Some(&(host.unwrap(), protocol.to_owned())));
                    rest = &rest[1..];
                }
            }
        }
        prop_assert!(rest.is_empty(), "{:?}", rest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn ipv6_clients_get_first_what_ipv6_reaches_and_others_nothing_new((hosts, files) in world(), question in question_with_wishes()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let snapshot = snapshot_of(&hosts, &files, "");
        let plain = Question { redirect: false, ..question };
        let mut whole = plain.clone();
        whole.settings.maximum = None;
        let mut preferring = plain.clone();
        preferring.settings.prefer_family = true;
        let (_, _, all) = ask(&snapshot, &whole, "");
        let reach = Reach { hosts: &hosts, files: &files, family: "ipv6" };
        let is_first = |host: usize| !reach.is_excluded(host, &plain);
        let (mut order, behind): (Vec<_>, Vec<_>) = match plain.address.contains(':') {
            true => all.into_iter().partition(|(host, _)| is_first(*host)),
            false => (all, Vec::new()),
        };
        order.extend(behind);
        let mut most = random_world::most_hosts(&plain);
        let mut seen = BTreeSet::new();
        order.retain(|(host, _)| {
            let is_new = !seen.contains(host);
            if is_new && most > 0 {
                most -= 1;
                seen.insert(*host);
            }
            seen.contains(host)
        });
        let (_, _, found) = ask(&snapshot, &preferring, "");
        prop_assert_eq!(&found, &order);
        let text = query(&preferring);
        let parsed = MirrorQuery::parse(&text);
        let explanation = explain(&snapshot, &request(&preferring, &parsed), preferring.seed);
        for tier in &explanation.tiers {
            for host in &tier.hosts {
                let id = usize::try_from(host.summary.host_id).unwrap();
                prop_assert_eq!(tier.without_ipv6, plain.address.contains(':') && !is_first(id));
            }
        }
        let urls = explanation.tiers.iter().flat_map(|tier| &tier.hosts).flat_map(|host| &host.urls);
        prop_assert_eq!(urls.map(|url| host_and_protocol(url)).collect::<Vec<_>>(), order);
    }
}

fn plain_question(address: &'static str) -> Question {
    Question {
        address,
        countries: None,
        protocols: None,
        netblock: true,
        redirect: false,
        settings: ChoiceSettings::STANDARD,
        endpoint: Endpoint::Mirrorlist,
        seed: 1,
    }
}

fn hosts_of(answer: &(u16, String, Vec<(usize, String)>)) -> Vec<usize> {
    answer.2.iter().map(|(host, _)| *host).collect()
}

#[test]
fn a_dead_host_is_beyond_the_reach_of_both_families_and_comes_last_without_them() {
    let hosts = ["DE", "DE", "DE"].map(|country| plain_host(country, &["http"]));
    let ipv4 = Some(vec!["ipv4"]);
    let snapshot = snapshot_of(
        &hosts,
        &[vec![[None, Some(Vec::new())], [None, ipv4], [None, None]]],
        "",
    );
    let question = plain_question("2001:db8::1");
    let ask_with = |settings: ChoiceSettings, further: &str| {
        let question = Question {
            settings,
            ..question.clone()
        };
        hosts_of(&ask(&snapshot, &question, further))
    };
    let by_family = ask_with(ChoiceSettings::STANDARD, "&ip_version=6");
    assert_eq!(by_family, [2]);
    let mut by_ipv4 = ask_with(ChoiceSettings::STANDARD, "&ip_version=4");
    by_ipv4.sort_unstable();
    assert_eq!(by_ipv4, [1, 2]);
    let prefer = ChoiceSettings {
        prefer_family: true,
        ..ChoiceSettings::STANDARD
    };
    assert_eq!(ask_with(prefer.clone(), ""), [2, 1, 0]);
    // The family that the request names counts, not the one of its address.
    assert_eq!(ask_with(prefer.clone(), "&ip_version=4").len(), 2);
    let at_most_two = ChoiceSettings {
        maximum: NonZeroUsize::new(2),
        ..prefer
    };
    assert_eq!(ask_with(at_most_two, ""), [2, 1]);
}

#[test]
fn an_unknown_family_is_ignored_and_of_several_the_last_counts() {
    let hosts = ["DE", "DE"].map(|country| plain_host(country, &["http"]));
    let families = |family| [None, Some(vec![family])];
    let snapshot = snapshot_of(&hosts, &[vec![families("ipv4"), families("ipv6")]], "");
    let question = plain_question("192.0.2.1");
    for (further, expected) in [
        ("&ip_version=6", 1),
        ("&ip_version=%206%20", 1),
        ("&ip_version=4&ip_version=6", 1),
        ("&ip_version=6&ip_version=5", 2),
        ("&ip_version=6&ip_version=", 2),
        ("&ip_version=06", 2),
        ("&ip_version=%00", 2),
        ("&ip_version", 2),
        ("&IP_VERSION=6", 2),
    ] {
        assert_eq!(
            hosts_of(&ask(&snapshot, &question, further)).len(),
            expected,
            "{further}"
        );
    }
}

#[test]
fn a_probe_without_ipv6_says_nothing_of_it() {
    let ipv4_only = |hosts: usize| {
        let rows: Vec<Host> = (0..=hosts).map(|_| plain_host("DE", &["http"])).collect();
        let mut said: Said = vec![[None, Some(vec!["ipv4"])]; hosts];
        // One that no probe has tried.
        said.push([None, None]);
        let snapshot = snapshot_of(&rows, &[said], "");
        hosts_of(&ask(&snapshot, &plain_question("192.0.2.1"), "&ip_version=6")).len()
    };
    assert_eq!([ipv4_only(4), ipv4_only(5)], [1, 6]);
}

/// A worker answers no other client in this time. A debug build needs a tenth of it.
const LONGEST: Duration = Duration::from_millis(500);

#[test]
fn lists_that_are_made_to_be_expensive_are_answered_at_once() {
    let snapshot = fixture::snapshot();
    let codes = |prefix: &str| {
        let letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let codes = letters
            .chars()
            .flat_map(|a| letters.chars().map(move |b| format!("{prefix}{a}{b}")));
        codes.collect::<Vec<_>>().join(",")
    };
    let values = [
        vec!["!xx"; 8_000].join(","),
        vec!["!"; 30_000].join(""),
        vec!["%21de"; 8_000].join(","),
        vec!["!\u{0}!"; 8_000].join(",%0a"),
        format!("{},{}", codes(""), codes("!")),
        codes("!"),
        vec!["!de&country=!us,fr"; 4_000].join("&country="),
    ];
    for value in values {
        for (endpoint, target) in [
            (Endpoint::Mirrorlist, "repo=linux-1&arch=x86_64"),
            (Endpoint::Mirrorlist, "repo=linux-1&arch=x86_64&redirect=1"),
            (Endpoint::Metalink, "repo=linux-1&arch=x86_64"),
        ] {
            let text = format!("{target}&ip_version=6&country={value}&protocol=https");
            let query = MirrorQuery::parse(&text);
            let request = MirrorRequest {
                endpoint,
                address: "192.0.2.200".parse().unwrap(),
                query: &query,
                settings: &ChoiceSettings::STANDARD,
                now: 0,
            };
            let started = Instant::now();
            let answer = answer(&snapshot, &request, "", &mut Answerer::seeded(1));
            assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
            assert_readable(&answer);
            let body = std::str::from_utf8(&answer.body.start).unwrap();
            assert!(body.lines().all(|line| line.len() < 4_000));
            assert!(body.contains("://"), "{body}");
        }
    }
}

#[test]
fn the_example_of_a_health_file_is_one_and_knows_the_demonstration() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mirror_health.example.json");
    let file = HealthFile::read(&*std::fs::read(path).unwrap()).unwrap();
    let snapshot = mirrorlist_server::demo::snapshot().unwrap();
    let catalogue = snapshot.catalogue();
    let carriers = catalogue.hosts().flat_map(|(host, _)| catalogue.carriers_of(host));
    let known: BTreeSet<&str> = carriers
        .flat_map(|(_, carrier)| catalogue.urls(carrier))
        .map(|url| catalogue.base_url(url))
        .collect();
    for url in &file.urls {
        assert!(known.contains(&*url.url), "{}", url.url);
    }
}
