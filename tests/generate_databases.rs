//! The generator on databases as operators have them: topdirs without a name, other encodings, rows that lack something; what it
//! prints, what it refuses to lose, and what becomes of the file that it replaces. A real PostgreSQL, the built binaries.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper that fails fails the test"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::process::Output;

use mirrorlist_server::cache::proto::MirrorList;
use prost::Message as _;
use support::data::DataFiles;
use support::generator::{Setup, checked, directory, encoded_setup_in, fails, read, setup, setup_in};
use support::pgbouncer::Pgbouncer;
use support::postgres::{Cluster, cluster, is_root, unprivileged};
use support::process::{describe, run};
use support::server::Server;

/// A category whose topdir has no name, in a world of others that have one.
const STREAM: &str = "
    INSERT INTO directory VALUES (20, '', 1000), (21, '9-stream', 1000), (22, '9-stream/x86_64/os', 1000),
        (23, '9-stream/x86_64/os/repodata', 1000), (24, 'repodata', 1000);
    DELETE FROM host_country_allowed WHERE host_id = 2;
    INSERT INTO category VALUES (20, 'Stream', 20);
    INSERT INTO category_directory VALUES (20, 20), (20, 21), (20, 22), (20, 23), (20, 24), (20, 1), (20, 2);
    INSERT INTO host_category VALUES (20, 1, 20, true), (21, 2, 20, false);
    INSERT INTO host_category_url VALUES (20, 20, 'https://mirror1.example.org/stream/ ', false),
        (21, 21, ' https://mirror2.example.org//', false);
    INSERT INTO host_category_dir VALUES (20, 21, true, 22), (21, 21, true, 23);
    INSERT INTO repository VALUES (20, 's', 'stream-9', 20, 1, 1, 22, false), (21, 'r', 'root', 20, 1, 1, 20, false);
    INSERT INTO file_detail VALUES
        (20, 20, 'fullfilelist', 1000, 10, repeat('a', 40), repeat('b', 32), repeat('c', 64), repeat('d', 128)),
        (21, 23, 'repomd.xml', 1000, 10, NULL, NULL, repeat('e', 64), NULL),
        (22, 24, 'repomd.xml', 1000, 10, NULL, NULL, repeat('f', 64), NULL);
";

/// The lines of an answer that are no comment, in order of their texts.
fn urls(answer: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = answer.lines().filter(|line| !line.starts_with('#')).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_topdir_without_a_name_is_one() {
    for name in ["", "/", "//"] {
        let Some(setup) = setup(&[STREAM, &format!("UPDATE directory SET name = '{name}' WHERE id = 20")]) else {
            return;
        };
        let cache = setup.cache();
        let shown: Vec<(&str, Option<&str>, usize)> = cache
            .mirror_list_cache
            .iter()
            .filter(|directory| {
                directory
                    .by_host_id
                    .iter()
                    .any(|entry| [20, 21].contains(&entry.value[0]))
            })
            .map(|d| (d.directory.as_str(), d.subpath.as_deref(), d.by_host_id.len()))
            .collect();
        assert_eq!(
            shown,
            [
                ("", Some(""), 1),
                ("9-stream", Some("9-stream"), 1),
                ("9-stream/x86_64/os", Some("9-stream/x86_64/os"), 2),
                ("9-stream/x86_64/os/repodata", Some("9-stream/x86_64/os/repodata"), 2),
                ("repodata", Some("repodata"), 1),
            ],
            "{name:?}"
        );
        // The longest topdir counts: what is Linux's, too, is only its own.
        let linux = directory(&cache, "pub/linux");
        assert_eq!(
            linux.by_host_id.iter().map(|e| e.value.clone()).collect::<Vec<_>>(),
            [vec![1, 2], vec![4]]
        );
        let (counts, texts) = setup.warnings();
        assert_eq!(
            counts,
            BTreeMap::from([("repomd_without_details".to_owned(), 1)]),
            "{texts}"
        );

        let server = Server::start(&DataFiles::new(&cache), &[]);
        let get = |target: &str| {
            let response = server.get(target);
            assert_eq!(response.status, 200, "{name:?}: {target}: {}", response.text());
            response.text().to_owned()
        };
        assert_eq!(
            urls(&get("/mirrorlist?repo=stream-9&arch=x86_64")),
            [
                "https://mirror1.example.org/stream/9-stream/x86_64/os/",
                "https://mirror2.example.org/9-stream/x86_64/os/"
            ]
        );
        for path in ["fullfilelist", "/fullfilelist", "//fullfilelist/"] {
            assert_eq!(
                urls(&get(&format!("/mirrorlist?path={path}"))),
                ["https://mirror1.example.org/stream/fullfilelist"]
            );
            assert!(get(&format!("/metalink?path={path}")).contains(&"d".repeat(128)));
        }
        for path in ["", "/", "///", "%2F"] {
            assert_eq!(
                urls(&get(&format!("/mirrorlist?path={path}"))),
                ["https://mirror1.example.org/stream/"]
            );
        }
        let metalink = get("/metalink?repo=stream-9&arch=x86_64");
        assert!(
            metalink.contains(">https://mirror2.example.org/9-stream/x86_64/os/repodata/repomd.xml<")
                && metalink.contains(&"e".repeat(64)),
            "{metalink}"
        );
        // A repository in the root.
        assert_eq!(
            urls(&get("/mirrorlist?repo=root&arch=x86_64")),
            ["https://mirror1.example.org/stream/"]
        );
        let metalink = get("/metalink?repo=root&arch=x86_64");
        assert!(
            metalink.contains(">https://mirror1.example.org/stream/repodata/repomd.xml<")
                && metalink.contains(&"f".repeat(64)),
            "{metalink}"
        );
        for (target, said) in [
            ("/metalink?path=unknown", "\nunknown not found or has not metalink"),
            ("/mirrorlist?path=nowhere/file", "error: invalid path"),
            ("/mirrorlist?path=..", "error: invalid path"),
        ] {
            let response = server.get(target);
            assert!(
                response.status == 404 && format!("\n{}", response.text()).contains(said),
                "{target}: {}",
                response.text()
            );
        }
        let explained = server.admin_get("/admin/explain?path=fullfilelist&ip=192.0.2.1");
        assert!(
            explained.status == 200 && explained.text().contains("stream"),
            "{}",
            explained.text()
        );
    }
}

/// What a cache says but for names: each directory by its category's number and Subpath.
fn without_topdirs(mut cache: MirrorList, topdirs: &[(&str, &str)]) -> Vec<u8> {
    let rename = |name: &mut String| {
        for (topdir, letter) in topdirs {
            let below = match *topdir {
                "" => Some(name.as_str()),
                _ => name
                    .strip_prefix(topdir)
                    .filter(|rest| rest.is_empty() || rest.starts_with('/')),
            };
            if let Some(below) = below.map(|below| below.trim_start_matches('/').to_owned()) {
                *name = format!("{letter}:{below}");
                return;
            }
        }
    };
    cache.time = 0;
    cache
        .mirror_list_cache
        .iter_mut()
        .for_each(|d| rename(&mut d.directory));
    cache
        .file_details_cache
        .iter_mut()
        .for_each(|d| rename(&mut d.directory));
    cache
        .repo_arch_to_directory_name
        .iter_mut()
        .for_each(|e| rename(&mut e.value));
    cache.mirror_list_cache.sort_by(|a, b| a.directory.cmp(&b.directory));
    cache.encode_to_vec()
}

#[test]
fn an_emptied_topdir_changes_the_names_alone() {
    for (topdir, length) in [("pub/linux", 9), ("pub/extra", 9)] {
        let Some(setup) = setup(&[]) else { return };
        let before = setup.cache();
        setup.execute(&format!(
            "UPDATE directory SET name = substr(name, {length} + 2) WHERE name = '{topdir}' OR name LIKE '{topdir}/%'"
        ));
        fs::remove_file(setup.outfile()).unwrap();
        let after = setup.cache();
        let other = if topdir == "pub/linux" {
            "pub/extra"
        } else {
            "pub/linux"
        };
        assert!(
            without_topdirs(before, &[(other, "b"), (topdir, "a")])
                == without_topdirs(after.clone(), &[(other, "b"), ("", "a")]),
            "{topdir}: {after:?}"
        );
    }
}

#[test]
fn a_topdir_that_is_null_or_unknown_is_none() {
    let Some(setup) = setup(&["
        INSERT INTO directory VALUES (20, NULL, NULL), (21, 'a', NULL);
        INSERT INTO category VALUES (20, 'Null', NULL), (21, 'Unknown', 999), (22, 'Nameless', 20);
        INSERT INTO category_directory VALUES (20, 21), (21, 21), (22, 21), (22, 20);
    "]) else {
        return;
    };
    assert_eq!(setup.cache().mirror_list_cache.len(), 5);
    setup.warns(&[("category_without_topdir", 3), ("directory_name", 1)]);
}

#[test]
fn a_repository_that_lacks_something_has_no_effect() {
    let Some(setup) = setup(&["
        INSERT INTO repository VALUES (30, 'a', 'linux-41', 1, NULL, 1, 2, true), (31, 'b', 'linux-41', 1, 1, NULL, 2, true),
            (32, 'c', 'linux-41', 1, 1, 1, NULL, true), (33, 'd', 'linux-41', 1, 99, 1, 2, true),
            (34, 'e', 'linux-41', 1, 1, 99, 2, true), (35, 'f', 'linux-41', 1, 1, 1, 999, true),
            (36, 'g', '', 1, 1, 1, 2, true), (37, 'h', NULL, 1, 1, 1, 2, true);
        INSERT INTO arch VALUES (2, ''), (3, NULL);
        INSERT INTO repository VALUES (38, 'i', 'linux-41', 1, 1, 2, 2, true), (39, 'j', 'linux-41', 1, 1, 3, 2, true);
        -- Complete, but in no category: that is a repository, and it is disabled.
        INSERT INTO directory VALUES (30, 'elsewhere', NULL);
        INSERT INTO repository VALUES (40, 'k', 'elsewhere', 1, 1, 1, 30, true);
    "]) else {
        return;
    };
    let cache = setup.cache();
    let disabled: Vec<&str> = cache.disabled_repository_cache.iter().map(|e| e.key.as_str()).collect();
    assert_eq!(disabled, ["elsewhere", "extra-41"]);
    assert_eq!(cache.repo_arch_to_directory_name.len(), 2);
    let texts = setup.warns(&[("repository_incomplete", 10)]);
    assert!(texts.contains("repository 35 (f) has no directory"), "{texts}");
}

/// The error's line, and the report's list.
fn refused(setup: &Setup<'_>, said: &str) -> serde_json::Value {
    let before = fs::read(setup.outfile()).unwrap();
    let report = setup.report_file();
    let arguments = ["--no-dns", "--max-shrink", "100%", "--report", report.to_str().unwrap()];
    fails(&setup.generate(&arguments), 70, said);
    fails(
        &setup.generate(&["--no-dns", "--max-shrink", "100%", "--check"]),
        70,
        said,
    );
    assert!(fs::read(setup.outfile()).unwrap() == before);
    setup.report()["gone"].clone()
}

#[test]
fn a_category_that_is_gone_is_refused_however_it_went() {
    for way in [
        "UPDATE category SET topdir_id = NULL WHERE id = 2",
        "UPDATE category SET topdir_id = 999 WHERE id = 2",
        "DELETE FROM category WHERE id = 2",
        "DELETE FROM category_directory WHERE category_id = 2",
        "UPDATE directory SET name = 'elsewhere' WHERE id = 4",
        "UPDATE directory SET name = replace(name, 'pub/extra', 'moved')",
        "DELETE FROM host_category WHERE category_id = 2",
        "UPDATE host_category_url SET private = true WHERE id IN (8, 9)",
        "UPDATE host_category_url SET url = 'nonsense' WHERE id IN (8, 9)",
    ] {
        // Many others, so that it is a small part of the whole.
        let Some(setup) = setup(&["
            DELETE FROM repository WHERE id = 2;
            INSERT INTO directory SELECT id, 'pub/linux/' || id, NULL FROM generate_series(1000, 1100) AS id;
            INSERT INTO category_directory SELECT 1, id FROM generate_series(1000, 1100) AS id;
        "]) else {
            return;
        };
        setup.cache();
        setup.execute(way);
        let gone = refused(
            &setup,
            "lacks what the current file serves and the database does not disable: the categories (by topdir) \"pub/extra\"",
        );
        assert_eq!(
            gone,
            serde_json::json!({"categories": ["pub/extra"], "repositories": []}),
            "{way}"
        );
        let report = setup.report_file();
        let output = setup.generate(&["--no-dns", "--force", "--report", report.to_str().unwrap()]);
        assert!(output.status.success(), "{way}: {}", describe(&output));
        assert_eq!(setup.report()["gone"]["categories"][0], "pub/extra");
        // What is taken once is not asked for again.
        assert!(setup.generate(&["--no-dns"]).status.success(), "{way}");
    }
}

#[test]
fn a_nameless_topdir_that_is_gone_is_refused() {
    let Some(setup) = setup(&[STREAM]) else { return };
    setup.cache();
    setup.execute("UPDATE category SET topdir_id = NULL WHERE id = 20");
    let gone = refused(
        &setup,
        "the categories (by topdir) \"\" and the repositories \"root\", \"stream-9\"",
    );
    assert_eq!(
        gone,
        serde_json::json!({"categories": [""], "repositories": ["root", "stream-9"]})
    );
}

#[test]
fn a_repository_that_is_gone_is_refused_unless_it_is_disabled_or_redirected() {
    let Some(setup) = setup(&["
        INSERT INTO arch SELECT id, 'arch' || id FROM generate_series(2, 3) AS id;
        INSERT INTO repository SELECT id, id::text, 'linux-' || id, 1, 1, arch, 2, false
            FROM generate_series(100, 120) AS id, generate_series(1, 3) AS arch;
    "]) else {
        return;
    };
    setup.cache();
    // One arch of three, one that is disabled, one that another answers for: nothing is gone.
    setup.execute(
        "DELETE FROM repository WHERE id = 100 AND arch_id > 1;
         UPDATE repository SET disabled = true WHERE id = 101 AND arch_id = 1;
         DELETE FROM repository WHERE id = 101 AND arch_id > 1;
         DELETE FROM repository WHERE id = 102;
         INSERT INTO repository_redirect VALUES (102, 'linux-102', 'linux-41');
         UPDATE repository SET disabled = true, directory_id = 999 WHERE id = 2",
    );
    // The repository that was disabled in the current file, and is an incomplete row now, was not served before.
    setup.cache();
    assert_eq!(
        setup.report()["gone"],
        serde_json::json!({"categories": [], "repositories": []})
    );
    for way in [
        "DELETE FROM repository WHERE id >= 110",
        "UPDATE repository SET arch_id = NULL WHERE id >= 110",
        "UPDATE repository SET prefix = prefix || 'x' WHERE id >= 110",
    ] {
        setup.execute("BEGIN; CREATE TABLE kept AS SELECT * FROM repository; COMMIT");
        setup.execute(way);
        let gone = refused(
            &setup,
            "the repositories \"linux-110\", \"linux-111\", \"linux-112\", \"linux-113\", \"linux-114\" and 6 more (--report",
        );
        assert_eq!(gone["repositories"].as_array().unwrap().len(), 11, "{way}");
        setup.execute("DELETE FROM repository; INSERT INTO repository SELECT * FROM kept; DROP TABLE kept");
    }
    // A redirect to nothing answers for nothing.
    setup.execute(
        "UPDATE repository_redirect SET to_repo = 'nowhere' WHERE id = 102; DELETE FROM repository WHERE id = 103",
    );
    let gone = refused(&setup, "\"linux-103\"");
    assert_eq!(gone["repositories"], serde_json::json!(["linux-103"]));
}

#[test]
fn a_file_of_another_generator_is_compared_by_what_it_serves() {
    let Some(setup) = setup(&[]) else { return };
    let mut current = setup.cache();
    // A repository whose directory is not there, a directory without a Subpath, and a topdir that no host carries.
    let pair = |key: &str, value: &str| mirrorlist_server::cache::proto::StringStringMap {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    current
        .repo_arch_to_directory_name
        .push(pair("ghost+x86_64", "pub/ghost"));
    let mut odd = current.mirror_list_cache[0].clone();
    (odd.directory, odd.subpath) = ("pub/odd".to_owned(), None);
    current.mirror_list_cache.push(odd);
    let mut unused = current.mirror_list_cache[0].clone();
    (unused.directory, unused.subpath) = ("pub/unused".to_owned(), Some(String::new()));
    unused.by_host_id.iter_mut().for_each(|entry| entry.value.clear());
    current.mirror_list_cache.push(unused);
    // Slashes as they may stand.
    for directory in &mut current.mirror_list_cache {
        directory.directory = format!("/{}/", directory.directory);
    }
    fs::write(setup.outfile(), current.encode_to_vec()).unwrap();
    let output = setup.generate(&["--no-dns", "--max-shrink", "50%"]);
    assert!(output.status.success(), "{}", describe(&output));
}

/// Bytes of Latin-1 where a name, a URL or a hash can have them.
const LATIN_BYTES: &str = "
    UPDATE host SET name = E'm\\xfcnchen' WHERE id = 1;
    UPDATE site SET name = E'\\xe4';
    UPDATE category SET name = E'\\xe4';
    INSERT INTO host_category_url VALUES (30, 1, E'https://m\\xfcnchen.example.org/', false);
    INSERT INTO directory VALUES (30, E'pub/linux/\\xe4', NULL), (31, E'pub/unused/\\xe4', NULL);
    INSERT INTO category_directory VALUES (1, 30);
    INSERT INTO host_category_dir VALUES (30, 1, true, 30);
    INSERT INTO repository VALUES (30, 'x', E'linux-\\xe4', 1, 1, 1, 30, false), (31, 'y', E'unused-\\xe4', 1, NULL, 1, 30, false);
    INSERT INTO repository_redirect VALUES (30, E'old-\\xe4', 'linux-41');
    INSERT INTO host_netblock VALUES (30, 1, E'\\xe4.example.org');
    INSERT INTO host_country_allowed VALUES (30, 1, E'\\xe4');
    INSERT INTO netblock_country VALUES (30, '198.51.100.0/24', E'\\xe4');
    INSERT INTO country_continent_redirect VALUES (30, E'\\xe4', 'EU');
    INSERT INTO file_detail VALUES (30, 30, E'\\xe4.iso', 1000, 1, NULL, NULL, E'\\xe4', NULL);
";

#[test]
fn bytes_of_a_database_without_an_encoding_are_replaced_and_told() {
    let Some(cluster) = cluster() else { return };
    let setup = encoded_setup_in(cluster, "SQL_ASCII", &[LATIN_BYTES]);
    let check = |cache: &MirrorList| {
        let names: Vec<&str> = cache.mirror_list_cache.iter().map(|d| d.directory.as_str()).collect();
        assert!(names.contains(&"pub/linux/\u{fffd}"), "{names:?}");
        let keys: Vec<&str> = cache
            .repo_arch_to_directory_name
            .iter()
            .map(|e| e.key.as_str())
            .collect();
        assert_eq!(keys, ["extra-41+x86_64", "linux-41+x86_64", "linux-\u{fffd}+x86_64"]);
    };
    check(&setup.cache());
    let texts = setup.warns(&[("not_utf8", 6), ("url", 1), ("hash_malformed", 1)]);
    for row in [
        "host 1: \\\"m",
        "host_category_url 30: ",
        "directory 30: ",
        "repository 30 (x): ",
        "repository_redirect: \\\"old-",
        "file_detail, directory \\\"pub/linux/",
    ] {
        assert!(texts.contains(row), "{row}: {texts}");
    }
    for pool_mode in ["session", "transaction"] {
        let Some(pooler) = Pgbouncer::start(&setup.database, pool_mode) else {
            return;
        };
        fs::remove_file(setup.outfile()).unwrap();
        let output = setup.generate_at(&pooler.url(&setup.database), &["--no-dns"]);
        assert!(output.status.success(), "{pool_mode}: {}", describe(&output));
        check(&read(&setup.outfile()));
    }
}

#[test]
fn a_database_in_another_encoding_is_converted() {
    let Some(cluster) = cluster() else { return };
    let setup = encoded_setup_in(cluster, "LATIN1", &[LATIN_BYTES]);
    directory(&setup.cache(), "pub/linux/\u{e4}");
    setup.warns(&[("not_utf8", 0)]);
}

#[test]
fn urls_are_cut_where_they_would_double_a_slash() {
    let Some(setup) = setup(&["
        UPDATE host_category_url SET url = 'https://mirror1.example.org/linux// ' WHERE id = 1;
        UPDATE host_category_url SET url = E'\\thttps://mirror2.example.org/ /' WHERE id = 4;
    "]) else {
        return;
    };
    let cache = setup.cache();
    let urls: BTreeMap<i64, &str> = cache.hc_url_cache.iter().map(|e| (e.key, e.value.as_str())).collect();
    assert_eq!(
        (urls[&1], urls[&4]),
        ("https://mirror1.example.org/linux", "https://mirror2.example.org")
    );
    setup.warns(&[("url", 0)]);
}

fn printed(output: &Output) -> (bool, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_run_of_cron_prints_nothing_but_why_it_failed() {
    // A world with a warning: Extra has no repomd.xml.
    let Some(setup) = setup(&["INSERT INTO host_netblock VALUES (30, 1, 'nonsense/33')"]) else {
        return;
    };
    let report = setup.report_file();
    for arguments in [
        &[][..],
        &["--once"],
        &["--check"],
        &["--no-dns", "--report", report.to_str().unwrap()],
    ] {
        let output = setup.generate(arguments);
        assert_eq!(printed(&output), (true, String::new()), "{arguments:?}");
    }
    setup.warns(&[("netblock", 1)]);
    let (success, text) = printed(&setup.generate(&["-d"]));
    assert!(
        success && text.contains("nonsense/33") && text.contains("published") && text.contains("host_category_dir"),
        "{text}"
    );
    setup.execute("DROP TABLE host_category_dir");
    let output = setup.generate(&[]);
    fails(&output, 69, "host_category_dir");
    assert_eq!(
        String::from_utf8_lossy(&output.stderr).lines().count(),
        1,
        "{}",
        describe(&output)
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn no_previous_keeps_one_file() {
    let Some(setup) = setup(&[]) else { return };
    for _ in 0..2 {
        assert!(setup.generate(&["--no-previous"]).status.success());
        assert_eq!(setup.files(), ["cache.proto"]);
    }
    assert!(setup.generate(&[]).status.success());
    let previous = setup.folder.path().join("cache.proto.previous");
    let before = fs::read(&previous).unwrap();
    // One that is there is another run's, and stays.
    assert!(setup.generate(&["--no-previous"]).status.success());
    assert_eq!(setup.files(), ["cache.proto", "cache.proto.previous"]);
    assert!(fs::read(&previous).unwrap() == before);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_owner_and_group() {
    let Some(setup) = setup(&[]) else { return };
    let state = |name: &str| {
        let found = fs::metadata(setup.folder.path().join(name)).unwrap();
        (found.mode() & 0o7777, found.uid(), found.gid())
    };
    setup.cache();
    let (mode, owner, group) = state("cache.proto");
    assert_eq!((mode, state("report.json").0), (0o644, 0o644));
    let (owner, group) = if is_root() { (4711, 4712) } else { (owner, group) };
    for mode in [0o640, 0o600, 0o664, 0o444] {
        for name in ["cache.proto", "report.json"] {
            let path = setup.folder.path().join(name);
            chown(&path, Some(owner), Some(group)).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        setup.cache();
        for name in ["cache.proto", "report.json", "cache.proto.previous"] {
            assert_eq!(state(name), (mode, owner, group), "{name}");
        }
    }
}

#[test]
fn a_group_that_can_not_be_kept_locks_out_no_reader() {
    if !is_root() {
        eprintln!("SKIPPED: a group that can't be kept: only root can make a file of a group of others");
        return;
    }
    let Some(setup) = setup(&[]) else { return };
    let folder = setup.folder.path();
    let program = folder.join("generator");
    fs::copy(env!("CARGO_BIN_EXE_generate-mirrorlist-cache"), &program).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
    setup.cache();
    chown(setup.outfile(), Some(0), Some(4712)).unwrap();
    let as_another_user = |mode| {
        fs::set_permissions(setup.outfile(), Permissions::from_mode(mode)).unwrap();
        let mut command = unprivileged(&program);
        command
            .env("DB_URL", setup.database.url())
            .arg("-o")
            .arg(setup.outfile());
        checked(run(&mut command))
    };
    // Only the group may read it.
    let before = fs::read(setup.outfile()).unwrap();
    fails(
        &as_another_user(0o640),
        73,
        "its readers have their right from its group, 4712",
    );
    assert!(fs::read(setup.outfile()).unwrap() == before);
    // Everybody may; the right to write is not given to another group.
    let output = as_another_user(0o664);
    assert!(output.status.success(), "{}", describe(&output));
    let now = fs::metadata(setup.outfile()).unwrap();
    assert_eq!((now.mode() & 0o777, now.uid()), (0o644, 65_534));
}

#[test]
fn the_same_world_in_another_server_is_the_same_cache() {
    // Of a server of its own, and of one in another encoding: the same bytes but for the time.
    let Some(cluster) = Cluster::alone() else { return };
    let caches: BTreeSet<Vec<u8>> = ["UTF8", "SQL_ASCII", "LATIN1"]
        .into_iter()
        .map(|encoding| {
            let setup = encoded_setup_in(&cluster, encoding, &[STREAM]);
            let mut cache = setup.cache();
            cache.time = 0;
            cache.encode_to_vec()
        })
        .chain([{
            let mut cache = setup_in(&cluster, &[STREAM]).cache();
            cache.time = 0;
            cache.encode_to_vec()
        }])
        .collect();
    assert_eq!(caches.len(), 1);
}
