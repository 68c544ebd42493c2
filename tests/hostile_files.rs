//! Data files made to be expensive: whatever is in one, loading takes time in proportion to its size, at most four times its
//! bytes of memory beyond what any file may take, and ends with a table or with an error that says what is wrong. What can't
//! stand in an answer is left out, and answers stay what clients can read.
//!
//! Each hostile file is loaded by a process of its own, which is this test again: its peak of memory can be read afterwards.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mirrorlist_server::cache::proto::{IntStringMap, StringStringMap};
use mirrorlist_server::mirrorlist::{Answerer, Endpoint, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::settings::{ChoiceSettings, DataPaths, HealthSettings};
use mirrorlist_server::snapshot::{Catalogue, Snapshot, load};
use prost::encoding::{WireType, encode_key, encode_varint};
use support::data::DataFiles;
use support::process::{describe, run};

/// As in the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The memory that any file may take, and that this process takes without one, in bytes.
const BASE: u64 = 44 << 20;

/// Far longer than any of these files takes, and far less than one would take if each entry were compared with all others.
const LONGEST: Duration = Duration::from_secs(20);

/// The folder whose files a process of its own is to load.
const FOLDER: &str = "HOSTILE_FILES_FOLDER";

fn paths(folder: &Path) -> DataPaths {
    DataPaths {
        cache: folder.join("mirrorlist_cache.proto"),
        global_netblocks: folder.join("global_netblocks.txt"),
        country_continent: folder.join("country_continent.csv"),
        geoip: folder.join("country.mmdb"),
        rules: None,
    }
}

/// Not a test but the other process.
#[test]
fn load_in_a_process_of_its_own() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let started = Instant::now();
    let outcome = match Snapshot::load(&paths(Path::new(&folder)), &HealthSettings::default()) {
        Ok(_) => "loaded".to_owned(),
        Err(error) => format!("refused: {error}"),
    };
    let milliseconds = started.elapsed().as_millis();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")).unwrap();
    fs::write(
        Path::new(&folder).join("report"),
        format!("{milliseconds}\n{kilobytes}\n{outcome}"),
    )
    .unwrap();
}

/// Loads good files but for one; gives what became of it, once it is known to have been cheap.
fn load_with(file: fn(&DataFiles) -> PathBuf, bytes: &[u8]) -> String {
    let files = DataFiles::new(&fixture::cache_message());
    let path = file(&files);
    fs::write(&path, bytes).unwrap();
    let folder = path.parent().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "load_in_a_process_of_its_own"])
        .env(FOLDER, folder);
    let output = run(&mut command);
    assert!(output.status.success(), "{}", describe(&output));
    let report = fs::read_to_string(folder.join("report")).unwrap();
    let mut report = report.splitn(3, '\n');
    let took = Duration::from_millis(report.next().unwrap().parse().unwrap());
    let peak = report.next().unwrap().parse::<u64>().unwrap() << 10;
    let outcome = report.next().unwrap().to_owned();
    let size = bytes.len() as u64;
    assert!(took < LONGEST, "{took:?} for {size} bytes: {outcome}");
    assert!(peak < BASE + 4 * size, "{peak} bytes for {size}: {outcome}");
    outcome
}

fn text(number: u32, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(content.as_ref().len() as u64, &mut out);
    out.extend_from_slice(content.as_ref());
    out
}

fn integer(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(number, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

/// A packed list of integers.
fn packed(number: u32, values: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut content = Vec::new();
    values.for_each(|value| encode_varint(value, &mut content));
    text(number, content)
}

/// A directory's entry with what else it says.
fn directory(name: &str, rest: &[Vec<u8>]) -> Vec<u8> {
    text(16, [text(1, name), rest.concat()].concat())
}

/// An entry of ByHostId.
fn carries(host: u64, url: u64) -> Vec<u8> {
    text(6, [integer(1, host), integer(2, url)].concat())
}

/// The shortest different texts.
fn short(mut number: u64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = String::new();
    loop {
        text.push(char::from(DIGITS[usize::try_from(number % 36).unwrap()]));
        number /= 36;
        if number == 0 {
            return text;
        }
    }
}

/// Numbers without an order.
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

fn ipv6(number: u64) -> String {
    std::net::Ipv6Addr::from_bits(u128::from(mixed(number)) << 64 | u128::from(mixed(!number))).to_string()
}

fn country(number: u64) -> String {
    let letter = |number: u64| char::from(b'A' + u8::try_from(number % 26).unwrap());
    format!("{}{}", letter(number), letter(number / 26))
}

/// A small cache that can be used, and then entries of one kind until it has so many bytes.
fn cache(size: usize, entry: impl Fn(u64) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = integer(1, 1_700_000_000);
    bytes.extend(text(4, [integer(1, 1), text(2, "http://mirror.example")].concat()));
    bytes.extend(directory("d", &[carries(1, 1)]));
    for number in 0.. {
        if bytes.len() >= size {
            break;
        }
        bytes.extend(entry(number));
    }
    bytes
}

/// Tests that load a cache of many entries of one kind.
macro_rules! hostile_caches {
    ($($name:ident: $size:literal, $entry:expr;)*) => {$(
        #[test]
        fn $name() {
            let outcome = load_with(DataFiles::cache, &cache($size, $entry));
            assert!(
                outcome == "loaded" || outcome.contains("no real data does") || outcome.contains("more than 65,536 hosts"),
                "{outcome}"
            );
        }
    )*};
}

hostile_caches! {
    a_list_of_nothing_that_each_directory_is_compared_with: 1_700_000, |n| match n {
        0 => {
            let nothing = integer(3, 0).repeat(400_000);
            directory("a", &[text(6, [integer(1, 1), integer(2, 2), nothing].concat())])
        }
        _ => directory("b", &vec![text(6, [integer(1, 1), integer(2, 2)].concat()); 1_000]),
    };
    url_lists_of_one_host: 1_700_000, |n| directory(&format!("d{n}"), &[carries(1, n + 2)]);
    url_lists_in_one_directory: 500_000, |n| directory("d", &(0..1_000).map(|m| carries(1, n * 1_000 + m)).collect::<Vec<_>>());
    one_url_again_and_again: 4_000_000, |n| directory(&short(n), &[text(6, [integer(1, 1), packed(2, (0..n * 50).map(|_| 1))].concat())]);
    a_long_url_of_many_carriers: 1_000_000, |n| match n {
        0 => text(4, [integer(1, 1), text(2, format!("http://m/{}", "&".repeat(1_900)))].concat()),
        _ => directory(&short(n), &[text(6, [integer(1, 1), packed(2, [1, n].into_iter())].concat())]),
    };
    short_urls: 3_000_000, |n| [text(4, [integer(1, n), text(2, "ftp://&")].concat()), directory(&short(n), &[carries(1, n)])].concat();
    long_urls_with_control_characters: 1_000_000, |n| text(4, [integer(1, n + 2), text(2, "\u{1}".repeat(400_000))].concat());
    hosts: 1_000_000, |n| directory(&short(n), &[carries(n, 1)]);
    hosts_in_global: 1_000_000, |n| directory("d", &[packed(2, n * 1_000..(n + 1) * 1_000)]);
    hosts_far_from_each_other: 1_000_000, |n| match n {
        0 => directory("d", &(0..30_000).map(|host| carries(host, 1)).collect::<Vec<_>>()),
        _ => directory(&short(n), &[carries(mixed(n) % 30_000, 1), carries(mixed(!n) % 30_000, 1)]),
    };
    the_last_host_again_and_again: 1_000_000, |n| match n {
        0 => directory("d", &(0..60_000).map(|host| carries(host, 1)).collect::<Vec<_>>()),
        _ => directory("d", &[carries(59_999, 1)]),
    };
    hosts_in_groups: 1_000_000, |n| directory(&short(n), &(0..64).map(|host| carries(n * 64 + host, 1)).collect::<Vec<_>>());
    countries_of_one_group: 1_000_000, |n| {
        let host = n % 60_000 + 2;
        let listed = text(4, [text(1, country(n)), integer(2, host)].concat());
        directory(&short(n), &[listed, carries(1, 1), carries(host, 1)])
    };
    hosts_of_as_numbers: 1_000_000, |n| text(10, [integer(1, n + 1), packed(2, 1..100)].concat());
    one_host_of_an_as_number_again_and_again: 3_000_000, |_| text(10, [integer(1, 1), packed(2, (0..100_000).map(|_| 1))].concat());
    networks_of_hosts: 1_000_000, |n| text(15, [text(1, ipv6(n)), integer(2, 1)].concat());
    one_network_again_and_again: 1_000_000, |_| text(15, [text(1, "::1"), integer(2, 1)].concat());
    networks_of_countries: 1_000_000, |n| text(2, [text(1, ipv6(n)), text(2, "DE")].concat());
    files_of_one_directory: 1_700_000, |n| text(5, [text(1, "d"), (0..10_000).flat_map(|m| text(2, text(1, (n * 10_000 + m).to_string()))).collect()].concat());
    directories_of_files: 4_000_000, |n| text(5, [text(1, short(n)), text(2, text(1, "f"))].concat());
    empty_versions: 1_000_000, |_| text(5, [text(1, "d"), text(2, [text(1, "f"), text(2, "").repeat(400_000)].concat())].concat());
    empty_files: 4_000_000, |_| text(5, [text(1, "d"), text(2, "").repeat(400_000)].concat());
    directories_without_hosts: 1_000_000, |n| directory(&short(n), &[]);
    odd_subpaths: 1_000_000, |_| directory("d", &[text(3, "odd")]);
    a_long_name: 1_000_000, |_| directory(&"\u{1}".repeat(400_000), &[]);
    repositories: 1_000_000, |n| text(9, [text(1, format!("{}+a", short(n))), text(2, "d")].concat());
    repositories_with_hyphens: 1_000_000, |n| text(9, [text(1, format!("{n}+{}", "-".repeat(1_900))), text(2, "d")].concat());
    redirects: 1_000_000, |n| text(8, [text(1, short(n)), text(2, "x")].concat());
    disabled_repositories: 1_000_000, |n| text(6, [text(1, short(n)), integer(2, 1)].concat());
    empty_allowed_countries: 1_000_000, |_| text(14, [integer(1, 1), text(2, "").repeat(400_000)].concat());
    allowed_countries: 1_000_000, |n| text(14, [integer(1, 1), (0..26).flat_map(|m| text(2, country(n * 7 + m))).collect()].concat());
}

#[test]
fn one_message_is_not_the_whole_file() {
    let bytes = cache(60, |_| text(3, vec![0; 17 << 20]));
    let outcome = load_with(DataFiles::cache, &bytes);
    assert!(outcome.contains("it claims to have 17825792 bytes"), "{outcome}");
}

fn lines(size: usize, line: impl Fn(u64) -> String) -> Vec<u8> {
    let lines = (0..).map(line);
    let mut bytes = b"192.0.2.0/24 64496\n".to_vec();
    for line in lines {
        if bytes.len() >= size {
            break;
        }
        bytes.extend(line.bytes());
        bytes.push(b'\n');
    }
    bytes
}

#[test]
fn lines_of_networks() {
    let address = |n: u64| Ipv4Addr::from_bits(u32::try_from(mixed(n) >> 32).unwrap());
    let shapes: [&dyn Fn(u64) -> String; 6] = [
        &|n| format!("{} 1", ipv6(n)),
        &|n| format!("{:x}::/{} 1", n % 65_536, n % 129),
        &|_| "::1 1".to_owned(),
        &|_| "1.1.1.1 1".to_owned(),
        &|n| format!("{} {}", address(n), n % 2),
        &|n| format!("1.{}.0.0/{} 1", n % 9, n % 33),
    ];
    for shape in shapes {
        let outcome = load_with(DataFiles::global_netblocks, &lines(1_000_000, shape));
        assert!(
            outcome == "loaded" || outcome.contains("no real data does"),
            "{outcome}"
        );
    }
}

#[test]
fn a_line_without_an_end() {
    let mut bytes = b"192.0.2.0/24 64496\nDE,EU\n".to_vec();
    bytes.resize(40_000_000, b'x');
    assert_eq!(load_with(DataFiles::global_netblocks, &bytes), "loaded");
    assert_eq!(load_with(DataFiles::country_continent, &bytes), "loaded");
    bytes.fill(0);
    for file in [
        DataFiles::global_netblocks,
        DataFiles::country_continent,
        DataFiles::cache,
        DataFiles::geoip,
    ] {
        assert!(load_with(file, &bytes).starts_with("refused: "));
    }
}

/// A database in MaxMind DB format with these records of 24 bits, two a node, and this data.
fn database(records: &[usize], data: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = records
        .iter()
        .flat_map(|record| u32::try_from(*record).unwrap().to_be_bytes()[1..].to_vec())
        .collect();
    bytes.extend([0; 16]);
    bytes.extend(data);
    let whole = support::mmdb::mmdb(&[("192.0.2.0/24", "DE")]);
    let marker = b"\xab\xcd\xefMaxMind.com";
    let place = whole.windows(marker.len()).position(|window| window == marker).unwrap();
    let mut metadata = whole[place..].to_vec();
    let key = b"node_count";
    let place = metadata.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 1;
    let nodes = u32::try_from(records.len() / 2).unwrap().to_be_bytes();
    metadata[place..place + 4].copy_from_slice(&nodes);
    bytes.extend(metadata);
    bytes
}

#[test]
fn databases_whose_branches_grow_together() {
    // Every branch of the tree leads to the same next node: 2^128 networks in 128 nodes, without data or with.
    let nodes = 128;
    for leaf in [nodes, nodes + 16] {
        let records: Vec<usize> = (1..=nodes)
            .flat_map(|next| [if next == nodes { leaf } else { next }; 2])
            .collect();
        let outcome = load_with(DataFiles::geoip, &database(&records, b"\xe1\x4ccountry_code\x42DE"));
        let expected = if leaf == nodes {
            "nothing in it is usable"
        } else {
            "loaded"
        };
        assert!(outcome.contains(expected), "{outcome}");
    }
    // A circle.
    let outcome = load_with(DataFiles::geoip, &database(&[0, 0], b"\xe0"));
    assert!(outcome.starts_with("refused: "), "{outcome}");
}

#[test]
fn databases_with_a_map_of_millions_at_every_byte() {
    // A chain of nodes of which each has a record of its own, in data that are maps of 65,821 pairs and more, in each other or side by side.
    let nodes = 60_000;
    for fill in [&b"\xff\x00\x00\x00"[..], b"\xfe\xff\xff\x40"] {
        let data = fill.repeat(nodes / 4);
        let records: Vec<usize> = (0..nodes)
            .flat_map(|node| [if node + 1 < nodes { node + 1 } else { nodes }, nodes + 16 + node])
            .collect();
        let outcome = load_with(DataFiles::geoip, &database(&records, &data));
        assert!(outcome.contains("nothing in it is usable"), "{outcome}");
    }
}

#[test]
fn databases_with_a_map_of_thousands_at_every_fifth_byte() {
    // Maps of 32,029 pairs of an empty key and a text of three bytes, which is where the next map begins; and a tree that has a leaf for
    // each of them.
    let nodes: usize = (1 << 15) - 1;
    let data = b"\xfe\x7c\x00\x40\x43".repeat(nodes + 1 + 32_029);
    let child = |number: usize| {
        if number < nodes {
            number
        } else {
            nodes + 16 + 5 * (number - nodes)
        }
    };
    let records: Vec<usize> = (0..nodes)
        .flat_map(|node| [child(2 * node + 1), child(2 * node + 2)])
        .collect();
    let outcome = load_with(DataFiles::geoip, &database(&records, &data));
    assert!(outcome.contains("nothing in it is usable"), "{outcome}");
}

#[test]
fn pipes_devices_and_folders_are_no_data_files() {
    for file in [
        DataFiles::cache,
        DataFiles::global_netblocks,
        DataFiles::country_continent,
        DataFiles::geoip,
    ] {
        let files = DataFiles::new(&fixture::cache_message());
        let path = file(&files);
        fs::remove_file(&path).unwrap();
        assert!(run(Command::new("mkfifo").arg(&path)).status.success());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
        let output = run(command.env_clear().args(files.arguments()).arg("check"));
        assert_eq!(output.status.code(), Some(66), "{}", describe(&output));
        let error = String::from_utf8(output.stderr).unwrap();
        let expected = format!("mirrorlist-server: {}: it is no regular file", path.display());
        assert_eq!(error.trim_end(), expected);
    }
    for path in ["/dev/zero", "/dev/null", "/dev/full", "/tmp", "/proc/self"] {
        let error = load::<Catalogue>(Path::new(path)).err().unwrap().to_string();
        assert_eq!(error, format!("{path}: it is no regular file"));
    }
}

#[test]
fn a_terabyte_of_holes_is_not_read() {
    for file in [
        DataFiles::cache,
        DataFiles::global_netblocks,
        DataFiles::country_continent,
        DataFiles::geoip,
    ] {
        let files = DataFiles::new(&fixture::cache_message());
        let path = file(&files);
        fs::OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorlist-server"));
        let output = run(command.env_clear().args(files.arguments()).arg("check"));
        assert_eq!(output.status.code(), Some(66), "{}", describe(&output));
        assert!(describe(&output).contains("bytes, which no such file needs"));
    }
}

fn ask<'a>(
    snapshot: &'a Snapshot,
    endpoint: Endpoint,
    query: &'a MirrorQuery<'_>,
) -> mirrorlist_server::mirrorlist::Answer<'a> {
    let request = MirrorRequest {
        endpoint,
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        query,
        settings: &ChoiceSettings::STANDARD,
        now: 0,
    };
    answer(
        snapshot,
        &request,
        "Sat, 31 Jan 2026 23:59:59 GMT",
        &mut Answerer::seeded(1),
    )
}

#[test]
fn a_file_among_a_hundred_thousand_is_found_at_once() {
    let files = DataFiles::new(&fixture::cache_message());
    let version = text(2, [integer(1, 1), integer(2, 1), text(5, "ab".repeat(32))].concat());
    let file = |number: u64| text(2, [text(1, number.to_string()), version.clone()].concat());
    let all: Vec<u8> = (0..100_000).flat_map(file).collect();
    fs::write(
        files.cache(),
        cache(1, |_| Vec::new())
            .into_iter()
            .chain(text(5, [text(1, "d"), all].concat()))
            .collect::<Vec<_>>(),
    )
    .unwrap();
    let snapshot = Snapshot::load(&paths(files.cache().parent().unwrap()), &HealthSettings::default()).unwrap();
    let started = Instant::now();
    for number in 0..1_000 {
        let query = format!("path=d/{}", 99_999 - number);
        assert_eq!(
            ask(&snapshot, Endpoint::Metalink, &MirrorQuery::parse(&query)).status,
            200,
            "{query}"
        );
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(
        ask(&snapshot, Endpoint::Metalink, &MirrorQuery::parse("path=d/x")).status,
        404
    );
}

#[test]
fn a_host_that_a_directory_lists_twice_moves_no_other_host() {
    // The first entry of host 1 is a carrier of no directory.
    let mut bytes = cache(1, |_| Vec::new());
    for id in 2..6 {
        bytes.extend(text(
            4,
            [integer(1, id), text(2, format!("http://m{id}.example"))].concat(),
        ));
    }
    bytes.extend(directory("e", &[carries(1, 2), carries(2, 3), carries(1, 4)]));
    bytes.extend(directory("f", &[carries(3, 5)]));
    bytes.extend(directory("g", &[carries(1, 2)]));
    let files = DataFiles::new(&fixture::cache_message());
    fs::write(files.cache(), bytes).unwrap();
    let snapshot = Snapshot::load(&paths(files.cache().parent().unwrap()), &HealthSettings::default()).unwrap();
    let catalogue = snapshot.catalogue();
    let urls = |name: &str| {
        let directory = catalogue.directory(name).unwrap();
        let mut urls: Vec<&str> = catalogue
            .carriers(directory)
            .flat_map(|(_, carrier)| catalogue.urls(carrier))
            .map(|url| catalogue.base_url(url))
            .collect();
        urls.sort_unstable();
        urls
    };
    assert_eq!(urls("d"), ["http://mirror.example"]);
    assert_eq!(urls("e"), ["http://m3.example", "http://m4.example"]);
    assert_eq!(urls("f"), ["http://m5.example"]);
    assert_eq!(urls("g"), ["http://m2.example"]);
}

#[test]
fn what_cannot_stand_in_an_answer_is_left_out_and_named() {
    let (snapshot, warnings) = fixture::snapshot_with(|_| {});
    let usual = warnings.count();
    let repositories = snapshot.catalogue().counts().repositories;
    let pair = |key: &str, value: &str| StringStringMap {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let (snapshot, warnings) = fixture::snapshot_with(|cache| {
        // In front, so that their warnings are among those that are kept.
        let urls = [
            "http://b\u{fc}cher.example/",
            "gopher://old.example/",
            "http://x.example/\r\nX: y",
        ];
        cache.hc_url_cache = (1_000..)
            .zip(urls)
            .map(|(key, url)| IntStringMap {
                key,
                value: url.to_owned(),
            })
            .chain([IntStringMap {
                key: 1_003,
                value: format!("http://{}", "x".repeat(2_000)),
            }])
            .chain(std::mem::take(&mut cache.hc_url_cache))
            .collect();
        cache.netblock_country_cache.clear();
        cache
            .repo_arch_to_directory_name
            .push(pair("bad\nrepo+x86_64", "pub/linux"));
        cache
            .repo_arch_to_directory_name
            .push(pair("repo+x86_64", "pub/\u{7}linux"));
        cache.repository_redirect_cache.push(pair("linux-2", "bad\r"));
        cache
            .mirror_list_cache
            .push(fixture::directory("pub/linux/\u{1b}[2J", |_| true));
        let mut odd = fixture::directory("pub/linux/odd", |_| true);
        odd.subpath = Some("a\nb".to_owned());
        cache.mirror_list_cache.push(odd);
        cache.file_details_cache.push(fixture::files("pub/\u{0}", Vec::new()));
        let file = fixture::files("pub/linux", vec![("a\u{85}b", Vec::new())]);
        cache.file_details_cache.push(file);
    });
    // The fixture's own warnings but the one of a network.
    assert_eq!(warnings.count(), usual - 1 + 11, "{warnings:?}");
    let first = warnings.first().join("\n");
    for problem in ["beyond ASCII", "rsync://", "control character", "2,000 bytes"] {
        assert!(first.contains(problem), "{problem}: {first}");
    }
    let catalogue = snapshot.catalogue();
    assert_eq!(catalogue.counts().repositories, repositories);
    assert!(catalogue.directory("pub/linux/\u{1b}[2J").is_none() && catalogue.directory("pub/linux/odd").is_none());
    assert_eq!(catalogue.repository_redirect("linux-2"), None);
}

#[test]
fn a_redirect_is_printable_ascii_whatever_the_names_are() {
    let names = ["pub/linux/\u{fc}ber \u{2028}\u{202e}", "pub/linux/%0d%0a\"<>\\^`{|}"];
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        for name in names {
            let mut directory = fixture::directory(name, |_| true);
            directory.subpath = Some(format!("\u{e9}/{name}?#"));
            cache.mirror_list_cache.push(directory);
        }
    });
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    for name in names {
        for file in ["", "/f\r\nSet-Cookie: a=b", "/\u{fffd}\u{0}\u{7f}\u{85}"] {
            let query = format!("path={}&redirect=1", encode(&format!("{name}{file}")));
            let query = MirrorQuery::parse(&query);
            let answer = ask(&snapshot, Endpoint::Mirrorlist, &query);
            let location = answer.location.unwrap();
            assert!(location.bytes().all(|b| matches!(b, b'!'..=b'~')), "{location:?}");
            let query = format!("path={}", encode(&format!("{name}{file}")));
            let query = MirrorQuery::parse(&query);
            let list = ask(&snapshot, Endpoint::Mirrorlist, &query).body.start;
            let list = std::str::from_utf8(&list).unwrap();
            let mut urls = list.lines().filter(|line| !line.starts_with('#')).peekable();
            assert!(urls.peek().is_some(), "{list}");
            assert!(
                urls.all(|url| url.bytes().all(|b| matches!(b, b'!'..=b'~'))),
                "{list:?}"
            );
        }
    }
}
