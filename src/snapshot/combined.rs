//! All tables of one moment, combined to a [`Snapshot`], what follows from several of them together, and the current snapshot.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

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
    pub(crate) data_set: DataSet,
    continents: ContinentTable,
    masks: CarrierMasks,
}

impl Snapshot {
    /// Combines the tables of all data files.
    pub fn new(data_set: DataSet) -> Self {
        let catalogue = &data_set.cache.table;
        let mut continents = data_set.country_continent.table.clone();
        for (country, continent) in catalogue.continent_redirects() {
            continents.set(country, continent);
        }
        let masks = CarrierMasks::new(&catalogue.sets.bases, catalogue.carriers.rows(), &continents);
        Self {
            data_set,
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
        self.data_set.files()
    }

    /// The cache's content.
    pub fn catalogue(&self) -> &Catalogue {
        &self.data_set.cache.table
    }

    /// The carriers of a directory, and which of them are in a country or elsewhere on a continent.
    pub fn carriers_near(
        &self,
        directory: DirectoryIndex,
        country: Option<CountryCode>,
        continent: Option<Continent>,
    ) -> impl Iterator<Item = CarrierWord> {
        let Catalogue { sets, directories, .. } = self.catalogue();
        let runs = sets.runs(directories.carriers(directory));
        runs.flat_map(move |run| self.masks.words(run, country, continent))
    }

    /// Address to AS number.
    pub fn autonomous_systems(&self) -> &AsTable {
        &self.data_set.global_netblocks.table
    }

    /// Country to continent, the cache's redirects included.
    pub fn continents(&self) -> &ContinentTable {
        &self.continents
    }

    /// Address to country; without a GeoIP database, only the operators' own networks have a country.
    pub fn geoip(&self) -> &GeoIp {
        &self.data_set.geoip.table
    }
}

/// The current snapshot, shared by the workers. Taking it is lock-free. Replacing it is one pointer swap, so whatever is expensive
/// (loading, checking) happens before, and no request waits.
pub struct SharedSnapshot(ArcSwap<Snapshot>);

impl SharedSnapshot {
    /// Creates the shared snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(snapshot))
    }

    /// The current snapshot. A request takes it once and makes the whole answer from it.
    pub fn current(&self) -> Guard<Arc<Snapshot>> {
        self.0.load()
    }

    /// The current snapshot, for longer than a request takes.
    pub fn current_owned(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// Replaces the current snapshot; requests in flight finish on theirs.
    pub fn replace(&self, snapshot: Arc<Snapshot>) {
        self.0.store(snapshot);
    }
}
