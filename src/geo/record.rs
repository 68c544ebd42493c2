//! The texts in a record of a MaxMind DB (<https://maxmind.github.io/MaxMind-DB/>, "Output Data Section"), read with a bounded
//! number of steps: a damaged database can have a map of millions of entries at every byte, and pointers that lead in a circle.

use bytes::Bytes;

/// So many values of a record are looked at, those passed over included. The largest records of real databases have some 200.
const MOST_STEPS: u32 = 1_000;

/// The data section of a database.
pub(super) struct Records {
    section: Bytes,
}

/// A value's kind, as far as records are searched.
enum Value<'a> {
    Text(&'a [u8]),
    /// The number of pairs, and where the first one begins.
    Map(u32, usize),
    Other,
}

/// The beginning of a value.
struct Head {
    kind: u8,
    /// Bytes, pairs or elements.
    size: usize,
    /// Where what follows it begins.
    after: usize,
}

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const MAP: u8 = 7;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

impl Records {
    /// The records in a data section.
    pub(super) fn new(section: Bytes) -> Self {
        Self { section }
    }

    /// The first text that one of these ways through maps leads to, and the number of the way. None where the record at this
    /// offset has no such text, or is damaged or larger than any real one.
    pub(super) fn find(&self, offset: usize, ways: &[&[&str]]) -> Option<(usize, &str)> {
        let mut walk = Walk {
            section: &self.section,
            steps: MOST_STEPS,
        };
        for (number, way) in ways.iter().enumerate() {
            let mut at = Some(offset);
            for key in *way {
                at = match at {
                    Some(map) => walk.entry(map, key.as_bytes())?,
                    None => None,
                };
            }
            if let Some(at) = at
                && let Value::Text(text) = walk.value(at)?
            {
                return Some((number, std::str::from_utf8(text).ok()?));
            }
        }
        None
    }
}

/// One search; what gives none is at its end.
struct Walk<'a> {
    section: &'a [u8],
    steps: u32,
}

impl<'a> Walk<'a> {
    /// Where the value of a key is in a map; none inside where it has no such key, or is no map.
    fn entry(&mut self, map: usize, key: &[u8]) -> Option<Option<usize>> {
        let Value::Map(pairs, mut at) = self.value(map)? else {
            return Some(None);
        };
        for _ in 0..pairs {
            let found = matches!(self.value(at)?, Value::Text(text) if text == key);
            let value = self.skip(at)?;
            if found {
                return Some(Some(value));
            }
            at = self.skip(value)?;
        }
        Some(None)
    }

    /// The value at a place or at the end of a pointer.
    fn value(&mut self, mut at: usize) -> Option<Value<'a>> {
        loop {
            let head = self.head(at)?;
            match head.kind {
                POINTER => at = head.size,
                TEXT => return Some(Value::Text(self.section.get(head.after..)?.get(..head.size)?)),
                MAP => return Some(Value::Map(u32::try_from(head.size).ok()?, head.after)),
                _ => return Some(Value::Other),
            }
        }
    }

    /// Where the value after this one begins. A pointer is passed over, not what it leads to.
    fn skip(&mut self, mut at: usize) -> Option<usize> {
        let mut left: usize = 1;
        while left > 0 {
            let head = self.head(at)?;
            left -= 1;
            at = match head.kind {
                POINTER | BOOLEAN => head.after,
                MAP | ARRAY => {
                    left += head.size * if head.kind == MAP { 2 } else { 1 };
                    head.after
                }
                _ => head.after.checked_add(head.size)?,
            };
        }
        Some(at)
    }

    /// The beginning of the value at a place; the size of a pointer is where it leads to.
    fn head(&mut self, at: usize) -> Option<Head> {
        self.steps = self.steps.checked_sub(1)?;
        let (control, mut rest) = self.section.get(at..)?.split_first()?;
        let mut kind = control >> 5;
        let low = usize::from(control & 0x1f);
        if kind == POINTER {
            let length = (low >> 3) + 1;
            let number = number(rest.get(..length)?);
            let size = match length {
                1 => (low & 7) << 8 | number,
                2 => ((low & 7) << 16 | number) + 2_048,
                3 => ((low & 7) << 24 | number) + 526_336,
                _ => number,
            };
            return Some(Head {
                kind,
                size,
                after: at + 1 + length,
            });
        }
        let mut after = at + 1;
        if kind == 0 {
            let extended;
            (extended, rest) = rest.split_first()?;
            kind = extended.checked_add(7)?;
            after += 1;
        }
        let (length, least) = match low {
            29 => (1, 29),
            30 => (2, 285),
            31 => (3, 65_821),
            _ => (0, low),
        };
        Some(Head {
            kind,
            size: least + number(rest.get(..length)?),
            after: after + length,
        })
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAYS: [&[&str]; 2] = [&["a", "b"], &["c"]];

    fn find(section: &[u8]) -> Option<(usize, String)> {
        let records = Records::new(Bytes::copy_from_slice(section));
        records.find(0, &WAYS).map(|(way, text)| (way, text.to_owned()))
    }

    #[test]
    fn texts_are_found_past_every_kind_of_value() {
        // {"x": [true, 7, "y"], "d": a double, "a": -> {"b": "DE"}}
        let mut section = b"\xe3\x41x\x03\x04\x01\x07\xa1\x07\x41y\x41d\x6812345678\x41a\x20".to_vec();
        section.push(u8::try_from(section.len()).unwrap() + 1);
        section.extend(b"\xe1\x41b\x42DE");
        assert_eq!(find(&section), Some((0, "DE".to_owned())));
        // A way that leads nowhere, then one that does; the key behind a pointer.
        assert_eq!(find(b"\xe2\x41a\x42no\x20\x0b\x42FR\x41c"), Some((1, "FR".to_owned())));
        assert_eq!(find(b"\xe1\x41c\xa1\x07"), None);
    }

    #[test]
    fn damaged_records_end_the_search() {
        for damaged in [
            &b""[..],
            b"\x20\x00",
            b"\xe1",
            b"\xe1\x41a",
            b"\xff\xff\xff\xff",
            b"\xe1\x20\x01",
            b"\xe1\x41c\x5f\xff\xff\xff",
            b"\x00",
            b"\x00\xff",
        ] {
            assert_eq!(find(damaged), None, "{damaged:?}");
        }
        // A map of millions of empty maps.
        let mut deep = b"\xff\xff\xff\xff".to_vec();
        deep.resize(1 << 20, 0xe0);
        assert_eq!(find(&deep), None);
    }
}
