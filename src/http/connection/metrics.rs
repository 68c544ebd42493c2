//! The metrics of one listener's connections.

use std::sync::Arc;

use prometheus::{IntGauge, Registry};

use super::refusal::HeadRefusal;
use crate::metrics::table::{CounterBy, label_values, metric_table};

label_values! {
    /// A limit that a connection can be over.
    pub(crate) enum ConnectionLimit {
        All = "max_connections",
        Address = "max_connections_per_address",
    }
}

label_values! {
    /// Why a connection is closed before its answer is sent.
    pub(crate) enum Cut {
        Stalled = "stalled",
        Slow = "slow",
    }
}

metric_table! {
    /// The metrics of one listener.
    pub struct ConnectionMetrics {
        /// Open connections.
        pub(crate) open: IntGauge = "connections";
        /// Connections that may be open at once.
        pub(crate) limit: IntGauge = "connections_limit";
        /// Connections that were closed at once because they were over a limit.
        pub(crate) limited: CounterBy<ConnectionLimit> = "connections_limited_total", "limit";
        /// Requests that were refused before they were understood, by reason; their connections were closed.
        pub(crate) refused: CounterBy<HeadRefusal> = "requests_refused_total", "reason";
        /// Answers whose connection was closed because the client read nothing (stalled) or too little (slow).
        pub(crate) cut: CounterBy<Cut> = "answers_cut_total", "reason";
    }
}

impl ConnectionMetrics {
    /// Registers the metrics of a listener. Their names begin with `prefix`, and their label `listener` is its name.
    ///
    /// # Errors
    /// The prefix is not what Prometheus allows, or a listener with this name is registered already.
    pub fn of_listener(registry: &Registry, prefix: &str, listener: &str) -> prometheus::Result<Arc<Self>> {
        Self::register(registry, |opts| {
            opts.namespace(prefix).const_label("listener", listener)
        })
        .map(Arc::new)
    }
}
