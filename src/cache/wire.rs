//! The protobuf wire format of a message in memory, a field at a time, without a copy. It knows no schema: [`super::read`] does.
//!
//! Optimised: nearly all of a cache is ids of one or two bytes and messages of less than 128 bytes, 50 million of them at Fedora.
//! [`next_short_integer`] and [`next_short_message`] take these in a few instructions. They cut a load of a cache from 977 to 685 million
//! instructions for 15,330 directories ("load a cache" of `cargo bench --bench stages`).

use prost::encoding::decode_varint;

use super::error::Fault;

/// A field's number and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) value: Value<'a>,
}

/// A field's value. The fixed-width types, which the schema does not use, are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    Skipped,
}

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

/// Takes the first field of a message.
#[inline(always)]
pub(crate) fn next_field<'a>(message: &mut &'a [u8]) -> Result<Field<'a>, Fault> {
    let (number, wire_type) = split_key(varint(message)?)?;
    let value = match wire_type {
        0 => Value::Integer(varint(message)?),
        2 => {
            let length = varint(message)?;
            Value::Bytes(take(message, length)?)
        }
        1 => take(message, 8).map(|_| Value::Skipped)?,
        5 => take(message, 4).map(|_| Value::Skipped)?,
        _ => return Err(Fault::WireType(wire_type)),
    };
    Ok(Field { number, value })
}

/// Splits a field's key into its number and its wire type.
#[inline(always)]
pub(super) fn split_key(key: u64) -> Result<(u32, u8), Fault> {
    let wire_type = (key & 7) as u8;
    match u32::try_from(key >> 3) {
        Ok(0) | Err(_) => Err(Fault::Key),
        Ok(number) => Ok((number, wire_type)),
    }
}

/// The key of a field of integers, which is one byte long.
pub(super) const fn integer_key(number: u32) -> u8 {
    short_key(number, 0)
}

/// The key of a field of texts or messages, which is one byte long.
pub(super) const fn bytes_key(number: u32) -> u8 {
    short_key(number, 2)
}

/// A key of one byte. Does not compile for a constant whose number needs two.
const fn short_key(number: u32, wire_type: u8) -> u8 {
    assert!(number < 16, "fields from 16 on have keys of two bytes");
    #[expect(clippy::cast_possible_truncation, reason = "below 16")]
    let number = number as u8;
    number << 3 | wire_type
}

/// Takes the first field if it has this key and is an integer of one byte or two.
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

/// Takes the first field if it has this key and is a message of less than 128 bytes.
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

/// Takes the varint that a message begins with; most have one byte or two.
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

/// The integers in a value of a `repeated int64` field: one, or many in packed form.
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

pub(super) fn integer(value: Value<'_>) -> Result<u64, Fault> {
    match value {
        Value::Integer(integer) => Ok(integer),
        Value::Bytes(_) | Value::Skipped => Err(Fault::NoNumber),
    }
}

pub(super) fn signed(value: Value<'_>) -> Result<i64, Fault> {
    integer(value).map(u64::cast_signed)
}

/// A number of a `sint32` or `sint64` field.
pub(super) fn zigzag(value: Value<'_>) -> Result<i64, Fault> {
    let encoded = integer(value)?;
    Ok((encoded >> 1).cast_signed() ^ -(encoded & 1).cast_signed())
}

pub(crate) fn text(value: Value<'_>) -> Result<&str, Fault> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| Fault::Text),
        Value::Integer(_) | Value::Skipped => Err(Fault::NoText),
    }
}

pub(super) fn message(value: Value<'_>) -> Result<&[u8], Fault> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Integer(_) | Value::Skipped => Err(Fault::NoMessage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn small_negative_numbers_of_sint_fields_are_short() {
        for (encoded, number) in [(0, 0), (1, -1), (2, 1), (u64::MAX - 1, i64::MAX), (u64::MAX, i64::MIN)] {
            assert_eq!(zigzag(Value::Integer(encoded)), Ok(number));
        }
        assert!(zigzag(Value::Bytes(&[1])).is_err());
    }

    #[test]
    fn integers_come_one_by_one_or_packed() {
        let all = |value| integers(value).collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(all(Value::Integer(u64::MAX)), [-1]);
        assert_eq!(all(Value::Bytes(&[1, 0x96, 0x01, 3])), [1, 150, 3]);
        assert!(integers(Value::Bytes(&[0x80])).next().unwrap().is_err());
    }
}
