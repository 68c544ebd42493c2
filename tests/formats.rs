//! The formats that a request can ask for: each lists the same mirrors in the same order, JSON is what docs/openapi.yaml says, Metalink 4
//! is what RFC 5854 says; what Accept headers, origins and files that are absent change; and that no name of a host, directory or file breaks
//! a document or a header. (Whole answers: golden.rs.)
#![allow(
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod random_world;
#[path = "probe/schema.rs"]
mod schema;
mod support;

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use actix_web::body::to_bytes;
use actix_web::http::Method;
use actix_web::test::TestRequest;
use mirrorlist_server::access_log::AccessLog;
use mirrorlist_server::cache::proto::{FileDetailsType, IntCoordinatesMap, MirrorList, StringStringMap};
use mirrorlist_server::clock::Clock;
use mirrorlist_server::http::public::{Public, PublicWorker};
use mirrorlist_server::metrics::ServerMetrics;
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::settings::{
    AccessLogTarget, AllowedOrigins, ChoiceSettings, HostOrder, PublicSettings, TrustedProxies,
};
use mirrorlist_server::snapshot::{SharedSnapshot, Snapshot};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use random_world::{Question, ask, edit, host, host_and_protocol, query, question, request};
use serde_json::Value;
use slog::{Discard, Logger, o};
use support::process::{describe, run};
use support::programs::{Program, are_there};

static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_yaml_ng::from_str(include_str!("../docs/openapi.yaml")).unwrap());

/// Asserts that a document is what docs/openapi.yaml says of the JSON answers of an endpoint with a status.
fn assert_described(endpoint: &str, status: u16, document: &Value) {
    let response = &OPENAPI["paths"][endpoint]["get"]["responses"][status.to_string()];
    let response = match response["$ref"].as_str() {
        Some(path) => OPENAPI.pointer(path.strip_prefix('#').unwrap()).unwrap(),
        None => response,
    };
    let schema = &response["content"]["application/json"]["schema"];
    assert!(schema.is_object(), "{endpoint} {status}");
    schema::check(&OPENAPI, schema, document, endpoint);
}

/// The URLs of a JSON document, in order.
fn json_urls(document: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let hosts = list(&document["tiers"])
        .into_iter()
        .flat_map(|tier| list(&tier["hosts"]));
    let urls = hosts.flat_map(|host| list(&host["urls"]));
    urls.map(|url| {
        let text = url["url"].as_str().unwrap();
        let scheme = text.split_once("://").unwrap().0.to_lowercase();
        assert_eq!(url["protocol"], *scheme, "{url}");
        text.to_owned()
    })
    .collect()
}

/// The URLs of a metalink in order, with the attribute that ranks them.
fn metalink_urls(document: &str, ranking: &str) -> Vec<(u32, String)> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_comments = true;
    let (mut urls, mut current) = (Vec::new(), None::<(u32, String)>);
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error} in {document}"))
        {
            Event::Eof => return urls,
            Event::Start(start) if start.name().as_ref() == "url" => {
                let rank = start.try_get_attribute(ranking).unwrap().unwrap();
                current = Some((rank.value.parse().unwrap(), String::new()));
            }
            Event::End(end) if end.name().as_ref() == "url" => urls.extend(current.take()),
            Event::Text(text) => {
                if let Some((_, url)) = &mut current {
                    url.push_str(&text);
                }
            }
            Event::GeneralRef(name) => {
                if let Some((_, url)) = &mut current {
                    match (name.resolve_char_ref().unwrap(), &*name) {
                        (Some(character), _) => url.push(character),
                        (None, "amp") => url.push('&'),
                        (None, "lt") => url.push('<'),
                        (None, "gt") => url.push('>'),
                        (None, "quot") => url.push('"'),
                        (None, other) => panic!("&{other}; in {document}"),
                    }
                }
            }
            _ => {}
        }
    }
}

/// The status and body of the answer to a question in a format.
fn in_format(snapshot: &Snapshot, question: &Question, format: &str) -> (u16, String) {
    let text = format!("{}&format={format}", query(question));
    let query = MirrorQuery::parse(&text);
    let mut answerer = Answerer::seeded(question.seed);
    let answer = answer(snapshot, &request(question, &query), "", &mut answerer);
    let body = String::from_utf8(answer.body.start.to_vec()).unwrap();
    (answer.status, body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn all_formats_list_the_same_mirrors_in_the_same_order(
        hosts in prop::collection::vec(host(), 1..14),
        mut question in question(),
        by_distance in any::<bool>(),
    ) {
        prop_assume!(hosts.iter().any(|host| !host.protocols.is_empty()));
        if by_distance {
            question.settings.order = HostOrder::Distance;
        }
        let (snapshot, _) = fixture::snapshot_with(|cache| edit(cache, &hosts));
        let (plain_status, plain) = ask(&snapshot, &question, &mut Answerer::seeded(question.seed));
        let (status, body) = in_format(&snapshot, &question, "json");
        prop_assert_eq!(status, plain_status);
        let document: Value = serde_json::from_str(&body).unwrap();
        let endpoint = match question.endpoint {
            Endpoint::Mirrorlist => "/mirrorlist",
            Endpoint::Metalink => "/metalink",
        };
        assert_described(endpoint, status, &document);
        if status == 404 {
            prop_assert_eq!(&document["refused"]["status"], 404);
            return Ok(());
        }
        let listed: Vec<_> = json_urls(&document).iter().map(|url| host_and_protocol(url)).collect();
        if question.is_redirect() {
            prop_assert_eq!(&listed[..1], &plain[..]);
            return Ok(());
        }
        prop_assert_eq!(&listed, &plain);
        for tier in document["tiers"].as_array().unwrap() {
            for listed in tier["hosts"].as_array().unwrap() {
                let id = usize::try_from(listed["host_id"].as_i64().unwrap()).unwrap();
                prop_assert_eq!(&listed["country"], hosts[id].country);
                prop_assert_eq!(&listed["private"], hosts[id].private);
                let bandwidth = hosts[id].bandwidth.max(1);
                if listed.get("kilometres").is_none() {
                    prop_assert_eq!(&listed["weight"], bandwidth);
                } else {
                    prop_assert!(by_distance && listed["weight"].as_f64() <= Some(bandwidth as f64), "{}", listed);
                }
            }
        }
        if question.endpoint == Endpoint::Metalink {
            let (status, body) = in_format(&snapshot, &question, "metalink4");
            let found = metalink_urls(&body, "priority");
            prop_assert_eq!(status, if plain.is_empty() { 404 } else { 200 });
            prop_assert!(found.iter().zip(1..).all(|((priority, _), place)| *priority == place));
            let found: Vec<_> = found.iter().map(|(_, url)| host_and_protocol(url)).collect();
            prop_assert_eq!(found, plain);
        }
    }
}

#[test]
fn json_shows_kilometres_and_weights_that_fall_with_them_by_distance_only() {
    let (berlin, place_of_berlin) = (0, (5_252_000, 1_340_500));
    let change = |cache: &mut MirrorList| {
        let host = |country, bandwidth| random_world::Host {
            country,
            private: false,
            protocols: vec!["https"],
            bandwidth,
            allowed: Vec::new(),
            netblocks: Vec::new(),
            asn: None,
            carries: true,
        };
        edit(cache, &[host("DE", 300), host("FR", 100), host("ZZ", 10)]);
        cache.host_coordinates_cache = vec![IntCoordinatesMap {
            key: berlin,
            latitude: place_of_berlin.0,
            longitude: place_of_berlin.1,
        }];
        cache.netblock_country_cache = vec![StringStringMap {
            key: "198.18.0.0/15".to_owned(),
            value: "PL".to_owned(),
        }];
    };
    let (snapshot, _) = fixture::snapshot_with(change);
    let query = format!("path={}&format=json", random_world::DIRECTORY);
    let query = MirrorQuery::parse(&query);
    let hosts = |order| -> Vec<Value> {
        let settings = ChoiceSettings {
            order,
            ..ChoiceSettings::STANDARD
        };
        let request = MirrorRequest {
            endpoint: Endpoint::Mirrorlist,
            address: "198.18.0.1".parse().unwrap(),
            query: &query,
            settings: &settings,
            now: 0,
        };
        let answer = answer(&snapshot, &request, "", &mut Answerer::seeded(1));
        let document: Value = serde_json::from_slice(&answer.body.start).unwrap();
        assert_described("/mirrorlist", 200, &document);
        let tiers = document["tiers"].as_array().unwrap();
        let mut hosts: Vec<Value> = tiers
            .iter()
            .flat_map(|tier| tier["hosts"].as_array().unwrap())
            .cloned()
            .collect();
        hosts.sort_by_key(|host| host["host_id"].as_i64());
        hosts
    };
    let by_distance = hosts(HostOrder::Distance);
    // The middle of Poland is some 450 km from Berlin, and 1,300 km from the middle of France.
    let [near, far, unknown] = [0, 1, 2].map(|host| &by_distance[host]);
    assert!((400..500).contains(&near["kilometres"].as_u64().unwrap()), "{near}");
    assert_eq!(near["weight"], 300.0);
    let kilometres = far["kilometres"].as_f64().unwrap();
    let weight = 100.0 * 0.5_f64.powf((kilometres - 500.0) / 100.0);
    assert!((far["weight"].as_f64().unwrap() / weight - 1.0).abs() < 0.01, "{far}");
    assert_eq!(unknown["kilometres"], Value::Null);
    for (host, bandwidth) in hosts(HostOrder::Bandwidth).iter().zip([300, 100, 10]) {
        assert_eq!((&host["weight"], host.get("kilometres")), (&bandwidth.into(), None));
    }
}

fn worker(snapshot: Snapshot, cors: AllowedOrigins) -> PublicWorker {
    let logger = Logger::root(Discard, o!());
    let metrics = Arc::new(ServerMetrics::new().unwrap());
    let access_log = AccessLog::open(AccessLogTarget::Stdout, &metrics, logger.clone()).unwrap();
    let public = Public {
        snapshot: Arc::new(SharedSnapshot::new(snapshot)),
        settings: Arc::new(PublicSettings {
            trusted_proxies: TrustedProxies::loopback(),
            ip_from_trusted_only: false,
            cors,
        }),
        choice: Arc::new(ChoiceSettings::STANDARD),
        access_log: access_log.lines(),
        metrics,
        logger,
    };
    PublicWorker::new(public, 1, Clock::fixed(1_769_903_999))
}

/// An answer: its status, its headers, its body.
struct Found {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Found {
    /// The values of all headers with a name.
    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| &**value).collect()
    }

    fn media_type(&self) -> &str {
        self.all("content-type").first().copied().unwrap_or_default()
    }
}

fn send(worker: &PublicWorker, method: &str, target: &str, headers: &[(&str, &str)]) -> Found {
    let mut request = TestRequest::with_uri(target)
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .peer_addr("192.0.2.1:40000".parse().unwrap());
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    let response = worker.respond(&request.to_request());
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
    Found {
        status: response.status().as_u16(),
        headers: headers.collect(),
        body: {
            let body = actix_web::rt::System::new().block_on(to_bytes(response.into_body()));
            String::from_utf8(body.unwrap().to_vec()).unwrap()
        },
    }
}

const LIST: &str = "/mirrorlist?repo=linux-1&arch=x86_64";
const METALINK: &str = "/metalink?repo=linux-1&arch=x86_64";
const METALINK4: &str = "application/metalink4+xml";
const JSON: &str = "application/json";

#[test]
fn an_accept_header_chooses_the_format_and_the_answer_says_that_it_depends_on_it() {
    let worker = worker(fixture::snapshot(), AllowedOrigins::None);
    for (target, accept, media_type, vary) in [
        (LIST, "*/*", "text/plain", None),
        (LIST, "text/html,application/xml;q=0.9,*/*;q=0.8", "text/plain", None),
        (LIST, JSON, JSON, Some("Accept")),
        (LIST, "application/json;q=0.5,*/*", "text/plain", Some("Accept")),
        (LIST, METALINK4, "text/plain", None),
        (METALINK, "*/*", "application/metalink+xml", None),
        (METALINK, METALINK4, METALINK4, Some("Accept")),
        // What aria2 sends with each request.
        (
            METALINK,
            "*/*,application/metalink4+xml,application/metalink+xml",
            "application/metalink+xml",
            Some("Accept"),
        ),
        ("/metalink?repo=nope&arch=x86_64", JSON, JSON, Some("Accept")),
        ("/nope", JSON, JSON, Some("Accept")),
    ] {
        let found = send(&worker, "GET", target, &[("accept", accept)]);
        assert_eq!(found.media_type(), media_type, "{target} {accept}");
        assert_eq!(found.all("vary"), Vec::from_iter(vary), "{target} {accept}");
    }
    for (target, media_type) in [
        (format!("{METALINK}&format=metalink4"), METALINK4),
        (format!("{LIST}&format=json"), JSON),
        // What the endpoint does not have is as absent.
        (format!("{LIST}&format=metalink4"), "text/plain"),
        (format!("{METALINK}&format=JSON"), "application/metalink+xml"),
    ] {
        let found = send(
            &worker,
            "GET",
            &target,
            &[("accept", "text/plain,application/metalink+xml")],
        );
        assert_eq!(found.media_type(), media_type, "{target}");
        assert_eq!(found.all("vary"), [""; 0], "{target}");
    }
}

#[test]
fn refusals_have_the_same_status_in_every_format() {
    let worker = worker(fixture::snapshot(), AllowedOrigins::None);
    for endpoint in ["/mirrorlist", "/metalink"] {
        for (query, status) in [
            ("", 200),
            ("repo=linux-0&arch=x86_64", 200),
            ("repo=linux-1&arch=x86_64&ip=x", 400),
            ("repo=%22%3C--&arch=%00", 404),
            ("path=pub/nothing/at/all", 404),
        ] {
            for format in ["json", "metalink4"] {
                let target = format!("{endpoint}?{query}&format={format}");
                let found = send(&worker, "GET", &target, &[]);
                assert_eq!(found.status, status, "{target}");
                if format == "json" {
                    let document: Value = serde_json::from_str(&found.body).unwrap();
                    assert_described(endpoint, status, &document);
                    assert_eq!(document["refused"]["status"], status, "{target}");
                    assert!(
                        !document["refused"]["text"].as_str().unwrap().contains('\n'),
                        "{document}"
                    );
                } else if endpoint == "/metalink" {
                    assert_eq!(found.media_type(), METALINK4);
                    assert_eq!(metalink_urls(&found.body, "priority"), [], "{target}");
                }
            }
        }
    }
}

const ORIGIN: &str = "https://pages.example";

#[test]
fn pages_of_listed_origins_may_read_answers_and_others_may_not() {
    let preflight = [("origin", ORIGIN), ("access-control-request-method", "GET")];
    let listed = || AllowedOrigins::Listed(vec!["http://other.example".to_owned(), ORIGIN.to_owned()]);
    for (origins, origin, allowed, vary) in [
        (AllowedOrigins::None, ORIGIN, None, None),
        (AllowedOrigins::Any, ORIGIN, Some("*"), None),
        (listed(), ORIGIN, Some(ORIGIN), Some("Origin")),
        (listed(), "https://pages.example.evil.example", None, Some("Origin")),
        (listed(), "null", None, Some("Origin")),
    ] {
        let worker = worker(fixture::snapshot(), origins.clone());
        for target in [
            LIST,
            METALINK,
            "/mirrorlist?repo=linux-1&arch=x86_64&redirect=1",
            "/metalink?ip=x",
            "/",
        ] {
            let found = send(&worker, "GET", target, &[("origin", origin)]);
            assert_eq!(
                found.all("access-control-allow-origin"),
                Vec::from_iter(allowed),
                "{origins:?} {target}"
            );
            assert_eq!(found.all("vary"), Vec::from_iter(vary), "{origins:?} {target}");
        }
        let found = send(&worker, "OPTIONS", METALINK, &[("origin", origin), preflight[1]]);
        assert_eq!(
            found.status,
            if allowed.is_some() { 204 } else { 405 },
            "{origins:?} {origin}"
        );
        assert_eq!(found.all("access-control-allow-origin"), Vec::from_iter(allowed));
        let methods = allowed.map(|_| "GET, HEAD");
        assert_eq!(found.all("access-control-allow-methods"), Vec::from_iter(methods));
    }
    let worker = worker(fixture::snapshot(), AllowedOrigins::Any);
    let found = send(&worker, "OPTIONS", METALINK, &preflight);
    assert_eq!((found.status, &*found.body, found.media_type()), (204, "", ""));
    // A page that asks for JSON, and what is no preflight.
    let found = send(&worker, "GET", LIST, &[("origin", ORIGIN), ("accept", JSON)]);
    assert_eq!((found.media_type(), found.all("vary")), (JSON, vec!["Accept"]));
    assert_eq!(send(&worker, "OPTIONS", METALINK, &preflight[..1]).status, 405);
    assert_eq!(send(&worker, "OPTIONS", "/nope", &preflight).status, 404);
    assert_eq!(send(&worker, "POST", METALINK, &preflight).status, 405);
}

/// Adds files with details to a directory.
fn add_files(cache: &mut MirrorList, directory: &str, names: &[&str]) {
    let details = || vec![fixture::details(1_700_000_000, "a")];
    cache.file_details_cache.retain(|known| known.directory != directory);
    let files = names.iter().map(|name| (*name, details())).collect();
    cache.file_details_cache.push(fixture::files(directory, files));
}

#[test]
fn a_redirect_to_a_file_that_is_known_to_be_absent_is_not_found() {
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        add_files(cache, "pub/linux/1/iso", &["dvd.iso", "net install.iso", "disk.raw.xz"]);
        add_files(cache, "pub/linux/2/repodata", &["repomd.xml", "other.xml"]);
    });
    let worker = worker(snapshot, AllowedOrigins::None);
    for (path, status) in [
        ("1/iso/old.iso", 404),
        ("1/iso/DVD.iso", 404),
        ("1/iso/dvd.iso", 302),
        ("1/iso/net%20install.iso", 302),
        ("1/iso/", 302),
        ("1/iso/CHECKSUM", 302),
        ("1/iso/dvd.iso.asc", 302),
        ("2/repodata/primary.xml", 302),
        ("1/x86_64/os/repodata/primary.xml", 302),
    ] {
        let target = format!("/mirrorlist?path=pub/linux/{path}&country=DE&redirect=1");
        let found = send(&worker, "GET", &target, &[]);
        assert_eq!(found.status, status, "{path}: {}", found.body);
        assert_eq!(found.all("location").len(), usize::from(status == 302), "{path}");
        let target = format!("/mirrorlist?path=pub/linux/{path}&country=DE");
        assert_eq!(
            send(&worker, "GET", &target, &[]).status,
            200,
            "a list of {path} is as ever"
        );
    }
}

#[test]
fn a_wish_that_is_not_followed_is_named_on_both_endpoints() {
    let worker = worker(fixture::snapshot(), AllowedOrigins::None);
    for (endpoint, target) in [("/mirrorlist", LIST), ("/metalink", METALINK)] {
        let target = format!("{target}&format=json&country=!au,!de,!fr,!il,!it,!jp,!us");
        let document: Value = serde_json::from_str(&send(&worker, "GET", &target, &[]).body).unwrap();
        assert_described(endpoint, 200, &document);
        assert_eq!(
            document["ignored"],
            serde_json::json!(["excluded_countries"]),
            "{document}"
        );
        assert!(!json_urls(&document).is_empty(), "{document}");
    }
}

/// Base URLs that a cache can have, with characters that mean something in XML, JSON or a header.
const ODD_URLS: [&str; 6] = [
    "https://a.example/<b>\"&'amp;",
    "http://b.example/]]>--%3E;,={}|\\^`",
    "https://c.example:8443/?x=1",
    "https://user@d.example/\">;rel=x",
    "HTTP://E.example/A",
    "https://[2001:db8::1]/pub",
];

/// A world in which all hosts that a client of Germany gets have odd URLs.
fn odd_snapshot(urls: &[&str]) -> Snapshot {
    let (snapshot, warnings) = fixture::snapshot_with(|cache| {
        for (place, url) in cache.hc_url_cache.iter_mut().enumerate() {
            urls[place % urls.len()].clone_into(&mut url.value);
        }
        add_files(cache, "pub/linux/odd dir/50% ü", &["<a> & \"b\"'%41[1].iso"]);
        for directory in &mut cache.mirror_list_cache {
            let all = fixture::directory(&directory.directory, |_| true);
            directory.by_host_id = all.by_host_id;
            directory.by_country = all.by_country;
            directory.global = all.global;
        }
    });
    assert_eq!(warnings.first().iter().find(|warning| warning.contains("URL")), None);
    snapshot
}

const ODD_FILE: &str = "path=pub/linux/odd%20dir/50%25%20%C3%BC/%3Ca%3E%20%26%20%22b%22%27%2541[1].iso";

/// A base URL as Metalink 4 has it, which asks for what RFC 3986 allows.
fn strict(base: &str) -> String {
    let encoded = base.chars().map(|c| match c {
        ']' if base.contains("]]") => "%5D".to_owned(),
        '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    });
    encoded.collect()
}

#[test]
fn no_name_breaks_a_document_or_a_header() {
    let worker = worker(odd_snapshot(&ODD_URLS), AllowedOrigins::None);
    let json = send(
        &worker,
        "GET",
        &format!("/metalink?{ODD_FILE}&country=de&format=json"),
        &[],
    );
    let document: Value = serde_json::from_str(&json.body).unwrap();
    assert_described("/metalink", json.status, &document);
    assert_eq!(document["file"]["name"], "<a> & \"b\"'%41[1].iso");
    let mut expected = json_urls(&document);
    for url in &expected {
        assert!(ODD_URLS.iter().any(|base| url.starts_with(base)), "{url}");
    }
    for (format, ranking) in [("", "preference"), ("metalink4", "priority")] {
        let found = send(
            &worker,
            "GET",
            &format!("/metalink?{ODD_FILE}&country=de&format={format}"),
            &[],
        );
        let encoded = ODD_URLS.map(|base| {
            if format.is_empty() {
                base.to_owned()
            } else {
                strict(base)
            }
        });
        let urls = metalink_urls(&found.body, ranking).into_iter().map(|(_, url)| {
            let position = encoded.iter().position(|base| url.starts_with(base));
            let position = position.unwrap_or_else(|| panic!("{url}"));
            url.replacen(&encoded[position], ODD_URLS[position], 1)
                .replace("%5B1%5D", "[1]")
        });
        let mut urls: Vec<String> = urls.collect();
        assert_eq!(urls.len(), expected.len(), "{}", found.body);
        urls.sort();
        expected.sort();
        assert_eq!(urls, expected, "{format}");
    }
    let found = send(&worker, "GET", &format!("/mirrorlist?{ODD_FILE}&redirect=1"), &[]);
    assert_eq!(found.status, 302);
    let links = found.all("link");
    assert_eq!(links.len(), 5, "{links:?}");
    for link in links {
        let (url, parameters) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
        assert!(
            !url.contains(|c: char| c == '"' || c == '<' || c == '\\' || c.is_whitespace()),
            "{link}"
        );
        assert!(
            parameters.starts_with("; rel=duplicate; pri=") || parameters.starts_with("; rel=describedby"),
            "{link}"
        );
    }
}

#[test]
fn the_metalink_of_a_redirect_is_there_below_any_prefix() {
    let worker = worker(odd_snapshot(&ODD_URLS), AllowedOrigins::None);
    let found = send(&worker, "GET", &format!("/a/b/mirrorlist?{ODD_FILE}&redirect=1"), &[]);
    let links = found.all("link");
    let described = links.iter().find(|link| link.contains("describedby")).unwrap();
    let (reference, _) = described.strip_prefix('<').unwrap().split_once('>').unwrap();
    let base = url::Url::parse("http://mirrors.example/a/b/mirrorlist?x=1").unwrap();
    let url = base.join(reference).unwrap();
    assert_eq!(url.path(), "/a/b/metalink");
    let target = format!("{}?{}", url.path(), url.query().unwrap());
    let metalink = send(&worker, "GET", &target, &[]);
    assert_eq!((metalink.status, metalink.media_type()), (200, METALINK4), "{target}");
    assert!(!metalink_urls(&metalink.body, "priority").is_empty());
    // Only where there is one.
    let found = send(
        &worker,
        "GET",
        "/mirrorlist?path=pub/linux/1/iso/any.zip&redirect=1",
        &[],
    );
    assert!(
        found.all("link").iter().all(|link| link.contains("rel=duplicate")),
        "{:?}",
        found.headers
    );
    assert_eq!(found.all("digest"), [""; 0]);
}

#[test]
fn a_redirect_has_the_strongest_hash_that_both_headers_may_have() {
    let digest = |sha256: Option<String>, sha512: Option<String>| {
        let (snapshot, _) = fixture::snapshot_with(|cache| {
            let details = FileDetailsType {
                sha256,
                sha512,
                ..fixture::details(1_700_000_000, "a")
            };
            let files = vec![("dvd.iso", vec![details])];
            cache
                .file_details_cache
                .push(fixture::files("pub/linux/1/source/tree", files));
        });
        let worker = worker(snapshot, AllowedOrigins::None);
        let target = "/mirrorlist?path=pub/linux/1/source/tree/dvd.iso&redirect=1";
        let found = send(&worker, "GET", target, &[]);
        ["digest", "repr-digest"].map(|name| found.all(name).first().map(|value| (*value).to_owned()))
    };
    let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let base64 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let both = [format!("SHA-256={base64}"), format!("sha-256=:{base64}:")].map(Some);
    assert_eq!(digest(Some(sha256.to_owned()), Some("0".repeat(128))), both);
    let zeros = "A".repeat(86) + "==";
    let long = [format!("SHA-512={zeros}"), format!("sha-512=:{zeros}:")].map(Some);
    assert_eq!(digest(None, Some("0".repeat(128))), long);
    assert_eq!(digest(None, None), [None, None]);
}

#[test]
fn the_headers_of_a_redirect_stay_below_8_kb() {
    let bases: Vec<String> = (0..7)
        .map(|n| format!("https://{n}.example/{}", "x".repeat(1_900)))
        .collect();
    let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
    let worker = worker(odd_snapshot(&bases), AllowedOrigins::Any);
    let found = send(
        &worker,
        "GET",
        &format!("/mirrorlist?{ODD_FILE}&redirect=1"),
        &[("accept", JSON)],
    );
    let bytes: usize = found
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    assert!(bytes < 8_000, "{bytes}");
    assert!(found.all("link").len() >= 2, "{:?}", found.headers);
}

#[test]
fn a_metalink_4_is_what_rfc_5854_says() {
    if !are_there("Metalink 4 and its schema", &[Program::Xmllint]) {
        return;
    }
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/metalink4.rng");
    let plain = worker(fixture::snapshot(), AllowedOrigins::None);
    let odd = worker(odd_snapshot(&ODD_URLS), AllowedOrigins::None);
    for (worker, query) in [
        (&plain, "repo=linux-1&arch=x86_64"),
        (&plain, "path=pub/linux/1/iso/a%20%26%20b.iso&country=us"),
        (&odd, ODD_FILE),
    ] {
        let found = send(worker, "GET", &format!("/metalink?{query}&format=metalink4"), &[]);
        assert_eq!((found.status, found.media_type()), (200, METALINK4));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(found.body.as_bytes()).unwrap();
        let command = &mut Program::Xmllint.command();
        let output = run(command
            .args(["--noout", "--nonet", "--relaxng", schema])
            .arg(file.path()));
        assert!(output.status.success(), "{}\n{}", describe(&output), found.body);
    }
}

#[test]
fn every_parameter_is_in_the_description() {
    let parser = include_str!("../src/mirrorlist/query.rs");
    let read = parser
        .lines()
        .filter_map(|line| line.trim().split_once("\" => parsed."));
    let names: Vec<&str> = read.filter_map(|(name, _)| name.strip_prefix('"')).collect();
    assert!(names.contains(&"repo") && names.contains(&"format"), "{names:?}");
    let document = OPENAPI["paths"]["/mirrorlist"]["parameters"].to_string();
    for name in names {
        assert!(document.contains(&format!("/parameters/{name}\"")), "{name}");
        assert_eq!(OPENAPI["components"]["parameters"][name]["name"], name);
    }
}
