//! Verdicts on URLs, and how observations make and end them. One bad answer is no verdict: networks lose packets.

use serde::{Deserialize, Serialize};

/// What a probe thinks of a URL, or of a repository at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong, or nothing is known.
    #[default]
    Good,
    /// The URL redirects to another site. It works, so it counts as good.
    Moved,
    /// The repository's content is none of the known versions, and not newer than them.
    Stale,
    /// The repository is not there: 404 and the like.
    Missing,
    /// The URL gives no answer: no connection, a timeout, a fault of TLS, or an error of the mirror (5xx).
    Dead,
    /// A verdict of a later version of the format. It counts as good.
    #[serde(other)]
    Unknown,
}

impl Verdict {
    /// The verdicts that a probe gives.
    pub const ALL: [Self; 5] = [Self::Good, Self::Moved, Self::Stale, Self::Missing, Self::Dead];

    /// The verdict's name in files, metrics and explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Moved => "moved",
            Self::Stale => "stale",
            Self::Missing => "missing",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a client is better sent elsewhere.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Stale | Self::Missing | Self::Dead)
    }

    /// How many bad answers in a row make this verdict.
    fn strikes_needed(self) -> u32 {
        if self == Self::Dead { 2 } else { 3 }
    }
}

/// How many good answers in a row end a bad verdict.
const GOOD_ANSWERS_NEEDED: u32 = 2;

/// A verdict with the observations that may change it. They stand in the file, so that they survive a restart of the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The verdict.
    pub verdict: Verdict,
    /// Since when it is this one, in seconds since the Unix epoch.
    pub since: u64,
    /// Bad answers in a row, if the verdict is not bad.
    #[serde(skip_serializing_if = "is_zero")]
    pub strikes: u32,
    /// Good answers in a row, if the verdict is bad.
    #[serde(skip_serializing_if = "is_zero")]
    pub good_answers: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Standing {
    /// The standing of something that was never asked before.
    pub fn new(now: u64) -> Self {
        Self {
            since: now,
            ..Self::default()
        }
    }

    /// Takes an observation of this round.
    pub fn observe(&mut self, observed: Verdict, now: u64) {
        if observed.is_bad() == self.verdict.is_bad() {
            // It confirms what is known. One kind of bad may become another at once.
            (self.strikes, self.good_answers) = (0, 0);
            self.set(observed, now);
        } else if observed.is_bad() {
            self.strikes += 1;
            if self.strikes >= observed.strikes_needed() {
                self.set(observed, now);
            }
        } else {
            self.good_answers += 1;
            if self.good_answers >= GOOD_ANSWERS_NEEDED {
                self.set(observed, now);
            }
        }
    }

    fn set(&mut self, verdict: Verdict, now: u64) {
        if self.verdict != verdict {
            *self = Self {
                verdict,
                ..Self::new(now)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Dead, Good, Missing, Moved, Stale};

    /// The verdict and its time after each observation, one at each second from 1 on.
    fn course(observed: &[Verdict]) -> Vec<(Verdict, u64)> {
        let mut standing = Standing::new(0);
        let after = (1..).zip(observed).map(|(now, observed)| {
            standing.observe(*observed, now);
            (standing.verdict, standing.since)
        });
        after.collect()
    }

    #[test]
    fn two_strikes_make_a_dead_url_three_a_missing_or_stale_one_and_two_good_answers_end_it() {
        assert_eq!(
            course(&[Dead, Dead, Dead, Good, Good]),
            [(Good, 0), (Dead, 2), (Dead, 2), (Dead, 2), (Good, 5)]
        );
        for bad in [Missing, Stale] {
            assert_eq!(
                course(&[bad, bad, bad, Good, bad, Good, Good]),
                [(Good, 0), (Good, 0), (bad, 3), (bad, 3), (bad, 3), (bad, 3), (Good, 7)]
            );
        }
    }

    #[test]
    fn a_good_answer_between_clears_the_strikes() {
        assert_eq!(course(&[Dead, Good, Dead, Good]), [(Good, 0); 4]);
        assert_eq!(course(&[Stale, Stale, Good, Stale, Stale]), [(Good, 0); 5]);
    }

    #[test]
    fn kinds_of_bad_count_together_and_change_at_once() {
        assert_eq!(
            course(&[Missing, Stale, Missing, Stale]),
            [(Good, 0), (Good, 0), (Missing, 3), (Stale, 4)]
        );
        assert_eq!(course(&[Moved, Good]), [(Moved, 1), (Good, 2)]);
    }
}
