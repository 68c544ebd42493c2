//! The hosts of a cache: dense numbers for their ids, and what is known of each.

use std::collections::HashMap;

use crate::geo::CountryCode;

/// The number of a host in [`super::Catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostIndex(u32);

impl HostIndex {
    pub(super) fn from_number(number: usize) -> Option<Self> {
        u32::try_from(number).ok().map(Self)
    }

    /// The number, for tables by host.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// What a cache knows of a host, whatever the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// MirrorManager2's id of the host.
    pub id: i64,
    /// Where the host is.
    pub country: Option<CountryCode>,
    /// Bandwidth in Mbit/s, at least 1.
    pub bandwidth: u32,
    /// Whether the host is offered to clients of some countries only.
    pub restricted: bool,
    /// These countries; empty where none of them is known, so that the host is offered to no client.
    pub allowed_countries: Vec<CountryCode>,
}

impl Host {
    fn new(id: i64) -> Self {
        Self {
            id,
            country: None,
            bandwidth: 1,
            restricted: false,
            allowed_countries: Vec::new(),
        }
    }

    /// Whether the host may be offered to clients of a country (or of no known one) beside its own networks.
    pub fn allows(&self, client: Option<CountryCode>) -> bool {
        !self.restricted || client.is_some_and(|country| self.allowed_countries.contains(&country))
    }
}

/// A cache has at most so many hosts. All the world's mirrors are some thousand; tables by host need no further bound.
pub(super) const MOST_HOSTS: usize = 1 << 16;

/// Ids below this are looked up in a plain table: a database numbers its hosts from 1.
const DENSE_IDS: usize = 1 << 16;

/// All hosts that a cache names, numbered in the order of their first mention.
#[derive(Default)]
pub(super) struct HostTable {
    hosts: Vec<Host>,
    dense: Vec<Option<HostIndex>>,
    sparse: HashMap<i64, HostIndex>,
}

impl HostTable {
    /// The number of the host with this id, a new one if the id is new. None where there are [`MOST_HOSTS`] others.
    #[inline]
    pub(super) fn index_of(&mut self, id: i64) -> Option<HostIndex> {
        let dense = usize::try_from(id).ok().and_then(|id| self.dense.get(id));
        match dense {
            Some(Some(index)) => Some(*index),
            _ => self.look_up(id),
        }
    }

    #[cold]
    fn look_up(&mut self, id: i64) -> Option<HostIndex> {
        let next = HostIndex::from_number(self.hosts.len());
        let next = next.filter(|index| index.get() < MOST_HOSTS);
        let index = match usize::try_from(id) {
            Ok(dense) if dense < DENSE_IDS => {
                if self.dense.len() <= dense {
                    self.dense.resize(dense + 1, None);
                }
                let entry = self.dense.get_mut(dense)?;
                *entry = entry.or(next);
                (*entry)?
            }
            _ => match self.sparse.get(&id) {
                Some(known) => *known,
                None => *self.sparse.entry(id).or_insert(next?),
            },
        };
        if Some(index) == next {
            self.hosts.push(Host::new(id));
        }
        Some(index)
    }

    /// The host with this id, a new one if the id is new. None where there are [`MOST_HOSTS`] others.
    pub(super) fn by_id(&mut self, id: i64) -> Option<&mut Host> {
        let index = self.index_of(id)?;
        self.hosts.get_mut(index.get())
    }

    pub(super) fn get(&self, index: HostIndex) -> Option<&Host> {
        self.hosts.get(index.get())
    }

    pub(super) fn into_hosts(self) -> Vec<Host> {
        self.hosts
    }
}
