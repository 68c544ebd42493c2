//! Whether the server wants requests. It starts unready, is ready from its first snapshot until it is told to stop, and in
//! between reports if its data is too old.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::settings::ReadinessLimits;

/// The phases of a server's life, in order; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No snapshot serves yet.
    Starting,
    /// Requests are answered.
    Serving,
    /// Requests are still answered, but no more should come.
    Draining,
}

/// Whether the server wants requests, with the reason if an operator should look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadinessStatus {
    /// It wants requests.
    Ready,
    /// It wants requests, but an operator should look at it.
    Degraded(String),
    /// It wants no requests.
    Unready(String),
}

/// The phase of the server, shared by what changes it and what reports it.
#[derive(Debug)]
pub struct Readiness {
    limits: ReadinessLimits,
    phase: AtomicU8,
}

impl Readiness {
    /// Starts in [`Phase::Starting`].
    pub fn new(limits: ReadinessLimits) -> Self {
        Self {
            limits,
            phase: AtomicU8::new(Phase::Starting as u8),
        }
    }

    /// Goes on to a later phase.
    pub fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::SeqCst);
    }

    /// Whether the server is being stopped.
    pub fn is_draining(&self) -> bool {
        self.phase.load(Ordering::SeqCst) >= Phase::Draining as u8
    }

    /// Whether the server wants requests, given the age of its data.
    pub fn status(&self, data_age: Option<Duration>) -> ReadinessStatus {
        let phase = self.phase.load(Ordering::SeqCst);
        let Some(age) = data_age.filter(|_| phase >= Phase::Serving as u8) else {
            return ReadinessStatus::Unready("no data is loaded yet".to_owned());
        };
        if phase >= Phase::Draining as u8 {
            return ReadinessStatus::Unready("the server is stopping".to_owned());
        }
        match self.limits.max_data_age {
            Some(limit) if age > limit => {
                let reason = format!("the cache is {} s old, more than {} s", age.as_secs(), limit.as_secs());
                match self.limits.unready_when_stale {
                    true => ReadinessStatus::Unready(reason),
                    false => ReadinessStatus::Degraded(reason),
                }
            }
            _ => ReadinessStatus::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YOUNG: Option<Duration> = Some(Duration::from_secs(10));
    const OLD: Option<Duration> = Some(Duration::from_secs(100));

    fn with_limits(max_data_age: Option<u64>, unready_when_stale: bool) -> Readiness {
        Readiness::new(ReadinessLimits {
            max_data_age: max_data_age.map(Duration::from_secs),
            unready_when_stale,
        })
    }

    #[test]
    fn a_server_is_ready_from_its_first_data_until_it_stops() {
        let readiness = with_limits(None, false);
        assert!(matches!(readiness.status(None), ReadinessStatus::Unready(_)));
        readiness.enter(Phase::Serving);
        assert_eq!(readiness.status(OLD), ReadinessStatus::Ready);
        readiness.enter(Phase::Draining);
        readiness.enter(Phase::Serving);
        assert!(matches!(readiness.status(YOUNG), ReadinessStatus::Unready(_)));
    }

    #[test]
    fn old_data_degrades_or_stops_readiness_as_set() {
        for unready in [false, true] {
            let readiness = with_limits(Some(60), unready);
            readiness.enter(Phase::Serving);
            assert_eq!(readiness.status(YOUNG), ReadinessStatus::Ready);
            let is_degraded = matches!(readiness.status(OLD), ReadinessStatus::Degraded(_));
            assert_eq!(is_degraded, !unready);
        }
    }
}
