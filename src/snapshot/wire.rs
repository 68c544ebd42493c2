//! The protobuf wire format, a field at a time: a file is read message by message and never held whole.
//!
//! Small messages are decoded with the prost types of [`crate::proto`]; directories, of which there are many and large
//! ones, are walked in place with [`fields`].

use std::fmt;
use std::io::{self, BufRead};

use prost::encoding::{WireType, decode_key, decode_varint};

/// A message of the file may not be longer than this: the largest real ones have some kilobytes.
const LONGEST_MESSAGE: u64 = 64 << 20;

/// Why a file is not a sequence of protobuf fields.
#[derive(Debug)]
pub enum WireError {
    /// The file could not be read.
    Read(io::Error),
    /// The file ends inside the field that begins at this byte.
    Truncated {
        /// Offset of the field's first byte.
        at: u64,
    },
    /// The field that begins at this byte is not what the schema says.
    Malformed {
        /// Offset of the field's first byte.
        at: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Truncated { at } => write!(f, "the file ends inside the entry that begins at byte {at}"),
            Self::Malformed { at, problem } => write!(f, "the entry at byte {at} is malformed: {problem}"),
        }
    }
}

impl std::error::Error for WireError {}

/// A field's number and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

/// A field's value; the fixed-width types, which the schema doesn't use, are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    Skipped,
}

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

    /// The next field; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<Field<'_>>, WireError> {
        let at = self.position;
        let Some(key) = self.varint(at)? else {
            return Ok(None);
        };
        let malformed = |problem: String| WireError::Malformed { at, problem };
        let number = u32::try_from(key >> 3).map_err(|_| malformed(format!("no field has the key {key}")))?;
        if number == 0 {
            return Err(malformed("a field's number is 0".to_owned()));
        }
        let truncated = || WireError::Truncated { at };
        let value = match key & 7 {
            0 => Value::Integer(self.varint(at)?.ok_or_else(truncated)?),
            1 => {
                self.fill(8, at)?;
                Value::Skipped
            }
            2 => {
                let length = self.varint(at)?.ok_or_else(truncated)?;
                if length > LONGEST_MESSAGE {
                    return Err(malformed(format!("it claims to have {length} bytes")));
                }
                self.fill(length, at)?;
                Value::Bytes(&self.message)
            }
            5 => {
                self.fill(4, at)?;
                Value::Skipped
            }
            wire_type => return Err(malformed(format!("the schema has no wire type {wire_type}"))),
        };
        Ok(Some(Field { number, value }))
    }

    fn varint(&mut self, at: u64) -> Result<Option<u64>, WireError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let buffered = self.source.fill_buf().map_err(WireError::Read)?;
            let Some(&byte) = buffered.first() else {
                return if shift == 0 {
                    Ok(None)
                } else {
                    Err(WireError::Truncated { at })
                };
            };
            self.source.consume(1);
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(Some(value));
            }
        }
        Err(WireError::Malformed {
            at,
            problem: "a number has more than 64 bits".to_owned(),
        })
    }

    /// Reads the next `length` bytes into `self.message`. Memory grows with what the file has, not with what it claims.
    fn fill(&mut self, length: u64, at: u64) -> Result<(), WireError> {
        self.message.clear();
        let mut missing = usize::try_from(length).unwrap_or(usize::MAX);
        while missing > 0 {
            let buffered = self.source.fill_buf().map_err(WireError::Read)?;
            let part = buffered.get(..missing).unwrap_or(buffered);
            if part.is_empty() {
                return Err(WireError::Truncated { at });
            }
            self.message.extend_from_slice(part);
            let read = part.len();
            missing -= read;
            self.source.consume(read);
        }
        self.position += length;
        Ok(())
    }
}

/// The fields of a message that is in memory; the text is what is wrong with it.
pub(crate) fn fields(mut message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, String>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = next_field(&mut message);
        if field.is_err() {
            message = &[];
        }
        Some(field)
    })
}

/// The first field of a message, which then begins with the next one.
#[inline]
pub(crate) fn next_field<'a>(message: &mut &'a [u8]) -> Result<Field<'a>, String> {
    if let Some((field, rest)) = short_field(message) {
        *message = rest;
        return Ok(field);
    }
    let (number, wire_type) = decode_key(message).map_err(|e| e.to_string())?;
    let value = match wire_type {
        WireType::SixtyFourBit => take(message, number, 8).map(|_| Value::Skipped)?,
        WireType::ThirtyTwoBit => take(message, number, 4).map(|_| Value::Skipped)?,
        WireType::Varint => Value::Integer(decode_varint(message).map_err(|e| e.to_string())?),
        WireType::LengthDelimited => {
            let length = decode_varint(message).map_err(|e| e.to_string())?;
            Value::Bytes(take(message, number, length)?)
        }
        WireType::StartGroup | WireType::EndGroup => {
            return Err("it holds a group, which the schema doesn't have".to_owned());
        }
    };
    Ok(Field { number, value })
}

/// The first field where it is of the forms that nearly all are of: a key and a length of one byte, or a key of one byte and a
/// number of one or two. Everything else, and whatever is wrong, is left to the caller.
#[inline]
fn short_field(message: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let [key, first, rest @ ..] = message else {
        return None;
    };
    if !(8..0x80).contains(key) {
        return None;
    }
    let (value, rest) = match (key & 7, first) {
        (2, 0..0x80) => {
            let (part, rest) = rest.split_at_checked(usize::from(*first))?;
            (Value::Bytes(part), rest)
        }
        (0, 0..0x80) => (Value::Integer((*first).into()), rest),
        (0, _) => {
            let (second, rest) = rest.split_first().filter(|(second, _)| **second < 0x80)?;
            (Value::Integer(u64::from(first & 0x7f) | u64::from(*second) << 7), rest)
        }
        _ => return None,
    };
    let number = u32::from(key >> 3);
    Some((Field { number, value }, rest))
}

fn take<'a>(message: &mut &'a [u8], number: u32, length: u64) -> Result<&'a [u8], String> {
    let (part, rest) = usize::try_from(length)
        .ok()
        .and_then(|length| message.split_at_checked(length))
        .ok_or_else(|| format!("field {number} claims to have {length} bytes"))?;
    *message = rest;
    Ok(part)
}

/// A value of a `repeated int64` field: one integer, or many in packed form.
pub(crate) fn integers(value: Value<'_>) -> impl Iterator<Item = Result<i64, String>> {
    let (mut one, mut packed) = match value {
        Value::Integer(value) => (Some(value), &[][..]),
        Value::Bytes(bytes) => (None, bytes),
        Value::Skipped => (None, &[][..]),
    };
    std::iter::from_fn(move || {
        if let Some(value) = one.take() {
            return Some(Ok(value.cast_signed()));
        }
        if packed.is_empty() {
            return None;
        }
        let value = decode_varint(&mut packed).map_err(|e| e.to_string());
        if value.is_err() {
            packed = &[];
        }
        Some(value.map(u64::cast_signed))
    })
}

/// A value of a `string` field.
pub(crate) fn text(value: Value<'_>) -> Result<&str, String> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8".to_owned()),
        Value::Integer(_) | Value::Skipped => Err("a number stands where a text is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<u32>, WireError> {
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
    fn every_cut_inside_a_field_is_seen() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i'];
        for cut in [1, 2, 4, 5, 6] {
            let error = read(&bytes[..cut]).unwrap_err();
            assert!(matches!(error, WireError::Truncated { .. }), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn a_false_length_is_refused_without_the_memory_for_it() {
        let error = read(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the entry at byte 0 is malformed: it claims to have 34359738367 bytes"
        );
        assert!(fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x7f]).next().unwrap().is_err());
    }

    #[test]
    fn integers_come_one_by_one_or_packed() {
        let all = |value| integers(value).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(all(Value::Integer(u64::MAX)), [-1]);
        assert_eq!(all(Value::Bytes(&[1, 0x96, 0x01, 3])), [1, 150, 3]);
        assert!(integers(Value::Bytes(&[0x80])).next().unwrap().is_err());
    }
}
