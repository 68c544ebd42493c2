//! The generator against a real PostgreSQL: each rule, each trap, and everything that can go wrong on the way.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper that fails fails the test"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use mirrorlist_server::cache::proto::{FileDetailsType, MirrorList, MirrorListCacheType, StringRepeatedIntMap};
use mirrorlist_server::snapshot::Catalogue;
use mirrorlist_server::warnings::Warnings;
use prost::Message as _;
use support::generator::{
    MANY_PAGES, carried, checked, closed_port, directory, fails, generator, read, setup, wait_for, waiting_generator,
};
use support::postgres::{PASSWORD, is_root, unprivileged};
use support::process::{describe, run};
use tempfile::TempDir;

const OLD: &str = include_str!("fixtures/old.sql");

fn hosts(directory: &MirrorListCacheType) -> Vec<(i64, Vec<i64>)> {
    let mut hosts: Vec<_> = directory.by_host_id.iter().map(|e| (e.key, e.value.clone())).collect();
    hosts.sort();
    hosts
}

fn lists(lists: &[StringRepeatedIntMap]) -> Vec<(&str, &[i64])> {
    lists
        .iter()
        .map(|list| (list.key.as_str(), list.value.as_slice()))
        .collect()
}

#[test]
fn the_cache_says_what_the_database_says() {
    let Some(setup) = setup(&[]) else { return };
    let cache = setup.cache();
    let top = directory(&cache, "pub/linux");
    assert_eq!((top.global.as_slice(), top.subpath.as_deref()), (&[1, 2][..], Some("")));
    let os = directory(&cache, "pub/linux/41/x86_64/os");
    assert_eq!(os.subpath.as_deref(), Some("41/x86_64/os"));
    assert_eq!(os.global, [1]);
    assert_eq!(hosts(os), [(1, vec![1, 2]), (3, vec![5]), (4, vec![6])]);
    assert_eq!(lists(&os.by_country), [("DE", &[1][..])]);
    assert_eq!(lists(&os.by_country_internet2), [("US", &[3][..])]);
    // Host 1 always carries all of Extra.
    assert_eq!(hosts(directory(&cache, "pub/extra")), [(1, vec![8])]);
    assert_eq!(hosts(directory(&cache, "pub/extra/os")), [(1, vec![8]), (2, vec![9])]);

    let urls: BTreeMap<i64, &str> = cache.hc_url_cache.iter().map(|e| (e.key, e.value.as_str())).collect();
    assert_eq!(urls[&2], "rsync://mirror1.example.org/linux");
    assert!(!urls.contains_key(&3), "a private URL");
    let bandwidths: Vec<(i64, i64)> = cache.host_bandwidth_cache.iter().map(|e| (e.key, e.value)).collect();
    assert_eq!(bandwidths[..3], [(1, 1000), (2, 10_000), (3, 1)]);
    assert_eq!(cache.host_country_cache[0].value, "DE");
    let networks = lists(&cache.host_netblock_cache);
    assert_eq!(networks, [("192.0.2.0/24", &[1][..]), ("2001:db8::/32", &[3][..])]);
    let by_as: Vec<(i64, &[i64])> = cache
        .host_asn_cache
        .iter()
        .map(|e| (e.key, e.value.as_slice()))
        .collect();
    assert_eq!(by_as, [(64496, &[1][..]), (64497, &[3][..]), (64498, &[3][..])]);
    let allowed: Vec<_> = cache
        .host_country_allowed_cache
        .iter()
        .map(|e| (e.key, e.value.clone()))
        .collect();
    assert_eq!(allowed, [(2, vec!["CA".to_owned(), "US".to_owned()])]);
    let texts = |table: &[mirrorlist_server::cache::proto::StringStringMap]| -> Vec<(String, String)> {
        table.iter().map(|e| (e.key.clone(), e.value.clone())).collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(texts(&cache.netblock_country_cache), [pair("10.0.0.0/8", "DE")]);
    assert_eq!(texts(&cache.country_continent_redirect_cache), [pair("RU", "EU")]);
    assert_eq!(
        texts(&cache.repository_redirect_cache),
        [pair("linux-current", "linux-41")]
    );
    assert_eq!(
        texts(&cache.repo_arch_to_directory_name),
        [
            pair("extra-41+x86_64", "pub/extra/os"),
            pair("linux-41+x86_64", "pub/linux/41/x86_64/os")
        ]
    );
    assert_eq!(cache.disabled_repository_cache[0].key, "extra-41");

    let files = &cache.file_details_cache[0].file_details_cache_files[0];
    let times: Vec<(u64, u64)> = files.file_details.iter().map(|d| (d.time_stamp, d.size)).collect();
    assert_eq!(times, [(1000, 12), (900, 10)], "an alternate has no time");
    let full = FileDetailsType {
        time_stamp: 900,
        size: 10,
        sha1: Some("a".repeat(40)),
        md5: Some("b".repeat(32)),
        sha256: Some("c".repeat(64)),
        sha512: Some("d".repeat(128)),
    };
    assert_eq!(files.file_details[1], full);
    // Only that Extra has no details of a repomd.xml is wrong in this world.
    assert_eq!(
        setup.warnings().0,
        BTreeMap::from([("repomd_without_details".to_owned(), 1)])
    );
}

#[test]
fn nothing_that_can_be_null_or_an_orphan_stops_a_run() {
    let Some(setup) = setup(&["
        INSERT INTO host (id) VALUES (90);
        INSERT INTO host (id, name, site_id, country, private, user_active, admin_active) VALUES
            (91, 'orphan', 99, 'DE', false, true, true), (92, 'm\u{fc}nchen', 1, '', false, true, true);
        INSERT INTO site (id) VALUES (9);
        INSERT INTO host_netblock VALUES (91, NULL, NULL), (92, 1, NULL), (93, NULL, '203.0.113.0/24'), (94, 999, '');
        INSERT INTO host_country_allowed VALUES (91, NULL, 'DE'), (92, 999, 'DE'), (93, 1, '');
        INSERT INTO host_peer_asn VALUES (91, NULL, 1), (92, 999, 1), (93, 1, 0), (94, 1, NULL);
        INSERT INTO directory VALUES (90, NULL, NULL), (91, 'pub/linux/41', NULL), (92, '/pub/linux//41/', NULL),
            (93, 'elsewhere', NULL), (94, 'pub/lin\u{fc}x', NULL);
        INSERT INTO category VALUES (90, 'no topdir', NULL), (91, NULL, 999);
        INSERT INTO category_directory VALUES (1, 90), (1, 91), (1, 92), (1, 93), (90, 91), (99, 91), (1, 999), (NULL, 1),
            (1, NULL), (1, 94);
        INSERT INTO host_category VALUES (90, NULL, 1, true), (91, 1, NULL, true), (92, 999, 1, true), (93, 1, 999, NULL),
            (94, 92, 1, true), (95, 91, 1, true);
        INSERT INTO host_category_url VALUES (90, 999, 'https://x.example.org/', false), (91, NULL, 'https://x', false),
            (92, 1, NULL, false), (93, 94, 'https://m.example.org/a b', NULL), (94, 94, ' https://m.example.org/%e4 ', NULL),
            (95, 90, 'https://x.example.org', false), (96, 94, 'https://m.example.org/\u{e4}', NULL);
        INSERT INTO host_category_dir VALUES (90, 1, true, NULL), (91, NULL, true, 1), (92, 999, true, 1), (93, 1, NULL, 1),
            (94, 1, true, 999), (95, 1, true, 5), (96, NULL, NULL, NULL);
        INSERT INTO repository VALUES (90, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (91, 'a', 'a', 1, 99, 1, 2, false),
            (92, 'b', 'b', 1, 1, 99, 2, false), (93, 'c', 'c', 1, 1, 1, 93, true), (94, 'd', '', 1, 1, 1, 2, true),
            (95, 'e', 'linux-41', 1, 1, 1, 2, false);
        INSERT INTO repository_redirect VALUES (90, 'x', NULL), (91, NULL, NULL);
        INSERT INTO country_continent_redirect VALUES (90, 'Germany', 'EU'), (91, NULL, NULL);
        INSERT INTO netblock_country VALUES (90, '10.0.0.0/33', 'DE'), (91, NULL, 'DE'), (92, '10.0.0.0/9', NULL),
            (93, '::/0', 'DE');
        INSERT INTO file_detail VALUES (90, 91, 'a', NULL, NULL, NULL, NULL, NULL, NULL),
            (91, 91, '\u{fc}', -1, -1, 'x', '', ' ', upper(repeat('d', 128))), (92, 999, 'a', 1, 1, '', '', '', ''),
            (93, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    "]) else {
        return;
    };
    let cache = setup.cache();
    let linux = directory(&cache, "pub/linux/41");
    assert_eq!(hosts(linux), [(92, vec![94])]);
    assert_eq!((linux.global.as_slice(), linux.by_country.len()), (&[92][..], 0));
    // A directory of another category is none of this one's.
    assert_eq!(hosts(directory(&cache, "pub/extra/os"))[0], (1, vec![8]));
    assert!(
        cache
            .mirror_list_cache
            .iter()
            .all(|d| d.directory != "elsewhere" && d.directory != "pub/lin\u{fc}x")
    );
    let files = cache
        .file_details_cache
        .iter()
        .find(|d| d.directory == "pub/linux/41")
        .unwrap();
    let details = |index: usize| &files.file_details_cache_files[index].file_details[0];
    assert_eq!((details(0).time_stamp, details(0).size), (0, 0));
    assert_eq!(
        (details(1).time_stamp, details(1).size, details(1).sha1.as_ref()),
        (0, 0, None)
    );
    assert_eq!(details(1).sha512.as_deref(), Some("d".repeat(128).as_str()));
    let texts = setup.warns(&[
        ("host_without_site", 2),
        ("host_country", 2),
        ("allowed_country", 1),
        ("as_number", 1),
        ("url", 3),
        ("netblock", 1),
        ("netblock_country", 3),
        ("whole_internet", 1),
        ("continent_redirect", 2),
        ("repository_redirect", 2),
        ("category_without_topdir", 2),
        ("topdir_not_prefix", 2),
        ("directory_name", 2),
        ("repository_incomplete", 4),
        ("repository_without_category", 1),
        ("repository_twice", 1),
        ("hash_malformed", 1),
        ("hash_upper_case", 1),
        ("file_details", 2),
        ("file_details_without_directory", 1),
        ("orphan", 14),
    ]);
    assert!(texts.contains("host 92 (m\u{fc}nchen)"), "{texts}");
}

#[test]
fn what_cannot_stand_in_an_answer_is_left_out_before_a_server_would() {
    let Some(setup) = setup(&["
        INSERT INTO host_category_url VALUES (90, 1, 'gopher://m.example.org/', false),
            (91, 1, 'https://m.example.org/\u{e4}', false), (92, 1, E'https://m.example.org/\\r\\nX: y', false),
            (93, 1, 'https://' || repeat('x', 2000), false), (94, 1, 'https:///pub', false);
        INSERT INTO directory VALUES (90, E'pub/linux/\\x1b[2J', NULL), (91, 'pub/linux/' || repeat('x', 2000), NULL);
        INSERT INTO category_directory VALUES (1, 90), (1, 91);
        INSERT INTO repository VALUES (90, 'a', E'bad\\nname', 1, 1, 1, 2, true), (91, 'a', repeat('x', 2000), 1, 1, 1, 2, false);
        INSERT INTO repository_redirect VALUES (90, 'x', E'linux\\r'), (91, E'\\u0085', 'x');
        INSERT INTO file_detail VALUES (90, 2, E'a\\nb', 1, 1, '', '', '', '');
    "]) else {
        return;
    };
    let mut warnings = Warnings::default();
    Catalogue::read(setup.cache().encode_to_vec().as_slice(), &mut warnings).unwrap();
    assert_eq!(warnings.count(), 0, "{warnings:?}");
    setup.warns(&[
        ("url", 5),
        ("directory_name", 2),
        ("repository_name", 2),
        ("repository_redirect", 2),
        ("file_details", 1),
    ]);
}

#[test]
fn netblocks_are_networks_however_they_are_typed() {
    let Some(setup) = setup(&["
        DELETE FROM host_netblock;
        INSERT INTO host_netblock (id, host_id, netblock) SELECT row_number() OVER (), 1, text FROM unnest(ARRAY[
            '10.0.0.5/8', '172.16.0.0/255.240.0.0', ' 192.0.2.7 ', '2001:db8::1/32', '10.0.0.0/33', 'foo/255.255.255.0',
            '', 'localhost', 'no-such-host.invalid', '0.0.0.0/0', '::/0', 'not an address', '10.0']) AS text;
    "]) else {
        return;
    };
    let cache = setup.cache();
    let networks =
        |cache: &MirrorList| -> Vec<String> { cache.host_netblock_cache.iter().map(|e| e.key.clone()).collect() };
    let typed = ["10.0.0.0/8", "172.16.0.0/12", "192.0.2.7/32", "2001:db8::/32"];
    assert_eq!(networks(&cache), typed);
    let texts = setup.warns(&[("netblock", 5), ("whole_internet", 2), ("unresolved_name", 2)]);
    assert!(
        texts.contains("host 1 (mirror1.example.org): netblock \\\"10.0.0.0/33\\\""),
        "{texts}"
    );

    let report = setup.report_file();
    let output = setup.generate(&["--dns-timeout", "60s", "--report", report.to_str().unwrap()]);
    assert!(output.status.success(), "{}", describe(&output));
    let resolved = networks(&read(&setup.outfile()));
    assert!(
        resolved.iter().any(|n| n == "127.0.0.1/32" || n == "::1/128"),
        "{resolved:?}"
    );
    let texts = setup.warns(&[("unresolved_name", 1)]);
    assert!(texts.contains("no-such-host.invalid"), "{texts}");
}

#[test]
fn categories_share_a_topdir_and_the_longest_one_counts() {
    let Some(setup) = setup(&["
        INSERT INTO category VALUES (3, 'Linux too', 1), (4, 'Everything', 6);
        INSERT INTO directory VALUES (6, 'pub', NULL);
        INSERT INTO category_directory VALUES (3, 2), (4, 2), (4, 6);
        INSERT INTO host_category VALUES (20, 1, 3, true), (21, 2, 3, false), (22, 2, 4, true);
        INSERT INTO host_category_url VALUES (20, 20, 'https://mirror1.example.org/too', false),
            (21, 21, 'https://mirror2.example.org/too', false), (22, 22, 'https://mirror2.example.org/all', false);
        INSERT INTO host_category_dir VALUES (20, 21, true, 2), (21, 21, true, 3);
        INSERT INTO directory_exclusive_host VALUES (1, 3, 2), (2, 3, 1), (3, 5, 2), (4, 4, 999);
    "]) else {
        return;
    };
    let cache = setup.cache();
    let os = directory(&cache, "pub/linux/41/x86_64/os");
    assert_eq!(os.subpath.as_deref(), Some("41/x86_64/os"));
    assert_eq!(
        hosts(os),
        [(1, vec![1, 2, 20]), (2, vec![21]), (3, vec![5]), (4, vec![6])]
    );
    assert_eq!(os.global, [1, 2]);
    assert_eq!(hosts(directory(&cache, "pub")), [(2, vec![22])]);
    assert_eq!(hosts(directory(&cache, "pub/extra/os")), [(2, vec![9])]);
    assert_eq!(hosts(directory(&cache, "pub/extra")), []);
}

#[test]
fn a_database_of_an_earlier_release_is_enough() {
    let Some(setup) = setup(&[OLD]) else { return };
    let cache = setup.cache();
    assert_eq!(cache.mirror_list_cache.len(), 5);
    assert_eq!(cache.host_asn_cache.len(), 2);
}

#[test]
fn the_same_data_make_the_same_bytes() {
    let Some(setup) = setup(&[]) else { return };
    let mut bytes = Vec::new();
    for _ in 0..2 {
        let mut cache = setup.cache();
        cache.time = 0;
        bytes.push((fs::read(setup.outfile()).unwrap().split_off(6), cache.encode_to_vec()));
        // Rows in another order are the same data.
        setup.execute(
            "DROP TABLE IF EXISTS moved; CREATE TABLE moved AS SELECT * FROM host_category_dir ORDER BY id DESC; TRUNCATE host_category_dir;
            INSERT INTO host_category_dir SELECT * FROM moved; UPDATE host SET name = name WHERE id < 4;",
        );
    }
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn the_report_says_why_a_mirror_is_missing() {
    let Some(setup) = setup(&["
        DELETE FROM host_category WHERE host_id = 4;
        UPDATE host_category_url SET private = true WHERE host_category_id = 3;
        DELETE FROM host_category_dir WHERE host_category_id IN (2, 10);
        UPDATE file_detail SET \"timestamp\" = NULL;
        INSERT INTO repository VALUES (3, 'old', 'old', 1, 1, 1, 1, false);
        INSERT INTO directory VALUES (7, 'pub/linux/repodata', 1000000);
        INSERT INTO category_directory VALUES (1, 7);
        INSERT INTO file_detail VALUES (9, 7, 'repomd.xml', 1000, 1, NULL, NULL, NULL, NULL);
    "]) else {
        return;
    };
    setup.cache();
    let report = setup.report();
    let host = |id: u64| {
        let hosts = report["hosts"].as_array().unwrap();
        hosts.iter().find(|host| host["id"] == id).unwrap().clone()
    };
    assert_eq!(
        (&host(1)["directories"], &host(1)["left_out"]),
        (&5.into(), &serde_json::json!([]))
    );
    for (id, reason) in [
        (2, "up to date"),
        (3, "public URL"),
        (4, "no category"),
        (5, "host.user_active"),
        (6, "host.admin_active"),
        (7, "site.user_active"),
        (8, "site.admin_active"),
    ] {
        let said = host(id)["left_out"].to_string();
        assert!(said.contains(reason), "{id}: {said}");
    }
    setup.warns(&[("repomd_stale", 2), ("repomd_without_details", 1)]);
}

#[test]
fn a_category_appears_with_its_directories_or_not_at_all() {
    let Some(setup) = setup(&["
        INSERT INTO directory SELECT id, 'pub/linux/' || id, NULL FROM generate_series(1000, 3000) AS id;
        INSERT INTO category_directory SELECT 1, id FROM generate_series(1000, 3000) AS id;
    "]) else {
        return;
    };
    let mut client = setup.database.client();
    let mut number = 0;
    for _ in 0..6 {
        let mut generator = setup.command(&["--no-dns"]).stderr(Stdio::null()).spawn().unwrap();
        // While it runs, one transaction after the other adds a category, nine directories and a host that carries them.
        let added = number;
        let status = loop {
            if number - added < 100 {
                number += 1;
                client.batch_execute(&new_category(number)).unwrap();
            }
            if let Some(status) = generator.try_wait().unwrap() {
                break status;
            }
        };
        assert!(status.success());
        let cache = read(&setup.outfile());
        let mut carried: BTreeMap<&str, usize> = BTreeMap::new();
        for directory in cache
            .mirror_list_cache
            .iter()
            .filter(|d| d.directory.starts_with("new"))
        {
            let topdir = directory.directory.split('/').next().unwrap();
            *carried.entry(topdir).or_default() += usize::from(hosts(directory).len() == 1);
        }
        assert!(carried.values().all(|directories| *directories == 9), "{carried:?}");
        assert!(carried.len() >= added, "{} of {added}", carried.len());
    }
}

fn new_category(number: usize) -> String {
    let (topdir, category) = (10_000 + number * 10, 100 + number);
    let last = topdir + 8;
    format!(
        "BEGIN;
         INSERT INTO category VALUES ({category}, 'new', {topdir});
         INSERT INTO host_category VALUES ({category}, 1, {category}, false);
         INSERT INTO host_category_url VALUES ({category}, {category}, 'https://mirror1.example.org/{number}', false);
         INSERT INTO directory VALUES ({topdir}, 'new{number}', NULL);
         INSERT INTO directory SELECT id, 'new{number}/' || id, NULL FROM generate_series({topdir} + 1, {last}) AS id;
         INSERT INTO category_directory SELECT {category}, id FROM generate_series({topdir}, {last}) AS id;
         INSERT INTO host_category_dir SELECT id, {category}, true, id FROM generate_series({topdir}, {last}) AS id;
         COMMIT"
    )
}

#[test]
fn many_rows_are_read_by_several_connections_that_see_the_same() {
    let outdated = "UPDATE host_category_dir SET up2date = false WHERE id >= 1000 AND id % 1000 >= 990";
    let Some(setup) = setup(&[MANY_PAGES, outdated]) else {
        return;
    };
    assert_eq!(carried(&setup.cache()), 990 + 3);
}

#[test]
fn a_current_file_that_is_damaged_is_replaced_and_told_of() {
    let Some(setup) = setup(&[]) else { return };
    fs::write(setup.outfile(), b"\x82\x01\xff").unwrap();
    let output = setup.generate(&["--no-dns"]);
    assert!(output.status.success(), "{}", describe(&output));
    assert!(
        describe(&output).contains("the current file is damaged; the new cache is compared with nothing"),
        "{}",
        describe(&output)
    );
    assert!(setup.generate(&["--no-dns"]).stderr.is_empty());
}

#[test]
fn a_user_with_one_connection_reads_all_rows() {
    let role = format!(
        "DROP ROLE IF EXISTS lonely; CREATE ROLE lonely LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 1;
         GRANT pg_read_all_data TO lonely"
    );
    let Some(setup) = setup(&[MANY_PAGES, &role]) else {
        return;
    };
    let url = setup.database.url().replace("//mm:", "//lonely:");
    let output = setup.generate_at(&url, &["--no-dns"]);
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(carried(&read(&setup.outfile())), 1_000 + 3);
}

#[test]
fn what_is_wrong_with_the_database_is_one_line_that_says_what_to_do() {
    let Some(setup) = setup(&[]) else { return };
    let cluster = setup.database.cluster;
    let fails_with = |url: String, said: &str| {
        fails(&setup.generate_at(&url, &[]), 69, said);
        assert!(setup.files().is_empty(), "{:?}", setup.files());
    };
    fails_with(cluster.url("nowhere"), "check the database's name in DB_URL");
    let other_password = cluster.url(&setup.database.name).replace(PASSWORD, "another-s3cret");
    fails_with(other_password, "check the user and the password in DB_URL");
    fails_with(
        cluster.url_at(closed_port(), "mm", ""),
        "check the host and port in DB_URL",
    );
    setup.execute("ALTER TABLE host DROP COLUMN country");
    fails_with(
        setup.database.url(),
        "column \"country\" does not exist; this is not a MirrorManager2 database",
    );
    setup.execute("DROP TABLE host_category_dir");
    fails_with(setup.database.url(), "relation \"host_category_dir\" does not exist");
}

#[test]
fn mistakes_in_the_configuration_have_their_own_exit_code() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("generator.cfg");
    let url = format!("postgresql://mm:{PASSWORD}@host/db");
    let run_with = |content: &str, arguments: &[&str]| {
        fs::write(&file, content).unwrap();
        let mut command = generator("");
        checked(run(command.env_remove("DB_URL").arg("-c").arg(&file).args(arguments)))
    };
    fails(&run_with("", &[]), 64, "it has no DB_URL");
    fails(
        &run_with(&format!("DB_URL \"{url}\""), &[]),
        64,
        "line 1: expected KEY=",
    );
    fails(
        &run_with(&format!("DB_URL=\"{url}?sslmode=maybe\""), &[]),
        64,
        "sslmode",
    );
    fails(
        &run_with(
            &format!("DB_URL=\"{url}?sslmode=require&sslrootcert=/nonexistent\""),
            &["-o", folder.path().join("c").to_str().unwrap()],
        ),
        64,
        "/nonexistent",
    );
    fails(
        &run_with(&format!("DB_URL=\"{url}\""), &["--interval", "soon"]),
        64,
        "--interval",
    );
    let help = checked(run(generator(&url).arg("--help")));
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--max-shrink"));
}

#[test]
fn the_file_of_the_configuration_is_enough() {
    let Some(setup) = setup(&[]) else { return };
    let file = setup.folder.path().join("generator.cfg");
    fs::write(&file, format!("export DB_URL='{}'\n", setup.database.url())).unwrap();
    let output = checked(run(setup
        .command(&["-d", "-c", file.to_str().unwrap()])
        .env_remove("DB_URL")));
    assert!(output.status.success(), "{}", describe(&output));
}

#[test]
fn a_connection_that_is_cut_leaves_the_old_file() {
    let Some(setup) = setup(&[
        "INSERT INTO directory SELECT id, repeat('pub/linux/', 20) || id, NULL FROM generate_series(1000, 9000) AS id;",
    ]) else {
        return;
    };
    fs::write(setup.outfile(), "old").unwrap();
    for bytes in [0, 100, 1_000, 5_000, 50_000, 500_000] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, server) = (listener.local_addr().unwrap().port(), setup.database.cluster.port);
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                cut_after(bytes, &client.unwrap(), &server);
            }
        });
        let url = setup
            .database
            .cluster
            .url_at(port, &setup.database.name, "sslmode=disable");
        fails(&setup.generate_at(&url, &[]), 69, "database");
        assert_eq!(fs::read_to_string(setup.outfile()).unwrap(), "old");
        assert_eq!(setup.files(), ["cache.proto"]);
    }
}

/// Passes on this many bytes of what the server says, and closes.
fn cut_after(bytes: u64, client: &TcpStream, server: &TcpStream) {
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
    let _ = std::io::copy(&mut { server }.take(bytes), &mut &*client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = server.shutdown(std::net::Shutdown::Both);
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let Some(setup) = setup(&[
        "INSERT INTO directory SELECT id, 'pub/linux/' || id, NULL FROM generate_series(1000, 9000) AS id;
         INSERT INTO category_directory SELECT 1, id FROM generate_series(1000, 9000) AS id;",
    ]) else {
        return;
    };
    fs::write(setup.outfile(), "old").unwrap();
    // A limit on the size of files is a disk that is full at that size.
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_generate-mirrorlist-cache"),
        ])
        .env("DB_URL", setup.database.url())
        .arg("-o")
        .arg(setup.outfile());
    fails(&checked(run(&mut command)), 73, "cannot write it");
    assert_eq!(fs::read_to_string(setup.outfile()).unwrap(), "old");
    assert_eq!(setup.files(), ["cache.proto"]);
}

#[test]
fn a_folder_that_can_not_be_written_is_known_at_once() {
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("generator");
    fs::copy(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"), &program).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = unprivileged(&program);
    // Nobody listens there: it isn't asked.
    command.env("DB_URL", format!("postgresql://mm:{PASSWORD}@127.0.0.1:1/mm"));
    let output = checked(run(command.arg("-o").arg(folder.path().join("cache.proto"))));
    fails(&output, 73, "Permission denied");
    let missing = folder.path().join("missing/cache.proto");
    let url = format!("postgresql://mm:{PASSWORD}@127.0.0.1:1/mm");
    fails(
        &checked(run(generator(&url).arg("-o").arg(missing))),
        73,
        "No such file",
    );
}

#[test]
fn a_killed_run_leaves_the_old_file_and_the_next_one_no_litter() {
    let Some(setup) = setup(&[]) else { return };
    setup.cache();
    let before = fs::read(setup.outfile()).unwrap();
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    let mut child = waiting_generator(&setup, &mut holder);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(fs::read(setup.outfile()).unwrap() == before);
    assert_eq!(setup.files(), [".cache.proto.new", "cache.proto", "report.json"]);
    holder.rollback().unwrap();
    setup.cache();
    assert_eq!(setup.files(), ["cache.proto", "cache.proto.previous", "report.json"]);
    assert!(fs::read(setup.folder.path().join("cache.proto.previous")).unwrap() == before);
}

#[test]
fn a_second_generator_of_the_same_file_leaves() {
    let Some(setup) = setup(&[]) else { return };
    let mut client = setup.database.client();
    let mut holder = client.transaction().unwrap();
    let child = waiting_generator(&setup, &mut holder);
    fails(&setup.generate(&[]), 73, "another generator is writing it");
    holder.rollback().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    assert_eq!(setup.files(), ["cache.proto"]);
}

#[test]
fn a_cache_that_shrank_needs_force() {
    let Some(setup) = setup(&["
        INSERT INTO directory SELECT id, 'pub/linux/' || id, NULL FROM generate_series(1000, 1002) AS id;
        INSERT INTO category_directory SELECT 1, id FROM generate_series(1000, 1002) AS id;
    "]) else {
        return;
    };
    setup.cache();
    let before = fs::read(setup.outfile()).unwrap();
    setup.execute("DELETE FROM category_directory WHERE directory_id >= 1000");
    fails(
        &setup.generate(&[]),
        70,
        "5 directories instead of 8, a loss of more than 25%",
    );
    fails(&setup.generate(&["--check"]), 70, "5 directories instead of 8");
    assert!(fs::read(setup.outfile()).unwrap() == before);
    assert!(setup.generate(&["--max-shrink", "50%", "--check"]).status.success());
    assert!(fs::read(setup.outfile()).unwrap() == before, "--check has written");
    assert!(setup.generate(&["--force"]).status.success());
    assert_eq!(read(&setup.outfile()).mirror_list_cache.len(), 5);
    assert!(fs::read(setup.folder.path().join("cache.proto.previous")).unwrap() == before);
    // Nothing at all is refused even then.
    setup.execute("DELETE FROM category_directory");
    fails(&setup.generate(&["--force"]), 70, "not usable");
    assert_eq!(setup.files(), ["cache.proto", "cache.proto.previous", "report.json"]);
}

#[test]
fn tls_is_as_asked_for() {
    let Some(setup) = setup(&[]) else { return };
    let cluster = setup.database.cluster;
    let file = |name: &str| cluster.folder.join(name).display().to_string();
    let attempt = |host: &str, parameters: String| {
        let url = cluster
            .url_at(cluster.port, &setup.database.name, &parameters)
            .replace("127.0.0.1", host);
        setup.generate_at(&url, &[])
    };
    let (ca, other) = (file("ca.pem"), file("other.pem"));
    for (host, parameters) in [
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={ca}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ca}")),
    ] {
        setup.execute("ALTER SYSTEM RESET ALL");
        let output = attempt(host, parameters.clone());
        assert!(output.status.success(), "{parameters}: {}", describe(&output));
    }
    for (host, parameters) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ca}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}")),
        ("127.0.0.1", format!("sslmode=require&sslrootcert={other}")),
    ] {
        fails(&attempt(host, parameters), 69, "check sslmode and sslrootcert");
    }
}

#[test]
fn it_stays_and_can_be_watched() {
    let Some(setup) = setup(&[]) else { return };
    let mut child = setup
        .command(&["--interval", "1s", "--metrics-listen", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut next = |part: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(part))
            .expect("a line")
    };
    let listening = next("listening");
    let address = serde_json::from_str::<serde_json::Value>(&listening).unwrap()["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    next("published");
    next("waiting");
    let metrics = get("/metrics");
    for line in [
        "mirrorlist_generator_runs_total{outcome=\"success\"} ",
        "mirrorlist_generator_rows{table=\"host_category_dir\"} 8",
        "mirrorlist_generator_warnings{kind=\"repomd_without_details\"} 1",
        "mirrorlist_generator_duration_seconds{phase=\"write\"} ",
        "mirrorlist_generator_last_success_timestamp_seconds ",
        "mirrorlist_generator_cache_bytes ",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(get("/healthz").contains(" 200 OK"));
    // Without DB_URL: a health check needs to know nothing but the address.
    let healthcheck = |address: &str| {
        let mut command = generator("");
        command
            .env_remove("DB_URL")
            .args(["--metrics-listen", address, "healthcheck"]);
        let output = checked(run(&mut command));
        (output.status.code(), describe(&output))
    };
    assert_eq!(healthcheck(&address).0, Some(0));
    setup.execute("ALTER TABLE host RENAME TO ghost");
    next("does not exist");
    wait_for("ill health", || {
        get("/healthz").contains("does not exist").then_some(())
    });
    let (code, said) = healthcheck(&address);
    assert!(code == Some(1) && said.contains("does not exist"), "{said}");
    setup.execute("ALTER TABLE ghost RENAME TO host");
    next("published");
    wait_for("health", || get("/healthz").contains(" 200 OK").then_some(()));
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    next("stopped");
    assert!(child.wait().unwrap().success());
    let (code, said) = healthcheck(&address);
    assert!(code == Some(69) && said.contains(&address), "{said}");
    assert!(!is_root() || setup.outfile().exists());
}
