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
