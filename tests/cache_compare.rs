//! `generate-mirrorlist-cache compare`: caches that are the same for clients have no differences, however they are written and
//! whatever the ids in them; any change is found, in its table, with names.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::semicolon_if_nothing_returned,
    clippy::type_complexity,
    reason = "a helper that fails fails the test; cases are short"
)]

mod fixture;
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use mirrorlist_server::cache::proto::{
    IntCoordinatesMap, IntStringMap, MirrorList, MirrorListCacheType, StringRepeatedIntMap, StringStringMap,
};
use mirrorlist_server::cache_compare::{self, CacheComparison, TableDifferences};
use proptest::prelude::*;
use prost::Message;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use support::process::run;
use tempfile::TempDir;

/// Two caches in a folder.
struct Caches {
    folder: TempDir,
}

impl Caches {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), a).unwrap();
        fs::write(folder.path().join("b"), b).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn compare(&self, examples: usize) -> Result<CacheComparison, String> {
        cache_compare::compare([&self.path("a"), &self.path("b")], examples, &|_| {}).map_err(|error| error.to_string())
    }

    fn run(&self, arguments: &[&str]) -> Output {
        run(Command::new(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"))
            .env_remove("DB_URL")
            .arg("compare")
            .args(["a", "b"].map(|name| self.path(name)))
            .args(arguments))
    }
}

fn compare(a: &MirrorList, b: &MirrorList) -> CacheComparison {
    Caches::new(&a.encode_to_vec(), &b.encode_to_vec())
        .compare(100)
        .unwrap()
}

/// The tables with differences: the name, only in A, only in B, different, and all examples.
fn found(comparison: &CacheComparison) -> Vec<(&'static str, [usize; 3], Vec<&str>)> {
    let tables = comparison.tables.iter().filter(|table| table.differences() > 0);
    tables
        .map(|table| {
            let TableDifferences {
                only_in_a,
                only_in_b,
                different,
                ..
            } = *table;
            let examples = table.examples.iter().flat_map(|examples| &examples.listed);
            (
                table.name,
                [only_in_a, only_in_b, different],
                examples.map(String::as_str).collect(),
            )
        })
        .collect()
}

/// Asserts the differences that an edit of the fixture's cache makes.
#[track_caller]
fn edited(edit: impl FnOnce(&mut MirrorList), expected: &[(&'static str, [usize; 3], &[&str])]) {
    let before = fixture::cache_message();
    let mut after = before.clone();
    edit(&mut after);
    let comparison = compare(&before, &after);
    let expected: Vec<_> = expected
        .iter()
        .map(|(table, counts, examples)| (*table, *counts, examples.to_vec()))
        .collect();
    assert_eq!(found(&comparison), expected);
    // The other way round it is the same with the sides changed.
    let reverse = compare(&after, &before);
    let turned = found(&reverse)
        .into_iter()
        .map(|(table, [a, b, both], _)| (table, [b, a, both]));
    let counts = found(&comparison).into_iter().map(|(table, counts, _)| (table, counts));
    assert!(turned.eq(counts), "{reverse}");
}

#[test]
fn entries_of_the_small_tables_are_found_and_named() {
    edited(
        |cache| cache.netblock_country_cache[0].value = "FR".to_owned(),
        &[("netblock countries", [0, 0, 1], &["192.0.2.0/24: DE in A, FR in B"])],
    );
    edited(
        |cache| drop(cache.netblock_country_cache.remove(5)),
        &[("netblock countries", [1, 0, 0], &["2001:db8::/32: FR only in A"])],
    );
    edited(
        |cache| cache.netblock_country_cache[6].key = "other nonsense".to_owned(),
        &[(
            "netblock countries",
            [1, 1, 0],
            &["nonsense: FR only in A", "other nonsense: FR only in B"],
        )],
    );
    edited(
        |cache| cache.disabled_repository_cache[1].value = true,
        &[("disabled repositories", [0, 1, 0], &["linux-1 is disabled only in B"])],
    );
    edited(
        |cache| cache.country_continent_redirect_cache[0].value = "AS".to_owned(),
        &[("continent redirects", [0, 0, 1], &["IL: EU in A, AS in B"])],
    );
    edited(
        |cache| cache.repository_redirect_cache[0].value = "linux-2".to_owned(),
        &[(
            "repository redirects",
            [0, 0, 1],
            &["linux-rolling: linux-1 in A, linux-2 in B"],
        )],
    );
    edited(
        |cache| cache.repo_arch_to_directory_name[1].key = "linux-1+s390x".to_owned(),
        &[(
            "repositories",
            [1, 1, 0],
            &[
                "linux-1+x86_64: pub/linux/1/x86_64/os only in A",
                "linux-1+s390x: pub/linux/1/x86_64/os only in B",
            ],
        )],
    );
}

#[test]
fn changes_of_hosts_are_found_and_named() {
    edited(
        |cache| cache.host_asn_cache[0].value.push(4),
        &[("AS hosts", [0, 0, 1], &["AS 64496: us1.example (host 4, US) only in B"])],
    );
    edited(
        |cache| cache.host_asn_cache[0].value = vec![7],
        &[(
            "AS hosts",
            [0, 0, 1],
            &["AS 64496: lab.example (host 8, DE) only in A; campus.example (host 7, DE) only in B"],
        )],
    );
    edited(
        |cache| cache.host_bandwidth_cache[2].value = 7,
        &[(
            "bandwidths",
            [0, 0, 1],
            &["fr1.example (host 3, FR): 10000 Mbit/s in A, 7 Mbit/s in B"],
        )],
    );
    edited(
        |cache| cache.host_bandwidth_cache.retain(|entry| entry.key != 3),
        &[(
            "bandwidths",
            [1, 0, 0],
            &["fr1.example (host 3, FR): 10000 Mbit/s only in A"],
        )],
    );
    edited(
        |cache| cache.host_country_cache[3].value = "CA".to_owned(),
        &[(
            "countries of hosts",
            [0, 0, 1],
            &["us1.example (host 4, US): US in A, CA in B"],
        )],
    );
    edited(
        |cache| cache.host_country_allowed_cache[0].value.push("ch".to_owned()),
        &[(
            "allowed countries",
            [0, 0, 1],
            &["it1.example (host 9, IT): IT in A, CH, IT in B"],
        )],
    );
    edited(
        |cache| drop(cache.host_netblock_cache.remove(0)),
        &[(
            "host netblocks",
            [1, 0, 0],
            &["192.0.2.128/25: campus.example (host 7, DE) only in A"],
        )],
    );
}

#[test]
fn changes_of_urls_are_found_there_and_where_they_are_carried() {
    // de1 has URLs 10 to 12; au1 has 100, in release 1 only.
    edited(
        |cache| {
            let url = cache.hc_url_cache.iter_mut().find(|url| url.key == 100).unwrap();
            url.value = "ftp://au1.example/other".to_owned();
        },
        &[
            (
                "URLs",
                [1, 1, 0],
                &[
                    "ftp://au1.example/pub/linux of au1.example (host 10, AU) only in A",
                    "ftp://au1.example/other of au1.example (host 10, AU) only in B",
                ],
            ),
            (
                "directories",
                [0, 0, 4],
                &[
                    "4 directories of pub/linux, like pub/linux: au1.example (host 10, AU): \
                   ftp://au1.example/pub/linux only in A; ftp://au1.example/other only in B",
                ],
            ),
        ],
    );
    // A host that moved to another name is still the host with its id.
    edited(
        |cache| {
            let url = cache.hc_url_cache.iter_mut().find(|url| url.key == 50).unwrap();
            url.value = "rsync://moved.example/pub/linux".to_owned();
        },
        &[
            (
                "URLs",
                [1, 1, 0],
                &[
                    "rsync://us2.example/pub/linux of us2.example / moved.example (host 5, US) only in A",
                    "rsync://moved.example/pub/linux of us2.example / moved.example (host 5, US) only in B",
                ],
            ),
            (
                "directories",
                [0, 0, 7],
                &[
                    "7 directories of pub/linux, like pub/linux: us2.example / moved.example (host 5, US): \
                   rsync://us2.example/pub/linux only in A; rsync://moved.example/pub/linux only in B",
                ],
            ),
        ],
    );
    // Servers leave out a URL that HCUrlCache lacks.
    edited(
        |cache| cache.hc_url_cache.retain(|url| url.key != 12),
        &[
            (
                "URLs",
                [1, 0, 0],
                &["rsync://de1.example/pub/linux of de1.example (host 1, DE) only in A"],
            ),
            (
                "directories",
                [0, 0, 7],
                &["7 directories of pub/linux, like pub/linux: de1.example (host 1, DE): \
                   rsync://de1.example/pub/linux only in A"],
            ),
        ],
    );
}

#[test]
fn changes_of_file_details_are_found_and_named() {
    let repomd = "pub/linux/1/x86_64/os/repodata/repomd.xml";
    let cases: [(fn(&mut MirrorList), &str); 6] = [
        (
            |cache| {
                cache.file_details_cache[0].file_details_cache_files[0]
                    .file_details
                    .swap(0, 1)
            },
            "the same versions in another order; the current version has the time 2023-11-14T22:13:20Z in A, \
             2020-09-13T12:26:40Z in B, 1700 bytes in A, 1600 in B, another md5, another sha1, another sha256, another sha512",
        ),
        (
            |cache| {
                drop(
                    cache.file_details_cache[0].file_details_cache_files[0]
                        .file_details
                        .pop(),
                )
            },
            "3 versions in A, 2 in B",
        ),
        (
            |cache| cache.file_details_cache[0].file_details_cache_files[0].file_details[1].size = 5,
            "older version 1 has 1600 bytes in A, 5 in B",
        ),
        (
            |cache| cache.file_details_cache[0].file_details_cache_files[0].file_details[0].time_stamp += 1,
            "the current version has the time 2023-11-14T22:13:20Z in A, 2023-11-14T22:13:21Z in B",
        ),
        (
            |cache| cache.file_details_cache[0].file_details_cache_files[0].file_details[0].sha512 = None,
            "the current version has no sha512 in B",
        ),
        (
            |cache| {
                let hash = &mut cache.file_details_cache[0].file_details_cache_files[0].file_details[0].sha256;
                hash.as_mut().unwrap().replace_range(63.., "B");
            },
            "the current version has another sha256",
        ),
    ];
    for (edit, said) in cases {
        edited(edit, &[("file details", [0, 0, 1], &[&format!("{repomd}: {said}")])]);
    }
    edited(
        |cache| drop(cache.file_details_cache.remove(0)),
        &[(
            "file details",
            [1, 0, 0],
            &[&format!("{repomd} (3 versions) only in A")],
        )],
    );
}

#[test]
fn changes_of_directories_are_found_and_named() {
    edited(
        |cache| drop(cache.mirror_list_cache.remove(4)),
        &[("directories", [1, 0, 0], &["directory pub/linux/1/iso only in A"])],
    );
    // A host that is lost everywhere is one line, not one for each directory.
    edited(
        |cache| {
            for directory in &mut cache.mirror_list_cache {
                directory.by_host_id.retain(|host| host.key != 6);
                directory.global.retain(|host| *host != 6);
                directory.by_country.retain(|country| country.key != "JP");
            }
        },
        &[(
            "directories",
            [0, 0, 6],
            &["6 directories of pub/linux, like pub/linux: jp1.example (host 6, JP) only in A"],
        )],
    );
    edited(
        |cache| {
            let directory = &mut cache.mirror_list_cache[4];
            directory.directory.clear();
            directory.subpath = None;
        },
        &[(
            "directories",
            [1, 1, 0],
            &["directory pub/linux/1/iso only in A", "directory the root only in B"],
        )],
    );
    let iso = |cache: &mut MirrorList, edit: fn(&mut MirrorListCacheType)| edit(&mut cache.mirror_list_cache[4]);
    let cases: [(fn(&mut MirrorListCacheType), &str); 7] = [
        (
            |directory| directory.by_host_id.retain(|host| host.key != 4),
            "us1.example (host 4, US) only in A",
        ),
        (
            |directory| directory.global.retain(|host| *host != 4),
            "us1.example (host 4, US): public in A, private in B",
        ),
        (
            |directory| {
                directory
                    .by_country
                    .iter_mut()
                    .filter(|c| c.value == [4])
                    .for_each(|c| c.key = "CA".to_owned())
            },
            "us1.example (host 4, US): listed by country: US in A, CA in B",
        ),
        (
            |directory| {
                directory.by_country_internet2.push(StringRepeatedIntMap {
                    key: "DE".to_owned(),
                    value: vec![7],
                });
            },
            "campus.example (host 7, DE): listed by country for Internet2: none in A, DE in B",
        ),
        (
            |directory| {
                directory
                    .by_host_id
                    .iter_mut()
                    .filter(|host| host.key == 1)
                    .for_each(|host| host.value.truncate(2))
            },
            "de1.example (host 1, DE): rsync://de1.example/pub/linux only in A",
        ),
        (
            |directory| directory.subpath = Some("other".to_owned()),
            "what follows the base URL is \"1/iso\" in A, \"other\" in B",
        ),
        (
            |directory| directory.subpath = Some("iso".to_owned()),
            "below another topdir in B: pub/linux/1",
        ),
    ];
    for (edit, said) in cases {
        edited(
            |cache| iso(cache, edit),
            &[(
                "directories",
                [0, 0, 1],
                &[&format!("directory pub/linux/1/iso: {said}")],
            )],
        );
    }
}

/// All caches that lack one entry of a table.
fn without_each<T>(cache: &MirrorList, table: impl Fn(&mut MirrorList) -> &mut Vec<T>) -> Vec<MirrorList> {
    let count = table(&mut cache.clone()).len();
    let without = (0..count).map(|index| {
        let mut edited = cache.clone();
        table(&mut edited).remove(index);
        edited
    });
    without.collect()
}

#[test]
fn no_entry_can_be_taken_away_unnoticed() {
    let cache = fixture::cache_message();
    let mut tables: Vec<(&str, Vec<MirrorList>)> = vec![
        (
            "netblock countries",
            without_each(&cache, |cache| &mut cache.netblock_country_cache),
        ),
        ("URLs", without_each(&cache, |cache| &mut cache.hc_url_cache)),
        (
            "file details",
            without_each(&cache, |cache| &mut cache.file_details_cache),
        ),
        // That a repository is not disabled needs no entry.
        (
            "disabled repositories",
            vec![without_each(&cache, |cache| &mut cache.disabled_repository_cache).remove(0)],
        ),
        (
            "continent redirects",
            without_each(&cache, |cache| &mut cache.country_continent_redirect_cache),
        ),
        (
            "repository redirects",
            without_each(&cache, |cache| &mut cache.repository_redirect_cache),
        ),
        (
            "repositories",
            without_each(&cache, |cache| &mut cache.repo_arch_to_directory_name),
        ),
        ("AS hosts", without_each(&cache, |cache| &mut cache.host_asn_cache)),
        (
            "countries of hosts",
            without_each(&cache, |cache| &mut cache.host_country_cache),
        ),
        (
            "allowed countries",
            without_each(&cache, |cache| &mut cache.host_country_allowed_cache),
        ),
        (
            "host netblocks",
            without_each(&cache, |cache| &mut cache.host_netblock_cache),
        ),
        (
            "directories",
            without_each(&cache, |cache| &mut cache.mirror_list_cache),
        ),
    ];
    // A bandwidth of 0 counts as none.
    let mut bandwidths = without_each(&cache, |cache| &mut cache.host_bandwidth_cache);
    bandwidths.remove(5);
    tables.push(("bandwidths", bandwidths));
    let mut placed = cache.clone();
    placed.host_coordinates_cache.push(IntCoordinatesMap {
        key: 1,
        latitude: 5_200_000,
        longitude: 1_300_000,
    });
    tables.push(("coordinates of hosts", vec![placed]));
    for index in 0..cache.mirror_list_cache.len() {
        tables.push((
            "directories",
            without_each(&cache, |cache| &mut cache.mirror_list_cache[index].global),
        ));
        tables.push((
            "directories",
            without_each(&cache, |cache| &mut cache.mirror_list_cache[index].by_country),
        ));
        tables.push((
            "directories",
            without_each(&cache, |cache| &mut cache.mirror_list_cache[index].by_host_id),
        ));
    }
    for (table, edits) in tables {
        assert!(!edits.is_empty(), "{table}");
        for (index, edited) in edits.iter().enumerate() {
            let comparison = compare(&cache, edited);
            let found = found(&comparison);
            let named = found
                .iter()
                .any(|(name, _, examples)| *name == table && !examples.is_empty());
            assert!(named, "{table} {index}: {found:?}");
        }
    }
}

/// The cache with other ids for hosts and URLs, and all its entries in another order.
fn renumbered(cache: &MirrorList, seed: u64) -> MirrorList {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut cache = cache.clone();
    let mut ids: Vec<i64> = (0..20).map(|id| id * 7_919 + 1).collect();
    ids.shuffle(&mut rng);
    let host = |id: &mut i64| *id = ids[usize::try_from(*id).unwrap()];
    let mut urls: Vec<i64> = (0..200).map(|id| 100_000 - id).collect();
    urls.shuffle(&mut rng);
    let url = |id: &mut i64| *id = urls[usize::try_from(*id).unwrap()];
    cache.hc_url_cache.iter_mut().for_each(|entry| url(&mut entry.key));
    cache
        .host_country_cache
        .iter_mut()
        .for_each(|entry| host(&mut entry.key));
    cache
        .host_bandwidth_cache
        .iter_mut()
        .for_each(|entry| host(&mut entry.key));
    cache
        .host_country_allowed_cache
        .iter_mut()
        .for_each(|entry| host(&mut entry.key));
    cache
        .host_asn_cache
        .iter_mut()
        .flat_map(|entry| &mut entry.value)
        .for_each(host);
    cache
        .host_netblock_cache
        .iter_mut()
        .flat_map(|entry| &mut entry.value)
        .for_each(host);
    for directory in &mut cache.mirror_list_cache {
        directory.global.iter_mut().for_each(host);
        directory
            .by_country
            .iter_mut()
            .flat_map(|entry| &mut entry.value)
            .for_each(host);
        for entry in &mut directory.by_host_id {
            host(&mut entry.key);
            entry.value.iter_mut().for_each(url);
            entry.value.shuffle(&mut rng);
        }
        directory.global.shuffle(&mut rng);
        directory.by_country.shuffle(&mut rng);
        directory.by_host_id.shuffle(&mut rng);
    }
    cache.netblock_country_cache.shuffle(&mut rng);
    cache.hc_url_cache.shuffle(&mut rng);
    cache.file_details_cache.shuffle(&mut rng);
    cache.repo_arch_to_directory_name.shuffle(&mut rng);
    cache.host_country_cache.shuffle(&mut rng);
    cache.host_bandwidth_cache.shuffle(&mut rng);
    cache.mirror_list_cache.shuffle(&mut rng);
    cache
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_ids_nor_order_nor_encoding_matter(seed: u64, otherwise: bool) {
        let mut before = fixture::cache_message();
        // Two hosts of one site are told from each other by what they carry.
        for host in [4, 11] {
            before.hc_url_cache.retain(|url| url.key != host * 10);
            before.hc_url_cache.push(IntStringMap { key: host * 10, value: "https://twins.example/pub/linux".to_owned() });
            before.host_country_cache.retain(|entry| entry.key != host);
        }
        before.mirror_list_cache[8] = fixture::directory("pub/linux/italy", |host| [9, 11].contains(&host.id));
        let mut after = renumbered(&before, seed);
        after.time += 1;
        let bytes = if otherwise { fixture::encoded_otherwise(&after) } else { after.encode_to_vec() };
        let comparison = Caches::new(&before.encode_to_vec(), &bytes).compare(100).unwrap();
        prop_assert_eq!(found(&comparison), []);
        prop_assert_eq!(comparison.created, [fixture::CREATED, fixture::CREATED + 1]);

        // And a change is still the only one.
        after.host_netblock_cache.iter_mut().find(|entry| entry.key == "192.0.2.128/25").unwrap().value.clear();
        let comparison = compare(&before, &after);
        let changed = found(&comparison);
        prop_assert_eq!(changed.len(), 1, "{:?}", changed);
        let example = changed[0].2[0];
        prop_assert!(example.starts_with("192.0.2.128/25: campus.example (host 7"), "{}", example);
    }
}

#[test]
fn spelling_that_servers_don_t_see_is_no_difference() {
    edited(
        |cache| {
            cache.netblock_country_cache[0].key = "192.0.2.77/255.255.255.0".to_owned();
            cache.netblock_country_cache[1].value = " us ".to_owned();
            cache.hc_url_cache[0].value = format!(" {}//\n", cache.hc_url_cache[0].value);
            cache.host_country_cache[0].value = "de".to_owned();
            cache.host_country_allowed_cache[0].value = vec!["it".to_owned(), "IT".to_owned()];
            cache.host_netblock_cache[0].key = "192.0.2.200/25".to_owned();
            cache.country_continent_redirect_cache[0].key = "il".to_owned();
            cache.repo_arch_to_directory_name[1].value = "//pub/linux//1/x86_64/os/".to_owned();
            cache.disabled_repository_cache.remove(1);
            cache.host_bandwidth_cache.remove(5);
            cache.mirror_list_cache[4].directory = "/pub//linux/1/iso/".to_owned();
            cache.mirror_list_cache[4].by_country[0].key = "de".to_owned();
            cache.mirror_list_cache[0].subpath = None;
            // A host without a URL here, and a URL that is not there.
            cache.mirror_list_cache[8].global.push(1);
            cache.mirror_list_cache[8].by_host_id[0].value.push(999);
            cache.file_details_cache[0].directory.push('/');
            let version = &mut cache.file_details_cache[0].file_details_cache_files[0].file_details[0];
            version.sha1 = Some("a".repeat(40));
            cache.file_details_cache[1].file_details_cache_files[0].file_details[0].sha1 = None;
        },
        &[],
    );
}

#[test]
fn the_command_prints_a_table_and_examples_and_its_exit_code_says_the_rest() {
    let before = fixture::cache_message();
    let same = Caches::new(&before.encode_to_vec(), &before.encode_to_vec()).run(&[]);
    let printed = String::from_utf8(same.stdout).unwrap();
    assert_eq!(same.status.code(), Some(0), "{printed}");
    assert!(printed.ends_with("\nno differences\n"), "{printed}");
    assert!(same.stderr.is_empty());

    let mut after = before.clone();
    after.time += 900;
    after.repo_arch_to_directory_name.clear();
    after.repo_arch_to_directory_name.push(StringStringMap {
        key: "\u{1b}[2Jevil".to_owned(),
        value: "x".repeat(5_000),
    });
    let caches = Caches::new(&before.encode_to_vec(), &after.encode_to_vec());
    let output = caches.run(&["--examples", "2"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}");
    for line in [
        "A is of 2023-11-14T22:13:20Z, B of 2023-11-14T22:28:20Z",
        "repositories                   0         5         1         0",
        "hosts                         11         0         0         0",
        "  linux-0+x86_64: pub/linux/1/x86_64/os only in A",
        "  ... and 3 more like that",
        "6 differences",
    ] {
        assert!(printed.lines().any(|found| found == line), "{line}\n{printed}");
    }
    assert!(
        printed.contains("\\u{1b}[2Jevil") && !printed.contains('\u{1b}'),
        "{printed}"
    );
    assert!(printed.len() < 3_000);
}

#[test]
fn a_file_that_is_no_cache_is_named_with_its_fault() {
    let whole = fixture::cache_message().encode_to_vec();
    let mut lacks_time = fixture::cache_message();
    lacks_time.mirror_list_cache.clear();
    let no_directory = lacks_time.encode_to_vec();
    // Field 16, whose ByHostId has an entry that is cut off.
    let mut bad_entry = whole.clone();
    fixture::message(16, &[0x32, 9, 1], &mut bad_entry);
    for (bytes, said) in [
        (&b""[..], "the file is empty"),
        (
            b"hello world",
            "not a usable mirrorlist cache: the entry at byte 0 is malformed",
        ),
        (
            &whole[..whole.len() - 3],
            "not a usable mirrorlist cache: the file ends inside the entry that begins at byte",
        ),
        (&no_directory, "not a usable mirrorlist cache: it has no directory"),
        (&whole[6..], "not a usable mirrorlist cache: it has no creation time"),
        (
            &bad_entry,
            "is malformed: a field is longer than the message that it is in",
        ),
    ] {
        let caches = Caches::new(&whole, bytes);
        let output = caches.run(&[]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(66), "{error}");
        let path = caches.path("b");
        assert!(
            error.contains(said) && error.contains(path.to_str().unwrap()),
            "{said}: {error}"
        );
        assert_eq!((error.lines().count(), output.stdout.len()), (1, 0), "{error}");
    }
    let caches = Caches::new(&whole, &whole);
    fs::remove_file(caches.path("a")).unwrap();
    assert!(
        caches
            .compare(1)
            .unwrap_err()
            .contains("/a: cannot read it: No such file")
    );
    fs::create_dir(caches.path("a")).unwrap();
    assert!(
        caches
            .compare(1)
            .unwrap_err()
            .contains("/a: cannot read it: Is a directory")
    );
    let output = caches.run(&["--examples", "few"]);
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn files_made_to_be_expensive_are_compared_or_refused_in_proportion_to_their_size() {
    let cache = fixture::cache_message();
    let whole = cache.encode_to_vec();
    // A host in very many lists, and a long text that is no network for very many hosts.
    let mut in_many_lists = cache.clone();
    in_many_lists.mirror_list_cache[0].by_country = (0..200_000)
        .map(|country| StringRepeatedIntMap {
            key: country.to_string(),
            value: vec![1],
        })
        .collect();
    let mut of_many_hosts = cache.clone();
    of_many_hosts.host_netblock_cache.push(StringRepeatedIntMap {
        key: "x".repeat(1 << 20),
        value: (0..60_000).collect(),
    });
    for (expensive, table) in [(in_many_lists, "directories"), (of_many_hosts, "host netblocks")] {
        let comparison = Caches::new(&whole, &expensive.encode_to_vec()).compare(5).unwrap();
        let found = found(&comparison);
        let named = found.iter().find(|(name, ..)| *name == table).unwrap();
        assert!(named.2.iter().all(|example| example.len() < 1_000), "{named:?}");
    }
    let mut too_many_hosts = cache.clone();
    too_many_hosts.host_asn_cache[0].value = (0..70_000).collect();
    let mut too_many_carriers = cache;
    too_many_carriers.mirror_list_cache[0].global = (0..70_000).collect();
    for expensive in [too_many_hosts, too_many_carriers] {
        let error = Caches::new(&whole, &expensive.encode_to_vec()).compare(5).unwrap_err();
        assert!(error.contains("there are more than 65,536 hosts"), "{error}");
    }
}
