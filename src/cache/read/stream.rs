//! The fields of a file, one after the other: a file is read message by message and never held whole.

use std::io::{BufRead, Read as _};

use crate::cache::error::{CacheError, Fault};
use crate::cache::wire::{self, Field, Value};

/// A message may not be longer than this, in bytes. Real ones have some kilobytes; one is in memory at a time.
const LONGEST_MESSAGE: usize = 16 << 20;

/// The fields of one file, in order.
pub(crate) struct FieldReader<R> {
    source: R,
    position: u64,
    message: Vec<u8>,
}

impl<R: BufRead> FieldReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            position: 0,
            message: Vec::new(),
        }
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next field; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'_>>, CacheError> {
        let at = self.position;
        let Some(key) = self.varint(at)? else {
            return Ok(None);
        };
        let malformed = |fault| CacheError::Malformed { at, fault };
        let (number, wire_type) = wire::split_key(key).map_err(malformed)?;
        let truncated = || CacheError::Truncated { at };
        let value = match wire_type {
            0 => Value::Integer(self.varint(at)?.ok_or_else(truncated)?),
            1 => {
                self.fill(8, at)?;
                Value::Skipped
            }
            2 => {
                let length = self.varint(at)?.ok_or_else(truncated)?;
                let fits = usize::try_from(length).ok().filter(|length| *length <= LONGEST_MESSAGE);
                self.fill(fits.ok_or(CacheError::TooLong { at, length })?, at)?;
                Value::Bytes(&self.message)
            }
            5 => {
                self.fill(4, at)?;
                Value::Skipped
            }
            _ => return Err(malformed(Fault::WireType(wire_type))),
        };
        Ok(Some(Field { number, value }))
    }

    /// The next varint; `None` at the end of the file.
    fn varint(&mut self, at: u64) -> Result<Option<u64>, CacheError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = match self.source.fill_buf().map_err(CacheError::Read)? {
                [byte, ..] => *byte,
                [] if shift == 0 => return Ok(None),
                [] => return Err(CacheError::Truncated { at }),
            };
            self.source.consume(1);
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(Some(value));
            }
        }
        Err(CacheError::Malformed {
            at,
            fault: Fault::Number,
        })
    }

    /// Reads the next `length` bytes into `self.message`. Memory grows with what the file has, not with what it claims.
    fn fill(&mut self, length: usize, at: u64) -> Result<(), CacheError> {
        self.message.clear();
        let mut source = self.source.by_ref().take(length as u64);
        let read = source.read_to_end(&mut self.message).map_err(CacheError::Read)?;
        if read < length {
            return Err(CacheError::Truncated { at });
        }
        self.position += length as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u32>, CacheError> {
        let mut reader = FieldReader::new(bytes);
        let mut numbers = Vec::new();
        while let Some(field) = reader.next()? {
            numbers.push(field.number);
        }
        Ok(numbers)
    }

    #[test]
    fn a_file_is_read_field_by_field() {
        let bytes = [
            0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(read(&bytes).unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_false_length_is_refused_without_the_memory_for_it() {
        let error = read(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the entry at byte 0 is malformed: it claims to have 34359738367 bytes"
        );
    }
}
