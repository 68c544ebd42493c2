//! Lists of host or URL ids: the repeated field `value` of an entry, decoded only when its ids are needed.

use crate::cache::error::Fault;
use crate::cache::schema::EntryField;
use crate::cache::wire::{self, Field};

const VALUE: u32 = EntryField::Value.number();

/// The longest encoding of an id, in bytes: a key and a number of 64 bits.
const LONGEST_ID: usize = 11;

/// A list as an entry has it, not yet checked. Equal encodings are equal lists; different ones can be equal, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EncodedIds<'a>(&'a [u8]);

/// A list of which every id can be decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdList<'a>(EncodedIds<'a>);

/// An [`IdList`] that is kept.
#[derive(Debug, Default)]
pub(crate) struct StoredIds(Box<[u8]>);

impl<'a> EncodedIds<'a> {
    /// The list in an entry or in the end of one.
    pub(super) fn new(entry: &'a [u8]) -> Self {
        Self(entry)
    }

    /// Gives each id to `take`. Optimised for ids of one or two bytes, see [`wire`].
    ///
    /// # Errors
    /// If an id cannot be decoded, or what `take` refuses.
    #[inline(always)]
    pub(crate) fn try_each<E: From<Fault>>(self, mut take: impl FnMut(i64) -> Result<(), E>) -> Result<(), E> {
        const SHORT: u8 = wire::integer_key(VALUE);
        let mut rest = self.0;
        loop {
            while let Some(id) = wire::next_short_integer(&mut rest, SHORT) {
                take(id.into())?;
            }
            if rest.is_empty() {
                return Ok(());
            }
            let Field { number, value } = wire::next_field(&mut rest)?;
            if number == VALUE {
                for id in wire::integers(value) {
                    take(id?)?;
                }
            }
        }
    }

    /// Decodes every id once, to see that it can be.
    pub(crate) fn check(self) -> Result<IdList<'a>, Fault> {
        self.try_each(|_| Ok::<_, Fault>(()))?;
        Ok(IdList(self))
    }

    /// The size of the encoding in bytes.
    pub(crate) fn bytes(self) -> usize {
        self.0.len()
    }

    /// The encoding, as a key.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl<'a> IdList<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = i64> + use<'a> {
        // `EncodedIds::check` has decoded all of them.
        let fields = wire::fields(self.0.0).map_while(Result::ok);
        let lists = fields.filter(|field| field.number == VALUE);
        lists.flat_map(|list| wire::integers(list.value).map_while(Result::ok))
    }

    pub(crate) fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// The list for keeping. It is encoded again if it has much besides its ids (unknown fields, empty lists): each look at it would go
    /// through that once more.
    pub(crate) fn store(self) -> StoredIds {
        let ids = self.iter().count();
        if self.0.bytes() <= LONGEST_ID * (ids + 1) {
            return StoredIds(self.0.0.into());
        }
        let mut encoded = Vec::new();
        for id in self.iter() {
            prost::encoding::int64::encode(VALUE, &id, &mut encoded);
        }
        StoredIds(encoded.into())
    }
}

impl StoredIds {
    pub(crate) fn get(&self) -> IdList<'_> {
        IdList(self.encoded())
    }

    /// The list as it is kept: nearly always as it was encoded in the entry.
    pub(crate) fn encoded(&self) -> EncodedIds<'_> {
        EncodedIds(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_one_by_one_or_packed_and_damaged_ones_are_refused() {
        let encoded = EncodedIds::new(&[0x08, 7, 0x10, 1, 0x12, 3, 0x96, 0x01, 3, 0x10, 0xac, 0x02]);
        let stored = encoded.check().unwrap().store();
        assert_eq!(stored.get().iter().collect::<Vec<_>>(), [1, 150, 3, 300]);
        assert!(stored.encoded() == encoded && !stored.get().is_empty());
        assert!(EncodedIds::new(&[0x08, 7, 0x12, 0]).check().unwrap().is_empty());
        let mut padded = [0x08, 7, 0x10, 150, 1].to_vec();
        padded.extend([0x18, 0].repeat(100));
        let stored = EncodedIds::new(&padded).check().unwrap().store();
        assert_eq!(stored.get().iter().collect::<Vec<_>>(), [150]);
        assert!(stored.encoded().bytes() <= 2 * LONGEST_ID);
        for damaged in [&[0x10, 0x80][..], &[0x12, 1, 0x80], &[0x12, 9, 1]] {
            assert!(EncodedIds::new(damaged).check().is_err(), "{damaged:?}");
        }
    }
}
