//! The hosts of a cache: an index for each id, and the attributes of each host.

use std::collections::HashMap;

use crate::cache::MOST_HOSTS;
use crate::cache::error::TooMany;
use crate::geo::{Coordinates, CountryCode, centroid};
use crate::index_table::{IndexTable, TableIndex, table_indexes};

table_indexes! {
    /// A host in [`super::Catalogue`].
    pub struct HostIndex for at most MOST_HOSTS;
}

impl HostIndex {
    /// The number, for tables by host.
    pub fn get(self) -> usize {
        self.row()
    }
}

/// A host, apart from the directories that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// MirrorManager2's id of the host.
    pub id: i64,
    /// The country that the host is in.
    pub country: Option<CountryCode>,
    /// Where it is, if the cache says so.
    pub coordinates: Option<Coordinates>,
    /// Bandwidth in Mbit/s, at least 1.
    pub bandwidth: u32,
    /// Whether the host is offered to clients of some countries only.
    pub restricted: bool,
    /// These countries; empty when none of them is known, so that the host is offered to no client.
    pub allowed_countries: Vec<CountryCode>,
}

impl Default for Host {
    /// A host that is offered to no client.
    fn default() -> Self {
        Self {
            restricted: true,
            ..Self::new(0)
        }
    }
}

impl Host {
    fn new(id: i64) -> Self {
        Self {
            id,
            country: None,
            coordinates: None,
            bandwidth: 1,
            restricted: false,
            allowed_countries: Vec::new(),
        }
    }

    /// Where it is: its coordinates, or those of its country.
    pub fn place(&self) -> Option<Coordinates> {
        self.coordinates.or_else(|| centroid(self.country?))
    }

    /// Whether clients of a country (or of no known one) may be offered the host. Clients in its own networks always may.
    pub fn allows(&self, client: Option<CountryCode>) -> bool {
        !self.restricted || client.is_some_and(|country| self.allowed_countries.contains(&country))
    }
}

/// Ids below this are looked up without hashing: a database numbers its hosts from 1, and most of a cache is ids of hosts.
const DENSE_IDS: usize = 1 << 16;

/// All hosts that a cache names, numbered in the order of their first mention.
#[derive(Default)]
pub(super) struct HostTable {
    pub(super) hosts: IndexTable<HostIndex, Host>,
    dense: Vec<Option<HostIndex>>,
    sparse: HashMap<i64, HostIndex>,
}

impl HostTable {
    /// The host with an id, which is added if it is new.
    ///
    /// # Errors
    /// If it is new and there are [`MOST_HOSTS`] others.
    #[inline]
    pub(super) fn index_of(&mut self, id: i64) -> Result<HostIndex, TooMany> {
        let dense = usize::try_from(id).ok().and_then(|id| self.dense.get(id));
        match dense {
            Some(Some(index)) => Ok(*index),
            _ => self.find_or_add(id),
        }
    }

    #[cold]
    fn find_or_add(&mut self, id: i64) -> Result<HostIndex, TooMany> {
        if let Some(known) = self.sparse.get(&id) {
            return Ok(*known);
        }
        let index = self.hosts.push(Host::new(id)).ok_or(TooMany::Hosts)?;
        match usize::try_from(id) {
            Ok(dense) if dense < DENSE_IDS => {
                if self.dense.len() <= dense {
                    self.dense.resize(dense + 1, None);
                }
                if let Some(entry) = self.dense.get_mut(dense) {
                    *entry = Some(index);
                }
            }
            _ => _ = self.sparse.insert(id, index),
        }
        Ok(index)
    }

    /// The same as [`Self::index_of`], for changing the host.
    pub(super) fn by_id(&mut self, id: i64) -> Result<&mut Host, TooMany> {
        let index = self.index_of(id)?;
        Ok(self.hosts.at_mut(index))
    }
}
