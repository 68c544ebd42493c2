//! Country to continent, from `country_continent.csv`: lines like `AD,EU`, with or without a header line.
//!
//! Continents are names, `EU` in most files and `Europe` in others. They are only compared, without regard to case.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::country::CountryCode;
use super::lines::Lines;
use crate::warnings::Warnings;

/// A continent: the number of its name in a [`ContinentTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Continent(u16);

/// The text for an unknown continent.
const UNKNOWN: &str = "--";

/// No continent has a longer name, in bytes.
const LONGEST_NAME: usize = 64;

/// The continent of every country, by [`CountryCode::index`].
#[derive(Clone)]
pub struct ContinentTable {
    continents: Box<[Option<Continent>]>,
    /// By [`Continent`], as first spelled.
    names: Vec<Box<str>>,
}

impl ContinentTable {
    /// A table in which no country has a continent.
    pub fn empty() -> Self {
        Self {
            continents: vec![None; CountryCode::COUNT].into_boxed_slice(),
            names: Vec::new(),
        }
    }

    /// Reads `country_continent.csv`. A line that can't be used is a warning with its number.
    ///
    /// # Errors
    /// Reading `lines` fails.
    pub fn read(lines: impl BufRead, warnings: &mut Warnings) -> io::Result<Self> {
        // The last line of a country counts.
        let mut found: BTreeMap<CountryCode, Option<String>> = BTreeMap::new();
        let mut lines = Lines::new(lines);
        while let Some(line) = lines.next()? {
            let text = String::from_utf8_lossy(line.bytes);
            let text = text.trim();
            match parse_line(text).filter(|_| !line.too_long) {
                Some((_, Some(name))) if line.number == 1 && is_heading(name) => {}
                Some((country, name)) => {
                    found.insert(country, name.map(str::to_owned));
                }
                None if line.number == 1 || text.is_empty() => {}
                None => warnings.add(format_args!(
                    "line {}: {text:?}: expected a country and a continent, like DE,EU",
                    line.number
                )),
            }
        }
        let mut table = Self::empty();
        for (country, name) in found {
            table.set(country, name.as_deref());
        }
        Ok(table)
    }

    /// Sets the continent of a country; `None`: it has none.
    pub fn set(&mut self, country: CountryCode, name: Option<&str>) {
        let continent = name.and_then(|name| self.find_or_add(name));
        if let Some(entry) = self.continents.get_mut(country.index()) {
            *entry = continent;
        }
    }

    /// The continent of a country, if it is known.
    pub fn of(&self, country: CountryCode) -> Option<Continent> {
        self.continents.get(country.index()).copied().flatten()
    }

    /// The name of a continent of this table.
    pub fn name(&self, continent: Continent) -> &str {
        self.names.get(usize::from(continent.0)).map_or("", |name| name)
    }

    /// How many countries have a continent.
    pub fn len(&self) -> usize {
        self.continents.iter().flatten().count()
    }

    /// Whether no country has a continent.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find_or_add(&mut self, name: &str) -> Option<Continent> {
        let known = self.names.iter().position(|known| known.eq_ignore_ascii_case(name));
        // There are two names for each of 1,296 countries at most.
        let number = u16::try_from(known.unwrap_or(self.names.len())).ok()?;
        if known.is_none() {
            self.names.push(name.into());
        }
        Some(Continent(number))
    }
}

/// Reads the name of a continent. `Some(None)` is the text for an unknown one, `None` a text that is neither.
pub fn parse_continent(text: &str) -> Option<Option<&str>> {
    let text = text.trim();
    if text == UNKNOWN {
        return Some(None);
    }
    let is_name = !text.is_empty() && text.len() <= LONGEST_NAME && !text.chars().any(char::is_control);
    is_name.then_some(Some(text))
}

/// Whether a name is the heading of its column: a header line can begin with a text that looks like a country.
fn is_heading(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("contin")
}

fn parse_line(line: &str) -> Option<(CountryCode, Option<&str>)> {
    let mut fields = line.split(',').map(|field| field.trim().trim_matches('"'));
    let country = CountryCode::parse(fields.next()?)?;
    let continent = parse_continent(fields.next()?)?;
    Some((country, continent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (ContinentTable, Warnings) {
        let mut warnings = Warnings::default();
        let table = ContinentTable::read(text.as_bytes(), &mut warnings).unwrap();
        (table, warnings)
    }

    fn name<'a>(table: &'a ContinentTable, code: &str) -> Option<&'a str> {
        Some(table.name(table.of(CountryCode::parse(code).unwrap())?))
    }

    #[test]
    fn countries_have_their_continent() {
        let text = "\"iso 3166 country\",\"continent code\"\nDE,EU\n\"us\", \"na\"\r\nA1,--\n\nXX\nFR,\u{7}\nFR,eu\n";
        let (table, warnings) = read(text);
        assert_eq!(name(&table, "DE"), Some("EU"));
        assert_eq!(name(&table, "us"), Some("na"));
        assert_eq!((name(&table, "A1"), name(&table, "ZZ")), (None, None));
        let of = |code| table.of(CountryCode::parse(code).unwrap());
        assert!(of("DE") == of("FR") && of("DE") != of("US"));
        assert_eq!((table.len(), warnings.count()), (3, 2));
        assert!(warnings.first()[0].starts_with("line 6: \"XX\""));
    }

    #[test]
    fn a_continent_is_any_name_and_a_header_line_may_be_missing() {
        for header in ["", "country,continent\n", "cc,Continent\n"] {
            let (table, warnings) = read(&format!("{header}DE,Europe\nAX,Europe\nCC,South Asia\nUS,Americas\n"));
            assert_eq!((table.len(), warnings.count()), (4, 0), "{header:?}");
            let names = ["DE", "AX", "CC", "US"].map(|code| name(&table, code).unwrap());
            assert_eq!(names, ["Europe", "Europe", "South Asia", "Americas"]);
        }
    }

    #[test]
    fn the_last_of_two_lines_counts_and_what_replaces_it_is_known_by_name() {
        let (mut table, _) = read("IL,AS\nIL,Asia\nDE,Europe\n");
        assert_eq!(name(&table, "IL"), Some("Asia"));
        table.set(CountryCode::parse("IL").unwrap(), Some("EUROPE"));
        assert_eq!(name(&table, "IL"), Some("Europe"));
        table.set(CountryCode::parse("IL").unwrap(), None);
        assert_eq!((name(&table, "IL"), table.len()), (None, 1));
    }
}
