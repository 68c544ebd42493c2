//! The values of a rule's keys. Each type reads itself from TOML, so that a mistake is reported at its own line and column.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Deref;

use glob::{Pattern, PatternError};
use ip_network::IpNetwork;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Visitor};

use super::items::items;
use crate::cache::url::Protocol;
use crate::geo::{AsNumber, CountryCode, network};

/// A number or a text.
enum Scalar {
    Number(i64),
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// Makes a value of a [`Scalar`], or says what is wrong with it.
struct Parser<T>(fn(&Scalar) -> Result<T, String>);

impl<T> Parser<T> {
    /// TOML's reader gives an error the place of the value only if it happens here.
    fn parse<E: Error>(&self, scalar: &Scalar) -> Result<T, E> {
        (self.0)(scalar).map_err(|problem| E::custom(format_args!("{scalar}: {problem}")))
    }
}

impl<T> Visitor<'_> for Parser<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.parse(&Scalar::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        self.parse(&Scalar::Text(text.to_owned()))
    }
}

/// Implements `Deserialize` for types that are made of a [`Scalar`], or say what is expected instead.
macro_rules! scalars {
    ($($Type:ty = $parse:expr, expected $expected:literal;)*) => {$(
        impl<'de> Deserialize<'de> for $Type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Parser(|scalar| {
                    let parse: fn(&Scalar) -> Option<Self> = $parse;
                    parse(scalar).ok_or_else(|| concat!("expected ", $expected).to_owned())
                }))
            }
        }
    )*};
}

/// The name of a rule: it is unique in its file, not empty, at most 100 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuleName(String);

impl RuleName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// No name is longer, in characters: it is a label of a metric.
const LONGEST_NAME: usize = 100;

/// An AS number, `64496` or `"AS64496"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleAs(pub AsNumber);

/// A country's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleCountry(pub CountryCode);

/// A country's code, or `"*"` for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RulePlace {
    /// All countries.
    Everywhere,
    /// One country.
    Country(CountryCode),
}

/// A host, by MirrorManager2's id or by the name in one of its URLs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostRef {
    /// The id.
    Id(i64),
    /// The name, in lower case.
    Name(Box<str>),
}

impl fmt::Display for HostRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Hosts that are left out: one, or all in a country.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwanted {
    /// One host.
    Host(HostRef),
    /// All hosts of a country.
    Country(CountryCode),
}

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleProtocol(pub Protocol);

/// A number of hosts, 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtLeastOne(pub NonZeroUsize);

/// A number of hosts, 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostCount(pub usize);

/// A weight in the weighted shuffles, in the place of a bandwidth in Mbit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight(pub u32);

scalars! {
    RuleName = |scalar| match scalar {
        Scalar::Text(text) if is_name(text) => Some(Self(text.clone())),
        _ => None,
    }, expected "a name of 1 to 100 characters without control characters, like \"ci-farm\"";

    RuleAs = |scalar| match scalar {
        Scalar::Number(number) => as_number(*number),
        Scalar::Text(text) => {
            let text = text.trim();
            let digits = text.get(..2).filter(|start| start.eq_ignore_ascii_case("as")).map_or(text, |_| text.split_at(2).1);
            number(digits).and_then(as_number)
        }
    }, expected "an AS number from 1 to 4294967295, like 64496 or \"AS64496\"";

    RuleCountry = |scalar| country(scalar).map(Self), expected "the code of a country, like \"DE\"";

    RulePlace = |scalar| match scalar {
        Scalar::Text(text) if text == "*" => Some(Self::Everywhere),
        _ => country(scalar).map(Self::Country),
    }, expected "the code of a country, like \"DE\", or \"*\" for everywhere";

    HostRef = host, expected "a host name without scheme, port and path, like \"mirror.example.org\", or a host's id, like 17";

    Unwanted = |scalar| match scalar {
        Scalar::Text(text) if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && CountryCode::parse(text).is_some() => {
            CountryCode::parse(text).map(Self::Country)
        }
        _ => host(scalar).map(Self::Host),
    }, expected "a host name like \"mirror.example.org\", a host's id like 17, or the code of a country like \"DE\"";

    RuleProtocol = |scalar| match scalar {
        Scalar::Text(text) => Protocol::parse(text.trim()).map(Self),
        Scalar::Number(_) => None,
    }, expected "one of \"https\", \"http\", \"ftp\", \"rsync\"";

    AtLeastOne = |scalar| count(scalar).and_then(NonZeroUsize::new).map(Self), expected "a number of hosts, at least 1";

    HostCount = |scalar| count(scalar).map(Self), expected "a number of hosts, 0 or more";

    Weight = |scalar| match scalar {
        Scalar::Number(number) => u32::try_from(*number).ok().filter(|weight| (1..=MOST_WEIGHT).contains(weight)).map(Self),
        Scalar::Text(_) => None,
    }, expected "a weight from 1 to 1000000, which replaces the bandwidth in Mbit/s";
}

/// The largest weight. The largest bandwidth in a cache is 10,000.
const MOST_WEIGHT: u32 = 1_000_000;

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= LONGEST_NAME && !text.contains(char::is_control)
}

fn as_number(number: i64) -> Option<RuleAs> {
    AsNumber::new(u32::try_from(number).ok()?).map(RuleAs)
}

/// A number of digits only.
fn number(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn country(scalar: &Scalar) -> Option<CountryCode> {
    match scalar {
        Scalar::Text(text) => CountryCode::parse(text),
        Scalar::Number(_) => None,
    }
}

fn count(scalar: &Scalar) -> Option<usize> {
    match scalar {
        Scalar::Number(number) => usize::try_from(*number).ok(),
        Scalar::Text(_) => None,
    }
}

fn host(scalar: &Scalar) -> Option<HostRef> {
    let text = match scalar {
        Scalar::Number(number) => return Some(HostRef::Id(*number)),
        Scalar::Text(text) => text.trim(),
    };
    if let Some(id) = number(text) {
        return Some(HostRef::Id(id));
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_address = || text.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok();
    let is_name = !text.is_empty() && (text.bytes().all(is_part) || is_address());
    is_name.then(|| HostRef::Name(text.trim_matches(['[', ']']).to_ascii_lowercase().into()))
}

/// A network in any of its spellings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleNetwork(pub IpNetwork);

impl<'de> Deserialize<'de> for RuleNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parser(|scalar| match scalar {
            Scalar::Text(text) => network::parse(text).map(Self).map_err(|problem| problem.to_string()),
            Scalar::Number(_) => Err("expected a network like \"192.0.2.0/24\"".to_owned()),
        }))
    }
}

/// A pattern for the prefix of a repository or the path of a directory: `*` stands for any characters, `/` included, `?` for one,
/// `[ab]` for one of some.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Glob {
    pattern: Pattern,
    /// The text before the first special character.
    start: Box<str>,
    /// The text after the last one.
    end: Box<str>,
}

/// No pattern is longer, in bytes.
const LONGEST_GLOB: usize = 500;

impl Glob {
    fn new(written: &str) -> Result<Self, PatternError> {
        let text = &*with_single_stars(written);
        let first = text.find(['*', '?', '[']).unwrap_or(text.len());
        let after_last = text.rfind(['*', '?', '[', ']']).map_or(0, |last| last + 1);
        let ((start, _), (_, end)) = (text.split_at(first), text.split_at(after_last));
        Ok(Self {
            pattern: Pattern::new(text)?,
            start: start.into(),
            end: end.into(),
        })
    }

    /// Whether the pattern matches a whole text.
    ///
    /// Optimised: most patterns differ from most texts at one end, which takes a hundredth of the time to see.
    pub fn matches(&self, text: &str) -> bool {
        text.starts_with(&*self.start) && text.ends_with(&*self.end) && self.pattern.matches(text)
    }

    /// The pattern as it was written, but for stars that follow a star.
    pub fn as_str(&self) -> &str {
        self.pattern.as_str()
    }
}

/// A pattern with one star for several in a row, which mean the same: the crate reads `**` as folders.
fn with_single_stars(pattern: &str) -> String {
    let mut last = None;
    let is_kept = |c: &char| last.replace(*c) != Some('*') || *c != '*';
    pattern.chars().filter(is_kept).collect()
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parser(|scalar| {
            let expected = || format!("expected a pattern of 1 to {LONGEST_GLOB} bytes, like \"epel-*\"");
            let Scalar::Text(text) = scalar else {
                return Err(expected());
            };
            let text = text.trim_matches('/');
            if text.is_empty() || text.len() > LONGEST_GLOB {
                return Err(expected());
            }
            Self::new(text).map_err(|problem| format!("{problem}; {}", expected()))
        }))
    }
}

/// A list with at least one value: an empty one could mean none or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(Vec<T>);

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = items(deserializer, "a list in brackets, like [\"one\", \"two\"]")?;
        if values.is_empty() {
            return Err(D::Error::custom(
                "the list is empty; leave the key out or name something",
            ));
        }
        Ok(Self(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_with_many_stars_is_matched_in_no_time() {
        let stars = "*a".repeat(100);
        for (pattern, matches) in [(format!("{stars}*b"), false), (format!("{stars}*"), true)] {
            let glob = Glob::new(&pattern).unwrap();
            assert_eq!(glob.matches(&"a".repeat(2_000)), matches);
        }
    }

    #[test]
    fn a_star_stands_for_slashes_and_dots_too() {
        for (pattern, text, matches) in [
            ("pub/*/os", "pub/a/b/.c/os", true),
            ("pub/**/os", "pub/a/b/.c/os", true),
            ("pub/**/os", "pub/os", false),
            ("a**b***", "aXb", true),
            ("a[**]b", "a*b", true),
            ("epel-*", "epel-", true),
            ("epel-?", "epel-", false),
            ("[!x]*", "a/b", true),
            ("EPEL", "epel", false),
            ("epel", "epel", true),
            ("epel", "epel-epel", false),
            ("ab*ba", "aba", false),
            ("a]b", "a]b", true),
            ("a[]]b", "a]b", true),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(text), matches, "{pattern} {text}");
        }
    }
}
