//! The time of the next run: `--interval`, a little later at random so that generators don't all come at once, and sooner after a
//! failure.

use std::io;
use std::process;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rand::{Rng, RngExt as _};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::write::unfinished::Unfinished;

/// The first pause after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// The times of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    interval: Duration,
    failures: u32,
}

impl Schedule {
    /// A schedule with this time from the end of a run to the next.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, failures: 0 }
    }

    /// The pause after a run: the interval and up to a tenth more; after a failure 30 seconds, twice as much after each
    /// further one, and never more than the interval.
    pub(crate) fn pause_after(&mut self, succeeded: bool, random: &mut impl Rng) -> Duration {
        let pause = if succeeded {
            self.failures = 0;
            self.interval
        } else {
            let factor = 2_u32.saturating_pow(self.failures);
            self.failures = self.failures.saturating_add(1);
            FIRST_RETRY.saturating_mul(factor).min(self.interval)
        };
        pause.mul_f64(random.random_range(1.0..=1.1))
    }
}

/// Begins to listen for SIGTERM and SIGINT. One ends the process at once and removes the files that are unfinished, unless it is
/// the first one and `spare_run` is set: that is received, so that the run under way can end before the process.
///
/// # Errors
/// If the operating system refuses it.
pub(crate) fn stop_signals(spare_run: bool, unfinished: Unfinished) -> io::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (sender, stop) = channel();
    let wait = move || {
        let mut spared = spare_run;
        for signal in signals.forever() {
            if std::mem::take(&mut spared) && sender.send(()).is_ok() {
                continue;
            }
            unfinished.remove_all();
            // The kernel does not end the first process of a container like others; this is what a shell makes of a signal.
            if process::id() == 1 {
                process::exit(128 + signal);
            }
            // No signal but those two comes here.
            let _ = emulate_default_handler(signal);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    #[test]
    fn a_failure_is_tried_again_sooner_and_less_and_less_often() {
        let mut random = SmallRng::seed_from_u64(1);
        let mut schedule = Schedule::new(Duration::from_secs(900));
        let mut pause = |succeeded| schedule.pause_after(succeeded, &mut random).as_secs_f64();
        for seconds in [900.0, 30.0, 60.0, 120.0, 900.0, 30.0] {
            let found = pause(seconds == 900.0);
            assert!(found >= seconds && found <= seconds * 1.1, "{found} for {seconds}");
        }
        for _ in 0..100 {
            assert!(pause(false) <= 990.0);
        }
    }
}
