use super::*;

use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use ureq::http::StatusCode;

use super::super::plan::{Question, WatchedRepository};
use crate::health::{RepositoryHealth, Standing, Verdict};

const FIRST: &str = "http://m.example/a";

/// A plan of URLs, each of which has the repositories a and b and is a group of its own.
fn plan(urls: &[&str]) -> Plan {
    let repository = |name: &str| WatchedRepository {
        directory: name.to_owned(),
        category: String::new(),
        versions: Box::default(),
    };
    let url = |url: &str| PlannedUrl {
        url: url.to_owned(),
        host_id: 1,
        country: None,
        questions: [(0, "a"), (1, "b")]
            .map(|(repository, name)| Question {
                repository,
                url: format!("{url}/{name}"),
            })
            .into(),
    };
    Plan {
        cache_created: 0,
        repositories: ["a", "b"].map(repository).into(),
        groups: urls.iter().map(|text| vec![url(text)]).collect(),
        unmatched: Vec::new(),
    }
}

/// A round of one URL: what is asked, and what is found.
fn ask(url: &str, answer: impl Fn(AddressFamily) -> Reply + Sync) -> (Vec<(String, AddressFamily)>, UrlObservations) {
    let plan = plan(&[url]);
    let asked = Mutex::new(Vec::new());
    let round = Round {
        plan: &plan,
        known: &KnownUrls::new(),
        parallel: NonZeroUsize::MIN,
        ask: |url: &str, family: AddressFamily, _: Conditions<'_>| {
            asked.lock().push((url.to_owned(), family));
            answer(family)
        },
        done: || {},
    };
    let mut found = round.run(&mut SmallRng::seed_from_u64(1)).unwrap();
    let (_, observed) = found.remove(0);
    (asked.into_inner(), observed)
}

fn failure(failure: Failure) -> Reply {
    Reply::Failure(failure)
}

fn status(code: u16) -> Reply {
    Reply::Status {
        status: StatusCode::from_u16(code).unwrap(),
        elsewhere: None,
    }
}

/// The first finding, its words, and the families that work.
fn first(observed: &UrlObservations) -> (Finding, &str, Vec<AddressFamily>) {
    let first = observed.found[0].as_ref().unwrap();
    (first.finding.clone(), &first.words, observed.families.clone())
}

#[test]
fn families_are_tried_apart_on_the_first_file_and_the_first_that_works_gets_the_others() {
    use AddressFamily::{Ipv4, Ipv6};
    let asked = |names: &[(&str, AddressFamily)]| {
        names
            .iter()
            .map(|(url, family)| ((*url).to_owned(), *family))
            .collect::<Vec<_>>()
    };
    let both = ask("http://m.example", |_| status(404));
    assert_eq!(
        both.0,
        asked(&[(FIRST, Ipv4), (FIRST, Ipv6), ("http://m.example/b", Ipv4)])
    );
    assert_eq!(both.1.families, [Ipv4, Ipv6]);

    let ipv6_only = |family| match family {
        Ipv4 => failure(Failure::NoFamily),
        Ipv6 => status(404),
    };
    let (questions, observed) = ask("http://m.example", ipv6_only);
    assert_eq!(
        questions,
        asked(&[(FIRST, Ipv4), (FIRST, Ipv6), ("http://m.example/b", Ipv6)])
    );
    assert_eq!(observed.families, [Ipv6]);

    let broken_ipv6 = |family| match family {
        Ipv4 => status(404),
        Ipv6 => failure(Failure::Timeout(Duration::from_secs(10))),
    };
    let (_, observed) = ask("http://m.example", broken_ipv6);
    assert_eq!(first(&observed), (Finding::Missing, "404 Not Found", vec![Ipv4]));

    let (questions, _) = ask("http://[2001:db8::1]", |_| status(404));
    assert_eq!(questions.len(), 2);
    let (questions, observed) = ask("http://m.example", |_| failure(Failure::NoName));
    assert_eq!((questions.len(), observed.families.len()), (1, 0));
}

#[test]
fn without_an_answer_the_words_tell_of_both_families_and_no_other_file_is_asked() {
    type Case = (fn(AddressFamily) -> Failure, &'static str);
    let cases: [Case; 5] = [
        (|_| Failure::Refused, "connection refused"),
        (|_| Failure::NoFamily, "name has no address"),
        (
            |family| match family {
                AddressFamily::Ipv4 => Failure::Refused,
                AddressFamily::Ipv6 => Failure::Timeout(Duration::from_secs(10)),
            },
            "connection refused (IPv4), no answer within 10 s (IPv6)",
        ),
        (
            |family| match family {
                AddressFamily::Ipv4 => Failure::Refused,
                AddressFamily::Ipv6 => Failure::NoRoute,
            },
            "connection refused",
        ),
        // This machine is cut off.
        (|_| Failure::NoRoute, "network unreachable"),
    ];
    for (answer, words) in cases {
        let (questions, observed) = ask("http://m.example", |family| failure(answer(family)));
        let (finding, found, families) = first(&observed);
        assert_eq!((found, families.len(), questions.len()), (words, 0, 2));
        assert!(
            matches!(finding, Finding::NoAnswer(failure) if failure != Failure::NoRoute),
            "{words}"
        );
        assert_eq!(observed.found[1], None);
    }
}

#[test]
fn a_mirror_with_ipv6_only_is_not_judged_where_there_is_none() {
    for url in ["http://m.example", "http://[2001:db8::1]"] {
        let (_, observed) = ask(url, |family| match family {
            AddressFamily::Ipv4 => failure(Failure::NoFamily),
            AddressFamily::Ipv6 => failure(Failure::NoRoute),
        });
        assert_eq!(first(&observed).0, Finding::NoAnswer(Failure::NoRoute), "{url}");
    }
}

#[test]
fn what_this_machine_lacks_is_no_fault_of_a_mirror() {
    let own = Failure::Own("Too many open files".to_owned());
    let (_, observed) = ask("http://m.example", |family| match family {
        AddressFamily::Ipv4 => failure(Failure::Refused),
        AddressFamily::Ipv6 => failure(own.clone()),
    });
    assert_eq!(
        first(&observed),
        (Finding::NoAnswer(own), "Too many open files", Vec::new())
    );
}

#[test]
fn an_error_of_the_mirror_is_asked_about_further_and_a_plea_for_less_is_not() {
    let (questions, observed) = ask("http://192.0.2.1", |_| status(500));
    assert_eq!((questions.len(), observed.found[1].is_some()), (2, true));
    let (questions, observed) = ask("http://192.0.2.1", |_| status(429));
    assert_eq!((questions.len(), observed.found[1].is_some()), (1, false));
}

#[test]
fn doubtful_mirrors_come_first() {
    let urls: Vec<String> = (0..50).map(|number| format!("http://192.0.2.{number}")).collect();
    let names: Vec<&str> = urls.iter().map(String::as_str).collect();
    let plan = plan(&names);
    let mut standing = Standing::new(1);
    standing.observe(Verdict::Dead, 2);
    let doubtful = UrlHealth {
        url: urls[40].clone(),
        standing,
        ..UrlHealth::default()
    };
    let known = KnownUrls::from([(names[40], &doubtful)]);
    let asked = Mutex::new(Vec::new());
    let round = Round {
        plan: &plan,
        known: &known,
        parallel: NonZeroUsize::MIN,
        ask: |url: &str, _, _: Conditions<'_>| {
            asked.lock().push(url.to_owned());
            failure(Failure::Refused)
        },
        done: || {},
    };
    assert_eq!(round.run(&mut SmallRng::seed_from_u64(1)).unwrap().len(), 50);
    let asked = asked.into_inner();
    assert_eq!((asked.len(), asked[0].as_str()), (50, "http://192.0.2.40/a"));
    assert!(!asked[1..].is_sorted());
}

#[test]
fn what_is_known_is_told_to_the_mirror() {
    let plan = plan(&["http://192.0.2.1"]);
    let known_url = UrlHealth {
        repositories: vec![RepositoryHealth {
            directory: "b".to_owned(),
            etag: Some("\"1\"".to_owned()),
            sha256: Some(String::new()),
            ..RepositoryHealth::default()
        }],
        ..UrlHealth::default()
    };
    let told = Mutex::new(Vec::new());
    let round = Round {
        plan: &plan,
        known: &KnownUrls::from([("http://192.0.2.1", &known_url)]),
        parallel: NonZeroUsize::MIN,
        ask: |_: &str, _, conditions: Conditions<'_>| {
            told.lock().push(conditions.etag.map(str::to_owned));
            status(404)
        },
        done: || {},
    };
    round.run(&mut SmallRng::seed_from_u64(1)).unwrap();
    assert_eq!(told.into_inner(), [None, Some("\"1\"".to_owned())]);
}
