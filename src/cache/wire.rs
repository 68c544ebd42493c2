//! The protobuf wire format, a field at a time: a file is read message by message and never held whole.
//!
//! Small messages are decoded with the prost types of [`crate::cache::proto`]; directories, of which there are many and large
//! ones, are walked in place, with shorter ways for the fields that they have most of.

use std::fmt;
use std::io::{self, BufRead};

use prost::encoding::decode_varint;

/// A message of the file may not be longer than this. The largest real ones have some kilobytes; one is in memory at a time.
const LONGEST_MESSAGE: u64 = 16 << 20;

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
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 {
            return Err(malformed(format!("no field has the key {key}")));
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

/// What is wrong with a message in memory. Small, since results with it are made for every few bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ends inside a field, or a field claims to be longer than it.
    Cut,
    /// A number has more than 64 bits.
    Number,
    /// A field's number is 0 or larger than there can be.
    Key,
    /// The schema has no such wire type.
    WireType(u8),
    /// A text is not UTF-8.
    Text,
    /// A number stands where a text is expected.
    NoText,
    /// A text stands where a number is expected.
    NoNumber,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("a field is longer than the message that it is in"),
            Self::Number => f.write_str("a number has more than 64 bits"),
            Self::Key => f.write_str("no field has its number"),
            Self::WireType(wire_type) => write!(f, "the schema has no wire type {wire_type}"),
            Self::Text => f.write_str("a text is not UTF-8"),
            Self::NoText => f.write_str("a number stands where a text is expected"),
            Self::NoNumber => f.write_str("a text stands where a number is expected"),
        }
    }
}

/// The fields of a message that is in memory.
#[inline]
pub(crate) fn fields(mut message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Fault>> {
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
#[inline(always)]
pub(crate) fn next_field<'a>(message: &mut &'a [u8]) -> Result<Field<'a>, Fault> {
    let key = varint(message)?;
    let number = u32::try_from(key >> 3).unwrap_or(0);
    if number == 0 {
        return Err(Fault::Key);
    }
    let value = match key & 7 {
        0 => Value::Integer(varint(message)?),
        2 => {
            let length = varint(message)?;
            Value::Bytes(take(message, length)?)
        }
        1 => take(message, 8).map(|_| Value::Skipped)?,
        5 => take(message, 4).map(|_| Value::Skipped)?,
        // Three bits.
        wire_type => return Err(Fault::WireType(u8::try_from(wire_type).unwrap_or(u8::MAX))),
    };
    Ok(Field { number, value })
}

/// The key of a field of integers.
pub(crate) const fn integer_key(number: u8) -> u8 {
    number << 3
}

/// The key of a field of texts or messages.
pub(crate) const fn bytes_key(number: u8) -> u8 {
    number << 3 | 2
}

/// The first field's value if that is an integer of one byte or two under this key: a shorter way than [`next_field`] for
/// what there are millions of.
#[inline(always)]
pub(crate) fn next_short_integer(message: &mut &[u8], key: u8) -> Option<u16> {
    match **message {
        [found, first, ref rest @ ..] if found == key && first < 0x80 => {
            *message = rest;
            Some(u16::from(first))
        }
        [found, first, second, ref rest @ ..] if found == key && second < 0x80 => {
            *message = rest;
            Some(u16::from(first & 0x7f) | u16::from(second) << 7)
        }
        _ => None,
    }
}

/// The first field's value if that is a message of less than 128 bytes under this key.
#[inline(always)]
pub(crate) fn next_short_message<'a>(message: &mut &'a [u8], key: u8) -> Option<&'a [u8]> {
    match **message {
        [found, length, ref rest @ ..] if found == key && length < 0x80 => {
            let (part, rest) = rest.split_at_checked(length.into())?;
            *message = rest;
            Some(part)
        }
        _ => None,
    }
}

/// A varint at the start of a message; most have one byte or two.
#[inline(always)]
fn varint(message: &mut &[u8]) -> Result<u64, Fault> {
    match **message {
        [first, ref rest @ ..] if first < 0x80 => {
            *message = rest;
            Ok(u64::from(first))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *message = rest;
            Ok(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => long_varint(message),
    }
}

#[cold]
fn long_varint(message: &mut &[u8]) -> Result<u64, Fault> {
    if message.is_empty() {
        return Err(Fault::Cut);
    }
    decode_varint(message).map_err(|_| Fault::Number)
}

#[inline]
fn take<'a>(message: &mut &'a [u8], length: u64) -> Result<&'a [u8], Fault> {
    let length = usize::try_from(length).map_err(|_| Fault::Cut)?;
    let (part, rest) = message.split_at_checked(length).ok_or(Fault::Cut)?;
    *message = rest;
    Ok(part)
}

/// A value of a `repeated int64` field: one integer, or many in packed form.
#[inline]
pub(crate) fn integers(value: Value<'_>) -> impl Iterator<Item = Result<i64, Fault>> {
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
        let value = varint(&mut packed);
        if value.is_err() {
            packed = &[];
        }
        Some(value.map(u64::cast_signed))
    })
}

/// A value of a `string` field.
pub(crate) fn text(value: Value<'_>) -> Result<&str, Fault> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| Fault::Text),
        Value::Integer(_) | Value::Skipped => Err(Fault::NoText),
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
    fn the_short_ways_take_what_the_long_one_takes_or_nothing() {
        let values = [0, 1, 127, 128, 300, 16_383, 16_384, u64::MAX];
        for (key, value) in values.into_iter().flat_map(|value| [(0x10, value), (0x18, value)]) {
            let mut message = vec![key];
            prost::encoding::encode_varint(value, &mut message);
            message.push(7);
            let (mut short, mut long) = (&message[..], &message[..]);
            let found = next_short_integer(&mut short, integer_key(2));
            assert_eq!(found.map(u64::from), (key == 0x10 && value < 1 << 14).then_some(value));
            if found.is_some() {
                next_field(&mut long).unwrap();
            }
            assert_eq!(short, long);
        }
        for length in [0, 1, 127, 128, 200] {
            let mut message = vec![0x32];
            prost::encoding::encode_varint(length, &mut message);
            message.resize(message.len() + 127, 9);
            let mut rest = &message[..];
            let part = next_short_message(&mut rest, bytes_key(6));
            assert_eq!(
                part.map(<[u8]>::len),
                usize::try_from(length).ok().filter(|length| *length < 128)
            );
            assert_eq!(next_short_message(&mut &message[..], bytes_key(5)), None);
        }
        assert_eq!(next_short_message(&mut &[0x32, 2, 0][..], bytes_key(6)), None);
    }

    #[test]
    fn integers_come_one_by_one_or_packed() {
        let all = |value| integers(value).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(all(Value::Integer(u64::MAX)), [-1]);
        assert_eq!(all(Value::Bytes(&[1, 0x96, 0x01, 3])), [1, 150, 3]);
        assert!(integers(Value::Bytes(&[0x80])).next().unwrap().is_err());
    }
}
