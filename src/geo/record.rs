//! Finds texts and numbers in a record of a MaxMind DB (<https://maxmind.github.io/MaxMind-DB/>, "Output Data Section") in a bounded number
//! of steps.
//!
//! The `maxminddb` crate, which reads the tree, could do this too, but it is too patient with hostile databases: it allows 65,536
//! values for each record. Half a megabyte of overlapping maps costs it 3.5 ms a record: half a minute to load, and 3.5 ms for a
//! request. Here a record costs some microseconds at most. `databases_with_a_map_of_thousands_at_every_fifth_byte` in
//! tests/hostile_files.rs pins that.

/// The values of a record that are looked at, those passed over included. The largest records of real databases have some 200.
const MAX_STEPS: u32 = 1_000;

const POINTER: u8 = 1;
const TEXT: u8 = 2;
const DOUBLE: u8 = 3;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;
const FLOAT: u8 = 15;

pub(super) struct Record<'a> {
    section: &'a [u8],
    offset: usize,
    /// The steps that are left for all searches.
    steps: u32,
}

struct ValueHeader {
    kind: u8,
    /// The number of bytes, pairs or elements; of a pointer, the offset that it leads to.
    size: usize,
    content: usize,
}

impl<'a> Record<'a> {
    /// The record at this offset of a data section.
    pub(super) fn new(section: &'a [u8], offset: usize) -> Self {
        Self {
            section,
            offset,
            steps: MAX_STEPS,
        }
    }

    /// The text at the end of a path of keys through maps. `None` if there is no such text, or the record is damaged or larger
    /// than any real one.
    pub(super) fn text(&mut self, path: &[&str]) -> Option<&'a str> {
        let at = self.find(path)?;
        std::str::from_utf8(self.text_at(at)?).ok()
    }

    /// The numbers of some keys in the map at the end of a path; `None` for each that is not there or no number.
    pub(super) fn numbers<const N: usize>(&mut self, path: &[&str], keys: [&str; N]) -> [Option<f64>; N] {
        let map = self.find(path);
        keys.map(|key| {
            let at = self.entry(map?, key.as_bytes())?;
            self.number_at(at)
        })
    }

    fn find(&mut self, path: &[&str]) -> Option<usize> {
        let mut at = self.offset;
        for key in path {
            at = self.entry(at, key.as_bytes())?;
        }
        Some(at)
    }

    /// The offset of the value of a key in a map.
    fn entry(&mut self, map: usize, key: &[u8]) -> Option<usize> {
        let map = self.resolve(map)?;
        if map.kind != MAP {
            return None;
        }
        let mut at = map.content;
        for _ in 0..map.size {
            let is_key = self.text_at(at) == Some(key);
            let value = self.skip(at)?;
            if is_key {
                return Some(value);
            }
            at = self.skip(value)?;
        }
        None
    }

    fn text_at(&mut self, at: usize) -> Option<&'a [u8]> {
        let value = self.resolve(at)?;
        match value.kind {
            TEXT => self.section.get(value.content..)?.get(..value.size),
            _ => None,
        }
    }

    fn number_at(&mut self, at: usize) -> Option<f64> {
        let value = self.resolve(at)?;
        let bytes = self.section.get(value.content..)?.get(..value.size)?;
        match value.kind {
            DOUBLE => bytes.try_into().ok().map(f64::from_be_bytes),
            FLOAT => bytes.try_into().ok().map(f32::from_be_bytes).map(f64::from),
            U16 | U32 if bytes.len() <= 4 => {
                let number = bytes.iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
                Some(number.into())
            }
            _ => None,
        }
    }

    /// The value at an offset, or at the end of the pointers there.
    fn resolve(&mut self, mut at: usize) -> Option<ValueHeader> {
        loop {
            let header = self.header(at)?;
            if header.kind != POINTER {
                return Some(header);
            }
            at = header.size;
        }
    }

    /// The offset of the value that follows. A pointer is passed over, not what it leads to.
    fn skip(&mut self, mut at: usize) -> Option<usize> {
        let mut left: usize = 1;
        while left > 0 {
            let header = self.header(at)?;
            left -= 1;
            at = match header.kind {
                POINTER | BOOLEAN => header.content,
                MAP | ARRAY => {
                    left += header.size * if header.kind == MAP { 2 } else { 1 };
                    header.content
                }
                _ => header.content + header.size,
            };
        }
        Some(at)
    }

    fn header(&mut self, at: usize) -> Option<ValueHeader> {
        self.steps = self.steps.checked_sub(1)?;
        let (control, mut rest) = self.section.get(at..)?.split_first()?;
        let mut content = at + 1;
        let mut kind = control >> 5;
        let low = usize::from(control & 0x1f);
        let (length, least) = match (kind, low) {
            (POINTER, _) => {
                let (length, least) = [(1, 0), (2, 2_048), (3, 526_336), (4, 0)].get(low >> 3)?;
                let high = if *length < 4 { (low & 7) << (8 * length) } else { 0 };
                (*length, least + high)
            }
            (_, 29) => (1, 29),
            (_, 30) => (2, 285),
            (_, 31) => (3, 65_821),
            _ => (0, low),
        };
        if kind == 0 {
            let extended;
            (extended, rest) = rest.split_first()?;
            kind = extended.checked_add(7)?;
            content += 1;
        }
        let number = rest.get(..length)?.iter();
        Some(ValueHeader {
            kind,
            size: least + number.fold(0, |number, byte| number << 8 | usize::from(*byte)),
            content: content + length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(section: &[u8]) -> [Option<&str>; 2] {
        let mut record = Record::new(section, 0);
        [&["a", "b"][..], &["c"]].map(|path| record.text(path))
    }

    #[test]
    fn texts_are_found_past_every_kind_of_value() {
        // {"x": [true, 7, "y"], "d": a double, "a": -> {"b": "DE"}}
        let mut section = b"\xe3\x41x\x03\x04\x01\x07\xa1\x07\x41y\x41d\x6812345678\x41a\x20".to_vec();
        section.push(u8::try_from(section.len()).unwrap() + 1);
        section.extend(b"\xe1\x41b\x42DE");
        assert_eq!(find(&section), [Some("DE"), None]);
        // A path that leads nowhere, then one that does; the key behind a pointer.
        assert_eq!(find(b"\xe2\x41a\x42no\x20\x0b\x42FR\x41c"), [None, Some("FR")]);
        assert_eq!(find(b"\xe1\x41c\xa1\x07"), [None, None]);
    }

    #[test]
    fn numbers_are_found_in_every_form_and_nothing_else_is_one() {
        // {"a": {"b": 1.5 as a double, "c": -> 300, "d": 1.5 as a float, "e": "1"}}
        let mut section = b"\xe1\x41a\xe4\x41b\x68\x3f\xf8\0\0\0\0\0\0\x41c\x20".to_vec();
        section.push(u8::try_from(section.len()).unwrap() + 14);
        section.extend(b"\x41d\x04\x08\x3f\xc0\0\0\x41e\x411");
        section.push(0);
        section.extend(b"\xa2\x01\x2c");
        let numbers = Record::new(&section, 0).numbers(&["a"], ["b", "c", "d", "e", "f"]);
        assert_eq!(numbers, [Some(1.5), Some(300.0), Some(1.5), None, None]);
        for damaged in [
            &b"\xe1\x41a\x62\0\0"[..],
            b"\xe1\x41a\x68\0",
            b"\xe1\x41a\xc5\0\0\0\0\0",
            b"\xe1",
        ] {
            assert_eq!(Record::new(damaged, 0).numbers(&[], ["a"]), [None], "{damaged:?}");
        }
    }

    #[test]
    fn pointers_of_every_length_lead_to_their_text() {
        for (pointer, offset) in [
            (&b"\x21\x02"[..], 0x102),
            (b"\x29\x02\x03", 0x1_0203 + 2_048),
            (b"\x31\x02\x03\x04", 0x102_0304 + 526_336),
            (b"\x38\x00\x02\x03\x04", 0x2_0304),
        ] {
            let mut section = [b"\xe1\x41c", pointer].concat();
            section.resize(offset, 0);
            section.extend(b"\x42DE");
            assert_eq!(find(&section), [None, Some("DE")], "{pointer:?}");
        }
    }

    #[test]
    fn damaged_records_have_no_text() {
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
            assert_eq!(find(damaged), [None, None], "{damaged:?}");
        }
        // A map of millions of empty maps.
        let mut deep = b"\xff\xff\xff\xff".to_vec();
        deep.resize(1 << 20, 0xe0);
        assert_eq!(find(&deep), [None, None]);
    }
}
