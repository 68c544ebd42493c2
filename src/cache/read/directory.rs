//! The entries of `MirrorListCache`: a directory, the lists of hosts in it, and who carries it with which URLs.
//!
//! Optimised: directories are nearly all of a cache, and ids of hosts and URLs nearly all of a directory. They are walked in place, with the
//! short cuts of [`wire`].

use super::ids::EncodedIds;
use crate::cache::error::{EntryError, EntryResult, Fault};
use crate::cache::schema::{DirectoryField, EntryField};
use crate::cache::wire::{self, Field, Value};

/// The message of a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirectoryMessage<'a>(&'a [u8]);

/// The names of a directory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DirectoryHead<'a> {
    /// Its name. An empty name is that of the root.
    pub(crate) name: Option<&'a str>,
    /// Its path below its category's topdir; one that is missing is empty for servers.
    pub(crate) subpath: Option<&'a str>,
}

/// The hosts of a country.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CountryList<'a>(&'a [u8]);

/// A builder that takes what a directory says of hosts: first all lists that hosts are in, then who carries it.
pub(crate) trait DirectoryVisitor<'a> {
    /// Takes a host of `Global`.
    fn public(&mut self, _host: i64) -> EntryResult {
        Ok(())
    }

    /// Takes an entry of `ByCountry`.
    fn by_country(&mut self, _list: CountryList<'a>) -> EntryResult {
        Ok(())
    }

    /// Takes an entry of `ByCountryInternet2`.
    fn by_country_internet2(&mut self, _list: CountryList<'a>) -> EntryResult {
        Ok(())
    }

    /// Takes an entry of `ByHostId`: a host and the ids of its URLs.
    fn carrier(&mut self, host: i64, urls: EncodedIds<'a>) -> EntryResult;
}

/// The keys of the fields that a directory has most of.
const GLOBAL: u8 = wire::integer_key(DirectoryField::Global.number());
const BY_HOST_ID: u8 = wire::bytes_key(DirectoryField::ByHostId.number());
const LISTED_HOST: u8 = wire::integer_key(EntryField::Value.number());
const HOST: u8 = wire::integer_key(KEY);

const KEY: u32 = EntryField::Key.number();

impl<'a> DirectoryMessage<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Gives all parts of the directory to a visitor.
    ///
    /// # Errors
    /// If the message is malformed, or what the visitor refuses.
    pub(crate) fn visit(self, visitor: &mut impl DirectoryVisitor<'a>) -> Result<DirectoryHead<'a>, EntryError> {
        let mut head = DirectoryHead::default();
        // The rest of the message from the first entry of ByHostId on; generators write nothing else after it.
        let mut carriers: &[u8] = &[];
        let mut rest = self.0;
        while !rest.is_empty() {
            while let Some(id) = wire::next_short_integer(&mut rest, GLOBAL) {
                visitor.public(id.into())?;
            }
            let before = rest;
            while wire::next_short_message(&mut rest, BY_HOST_ID).is_some() {
                if carriers.is_empty() {
                    carriers = before;
                }
            }
            if rest.is_empty() {
                break;
            }
            let before = rest;
            let Field { number, value } = wire::next_field(&mut rest)?;
            match DirectoryField::from_number(number) {
                Some(DirectoryField::Name) => head.name = Some(wire::text(value)?),
                Some(DirectoryField::Global) => {
                    for id in wire::integers(value) {
                        visitor.public(id?)?;
                    }
                }
                Some(DirectoryField::Subpath) => head.subpath = Some(wire::text(value)?),
                Some(DirectoryField::ByCountry) => visitor.by_country(CountryList(wire::message(value)?))?,
                Some(DirectoryField::ByCountryInternet2) => {
                    // No server reads it, so that it can be anything.
                    if let Ok(list) = wire::message(value) {
                        visitor.by_country_internet2(CountryList(list))?;
                    }
                }
                Some(DirectoryField::ByHostId) => {
                    wire::message(value)?;
                    if carriers.is_empty() {
                        carriers = before;
                    }
                }
                Some(DirectoryField::Ordered) | None => {}
            }
        }
        visit_carriers(carriers, visitor)?;
        Ok(head)
    }
}

/// Gives the entries of ByHostId in the end of a directory to a visitor.
fn visit_carriers<'a>(mut rest: &'a [u8], visitor: &mut impl DirectoryVisitor<'a>) -> EntryResult {
    let mut take = |entry| {
        let (host, urls) = host_and_urls(entry)?;
        visitor.carrier(host, urls)
    };
    loop {
        while let Some(entry) = wire::next_short_message(&mut rest, BY_HOST_ID) {
            take(entry)?;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let Field { number, value } = wire::next_field(&mut rest)?;
        if number == DirectoryField::ByHostId.number() {
            take(wire::message(value)?)?;
        }
    }
}

/// The host of an entry of ByHostId, and its URLs. Generators write the host first, so that the rest of the entry is the same in every
/// directory of a category; the list of other generators is the whole entry.
fn host_and_urls(entry: &[u8]) -> Result<(i64, EncodedIds<'_>), Fault> {
    let host = |field: Field<'_>| match field.value {
        Value::Integer(id) if field.number == KEY => Some(id.cast_signed()),
        _ => None,
    };
    let mut rest = entry;
    if let Some(id) = wire::next_short_integer(&mut rest, HOST) {
        return Ok((id.into(), EncodedIds::new(rest)));
    }
    if let Some(id) = host(wire::next_field(&mut rest)?) {
        return Ok((id, EncodedIds::new(rest)));
    }
    for field in wire::fields(rest) {
        if let Some(id) = host(field?) {
            return Ok((id, EncodedIds::new(entry)));
        }
    }
    Err(Fault::NoHost)
}

impl<'a> CountryList<'a> {
    /// The country's code, as the cache spells it; of two the last one counts.
    pub(crate) fn country(self) -> Result<&'a str, Fault> {
        let (mut country, mut rest) = ("", self.0);
        loop {
            while wire::next_short_integer(&mut rest, LISTED_HOST).is_some() {}
            if rest.is_empty() {
                return Ok(country);
            }
            let Field { number, value } = wire::next_field(&mut rest)?;
            if number == KEY {
                country = wire::text(value)?;
            }
        }
    }

    pub(crate) fn hosts(self) -> EncodedIds<'a> {
        EncodedIds::new(self.0)
    }
}
