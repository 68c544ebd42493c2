//! The sample data of compose.yaml: its GeoIP database is what this writes.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a step that fails fails the test")]

mod support;

use std::fs;
use std::path::Path;

use support::mmdb::mmdb;

const FOLDER: &str = "compose/data";

/// The documentation networks, shared out among countries that have mirrors.
const COUNTRIES: [(&str, &str); 5] = [
    ("192.0.2.0/24", "DE"),
    ("198.51.100.0/24", "US"),
    ("203.0.113.0/24", "JP"),
    ("203.0.113.128/25", "BR"),
    ("2001:db8::/32", "FR"),
];

#[test]
fn the_geoip_database_is_written_by_this_test() {
    let path = Path::new(FOLDER).join("country.mmdb");
    let bytes = mmdb(&COUNTRIES);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &bytes).unwrap();
    }
    assert!(
        fs::read(&path).unwrap_or_default() == bytes,
        "{}: UPDATE_GOLDEN=1 writes it anew",
        path.display()
    );
}
