//! The health of mirrors in answers: hosts without a good URL come last, bad URLs of others are left out, nothing is lost; and a
//! health file that can't be used changes nothing. The property test holds random health files against an oracle.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod random_world;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fixture::health::{WrittenHealth, health_file};
use mirrorlist_server::health::{HealthFile, RepositoryHealth, Standing, UrlHealth, Verdict};
use mirrorlist_server::mirrorlist::explain::explain;
use mirrorlist_server::mirrorlist::explain::host::{HostQuery, explain_hosts};
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, Tier, answer};
use mirrorlist_server::settings::{ChoiceSettings, HealthSettings};
use mirrorlist_server::snapshot::{Snapshot, age};
use proptest::prelude::*;
use random_world::{
    Host, Question, ask, edit, expected, host, plain_host, query, question, request, urls, usable_urls,
};
use serde_json::Value;
use support::data::DataFiles;
use support::process::run;
use support::server::Server;

/// The repository of the world's target directory.
const REPOSITORY: &str = "pub/linux/1/x86_64/os/repodata";
const WEB: [&str; 2] = ["https", "http"];

/// What a file says of the https and the http URL of each host: of the URL, and of the repository there. `None`: it does not know
/// the URL.
type Said = Vec<[Option<(Verdict, Verdict)>; 2]>;

fn said(hosts: usize) -> impl Strategy<Value = Said> {
    use Verdict::{Dead, Good, Missing, Moved, Stale, Unknown};
    let url = prop_oneof![3 => Just(Good), 3 => Just(Dead), 1 => Just(Moved), 1 => Just(Unknown)];
    let repository = prop_oneof![3 => Just(Good), 1 => Just(Missing), 1 => Just(Stale)];
    let both = prop::option::weighted(0.8, (url, repository));
    prop::collection::vec([both.clone(), both], hosts)
}

/// Random hosts, and what up to three files say of them.
fn world() -> impl Strategy<Value = (Vec<Host>, Vec<Said>, Option<usize>)> {
    prop::collection::vec(host(), 1..14).prop_flat_map(|hosts| {
        let files = prop::collection::vec(said(hosts.len()), 1..=3);
        (Just(hosts), files, prop::option::of(1..=3_usize))
    })
}

fn standing(verdict: Verdict) -> Standing {
    Standing {
        verdict,
        ..Standing::new(7)
    }
}

fn health_file_made(made: u64) -> HealthFile {
    HealthFile {
        made,
        ..health_file(Vec::new())
    }
}

fn file_of(said: &Said) -> HealthFile {
    let urls = said.iter().enumerate().flat_map(|(host, urls)| {
        urls.iter().zip(WEB).filter_map(move |(said, protocol)| {
            let (url, repository) = (*said)?;
            Some(UrlHealth {
                url: format!("{protocol}://{host}"),
                standing: standing(url),
                repositories: vec![
                    RepositoryHealth {
                        directory: REPOSITORY.to_owned(),
                        standing: standing(repository),
                        ..RepositoryHealth::default()
                    },
                    // Of another repository, which says nothing here.
                    RepositoryHealth {
                        directory: "everybody's".to_owned(),
                        standing: standing(Verdict::Stale),
                        ..RepositoryHealth::default()
                    },
                ],
                ..UrlHealth::default()
            })
        })
    });
    health_file(urls.collect())
}

/// Whether a URL is bad for a client that is near the host by network or not, straight from the rules.
fn is_bad(host: usize, hosts: &[Host], protocol: &str, files: &[Said], quorum: Option<usize>, near: bool) -> bool {
    let Some(place) = WEB.iter().position(|web| *web == protocol) else {
        return false;
    };
    if hosts[host].private {
        return false;
    }
    let votes = files.iter().filter(|said| {
        said[host][place].is_some_and(|(url, repository)| repository.is_bad() || !near && url == Verdict::Dead)
    });
    votes.count() >= quorum.unwrap_or(files.len())
}

struct Oracle<'a> {
    hosts: &'a [Host],
    question: &'a Question,
    files: &'a [Said],
    quorum: Option<usize>,
}

impl Oracle<'_> {
    fn bad(&self, host: usize, protocol: &str, tier: Tier) -> bool {
        let near = matches!(tier, Tier::Netblock | Tier::AutonomousSystem);
        is_bad(host, self.hosts, protocol, self.files, self.quorum, near)
    }

    /// All web URLs that the answer could list, before it takes the first few.
    fn web_urls(&self, host: usize) -> Vec<&'static str> {
        let all = Question {
            endpoint: Endpoint::Metalink,
            ..self.question.clone()
        };
        let mut urls = usable_urls(&self.hosts[host], &all);
        urls.retain(|protocol| WEB.contains(protocol));
        urls
    }

    fn is_bad_host(&self, host: usize, tier: Tier) -> bool {
        let web = self.web_urls(host);
        !web.is_empty() && web.iter().all(|protocol| self.bad(host, protocol, tier))
    }

    /// Whether a host is not bad and has a URL that the answer can list.
    fn is_good_host(&self, host: usize, tier: Tier) -> bool {
        let usable = match self.question.is_redirect() {
            true => self.web_urls(host),
            false => usable_urls(&self.hosts[host], self.question),
        };
        !usable.is_empty() && !self.is_bad_host(host, tier)
    }

    /// The protocols that the answer lists of a host.
    fn listed(&self, host: usize, tier: Tier) -> Vec<&'static str> {
        let mut good = self.hosts[host].clone();
        let some_good = self
            .web_urls(host)
            .iter()
            .any(|protocol| !self.bad(host, protocol, tier));
        if some_good {
            good.protocols.retain(|protocol| !self.bad(host, protocol, tier));
        }
        urls(&good, self.question)
    }

    /// The tiers with hosts in the order of the answer: good ones, then bad ones.
    fn tiers(&self, snapshot: &Snapshot) -> Vec<(Tier, BTreeSet<usize>)> {
        let without = expected(snapshot, self.hosts, self.question);
        let all: usize = without.iter().map(|(_, tier)| tier.len()).sum();
        let near = without.iter().filter(|(tier, _)| *tier != Tier::Global);
        let counts = near.flat_map(|(tier, hosts)| hosts.iter().map(|host| (*tier, *host)));
        let (mut good, mut bad) = (0, 0);
        for (tier, host) in counts {
            good += usize::from(self.is_good_host(host, tier));
            bad += usize::from(self.is_bad_host(host, tier));
        }
        let is_by_country = without.len() == 1 && self.question.countries.is_some();
        let mut tiers = without;
        let is_short = bad > 0 && good < self.question.settings.minimum;
        if is_short && !is_by_country && !tiers.iter().any(|(tier, _)| *tier == Tier::Global) {
            let larger = Question {
                settings: ChoiceSettings {
                    minimum: all + 1_000,
                    ..ChoiceSettings::STANDARD
                },
                ..self.question.clone()
            };
            let with_global = expected(snapshot, self.hosts, &larger);
            let any_good = |tiers: &Vec<(Tier, BTreeSet<usize>)>| {
                tiers
                    .iter()
                    .any(|(tier, hosts)| hosts.iter().any(|host| self.is_good_host(*host, *tier)))
            };
            if any_good(&with_global) {
                tiers = with_global;
            }
        }
        let part = |bad: bool| {
            let tiers = tiers.iter().map(move |(tier, hosts)| {
                let of_part = hosts.iter().filter(|host| self.is_bad_host(**host, *tier) == bad);
                (*tier, of_part.copied().collect())
            });
            tiers.collect::<Vec<_>>()
        };
        let mut parts = part(false);
        parts.extend(part(true));
        parts.retain(|(_, hosts): &(Tier, BTreeSet<usize>)| !hosts.is_empty());
        parts
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn good_hosts_come_first_and_none_is_lost((hosts, files, quorum) in world(), question in question()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let written = WrittenHealth::new(&files.iter().map(file_of).collect::<Vec<_>>());
        let settings = HealthSettings { quorum: quorum.and_then(NonZeroUsize::new), ..written.settings };
        let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
        let snapshot = snapshot.with_health_files(&settings);
        let oracle = Oracle { hosts: &hosts, question: &question, files: &files, quorum };
        let (status, found) = ask(&snapshot, &question, &mut Answerer::seeded(question.seed));
        let mut tiers = oracle.tiers(&snapshot);
        for (tier, of_tier) in &mut tiers {
            of_tier.retain(|host| !oracle.listed(*host, *tier).is_empty());
        }
        tiers.retain(|(_, hosts)| !hosts.is_empty());
        if question.is_redirect() {
            let first = tiers.first();
            prop_assert_eq!(status, if first.is_some() { 302 } else { 404 });
            for (host, protocol) in &found {
                let (tier, of_tier) = first.unwrap();
                prop_assert!(of_tier.contains(host), "{} of {:?}", host, tiers);
                prop_assert_eq!(oracle.listed(*host, *tier), [protocol]);
            }
            return Ok(());
        }
        if question.endpoint == Endpoint::Mirrorlist {
            let query = query(&question);
            let query = MirrorQuery::parse(&query);
            let answer = answer(&snapshot, &request(&question, &query), "", &mut Answerer::seeded(0));
            let comment = std::str::from_utf8(&answer.body.start).unwrap().lines().next().unwrap();
            let by_netblock = expected(&snapshot, &hosts, &question).iter().any(|(tier, hosts)| *tier == Tier::Netblock && !hosts.is_empty());
            prop_assert_eq!(comment.contains("Using preferred netblock"), by_netblock, "{}", comment);
        }
        let mut rest = found.as_slice();
        for (tier, mut of_tier) in tiers {
            while !of_tier.is_empty() {
                let host = rest.first().map(|(host, _)| *host);
                prop_assert!(host.is_some_and(|h| of_tier.remove(&h)), "{:?} is not in {:?} {:?}, of {:?}", host, tier, of_tier, found);
                for protocol in oracle.listed(host.unwrap(), tier) {
                    prop_assert_eq!(rest.first(), Some(&(host.unwrap(), protocol.to_owned())));
                    rest = &rest[1..];
                }
            }
        }
        prop_assert!(rest.is_empty(), "beyond the tiers: {:?}", rest);
    }

    #[test]
    fn an_explanation_is_the_answer_with_the_verdicts((hosts, files, _) in world(), question in question()) {
        prop_assume!(hosts.iter().any(|h| !h.protocols.is_empty()));
        let written = WrittenHealth::new(&files.iter().map(file_of).collect::<Vec<_>>());
        let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
        let snapshot = snapshot.with_health_files(&written.settings);
        let (_, found) = ask(&snapshot, &question, &mut Answerer::seeded(question.seed));
        let query = query(&question);
        let query = MirrorQuery::parse(&query);
        let explanation = explain(&snapshot, &request(&question, &query), question.seed);
        let listed = explanation.tiers.iter().flat_map(|tier| &tier.hosts);
        let urls = listed.clone().flat_map(|host| &host.urls).map(|url| random_world::host_and_protocol(url));
        let urls: Vec<(usize, String)> = urls.collect();
        match question.is_redirect() {
            true => prop_assert_eq!(&urls[..found.len()], &found),
            false => prop_assert_eq!(&urls, &found),
        }
        for host in listed {
            let id = usize::try_from(host.summary.host_id).unwrap();
            let mut told = BTreeMap::<(&str, bool), Vec<Verdict>>::new();
            for verdict in host.health.as_ref().unwrap() {
                if verdict.directory == Some("everybody's") {
                    continue;
                }
                told.entry((verdict.url, verdict.directory.is_some())).or_default().push(verdict.verdict);
            }
            for (place, protocol) in WEB.iter().enumerate() {
                let is_told = !hosts[id].private && hosts[id].protocols.contains(protocol);
                let said: Vec<(Verdict, Verdict)> =
                    files.iter().filter_map(|file| file[id][place]).filter(|_| is_told).collect();
                let url = format!("{protocol}://{id}");
                let of = |repository| told.get(&(&*url, repository)).cloned().unwrap_or_default();
                prop_assert_eq!(of(false), said.iter().map(|(url, _)| *url).collect::<Vec<_>>());
                let bad: Vec<Verdict> = said.iter().map(|(_, repository)| *repository).filter(|v| v.is_bad()).collect();
                prop_assert_eq!(of(true), bad);
            }
        }
    }
}

/// What each address of the world gets, without a health file and with one.
fn without_and_with(hosts: &[Host], said: &Said, ask_for: &Question) -> Vec<[Vec<(usize, String)>; 2]> {
    let written = WrittenHealth::new(&[file_of(said)]);
    let snapshot = || fixture::snapshot_with(|cache| edit(cache, hosts)).0;
    let (without, with) = (snapshot(), snapshot().with_health_files(&written.settings));
    let answers = random_world::ADDRESSES.iter().map(|address| {
        let question = Question {
            address,
            ..ask_for.clone()
        };
        [&without, &with].map(|snapshot| ask(snapshot, &question, &mut Answerer::seeded(1)).1)
    });
    answers.collect()
}

fn plain_question() -> Question {
    Question {
        address: "",
        countries: None,
        protocols: None,
        netblock: true,
        redirect: false,
        settings: ChoiceSettings {
            minimum: 1,
            ..ChoiceSettings::STANDARD
        },
        endpoint: Endpoint::Mirrorlist,
        seed: 1,
    }
}

const DEAD: Option<(Verdict, Verdict)> = Some((Verdict::Dead, Verdict::Good));

#[test]
fn where_all_that_can_be_listed_is_bad_the_answer_is_as_without_the_file() {
    // Nobody asks for http, so the host that has nothing else is no reason for the global tier.
    let mut hosts: Vec<Host> = random_world::COUNTRIES
        .map(|country| plain_host(country, &["https"]))
        .into();
    hosts.push(plain_host("US", &["http"]));
    let mut said = vec![[DEAD, None]; hosts.len()];
    said[6] = [None, None];
    let https = Question {
        protocols: Some(vec!["https"]),
        ..plain_question()
    };
    for [without, with] in without_and_with(&hosts, &said, &https) {
        assert_eq!(without, with);
    }
}

#[test]
fn a_redirect_takes_a_good_mirror_where_nearer_ones_are_bad_or_have_only_ftp() {
    for near in ["http", "ftp"] {
        let mut hosts: Vec<Host> = ["DE", "FR", "US", "CA"]
            .map(|country| plain_host(country, &["ftp"]))
            .into();
        hosts.extend(["DE", "FR", "US", "CA"].map(|country| plain_host(country, &[near])));
        hosts.push(plain_host("JP", &["http"]));
        let mut said = vec![[None, DEAD]; hosts.len()];
        said[8] = [None, None];
        let redirect = Question {
            redirect: true,
            ..plain_question()
        };
        for [_, with] in without_and_with(&hosts, &said, &redirect) {
            assert!(
                with.is_empty() && near == "ftp" || with == [(8, "http".to_owned())],
                "{with:?}"
            );
        }
    }
}

/// The answer of the random world's first address to a path, as its lines of URLs.
fn urls_at(snapshot: &Snapshot, path: &str) -> Vec<String> {
    let query = format!("path={path}&ip=192.0.2.1");
    let query = MirrorQuery::parse(&query);
    let question = plain_question_at("192.0.2.1");
    let answer = answer(snapshot, &request(&question, &query), "", &mut Answerer::seeded(1));
    let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
    let urls = body.lines().filter(|line| !line.starts_with('#'));
    urls.map(str::to_owned).collect()
}

fn plain_question_at(address: &'static str) -> Question {
    Question {
        address,
        ..plain_question()
    }
}

#[test]
fn a_repository_below_another_has_its_own_verdict() {
    let hosts = ["DE", "FR"].map(|country| plain_host(country, &["http"]));
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        edit(cache, &hosts);
        for name in ["everybody's/debug", "everybody's/other"] {
            let mut below = cache.mirror_list_cache.last().unwrap().clone();
            below.directory = name.to_owned();
            cache.mirror_list_cache.insert(0, below);
        }
    });
    let repository = |directory: &str, verdict| RepositoryHealth {
        directory: directory.to_owned(),
        standing: standing(verdict),
        ..RepositoryHealth::default()
    };
    let urls = [Verdict::Stale, Verdict::Good]
        .iter()
        .zip(["http://0", "http://1"])
        .map(|(verdict, url)| UrlHealth {
            url: url.to_owned(),
            repositories: vec![
                repository("everybody's", *verdict),
                repository("everybody's/debug", Verdict::Good),
            ],
            ..UrlHealth::default()
        });
    let written = WrittenHealth::new(&[health_file(urls.collect())]);
    let snapshot = snapshot.with_health_files(&written.settings);
    let firsts = |path: &str| -> BTreeSet<bool> {
        let question = plain_question_at("192.0.2.1");
        let query = format!("path={path}&country=DE,FR");
        let query = MirrorQuery::parse(&query);
        let draws = (0..40).map(|seed| {
            let answer = answer(&snapshot, &request(&question, &query), "", &mut Answerer::seeded(seed));
            let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
            body.lines().nth(1).unwrap().starts_with("http://0/")
        });
        draws.collect()
    };
    assert_eq!(firsts("everybody's"), [false].into());
    assert_eq!(firsts("everybody's/other"), [false].into());
    assert_eq!(firsts("everybody's/debug"), [false, true].into());
}

#[test]
fn urls_beyond_the_sixty_fourth_of_a_host_are_good() {
    let hosts = [plain_host("DE", &["http"]), plain_host("DE", &["https"])];
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        edit(cache, &hosts);
        let mut more = cache.hc_url_cache[0].clone();
        for key in 100..166 {
            more.key = key;
            more.value = format!("http://0/{key}");
            cache.hc_url_cache.push(more.clone());
        }
        for directory in &mut cache.mirror_list_cache {
            for host in directory.by_host_id.iter_mut().filter(|host| host.key == 0) {
                host.value = (100..166).collect();
            }
        }
    });
    let urls = (100..166).map(|key| UrlHealth {
        url: format!("http://0/{key}"),
        standing: standing(Verdict::Dead),
        ..UrlHealth::default()
    });
    let written = WrittenHealth::new(&[health_file(urls.collect())]);
    let snapshot = snapshot.with_health_files(&written.settings);
    let urls = urls_at(&snapshot, "everybody's");
    assert!(urls.iter().any(|url| url.starts_with("http://0/164/")), "{urls:?}");
    assert_eq!(
        snapshot
            .health()
            .hosts_by_verdict(age::now())
            .map(|(_, hosts)| hosts)
            .collect::<Vec<_>>(),
        [1, 0, 0, 0]
    );
}

#[test]
fn json_tells_which_hosts_are_bad_and_lists_no_url_that_is_withheld() {
    let hosts = [
        plain_host("DE", &["http"]),
        plain_host("DE", &["https", "http"]),
        plain_host("FR", &["http"]),
    ];
    // The first host is dead, and one URL of the second.
    let written = WrittenHealth::new(&[file_of(&vec![[None, DEAD], [DEAD, None], [None, None]])]);
    let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
    let snapshot = snapshot.with_health_files(&written.settings);
    let query = MirrorQuery::parse("path=everybody's&protocol=https,http&ip=192.0.2.1&format=json");
    let question = plain_question_at("192.0.2.1");
    let request = MirrorRequest {
        now: age::now(),
        ..request(&question, &query)
    };
    let answer = answer(&snapshot, &request, "", &mut Answerer::seeded(1));
    let document: Value = serde_json::from_slice(&answer.body.start).unwrap();
    let tiers = document["tiers"].as_array().unwrap().iter();
    let told = tiers.flat_map(|tier| {
        let hosts = tier["hosts"].as_array().unwrap().iter();
        let protocols = |host: &Value| {
            let urls = host["urls"].as_array().unwrap().iter();
            urls.map(|url| url["protocol"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        hosts.map(move |host| {
            let health = host["health"].as_str().unwrap();
            format!("{} {} {health} {}", tier["tier"], tier["demoted"], protocols(host))
        })
    });
    let expected = [
        "\"country\" null ok http",
        "\"continent\" null ok http",
        "\"country\" true bad http",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected, "{document}");
}

#[test]
fn an_explanation_tells_nothing_of_a_file_whose_time_is_over() {
    let hosts = [plain_host("DE", &["http"])];
    let written = WrittenHealth::new(&[file_of(&vec![[None, DEAD]])]);
    let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
    let snapshot = snapshot.with_health_files(&written.settings);
    let query = MirrorQuery::parse("path=everybody's&country=DE");
    let question = plain_question_at("192.0.2.1");
    let told = |now| {
        let request = MirrorRequest {
            now,
            ..request(&question, &query)
        };
        let explanation = explain(&snapshot, &request, 1);
        let hosts = explain_hosts(&snapshot, &HostQuery::Id(0), now);
        let of_host = serde_json::to_value(&hosts).unwrap()[0]["health"]
            .as_array()
            .unwrap()
            .len();
        [explanation.tiers[0].hosts[0].health.as_ref().unwrap().len(), of_host]
    };
    assert_eq!(told(age::now()), [2, 2]);
    assert_eq!(told(age::now() + 7_200), [0, 0]);
    let source = &snapshot.health().sources()[0];
    assert_eq!(source.reason_at(age::now()), None);
    assert!(
        source
            .reason_at(age::now() + 7_200)
            .unwrap()
            .contains("is the probe running?")
    );
}

/// A health file that a running server watches.
struct Watched {
    data: DataFiles,
    folder: tempfile::TempDir,
}

impl Watched {
    fn new() -> Self {
        Self {
            data: DataFiles::new(&fixture::cache_message()),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("health.json")
    }

    /// Puts a text in the place of the file, in one step.
    fn write(&self, text: &[u8]) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// Puts a file in its place in which these URLs are dead and all others of the fixture good.
    fn write_dead(&self, dead: &[&str]) {
        self.write(&health_file(fixture_urls(dead)).to_json().unwrap());
    }

    /// Starts a server that reloads when it is asked to.
    fn start(&self) -> Server {
        let path = self.path();
        let arguments = ["--health.files", path.to_str().unwrap(), "--reload.watch", "off"];
        Server::start(&self.data, &arguments)
    }

    /// Starts a server that looks at its files all the time.
    fn start_watching(&self) -> Server {
        let path = self.path();
        let arguments = ["--health.files", path.to_str().unwrap(), "--reload.watch", "10ms"];
        Server::start(&self.data, &arguments)
    }
}

/// The public web URLs of the fixture.
const FIXTURE_URLS: [&str; 9] = [
    "https://de1.example/pub/linux",
    "http://de1.example/pub/linux",
    "http://de2.example/pub/linux",
    "http://fr1.example/pub/linux",
    "https://fr1.example/pub/linux",
    "https://us1.example/pub/linux",
    "http://jp1.example/pub/linux",
    "https://it1.example/pub/linux",
    "https://il1.example/pub/linux",
];

fn fixture_urls(dead: &[&str]) -> Vec<UrlHealth> {
    let urls = FIXTURE_URLS.iter().map(|url| UrlHealth {
        url: (*url).to_owned(),
        standing: standing(if dead.contains(url) {
            Verdict::Dead
        } else {
            Verdict::Good
        }),
        last_answer: "no answer within 10 s".to_owned(),
        ..UrlHealth::default()
    });
    urls.collect()
}

const REQUEST: &str = "/mirrorlist?repo=linux-1&arch=x86_64&country=DE,FR&ip=192.0.2.1";

/// The host of each URL in a mirrorlist, in order.
fn hosts_in_order(server: &Server) -> Vec<String> {
    let body = String::from_utf8(server.get(REQUEST).body).unwrap();
    let urls = body.lines().filter(|line| !line.starts_with('#'));
    let hosts = urls.map(|url| url.split("://").nth(1).unwrap().split('.').next().unwrap().to_owned());
    hosts.collect()
}

fn json(server: &Server, target: &str) -> Value {
    serde_json::from_slice(&server.admin_get(target).body).unwrap()
}

/// The lines of a metric.
fn metric(server: &Server, name: &str) -> Vec<String> {
    let body = String::from_utf8(server.admin_get("/metrics").body).unwrap();
    let lines = body.lines().filter(|line| line.starts_with(name));
    lines.map(|line| line.rsplit_once(' ').unwrap().1.to_owned()).collect()
}

const USED: &str = "a health file is used";
const NOT_USED: &str = "a health file is not used";

#[test]
fn a_dead_mirror_comes_last_until_it_is_good_again() {
    let watched = Watched::new();
    watched.write_dead(&[]);
    let server = watched.start();
    let before: BTreeSet<String> = hosts_in_order(&server).into_iter().collect();
    assert_eq!(before, ["de1", "de2", "fr1"].map(str::to_owned).into());
    watched.write_dead(&[
        "https://fr1.example/pub/linux",
        "http://fr1.example/pub/linux",
        "https://de1.example/pub/linux",
    ]);
    assert_eq!(
        json(&server, "/admin/reload")["changed"],
        serde_json::json!(["health.files"])
    );
    let hosts = hosts_in_order(&server);
    assert_eq!((hosts.len(), &*hosts[2]), (3, "fr1"));
    let body = String::from_utf8(server.get(REQUEST).body).unwrap();
    assert!(
        body.contains("\nhttp://de1.example/pub/") && !body.contains("https://de1"),
        "{body}"
    );
    let redirected = server.get(&format!("{REQUEST}&redirect=1"));
    assert!(
        redirected.header("location").is_some_and(|url| !url.contains("fr1")),
        "{redirected:?}"
    );

    let status = json(&server, "/admin/status");
    assert_eq!(status["health"]["files"][0]["state"], "used");
    assert_eq!(
        status["health"]["hosts"],
        serde_json::json!({"good": 6, "dead": 1, "missing": 0, "stale": 0})
    );
    assert_eq!(status["health"]["bad_hosts"][0]["name"], "fr1.example");
    let explained = json(&server, &REQUEST.replace("/mirrorlist", "/admin/explain"));
    let last = explained["tiers"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["demoted"], &last["hosts"][0]["name"]),
        (&true.into(), &"fr1.example".into())
    );
    let verdict = &last["hosts"][0]["health"][0];
    assert_eq!((&verdict["verdict"], &verdict["since"]), (&"dead".into(), &7.into()));
    assert_eq!(verdict["last_answer"], "no answer within 10 s");
    assert_eq!(verdict["file"], watched.path().to_str().unwrap());
    let host = json(&server, "/admin/explain?host=fr1.example");
    assert_eq!(host["hosts"][0]["health"][0]["verdict"], "dead");
    let count = |server| metric(server, "mirrorlist_health_demotions_total");
    assert_eq!(count(&server), ["3"]);
    assert_eq!(metric(&server, "mirrorlist_health_hosts{verdict=\"dead\"}"), ["1"]);
    assert_eq!(metric(&server, "mirrorlist_health_file_used"), ["1"]);

    watched.write_dead(&[]);
    server.admin_get("/admin/reload");
    let after: BTreeSet<String> = (0..20).map(|_| hosts_in_order(&server).swap_remove(0)).collect();
    assert!(
        after.contains("fr1"),
        "of a hundred times the bandwidth, but never first: {after:?}"
    );
    assert_eq!(metric(&server, "mirrorlist_health_hosts{verdict=\"dead\"}"), ["0"]);
}

/// Reloads and checks that the log says nothing of a health file. Returns the outcome.
fn reload_says_nothing_new(server: &Server) -> Value {
    let outcome = json(server, "/admin/reload")["outcome"].take();
    // The end of a second reload comes after all that is said of the first one.
    server.admin_get("/admin/reload");
    let mut ends = 0;
    while ends < 2 {
        let message = server.next_message();
        assert!(!message.contains(NOT_USED), "said twice: {message}");
        ends += usize::from(message.contains("\"msg\":\"reload finished\""));
    }
    outcome
}

#[test]
fn a_file_that_cannot_be_used_costs_nothing_and_is_told_once() {
    let watched = Watched::new();
    let server = watched.start();
    assert_eq!(json(&server, "/admin/status")["health"]["files"][0]["state"], "missing");
    assert_eq!(hosts_in_order(&server).len(), 3);
    let dead = ["https://fr1.example/pub/linux", "http://fr1.example/pub/linux"];
    watched.write_dead(&dead);
    server.admin_get("/admin/reload");
    server.wait_for_message(USED);
    let fr1_is_last = || (0..20).all(|_| hosts_in_order(&server).ends_with(&["fr1".to_owned()]));
    assert!(fr1_is_last());

    let good = fs::read(watched.path()).unwrap();
    let later = String::from_utf8(good.clone())
        .unwrap()
        .replace("\"format\": 1", "\"format\": 2");
    let from_the_future = health_file_made(age::now() + 3_600).to_json().unwrap();
    for (text, said) in [
        (&good[..good.len() / 2], "damaged"),
        (b"".as_slice(), "empty"),
        (b"\xff\xfe garbage", "damaged"),
        (b"[]", "damaged"),
        (later.as_bytes(), "format 2"),
        (&from_the_future, "ahead of this machine's clock"),
    ] {
        watched.write(text);
        let report = json(&server, "/admin/reload");
        assert_eq!(report["outcome"], "replaced", "{report}");
        let message = server.wait_for_message(NOT_USED);
        assert!(
            message.contains(said) && message.contains("\"earlier_content_used\":true"),
            "{message}"
        );
        reload_says_nothing_new(&server);
        let file = &json(&server, "/admin/status")["health"]["files"][0];
        assert_eq!((&file["state"], &file["used"]), (&"unusable".into(), &true.into()));
        assert!(fr1_is_last());
    }

    // The reason has other numbers at each reading, and a new cache has it read.
    std::thread::sleep(Duration::from_millis(1_100));
    let cache = fs::read(watched.data.cache()).unwrap();
    fs::remove_file(watched.data.cache()).unwrap();
    fs::write(watched.data.cache(), cache).unwrap();
    assert_eq!(reload_says_nothing_new(&server), "replaced");

    // Of another cache: URLs and repositories that this one does not have.
    let mut other = health_file(fixture_urls(&[]));
    for url in &mut other.urls {
        url.url = url.url.replace(".example/", ".other/");
        url.standing = standing(Verdict::Dead);
    }
    watched.write(&other.to_json().unwrap());
    server.admin_get("/admin/reload");
    server.wait_for_message(USED);
    assert!(!fr1_is_last());

    watched.write_dead(&dead);
    server.admin_get("/admin/reload");
    assert!(fr1_is_last());
    fs::remove_file(watched.path()).unwrap();
    server.admin_get("/admin/reload");
    server.wait_for_message(NOT_USED);
    assert!(!fr1_is_last());
    assert_eq!(metric(&server, "mirrorlist_health_file_used"), ["0"]);
}

#[test]
fn a_file_that_calls_most_hosts_bad_is_set_aside() {
    let watched = Watched::new();
    let dead = ["https://fr1.example/pub/linux", "http://fr1.example/pub/linux"];
    watched.write_dead(&dead);
    let server = watched.start();
    let fr1_is_last = || (0..20).all(|_| hosts_in_order(&server).ends_with(&["fr1".to_owned()]));
    assert!(fr1_is_last());
    // The probe has lost its network. What it said before counts until its end.
    watched.write_dead(&FIXTURE_URLS);
    server.admin_get("/admin/reload");
    let message = server.wait_for_message(NOT_USED);
    assert!(
        message.contains("7 of 7 hosts of the world bad, more than 30%"),
        "{message}"
    );
    assert_eq!(
        json(&server, "/admin/status")["health"]["files"][0]["state"],
        "set_aside"
    );
    assert_eq!(metric(&server, "mirrorlist_health_file_set_aside"), ["1"]);
    assert!(fr1_is_last());
    watched.write_dead(&[]);
    server.admin_get("/admin/reload");
    assert_eq!(metric(&server, "mirrorlist_health_file_set_aside"), ["0"]);
    assert!(!fr1_is_last());
}

#[test]
fn an_end_of_validity_counts_without_a_reload_and_the_watch_tells_of_it() {
    let watched = Watched::new();
    let dead = ["https://fr1.example/pub/linux", "http://fr1.example/pub/linux"];
    let ends_soon = HealthFile {
        valid_until: age::now() + 2,
        ..health_file(fixture_urls(&dead))
    };
    watched.write(&ends_soon.to_json().unwrap());
    let server = watched.start_watching();
    let message = server.wait_for_message(NOT_USED);
    assert!(
        message.contains("Expired") && message.contains("is the probe running?"),
        "{message}"
    );
    assert!(age::now() >= ends_soon.valid_until);
    assert!(!(0..20).all(|_| hosts_in_order(&server).ends_with(&["fr1".to_owned()])));
    assert_eq!(metric(&server, "mirrorlist_health_file_used"), ["0"]);
    assert_eq!(json(&server, "/admin/status")["health"]["files"][0]["state"], "expired");
}

#[test]
fn the_watch_reads_a_file_again_that_could_not_be_read_for_a_passing_reason() {
    let watched = Watched::new();
    watched.write(&health_file_made(age::now() + 303).to_json().unwrap());
    let server = watched.start_watching();
    assert_eq!(
        json(&server, "/admin/status")["health"]["files"][0]["state"],
        "unusable"
    );
    server.wait_for_message(USED);
}

#[test]
fn a_new_health_file_does_not_tell_of_a_refused_cache_again() {
    let watched = Watched::new();
    let server = watched.start_watching();
    let broken = watched.folder.path().join("broken");
    fs::write(&broken, "no cache").unwrap();
    fs::rename(broken, watched.data.cache()).unwrap();
    let refused = "reload refused; keeping the current data";
    server.wait_for_message(refused);
    for told in [USED, NOT_USED, USED] {
        match told {
            USED => watched.write_dead(&[]),
            _ => fs::remove_file(watched.path()).unwrap(),
        }
        loop {
            let message = server.next_message();
            assert!(!message.contains(refused), "said twice: {message}");
            if message.contains(&format!("\"msg\":\"{told}\"")) {
                break;
            }
        }
    }
}

#[test]
fn check_tells_of_health_files() {
    let watched = Watched::new();
    watched.write_dead(&[]);
    let missing = watched.folder.path().join("missing");
    let files = format!("{},{}", watched.path().display(), missing.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
    command
        .arg("check")
        .args(watched.data.arguments())
        .args(["--health.files", &files]);
    let output = run(&mut command);
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("9 URLs\n  used\n"), "{stdout}");
    assert!(
        stdout.contains("missing\n  not used: there is no such file\n"),
        "{stdout}"
    );
}
