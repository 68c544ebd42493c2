//! The end of a rule: a date-time with its offset from UTC, or a date, whose last second counts.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use toml::Value;
use toml::value::{Datetime, Offset};

use crate::clock::since_epoch;

/// When a rule ends, in seconds since the Unix epoch: from then on it does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Until(u64);

const DAY: u64 = 86_400;

const EXPECTED: &str = "expected a date like 2026-12-31 (that day in UTC still counts) or a time with its offset like 2026-12-31T12:00:00Z";

impl Until {
    /// The first second at which the rule does nothing, since the Unix epoch.
    pub fn second(self) -> u64 {
        self.0
    }

    fn of(time: &Datetime) -> Option<Self> {
        let date = time.date?;
        let clock = match (time.time, time.offset) {
            (Some(clock), Some(_)) => Some(clock),
            (None, None) => None,
            _ => return None,
        };
        let [hour, minute, second] = clock.map_or([0; 3], |time| [time.hour, time.minute, time.second.unwrap_or(0)]);
        let utc = format!("{date}T{hour:02}:{minute:02}:{second:02}Z");
        let start = since_epoch(humantime::parse_rfc3339(&utc).ok()?);
        let minutes = match time.offset {
            Some(Offset::Custom { minutes }) => i64::from(minutes),
            Some(Offset::Z) | None => 0,
        };
        let whole_day = Duration::from_secs(if clock.is_none() { DAY } else { 0 });
        let end = (start + whole_day).as_secs().checked_add_signed(-60 * minutes)?;
        Some(Self(end))
    }
}

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let time = match &value {
            Value::Datetime(time) => Some(*time),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let until = time.and_then(|time| Self::of(&time));
        until.ok_or_else(|| match &value {
            Value::Datetime(time) => D::Error::custom(format_args!("until = {time}: {EXPECTED}")),
            Value::String(text) => D::Error::custom(format_args!("until = {text:?}: {EXPECTED}")),
            _ => D::Error::custom(format_args!("until: {EXPECTED}")),
        })
    }
}
