//! The time as answers and the access log write it, formatted once a second.

use std::time::{Duration, SystemTime};

/// A clock that keeps what it last formatted.
#[derive(Debug, Default)]
pub struct Clock {
    /// The second at which the clock stands still, if it does.
    fixed: Option<u64>,
    second: Option<u64>,
    http_date: String,
    date: String,
}

impl Clock {
    /// A clock that stands still at this second since the Unix epoch, for answers that can be compared.
    pub fn fixed(second: u64) -> Self {
        Self {
            fixed: Some(second),
            ..Self::default()
        }
    }

    /// Sets the clock to the current time.
    pub(super) fn tick(&mut self) {
        self.set(self.fixed.unwrap_or_else(|| since_epoch(SystemTime::now()).as_secs()));
    }

    fn set(&mut self, second: u64) {
        if self.second == Some(second) {
            return;
        }
        self.second = Some(second);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        self.http_date = httpdate::fmt_http_date(now);
        self.date = humantime::format_rfc3339_seconds(now).to_string();
        self.date.truncate("2026-01-31".len());
    }

    /// The time of the last tick in seconds since the Unix epoch.
    pub(super) fn second(&self) -> u64 {
        self.second.unwrap_or_default()
    }

    /// The time of the last tick like `Sat, 31 Jan 2026 23:59:59 GMT`.
    pub(super) fn http_date(&self) -> &str {
        &self.http_date
    }

    /// The day of the last tick in UTC like `2026-01-31`.
    pub(super) fn date(&self) -> &str {
        &self.date
    }
}

/// The time since the Unix epoch. A time before it counts as the epoch.
pub(crate) fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_turns_both_dates() {
        let mut clock = Clock::default();
        for (second, http_date, date) in [
            (1_769_903_999, "Sat, 31 Jan 2026 23:59:59 GMT", "2026-01-31"),
            (1_769_904_000, "Sun, 01 Feb 2026 00:00:00 GMT", "2026-02-01"),
        ] {
            clock.set(second);
            assert_eq!((clock.http_date(), clock.date()), (http_date, date));
        }
    }
}
