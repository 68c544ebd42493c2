//! All tables of one moment, combined to a [`Snapshot`], and what follows from several of them together.

use super::catalogue::Catalogue;
use super::data_file::DataFile;
use super::data_set::DataSet;
use super::directories::DirectoryIndex;
use super::load_error::LoadError;
use super::masks::{CarrierMasks, CarrierWord};
use crate::geo::{AsTable, Continent, ContinentTable, CountryCode, GeoIp};
use crate::settings::DataPaths;

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

    /// The data files, in the order of reading.
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
