//! A cache file to typed entries, in one pass: each message is read, decoded without a copy, given to a builder and forgotten.
//!
//! - [`entry`]: the entries of all tables; [`directory`] and [`files`]: the two with parts of their own
//! - [`ids`]: lists of host and URL ids
//! - [`stream`]: the file, field by field
//!
//! Nothing is judged here: which entries can be used is for the builder to say. A file that is not what the schema says is refused.

pub(crate) mod directory;
pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod ids;
pub(crate) mod stream;

use std::io::BufRead;

use super::error::{CacheError, EntryError, Fault};
use super::schema::{CacheField, EntryField};
use super::wire::{self, Field, Value};
use entry::CacheEntry;
use stream::FieldReader;

/// Gives each entry of a file to `take`, with the number of bytes that were read for it and for those before it.
/// Returns the size of the file.
///
/// # Errors
/// If the file cannot be read or is malformed, or if `take` refuses an entry.
pub(crate) fn read_entries(
    file: impl BufRead,
    mut take: impl FnMut(CacheEntry<'_>, u64) -> Result<(), EntryError>,
) -> Result<u64, CacheError> {
    let mut fields = FieldReader::new(file);
    loop {
        let at = fields.position();
        let Some(Field { number, value }) = fields.next()? else {
            return Ok(at);
        };
        let read = match value {
            Value::Bytes(message) => at + message.len() as u64,
            Value::Integer(_) | Value::Skipped => at,
        };
        // A later version of the format may have more fields.
        let Some(field) = CacheField::from_number(number) else {
            continue;
        };
        let taken = match CacheEntry::decode(field, value) {
            Ok(Some(entry)) => take(entry, read),
            Ok(None) => Ok(()),
            Err(fault) => Err(fault.into()),
        };
        taken.map_err(|error| error.at(at))?;
    }
}

/// A type that a field's value can be decoded to. The default stands for a field that is missing, as in protobuf.
trait Scalar<'a>: Default {
    fn decode(value: Value<'a>) -> Result<Self, Fault>;
}

impl<'a> Scalar<'a> for &'a str {
    fn decode(value: Value<'a>) -> Result<Self, Fault> {
        wire::text(value)
    }
}

impl Scalar<'_> for u64 {
    fn decode(value: Value<'_>) -> Result<Self, Fault> {
        wire::integer(value)
    }
}

impl Scalar<'_> for i64 {
    fn decode(value: Value<'_>) -> Result<Self, Fault> {
        wire::integer(value).map(u64::cast_signed)
    }
}

impl Scalar<'_> for bool {
    fn decode(value: Value<'_>) -> Result<Self, Fault> {
        wire::integer(value).map(|integer| integer != 0)
    }
}

/// The value of a field; of several the last one counts.
fn last<'a, T: Scalar<'a>>(message: &'a [u8], number: u32) -> Result<T, Fault> {
    let mut last = T::default();
    for field in wire::fields(message) {
        let field = field?;
        if field.number == number {
            last = T::decode(field.value)?;
        }
    }
    Ok(last)
}

/// The key of an entry.
fn key<'a, K: Scalar<'a>>(entry: &'a [u8]) -> Result<K, Fault> {
    last(entry, EntryField::Key.number())
}

/// The key and the value of an entry.
fn pair<'a, K: Scalar<'a>, V: Scalar<'a>>(entry: &'a [u8]) -> Result<(K, V), Fault> {
    Ok((key(entry)?, last(entry, EntryField::Value.number())?))
}

/// The values of a repeated field of texts or messages.
fn repeated(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Fault>> {
    wire::fields(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(wire::message(field.value)),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    })
}
