//! Slows down those who guess the bearer token. Each wrong token delays its answer, and counts against its sender until that
//! delay is over, even if the sender doesn't wait. A sender with too many of them gets no further token compared.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http::connection::limits;

/// The delay of the answer to a first wrong token.
pub(super) const DELAY: Duration = Duration::from_secs(1);

/// Added to the delay for each wrong token of the same sender that still counts.
const DELAY_FOR_EACH: Duration = Duration::from_millis(100);

/// The longest delay, so that a stop of the server doesn't wait for it.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// The wrong tokens of one sender that may count at a time.
const MOST_OF_A_SENDER: usize = 64;

/// The answers that may wait at a time, of all senders: connections are left for operators. Those beyond are given at once; their
/// tokens count all the same.
const MOST_WAITING: usize = 64;

/// The senders that may count at a time. The tokens of further senders are not compared.
const MOST_SENDERS: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// The end of each one's delay, by sender: an IPv4 address, an IPv6 network of 64 bits, or `None` for the Unix socket.
    ends: Mutex<HashMap<Option<IpAddr>, Vec<Instant>>>,
}

impl Guesses {
    /// Returns whether a token of this sender may be compared.
    pub(super) fn may_try(&self, sender: Option<IpAddr>, now: Instant) -> bool {
        let mut ends = self.ends.lock();
        if let Some(ends) = ends.get_mut(&sender.map(limits::network)) {
            ends.retain(|end| *end > now);
            return ends.len() < MOST_OF_A_SENDER;
        }
        if ends.len() >= MOST_SENDERS {
            ends.retain(|_, ends| ends.iter().any(|end| *end > now));
        }
        ends.len() < MOST_SENDERS
    }

    /// Counts a wrong token. Returns how long its answer is delayed.
    pub(super) fn count(&self, sender: Option<IpAddr>, now: Instant) -> Duration {
        let mut all = self.ends.lock();
        let waiting = all.values().flatten().filter(|end| **end > now).count();
        let ends = all.entry(sender.map(limits::network)).or_default();
        let others = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        let delay = DELAY.saturating_add(DELAY_FOR_EACH.saturating_mul(others));
        let delay = delay.min(LONGEST_DELAY);
        ends.push(now + delay);
        if waiting < MOST_WAITING { delay } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_more_wrong_tokens_the_longer_the_delay_and_then_none_is_compared() {
        let guesses = Guesses::default();
        let now = Instant::now();
        let mut delays = Vec::new();
        while guesses.may_try(sender("192.0.2.1"), now) && delays.len() < 1_000 {
            delays.push(guesses.count(sender("192.0.2.1"), now));
        }
        assert_eq!(delays.len(), MOST_OF_A_SENDER);
        assert_eq!(delays[..2], [DELAY, DELAY + DELAY_FOR_EACH]);
        assert!(delays.iter().all(|delay| *delay <= LONGEST_DELAY), "{delays:?}");
        // Another sender is not concerned, nor is the same one once the first delay is over.
        assert!(guesses.may_try(sender("192.0.2.2"), now) && guesses.may_try(None, now));
        assert!(!guesses.may_try(sender("192.0.2.1"), now + DELAY - Duration::from_millis(1)));
        assert!(guesses.may_try(sender("192.0.2.1"), now + DELAY));
    }

    #[test]
    fn so_many_answers_wait_that_connections_are_left() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for number in 0..u32::try_from(MOST_WAITING).unwrap() {
            assert_eq!(guesses.count(Some(IpAddr::from(number.to_be_bytes())), now), DELAY);
        }
        assert_eq!(guesses.count(sender("192.0.2.1"), now), Duration::ZERO);
        // It counts all the same.
        let not_yet = now + DELAY - Duration::from_millis(1);
        assert_eq!(guesses.count(sender("192.0.2.1"), not_yet), Duration::ZERO);
        assert!(guesses.may_try(sender("192.0.2.1"), now + DELAY));
        assert_eq!(guesses.count(sender("192.0.2.1"), now + DELAY), DELAY + DELAY_FOR_EACH);
    }

    #[test]
    fn an_ipv6_network_is_one_sender() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for host in 0..MOST_OF_A_SENDER {
            guesses.count(sender(&format!("2001:db8::{host:x}")), now);
        }
        assert!(!guesses.may_try(sender("2001:db8::ffff"), now));
        assert!(guesses.may_try(sender("2001:db8:0:1::1"), now));
    }

    #[test]
    fn the_number_of_senders_is_limited_until_their_time_is_over() {
        let guesses = Guesses::default();
        let now = Instant::now();
        for number in 0..u32::try_from(MOST_SENDERS).unwrap() {
            let address = IpAddr::from(number.to_be_bytes());
            assert!(guesses.may_try(Some(address), now));
            guesses.count(Some(address), now);
        }
        assert!(!guesses.may_try(sender("192.0.2.1"), now));
        assert!(guesses.may_try(sender("192.0.2.1"), now + DELAY));
        assert_eq!(guesses.ends.lock().len(), 0);
    }
}
