//! The built `mirrorlist-server` as its users meet it: arguments, exit codes, data files, sockets, the access log, the end.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use mirrorlist_server::cache::proto::{IntRepeatedIntMap, IntStringMap, MirrorList, MirrorListCacheType};

use support::PATIENCE;
use support::data::DataFiles;
use support::http::{exchange, get, get_with};
use support::mmdb::mmdb_with;
use support::process::{describe, run};
use support::server::Server;

fn data() -> DataFiles {
    DataFiles::new(&fixture::cache_message())
}

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
    command.env_clear().env("MIRRORLIST_ADMIN__LISTEN", "127.0.0.1:0");
    command
}

/// A connection on which waiting for an answer has an end.
fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Runs the program with these arguments, which it has to refuse in one line.
fn refused(command: &mut Command, code: i32) -> String {
    let output = run(command);
    assert_eq!(output.status.code(), Some(code), "{}", describe(&output));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("mirrorlist-server: "), "{stderr}");
    stderr
}

fn check(files: &DataFiles) -> Output {
    run(program().args(files.arguments()).arg("check"))
}

#[test]
fn mistakes_in_the_settings_exit_with_64() {
    assert!(refused(program().arg("--prot=1"), 64).contains("--prot"));
    assert!(refused(program().args(["--port", "70000"]), 64).contains("port = \"70000\" in the command line"));
    assert!(refused(program().env("MIRRORLIST_MINIMUM", "few"), 64).contains("minimum = \"few\" in the environment"));
    assert!(refused(program().env("MIRRORLIST_CACHES", "/c"), 64).contains("MIRRORLIST_CACHES"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    fs::write(&file, "trusted_proxies = [\"10.0.0.0/8\", \"proxy\"]\n").unwrap();
    let error = refused(program().arg("--config").arg(&file), 64);
    assert!(error.contains("server.toml") && error.contains("\"proxy\""), "{error}");
}

#[test]
fn each_data_file_that_cannot_be_used_exits_with_66_and_its_name() {
    type PathOf = fn(&DataFiles) -> PathBuf;
    let files: [(&str, PathOf); 4] = [
        ("mirrorlist_cache.proto", DataFiles::cache),
        ("global_netblocks.txt", DataFiles::global_netblocks),
        ("country_continent.csv", DataFiles::country_continent),
        ("country.mmdb", DataFiles::geoip),
    ];
    for (name, path_of) in files {
        for damage in ["missing", "empty", "garbage", "a folder"] {
            let data = data();
            let path = path_of(&data);
            fs::remove_file(&path).unwrap();
            match damage {
                "missing" => {}
                "empty" => fs::write(&path, "").unwrap(),
                "garbage" => fs::write(&path, "<html>503</html>\n").unwrap(),
                _ => fs::create_dir(&path).unwrap(),
            }
            let error = refused(program().args(data.arguments()), 66);
            assert!(error.contains(name), "{name} {damage}: {error}");
            assert!(!error.contains("RUST_BACKTRACE"), "{error}");
        }
    }
    for path_of in [DataFiles::cache, DataFiles::geoip] {
        let data = data();
        let path = path_of(&data);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
        refused(program().args(data.arguments()), 66);
    }
}

#[test]
fn an_address_or_a_log_that_cannot_be_had_exits_with_69() {
    let data = data();
    let server = Server::start(&data, &[]);
    let taken = server.address().port().to_string();
    let error = refused(program().args(data.arguments()).args(["--port", &taken]), 69);
    assert!(error.contains(&server.address().to_string()), "{error}");
    let log = "/nonexistent/folder/access.log";
    let error = refused(program().args(data.arguments()).args(["--port", "0", "-l", log]), 69);
    assert!(error.contains(log), "{error}");
}

#[test]
fn check_tells_what_the_files_hold() {
    let data = data();
    let output = check(&data);
    assert!(output.status.success(), "{}", describe(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "created Tue, 14 Nov 2023 22:13:20 GMT",
        "11 hosts, ",
        "9 directories, 4 repositories",
        "\"10.0.0.0/33\": the prefix length is larger than 32",
        "repository \"linux-lost+x86_64\": no host carries its directory",
        "2 networks",
        "4 countries",
        "built Thu, 01 Jan 2026 00:00:00 GMT",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    fs::write(
        data.global_netblocks(),
        "192.0.2.0/24 64496\n\nnonsense\n10.0.0.0/8 None\n",
    )
    .unwrap();
    let text = String::from_utf8(check(&data).stdout).unwrap();
    assert!(
        text.contains("2 networks\n  1 warnings\n    line 3: \"nonsense\""),
        "{text}"
    );
}

#[test]
fn the_demonstration_answers_the_requests_that_it_prints_from_every_tier() {
    let mut child = program()
        .args(["--demo", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let urls: Vec<String> = lines
        .map_while(Result::ok)
        .filter_map(|line| Some(line.split_once("curl 'http://")?.1.trim_end_matches('\'').to_owned()))
        .take(3)
        .collect();
    let ask = |url: &str| {
        let (address, target) = url.split_once('/').unwrap();
        get_with(address.parse().unwrap(), &format!("/{target}"), &[])
    };
    for url in &urls {
        assert_eq!(ask(url).status, 200, "{url}");
    }
    let first = |ip: &str| {
        let answer = ask(&format!("{}&ip={ip}", urls[0]));
        answer.text().lines().nth(1).unwrap().to_owned()
    };
    assert!(first("192.0.2.130").contains("campus"), "netblock");
    assert!(first("198.51.100.7").contains("boston"), "AS");
    assert!(first("203.0.113.7").contains("bogota"), "country");
    assert!(first("203.0.113.200").contains("perth"), "continent");
    assert!(
        ask(&urls[0])
            .text()
            .starts_with("# repo = example-1 arch = x86_64 country = global\n"),
        "global"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn settings_come_from_a_file_too() {
    let data = data();
    let file = data.cache().with_file_name("server.toml");
    fs::write(&file, "minimum = 0\ntrusted_proxies = []\n").unwrap();
    let server = Server::start(&data, &["--config", file.to_str().unwrap()]);
    let forwarded = [("X-Forwarded-For", "192.0.2.130")];
    let answer = get_with(server.address(), "/mirrorlist?repo=linux-1&arch=x86_64", &forwarded);
    // Nobody's header counts, so the client is unknown; and with no minimum, the world is not added.
    assert_eq!(answer.text(), "# repo = linux-1 arch = x86_64\n");
}

#[test]
fn a_country_is_found_in_the_records_of_every_maker_of_databases() {
    let data = data();
    let records = mmdb_with(&[
        ("198.51.100.0/25", &["country", "iso_code"], "US"),
        ("198.51.100.128/25", &["registered_country", "iso_code"], "JP"),
        ("203.0.113.0/24", &["country_code"], "FR"),
        ("100.64.0.0/24", &["country"], "JP"),
        ("2001:db8:1::/48", &["continent", "code"], "EU"),
    ]);
    fs::write(data.geoip(), records).unwrap();
    let countries = |addresses: &[&str]| -> Vec<String> {
        let server = Server::start(&data, &[]);
        let ask = |ip: &&str| server.get(&format!("/mirrorlist?path=pub/linux/1/iso&netblock=0&ip={ip}"));
        let first = |ip| {
            ask(ip)
                .text()
                .lines()
                .next()
                .unwrap()
                .split(" country = ")
                .nth(1)
                .unwrap()
                .to_owned()
        };
        addresses.iter().map(first).collect()
    };
    let addresses = [
        "198.51.100.1",
        "198.51.100.200",
        "203.0.113.1",
        "100.64.0.1",
        "2001:db8:1::1",
    ];
    // The operators' word for these networks counts before the database's.
    assert_eq!(countries(&addresses), ["US", "JP", "IT", "JP", "FR"]);
    let mut cache = fixture::cache_message();
    cache.netblock_country_cache.clear();
    data.write_cache(&cache);
    assert_eq!(countries(&addresses), ["US", "JP", "FR", "JP", "global"]);
}

#[test]
fn ipv6_can_be_listened_on() {
    let data = data();
    let server = Server::start(&data, &["--listen", "::1"]);
    assert!(server.address().is_ipv6());
    assert_eq!(server.get("/mirrorlist?repo=linux-1&arch=x86_64").status, 200);
}

#[test]
fn the_access_log_has_a_line_for_each_answered_repository_request() {
    let data = data();
    let server = Server::start(&data, &[]);
    let ask = |target: &str| server.get(target).status;
    assert_eq!(ask("/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1"), 200);
    assert_eq!(
        ask("/metalink?repo=linux-rolling&arch=x86_64&ip=::ffff:198.51.100.1"),
        200
    );
    assert_eq!(
        ask("/mirrorlist?repo=linux-source-1&arch=aarch64&redirect&ip=100.64.0.1"),
        302
    );
    assert_eq!(ask("/mirrorlist?repo=nope&arch=x86_64"), 404);
    assert_eq!(ask("/mirrorlist?repo=linux-0&arch=x86_64"), 200);
    assert_eq!(ask("/metalink?repo=linux-source-1&arch=source"), 404);
    assert_eq!(ask("/mirrorlist?path=pub/linux"), 200);
    assert_eq!(ask("/mirrorlist?repo=linux-1&arch=x86_64&ip=nonsense"), 400);
    let first_day = day();
    assert_eq!(server.stop().code(), Some(0));
    let expected = |day: &str| {
        [
            format!("IP: 192.0.2.1; DATE: {day}; COUNTRY: DE; REPO: linux-1; ARCH: x86_64\n"),
            format!("IP: 198.51.100.1; DATE: {day}; COUNTRY: US; REPO: linux-rolling; ARCH: x86_64\n"),
            format!("IP: 100.64.0.1; DATE: {day}; COUNTRY: N/A; REPO: linux-source-1; ARCH: source\n"),
        ]
        .concat()
    };
    let log = fs::read_to_string(data.access_log()).unwrap();
    assert!(log == expected(&first_day) || log == expected(&day()), "{log}");
}

/// Today in UTC like `2026-01-31`.
fn day() -> String {
    let output = run(Command::new("date").args(["-u", "+%F"]));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_access_log_can_be_standard_output() {
    let data = data();
    let mut child = program()
        .args(data.arguments())
        .args(["--port", "0", "-l", "-", "--log_format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let listening = messages.find(|line| line.contains("\"msg\":\"listening\"")).unwrap();
    let address: SocketAddr = support::server::field(&listening, "address").parse().unwrap();
    get_with(address, "/mirrorlist?repo=linux-1&arch=x86_64&ip=192.0.2.1", &[]);
    // The line comes while the server runs: nothing has to be stopped to see it.
    let line = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .next()
        .unwrap()
        .unwrap();
    assert!(line.starts_with("IP: 192.0.2.1; DATE: "), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_full_log_disk_is_logged_once_and_fails_no_request() {
    let data = data();
    if !PathBuf::from("/dev/full").exists() {
        println!("SKIPPED: this system has no /dev/full");
        return;
    }
    let server = Server::start(&data, &["-l", "/dev/full"]);
    assert_eq!(server.get("/mirrorlist?repo=linux-1&arch=x86_64").status, 200);
    server.wait_for_message("cannot write the access log; lines are kept in memory and dropped when that is full");
    for _ in 0..20 {
        assert_eq!(server.get("/mirrorlist?repo=linux-1&arch=x86_64").status, 200);
    }
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn requests_on_one_connection_are_answered_in_order_even_if_sent_at_once() {
    let data = data();
    let server = Server::start(&data, &[]);
    let mut connection = connect(server.address());
    let ask = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{more}\r\n");
    let requests = [
        ask("/mirrorlist?path=pub/linux/rsync", ""),
        ask("/nothing", ""),
        ask("/mirrorlist?path=pub/linux/italy&country=IT", ""),
        ask("/mirrorlist", "Connection: close\r\n"),
    ];
    connection.write_all(requests.concat().as_bytes()).unwrap();
    let mut answers = String::new();
    connection.read_to_string(&mut answers).unwrap();
    let bodies = [
        "# path = pub/linux/rsync",
        "error: the path",
        "# path = pub/linux/italy",
        "# either path=",
    ];
    let places: Vec<usize> = bodies.iter().map(|body| answers.find(body).unwrap()).collect();
    assert!(places.is_sorted(), "{answers}");
}

#[test]
fn connections_without_a_request_hold_up_no_stop() {
    let data = data();
    let server = Server::start(&data, &["--shutdown.grace", "0s"]);
    let silent = connect(server.address());
    let mut idle = connect(server.address());
    idle.write_all(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    idle.read_exact(&mut [0; 12]).unwrap();
    let stopping = Instant::now();
    assert_eq!(server.stop().code(), Some(0));
    // Requests under way would be given 30 seconds.
    assert!(stopping.elapsed() < Duration::from_secs(20), "{:?}", stopping.elapsed());
    drop((silent, idle));
}

#[test]
fn an_answer_of_many_megabytes_is_whole_whoever_else_is_answered_meanwhile() {
    let hosts = 1..=5_000_i64;
    let url = |host: i64| format!("http://mirror{host}.example{}", "/long".repeat(390));
    let cache = MirrorList {
        time: 1_700_000_000,
        hc_url_cache: hosts
            .clone()
            .map(|host| IntStringMap {
                key: host,
                value: url(host),
            })
            .collect(),
        mirror_list_cache: vec![MirrorListCacheType {
            directory: "pub".to_owned(),
            global: hosts.clone().collect(),
            by_host_id: hosts
                .clone()
                .map(|host| IntRepeatedIntMap {
                    key: host,
                    value: vec![host],
                })
                .collect(),
            ..MirrorListCacheType::default()
        }],
        ..MirrorList::default()
    };
    let data = DataFiles::new(&cache);
    let server = Server::start(&data, &["--workers", "1"]);
    // More than the operating system takes from the server while nobody reads.
    let mut slow = connect(server.address());
    slow.write_all(b"GET /mirrorlist?path=pub HTTP/1.0\r\n\r\n").unwrap();
    slow.read_exact(&mut [0; 12]).unwrap();
    let mut expected: Vec<String> = hosts.map(|host| format!("{}/", url(host))).collect();
    expected.sort_unstable();
    let urls = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("http:"));
        let mut urls: Vec<String> = lines.map(str::to_owned).collect();
        urls.sort_unstable();
        urls
    };
    let quick = get(server.address(), "/mirrorlist?path=pub");
    assert_eq!(quick.header("content-length").unwrap(), quick.body.len().to_string());
    assert!(urls(quick.text()) == expected);
    let mut rest = String::new();
    slow.read_to_string(&mut rest).unwrap();
    assert!(urls(&rest) == expected);
}

#[test]
fn no_request_makes_a_server_error_or_a_silent_end() {
    let data = data();
    let server = Server::start(&data, &[]);
    let long = "x".repeat(20_000);
    for request in [
        "GET /mirrorlist?repo=<a>&arch=\"b\" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /mirrorlist?repo=%zz%&arch=%f0%28 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /mirrorlist?path=%00/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        format!("GET /metalink?repo={long}&arch={long} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /mirrorlist?{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            "&country=DE".repeat(5_000)
        ),
        "BREW /mirrorlist HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /mirrorlist HTTP/1.0\r\n\r\n".to_owned(),
        "GET mirrorlist\r\n\r\n".to_owned(),
        "\r\n\r\n\u{1}\u{2}\r\n\r\n".to_owned(),
        "GET /mirrorlist?repo=linux-1&arch=x86_64 HTTP/1.0\r\nX-Forwarded-For: ä,,[::1\r\n\r\n".to_owned(),
    ] {
        let answer = exchange(server.address(), request.as_bytes());
        assert!((200..500).contains(&answer.status), "{request:.60}: {}", answer.status);
    }
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let data = data();
    let server = Server::start(&data, &[]);
    let mut connection = connect(server.address());
    connection
        .write_all(b"HEAD /mirrorlist?path=pub/linux/rsync HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let body = server.get("/mirrorlist?path=pub/linux/rsync").body;
    assert!(
        answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("content-length: {}\r\n", body.len())),
        "{answer}"
    );
}
