//! Country codes.

use std::fmt;

use serde::{Serialize, Serializer};

/// A country's code: two ASCII letters or digits in upper case, as in ISO 3166-1 (and GeoIP's additions like `A1`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CountryCode(pub(super) [u8; 2]);

impl CountryCode {
    /// How many codes there can be: the bound of [`CountryCode::index`].
    pub const COUNT: usize = 36 * 36;

    /// Reads a country code in any case, white space around it aside.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().as_bytes() {
            &[a, b] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() => {
                Some(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
            }
            _ => None,
        }
    }

    /// The two characters.
    pub fn as_str(&self) -> &str {
        // Both bytes are ASCII, by construction.
        debug_assert!(self.0.is_ascii());
        std::str::from_utf8(&self.0).unwrap_or("??")
    }

    /// A dense number for tables by country, below [`CountryCode::COUNT`].
    pub fn index(self) -> usize {
        let digit = |b: u8| match b {
            b'0'..=b'9' => usize::from(b - b'0'),
            _ => usize::from(b.wrapping_sub(b'A')) + 10,
        };
        let [a, b] = self.0;
        digit(a) * 36 + digit(b)
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for CountryCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_letters_or_digits() {
        assert_eq!(CountryCode::parse("de").unwrap().to_string(), "DE");
        assert_eq!(CountryCode::parse(" A1 ").unwrap().to_string(), "A1");
        for bad in ["", "D", "DEU", "D-", "ß", "global"] {
            assert_eq!(CountryCode::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn indexes_are_dense_and_distinct() {
        let letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut seen = vec![false; CountryCode::COUNT];
        for a in letters.chars() {
            for b in letters.chars() {
                let index = CountryCode::parse(&format!("{a}{b}")).unwrap().index();
                assert!(!std::mem::replace(&mut seen[index], true), "{a}{b} again");
            }
        }
    }
}
