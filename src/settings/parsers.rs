//! One parser per kind of value, so that `12.5%`, `5` and `90s` mean the same in every setting of both programs. An error says
//! what is expected; the setting, the text and its origin are added by who asks.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::setting::Expected;
use super::values::{AccessLogTarget, AdminAddress, AllowedHosts, Share, TrustedProxies};
use crate::geo::network;

/// The longest time that a program waits for anything, which leaves room to add to it.
pub(super) const YEAR: Duration = Duration::from_secs(31_557_600);

/// Longer times could not be added to a clock.
const CENTURY: Duration = Duration::from_secs(100 * 31_557_600);

/// A number, described with its unit and range.
pub(super) fn number<T: FromStr>(text: &str, expected: &'static str) -> Result<T, Expected> {
    text.trim().parse().map_err(|_| expected.into())
}

/// A percentage from 0% to 100%, with or without its sign.
pub(super) fn share(text: &str) -> Result<Share, Expected> {
    let text = text.trim();
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let share = number.parse().ok().and_then(Share::of_percent);
    share.ok_or_else(|| "a percentage from 0% to 100%, like 25% or 12.5%".into())
}

/// A time of at most a hundred years: a number with units, or seconds without one.
pub(super) fn time(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::ZERO..=CENTURY)
}

/// A time in a range.
pub(super) fn time_in(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Expected> {
    let text = text.trim();
    let time = match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    time.filter(|time| range.contains(time)).ok_or_else(|| {
        let [from, to] = [*range.start(), *range.end()].map(humantime::format_duration);
        format!("a time from {from} to {to}, like 500ms, 90s or 15m").into()
    })
}

/// A limit of time that is measured in seconds or more.
pub(super) fn limit(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::from_secs(1)..=YEAR)
}

/// How long a step of a connection may take.
pub(super) fn deadline(text: &str) -> Result<Duration, Expected> {
    time_in(text, Duration::from_millis(100)..=Duration::from_secs(3_600))
}

/// The path of a file.
pub(super) fn path(text: &str) -> Result<PathBuf, Expected> {
    let path = Path::new(text);
    let file = path.file_name().map(|_| path.to_owned());
    file.ok_or_else(|| "the path of a file".into())
}

/// An IP address, IPv6 with or without brackets.
pub(super) fn ip_address(text: &str) -> Result<IpAddr, Expected> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse();
    address.map_err(|_| "an IP address like 127.0.0.1 or ::1".into())
}

/// An IP address and a port.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Expected> {
    let address = text.trim().parse();
    address.map_err(|_| "an address and port like 127.0.0.1:9180".into())
}

/// An address and port, or the path of a Unix socket.
pub(super) fn admin_address(text: &str) -> Result<AdminAddress, Expected> {
    if text.starts_with('/') {
        return Ok(AdminAddress::Unix(text.into()));
    }
    let address = text.parse().map(AdminAddress::Tcp);
    address.map_err(|_| "an address and port like 127.0.0.1:3001, the path of a Unix socket".into())
}

/// A file, or `-` for standard output.
pub(super) fn access_log(text: &str) -> Result<AccessLogTarget, Expected> {
    if text == "-" {
        return Ok(AccessLogTarget::Stdout);
    }
    let file = path(text).map(AccessLogTarget::File);
    file.map_err(|_| "a file, or - for standard output".into())
}

/// A comma list of host names.
pub(super) fn host_names(text: &str) -> Result<AllowedHosts, Expected> {
    AllowedHosts::parse(text).ok_or_else(|| "a comma list of host names without ports".into())
}

/// A comma list of networks.
pub(super) fn networks(text: &str) -> Result<TrustedProxies, Expected> {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let networks = texts
        .map(|text| network::parse(text).map_err(|problem| Expected::from(format!("networks: {text:?}: {problem}"))));
    networks.collect::<Result<_, _>>().map(TrustedProxies::new)
}

/// A URL that requests of a mirrorlist are appended to, without slashes at its end.
pub(super) fn base_url(text: &str) -> Result<String, Expected> {
    let is_base = |uri: &ureq::http::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && !text.contains(['#', '@'])
    };
    match text.parse() {
        Ok(uri) if is_base(&uri) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("a URL of http or https without a query, like http://127.0.0.1:18081".into()),
    }
}

/// One of some words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Expected> {
    let chosen = choices.iter().find(|(name, _)| *name == text);
    chosen.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("one of {}", names.join(", ")).into()
    })
}

/// Whether something is on.
pub(super) fn on_or_off(text: &str) -> Result<bool, Expected> {
    choice(text, &[("true", true), ("false", false), ("on", true), ("off", false)])
}

/// A value, or nothing for an empty text.
pub(super) fn optional<T>(text: &str, parse: fn(&str) -> Result<T, Expected>) -> Result<Option<T>, Expected> {
    match text {
        "" => Ok(None),
        text => parse(text).map(Some),
    }
}

/// A value, or nothing for `off`.
pub(super) fn or_off<T>(text: &str, parse: fn(&str) -> Result<T, Expected>) -> Result<Option<T>, Expected> {
    match text {
        "off" => Ok(None),
        text => parse(text)
            .map(Some)
            .map_err(|expected| format!("{expected}, or off").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units_or_seconds() {
        for (text, milliseconds) in [
            ("90s", 90_000),
            ("5", 5_000),
            ("0", 0),
            ("500ms", 500),
            ("1m 30s", 90_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "soon", "-1", "1.5", "200years"] {
            let expected = time(text).unwrap_err();
            assert_eq!(expected, "a time from 0s to 100years, like 500ms, 90s or 15m", "{text}");
        }
        assert!(time_in("50ms", Duration::from_secs(1)..=YEAR).is_err());
    }

    #[test]
    fn shares_are_percentages() {
        for (text, shown) in [("25", "25%"), ("12.5%", "12.5%"), ("0 %", "0%"), ("100%", "100%")] {
            assert_eq!(share(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["", "%", "101%", "-1", "NaN", "inf", "a quarter"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_loss_of_the_allowed_share_passes_and_of_one_more_does_not() {
        for (allowed, before, kept) in [("25%", 100, 75), ("43", 100, 57), ("12.5 %", 1_000, 875), ("0%", 7, 7)] {
            let allowed = share(allowed).unwrap();
            assert!(!allowed.is_exceeded_by_loss(before, kept), "{allowed}");
            assert!(allowed.is_exceeded_by_loss(before, kept - 1), "{allowed}");
        }
    }

    #[test]
    fn a_base_is_a_url_without_a_query() {
        for (text, base) in [
            ("http://127.0.0.1:18081", "http://127.0.0.1:18081"),
            ("https://mirrors.example/prefix/", "https://mirrors.example/prefix"),
            ("http://[::1]:3000/", "http://[::1]:3000"),
        ] {
            assert_eq!(base_url(text), Ok(base.to_owned()), "{text}");
        }
        for text in [
            "a.example",
            "a.example:80",
            "ftp://a.example",
            "http://",
            "http://a/?x",
            "http://user:secret@a/",
            "/a",
            "",
        ] {
            assert!(base_url(text).is_err(), "{text}");
        }
    }
}
