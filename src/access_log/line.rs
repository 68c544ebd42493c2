//! A line of the access log: fields without white space, from which MirrorManager2 makes its statistics.
//!
//! `IP: 192.0.2.1; DATE: 2026-01-31; COUNTRY: US; REPO: fedora-41; ARCH: x86_64`

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::mirrorlist::answer::AnsweredRepository;

/// MirrorManager2 stores a field in a column of this many characters.
const FIELD_LIMIT: usize = 255;

/// The line of an answered request, with its line end. `date` is the day in UTC like `2026-01-31`.
pub(super) fn format_line(address: IpAddr, date: &str, answered: &AnsweredRepository<'_>) -> String {
    let mut line = String::with_capacity(128);
    let country = answered.country.as_ref().map_or("N/A", |country| country.as_str());
    // Writing to a String can't fail.
    let _ = write!(line, "IP: {address}; DATE: {date}; COUNTRY: {country}; REPO: ");
    push_field(answered.repo, &mut line);
    line.push_str("; ARCH: ");
    push_field(answered.arch, &mut line);
    line.push('\n');
    line
}

/// Appends a field: never empty, without white space (which separates fields) or control characters, and not too long.
fn push_field(text: &str, line: &mut String) {
    if text.len() <= FIELD_LIMIT && !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        line.push_str(text);
        return;
    }
    if text.is_empty() {
        line.push('_');
    }
    let clean = |c: char| if c.is_whitespace() || c.is_control() { '_' } else { c };
    line.extend(text.chars().take(FIELD_LIMIT).map(clean));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::CountryCode;

    fn line(country: &str, repo: &str, arch: &str) -> String {
        let country = CountryCode::parse(country);
        let answered = AnsweredRepository { country, repo, arch };
        format_line("192.0.2.1".parse().unwrap(), "2026-01-31", &answered)
    }

    #[test]
    fn a_line_is_what_the_statistics_read() {
        assert_eq!(
            line("US", "fedora-41", "x86_64"),
            "IP: 192.0.2.1; DATE: 2026-01-31; COUNTRY: US; REPO: fedora-41; ARCH: x86_64\n"
        );
        assert_eq!(line("", "a", "b").split_whitespace().nth(5), Some("N/A;"));
    }

    #[test]
    fn no_field_breaks_a_line() {
        for bad in ["a b", "a\nb", "a\u{85}b", "a\u{2003}b", "a\0b"] {
            let line = line("US", bad, "x");
            assert_eq!(line.split_whitespace().collect::<Vec<_>>()[7], "a_b;", "{bad:?}");
            assert_eq!(line.matches('\n').count(), 1);
        }
        let words = line("US", &"é".repeat(300), "");
        let words: Vec<&str> = words.split_whitespace().collect();
        assert_eq!(words[7].chars().count(), FIELD_LIMIT + 1);
        assert_eq!(words[9], "_");
    }
}
