//! Reading data files: all encodings that a cache's format allows mean the same, what can't be used is counted and named, and no
//! file, however damaged, makes a panic or a snapshot that answers with nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod fixture;
#[path = "support/mmdb.rs"]
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "shared with other tests, and a helper that fails fails the test"
)]
mod mmdb;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ip_network::Ipv4Network;
use maxminddb::PathElement;
use mirrorlist_server::cache::proto::{
    FileDetailsCacheFilesType, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, MirrorList, MirrorListCacheType,
    StringRepeatedIntMap, StringStringMap,
};
use mirrorlist_server::geo::{CountryCode, GeoIp};
use mirrorlist_server::snapshot::Catalogue;
use mirrorlist_server::warnings::Warnings;
use proptest::prelude::*;
use prost::Message;

fn read(bytes: &[u8]) -> Result<(Catalogue, Warnings), String> {
    let mut warnings = Warnings::default();
    let catalogue = Catalogue::read(bytes, &mut warnings).map_err(|error| error.to_string())?;
    Ok((catalogue, warnings))
}

/// What a catalogue says of each directory: for each host its URLs, country and whether it is public.
fn carried(catalogue: &Catalogue) -> BTreeMap<String, BTreeMap<i64, String>> {
    let directories = catalogue.directories().map(|directory| {
        let hosts = catalogue.carriers(directory).map(|(_, carrier)| {
            let urls: Vec<&str> = catalogue
                .urls(carrier)
                .iter()
                .map(|url| catalogue.base_url(url))
                .collect();
            let id = catalogue.host(carrier.host).id;
            (id, format!("{urls:?} {:?} {}", carrier.country, carrier.public))
        });
        (catalogue.directory_name(directory).to_owned(), hosts.collect())
    });
    directories.collect()
}

#[test]
fn every_encoding_of_a_cache_means_the_same() {
    let cache = fixture::cache_message();
    let (usual, _) = read(&cache.encode_to_vec()).unwrap();
    let (other, _) = read(&fixture::encoded_otherwise(&cache)).unwrap();
    assert_eq!(carried(&usual), carried(&other));
    assert_eq!(usual.counts(), other.counts());
    let everybody = &carried(&usual)["pub/linux"];
    assert_eq!(everybody.len(), fixture::HOSTS.len());
    assert_eq!(
        everybody[&7],
        "[\"https://campus.example/pub/linux\", \"http://campus.example/pub/linux\"] None false"
    );
}

#[test]
fn of_two_entries_with_one_key_the_last_counts_and_nothing_is_doubled() {
    let (snapshot, warnings) = fixture::snapshot_with(|cache| {
        let mut again = fixture::directory("pub/linux", |host| host.id <= 2);
        again.by_host_id.push(IntRepeatedIntMap {
            key: 1,
            value: vec![20],
        });
        cache.mirror_list_cache.push(again);
        cache.hc_url_cache.push(IntStringMap {
            key: 20,
            value: "http://new.example/pub".to_owned(),
        });
        let details = FileDetailsCacheFilesType {
            filename: "repomd.xml".to_owned(),
            file_details: vec![fixture::details(1_800_000_000, "e")],
        };
        let mut twice = fixture::files("pub/linux/1/x86_64/os/repodata", Vec::new());
        twice.file_details_cache_files.push(details);
        cache.file_details_cache.push(twice);
        cache.repo_arch_to_directory_name.push(StringStringMap {
            key: "linux-1+x86_64".to_owned(),
            value: "pub/linux/1/iso".to_owned(),
        });
        cache.host_netblock_cache.push(StringRepeatedIntMap {
            key: "192.0.2.129/25".to_owned(),
            value: vec![7, 8],
        });
    });
    let catalogue = snapshot.catalogue();
    let carried = carried(catalogue);
    assert_eq!(carried["pub/linux"].keys().collect::<Vec<_>>(), [&1, &2]);
    assert!(carried["pub/linux"][&1].starts_with("[\"http://new.example/pub\"]"));
    let repodata = catalogue.directory("pub/linux/1/x86_64/os/repodata").unwrap();
    let versions = &catalogue.file_details(repodata, "repomd.xml").unwrap().versions;
    assert_eq!(
        versions.iter().map(|v| v.timestamp).collect::<Vec<_>>(),
        [1_800_000_000]
    );
    let repository = catalogue.repository("linux-1", "x86_64", &mut String::new()).unwrap();
    assert_eq!(catalogue.directory_name(repository.directory), "pub/linux/1/iso");
    let networks: Vec<usize> = catalogue
        .netblock_hosts("192.0.2.130".parse().unwrap())
        .map(|(_, hosts)| hosts.len())
        .collect();
    assert_eq!(networks, [2]);
    assert!(
        warnings
            .first()
            .iter()
            .any(|w| w.contains("\"pub/linux\" occurs twice")),
        "{warnings:?}"
    );
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_is_kept() {
    let warnings_of = |edit: &dyn Fn(&mut MirrorList)| {
        let (_, usual) = fixture::snapshot_with(|_| {});
        let (_, warnings) = fixture::snapshot_with(edit);
        assert_eq!(warnings.count(), usual.count() + 1, "{warnings:?}");
        let new = warnings.first().iter().find(|text| !usual.first().contains(text));
        new.cloned().unwrap_or_default()
    };
    let warning = warnings_of(&|c| {
        c.hc_url_cache.push(IntStringMap {
            key: 9_999,
            value: "http://x/\u{7}".to_owned(),
        });
    });
    assert!(
        warning.contains("URL 9999") && warning.contains("control character"),
        "{warning}"
    );
    let warning = warnings_of(&|c| {
        c.host_country_cache.push(IntStringMap {
            key: 77,
            value: "Germany".to_owned(),
        });
    });
    assert!(
        warning.contains("host 77") && warning.contains("\"Germany\""),
        "{warning}"
    );
    let warning = warnings_of(&|c| {
        c.host_asn_cache.push(IntRepeatedIntMap {
            key: -5,
            value: vec![1],
        });
    });
    assert!(warning.contains("-5 is no AS number"), "{warning}");
    let warning = warnings_of(&|c| c.file_details_cache.push(fixture::files("pub/elsewhere", Vec::new())));
    assert!(warning.contains("\"pub/elsewhere\""), "{warning}");
    let warning = warnings_of(&|c| {
        let entry = IntRepeatedIntMap {
            key: 1,
            value: vec![4_711],
        };
        c.mirror_list_cache[0].by_host_id.push(entry);
    });
    assert!(warning.contains("host 1 ") && warning.contains("4711"), "{warning}");
}

#[test]
fn a_host_that_is_limited_to_no_known_country_is_offered_to_none() {
    let (snapshot, warnings) = fixture::snapshot_with(|cache| {
        let entry = IntRepeatedStringMap {
            key: 1,
            value: vec!["Germany".to_owned()],
        };
        cache.host_country_allowed_cache.push(entry);
    });
    let host = snapshot.catalogue().hosts().find(|(_, host)| host.id == 1).unwrap().1;
    assert!(!host.allows(CountryCode::parse("DE")) && !host.allows(None), "{host:?}");
    assert!(
        warnings.first().iter().any(|w| w.contains("\"Germany\"")),
        "{warnings:?}"
    );
}

#[test]
fn a_host_without_urls_does_not_carry_a_directory() {
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        cache.mirror_list_cache[0].by_host_id[0].value.clear();
    });
    let carried = carried(snapshot.catalogue());
    assert!(!carried["pub/linux"].contains_key(&1));
    assert!(carried["pub/linux/1/iso"].contains_key(&1));
}

#[test]
fn what_a_directory_says_of_a_host_holds_for_that_directory_alone() {
    let (snapshot, _) = fixture::snapshot_with(|cache| {
        cache.mirror_list_cache[1].global.retain(|id| *id != 1);
        let germany = cache.mirror_list_cache[2]
            .by_country
            .iter_mut()
            .find(|c| c.value == [1]);
        germany.unwrap().key = "JP".to_owned();
    });
    let carried = carried(snapshot.catalogue());
    assert!(carried["pub/linux"][&1].ends_with("Some(DE) true"));
    assert!(carried["pub/linux/1/x86_64/os"][&1].ends_with("Some(DE) false"));
    assert!(carried["pub/linux/1/x86_64/os/repodata"][&1].ends_with("Some(JP) true"));
}

#[test]
fn a_cache_that_lacks_what_answers_need_is_refused() {
    let refused = |edit: &dyn Fn(&mut MirrorList)| {
        let mut cache = fixture::cache_message();
        edit(&mut cache);
        read(&cache.encode_to_vec()).err().unwrap()
    };
    assert_eq!(refused(&|c| c.mirror_list_cache.clear()), "it has no directory");
    assert_eq!(refused(&|c| c.hc_url_cache.clear()), "it has no host with a usable URL");
    assert_eq!(read(&[]).err().unwrap(), "it has no creation time");
    let without_time = MirrorListCacheType {
        directory: "a".to_owned(),
        ..MirrorListCacheType::default()
    };
    let mut bytes = Vec::new();
    fixture::message(16, &without_time.encode_to_vec(), &mut bytes);
    assert_eq!(read(&bytes).err().unwrap(), "it has no creation time");
    assert!(read(b"<html>not found</html>").err().unwrap().contains("malformed"));
}

#[test]
fn a_cache_cut_anywhere_is_refused_or_a_smaller_cache() {
    let bytes = fixture::cache_message().encode_to_vec();
    let mut refused = 0;
    for cut in 0..bytes.len() {
        match read(&bytes[..cut]) {
            Ok((catalogue, _)) => assert!(catalogue.counts().directories > 0),
            Err(_) => refused += 1,
        }
    }
    // Only a cut between two directories can't be seen in the file itself.
    assert!(
        bytes.len() - refused < fixture::cache_message().mirror_list_cache.len() + 1,
        "{refused} of {}",
        bytes.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_a_panic(position in any::<prop::sample::Index>(), change in any::<u8>(), noise in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = fixture::cache_message().encode_to_vec();
        let position = position.index(bytes.len());
        bytes[position] ^= change;
        let _ = read(&bytes);
        bytes.splice(position..position, noise.iter().copied());
        let _ = read(&bytes);
        let _ = read(&noise);
    }
}

proptest! {
    #[test]
    fn a_geoip_database_is_read_as_its_own_library_reads_it(
        networks in prop::collection::vec((any::<u32>(), 6..=32_u8, 0..3_usize), 1..40),
        addresses in prop::collection::vec(any::<u32>(), 20),
    ) {
        let texts: Vec<(String, &str)> = networks
            .iter()
            .map(|(address, length, country)| {
                let network = Ipv4Network::new_truncate(Ipv4Addr::from_bits(*address), *length).unwrap();
                (network.to_string(), ["DE", "US", "none"][*country])
            })
            .collect();
        let entries: Vec<(&str, &str)> = texts.iter().map(|(network, country)| (network.as_str(), *country)).collect();
        let bytes = mmdb::mmdb(&entries);
        let geoip = GeoIp::new(bytes.clone()).unwrap();
        let reader = maxminddb::Reader::from_source(bytes).unwrap();
        let borders = networks.iter().flat_map(|(address, length, _)| {
            let hosts = u32::MAX.checked_shr((*length).into()).unwrap_or(0);
            [(address & !hosts).wrapping_sub(1), address & !hosts, address | hosts, (address | hosts).wrapping_add(1)]
        });
        for address in addresses.into_iter().chain(borders).map(Ipv4Addr::from_bits) {
            let record = reader.lookup(address.into()).unwrap();
            let path = [PathElement::Key("country"), PathElement::Key("iso_code")];
            let expected = record.decode_path::<&str>(&path).unwrap().filter(|country| *country != "none");
            let found = geoip.lookup(address.into()).map(|(country, _)| country.to_string());
            prop_assert_eq!(found.as_deref(), expected);
        }
    }
}
