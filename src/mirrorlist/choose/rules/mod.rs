//! The operators' rules in a choice. A plain request pays for them only where there are some: [`super::choose`] asks once, and the
//! selection once for each word of carriers.
//!
//! - [`applied`]: the rules that count for a request, and what they take out, put first and list
//! - `attempts`: the choice by rules, and what happens if they leave no mirror
//! - `selection`: where the selection of hosts asks them
//! - `effects`: which of them took part, for counters and explanations

pub mod applied;
mod attempts;
mod effects;
mod selection;

pub use applied::AppliedRules;
pub(super) use attempts::choose_by_rules;
