//! `mirrorlist-server compare`: the built program against servers with the same data and with other data, and against some that are slow,
//! down, or something else.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]
#![allow(
    clippy::semicolon_if_nothing_returned,
    reason = "tables of changes, an expression each"
)]

mod fixture;
mod support;

#[path = "compare/stub.rs"]
mod stub;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mirrorlist_server::cache::proto::MirrorList;
use mirrorlist_server::compare::run::differences;
use mirrorlist_server::compare::{OwnServer, RequestTarget, from_cache};
use mirrorlist_server::settings::ChoiceSettings;
use proptest::prelude::*;
use stub::{Reply, Stub};
use support::data::DataFiles;
use support::http::Response;
use support::process::{describe, run};
use support::server::Server;

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

fn compare(files: &DataFiles, against: &str, further_arguments: &[&str]) -> Output {
    let mut command = compare_command(files, against);
    run(command.args(["--rate", "100000"]).args(further_arguments))
}

fn compare_command(files: &DataFiles, against: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
    command
        .args(["compare", "--against", against])
        .args(files.arguments())
        // It is not to be asked by way of these.
        .env("HTTP_PROXY", "http://192.0.2.1:9")
        .env("http_proxy", "http://192.0.2.1:9");
    command
}

/// Compares what a file asks for.
fn compare_targets(files: &DataFiles, against: &str, targets: &[&str], further_arguments: &[&str]) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), targets.join("\n")).unwrap();
    let arguments = ["--requests", file.path().to_str().unwrap()];
    compare(files, against, &[&arguments, further_arguments].concat())
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The classes that a summary names.
fn classes(output: &Output) -> Vec<String> {
    let text = printed(output);
    let lines = text.split("\n\n").skip(1).flat_map(str::lines);
    let class = |line: &str| {
        let mut words = line.split_whitespace();
        words.next()?.parse::<usize>().ok()?;
        words.next().map(str::to_owned)
    };
    lines
        .filter(|line| !line.starts_with("         "))
        .filter_map(class)
        .collect()
}

#[test]
fn a_server_with_the_same_data_differs_in_nothing() {
    let files = data();
    let server = Server::start(&files, &[]);
    let output = compare(&files, &server.url(""), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", describe(&output));
    let text = printed(&output);
    assert!(
        text.starts_with("1000 requests compared with http://127.0.0.1:"),
        "{text}"
    );
    assert!(
        text.contains("both caches were made Tue, 14 Nov 2023 22:13:20 GMT\n"),
        "{text}"
    );
    assert!(text.contains("    1000 answers are the same\n"), "{text}");
    assert_eq!(classes(&output), [""; 0]);
    assert!(
        output.stderr.is_empty(),
        "no bar where there is no terminal: {}",
        describe(&output)
    );
}

#[test]
fn settings_of_order_and_a_maximum_here_are_no_difference() {
    let files = data();
    let server = Server::start(&files, &["--redirect.sticky", "true", "--as_order", "bandwidth"]);
    let further = ["--count", "200", "--maximum", "2", "--prefer_family", "true"];
    let output = compare(&files, &server.url(""), &further);
    assert_eq!(output.status.code(), Some(0), "{}", describe(&output));
    assert_eq!(classes(&output), [""; 0]);
}

#[test]
fn a_server_below_a_prefix_is_asked_there() {
    let files = data();
    let server = Server::start(&files, &[]);
    let output = compare(&files, &server.url("/prefix/"), &["--count", "20"]);
    assert_eq!(output.status.code(), Some(0), "{}", describe(&output));
    assert!(printed(&output).starts_with("20 requests compared with"));
}

fn edit_details(cache: &mut MirrorList, edit: impl Fn(&mut mirrorlist_server::cache::proto::FileDetailsType)) {
    edit(&mut cache.file_details_cache[0].file_details_cache_files[0].file_details[0]);
}

/// A change of a cache, and the class by which it is to be found.
type Change = (&'static str, fn(&mut MirrorList));

const CHANGES: [Change; 26] = [
    ("only-here", |cache| {
        for directory in &mut cache.mirror_list_cache {
            directory.by_host_id.retain(|host| host.key != 4);
        }
    }),
    ("only-here", |cache| {
        cache.mirror_list_cache[3].by_host_id.retain(|host| host.key != 6)
    }),
    ("only-here", |cache| cache.host_country_allowed_cache[0].key = 4),
    ("only-there", |cache| cache.host_country_allowed_cache.clear()),
    ("url", |cache| {
        for url in &mut cache.hc_url_cache {
            url.value = url.value.replace("de2.example/pub", "de2.example/mirror/pub");
        }
    }),
    ("url", |cache| {
        cache
            .hc_url_cache
            .retain(|url| url.value != "https://de1.example/pub/linux")
    }),
    ("url", |cache| {
        cache.mirror_list_cache[1].subpath = Some("1/elsewhere".to_owned())
    }),
    ("only-here", |cache| cache.host_netblock_cache.clear()),
    ("order", |cache| {
        cache
            .host_netblock_cache
            .push(mirrorlist_server::cache::proto::StringRepeatedIntMap {
                key: "192.0.2.0/25".to_owned(),
                value: vec![6],
            });
    }),
    ("comment", |cache| cache.host_asn_cache.clear()),
    ("comment", |cache| {
        cache.netblock_country_cache[0].value = "JP".to_owned()
    }),
    ("comment", |cache| cache.country_continent_redirect_cache.clear()),
    ("location", |cache| cache.host_country_cache[3].value = "CA".to_owned()),
    ("private", |cache| {
        for directory in &mut cache.mirror_list_cache {
            directory.global.retain(|host| *host != 1);
        }
    }),
    ("hash", |cache| {
        edit_details(cache, |details| details.sha256 = Some("e".repeat(64)))
    }),
    ("hash", |cache| edit_details(cache, |details| details.md5 = None)),
    ("size", |cache| edit_details(cache, |details| details.size += 1)),
    ("time", |cache| edit_details(cache, |details| details.time_stamp += 1)),
    ("alternates", |cache| {
        cache.file_details_cache[0].file_details_cache_files[0]
            .file_details
            .truncate(1);
    }),
    ("status", |cache| cache.file_details_cache.clear()),
    ("status", |cache| {
        cache
            .repo_arch_to_directory_name
            .retain(|repo| repo.key != "linux-1+x86_64")
    }),
    ("status", |cache| cache.repository_redirect_cache.clear()),
    ("refusal", |cache| cache.disabled_repository_cache[1].value = true),
    ("refusal", |cache| {
        cache
            .mirror_list_cache
            .retain(|directory| directory.directory != "pub/linux/1/iso")
    }),
    ("repositories", |cache| {
        cache
            .repo_arch_to_directory_name
            .push(mirrorlist_server::cache::proto::StringStringMap {
                key: "linux-3+x86_64".to_owned(),
                value: "pub/linux/2/repodata".to_owned(),
            });
    }),
    ("created", |cache| cache.time += 1),
];

#[test]
fn each_kind_of_change_in_a_cache_is_found_and_named() {
    let files = data();
    for (number, (class, change)) in CHANGES.into_iter().enumerate() {
        let mut cache = fixture::cache_message();
        change(&mut cache);
        let server = Server::start(&DataFiles::new(&cache), &[]);
        let output = compare(&files, &server.url(""), &["--count", "400"]);
        let found = classes(&output);
        assert_eq!(output.status.code(), Some(1), "{number} {class}: {}", describe(&output));
        assert!(
            found.iter().any(|found| found == class),
            "{number} {class}: {}",
            describe(&output)
        );
    }
}

#[test]
fn no_more_is_asked_than_the_rate_allows() {
    let files = data();
    let server = Server::start(&files, &[]);
    let started = Instant::now();
    let mut command = compare_command(&files, &server.url(""));
    let output = run(command.args(["--rate", "20", "--count", "21"]));
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(output.status.code(), Some(0), "{}", describe(&output));
}

#[test]
fn another_minimum_is_named() {
    let files = data();
    for (here, there) in [("1", "9"), ("9", "1")] {
        let server = Server::start(&files, &["--minimum", there]);
        let targets = ["/mirrorlist?path=pub/linux&ip=192.0.2.9"];
        let output = compare_targets(&files, &server.url(""), &targets, &["--minimum", here]);
        assert_eq!(output.status.code(), Some(1), "{}", describe(&output));
        assert_eq!(classes(&output), ["minimum"], "{}", describe(&output));
    }
}

#[test]
fn a_redirect_to_a_file_that_is_absent_is_on_purpose() {
    let mut cache = fixture::cache_message();
    let files = ["dvd.iso", "netinst.iso"].map(|name| (name, vec![fixture::details(1, "a")]));
    let entry = fixture::files("pub/linux/1/source/tree", files.to_vec());
    cache.file_details_cache.push(entry);
    let files = DataFiles::new(&cache);
    let server = Server::start(&files, &["--redirect.absent", "redirect"]);
    let targets = ["/mirrorlist?path=pub/linux/1/source/tree/old.iso&redirect=1&ip=192.0.2.9"];
    let output = compare_targets(&files, &server.url(""), &targets, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", describe(&output));
    assert_eq!(classes(&output), ["absent-file"], "{}", describe(&output));
}

const LIST: &str = "/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.9";
const METALINK: &str = "/metalink?repo=linux-1&arch=x86_64&ip=192.0.2.9";

fn edit_text(response: &mut Response, edit: impl Fn(&str) -> String) {
    response.body = edit(std::str::from_utf8(&response.body).unwrap()).into_bytes();
}

/// What is asked, what the other server makes of the answer, the class by which that is to be found, and the exit code.
type Distortion = (&'static str, fn(&mut Response), &'static str, i32);

const DISTORTIONS: [Distortion; 24] = [
    (LIST, |answer| edit_text(answer, reversed), "order", 1),
    (
        LIST,
        |answer| edit_text(answer, |text| text.replace("country = FR", "country = IT")),
        "comment",
        1,
    ),
    (
        LIST,
        |answer| {
            edit_text(answer, |text| {
                text.replacen(" country = DE", " country = DE country = DE", 1)
            })
        },
        "country-once",
        0,
    ),
    (
        LIST,
        |answer| edit_text(answer, |text| text.replace("https://de1", "http://de1")),
        "protocol-order",
        0,
    ),
    (
        LIST,
        |answer| edit_text(answer, |text| text.replace('\n', "\r\n")),
        "url",
        1,
    ),
    (
        LIST,
        |answer| {
            edit_text(answer, |text| {
                format!("{text}https://de1.example/pub/linux/1/x86_64/os/\n")
            })
        },
        "url",
        1,
    ),
    (
        LIST,
        |answer| edit_text(answer, |_| "repo disabled".to_owned()),
        "refusal",
        1,
    ),
    (
        LIST,
        |answer| answer.headers.retain(|(name, _)| name != "content-type"),
        "content-type",
        1,
    ),
    (LIST, |answer| answer.status = 503, "status", 1),
    (
        METALINK,
        |answer| edit_text(answer, |text| text.replace("aaaaaaaa", "AAAAAAAA")),
        "hash-case",
        0,
    ),
    (
        METALINK,
        |answer| edit_text(answer, |text| text[..text.len() - 20].to_owned()),
        "unreadable",
        1,
    ),
    (
        METALINK,
        |answer| edit_text(answer, |text| text.replace("preference=\"99\"", "preference=\"101\"")),
        "preference",
        1,
    ),
    (
        METALINK,
        |answer| edit_text(answer, |text| text.replace("maxconnections=\"1\"", "")),
        "attributes",
        1,
    ),
    (
        METALINK,
        |answer| edit_text(answer, |text| text.replace("repomd.xml\">", "other.xml\">")),
        "file",
        1,
    ),
    (
        METALINK,
        |answer| {
            edit_text(answer, |text| {
                text.replace(
                    "   </mm0:alternates>",
                    "<mm0:alternate><size>1</size></mm0:alternate></mm0:alternates>",
                )
            })
        },
        "undated-alternates",
        0,
    ),
    (
        "/metalink?path=pub/linux/1/iso/a%20%26%20b.iso&ip=192.0.2.9",
        |answer| edit_text(answer, |text| text.replace("&amp;", "&")),
        "escaping",
        0,
    ),
    (
        "/mirrorlist?path=pub/linux&country=IT&ip=192.0.2.9",
        |answer| edit_text(answer, first_line),
        "country-falls-through",
        0,
    ),
    (
        "/mirrorlist?path=pub/linux&protocol=ftp&ip=192.0.2.9",
        |answer| {
            edit_text(answer, |text| {
                format!("{}https://de1.example/pub/linux/\n", first_line(text))
            })
        },
        "protocol-asked",
        0,
    ),
    (
        "/mirrorlist?path=pub/linux&ip=192.0.2.9",
        |answer| edit_text(answer, |text| format!("{text}https://it1.example/pub/linux/\n")),
        "country-limit",
        0,
    ),
    (
        "/mirrorlist?repo=linux-1&arch=x86_64&ip=nonsense",
        |answer| answer.status = 500,
        "invalid-address",
        0,
    ),
    (
        "/mirrorlist?repo=linux-lost&arch=x86_64",
        |answer| answer.status = 500,
        "unknown-directory",
        0,
    ),
    (
        "/mirrorlist?repo=linux%2D1&arch=x86_64",
        |answer| answer.status = 404,
        "decoding",
        0,
    ),
    (
        "/mirrorlist?repo=linux-1&arch=x86_64&redirect&ip=192.0.2.9",
        |answer| redirected(answer, "http://jp1.example/pub/linux/1/x86_64/os/"),
        "redirect",
        1,
    ),
    (
        "/elsewhere",
        |answer| edit_text(answer, |_| "We don't serve their kind here!".to_owned()),
        "refusal-words",
        0,
    ),
];

fn first_line(text: &str) -> String {
    format!("{}\n", text.lines().next().unwrap())
}

fn reversed(text: &str) -> String {
    let urls: Vec<&str> = text.lines().skip(1).collect();
    let urls = urls.iter().rev().map(|url| format!("{url}\n"));
    first_line(text) + &urls.collect::<String>()
}

fn redirected(answer: &mut Response, location: &str) {
    for (name, value) in &mut answer.headers {
        if name == "location" {
            *value = location.to_owned();
        }
    }
}

#[test]
fn each_difference_of_an_answer_is_named_and_explained_only_if_it_is_on_purpose() {
    let files = data();
    let continents = fs::read_to_string(files.country_continent()).unwrap();
    fs::write(files.country_continent(), continents + "IT,EU\n").unwrap();
    let server = Server::start(&files, &[]);
    for (target, distort, class, code) in DISTORTIONS {
        let stub = Stub::before(server.address(), move |asked, mut answer| {
            // The question whether it is a mirrorlist server, and that about the cache's time, are answered as they are.
            if asked != "/mirrorlist" && !asked.ends_with("&time=1") {
                distort(&mut answer);
            }
            Reply::Answer(answer)
        });
        let output = compare_targets(&files, &stub.url(), &[target], &[]);
        assert_eq!(classes(&output), [class], "{target}: {}", describe(&output));
        assert_eq!(output.status.code(), Some(code), "{class}: {}", describe(&output));
        let text = printed(&output);
        assert_eq!(text.contains("why: "), code == 0, "{text}");
        assert!(text.contains(target), "{text}");
    }
}

#[test]
fn a_request_without_an_answer_in_time_is_counted() {
    let files = data();
    let server = Server::start(&files, &[]);
    let stub = Stub::before(server.address(), |asked, answer| match asked.contains("country=JP") {
        true => Reply::Silence,
        false => Reply::Answer(answer),
    });
    let slow = format!("{LIST}&country=JP");
    let output = compare_targets(&files, &stub.url(), &[&slow, LIST, METALINK], &["--timeout", "300ms"]);
    assert_eq!(output.status.code(), Some(1), "{}", describe(&output));
    assert_eq!(classes(&output), ["no-answer"]);
    let text = printed(&output);
    assert!(
        text.contains("       2 answers are the same") && text.contains("no answer in time"),
        "{text}"
    );
}

#[test]
fn a_server_that_goes_silent_ends_the_comparison() {
    let files = data();
    let server = Server::start(&files, &[]);
    let stub = Stub::before(server.address(), |asked, answer| match asked == "/mirrorlist" {
        true => Reply::Answer(answer),
        false => Reply::Close,
    });
    let output = compare(&files, &stub.url(), &["--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(69), "{}", describe(&output));
    let said = describe(&output);
    assert!(
        said.contains("to 20 requests in a row") && said.contains("requests are left out"),
        "{said}"
    );
    assert!(said.contains("no-answer"), "{said}");
}

#[test]
fn a_server_that_is_down_or_silent_is_unavailable() {
    let files = data();
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let down = format!("http://127.0.0.1:{port}");
    let silent = Stub::new(|_| Reply::Silence);
    for (against, said) in [(&down, "refused"), (&silent.url(), "no answer in time")] {
        let output = compare(&files, against, &["--timeout", "300ms"]);
        assert_eq!(output.status.code(), Some(69), "{}", describe(&output));
        let message = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(message.lines().count(), 1, "{message}");
        assert!(message.contains(&format!("no answer from {against}")), "{message}");
        assert!(message.contains(said), "{message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_is_no_mirrorlist_server_is_said_once() {
    let files = data();
    let page = Stub::new(|_| {
        Reply::Answer(Response {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/html; charset=utf-8".to_owned())],
            body: b"<html><title>It works!</title></html>".to_vec(),
        })
    });
    let noise = Stub::new(|_| Reply::Noise);
    for (against, said) in [(page.url(), "no mirrorlist server"), (noise.url(), "no answer")] {
        let output = compare(&files, &against, &["--timeout", "1s"]);
        let message = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(69), "{}", describe(&output));
        assert!(message.contains(said), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn https_is_spoken_with_servers_that_the_system_trusts() {
    let files = data();
    let server = Server::start(&files, &[]);
    let (stub, certificate) = Stub::with_tls_before(server.address());
    let trusted = tempfile::NamedTempFile::new().unwrap();
    fs::write(trusted.path(), certificate).unwrap();
    let with_certificates = |path: &Path| {
        let mut command = compare_command(&files, &stub.https_url());
        run(command.args(["--count", "30"]).env("SSL_CERT_FILE", path))
    };
    let output = with_certificates(trusted.path());
    assert_eq!(output.status.code(), Some(0), "{}", describe(&output));
    assert!(printed(&output).starts_with("30 requests compared with https://"));
    let stranger = tempfile::NamedTempFile::new().unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(stranger.path(), other.cert.pem()).unwrap();
    let output = with_certificates(stranger.path());
    assert_eq!(output.status.code(), Some(69), "{}", describe(&output));
    assert!(describe(&output).contains("certificate"), "{}", describe(&output));
}

#[test]
fn a_report_that_can_not_be_written_is_no_difference() {
    let Ok(full) = fs::File::options().write(true).open("/dev/full") else {
        println!("SKIPPED: this system has no /dev/full");
        return;
    };
    let files = data();
    let server = Server::start(&files, &[]);
    let mut command = compare_command(&files, &server.url(""));
    let output = command.args(["--count", "10"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", describe(&output));
    assert!(
        describe(&output).contains("cannot print the report"),
        "{}",
        describe(&output)
    );
}

#[test]
fn requests_come_from_an_access_log() {
    let files = data();
    let server = Server::start(&files, &[]);
    for client in ["192.0.2.9", "2001:db8::7"] {
        server.get(&format!("/metalink?repo=linux-1&arch=x86_64&ip={client}"));
        server.get(&format!("/mirrorlist?repo=linux-source-1&arch=x86_64&ip={client}"));
    }
    let url = server.url("");
    assert!(server.stop().success());
    let log = files.access_log();
    let server = Server::start(&files, &["--log", "/dev/null"]);
    let output = compare(&files, &server.url(""), &["--from-log", log.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{url}: {}", describe(&output));
    assert!(
        printed(&output).starts_with("8 requests compared"),
        "{}",
        describe(&output)
    );
}

#[test]
fn mistakes_are_named_with_their_exit_codes() {
    let files = data();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "/mirrorlist\nnonsense\n").unwrap();
    let path = file.path().to_str().unwrap();
    let url = "http://127.0.0.1:1";
    for (against, arguments, code, said) in [
        ("127.0.0.1:1", &[][..], 64, "--against \"127.0.0.1:1\": expected a URL"),
        (url, &["--rate", "0"], 64, "--rate \"0\""),
        (url, &["--count", "many"], 64, "--count \"many\""),
        (url, &["--timeout", "soon"], 64, "--timeout \"soon\""),
        (url, &["--requests", path, "--from-log", path], 64, "--from-log"),
        (url, &["--requests", path], 66, "line 2: \"nonsense\""),
        (url, &["--from-log", path], 66, "no request in it"),
        (url, &["--requests", "/nonexistent/targets"], 66, "/nonexistent/targets"),
        (url, &["--cache", "/nonexistent/cache"], 66, "/nonexistent/cache"),
    ] {
        let output = run(compare_command(&files, against).args(arguments));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", describe(&output));
        assert!(describe(&output).contains(said), "{arguments:?}: {}", describe(&output));
    }
    let output = run(Command::new(env!("CARGO_BIN_EXE_mirrorlist-server")).arg("compare"));
    assert_eq!(output.status.code(), Some(64), "{}", describe(&output));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn answers_differ_in_nothing_from_themselves(here in any::<u64>(), there in any::<u64>(), minimum in 0_usize..12) {
        let snapshot = fixture::snapshot();
        let settings = ChoiceSettings { minimum, ..ChoiceSettings::STANDARD };
        let requests = from_cache::requests(&snapshot, std::num::NonZeroUsize::new(60));
        let (mut own, mut other) = (OwnServer::new(&snapshot, &settings, here), OwnServer::new(&snapshot, &settings, there));
        for request in &requests {
            let found = differences(&mut own, request, &other.raw(request));
            prop_assert!(found.is_empty(), "{}: {found:?}", request.target());
        }
    }
}

#[test]
fn requests_of_a_cache_are_the_same_each_time_and_ask_for_all_there_is() {
    let snapshot = fixture::snapshot();
    let requests = from_cache::requests(&snapshot, None);
    assert_eq!(requests, from_cache::requests(&snapshot, None));
    let targets: Vec<&str> = requests.iter().map(RequestTarget::target).collect();
    for wanted in [
        "/mirrorlist?repo=linux-1&arch=x86_64",
        "/metalink?repo=linux-1&arch=x86_64",
        "/mirrorlist?repo=linux-source-1&arch=source&ip=192.0.2.128&country=global",
        "/metalink?repo=linux-source-1&arch=source",
        "repo=linux-rolling",
        "repo=linux-0&",
        "pub/linux/odd%20dir/50%25%20%C3%BC",
        "path=pub/linux/1/iso/a%20%26%20b.iso",
        "no-such-file.rpm",
        "&ip=192.0.2.128",
        "&ip=198.51.100.128",
        "&ip=2001:db8::",
        "&ip=0.0.0.1",
        "&country=JP",
        "&country=global",
        "&protocol=https,http",
        "&redirect",
        "&netblock=0",
        "&time",
    ] {
        assert!(targets.iter().any(|target| target.contains(wanted)), "{wanted}");
    }
}

#[test]
fn redirected_and_disabled_repositories_are_asked_for_among_many_directories() {
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        let directory = cache.mirror_list_cache[0].clone();
        for number in 0..2_000 {
            let mut directory = directory.clone();
            directory.directory = format!("pub/linux/many/{number}");
            cache.mirror_list_cache.push(directory);
        }
    });
    let requests = from_cache::requests(&snapshot, None);
    for wanted in ["repo=linux-rolling&arch=x86_64", "repo=linux-0&arch="] {
        for endpoint in ["mirrorlist", "metalink"] {
            let wanted = format!("/{endpoint}?{wanted}");
            let mut targets = requests.iter().map(RequestTarget::target);
            assert!(targets.any(|target| target.starts_with(&wanted)), "{wanted}");
        }
    }
}
