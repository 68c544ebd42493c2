//! The files that a server reads, and the access log that it writes, in a folder of their own.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use mirrorlist_server::cache::proto::MirrorList;
use prost::Message;
use tempfile::TempDir;

use super::mmdb::mmdb;

/// A folder with data files for one server. Countries and networks are small; `192.0.2.0/24` is Germany's.
pub(crate) struct DataFiles {
    folder: TempDir,
}

impl DataFiles {
    /// Writes all files.
    pub(crate) fn new(cache: &MirrorList) -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        files.write_cache(cache);
        fs::write(files.global_netblocks(), "198.51.100.0/24 64496\n2001:db8::/32 64497\n").unwrap();
        fs::write(
            files.country_continent(),
            "country,continent\nDE,EU\nFR,EU\nUS,NA\nJP,AS\n",
        )
        .unwrap();
        let countries = [
            ("192.0.2.0/24", "DE"),
            ("198.51.100.0/24", "US"),
            ("198.51.100.128/25", "JP"),
            ("2001:db8::/32", "FR"),
        ];
        fs::write(files.geoip(), mmdb(&countries)).unwrap();
        files
    }

    /// Puts another cache in place of the one that is there, in one step.
    pub(crate) fn write_cache(&self, cache: &MirrorList) {
        let new = self.path("new");
        fs::write(&new, cache.encode_to_vec()).unwrap();
        fs::rename(new, self.cache()).unwrap();
    }

    /// The mirrorlist cache.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path("mirrorlist_cache.proto")
    }

    /// Networks and their AS numbers.
    pub(crate) fn global_netblocks(&self) -> PathBuf {
        self.path("global_netblocks.txt")
    }

    /// Countries and their continents.
    pub(crate) fn country_continent(&self) -> PathBuf {
        self.path("country_continent.csv")
    }

    /// The GeoIP database.
    pub(crate) fn geoip(&self) -> PathBuf {
        self.path("country.mmdb")
    }

    /// The access log.
    pub(crate) fn access_log(&self) -> PathBuf {
        self.path("access.log")
    }

    /// The arguments that name all files.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        [
            ("--cache", self.cache()),
            ("--global_netblocks", self.global_netblocks()),
            ("--cccsv", self.country_continent()),
            ("--geoip", self.geoip()),
            ("--log", self.access_log()),
        ]
        .into_iter()
        .flat_map(|(flag, path)| [flag.into(), path.into_os_string()])
        .collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
