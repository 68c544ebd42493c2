//! Whether the server wants requests. It begins unready, is ready from the first snapshot that serves until it is told to stop,
//! and in between says so if its data is too old.

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

/// Whether the server wants requests, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does, but somebody should look at it.
    Degraded(String),
    /// It does not.
    Unready(String),
}

/// Keeps the phase.
#[derive(Debug)]
pub struct Gate {
    limits: ReadinessLimits,
    phase: AtomicU8,
}

impl Gate {
    /// A server that starts.
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
    pub fn readiness(&self, data_age: Option<Duration>) -> Readiness {
        let phase = self.phase.load(Ordering::SeqCst);
        let Some(age) = data_age.filter(|_| phase >= Phase::Serving as u8) else {
            return Readiness::Unready("no data is loaded yet".to_owned());
        };
        if phase >= Phase::Draining as u8 {
            return Readiness::Unready("the server is stopping".to_owned());
        }
        match self.limits.max_data_age {
            Some(limit) if age > limit => {
                let reason = format!("the cache is {} s old, more than {} s", age.as_secs(), limit.as_secs());
                if self.limits.unready_when_stale {
                    Readiness::Unready(reason)
                } else {
                    Readiness::Degraded(reason)
                }
            }
            _ => Readiness::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YOUNG: Option<Duration> = Some(Duration::from_secs(10));
    const OLD: Option<Duration> = Some(Duration::from_secs(100));

    fn gate(max_data_age: Option<u64>, unready_when_stale: bool) -> Gate {
        Gate::new(ReadinessLimits {
            max_data_age: max_data_age.map(Duration::from_secs),
            unready_when_stale,
        })
    }

    #[test]
    fn a_server_is_ready_from_its_first_data_until_it_stops() {
        let gate = gate(None, false);
        assert!(matches!(gate.readiness(None), Readiness::Unready(_)));
        gate.enter(Phase::Serving);
        assert_eq!(gate.readiness(OLD), Readiness::Ready);
        gate.enter(Phase::Draining);
        gate.enter(Phase::Serving);
        assert!(matches!(gate.readiness(YOUNG), Readiness::Unready(_)));
    }

    #[test]
    fn old_data_degrades_or_stops_readiness_as_set() {
        for (unready, expected_degraded) in [(false, true), (true, false)] {
            let gate = gate(Some(60), unready);
            gate.enter(Phase::Serving);
            assert_eq!(gate.readiness(YOUNG), Readiness::Ready);
            assert_eq!(matches!(gate.readiness(OLD), Readiness::Degraded(_)), expected_degraded);
        }
    }
}
