//! A small data set inside the binary, to try the server on: an invented distribution with invented mirrors, on the networks
//! and AS numbers that are set aside for documentation (RFC 5737, RFC 3849, RFC 5398).

use std::net::SocketAddr;
use std::sync::Arc;

use prost::Message;

use crate::cache::error::CacheError;
use crate::cache::proto::{
    FileDetailsCacheDirectoryType, FileDetailsCacheFilesType, FileDetailsType, IntCoordinatesMap, IntIntMap,
    IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, MirrorList, MirrorListCacheType, StringBoolMap,
    StringRepeatedIntMap, StringStringMap,
};
use crate::geo::{AsTable, ContinentTable, GeoIp};
use crate::rules::RulesFile;
use crate::snapshot::{Catalogue, DataSet, Loaded, Snapshot, age};
use crate::warnings::Warnings;

/// A mirror of the demonstration, with its bandwidth in Mbit/s and its URLs' protocols.
struct Mirror {
    name: &'static str,
    country: &'static str,
    bandwidth: i64,
    protocols: &'static str,
}

const fn mirror(name: &'static str, country: &'static str, bandwidth: i64, protocols: &'static str) -> Mirror {
    Mirror {
        name,
        country,
        bandwidth,
        protocols,
    }
}

/// The mirrors. A host's id is its place here, from 1.
const MIRRORS: [Mirror; 10] = [
    mirror("mirror.berlin.example", "DE", 10_000, "https http rsync"),
    mirror("ftp.munich.example", "DE", 1_000, "https http ftp"),
    mirror("mirror.paris.example", "FR", 1_000, "https http"),
    mirror("mirror.prague.example", "CZ", 100, "http"),
    mirror("mirror.boston.example", "US", 10_000, "https http rsync"),
    mirror("mirror.denver.example", "US", 100, "https"),
    mirror("mirror.tokyo.example", "JP", 10_000, "https http"),
    mirror("mirror.perth.example", "AU", 1_000, "https"),
    mirror("mirror.bogota.example", "CO", 100, "http rsync"),
    mirror("mirror.campus.example", "DE", 1_000, "https http"),
];

/// Latitudes and longitudes of the mirrors' cities, in units of 0.00001 degrees. The campus says nothing of its place.
const PLACES: [(i32, i32); 9] = [
    (5_252_000, 1_340_500),
    (4_813_700, 1_157_500),
    (4_885_700, 235_200),
    (5_008_800, 1_442_100),
    (4_236_000, -7_105_900),
    (3_973_900, -10_499_000),
    (3_567_600, 13_965_000),
    (-3_195_500, 11_585_900),
    (471_100, -7_407_200),
];

/// The ids of the hosts in Berlin and Munich, which one AS has.
const BERLIN: i64 = 1;
const MUNICH: i64 = 2;
/// The id of Boston's host, which another AS has.
const BOSTON: i64 = 5;
/// The id of Bogota's host, which is offered in its own country only.
const BOGOTA: i64 = 9;
/// The id of the campus's private host, which registered a network.
const CAMPUS: i64 = 10;

const TOP_DIRECTORY: &str = "pub/example";
/// The directory of the images, all of which have details.
const IMAGES: &str = "pub/example/1/iso";
const NETBLOCK_COUNTRIES: [(&str, &str); 5] = [
    ("192.0.2.0/24", "DE"),
    ("198.51.100.0/24", "US"),
    ("203.0.113.0/25", "CO"),
    ("203.0.113.128/25", "NZ"),
    ("2001:db8::/32", "FR"),
];
const CAMPUS_NETBLOCK: &str = "192.0.2.128/25";
const GLOBAL_NETBLOCKS: &str = "198.51.100.0/25 64496\n2001:db8::/32 64497\n";
const CONTINENTS: &str = "country,continent\nDE,EU\nFR,EU\nCZ,EU\nUS,NA\nJP,AS\nAU,OC\nNZ,OC\nCO,SA\n";

/// Stands for the paths of the data files.
const NAME: &str = "(inside the program)";

/// The demonstration's data, through the same loader as any.
///
/// # Errors
/// A reader refuses what is made from the tables above, which is a defect.
pub fn snapshot() -> Result<Snapshot, CacheError> {
    snapshot_with_rules(Loaded::without_file(RulesFile::default()))
}

/// The same with an operator's rules.
///
/// # Errors
/// As [`snapshot()`].
pub fn snapshot_with_rules(rules: Arc<Loaded<RulesFile>>) -> Result<Snapshot, CacheError> {
    let mut warnings = Warnings::default();
    let catalogue = Catalogue::read(cache_file().as_slice(), &mut warnings)?;
    // Reading from memory can't fail.
    let netblocks = AsTable::read(GLOBAL_NETBLOCKS.as_bytes(), &mut warnings).unwrap_or_else(|_| AsTable::empty());
    let continents =
        ContinentTable::read(CONTINENTS.as_bytes(), &mut warnings).unwrap_or_else(|_| ContinentTable::empty());
    Ok(Snapshot::new(DataSet {
        cache: Loaded::built_in(NAME, catalogue),
        global_netblocks: Loaded::built_in(NAME, netblocks),
        country_continent: Loaded::built_in(NAME, continents),
        geoip: Loaded::without_file(GeoIp::empty()),
        rules,
    }))
}

/// Returns requests to try on a demonstration that listens on this address.
pub fn examples(address: SocketAddr) -> String {
    format!(
        "The demonstration answers on http://{address}. Try:\n\
         \x20 curl 'http://{address}/mirrorlist?repo=example-1&arch=x86_64'\n\
         \x20 curl 'http://{address}/mirrorlist?repo=example-1&arch=x86_64&ip=192.0.2.130&protocol=https'\n\
         \x20 curl 'http://{address}/metalink?repo=example-1&arch=x86_64&ip=198.51.100.7'\n"
    )
}

fn cache_file() -> Vec<u8> {
    let pair = |(key, value): (&str, &str)| StringStringMap {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let cache = MirrorList {
        time: age::now(),
        netblock_country_cache: NETBLOCK_COUNTRIES.map(pair).to_vec(),
        hc_url_cache: numbered().flat_map(|(id, mirror)| urls(id, mirror)).collect(),
        file_details_cache: directories()
            .filter(|directory| directory.ends_with("/repodata"))
            .map(repomd)
            .chain([images()])
            .collect(),
        disabled_repository_cache: vec![StringBoolMap {
            key: "example-0".to_owned(),
            value: true,
        }],
        repository_redirect_cache: vec![pair(("example-rolling", "example-2"))],
        repo_arch_to_directory_name: repositories()
            .map(|(prefix, arch, directory)| pair((&format!("{prefix}+{arch}"), &directory)))
            .collect(),
        host_asn_cache: [(64496, vec![BOSTON]), (64497, vec![BERLIN, MUNICH])]
            .map(|(key, value)| IntRepeatedIntMap { key, value })
            .to_vec(),
        host_country_cache: numbered()
            .map(|(key, mirror)| IntStringMap {
                key,
                value: mirror.country.to_owned(),
            })
            .collect(),
        host_bandwidth_cache: numbered()
            .map(|(key, mirror)| IntIntMap {
                key,
                value: mirror.bandwidth,
            })
            .collect(),
        host_country_allowed_cache: vec![IntRepeatedStringMap {
            key: BOGOTA,
            value: vec!["CO".to_owned()],
        }],
        host_netblock_cache: vec![StringRepeatedIntMap {
            key: CAMPUS_NETBLOCK.to_owned(),
            value: vec![CAMPUS],
        }],
        host_coordinates_cache: (1..)
            .zip(PLACES)
            .map(|(key, (latitude, longitude))| IntCoordinatesMap {
                key,
                latitude,
                longitude,
            })
            .collect(),
        mirror_list_cache: directories().map(directory).collect(),
        ..MirrorList::default()
    };
    cache.encode_to_vec()
}

/// Lists the prefix, architecture and directory of every repository.
fn repositories() -> impl Iterator<Item = (String, &'static str, String)> {
    let releases = ["0", "1", "2"].into_iter();
    releases.flat_map(|release| {
        let base = format!("{TOP_DIRECTORY}/{release}");
        [
            (format!("example-{release}"), "x86_64", format!("{base}/x86_64/os")),
            (format!("example-{release}"), "aarch64", format!("{base}/aarch64/os")),
            (
                format!("example-source-{release}"),
                "source",
                format!("{base}/source/tree"),
            ),
        ]
    })
}

fn directories() -> impl Iterator<Item = String> {
    let of_repositories = repositories().flat_map(|(_, _, directory)| {
        let repodata = format!("{directory}/repodata");
        [directory, repodata]
    });
    let others = [TOP_DIRECTORY, IMAGES].map(str::to_owned);
    others.into_iter().chain(of_repositories)
}

/// Makes a directory that every mirror carries.
fn directory(name: String) -> MirrorListCacheType {
    let public = || numbered().filter(|(id, _)| *id != CAMPUS);
    MirrorListCacheType {
        subpath: name
            .strip_prefix(TOP_DIRECTORY)
            .map(|rest| rest.trim_start_matches('/').to_owned()),
        directory: name,
        global: public().map(|(id, _)| id).collect(),
        by_country: public()
            .map(|(id, mirror)| StringRepeatedIntMap {
                key: mirror.country.to_owned(),
                value: vec![id],
            })
            .collect(),
        by_host_id: numbered()
            .map(|(id, mirror)| IntRepeatedIntMap {
                key: id,
                value: urls(id, mirror).map(|url| url.key).collect(),
            })
            .collect(),
        ..MirrorListCacheType::default()
    }
}

/// The mirrors with their ids.
fn numbered() -> impl Iterator<Item = (i64, &'static Mirror)> {
    (1..).zip(&MIRRORS)
}

fn urls(host: i64, mirror: &Mirror) -> impl Iterator<Item = IntStringMap> {
    (host * 10..)
        .zip(mirror.protocols.split(' '))
        .map(|(key, protocol)| IntStringMap {
            key,
            value: format!("{protocol}://{}/{TOP_DIRECTORY}", mirror.name),
        })
}

/// Makes details of invented images.
fn images() -> FileDetailsCacheDirectoryType {
    let image = |name: &str, size, digit: &str| FileDetailsCacheFilesType {
        filename: name.to_owned(),
        file_details: vec![FileDetailsType {
            time_stamp: 1_767_225_600,
            size,
            sha1: None,
            md5: None,
            sha256: Some(digit.repeat(64)),
            sha512: None,
        }],
    };
    FileDetailsCacheDirectoryType {
        directory: IMAGES.to_owned(),
        file_details_cache_files: vec![
            image("example-1-dvd.iso", 4_000_000_000, "c"),
            image("example-1-netinst.iso", 700_000_000, "d"),
        ],
    }
}

/// Makes details of an invented `repomd.xml` and of its version before.
fn repomd(directory: String) -> FileDetailsCacheDirectoryType {
    let version = |age: u64, digit: &str| FileDetailsType {
        time_stamp: 1_767_225_600 - age,
        size: 4_096,
        sha1: None,
        md5: None,
        sha256: Some(digit.repeat(64)),
        sha512: Some(digit.repeat(128)),
    };
    FileDetailsCacheDirectoryType {
        directory,
        file_details_cache_files: vec![FileDetailsCacheFilesType {
            filename: "repomd.xml".to_owned(),
            file_details: vec![version(0, "a"), version(86_400, "b")],
        }],
    }
}
