//! The entries of directories, which are nearly all of a cache.
//!
//! Optimised: Fedora's 150,000 directories name tens of millions of hosts. What a directory says of a host goes into one flat table that is
//! never cleared, and a host's carrier is first looked for where it was in the directory before: neighbouring directories are mostly
//! of one category. `cargo bench --bench stages` ("load a cache") measures it.

use super::CatalogueBuilder;
use super::drafts::{CarrierKey, DraftIndex};
use crate::cache::MOST_HOSTS;
use crate::cache::error::{EntryResult, TooMany};
use crate::cache::name::{self, clean_directory};
use crate::cache::read::directory::{CountryList, DirectoryMessage, DirectoryVisitor};
use crate::cache::read::ids::EncodedIds;
use crate::cache::schema::{CacheField, DirectoryField};
use crate::geo::CountryCode;
use crate::index_table::{IndexTable, TableIndex, table_indexes};
use crate::snapshot::carriers::CarrierMember;
use crate::snapshot::hosts::HostIndex;

table_indexes! {
    /// A carrier of the current directory.
    struct PresentIndex for at most MOST_HOSTS;
}

/// A host as the current directory describes it.
#[derive(Clone, Copy, Default)]
struct HostFlags {
    /// The directory for which public, country and position hold.
    directory: u32,
    public: bool,
    country: Option<CountryCode>,
    /// The host's carrier in [`CurrentDirectory::present`].
    position: Option<PresentIndex>,
    /// The carrier that the host was last, in any directory.
    latest: Option<DraftIndex>,
}

/// The directory that is being read.
#[derive(Default)]
pub(super) struct CurrentDirectory {
    /// Directories are counted, so that flags of an earlier one are told from its own.
    number: u32,
    flags: IndexTable<HostIndex, HostFlags>,
    /// The directory's carriers, each host once.
    present: IndexTable<PresentIndex, DraftIndex>,
}

impl CurrentDirectory {
    fn begin(&mut self) {
        self.number += 1;
        self.present.clear();
    }

    /// The flags of a host, which are empty when the directory mentions it for the first time.
    #[inline]
    fn flags(&mut self, host: HostIndex) -> &mut HostFlags {
        if self.flags.len() <= host.row() {
            self.flags.grow_to(host);
        }
        let directory = self.number;
        let flags = self.flags.at_mut(host);
        if flags.directory != directory {
            *flags = HostFlags {
                directory,
                latest: flags.latest,
                ..HostFlags::default()
            };
        }
        flags
    }

    /// Notes the carrier of a host, in the place of one that an earlier entry of the directory gave it.
    fn set_carrier(&mut self, host: HostIndex, position: Option<PresentIndex>, carrier: DraftIndex) -> EntryResult {
        let position = match position {
            Some(position) => {
                *self.present.at_mut(position) = carrier;
                position
            }
            None => self.present.push(carrier).ok_or(TooMany::Hosts)?,
        };
        let flags = self.flags.at_mut(host);
        flags.position = Some(position);
        flags.latest = Some(carrier);
        Ok(())
    }
}

impl CatalogueBuilder {
    /// Takes a directory and its carriers.
    pub(super) fn directory(&mut self, message: DirectoryMessage<'_>) -> EntryResult {
        self.current.begin();
        let head = message.visit(self)?;
        let members = self.group_new_carriers()?;
        let Some(name) = head.name else {
            self.warn(CacheField::Directory, "a directory has no name");
            return Ok(());
        };
        let name = clean_directory(name);
        let subpath = head.subpath.unwrap_or_default().trim_matches('/');
        if let Some(problem) = name::problem(&name).or_else(|| name::problem(subpath)) {
            self.warn(
                CacheField::Directory,
                format_args!("a directory is left out: {problem}: {name:?}"),
            );
            return Ok(());
        }
        let set = self.sets.insert(&members, &mut self.budget)?;
        let is_new = self.directories.insert(&name, subpath, set, &mut self.budget)?;
        if !is_new {
            self.warn(
                CacheField::Directory,
                format_args!("{name:?} occurs twice; the last one counts"),
            );
        }
        Ok(())
    }

    /// The members that carry the current directory. New carriers join the group of the first known one.
    fn group_new_carriers(&mut self) -> Result<Vec<CarrierMember>, TooMany> {
        let present = self.current.present.rows();
        let known = |index: &DraftIndex| Some(self.drafts.table.at(*index).member?.group);
        let group = match present.iter().find_map(known) {
            Some(group) => group,
            None if present.is_empty() => return Ok(Vec::new()),
            None => self.sets.new_group()?,
        };
        let members = present.iter().map(|index| {
            let member = &mut self.drafts.table.at_mut(*index).member;
            *member.get_or_insert_with(|| self.sets.new_member(group))
        });
        Ok(members.collect())
    }
}

impl<'a> DirectoryVisitor<'a> for CatalogueBuilder {
    #[inline(always)]
    fn public(&mut self, host: i64) -> EntryResult {
        let host = self.hosts.index_of(host)?;
        self.current.flags(host).public = true;
        Ok(())
    }

    fn by_country(&mut self, list: CountryList<'a>) -> EntryResult {
        let text = list.country()?;
        let country = CountryCode::parse(text);
        if country.is_none() {
            self.warn(
                CacheField::Directory,
                format_args!("{}: {text:?} is no country code", DirectoryField::ByCountry),
            );
        }
        list.hosts().try_each(|host| {
            let host = self.hosts.index_of(host)?;
            self.current.flags(host).country = country;
            Ok(())
        })
    }

    /// Takes an entry of ByHostId. A host without URLs does not carry the directory; of two entries for a host the last one
    /// counts.
    fn carrier(&mut self, host: i64, urls: EncodedIds<'a>) -> EntryResult {
        let host = self.hosts.index_of(host)?;
        let flags = *self.current.flags(host);
        let key = CarrierKey {
            host,
            urls,
            public: flags.public,
            country: flags.country,
        };
        // Neighbouring directories are of the same category.
        let latest = flags
            .latest
            .filter(|latest| key.is_encoded_as(self.drafts.table.at(*latest)));
        let carrier = match latest.or_else(|| self.drafts.find_encoded(key)) {
            Some(known) => known,
            None => {
                let urls = urls.check()?;
                if urls.is_empty() {
                    return Ok(());
                }
                self.drafts.find_or_add(key, urls, &mut self.budget)?
            }
        };
        self.current.set_carrier(host, flags.position, carrier)
    }
}
