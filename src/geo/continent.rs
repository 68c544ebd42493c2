//! Country to continent, from `country_continent.csv`: a header line, then `AD,EU`.

use std::fmt;
use std::io::{self, BufRead};

use super::CountryCode;
use super::lines::Lines;
use crate::warnings::Warnings;

/// One of the seven continents of ISO 3166's country tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Continent {
    /// Africa.
    AF,
    /// Antarctica.
    AN,
    /// Asia.
    AS,
    /// Europe.
    EU,
    /// North America.
    NA,
    /// Oceania.
    OC,
    /// South America.
    SA,
}

impl Continent {
    /// All continents.
    pub const ALL: [Self; 7] = [Self::AF, Self::AN, Self::AS, Self::EU, Self::NA, Self::OC, Self::SA];

    /// Reads a continent's two letters, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|continent| continent.as_str().eq_ignore_ascii_case(text))
    }

    /// A dense number for tables by continent.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The two letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AF => "AF",
            Self::AN => "AN",
            Self::AS => "AS",
            Self::EU => "EU",
            Self::NA => "NA",
            Self::OC => "OC",
            Self::SA => "SA",
        }
    }
}

impl fmt::Display for Continent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text that stands for a continent that is not known.
const UNKNOWN: &str = "--";

/// The continent of every country, by [`CountryCode::index`].
#[derive(Clone)]
pub struct ContinentTable {
    continents: Box<[Option<Continent>]>,
    countries: usize,
}

impl ContinentTable {
    /// A table in which no country has a continent.
    pub fn empty() -> Self {
        Self {
            continents: vec![None; CountryCode::COUNT].into_boxed_slice(),
            countries: 0,
        }
    }

    /// Reads `country_continent.csv`. A line that can't be used is a warning with its number.
    ///
    /// # Errors
    /// What reading `lines` gives.
    pub fn read(lines: impl BufRead, warnings: &mut Warnings) -> io::Result<Self> {
        let mut table = Self::empty();
        let mut lines = Lines::new(lines);
        while let Some(line) = lines.next()? {
            let text = String::from_utf8_lossy(line.bytes);
            let text = text.trim();
            match parse_line(text).filter(|_| !line.too_long) {
                Some((country, continent)) => table.set(country, continent),
                None if line.number == 1 || text.is_empty() => {}
                None => warnings.add(format_args!(
                    "line {}: {text:?}: expected a country and a continent, like DE,EU",
                    line.number
                )),
            }
        }
        Ok(table)
    }

    /// Says which continent a country counts to, in place of what the table said before.
    pub fn set(&mut self, country: CountryCode, continent: Option<Continent>) {
        if let Some(entry) = self.continents.get_mut(country.index()) {
            self.countries += usize::from(continent.is_some());
            self.countries -= usize::from(entry.is_some());
            *entry = continent;
        }
    }

    /// The continent of a country, where it is known.
    pub fn of(&self, country: CountryCode) -> Option<Continent> {
        self.continents.get(country.index()).copied().flatten()
    }

    /// How many countries have a continent.
    pub fn len(&self) -> usize {
        self.countries
    }

    /// Whether no country has a continent.
    pub fn is_empty(&self) -> bool {
        self.countries == 0
    }
}

/// Reads a continent or the text for an unknown one; none where it is neither.
pub fn parse_continent(text: &str) -> Option<Option<Continent>> {
    if text == UNKNOWN {
        return Some(None);
    }
    Continent::parse(text).map(Some)
}

fn parse_line(line: &str) -> Option<(CountryCode, Option<Continent>)> {
    let mut fields = line.split(',').map(|field| field.trim().trim_matches('"'));
    let country = CountryCode::parse(fields.next()?)?;
    let continent = parse_continent(fields.next()?)?;
    Some((country, continent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_have_their_continent() {
        let text = b"\"iso 3166 country\",\"continent code\"\nDE,EU\n\"us\", \"na\"\r\nA1,--\n\nXX\nFR,XY\n";
        let mut warnings = Warnings::default();
        let table = ContinentTable::read(&text[..], &mut warnings).unwrap();
        let of = |code| table.of(CountryCode::parse(code).unwrap());
        assert_eq!(of("DE"), Some(Continent::EU));
        assert_eq!(of("us"), Some(Continent::NA));
        assert_eq!((of("A1"), of("FR"), of("ZZ")), (None, None, None));
        assert_eq!((table.len(), warnings.count()), (2, 2));
        assert!(warnings.first()[0].starts_with("line 6: \"XX\""));
    }

    #[test]
    fn a_file_without_a_header_loses_nothing() {
        let table = ContinentTable::read(&b"DE,EU\nUS,NA\n"[..], &mut Warnings::default()).unwrap();
        assert_eq!(table.len(), 2);
    }
}
