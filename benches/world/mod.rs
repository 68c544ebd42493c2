//! The data of the benchmarks of single stages: a tenth of Fedora's directories, and requests from all over the world.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that can't run fails"
)]

use std::net::IpAddr;
use std::path::Path;

use mirrorlist_server::mirrorlist::{Endpoint, MirrorQuery, MirrorRequest};
use mirrorlist_server::settings::{ChoiceSettings, DataPaths, HealthSettings};
use mirrorlist_server::snapshot::Snapshot;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

#[path = "../../examples/fedora-sized.rs"]
#[allow(dead_code, reason = "an example is a program too")]
mod fedora_sized;

/// When the answers are made.
pub(crate) const DATE: &str = "Sat, 31 Jan 2026 23:59:59 GMT";

pub(crate) struct World {
    pub(crate) files: DataPaths,
    pub(crate) snapshot: Snapshot,
    /// The settings that take the health file, in which a tenth of the hosts is dead.
    pub(crate) health: HealthSettings,
    /// Query strings of repositories, and addresses.
    pub(crate) requests: Vec<(String, IpAddr)>,
    _folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fedora_sized::make(folder.path(), 15_300, 430, 73_200).unwrap();
        let file = |name: &str| folder.path().join(name);
        let files = DataPaths {
            cache: file("mirrorlist_cache.proto"),
            global_netblocks: file("global_netblocks.txt"),
            country_continent: file("country_continent.csv"),
            geoip: file("country.mmdb"),
            rules: None,
        };
        Self {
            snapshot: Snapshot::load(&files, &HealthSettings::default()).unwrap(),
            requests: requests(&file("repos.txt")),
            files,
            health: HealthSettings {
                files: vec![file("mirror_health.json")],
                ..HealthSettings::default()
            },
            _folder: folder,
        }
    }
}

/// So many rules, with ten times as many networks.
const RULES: u32 = 1_000;

/// A file of rules of all kinds. The networks are a part of those from which requests come.
pub(crate) fn rules() -> String {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let mut text = String::new();
    for number in 0..RULES {
        let host = rng.random_range(1..400);
        let networks: Vec<String> = std::iter::repeat_with(|| {
            let [a, b, c]: [u8; 3] = rng.random();
            format!("\"{}.{b}.{c}.0/{}\"", a % 223 + 1, 16 + u32::from(c % 9))
        })
        .take(if number % 10 < 8 { 12 } else { 2 })
        .collect();
        let networks = networks.join(", ");
        text += &match number % 10 {
            0..3 => format!("[[clients]]\nname = \"{number}\"\nnetworks = [{networks}]\nprefer = [{host}]\n"),
            3..5 => format!(
                "[[clients]]\nname = \"{number}\"\nnetworks = [{networks}]\nonly = [{host}, {}]\n",
                host + 1
            ),
            5..7 => format!(
                "[[clients]]\nname = \"{number}\"\nnetworks = [{networks}]\nrepositories = [\"*-{number}\"]\nnever = [{host}, \"DE\"]\n"
            ),
            7 => format!("[[clients]]\nname = \"{number}\"\nnetworks = [{networks}]\nmaximum = 20\n"),
            8 => format!(
                "[[mirrors]]\nname = \"{number}\"\nhost = {host}\nnetworks = [{networks}]\nweight = {}\nnever_for = {{ networks = [{networks}] }}\n",
                host * 7
            ),
            _ => format!("[[repositories]]\nname = \"{number}\"\nmatch = \"no-such-{number}-*\"\nhttps_at_least = 5\n"),
        };
    }
    text
}

/// A request for a metalink.
pub(crate) fn metalink_request<'a>(query: &'a MirrorQuery<'a>, address: IpAddr) -> MirrorRequest<'a> {
    MirrorRequest {
        endpoint: Endpoint::Metalink,
        address,
        query,
        settings: &ChoiceSettings::STANDARD,
        now: 0,
    }
}

fn requests(repositories: &Path) -> Vec<(String, IpAddr)> {
    let repositories = std::fs::read_to_string(repositories).unwrap();
    let repositories: Vec<&str> = repositories.lines().collect();
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    let one = || {
        let query = repositories[rng.random_range(0..repositories.len())];
        let [a, b, c, d] = rng.random();
        (query.to_owned(), IpAddr::from([a % 223 + 1, b, c, d]))
    };
    std::iter::repeat_with(one).take(1_000).collect()
}
