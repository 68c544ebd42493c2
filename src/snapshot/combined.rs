//! All tables of one moment, combined to a [`Snapshot`], what follows from several of them together, and the current snapshot.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::age;
use super::catalogue::Catalogue;
use super::data_file::{DataFile, DataTable as _};
use super::data_set::DataSet;
use super::directories::DirectoryIndex;
use super::health::MirrorHealth;
use super::health::families::UnreachableUrls;
use super::health::source::ReadHealthFile;
use super::health::table::HealthView;
use super::load_error::LoadError;
use super::masks::{CarrierMasks, CarrierWord};
use crate::geo::{AsTable, Continent, ContinentTable, CountryCode, GeoIp};
use crate::health::{AddressFamily, HealthFile};
use crate::settings::{DataPaths, HealthSettings};

/// Everything that answers are made from.
pub struct Snapshot {
    data_set: DataSet,
    continents: ContinentTable,
    masks: CarrierMasks,
    health: MirrorHealth,
}

impl Snapshot {
    /// Combines the tables of all data files, without health files.
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
            health: MirrorHealth::default(),
        }
    }

    /// Reads all data files. A health file that can't be used is left out.
    ///
    /// # Errors
    /// The first data file that is refused.
    pub fn load(paths: &DataPaths, health: &HealthSettings) -> Result<Self, LoadError> {
        DataSet::load(paths).map(|files| Self::new(files).with_health_files(health))
    }

    /// The same data with the health files of these settings.
    #[must_use]
    pub fn with_health_files(self, settings: &HealthSettings) -> Self {
        self.with_health(ReadHealthFile::read_all(&settings.files, &[]), settings)
    }

    fn with_health(mut self, files: Vec<ReadHealthFile>, settings: &HealthSettings) -> Self {
        self.health = MirrorHealth::new(files, self.catalogue(), settings, age::now());
        self
    }

    /// Reads the data files and health files that are not those of this snapshot.
    pub fn reload<'a>(&'a self, paths: &DataPaths, health: &'a HealthSettings) -> SnapshotReload<'a> {
        let read = DataSet::reload(paths, &self.data_set);
        let mut changed = read.changed;
        let new = read.data_set.filter(|_| !changed.is_empty()).map(Self::new);
        let files = ReadHealthFile::read_all(&health.files, self.health.sources());
        let mut pairs = files.iter().zip(self.health.sources());
        let other_files = pairs.any(|(file, source)| file.is_new(source));
        if other_files {
            changed.push(HealthFile::KEY);
        }
        SnapshotReload {
            is_passing: read.refused.iter().any(LoadError::is_passing) || files.iter().any(|file| file.is_passing),
            current: self,
            settings: health,
            new,
            health_is_new: other_files || self.health.has_expired(age::now()),
            files,
            changed,
            refused: read.refused,
        }
    }

    /// The data files, in the order of reading.
    pub fn files(&self) -> impl Iterator<Item = &DataFile> {
        self.data_set.files()
    }

    /// The health of mirrors.
    pub fn health(&self) -> &MirrorHealth {
        &self.health
    }

    /// The bad URLs for requests of a directory at a time in seconds since the Unix epoch; `None` if there are none.
    #[inline]
    pub fn health_of(&self, directory: DirectoryIndex, now: u64) -> Option<HealthView<'_>> {
        let table = self.health.table_at(now)?;
        table.view(self.catalogue().directory_name(directory))
    }

    /// The URLs that clients of a family can't reach, at a time in seconds since the Unix epoch; `None` if no such URL is known.
    pub fn unreachable_by(&self, family: AddressFamily, now: u64) -> Option<UnreachableUrls<'_>> {
        self.health.unreachable_at(family, now)
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

/// What a reload found, before it is decided whether to take it.
pub struct SnapshotReload<'a> {
    current: &'a Snapshot,
    settings: &'a HealthSettings,
    new: Option<Snapshot>,
    files: Vec<ReadHealthFile>,
    health_is_new: bool,
    /// Whether a file, one of health files included, could not be read for a reason that may pass.
    pub is_passing: bool,
    /// The keys of the files that are not those of the current snapshot.
    pub changed: Vec<&'static str>,
    /// Why data files are refused. A health file that can't be used is none of them.
    pub refused: Vec<LoadError>,
}

impl SnapshotReload<'_> {
    /// The data files combined; `None` if none has changed or one is refused.
    pub fn new_data(&self) -> Option<&Snapshot> {
        self.new.as_ref()
    }

    /// The snapshot that replaces the current one, with the new data files if they are taken; `None` if there is nothing new.
    pub fn finish(self, takes_data: bool) -> Option<Snapshot> {
        let new = self.new.filter(|_| takes_data);
        let keeps_data = || self.health_is_new.then(|| Snapshot::new(self.current.data_set.clone()));
        Some(new.or_else(keeps_data)?.with_health(self.files, self.settings))
    }
}
