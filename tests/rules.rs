//! Rules of operators: answers in random worlds, to requests with wishes of all kinds, held against an oracle that was written from
//! docs/rules.md; mistakes in the file; ends; what operators see of rules; and a running server whose file of rules changes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod random_world;
mod support;

#[path = "rules/oracle.rs"]
mod oracle;
#[path = "rules/spec.rs"]
mod spec;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use mirrorlist_server::admin::explain::explain_text;
use mirrorlist_server::demo;
use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::explain::reason::Reason;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, Tier, answer};
use mirrorlist_server::rules::RulesFile;
use mirrorlist_server::settings::{AsOrder, ChoiceSettings};
use mirrorlist_server::snapshot::{Loaded, Snapshot};
use oracle::{Expected, Oracle};
use proptest::prelude::*;
use proptest::sample::select;
use random_world::families::{Reach, snapshot_of, world};
use random_world::{DIRECTORY, Host, Question, host_and_protocol, query, question, question_with_wishes};
use serde_json::{Value, json};
use spec::{NOW, rules};
use support::data::DataFiles;
use support::server::Server;

/// Questions, half of them with wishes and settings of all kinds, and the family that they ask for.
fn questions() -> impl Strategy<Value = (Question, Option<&'static str>)> {
    let wishes = (question_with_wishes(), any::<bool>()).prop_map(|(mut question, prefer_family)| {
        question.settings.prefer_family = prefer_family;
        question
    });
    let families = select(&[None, Some("ipv4"), Some("ipv6")][..]);
    prop_oneof![question().prop_map(|question| (question, None)), (wishes, families),]
}

fn asked(question: &Question, family: Option<&str>) -> String {
    let version = family.map(|family| format!("&ip_version={}", family.trim_start_matches("ipv")));
    query(question) + &version.unwrap_or_default()
}

/// The status of an answer, its text, and its URLs as (host, protocol), in order.
fn ask(snapshot: &Snapshot, question: &Question, family: Option<&str>) -> (u16, String, Vec<(usize, String)>) {
    let query = asked(question, family);
    let query = MirrorQuery::parse(&query);
    let answer = answer(
        snapshot,
        &request(question, &query),
        "",
        &mut Answerer::seeded(question.seed),
    );
    let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
    let words = body
        .split(['\n', '>', '<'])
        .filter(|word| word.contains("://") && !word.contains(' '));
    let urls = words.map(host_and_protocol).collect();
    (answer.status, body, urls)
}

fn request<'a>(question: &'a Question, query: &'a MirrorQuery<'a>) -> MirrorRequest<'a> {
    MirrorRequest {
        now: NOW,
        ..random_world::request(question, query)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn an_answer_by_rules_is_what_the_document_says(
        (hosts, files) in world(),
        rules in rules(),
        (question, family) in questions(),
    ) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let text = rules.text();
        let snapshot = snapshot_of(&hosts, &files, &text);
        let (status, body, found) = ask(&snapshot, &question, family);
        let reach = |family| Reach { hosts: &hosts, files: &files, family };
        let oracle = Oracle {
            snapshot: &snapshot,
            hosts: &hosts,
            rules: &rules,
            question: &question,
            asked_family: family.map(reach),
            ipv6: Some(reach("ipv6")),
        };
        let (groups, maximum, urls, ignoring) = match oracle.expected() {
            Expected::Refused => {
                prop_assert_eq!(status, 404);
                prop_assert!(found.is_empty(), "{:?}", found);
                return Ok(());
            }
            Expected::Listed { groups, maximum, urls, ignoring } => (groups, maximum, urls, ignoring),
        };
        if question.is_redirect() {
            prop_assert_eq!(status, if groups.is_empty() { 404 } else { 302 });
            prop_assert_eq!(found.len(), usize::from(!groups.is_empty()));
            for (host, protocol) in &found {
                prop_assert!(groups[0].contains(host), "{} is not of {:?}, by {}", host, groups, text);
                prop_assert_eq!(&urls[*host], &[&**protocol]);
            }
            return Ok(());
        }
        prop_assert_eq!(status, 200);
        let ignored = body.find("Ignoring").map_or("", |start| body[start..].split(['\n', '-']).next().unwrap().trim_end());
        prop_assert_eq!(ignored, ignoring, "{}", body);
        let (mut rest, mut left) = (found.as_slice(), maximum);
        for mut group in groups {
            while !group.is_empty() && left > 0 {
                let host = rest.first().map(|(host, _)| *host);
                prop_assert!(host.is_some_and(|h| group.remove(&h)), "{:?} is not of the group that has {:?} left in {:?} by {}", host, group, found, text);
                left -= 1;
                for protocol in &urls[host.unwrap()] {
                    prop_assert_eq!(rest.first(), Some(&(host.unwrap(), (*protocol).to_owned())));
                    rest = &rest[1..];
                }
            }
        }
        prop_assert!(rest.is_empty(), "beyond the groups: {:?} by {}", rest, text);
    }

    #[test]
    fn an_explanation_lists_the_same_hosts_and_gives_a_reason_for_each_other(
        (hosts, files) in world(),
        rules in rules(),
        (question, family) in questions(),
    ) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let snapshot = snapshot_of(&hosts, &files, &rules.text());
        let (status, _, found) = ask(&snapshot, &question, family);
        let query = asked(&question, family);
        let query = MirrorQuery::parse(&query);
        let explanation = explain(&snapshot, &request(&question, &query), question.seed);
        let listed = explanation.tiers.iter().flat_map(|tier| &tier.hosts);
        let urls: Vec<_> = listed.clone().flat_map(|host| &host.urls).map(|url| host_and_protocol(url)).collect();
        if let Some(refused) = &explanation.refused {
            prop_assert_eq!(refused.status, status);
            return Ok(());
        }
        match question.is_redirect() {
            true => prop_assert_eq!(&urls[..1], &found),
            false => prop_assert_eq!(&urls, &found),
        }
        let carriers = hosts.iter().filter(|host| host.is_carrier()).count();
        prop_assert_eq!(listed.count() + explanation.not_listed.len(), carriers);
        let cuts_off = explanation.not_listed.iter().any(|host| host.reasons.contains(&Reason::Maximum));
        for tier in &explanation.tiers {
            let total: f64 = tier.hosts.iter().map(|host| host.first_probability).sum();
            // Hosts that the maximum cut off in this draw have the rest.
            let is_whole = (total - 1.0).abs() < 1e-9;
            prop_assert!(is_whole || total > 0.0 && total < 1.0 && cuts_off, "{:?}", tier);
        }
    }
}

#[test]
fn a_mistake_is_told_with_its_line_and_column_and_what_to_write() {
    const CLIENT: &str = "[[clients]]\nname = \"a\"\nnetworks = [\"192.0.2.0/24\"]\nonly = [1]\n";
    for (text, expected) in [
        ("[[clients]\n", "line 1, column 11: "),
        ("[[client]]\nname = \"a\"\n", "line 1, column 3: unknown field `client`"),
        (
            "[[clients]]\nnetworks = [\"192.0.2.0/24\"]\nonly = [1]\n",
            "line 1, column 1: missing field `name`",
        ),
        (
            "[[clients]]\nname = \"\"\n",
            "line 2, column 8: \"\": expected a name of 1 to 100 characters",
        ),
        ("[[clients]]\nname = 7\n", "line 2, column 8: 7: expected a name"),
        (
            "[[clients]]\nname = \"a\"\nonly = [1]\n",
            "line 1, column 1: rule \"a\": it names no clients; add networks, as or countries",
        ),
        (
            "[[clients]]\nname = \"a\"\nnetworks = [\"::/0\"]\n",
            "line 1, column 1: rule \"a\": it changes nothing; add only",
        ),
        (
            "[[clients]]\nname = \"a\"\nnetworks = [\"::/0\"]\nmaximum = 1\notherwise = \"none\"\n",
            "otherwise needs only, never or protocols",
        ),
        (
            "# 192.0.2.0/24\n[[clients]]\nname = \"\u{e4}\"\nnetworks = [ \"10.0.0.0/8\", \"10.0.0.0/33\" ]\n",
            "line 4, column 28: \"10.0.0.0/33\": the prefix length is larger than 32",
        ),
        (
            "[[clients]]\nname = \"a\"\nas = [0]\n",
            "line 3, column 7: 0: expected an AS number from 1 to 4294967295",
        ),
        (
            "[[clients]]\nname = \"a\"\nas = [\"ASX\"]\n",
            "line 3, column 7: \"ASX\": expected an AS number",
        ),
        (
            "[[clients]]\nname = \"a\"\nas = [4294967296]\n",
            "line 3, column 7: 4294967296: expected an AS number",
        ),
        (
            "[[clients]]\nname = \"a\"\ncountries = [\"DE\", \"Germany\"]\n",
            "line 3, column 20: \"Germany\": expected the code of a country",
        ),
        (
            "[[clients]]\nname = \"a\"\ncountries = []\n",
            "line 3, column 13: the list is empty",
        ),
        (
            "[[clients]]\nname = \"a\"\nnetworks = \"192.0.2.0/24\"\n",
            "line 3, column 12: invalid type: string \"192.0.2.0/24\", expected a list in brackets, like [",
        ),
        (
            "\n[clients]\nname = \"a\"\n",
            "line 2, column 1: invalid type: map, expected rules with two brackets on each side, like [[clients]]",
        ),
        (
            "[[mirrors]]\nname = \"a\"\nhost = 1\nnever_for = [\"DE\"]\n",
            "line 4, column 13: invalid type: sequence, expected a table with networks, as or countries, like { countries",
        ),
        (
            "[[clients]]\nname = \"a\"\nonly = [\"https://mirror.example/pub\"]\n",
            "line 3, column 9: \"https://mirror.example/pub\": expected a host name without scheme",
        ),
        (
            "[[clients]]\nname = \"a\"\nprotocols = [\"https\", \"gopher\"]\n",
            "line 3, column 23: \"gopher\": expected one of \"https\"",
        ),
        (
            "[[clients]]\nname = \"a\"\nminimum = -1\n",
            "line 3, column 11: -1: expected a number of hosts, 0 or more",
        ),
        (
            "[[clients]]\nname = \"a\"\nmaximum = 0\n",
            "line 3, column 11: 0: expected a number of hosts, at least 1",
        ),
        (
            "[[clients]]\nname = \"a\"\notherwise = \"some\"\n",
            "line 3, column 13: unknown variant `some`, expected `all` or `none`",
        ),
        (
            "[[clients]]\nname = \"a\"\nrepositories = [\"epel-[\"]\n",
            "line 3, column 17: \"epel-[\": ",
        ),
        ("[[clients]]\nname = \"a\"\nuntil = 2026-02-30\n", "line 3, column 9"),
        (
            "[[clients]]\nname = \"a\"\nuntil = 2026-02-03T04:05:06\n",
            "line 3, column 9: until = 2026-02-03T04:05:06: expected a date like",
        ),
        (
            "[[clients]]\nname = \"a\"\nuntil = \"tomorrow\"\n",
            "line 3, column 9: until = \"tomorrow\": expected a date like",
        ),
        (
            "[[mirrors]]\nname = \"a\"\nout = true\n",
            "line 1, column 1: missing field `host`",
        ),
        (
            "[[mirrors]]\nname = \"a\"\nhost = 1\nout = false\n",
            "line 1, column 1: rule \"a\": it changes nothing; add countries",
        ),
        (
            "[[mirrors]]\nname = \"a\"\nhost = 1\nweight = 0\n",
            "line 4, column 10: 0: expected a weight from 1 to 1000000",
        ),
        (
            "[[mirrors]]\nname = \"a\"\nhost = 1\nnever_for = {}\n",
            "rule \"a\": never_for names no clients",
        ),
        (
            "[[mirrors]]\nname = \"a\"\nhost = 1\nnever_for = { network = [] }\n",
            "line 4, column 15: unknown field `network`",
        ),
        (
            "[[repositories]]\nname = \"a\"\nhttps_at_least = 1\n",
            "missing field `match`",
        ),
        (
            "[[repositories]]\nname = \"a\"\nmatch = \"*\"\n",
            "line 1, column 1: rule \"a\": it changes nothing; add https_at_least",
        ),
        (
            "[[repositories]]\nname = \"a\"\nmatch = \"\"\nminimum = 1\n",
            "line 3, column 9: \"\": expected a pattern",
        ),
        (
            &format!("{CLIENT}[[mirrors]]\nname = \"a\"\nhost = 1\nout = true\n"),
            "line 5, column 1: the rule in line 1 has the name \"a\", too",
        ),
        (&format!("{CLIENT}only = [2]\n"), "line 5, column 1: duplicate key"),
    ] {
        let error = RulesFile::read(text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n{error}");
        assert!(!error.contains('\n'), "{error:?}");
    }
    // A message does not repeat a file.
    let long = format!("[[clients]]\nname = {:?}\n", "\u{1}a".repeat(100_000));
    assert!(RulesFile::read(&long).unwrap_err().to_string().len() < 5_000);
}

/// Answers of a small world by some rules, whose hosts are those of `fixture`.
fn listed(snapshot: &Snapshot, request: &str, now: u64) -> String {
    let query = MirrorQuery::parse(request);
    let request = MirrorRequest {
        endpoint: Endpoint::Mirrorlist,
        address: query.ip.as_deref().unwrap().parse().unwrap(),
        query: &query,
        settings: &ChoiceSettings::STANDARD,
        now,
    };
    let answer = answer(snapshot, &request, "", &mut Answerer::seeded(1));
    String::from_utf8(answer.body.start.to_vec()).unwrap()
}

/// The demonstration's data with rules.
fn demo(rules: &str) -> Snapshot {
    demo::snapshot_with_rules(Loaded::built_in("test", RulesFile::read(rules).unwrap())).unwrap()
}

const BOSTON: &str = "https://mirror.boston.example/";
const TOKYO: &str = "https://mirror.tokyo.example/";

#[test]
fn a_rule_ends_at_its_second_and_not_at_the_next_reload() {
    let end = 4_102_444_800;
    let snapshot = demo(
        "[[clients]]\nname = \"a\"\nuntil = 2100-01-01T01:00:00+01:00\nnetworks = [\"192.0.2.0/24\"]\nonly = [\"MIRROR.tokyo.example\"]\n\
         [[mirrors]]\nname = \"b\"\nuntil = 2099-12-31\nhost = 5\nout = true\n\
         [[mirrors]]\nname = \"c\"\nuntil = 2100-01-01T00:00:01Z\nhost = \"6\"\ncountries = [\"DE\"]\n\
         [[repositories]]\nname = \"d\"\nuntil = \"2100-01-01T00:00:00Z\"\nmatch = \"example-2\"\nmaximum = 1\n",
    );
    let client = "repo=example-1&arch=x86_64&ip=192.0.2.1";
    let america = "repo=example-1&arch=x86_64&ip=198.51.100.200&country=us";
    let germany = "repo=example-1&arch=x86_64&ip=192.0.2.1&country=de";
    let limited = "repo=example-2&arch=x86_64&ip=198.51.100.200";
    let lines = |request, now| listed(&snapshot, request, now).lines().count() - 1;
    for _ in 0..2 {
        assert_eq!((lines(client, end - 1), lines(limited, end - 1)), (1, 1));
        assert!(listed(&snapshot, client, end - 1).contains(TOKYO));
        assert!(lines(client, end) > 1 && lines(limited, end) > 1);
        assert!(!listed(&snapshot, america, end - 1).contains(BOSTON));
        assert!(listed(&snapshot, america, end).contains(BOSTON));
        assert!(
            listed(&snapshot, germany, end - 1).contains(TOKYO),
            "the rule about the client counts"
        );
        let denver = "denver";
        assert!(listed(&snapshot, germany, end).contains(denver));
        assert!(!listed(&snapshot, germany, end + 1).contains(denver));
    }
}

#[test]
fn a_weight_counts_in_the_as_tier_by_bandwidth_in_sticky_redirects_and_in_explanations() {
    let host = |bandwidth| Host {
        country: "JP",
        private: false,
        protocols: vec!["https"],
        bandwidth,
        allowed: Vec::new(),
        netblocks: Vec::new(),
        asn: Some(64496),
        carries: true,
    };
    let rules = "[[mirrors]]\nname = \"slow\"\nhost = 0\nweight = 1\n\
                 [[mirrors]]\nname = \"fast\"\nhost = 1\nweight = 1000000\n";
    let snapshot = snapshot_of(&[host(1_000_000), host(1)], &[], rules);
    let settings = ChoiceSettings {
        as_order: AsOrder::Bandwidth,
        sticky_redirects: true,
        ..ChoiceSettings::STANDARD
    };
    let ask = |parameters: &str, address: String, seed| {
        let text = format!("path={DIRECTORY}{parameters}");
        let query = MirrorQuery::parse(&text);
        let request = MirrorRequest {
            endpoint: Endpoint::Mirrorlist,
            address: address.parse().unwrap(),
            query: &query,
            settings: &settings,
            now: NOW,
        };
        let answer = answer(&snapshot, &request, "", &mut Answerer::seeded(seed));
        let explanation = explain(&snapshot, &request, seed);
        let first = &explanation.tiers[0].hosts[0];
        let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
        let url = body.lines().find(|line| !line.starts_with('#')).unwrap();
        (
            host_and_protocol(url).0,
            explanation.tiers[0].tier,
            first.first_probability,
        )
    };
    for number in 0..200 {
        let in_as = ask("", "192.0.2.1".to_owned(), number);
        assert_eq!((in_as.0, in_as.1), (1, Tier::AutonomousSystem));
        assert!(in_as.2 > 0.999 && in_as.2 < 1.0);
        let redirected = ask("&redirect=1&country=jp", format!("100.64.{number}.1"), 1);
        assert_eq!((redirected.0, redirected.1), (1, Tier::Country));
    }
}

#[test]
fn a_wish_is_given_up_before_a_rule_and_a_rule_sees_the_wish_again_when_it_leaves_no_mirror() {
    let only = |host: &str, otherwise: &str| {
        demo(&format!(
            "[[clients]]\nname = \"a\"\nnetworks = [\"192.0.2.0/24\"]\nonly = [\"{host}\"]\notherwise = \"{otherwise}\"\n"
        ))
    };
    let request = "repo=example-1&arch=x86_64&ip=192.0.2.1&country=!jp,!de";
    // The rule's host is in a country that the request excludes: the rule counts.
    for otherwise in ["all", "none"] {
        let text = listed(&only("mirror.tokyo.example", otherwise), request, 1);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.contains(TOKYO) && text.contains(" Ignoring excluded countries\n"),
            "{text}"
        );
    }
    // It has none: the answer is as without the rule, with the wish.
    let text = listed(&only("no.example", "all"), request, 1);
    assert!(
        !text.contains("Ignoring") && !text.contains(TOKYO) && text.contains(BOSTON),
        "{text}"
    );
}

#[test]
fn of_two_rules_the_more_specific_network_counts_then_the_as_the_country_and_the_file() {
    let rule = |name: &str, clients: &str, host: &str| {
        format!("[[clients]]\nname = \"{name}\"\n{clients}\nonly = [\"{host}\"]\n")
    };
    let by_country = rule("country", "countries = [\"us\"]", "mirror.paris.example");
    let by_as = rule("as", "as = [\"as64496\"]", "mirror.tokyo.example");
    let wide = rule("wide", "networks = [\"198.51.100.0/24\"]", "mirror.berlin.example");
    let narrow = rule(
        "narrow",
        "networks = [\"203.0.113.1\", \"198.51.100.0/30\"]",
        "mirror.denver.example",
    );
    let second = rule("second", "networks = [\"198.51.100.0/30\"]", "mirror.perth.example");
    let everywhere = rule("everywhere", "networks = [\"0.0.0.0/0\"]", "mirror.boston.example");
    for (rules, address, host) in [
        (
            vec![&by_country, &by_as, &wide, &narrow, &second],
            "198.51.100.1",
            "denver",
        ),
        (vec![&second, &by_country, &narrow, &wide], "198.51.100.1", "perth"),
        (vec![&by_country, &by_as, &narrow, &wide], "198.51.100.9", "berlin"),
        (vec![&by_country, &by_as, &narrow], "198.51.100.9", "tokyo"),
        (vec![&by_as, &by_country, &narrow], "198.51.100.200", "paris"),
        (vec![&by_as, &everywhere], "::ffff:198.51.100.9", "boston"),
    ] {
        let text: String = rules.into_iter().map(String::as_str).collect();
        let answer = listed(&demo(&text), &format!("repo=example-1&arch=x86_64&ip={address}"), NOW);
        let urls: Vec<&str> = answer.lines().skip(1).collect();
        assert!(
            urls.len() == 1 && urls[0].contains(host),
            "{address}: {urls:?} by\n{text}"
        );
    }
}

#[test]
fn many_rules_for_one_client_that_have_ended_or_name_unknown_hosts_are_passed_over_quickly() {
    for (keys, effect) in [
        ("until = 2001-01-01\nmaximum = 1", "ended: 0"),
        ("only = [\"no.example\"]", "otherwise: 0"),
    ] {
        let rule = |number| format!("[[clients]]\nname = \"{number}\"\nnetworks = [\"192.0.2.0/24\"]\n{keys}\n");
        let text: String = (0..20_000).map(rule).collect();
        let last = "[[clients]]\nname = \"last\"\nnetworks = [\"192.0.2.0/24\"]\nonly = [7]\n";
        let snapshot = demo(&(text + last));
        let request = "repo=example-1&arch=x86_64&ip=192.0.2.1";
        let start = Instant::now();
        let answer = listed(&snapshot, request, NOW);
        // If each rule were compared with all before, a debug build would take more than a second.
        assert!(
            start.elapsed() < Duration::from_millis(500),
            "{:?} with {keys}",
            start.elapsed()
        );
        assert!(answer.contains(TOKYO) && answer.lines().count() == 2, "{answer}");
        let explanation = explain_text(&snapshot, request, &ChoiceSettings::STANDARD).unwrap();
        assert!(
            explanation.contains(effect) && explanation.contains("only: last"),
            "{keys}"
        );
    }
}

#[test]
fn a_pattern_matches_prefixes_and_paths_whichever_way_is_asked() {
    let rules = |pattern: &str| {
        demo(&format!(
            "[[clients]]\nname = \"a\"\nnetworks = [\"192.0.2.0/24\"]\nrepositories = [\"no-such\", \"{pattern}\"]\nonly = [7]\n"
        ))
    };
    for (pattern, request, counts) in [
        ("example-1", "repo=example-1&arch=x86_64", true),
        ("example-1", "repo=example-1&arch=aarch64", true),
        ("example-1", "repo=example-2&arch=x86_64", false),
        ("example-[12]", "repo=example-2&arch=x86_64", true),
        ("example-?", "repo=example-source-2&arch=source", false),
        ("example-1", "path=pub/example/1/x86_64/os", true),
        ("example-1", "path=/pub//example/1/x86_64/os/repodata/repomd.xml", true),
        ("example-1", "path=pub/example/2/x86_64/os/GPL", false),
        ("/pub/example/1/*/", "repo=example-1&arch=x86_64", true),
        ("pub/*/os", "repo=example-1&arch=x86_64", true),
        ("pub/*/os", "path=pub/example/1/x86_64/os/repodata/repomd.xml", false),
        ("pub/example/1", "repo=example-1&arch=x86_64", false),
        // A redirected prefix counts as the one that answers.
        ("example-rolling", "repo=example-rolling&arch=x86_64", false),
        ("example-2", "repo=example-rolling&arch=x86_64", true),
    ] {
        let answer = listed(&rules(pattern), &format!("{request}&ip=192.0.2.1"), NOW);
        let is_only = answer.lines().skip(1).all(|line| line.contains("tokyo"));
        assert_eq!(is_only, counts, "{pattern} {request}: {answer}");
    }
}

#[test]
fn an_explanation_names_the_rules_and_what_they_did() {
    let snapshot = demo(
        "[[clients]]\nname = \"ci-farm\"\ncomment = \"ticket 1\"\nnetworks = [\"192.0.2.0/24\"]\nprefer = [3]\nnever = [\"mirror.berlin.example\"]\n\
         [[clients]]\nname = \"over\"\nuntil = 2001-01-01\nnetworks = [\"192.0.2.0/25\"]\nmaximum = 1\n\
         [[clients]]\nname = \"nothing\"\nnetworks = [\"203.0.113.0/24\"]\nonly = [4711]\n\
         [[mirrors]]\nname = \"down\"\nhost = 2\nout = true\n\
         [[mirrors]]\nname = \"heavy\"\nhost = 4\nweight = 7\n\
         [[repositories]]\nname = \"short\"\nmatch = \"example-*\"\nmaximum = 3\n",
    );
    let explained = |request: &str| {
        let text = explain_text(&snapshot, request, &ChoiceSettings::STANDARD).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let explanation = explained("repo=example-1&arch=x86_64&ip=192.0.2.1");
    let rule = |name, kind, effects: &[&str]| json!({"name": name, "kind": kind, "effects": effects});
    let mut farm = rule("ci-farm", "clients", &["prefer: ci-farm", "never: ci-farm"]);
    farm["comment"] = json!("ticket 1");
    let expected = json!([
        rule("down", "mirrors", &["out: down"]),
        rule("heavy", "mirrors", &["weight: heavy"]),
        farm,
        rule("over", "clients", &["ended: over"]),
        rule("short", "repositories", &["maximum: short"]),
    ]);
    assert_eq!(explanation["rules"], expected);
    assert_eq!(
        (
            &explanation["tiers"][0]["preferred"],
            &explanation["tiers"][0]["hosts"][0]["host_id"]
        ),
        (&json!(true), &json!(3))
    );
    let reasons = |id: u64| {
        let mut hosts = explanation["not_listed"].as_array().unwrap().iter();
        hosts.find(|host| host["host_id"] == id).unwrap()["reasons"].clone()
    };
    assert_eq!(reasons(1), json!([{"rule": "never: ci-farm"}]));
    assert_eq!(reasons(2), json!([{"rule": "out: down"}]));
    let cut = explanation["not_listed"].as_array().unwrap().iter();
    assert!(
        cut.filter(|host| host["reasons"] == json!(["maximum"])).count() > 0,
        "{explanation}"
    );
    let otherwise = explained("path=pub/example&ip=203.0.113.1");
    let nothing = json!([
        rule("down", "mirrors", &["out: down"]),
        rule("heavy", "mirrors", &["weight: heavy"]),
        rule("nothing", "clients", &["otherwise: nothing"])
    ]);
    assert_eq!(otherwise["rules"], nothing);
    let plain = explain_text(&demo(""), "path=pub/example&ip=203.0.113.1", &ChoiceSettings::STANDARD).unwrap();
    assert!(!plain.contains("rules"), "{plain}");
}

#[test]
fn rules_that_lead_to_a_refusal_are_explained_and_counted_and_so_is_one_that_counts_but_changes_nothing() {
    let snapshot = demo(
        "[[clients]]\nname = \"first\"\nnetworks = [\"192.0.2.1\"]\nprotocols = [\"ftp\"]\nrepositories = [\"example-*\"]\nnever = [2]\n\
         [[clients]]\nname = \"strict\"\nnetworks = [\"192.0.2.0/24\"]\nonly = [4]\notherwise = \"none\"\n\
         [[clients]]\nname = \"few\"\nnetworks = [\"198.51.100.0/24\"]\nmaximum = 2\n\
         [[mirrors]]\nname = \"down\"\nhost = 4\nout = true\n\
         [[repositories]]\nname = \"some\"\nmatch = \"*\"\nmaximum = 3\n",
    );
    for (request, expected) in [
        (
            "repo=example-1&arch=x86_64&ip=192.0.2.1",
            vec![
                ("down", vec!["out: down"]),
                ("first", vec!["otherwise: first"]),
                ("strict", vec!["only: strict", "otherwise: strict"]),
                ("some", vec!["maximum: some"]),
            ],
        ),
        (
            "repo=example-1&arch=x86_64&ip=198.51.100.7",
            vec![
                ("down", vec!["out: down"]),
                ("few", vec!["maximum: few"]),
                ("some", vec![]),
            ],
        ),
    ] {
        for redirect in ["", "&redirect=1"] {
            let request = format!("{request}{redirect}");
            let text = explain_text(&snapshot, &request, &ChoiceSettings::STANDARD).unwrap();
            let explanation: Value = serde_json::from_str(&text).unwrap();
            let rules = explanation["rules"].as_array().unwrap();
            let names_and_effects: Vec<Value> = rules
                .iter()
                .map(|rule| json!([rule["name"], rule["effects"]]))
                .collect();
            assert_eq!(json!(names_and_effects), json!(expected), "{request}");
            let hits = || -> Vec<(String, u64)> {
                let all = snapshot.rules().unwrap().all().iter();
                all.map(|rule| (rule.name.to_string(), rule.hits())).collect()
            };
            let before = hits();
            listed(&snapshot, &request, NOW);
            for ((name, hits), (_, before)) in hits().into_iter().zip(before) {
                let is_explained = expected.iter().any(|(rule, _)| *rule == name);
                assert_eq!(hits - before, u64::from(is_explained), "{name}: {request}");
            }
        }
    }
}

#[test]
fn a_refusal_by_a_rule_names_no_rule_and_metalinks_are_never_cut_below_five() {
    let snapshot = demo(
        "[[clients]]\nname = \"secret\"\nnetworks = [\"192.0.2.0/24\"]\nonly = [4]\nprotocols = [\"ftp\"]\notherwise = \"none\"\n\
         [[clients]]\nname = \"short\"\nnetworks = [\"198.51.100.0/24\"]\nmaximum = 2\n",
    );
    let ask = |endpoint, query: &str| {
        let query = MirrorQuery::parse(query);
        let request = MirrorRequest {
            endpoint,
            address: query.ip.as_deref().unwrap().parse().unwrap(),
            query: &query,
            settings: &ChoiceSettings::STANDARD,
            now: NOW,
        };
        let answer = answer(&snapshot, &request, "", &mut Answerer::seeded(1));
        (answer.status, String::from_utf8(answer.body.start.to_vec()).unwrap())
    };
    for (endpoint, redirect) in [
        (Endpoint::Mirrorlist, ""),
        (Endpoint::Mirrorlist, "&redirect=1"),
        (Endpoint::Metalink, ""),
    ] {
        let (status, text) = ask(endpoint, &format!("repo=example-1&arch=x86_64&ip=192.0.2.1{redirect}"));
        assert_eq!(status, 404, "{text}");
        assert!(
            text.contains("a rule of the operators leaves no mirror") && !text.contains("secret"),
            "{text}"
        );
        assert_eq!(text.starts_with("<?xml"), endpoint == Endpoint::Metalink, "{text}");
    }
    let short = "repo=example-1&arch=x86_64&ip=198.51.100.7&protocol=https";
    assert_eq!(ask(Endpoint::Mirrorlist, short).1.lines().count(), 3);
    assert_eq!(ask(Endpoint::Metalink, short).1.matches("<url ").count(), 5);
}

/// The value of a series of a server's metrics.
fn metric(server: &Server, series: &str) -> Option<u64> {
    let metrics = server.admin_get("/metrics");
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(series).map(str::to_owned))?;
    line.trim().parse().ok()
}

#[test]
fn a_running_server_takes_good_rules_and_refuses_bad_ones() {
    let data = DataFiles::new(&fixture::cache_message());
    let path = data.cache().with_file_name("rules.toml");
    let write = |text: &str| {
        fs::write(path.with_extension("new"), text).unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
    };
    let farm = "[[clients]]\nname = \"farm \\\"1\\\"\"\nnetworks = [\"192.0.2.0/24\"]\nmaximum = 1\n";
    write(farm);
    let server = Server::start(&data, &["--reload.watch", "off", "--rules", path.to_str().unwrap()]);
    let request = "/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1";
    let listed = || server.get(request).text().lines().count() - 1;
    let hits = |name: &str| metric(&server, &format!("mirrorlist_rule_hits_total{{rule=\"{name}\"}} "));
    let reload = || -> Value { serde_json::from_slice(&server.admin_get("/admin/reload").body).unwrap() };
    assert_eq!((listed(), hits("farm \\\"1\\\"")), (1, Some(1)));
    for (bad, place) in [
        (
            "[[clients]]\nname = \"a\"\nnetworks = [\"192.0.2.0/33\"]\n".as_bytes(),
            "line 3, column 13: \"192.0.2.0/33\": ",
        ),
        (
            b"[[clients]]\nname = \"\xff\"\n",
            "line 2, column 9: a byte that is no UTF-8",
        ),
        (b"", "the file is empty"),
    ] {
        fs::write(&path, bad).unwrap();
        let report = reload();
        assert_eq!(report["outcome"], "refused", "{report}");
        let reason = report["reasons"][0].as_str().unwrap();
        assert!(reason.contains("rules.toml: ") && reason.contains(place), "{reason}");
        assert_eq!(listed(), 1);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!((reload()["outcome"].clone(), listed()), (json!("refused"), 1));
    write(&format!(
        "{farm}[[mirrors]]\nname = \"gone\"\nhost = \"unknown.example\"\nout = true\n"
    ));
    assert_eq!(reload()["outcome"], "replaced");
    let message = server.wait_for_message("entries of a data file are left out");
    assert!(
        message.contains("no host of the cache has the name or id unknown.example"),
        "{message}"
    );
    // The counter of a rule that stays goes on; one that comes begins at 0.
    assert_eq!((listed(), hits("farm \\\"1\\\""), hits("gone")), (1, Some(6), Some(0)));
    let status: Value = serde_json::from_slice(&server.admin_get("/admin/status").body).unwrap();
    let rules = &status["rules"];
    assert_eq!(rules.as_array().unwrap().len(), 2);
    assert_eq!(
        (&rules[0]["name"], &rules[0]["warnings"].as_array().unwrap().len()),
        (&json!("gone"), &1)
    );
    assert_eq!((&rules[1]["hits"], &rules[1]["holds"]), (&json!(6), &json!(true)));
    assert_eq!(
        status["files"]["rules"]["counts"],
        json!({"clients": 1, "mirrors": 1, "repositories": 0})
    );
    assert_eq!(status["files"]["rules"]["warnings"], 1);
    // An operator may take all rules out.
    write("# none\n");
    assert_eq!(reload()["outcome"], "replaced");
    assert!(listed() > 1 && hits("gone").is_none());
}

#[test]
fn a_server_reloads_by_itself_when_the_rules_change_and_check_names_what_is_doubtful() {
    let data = DataFiles::new(&fixture::cache_message());
    let path = data.cache().with_file_name("rules.toml");
    fs::write(&path, "").unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
        let output = command
            .arg("check")
            .args(data.arguments())
            .arg("--rules")
            .arg(&path)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, text) = run();
    assert!(
        code == Some(66) && text.contains("rules.toml: the file is empty"),
        "{text}"
    );
    fs::write(
        &path,
        "[[clients]]\nname = \"doubtful\"\nuntil = 2001-01-01\ncountries = [\"XX\"]\nrepositories = [\"no-such-*\"]\nprefer = [\"no.example\", 4711]\n",
    )
    .unwrap();
    let (code, text) = run();
    assert_eq!(code, Some(0), "{text}");
    for warning in [
        "1 clients",
        "5 warnings",
        "rule \"doubtful\": it ended Tue, 02 Jan 2001 00:00:00 GMT",
        "rule \"doubtful\": no host of the cache has the name or id no.example",
        "rule \"doubtful\": no host of the cache has the name or id 4711",
        "rule \"doubtful\": XX is no country that cccsv knows",
        "rule \"doubtful\": no repository or directory of the cache matches \"no-such-*\"",
    ] {
        assert!(text.contains(warning), "{warning} is not in\n{text}");
    }
    let settings = [
        "--reload.watch",
        "10ms",
        "--reload.settle",
        "0s",
        "--rules",
        path.to_str().unwrap(),
    ];
    let server = Server::start(&data, &settings);
    fs::write(
        path.with_extension("new"),
        "[[clients]]\nname = \"a\"\nnetworks = [\"0.0.0.0/0\"]\nmaximum = 1\n",
    )
    .unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    server.wait_for_message("reload finished");
    let answer = server.get("/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1");
    assert_eq!(answer.text().lines().count(), 2);
}
