use super::*;

use std::time::Duration;

use slog::Discard;
use ureq::http::StatusCode;

use super::super::plan::Question;

const CURRENT: &[u8] = b"<repomd><data><timestamp>2000</timestamp></data></repomd>";
const OLDER: &[u8] = b"<repomd><data><timestamp>1000</timestamp></data></repomd>";
const NEWER: &[u8] = b"<repomd><data><timestamp>2001</timestamp></data></repomd>";

fn version(content: &[u8], timestamp: u64) -> FileVersion {
    FileVersion {
        timestamp,
        size: content.len() as u64,
        md5: None,
        sha1: hash(&SHA1_FOR_LEGACY_USE_ONLY, content).try_into().ok(),
        sha256: hash(&SHA256, content).try_into().ok(),
        sha512: hash(&SHA512, content).try_into().ok(),
    }
}

fn repository() -> WatchedRepository {
    WatchedRepository {
        directory: "pub/linux/1/os".to_owned(),
        category: "pub/linux".to_owned(),
        versions: [version(CURRENT, 2_000), version(OLDER, 1_000)].into(),
    }
}

fn content(body: &[u8]) -> Reply {
    Reply::Content {
        body: body.to_vec(),
        etag: Some("\"1\"".to_owned()),
        last_modified: None,
        elsewhere: None,
    }
}

fn status(code: u16) -> Reply {
    Reply::Status {
        status: StatusCode::from_u16(code).unwrap(),
        elsewhere: None,
    }
}

fn found(reply: Reply) -> (Finding, String) {
    let observation = observation(reply, &repository(), None);
    (observation.finding, observation.words)
}

#[test]
fn answers_have_a_meaning_and_words() {
    let elsewhere = |reply| match reply {
        Reply::Content { body, .. } => Reply::Content {
            body,
            etag: None,
            last_modified: None,
            elsewhere: Some("b.example".to_owned()),
        },
        Reply::Status { status, .. } => Reply::Status {
            status,
            elsewhere: Some("b.example".to_owned()),
        },
        reply => reply,
    };
    let silent = Failure::Timeout(Duration::from_secs(10));
    for (reply, finding, words) in [
        (content(CURRENT), Finding::Good, "200, current version"),
        (content(OLDER), Finding::Good, "200, an older known version"),
        (content(NEWER), Finding::Good, "200, newer than the cache"),
        (content(b"<html>"), Finding::Stale, "200, unknown content of 6 bytes"),
        (content(b""), Finding::Stale, "200, unknown content of 0 bytes"),
        (
            elsewhere(content(CURRENT)),
            Finding::Moved,
            "200, current version, at b.example",
        ),
        (
            elsewhere(content(b"?")),
            Finding::Stale,
            "200, unknown content of 1 bytes",
        ),
        (
            Reply::TooLarge,
            Finding::Stale,
            "200, unknown content of more than 1048576 bytes",
        ),
        (status(404), Finding::Missing, "404 Not Found"),
        (elsewhere(status(404)), Finding::Missing, "404 Not Found at b.example"),
        (status(206), Finding::Missing, "206 Partial Content"),
        (status(304), Finding::Missing, "304 Not Modified"),
        (status(300), Finding::Missing, "300 Multiple Choices"),
        (status(408), Finding::Unjudged, "408 Request Timeout"),
        (status(429), Finding::Enough, "429 Too Many Requests"),
        (status(503), Finding::ServerError, "503 Service Unavailable"),
        (
            Reply::Astray("302 without a Location".to_owned()),
            Finding::Missing,
            "302 without a Location",
        ),
        (
            Reply::Failure(silent.clone()),
            Finding::NoAnswer(silent),
            "no answer within 10 s",
        ),
    ] {
        assert_eq!(found(reply), (finding, words.to_owned()));
    }
}

#[test]
fn the_strongest_hash_that_a_version_has_counts() {
    let judged = |change: fn(&mut FileVersion), body: &[u8]| {
        let mut repository = repository();
        repository.versions = [version(CURRENT, 2_000)].into();
        change(&mut repository.versions[0]);
        observation(content(body), &repository, None).finding
    };
    let no_sha256 = |version: &mut FileVersion| version.sha256 = None;
    let sha1_only = |version: &mut FileVersion| (version.sha256, version.sha512) = (None, None);
    let size_only = |version: &mut FileVersion| (version.sha256, version.sha512, version.sha1) = (None, None, None);
    let nothing = |version: &mut FileVersion| {
        (version.sha256, version.sha512, version.sha1, version.size) = (None, None, None, 0);
    };
    let wrong_sha1 = |version: &mut FileVersion| version.sha1 = Some([0; 20]);
    for change in [no_sha256, sha1_only, size_only, wrong_sha1] {
        assert_eq!(judged(change, CURRENT), Finding::Good);
        assert_eq!(judged(change, b"other"), Finding::Stale);
    }
    assert_eq!(judged(nothing, b"other"), Finding::Unjudged);
    assert_eq!(judged(nothing, NEWER), Finding::Good);
}

#[test]
fn a_large_content_is_not_judged_if_a_version_is_as_large() {
    let mut repository = repository();
    repository.versions[1].size = MOST_BYTES + 1;
    assert_eq!(
        observation(Reply::TooLarge, &repository, None).finding,
        Finding::Unjudged
    );
}

#[test]
fn content_that_did_not_change_is_judged_by_what_is_known_now() {
    let known = |content: &[u8]| RepositoryHealth {
        sha256: Some(hex(&hash(&SHA256, content))),
        timestamp: repomd::timestamp(content),
        ..RepositoryHealth::default()
    };
    let judged = |content| {
        let reply = Reply::NotModified { elsewhere: None };
        let observation = observation(reply, &repository(), Some(&known(content)));
        (observation.finding, observation.words)
    };
    assert_eq!(judged(CURRENT), (Finding::Good, "304, current version".to_owned()));
    assert_eq!(judged(OLDER), (Finding::Good, "304, an older known version".to_owned()));
    assert_eq!(judged(NEWER), (Finding::Good, "304, newer than the cache".to_owned()));
    assert_eq!(judged(b"<html>"), (Finding::Stale, "304, unknown content".to_owned()));
    let mut repository = repository();
    assert!(can_be_conditional(&repository, &known(CURRENT)));
    assert!(!can_be_conditional(&repository, &RepositoryHealth::default()));
    repository.versions[0].sha256 = None;
    assert!(!can_be_conditional(&repository, &known(CURRENT)));
}

/// A URL with three repositories, and what a round finds at it.
struct UrlWorld {
    planned: PlannedUrl,
    repositories: Vec<WatchedRepository>,
    health: Option<UrlHealth>,
    now: u64,
}

impl UrlWorld {
    fn new() -> Self {
        let repositories = ["a", "b", "c"].map(|directory| WatchedRepository {
            directory: directory.to_owned(),
            ..repository()
        });
        Self {
            planned: PlannedUrl {
                url: "http://m.example".to_owned(),
                host_id: 1,
                country: None,
                questions: (0..3)
                    .map(|repository| Question {
                        repository,
                        url: String::new(),
                    })
                    .collect(),
            },
            repositories: repositories.into(),
            health: None,
            now: 0,
        }
    }

    /// The verdicts on the URL and its repositories after a round.
    fn after(&mut self, replies: [Option<Reply>; 3]) -> (Verdict, [Verdict; 3]) {
        self.now += 1;
        let found = replies.map(|reply| Some(observation(reply?, &repository(), None)));
        let works = found.iter().flatten().any(|found| found.finding.works());
        let observed = UrlObservations {
            checked: self.now,
            families: if works { vec![AddressFamily::Ipv4] } else { Vec::new() },
            found: found.into(),
        };
        let logger = Logger::root(Discard, slog::o!());
        let health = judge_url(
            &self.planned,
            &self.repositories,
            self.health.as_ref(),
            &observed,
            &logger,
        );
        let of_repositories = [0, 1, 2].map(|index| health.repositories[index].standing.verdict);
        let verdict = health.standing.verdict;
        self.health = Some(health);
        (verdict, of_repositories)
    }
}

const GOOD: [Verdict; 3] = [Verdict::Good; 3];

#[test]
fn a_url_is_dead_if_nothing_answers_and_its_repositories_stay_as_they_are() {
    let refused = || [Some(Reply::Failure(Failure::Refused)), None, None];
    let errors = || [500, 503, 502].map(|code| Some(status(code)));
    for replies in [refused as fn() -> _, errors] {
        let mut world = UrlWorld::new();
        assert_eq!(world.after(replies()), (Verdict::Good, GOOD));
        assert_eq!(world.after(replies()), (Verdict::Dead, GOOD));
        assert_eq!(world.health.as_ref().unwrap().families, [""; 0]);
        let good = || [(); 3].map(|()| Some(content(CURRENT)));
        assert_eq!(world.after(good()), (Verdict::Dead, GOOD));
        assert_eq!(world.after(good()), (Verdict::Good, GOOD));
    }
}

#[test]
fn a_repository_that_fails_where_others_answer_is_missing() {
    let mut world = UrlWorld::new();
    let replies = || [Some(content(CURRENT)), Some(status(500)), Some(content(b"old"))];
    for _ in 0..2 {
        assert_eq!(world.after(replies()), (Verdict::Good, GOOD));
    }
    assert_eq!(
        world.after(replies()),
        (Verdict::Good, [Verdict::Good, Verdict::Missing, Verdict::Stale])
    );
    let health = world.health.unwrap();
    assert_eq!(health.repositories[1].last_answer, "500 Internal Server Error");
    assert_eq!(health.last_answer, "200, current version");
}

#[test]
fn what_says_nothing_changes_nothing() {
    let mut world = UrlWorld::new();
    for _ in 0..5 {
        assert_eq!(world.after([Some(status(429)), None, None]), (Verdict::Good, GOOD));
        assert_eq!(
            world.after([Some(status(500)), Some(status(429)), None]),
            (Verdict::Good, GOOD)
        );
    }
    assert_eq!(world.health.as_ref().unwrap().standing.since, 1);
    let before = world.health.clone();
    for failure in [Failure::NoRoute, Failure::Own("Too many open files".to_owned())] {
        world.after([Some(Reply::Failure(failure)), None, None]);
        assert_eq!(world.health, before);
    }
}

#[test]
fn repositories_that_are_no_longer_planned_are_forgotten_and_new_ones_begin_as_good() {
    let mut world = UrlWorld::new();
    for _ in 0..3 {
        world.after([404, 404, 404].map(|code| Some(status(code))));
    }
    world.repositories[0].directory = "new".to_owned();
    let (_, verdicts) = world.after([None, None, None]);
    assert_eq!(verdicts, [Verdict::Good, Verdict::Missing, Verdict::Missing]);
}

#[test]
fn texts_of_mirrors_are_cut_and_have_no_control_characters() {
    let words = format!("301 to ftp://x/\u{1b}[31m\n{}", "x".repeat(1_000));
    let mut world = UrlWorld::new();
    world.after([Some(Reply::Astray(words)), None, None]);
    let health = world.health.unwrap();
    assert!(health.last_answer.starts_with("301 to ftp://x/\u{fffd}[31m\u{fffd}x"));
    assert_eq!(health.last_answer.chars().count(), 200);
    assert_eq!(header_to_keep(Some("x".repeat(201))), None);
}
