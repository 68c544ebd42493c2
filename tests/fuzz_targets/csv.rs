//! `country_continent.csv`: a table that is written out reads as the same table.

use std::fmt::Write as _;
use std::sync::LazyLock;

use mirrorlist_server::geo::{ContinentTable, CountryCode};
use mirrorlist_server::warnings::Warnings;

use super::assert_one_line;

/// The bytes are a file.
pub(crate) fn check(bytes: &[u8]) {
    let mut warnings = Warnings::default();
    let table = match ContinentTable::read(bytes, &mut warnings) {
        Ok(table) => table,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    for warning in warnings.first() {
        assert_one_line(warning);
    }
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
    assert!((table.len() as u64).saturating_add(warnings.count()) <= lines);

    let named: Vec<(CountryCode, &str)> = COUNTRIES
        .iter()
        .filter_map(|country| Some((*country, table.name(table.of(*country)?))))
        .collect();
    assert_eq!(named.len(), table.len());
    for (country, name) in &named {
        let is_name = !name.is_empty() && !name.contains(|c: char| c == ',' || c.is_control());
        assert!(is_name && *name == name.trim(), "{country}: {name:?}");
    }
    // A quotation mark inside a name would be taken for one around it.
    if !named.iter().any(|(_, name)| name.contains('"')) {
        assert_reads_the_same(&named);
    }
}

/// Asserts that these countries' continents are the same after they are written out and read.
fn assert_reads_the_same(named: &[(CountryCode, &str)]) {
    let mut written = "country,continent\n".to_owned();
    for (country, name) in named {
        writeln!(written, "{country},{name}").unwrap();
    }
    let mut warnings = Warnings::default();
    let table = ContinentTable::read(written.as_bytes(), &mut warnings).unwrap();
    assert_eq!((table.len(), warnings.count()), (named.len(), 0), "{written:?}");
    for (country, name) in named {
        assert_eq!(
            table.of(*country).map(|continent| table.name(continent)),
            Some(*name),
            "{country}"
        );
    }
}

/// Every country code there can be.
static COUNTRIES: LazyLock<Vec<CountryCode>> = LazyLock::new(|| {
    let characters = || (b'0'..=b'9').chain(b'A'..=b'Z').map(char::from);
    let codes = characters().flat_map(|first| characters().map(move |second| format!("{first}{second}")));
    codes.filter_map(|code| CountryCode::parse(&code)).collect()
});
