//! What is counted of a listener's connections. Every value of every label is there from the start.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::http::connection::head::Refusal;

/// Which limit a connection was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionLimit {
    /// The limit in all.
    All,
    /// The limit for an address.
    Address,
}

impl ConnectionLimit {
    const ALL: [Self; 2] = [Self::All, Self::Address];

    /// The value of the label `limit`.
    pub fn label(self) -> &'static str {
        match self {
            Self::All => "max_connections",
            Self::Address => "max_connections_per_address",
        }
    }
}

/// Why an answer was not sent to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The client read nothing for too long.
    Stalled,
    /// The client read too slowly.
    Slow,
}

impl Cut {
    const ALL: [Self; 2] = [Self::Stalled, Self::Slow];

    fn label(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::Slow => "slow",
        }
    }
}

/// The metrics of all listeners of a program.
pub struct ConnectionMetricsVec {
    open: IntGaugeVec,
    limit: IntGaugeVec,
    limited: IntCounterVec,
    refused: IntCounterVec,
    cut: IntCounterVec,
}

/// The metrics of one listener.
pub struct ConnectionMetrics {
    open: IntGauge,
    limit: IntGauge,
    limited: [IntCounter; ConnectionLimit::ALL.len()],
    refused: [IntCounter; Refusal::ALL.len()],
    cut: [IntCounter; Cut::ALL.len()],
}

impl ConnectionMetricsVec {
    /// Registers the metrics, whose names begin with `prefix`.
    ///
    /// # Errors
    /// Where a name is not what Prometheus allows or is registered already: a defect.
    pub fn new(registry: &Registry, prefix: &str) -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(format!("{prefix}_{name}"), help);
        let gauges = |name: &str, help: &str| registered(registry, IntGaugeVec::new(opts(name, help), &["listener"])?);
        let counters = |name: &str, help: &str, label: &str| {
            registered(registry, IntCounterVec::new(opts(name, help), &["listener", label])?)
        };
        Ok(Self {
            open: gauges("connections", "Open connections.")?,
            limit: gauges("connections_limit", "Connections that may be open at once.")?,
            limited: counters(
                "connections_limited_total",
                "Connections that were closed at once because they were over a limit.",
                "limit",
            )?,
            refused: counters(
                "requests_refused_total",
                "Requests that were refused before they were understood, by reason; their connections were closed.",
                "reason",
            )?,
            cut: counters(
                "answers_cut_total",
                "Answers whose connection was closed because the client read nothing (stalled) or too little (slow).",
                "reason",
            )?,
        })
    }

    /// The metrics of the listener with this name.
    pub fn of(&self, listener: &str) -> Arc<ConnectionMetrics> {
        let counter = |counters: &IntCounterVec, label: &str| counters.with_label_values(&[listener, label]);
        Arc::new(ConnectionMetrics {
            open: self.open.with_label_values(&[listener]),
            limit: self.limit.with_label_values(&[listener]),
            limited: ConnectionLimit::ALL.map(|limit| counter(&self.limited, limit.label())),
            refused: Refusal::ALL.map(|refusal| counter(&self.refused, refusal.label())),
            cut: Cut::ALL.map(|cut| counter(&self.cut, cut.label())),
        })
    }
}

impl ConnectionMetrics {
    pub(crate) fn opened(&self) {
        self.open.inc();
    }

    pub(crate) fn closed(&self) {
        self.open.dec();
    }

    pub(crate) fn limit(&self, limit: usize) {
        self.limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    pub(crate) fn limited(&self, limit: ConnectionLimit) {
        count(&self.limited, limit as usize);
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        count(&self.refused, refusal as usize);
    }

    pub(crate) fn cut(&self, cut: Cut) {
        count(&self.cut, cut as usize);
    }
}

/// Counts one of the counters that are in the order of their enum.
fn count(counters: &[IntCounter], number: usize) {
    if let Some(counter) = counters.get(number) {
        counter.inc();
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
