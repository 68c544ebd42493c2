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

use super::error::{CacheError, EntryResult, Fault};
use super::schema::CacheField;
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
    mut take: impl FnMut(CacheEntry<'_>, u64) -> EntryResult,
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

/// The value of a field, or the default if it is missing; of several the last one counts.
fn last<'a, T: Default>(
    message: &'a [u8],
    number: u32,
    decode: impl Fn(Value<'a>) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut last = T::default();
    for field in wire::fields(message) {
        let field = field?;
        if field.number == number {
            last = decode(field.value)?;
        }
    }
    Ok(last)
}

/// The values of a repeated field of texts or messages.
fn repeated(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Fault>> {
    wire::fields(message).filter_map(move |field| match field {
        Ok(field) if field.number == number => Some(wire::message(field.value)),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    })
}
