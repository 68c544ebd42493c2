//! Explanations in JSON, as `/admin/explain` and the command `explain` give them: reasons that are true where it is easy to be
//! wrong, metalinks, redirects, and the sources of a client's country. `cargo test --test selection` holds all reasons against
//! the rules in random worlds; `cargo test --test admin` asks the listener. Takes a second.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

use std::fs;

use mirrorlist_server::admin::explain::explain_text;
use mirrorlist_server::cache::proto::MirrorList;
use mirrorlist_server::settings::{ChoiceSettings, DataPaths, HealthSettings};
use mirrorlist_server::snapshot::Snapshot;
use serde_json::{Value, json};
use support::data::DataFiles;
use support::mmdb::mmdb_with;

fn explain(snapshot: &Snapshot, query: &str, minimum: usize) -> Value {
    serde_json::from_str(
        &explain_text(
            snapshot,
            query,
            &ChoiceSettings {
                minimum,
                ..ChoiceSettings::STANDARD
            },
        )
        .unwrap(),
    )
    .unwrap()
}

/// The reasons why a host of the fixture is not listed in its repository; `null` if it is.
fn reasons(edit: impl FnOnce(&mut MirrorList), host: i64, query: &str, minimum: usize) -> Value {
    let (snapshot, _) = fixture::snapshot_with(edit);
    let explained = explain(&snapshot, &format!("path=pub/linux&{query}"), minimum);
    let unlisted = explained["not_listed"].as_array().unwrap();
    let host = unlisted.iter().find(|unlisted| unlisted["host_id"] == host);
    host.map_or(Value::Null, |host| host["reasons"].clone())
}

/// The ids of the hosts in a tier.
fn hosts(explained: &Value, tier: &str) -> Vec<i64> {
    let tiers = explained["tiers"].as_array().unwrap();
    let of_tier = tiers.iter().filter(|explained| explained["tier"] == tier);
    let hosts = of_tier.flat_map(|tier| tier["hosts"].as_array().unwrap());
    hosts.map(|host| host["host_id"].as_i64().unwrap()).collect()
}

#[test]
fn a_wish_that_is_not_followed_is_named() {
    let (snapshot, _) = fixture::snapshot_with(|_| {});
    let all = "country=!au,!de,!fr,!il,!it,!jp,!us&netblock=0&ip=192.0.2.1";
    let explained = explain(&snapshot, &format!("path=pub/linux&{all}"), 5);
    assert_eq!(explained["ignored"], json!(["excluded_countries"]), "{explained}");
    assert!(!hosts(&explained, "country").is_empty(), "{explained}");
    let explained = explain(&snapshot, "path=pub/linux&country=!de&ip=192.0.2.1", 5);
    assert_eq!(explained.get("ignored"), None, "{explained}");
}

#[test]
fn a_limit_to_other_countries_is_no_reason_where_no_tier_takes_the_host() {
    let unchanged = |_: &mut MirrorList| {};
    assert_eq!(
        reasons(unchanged, 9, "country=US&ip=192.0.2.1", 5),
        json!(["not_in_tier"])
    );
    assert_eq!(reasons(unchanged, 9, "ip=198.51.100.1", 1), json!(["not_in_tier"]));
    assert_eq!(reasons(unchanged, 9, "ip=198.51.100.1", 5), json!(["country_limit"]));
    assert_eq!(
        reasons(unchanged, 9, "country=it&ip=198.51.100.1", 5),
        json!(["country_limit"])
    );
    assert_eq!(reasons(unchanged, 9, "ip=192.0.2.1", 1), json!(["country_limit"]));
    assert_eq!(reasons(unchanged, 9, "ip=203.0.113.1", 5), Value::Null);
}

#[test]
fn an_excluded_country_is_the_reason_unless_it_is_not_followed() {
    let unchanged = |_: &mut MirrorList| {};
    let excluded = json!(["excluded_country"]);
    assert_eq!(reasons(unchanged, 4, "country=!us&ip=192.0.2.1", 5), excluded);
    assert_eq!(reasons(unchanged, 4, "country=global,!us&ip=192.0.2.1", 5), excluded);
    // A private host in the client's network.
    assert_eq!(reasons(unchanged, 8, "country=!de&ip=192.0.2.200", 5), excluded);
    assert_eq!(
        reasons(unchanged, 5, "country=!us&ip=192.0.2.1", 5),
        json!(["protocol", "excluded_country"])
    );
    // No mirror would be left.
    let nothing = "country=!de,!fr,!us,!jp,!au,!il,!it&ip=192.0.2.1";
    assert_eq!(reasons(unchanged, 4, nothing, 0), json!(["not_in_tier"]));
    assert_eq!(reasons(unchanged, 1, nothing, 0), Value::Null);
}

#[test]
fn a_private_host_in_the_clients_network_is_out_because_those_tiers_are_off() {
    let unchanged = |_: &mut MirrorList| {};
    let both = json!(["network_tiers_off", "private"]);
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.200", 5), Value::Null);
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.200&netblock=0", 5), both);
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.200&country=de", 5), both);
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.200&country=ch", 5), both);
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.200&country=aq", 5), both);
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.200&country=zz", 5), Value::Null);
    // An AS without a network.
    assert_eq!(reasons(unchanged, 8, "ip=192.0.2.1&netblock=0", 5), both);
    assert_eq!(reasons(unchanged, 7, "ip=192.0.2.1&netblock=0", 5), json!(["private"]));
}

#[test]
fn a_public_host_in_the_clients_as_is_out_because_that_tier_is_off() {
    let unchanged = |_: &mut MirrorList| {};
    let query = "ip=198.51.100.200";
    assert_eq!(reasons(unchanged, 10, query, 0), Value::Null);
    assert_eq!(
        reasons(unchanged, 10, &format!("{query}&netblock=0"), 0),
        json!(["network_tiers_off", "not_in_tier"])
    );
    assert_eq!(
        reasons(unchanged, 10, &format!("{query}&country=US"), 5),
        json!(["network_tiers_off", "not_in_tier"])
    );
}

#[test]
fn a_host_that_is_listed_by_country_only_is_not_private() {
    let not_global = |cache: &mut MirrorList| {
        for directory in &mut cache.mirror_list_cache {
            directory.global.retain(|host| ![4, 9].contains(host));
        }
    };
    assert_eq!(reasons(not_global, 4, "country=US&ip=192.0.2.1", 5), Value::Null);
    assert_eq!(
        reasons(not_global, 4, "country=DE&ip=192.0.2.1", 5),
        json!(["not_in_tier"])
    );
    assert_eq!(reasons(not_global, 9, "ip=192.0.2.1", 5), json!(["country_limit"]));
}

#[test]
fn a_redirect_is_explained_by_the_urls_that_it_can_send_to() {
    let snapshot = fixture::snapshot();
    let explained = explain(&snapshot, "path=pub/linux&redirect=1&ip=192.0.2.1&country=global", 5);
    assert_eq!(explained["refused"], Value::Null);
    let listed = hosts(&explained, "country");
    assert!(!listed.contains(&10) && listed.contains(&3), "{listed:?}");
    let tier = explained["tiers"][0]["hosts"].as_array().unwrap();
    let urls: Vec<&Value> = tier
        .iter()
        .filter(|host| host["host_id"] == 3)
        .map(|host| &host["urls"])
        .collect();
    assert_eq!(urls, [&json!(["https://fr1.example/pub/linux/"])]);
    let ftp_only = explained["not_listed"]
        .as_array()
        .unwrap()
        .iter()
        .find(|host| host["host_id"] == 10);
    assert_eq!(ftp_only.unwrap()["reasons"], json!(["protocol"]));

    let refused = explain(&snapshot, "path=pub/linux/rsync&redirect=1&ip=192.0.2.1", 5);
    assert_eq!(refused["refused"]["status"], 404);
    assert_eq!(refused["refused"]["text"], "error: no mirror with an http or https URL");
    assert_eq!((&refused["tiers"], &refused["not_listed"]), (&json!([]), &json!([])));
    assert_eq!(refused["target"]["directory"], "pub/linux/rsync");
}

#[test]
fn a_metalink_is_explained_with_its_file_and_all_urls() {
    let snapshot = fixture::snapshot();
    let explained = explain(
        &snapshot,
        "endpoint=metalink&repo=linux-1&arch=x86_64&ip=192.0.2.200",
        1,
    );
    assert_eq!(explained["refused"], Value::Null);
    assert_eq!(
        explained["target"],
        json!({
            "directory": "pub/linux/1/x86_64/os/repodata",
            "file": "repomd.xml",
            "repo": "linux-1",
            "arch": "x86_64",
            "hosts": 11,
        })
    );
    assert_eq!(hosts(&explained, "netblock"), [8, 7]);
    let german = explained["tiers"][1]["hosts"].as_array().unwrap();
    let first = german.iter().find(|host| host["host_id"] == 1).unwrap();
    let urls =
        ["https", "http", "rsync"].map(|p| format!("{p}://de1.example/pub/linux/1/x86_64/os/repodata/repomd.xml"));
    assert_eq!(first["urls"], json!(urls));
}

#[test]
fn a_metalink_that_is_refused_lists_no_host() {
    let snapshot = fixture::snapshot();
    let refused = explain(
        &snapshot,
        "endpoint=metalink&path=pub/linux/1/iso/x.iso&ip=192.0.2.1",
        5,
    );
    assert_eq!(
        refused["refused"],
        json!({ "status": 404, "text": "pub/linux/1/iso/x.iso not found or has not metalink" })
    );
    assert_eq!((&refused["tiers"], &refused["not_listed"]), (&json!([]), &json!([])));
    assert_eq!(refused["target"]["file"], "x.iso");
    assert!(explain_text(&snapshot, "endpoint=torrent&path=pub/linux", &ChoiceSettings::STANDARD).is_err());
}

#[test]
fn a_country_has_a_source() {
    let files = DataFiles::new(&fixture::cache_message());
    let records: [(&str, &[&str], &str); 5] = [
        ("100.64.0.0/16", &["country", "iso_code"], "FR"),
        ("100.65.0.0/16", &["registered_country", "iso_code"], "US"),
        ("100.66.0.0/16", &["country_code"], "JP"),
        ("100.67.0.0/16", &["country"], "DE"),
        ("192.0.2.0/24", &["country", "iso_code"], "JP"),
    ];
    fs::write(files.geoip(), mmdb_with(&records)).unwrap();
    let paths = DataPaths {
        cache: files.cache(),
        global_netblocks: files.global_netblocks(),
        country_continent: files.country_continent(),
        geoip: files.geoip(),
        rules: None,
    };
    let snapshot = Snapshot::load(&paths, &HealthSettings::default()).unwrap();
    let client = |address: &str| {
        let explained = explain(&snapshot, &format!("path=pub/linux&ip={address}"), 5);
        let client = &explained["client"];
        json!([client["country"], client["country_source"], client["continent"]])
    };
    assert_eq!(client("100.64.0.1"), json!(["FR", "geoip: country.iso_code", "EU"]));
    assert_eq!(
        client("100.65.0.1"),
        json!(["US", "geoip: registered_country.iso_code", "NA"])
    );
    assert_eq!(client("100.66.0.1"), json!(["JP", "geoip: country_code", "AS"]));
    assert_eq!(client("100.67.0.1"), json!(["DE", "geoip: country", "EU"]));
    assert_eq!(client("192.0.2.1"), json!(["DE", "operators: 192.0.2.0/24", "EU"]));
    assert_eq!(client("100.68.0.1"), json!([null, null, null]));
}

#[test]
fn a_host_without_a_limit_and_one_that_is_limited_to_no_country_differ() {
    let (snapshot, _) =
        fixture::snapshot_with(|cache| cache.host_country_allowed_cache[0].value = vec!["?".to_owned()]);
    let allowed =
        |snapshot, id: i64| explain(snapshot, &format!("host_id={id}"), 5)["hosts"][0]["allowed_countries"].clone();
    assert_eq!(allowed(&snapshot, 1), Value::Null);
    assert_eq!(allowed(&snapshot, 9), json!([]));
    assert_eq!(allowed(&fixture::snapshot(), 9), json!(["IT"]));
}
