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

    let mut written = String::new();
    for &country in &*COUNTRIES {
        if let Some(continent) = table.of(country) {
            writeln!(written, "{country},{continent}").unwrap();
        }
    }
    assert_eq!(written.lines().count(), table.len());
    let mut warnings = Warnings::default();
    let again = ContinentTable::read(written.as_bytes(), &mut warnings).unwrap();
    assert_eq!(warnings.count(), 0, "{:?}", warnings.first());
    for &country in &*COUNTRIES {
        assert_eq!(table.of(country), again.of(country), "{country}");
    }
}

/// Every country code there can be.
static COUNTRIES: LazyLock<Vec<CountryCode>> = LazyLock::new(|| {
    let characters = || (b'0'..=b'9').chain(b'A'..=b'Z').map(char::from);
    let codes = characters().flat_map(|first| characters().map(move |second| format!("{first}{second}")));
    codes.filter_map(|code| CountryCode::parse(&code)).collect()
});
