//! The shrink guard: whether new data lacks too much of what the current data has. Reloads and the generator judge by this one
//! rule. Pure: no files and no settings.

use std::fmt;
use std::str::FromStr;

/// How many entries of one kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The kind, in the plural.
    pub kind: &'static str,
    /// How many.
    pub number: usize,
}

impl Count {
    /// A count of one kind.
    pub const fn new(kind: &'static str, number: usize) -> Self {
        Self { kind, number }
    }
}

/// The counts of a cache that must not shrink. Hosts that carry nothing do not count: no client is sent to them.
pub fn cache_counts(carrying_hosts: usize, directories: usize, repositories: usize) -> [Count; 3] {
    [
        Count::new("hosts", carrying_hosts),
        Count::new("directories", directories),
        Count::new("repositories", repositories),
    ]
}

/// A share from 0 % to 100 %, exact to a ten-thousandth of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    millionths: u32,
}

impl Share {
    /// A whole number of percent; more than 100 is 100.
    pub const fn percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self {
            millionths: percent as u32 * MILLIONTHS_A_PERCENT,
        }
    }
}

const MILLIONTHS_A_PERCENT: u32 = 10_000;

/// A text that is no percentage from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a percentage from 0% to 100%, like 25% or 12.5%")]
pub struct ShareError;

impl FromStr for Share {
    type Err = ShareError;

    /// Reads a percentage, with or without its sign: `25%`, `25`, `12.5 %`.
    fn from_str(text: &str) -> Result<Self, ShareError> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let percent: f64 = number.parse().map_err(|_| ShareError)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(ShareError);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 1,000,000"
        )]
        let millionths = (percent * f64::from(MILLIONTHS_A_PERCENT)).round() as u32;
        Ok(Self { millionths })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.millionths) / f64::from(MILLIONTHS_A_PERCENT))
    }
}

/// A count that shrank by more than the allowed share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    kind: &'static str,
    before: usize,
    after: usize,
    allowed: Share,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            before,
            after,
            allowed,
        } = self;
        write!(f, "{after} {kind} instead of {before}, a loss of more than {allowed}")
    }
}

/// The counts that shrank by more than the allowed share. A loss of exactly this share is allowed. Both slices have the same kinds
/// in the same order.
pub fn losses(before: &[Count], after: &[Count], allowed: Share) -> Vec<Loss> {
    debug_assert!(
        before
            .iter()
            .map(|count| count.kind)
            .eq(after.iter().map(|count| count.kind))
    );
    let pairs = before.iter().zip(after);
    let shrank = pairs.filter(|(before, after)| shrank(before.number, after.number, allowed));
    shrank
        .map(|(before, after)| Loss {
            kind: before.kind,
            before: before.number,
            after: after.number,
            allowed,
        })
        .collect()
}

fn shrank(before: usize, after: usize, allowed: Share) -> bool {
    const WHOLE: u128 = 100 * MILLIONTHS_A_PERCENT as u128;
    (after as u128) * WHOLE < (before as u128) * (WHOLE - u128::from(allowed.millionths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_of_the_allowed_share_passes_and_of_one_more_does_not() {
        // In binary fractions, 100 * (1 - 0.43) is more than 57.
        for (percent, before, kept) in [("25%", 100, 75), ("43", 100, 57), ("12.5 %", 1_000, 875), ("0%", 7, 7)] {
            let allowed = percent.parse().unwrap();
            assert!(!shrank(before, kept, allowed), "{percent}");
            assert!(shrank(before, kept - 1, allowed), "{percent}");
        }
        assert!(!shrank(usize::MAX, 0, Share::percent(100)));
        assert!(shrank(usize::MAX, 0, Share::percent(99)));
        assert!(!shrank(0, 0, Share::percent(0)));
    }

    #[test]
    fn a_loss_is_told_in_words() {
        let losses = losses(
            &cache_counts(100, 1_000, 40),
            &cache_counts(74, 750, 0),
            "25%".parse().unwrap(),
        );
        let texts: Vec<String> = losses.iter().map(Loss::to_string).collect();
        assert_eq!(
            texts,
            [
                "74 hosts instead of 100, a loss of more than 25%",
                "0 repositories instead of 40, a loss of more than 25%"
            ]
        );
    }

    #[test]
    fn a_share_is_a_percentage() {
        for (text, shown) in [
            ("25", "25%"),
            ("12.5%", "12.5%"),
            ("0 %", "0%"),
            ("100%", "100%"),
            ("0.1", "0.1%"),
        ] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), shown);
        }
        for text in ["", "%", "101%", "-1", "NaN", "inf", "a quarter"] {
            assert_eq!(text.parse::<Share>(), Err(ShareError), "{text:?}");
        }
    }
}
