//! How old data is, by clocks that can be wrong, this machine's or another's: one rule for the server, `check` and the
//! generator.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::clock::since_epoch;

/// A time further ahead of this machine's clock than this is wrong: synchronised clocks differ by less than a second.
pub const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);

/// This machine's clock, in seconds since the Unix epoch; 0 while it shows a time before that.
pub fn now() -> u64 {
    since_epoch(SystemTime::now()).as_secs()
}

/// The age of something that was made at `created`, both in seconds since the Unix epoch. It is never negative.
pub fn age(created: u64, now: u64) -> Duration {
    Duration::from_secs(now.saturating_sub(created))
}

/// Whether a time is so far ahead of the clock that it is wrong. Data that is made later can still have an earlier time.
pub fn is_ahead(created: u64, now: u64) -> bool {
    created.saturating_sub(now) > MAX_AHEAD.as_secs()
}

/// Checks the time at which a cache says that it was made.
///
/// # Errors
/// If it is more than [`MAX_AHEAD`] ahead of the clock.
pub fn check_created(created: u64, now: u64) -> Result<(), CreatedAhead> {
    if is_ahead(created, now) {
        return Err(CreatedAhead { created, now });
    }
    Ok(())
}

/// A cache that is from the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it says that it was made at {}, which is {} s ahead of this machine's clock ({}); set the clock right, here or where \
     the cache was made, and make the cache again",
    Utc(*.created),
    .created.saturating_sub(*.now),
    Utc(*.now)
)]
pub struct CreatedAhead {
    created: u64,
    now: u64,
}

/// Seconds since the Unix epoch, written as a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(seconds) = *self;
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        // HTTP dates end with the year 9999.
        match time.filter(|_| seconds < 253_402_300_800) {
            Some(time) => f.write_str(&httpdate::fmt_http_date(time)),
            None => write!(f, "{seconds} s after 1970"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_ahead_are_accepted_and_not_a_second_more() {
        assert_eq!(check_created(1_300, 1_000), Ok(()));
        let error = check_created(1_301, 1_000).unwrap_err().to_string();
        assert!(
            error.contains("00:21:41 GMT, which is 301 s ahead") && error.contains("00:16:40"),
            "{error}"
        );
        for created in [0, 1, 1_000] {
            assert_eq!(check_created(created, 1_000), Ok(()));
        }
        let error = check_created(u64::MAX, 0).unwrap_err().to_string();
        assert!(error.contains("18446744073709551615 s after 1970"), "{error}");
    }

    #[test]
    fn no_age_is_negative() {
        assert_eq!(age(1_001, 1_000), Duration::ZERO);
        assert_eq!(age(900, 1_000), Duration::from_secs(100));
    }
}
