//! Limits log lines about frequent events: one line in an interval, with the number of events since the last one.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Decides when a line about a kind of event is due.
pub(crate) struct Throttle {
    every: Duration,
    state: Mutex<Unlogged>,
}

#[derive(Default)]
struct Unlogged {
    /// When the last line was due.
    last: Option<Instant>,
    /// Events since then.
    events: u64,
}

impl Throttle {
    /// Allows one line in this time.
    pub(crate) fn new(every: Duration) -> Self {
        let state = Mutex::default();
        Self { every, state }
    }

    /// Counts an event. Returns the number of events that are not logged yet if a line is due.
    pub(crate) fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        state.events += 1;
        if state.last.is_some_and(|last| now.duration_since(last) < self.every) {
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_of_all_events_since_the_one_before() {
        let (throttle, now) = (Throttle::new(Duration::from_secs(60)), Instant::now());
        assert_eq!(throttle.count(now), Some(1));
        assert!((0..59).all(|second| throttle.count(now + Duration::from_secs(second)).is_none()));
        assert_eq!(throttle.count(now + Duration::from_secs(60)), Some(60));
        assert_eq!(throttle.count(now + Duration::from_secs(61)), None);
    }
}
