//! The comment line of a mirrorlist, word by word: countries can come in any order, since that of a continent's is free.

use super::classes::{Class, Difference};

/// librepo reads lines of 4,096 bytes; this server cuts longer ones at about 4,000.
const LONG: usize = 3_900;

/// A comment line without its countries, and these, sorted.
fn split(line: &str) -> (String, Vec<&str>) {
    let mut countries = Vec::new();
    let mut rest = Vec::new();
    let mut words = line.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        let mut ahead = words.clone();
        match (word, ahead.next(), ahead.next()) {
            ("country", Some("="), Some(country)) => {
                countries.push(country);
                words = ahead;
            }
            _ => rest.push(word),
        }
    }
    countries.sort_unstable();
    (rest.join(" "), countries)
}

/// Compares two comment lines. With `chosen_otherwise`, the mirrors are known to differ, so that other countries are no further
/// difference.
pub(super) fn compare(here: &str, there: &str, chosen_otherwise: bool) -> Option<Difference> {
    let (rest, mut countries) = split(here);
    let (their_rest, mut their_countries) = split(there);
    if rest == their_rest && (countries == their_countries || chosen_otherwise) {
        return None;
    }
    let class = if there.len() > LONG && here.len() < there.len() {
        Class::LongComment
    } else {
        // Of several spellings this server names the first.
        let spelled_alike = countries.iter().all(|country| their_countries.contains(country));
        for countries in [&mut countries, &mut their_countries] {
            countries.sort_unstable_by_key(|country| country.to_ascii_lowercase());
            countries.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
        }
        let same = countries.len() == their_countries.len()
            && countries
                .iter()
                .zip(&their_countries)
                .all(|(one, other)| one.eq_ignore_ascii_case(other));
        match rest == their_rest && spelled_alike && same {
            true => Class::CountryOnce,
            false => Class::Comment,
        }
    };
    Some(Difference::here_there(class, here, there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_come_in_any_order_and_a_line_that_is_cut_is_known() {
        let here = "# repo = a arch = b country = DE country = FR country = global protocol = http";
        let there = "# repo = a arch = b country = FR country = global country = DE protocol = http";
        let long = format!("# path = {}", "x".repeat(4_000));
        for (here, there, class) in [
            (here, there, None),
            (here, &format!("{there} country = DE"), Some(Class::CountryOnce)),
            (here, &format!("{there} country = de"), Some(Class::CountryOnce)),
            (here, &there.replace("DE", "de"), Some(Class::Comment)),
            (here, &format!("{there} country = IT"), Some(Class::Comment)),
            (here, &there.replace("repo = a", "repo = c"), Some(Class::Comment)),
            (&long[..1_200], &long, Some(Class::LongComment)),
        ] {
            assert_eq!(
                compare(here, there, false).map(|difference| difference.class),
                class,
                "{there}"
            );
        }
        assert_eq!(compare(here, &there.replace("DE", "IT"), true), None);
    }
}
