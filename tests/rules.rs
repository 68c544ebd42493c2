//! Rules of operators: answers in random worlds, held against an oracle that was written from docs/rules.md; mistakes in the file;
//! ends; what operators see of rules; and a running server whose file of rules changes.
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

use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::{Answerer, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::snapshot::Snapshot;
use oracle::{Expected, Oracle};
use proptest::prelude::*;
use random_world::{Question, edit, host, host_and_protocol, query, question};
use spec::{NOW, rules};

/// The status of an answer and its URLs as (host, protocol), in order.
fn ask(snapshot: &Snapshot, question: &Question) -> (u16, Vec<(usize, String)>) {
    let query = query(question);
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
    (answer.status, words.map(host_and_protocol).collect())
}

fn request<'a>(question: &'a Question, query: &'a MirrorQuery<'a>) -> MirrorRequest<'a> {
    MirrorRequest {
        now: NOW,
        ..random_world::request(question, query)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn an_answer_by_rules_is_what_the_document_says(
        hosts in prop::collection::vec(host(), 1..10),
        rules in rules(),
        question in question(),
    ) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let text = rules.text();
        let (snapshot, _) = fixture::snapshot_with_rules(|cache| edit(cache, &hosts), &text);
        let (status, found) = ask(&snapshot, &question);
        let oracle = Oracle { snapshot: &snapshot, hosts: &hosts, rules: &rules, question: &question };
        let (groups, maximum, urls) = match oracle.expected() {
            Expected::Refused => {
                prop_assert_eq!(status, 404);
                prop_assert!(found.is_empty(), "{:?}", found);
                return Ok(());
            }
            Expected::Listed { groups, maximum, urls } => (groups, maximum, urls),
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
        hosts in prop::collection::vec(host(), 1..10),
        rules in rules(),
        question in question(),
    ) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let (snapshot, _) = fixture::snapshot_with_rules(|cache| edit(cache, &hosts), &rules.text());
        let (status, found) = ask(&snapshot, &question);
        let query = query(&question);
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
        for tier in &explanation.tiers {
            let total: f64 = tier.hosts.iter().map(|host| host.first_probability).sum();
            prop_assert!((total - 1.0).abs() < 1e-9, "{:?}", tier);
        }
    }
}
