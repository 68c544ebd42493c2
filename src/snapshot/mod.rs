//! A snapshot: all data of a server at one moment, immutable, shared by all requests, replaced as a whole.
//!
//! - [`load`]: the data files to a [`Snapshot`], each file once, with what was wrong in it
//! - [`shared`]: the one place where the current snapshot is kept and replaced
//! - `build`: the entries of a cache to a [`Catalogue`]; their bytes are decoded by [`crate::cache`]
//! - [`catalogue`]: a cache, packed, and every look-up in it, made of
//!   [`directories`] (names), [`carriers`] (who carries what), [`hosts`], [`urls`], [`repositories`] and [`file_details`]
//! - [`age`]: how old data is, and which of it is from the future
//! - [`masks`]: which carriers are in which country and on which continent; `bits`: sets of them
//!
//! Which mirrors a client gets is not decided here but in [`crate::mirrorlist`].

pub mod age;
mod bits;
mod build;
pub mod carriers;
pub mod catalogue;
pub mod directories;
pub mod file_details;
pub mod hosts;
pub mod load;
pub mod masks;
pub mod repositories;
pub mod shared;
pub mod urls;

use std::sync::Arc;

pub use carriers::{Carrier, CarrierIndex};
pub use catalogue::{Catalogue, CatalogueCounts};
pub use directories::DirectoryIndex;
pub use file_details::{FileDetails, FileVersion};
pub use hosts::{Host, HostIndex};
pub use load::{DataFiles, LoadError, Loaded};
pub use masks::CarrierWord;
pub use repositories::Repository;
pub use shared::SharedSnapshot;
pub use urls::{ProtocolSet, Url};

use crate::geo::{AsTable, Continent, ContinentTable, CountryCode, GeoIp};
use masks::CarrierMasks;

/// Everything that answers are made from.
pub struct Snapshot {
    cache: Arc<Loaded<Catalogue>>,
    global_netblocks: Arc<Loaded<AsTable>>,
    country_continent: Arc<Loaded<ContinentTable>>,
    geoip: Option<Arc<Loaded<GeoIp>>>,
    continents: ContinentTable,
    masks: CarrierMasks,
}

impl Snapshot {
    /// A snapshot of these tables. Without a GeoIP database, only the operators' own networks have a country.
    pub fn new(
        cache: Arc<Loaded<Catalogue>>,
        global_netblocks: Arc<Loaded<AsTable>>,
        country_continent: Arc<Loaded<ContinentTable>>,
        geoip: Option<Arc<Loaded<GeoIp>>>,
    ) -> Self {
        let mut continents = country_continent.table.clone();
        for (country, continent) in cache.table.continent_redirects() {
            continents.set(country, continent);
        }
        let masks = cache.table.masks(&continents);
        Self {
            cache,
            global_netblocks,
            country_continent,
            geoip,
            continents,
            masks,
        }
    }

    /// The cache.
    pub fn catalogue(&self) -> &Catalogue {
        &self.cache.table
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
        &self.global_netblocks.table
    }

    /// Country to continent, the cache's redirects included.
    pub fn continents(&self) -> &ContinentTable {
        &self.continents
    }

    /// Address to country.
    pub fn geoip(&self) -> Option<&GeoIp> {
        self.geoip.as_ref().map(|loaded| &loaded.table)
    }

    /// The cache with where it came from.
    pub fn cache_file(&self) -> &Arc<Loaded<Catalogue>> {
        &self.cache
    }

    /// The AS table with where it came from.
    pub fn global_netblocks_file(&self) -> &Arc<Loaded<AsTable>> {
        &self.global_netblocks
    }

    /// The world's continents with where they came from.
    pub fn country_continent_file(&self) -> &Arc<Loaded<ContinentTable>> {
        &self.country_continent
    }

    /// The GeoIP database with where it came from.
    pub fn geoip_file(&self) -> Option<&Arc<Loaded<GeoIp>>> {
        self.geoip.as_ref()
    }
}
