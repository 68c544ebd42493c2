//! The carriers of a cache while it is read, each stored once however many directories have it.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::budget::Budget;
use crate::cache::error::{EntryError, TooMany};
use crate::cache::read::ids::{EncodedIds, IdList, StoredIds};
use crate::geo::CountryCode;
use crate::index_table::{IndexTable, table_indexes};
use crate::snapshot::carriers::{CarrierMember, MOST_CARRIERS};
use crate::snapshot::hosts::HostIndex;

/// The memory of a carrier while the tables grow, in bytes, without the ids of its URLs.
const CARRIER_BYTES: usize = 120;

table_indexes! {
    /// A carrier in [`CarrierDrafts`].
    pub(super) struct DraftIndex for at most MOST_CARRIERS;
}

/// A carrier as directories describe it: two directories have the same carrier if host, URLs, country and `public` are the same.
#[derive(Default)]
pub(super) struct CarrierDraft {
    pub(super) host: HostIndex,
    pub(super) urls: StoredIds,
    pub(super) country: Option<CountryCode>,
    pub(super) public: bool,
    /// `None` until the end of the first directory that it is in.
    pub(super) member: Option<CarrierMember>,
}

/// A host as a directory describes it, to find its carrier.
#[derive(Clone, Copy)]
pub(super) struct CarrierKey<'a> {
    pub(super) host: HostIndex,
    pub(super) urls: EncodedIds<'a>,
    pub(super) public: bool,
    pub(super) country: Option<CountryCode>,
}

impl CarrierKey<'_> {
    /// Whether a draft is the carrier, and its URLs are encoded in the same way.
    pub(super) fn is_encoded_as(&self, draft: &CarrierDraft) -> bool {
        draft.urls.encoded() == self.urls && self.is_like(draft)
    }

    /// Whether a draft is the carrier if it has the same URLs.
    fn is_like(&self, draft: &CarrierDraft) -> bool {
        draft.host == self.host && draft.public == self.public && draft.country == self.country
    }
}

/// All carriers that were found so far.
#[derive(Default)]
pub(super) struct CarrierDrafts {
    /// The carriers in the order in which they were found.
    pub(super) table: IndexTable<DraftIndex, CarrierDraft>,
    hasher: RandomState,
    /// By the encoding of their URLs' ids: most are found without decoding these.
    by_encoding: HashTable<DraftIndex>,
    /// By the ids of their URLs, however these are encoded.
    by_urls: HashTable<DraftIndex>,
}

impl CarrierDrafts {
    /// The carrier that has the same encoding.
    pub(super) fn find_encoded(&self, key: CarrierKey<'_>) -> Option<DraftIndex> {
        let hash = self.hasher.hash_one((key.host, key.urls));
        let same = |index: &DraftIndex| key.is_encoded_as(self.table.at(*index));
        self.by_encoding.find(hash, same).copied()
    }

    /// The carrier that has the same URLs in another encoding, or a new one.
    ///
    /// # Errors
    /// If there are too many carriers, or if a new one would take too much memory.
    pub(super) fn find_or_add(
        &mut self,
        key: CarrierKey<'_>,
        urls: IdList<'_>,
        budget: &mut Budget,
    ) -> Result<DraftIndex, EntryError> {
        let hash = hash_urls(&self.hasher, key.host, urls);
        let same = |index: &DraftIndex| {
            let draft = self.table.at(*index);
            key.is_like(draft) && draft.urls.get().iter().eq(urls.iter())
        };
        if let Some(known) = self.by_urls.find(hash, same) {
            return Ok(*known);
        }
        budget.take(CARRIER_BYTES + key.urls.bytes())?;
        let draft = CarrierDraft {
            host: key.host,
            urls: urls.store(),
            country: key.country,
            public: key.public,
            member: None,
        };
        let index = self.table.push(draft).ok_or(TooMany::Carriers)?;
        self.by_urls.insert_unique(hash, index, |index| {
            let draft = self.table.at(*index);
            hash_urls(&self.hasher, draft.host, draft.urls.get())
        });
        let hash = self.hasher.hash_one((key.host, self.table.at(index).urls.encoded()));
        self.by_encoding.insert_unique(hash, index, |index| {
            let draft = self.table.at(*index);
            self.hasher.hash_one((draft.host, draft.urls.encoded()))
        });
        Ok(index)
    }
}

fn hash_urls(hasher: &RandomState, host: HostIndex, urls: IdList<'_>) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write_usize(host.get());
    for id in urls.iter() {
        hasher.write_i64(id);
    }
    hasher.finish()
}
