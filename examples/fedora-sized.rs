//! Makes data of Fedora's size, invented from the first to the last byte, to measure a server on: 153,000 directories, 430 hosts
//! (as many as are active of 600 that are registered) and 730,000 networks.
//!
//! usage: fedora-sized FOLDER [DIRECTORIES [HOSTS [NETWORKS]]]
//!
//! Writes the four data files, `mirror_health.json` in which every tenth host is dead, and for load generators `repos.txt` (a line `repo=NAME&arch=ARCH` for each repository) and
//! `dirs.txt` (a directory a line). The same arguments make the same files.
#![allow(clippy::print_stderr, reason = "a program's only way to say what it is for")]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use mirrorlist_server::cache::proto::{
    FileDetailsCacheDirectoryType, FileDetailsCacheFilesType, FileDetailsType, IntIntMap, IntRepeatedIntMap,
    IntStringMap, MirrorList, MirrorListCacheType, StringRepeatedIntMap, StringStringMap,
};
use mirrorlist_server::health::file::FORMAT;
use mirrorlist_server::health::{HealthFile, Standing, UrlHealth, Verdict};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

#[path = "../tests/support/mmdb.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "shared with the tests"
)]
mod mmdb;

const COUNTRIES: [&str; 40] = [
    "US", "US", "US", "US", "US", "US", "DE", "DE", "DE", "FR", "FR", "GB", "NL", "SE", "CZ", "PL", "RU", "RU", "CN",
    "CN", "JP", "KR", "TW", "IN", "BR", "BR", "AR", "AU", "NZ", "ZA", "KE", "CA", "CA", "MX", "IT", "ES", "CH", "AT",
    "NO", "UA",
];
const CONTINENTS: &str = "country,continent\nUS,NA\nCA,NA\nMX,NA\nDE,EU\nFR,EU\nGB,EU\nNL,EU\nSE,EU\nCZ,EU\nPL,EU\nRU,EU\nIT,EU\n\
                          ES,EU\nCH,EU\nAT,EU\nNO,EU\nUA,EU\nCN,AS\nJP,AS\nKR,AS\nTW,AS\nIN,AS\nBR,SA\nAR,SA\nAU,OC\nNZ,OC\n\
                          ZA,AF\nKE,AF\n";
const ARCHES: [&str; 8] = [
    "source", "x86_64", "aarch64", "ppc64le", "s390x", "i386", "armhfp", "riscv64",
];

/// A category: name, share of the directories, share of the hosts that carry it.
const CATEGORIES: [(&str, f64, f64); 8] = [
    ("linux", 0.22, 0.62),
    ("epel", 0.06, 0.80),
    ("archive", 0.40, 0.06),
    ("secondary", 0.14, 0.22),
    ("alt", 0.09, 0.08),
    ("stream", 0.04, 0.45),
    ("web", 0.002, 0.03),
    ("sigs", 0.05, 0.18),
];

/// When the cache and the health file say that they were made, in seconds since the Unix epoch.
const CREATED: u64 = 1_767_225_600;

struct Host {
    id: i64,
    country: &'static str,
    bandwidth: i64,
    private: bool,
}

/// A host in a category, with the ids of its URLs.
struct Carrier<'a> {
    host: &'a Host,
    urls: Vec<i64>,
}

struct World {
    rng: Xoshiro256PlusPlus,
    folder: PathBuf,
    cache: BufWriter<File>,
    repositories: Vec<(String, &'static str, String)>,
    names: Vec<String>,
    health: Vec<UrlHealth>,
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        eprintln!("usage: fedora-sized FOLDER [DIRECTORIES [HOSTS [NETWORKS]]]");
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut number = |default: usize| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (directories, hosts, networks) = (number(153_000), number(430), number(732_000));
    make(Path::new(&folder), directories, hosts, networks)
}

/// Makes the files in a folder.
pub(crate) fn make(folder: &Path, directories: usize, hosts: usize, networks: usize) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let folder = folder.to_owned();
    let mut world = World {
        rng: Xoshiro256PlusPlus::seed_from_u64(41),
        cache: BufWriter::new(File::create(folder.join("mirrorlist_cache.proto"))?),
        folder,
        repositories: Vec::new(),
        names: Vec::new(),
        health: Vec::new(),
    };
    world.write_cache(directories, hosts)?;
    world.write_health()?;
    world.write_geography(networks)
}

impl World {
    fn write_cache(&mut self, directories: usize, hosts: usize) -> io::Result<()> {
        let hosts: Vec<Host> = (1..).take(hosts).map(|id| self.host(id)).collect();
        let tables = MirrorList {
            time: CREATED,
            host_country_cache: hosts
                .iter()
                .map(|host| IntStringMap {
                    key: host.id,
                    value: host.country.to_owned(),
                })
                .collect(),
            host_bandwidth_cache: hosts
                .iter()
                .map(|host| IntIntMap {
                    key: host.id,
                    value: host.bandwidth,
                })
                .collect(),
            host_asn_cache: hosts
                .iter()
                .filter(|host| host.id % 2 == 0)
                .map(|host| IntRepeatedIntMap {
                    key: 1 + host.id * 7,
                    value: vec![host.id],
                })
                .collect(),
            host_netblock_cache: hosts
                .iter()
                .filter(|host| host.id % 3 == 0)
                .map(|host| StringRepeatedIntMap {
                    key: format!("{}.{}.0.0/16", 1 + host.id % 220, host.id % 250),
                    value: vec![host.id],
                })
                .collect(),
            ..MirrorList::default()
        };
        self.cache.write_all(&tables.encode_to_vec())?;
        let mut next_url = 1;
        for (category, of_directories, of_hosts) in CATEGORIES {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "small"
            )]
            let count = ((directories as f64 * of_directories) as usize).max(30);
            self.write_category(category, count, of_hosts, &hosts, &mut next_url)?;
        }
        let mut lines = (String::new(), self.names.join("\n"));
        let repositories = std::mem::take(&mut self.repositories);
        for (prefix, arch, directory) in repositories {
            lines.0.push_str(&format!("repo={prefix}&arch={arch}\n"));
            let entry = StringStringMap {
                key: format!("{prefix}+{arch}"),
                value: directory,
            };
            self.write_entry(9, &entry)?;
        }
        lines.1.push('\n');
        fs::write(self.folder.join("repos.txt"), lines.0)?;
        fs::write(self.folder.join("dirs.txt"), lines.1)?;
        self.cache.flush()
    }

    fn host(&mut self, id: i64) -> Host {
        Host {
            id,
            country: COUNTRIES.choose(&mut self.rng).copied().unwrap_or("US"),
            bandwidth: *[1, 10, 100, 1_000, 1_000, 10_000, 10_000]
                .choose(&mut self.rng)
                .unwrap_or(&1),
            private: self.rng.random_bool(0.2),
        }
    }

    fn write_category(
        &mut self,
        category: &str,
        directories: usize,
        share: f64,
        hosts: &[Host],
        next_url: &mut i64,
    ) -> io::Result<()> {
        let top = format!("pub/{category}");
        let mut carriers = Vec::new();
        for host in hosts {
            if !self.rng.random_bool(share) {
                continue;
            }
            let mut urls = Vec::new();
            for (protocol, probability) in [("https", 0.85), ("http", 0.97), ("rsync", 0.4), ("ftp", 0.08)] {
                if self.rng.random_bool(probability) {
                    let country = host.country.to_ascii_lowercase();
                    let entry = IntStringMap {
                        key: *next_url,
                        value: format!("{protocol}://mirror{}.{country}.example/{top}", host.id),
                    };
                    self.write_entry(4, &entry)?;
                    self.note_health(host.id, &entry.value);
                    urls.push(*next_url);
                    *next_url += 1;
                }
            }
            carriers.push(Carrier { host, urls });
        }
        for name in directory_names(&top, directories) {
            if let Some(base) = name.strip_suffix("/repodata") {
                self.write_details(&name)?;
                self.note_repository(category, base);
            }
            self.write_directory(&name, &top, &carriers)?;
            self.names.push(name);
        }
        Ok(())
    }

    fn note_health(&mut self, host: i64, url: &str) {
        let verdict = if host % 10 == 0 { Verdict::Dead } else { Verdict::Good };
        self.health.push(UrlHealth {
            url: url.to_owned(),
            host_id: host,
            standing: Standing {
                verdict,
                ..Standing::new(CREATED)
            },
            families: vec!["ipv4".to_owned()],
            last_answer: "200, current version".to_owned(),
            ..UrlHealth::default()
        });
    }

    /// A health file that never ends.
    fn write_health(&mut self) -> io::Result<()> {
        let file = HealthFile {
            format: FORMAT,
            program: "fedora-sized".to_owned(),
            place: String::new(),
            made: CREATED,
            valid_until: u64::MAX,
            cache_created: CREATED,
            urls: std::mem::take(&mut self.health),
        };
        fs::write(self.folder.join("mirror_health.json"), file.to_json()?)
    }

    fn note_repository(&mut self, category: &str, base: &str) {
        let parts: Vec<&str> = base.split('/').collect();
        if let [_, _, branch, version, _, arch, ..] = parts.as_slice()
            && let Some(arch) = ARCHES.iter().find(|known| *known == arch)
        {
            let source = if *arch == "source" { "-source" } else { "" };
            let prefix = format!("{category}-{branch}{source}-{version}");
            self.repositories.push((prefix, arch, base.to_owned()));
        }
    }

    fn write_details(&mut self, directory: &str) -> io::Result<()> {
        let mut version = |age: u64| {
            let mut hash = String::new();
            while hash.len() < 128 {
                hash.push_str(&format!("{:016x}", self.rng.next_u64()));
            }
            let prefix = |length| hash.get(..length).map(str::to_owned);
            FileDetailsType {
                time_stamp: 1_767_000_000 - age,
                size: 4_000 + age,
                sha1: prefix(40),
                md5: prefix(32),
                sha256: prefix(64),
                sha512: prefix(128),
            }
        };
        let entry = FileDetailsCacheDirectoryType {
            directory: directory.to_owned(),
            file_details_cache_files: vec![FileDetailsCacheFilesType {
                filename: "repomd.xml".to_owned(),
                file_details: vec![version(0), version(1)],
            }],
        };
        self.write_entry(5, &entry)
    }

    /// Each directory has its own four fifths of the category's carriers, as mirrors are never all up to date.
    fn write_directory(&mut self, name: &str, top: &str, carriers: &[Carrier<'_>]) -> io::Result<()> {
        let present: Vec<&Carrier<'_>> = carriers.iter().filter(|_| self.rng.random_bool(0.8)).collect();
        let public = || present.iter().filter(|carrier| !carrier.host.private);
        let mut countries: Vec<&str> = public().map(|carrier| carrier.host.country).collect();
        countries.sort_unstable();
        countries.dedup();
        let entry = MirrorListCacheType {
            directory: name.to_owned(),
            global: public().map(|carrier| carrier.host.id).collect(),
            subpath: name
                .strip_prefix(top)
                .map(|rest| rest.trim_start_matches('/').to_owned()),
            by_country: countries
                .into_iter()
                .map(|country| StringRepeatedIntMap {
                    key: country.to_owned(),
                    value: public()
                        .filter(|c| c.host.country == country)
                        .map(|c| c.host.id)
                        .collect(),
                })
                .collect(),
            by_host_id: present
                .iter()
                .map(|carrier| IntRepeatedIntMap {
                    key: carrier.host.id,
                    value: carrier.urls.clone(),
                })
                .collect(),
            ..MirrorListCacheType::default()
        };
        self.write_entry(16, &entry)
    }

    fn write_entry(&mut self, number: u32, entry: &impl Message) -> io::Result<()> {
        let mut head = Vec::new();
        encode_key(number, WireType::LengthDelimited, &mut head);
        encode_varint(entry.encoded_len() as u64, &mut head);
        self.cache.write_all(&head)?;
        self.cache.write_all(&entry.encode_to_vec())
    }

    /// Networks and countries for most of the address space.
    fn write_geography(&mut self, networks: usize) -> io::Result<()> {
        fs::write(self.folder.join("country_continent.csv"), CONTINENTS)?;
        let mut lines = BufWriter::new(File::create(self.folder.join("global_netblocks.txt"))?);
        // Of ten networks one is IPv6, as in the routing tables; the IPv4 ones are spread over all addresses.
        let ipv4 = networks * 9 / 10;
        let step = u32::MAX / u32::try_from(ipv4.max(1)).unwrap_or(u32::MAX);
        for place in 0..u32::try_from(ipv4).unwrap_or(u32::MAX) {
            let length = self.rng.random_range(19..=24);
            let address = Ipv4Addr::from_bits((place * step) & (u32::MAX << (32 - length)));
            writeln!(lines, "{address}/{length} {}", self.rng.random_range(1..65_000))?;
        }
        for place in 0..u128::try_from(networks - ipv4).unwrap_or(0) {
            let address = Ipv6Addr::from_bits(0x2a00 << 112 | place << 84);
            writeln!(lines, "{address}/44 {}", self.rng.random_range(1..65_000))?;
        }
        lines.flush()?;
        let mut countries = Vec::new();
        for place in 0..0x2_0000_u32 {
            let country = COUNTRIES.choose(&mut self.rng).copied().unwrap_or("US");
            let address = Ipv4Addr::from_bits(place << 15);
            countries.push((format!("{address}/{}", self.rng.random_range(17..=20)), country));
        }
        for place in 0..0x1000_u128 {
            let country = COUNTRIES.choose(&mut self.rng).copied().unwrap_or("US");
            countries.push((
                format!("{}/32", Ipv6Addr::from_bits(0x2a00 << 112 | place << 96)),
                country,
            ));
        }
        let countries: Vec<(&str, &str)> = countries
            .iter()
            .map(|(network, country)| (network.as_str(), *country))
            .collect();
        write(&self.folder.join("country.mmdb"), &mmdb::mmdb(&countries))
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)
}

/// Names like a distribution has them: releases with repositories, and in these one directory for each letter.
fn directory_names(top: &str, count: usize) -> impl Iterator<Item = String> {
    let branches = ["releases", "updates", "testing", "development"].into_iter();
    let repositories = (1..).flat_map(move |version| {
        let branches = branches.clone();
        branches.flat_map(move |branch| {
            ARCHES.iter().map(move |arch| {
                format!(
                    "{branch}/{version}/Everything/{arch}/{}",
                    if *arch == "source" { "tree" } else { "os" }
                )
            })
        })
    });
    let top = top.to_owned();
    std::iter::once(top.clone())
        .chain(repositories.flat_map(move |repository| {
            let base = format!("{top}/{repository}");
            let letters = ('a'..='z').map({
                let base = base.clone();
                move |letter| format!("{base}/Packages/{letter}")
            });
            [base.clone(), format!("{base}/repodata"), format!("{base}/Packages")]
                .into_iter()
                .chain(letters)
        }))
        .take(count)
}
