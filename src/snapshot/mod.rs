//! What a server knows at one moment: immutable, shared by all requests, replaced as a whole.
//!
//! From files to a snapshot:
//!
//! - [`data_set`]: the table of all kinds of data files; a new kind is added there
//! - [`data_file`]: what one file tells of itself; [`load`] reads it, [`load_error`] says why not
//! - [`age`]: how old data is, and which of it is from the future
//! - [`shrink`]: whether new data has lost too much
//! - [`shared`]: holds the current snapshot, and replaces it
//!
//! A cache:
//!
//! - [`cache`]: a cache file to a [`Catalogue`], in one streaming pass
//! - [`catalogue`]: what a cache says, and every look-up in it, made of
//!   [`directories`] (names), [`carriers`] (who carries what), [`hosts`], [`urls`], [`repositories`] and [`file_details`]
//! - [`masks`]: which carriers are in which country and on which continent
//!
//! Which mirrors a client gets is not decided here but in [`crate::mirrorlist`].

pub mod age;
pub mod cache;
pub mod carriers;
pub mod catalogue;
pub mod data_file;
pub mod data_set;
pub mod directories;
pub mod file_details;
pub mod hosts;
pub mod load;
pub mod load_error;
pub mod masks;
pub mod repositories;
pub mod shared;
pub mod shrink;
pub mod urls;

pub use carriers::{Carrier, CarrierIndex};
pub use catalogue::{Catalogue, CatalogueCounts};
pub use data_file::{DataFile, FileIdentity, Loaded};
pub use data_set::{DataPaths, DataSet};
pub use directories::DirectoryIndex;
pub use file_details::{FileDetails, FileVersion};
pub use hosts::{Host, HostIndex};
pub use load_error::LoadError;
pub use masks::CarrierWord;
pub use repositories::Repository;
pub use shared::SharedSnapshot;
pub use urls::{ProtocolSet, Url};

use crate::geo::{AsTable, Continent, ContinentTable, CountryCode, GeoIp};
use masks::CarrierMasks;

/// Everything that answers are made from.
pub struct Snapshot {
    files: DataSet,
    continents: ContinentTable,
    masks: CarrierMasks,
}

impl Snapshot {
    /// Combines the tables of all data files.
    pub fn new(files: DataSet) -> Self {
        let catalogue = &files.cache.table;
        let mut continents = files.country_continent.table.clone();
        for (country, continent) in catalogue.continent_redirects() {
            continents.set(country, continent);
        }
        let masks = catalogue.masks(&continents);
        Self {
            files,
            continents,
            masks,
        }
    }

    /// Reads all data files.
    ///
    /// # Errors
    /// The first file that is refused.
    pub fn load(paths: &DataPaths) -> Result<Self, LoadError> {
        DataSet::load(paths).map(Self::new)
    }

    /// The data files, in the order of the settings.
    pub fn files(&self) -> impl Iterator<Item = &DataFile> {
        self.files.files()
    }

    /// The tables of the data files.
    pub fn data_set(&self) -> &DataSet {
        &self.files
    }

    /// The cache's content.
    pub fn catalogue(&self) -> &Catalogue {
        &self.files.cache.table
    }

    /// The carriers of a directory, and which of them are in a country or elsewhere on a continent.
    pub fn carriers_near(
        &self,
        directory: DirectoryIndex,
        country: Option<CountryCode>,
        continent: Option<Continent>,
    ) -> impl Iterator<Item = CarrierWord> {
        let runs = self.catalogue().carrier_runs(directory);
        runs.flat_map(move |run| self.masks.words(run, country, continent))
    }

    /// Address to AS number.
    pub fn autonomous_systems(&self) -> &AsTable {
        &self.files.global_netblocks.table
    }

    /// Country to continent, the cache's redirects included.
    pub fn continents(&self) -> &ContinentTable {
        &self.continents
    }

    /// Address to country; without a GeoIP database, only the operators' own networks have a country.
    pub fn geoip(&self) -> &GeoIp {
        &self.files.geoip.table
    }
}
