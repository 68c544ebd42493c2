//! The counters of rules, which the rules of a snapshot count themselves: here they are shown.

use parking_lot::{Mutex, MutexGuard};
use prometheus::{IntCounterVec, Opts, Registry};

use super::table::Metric;
use crate::snapshot::rules::rule::Rule;

/// A counter for each rule of the current snapshot.
pub(crate) struct RuleHits {
    family: IntCounterVec,
    rendering: Mutex<()>,
}

impl RuleHits {
    /// Holds up others that show rules until the metrics are gathered.
    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.rendering.lock()
    }

    /// Shows these rules and no others.
    pub(super) fn show(&self, rules: &[Rule]) {
        self.family.reset();
        for rule in rules {
            self.family.with_label_values(&[&*rule.name]).inc_by(rule.hits());
        }
    }
}

impl Metric for RuleHits {
    type Shape = &'static [&'static str];

    fn register(registry: &Registry, opts: Opts, labels: Self::Shape) -> prometheus::Result<Self> {
        Ok(Self {
            family: IntCounterVec::register(registry, opts, labels)?,
            rendering: Mutex::new(()),
        })
    }
}
