//! How many connections may be open, in all and for one address. What is over a limit is closed at once, counted, and logged
//! once a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use slog::{Logger, warn};

use super::metrics::{ConnectionLimit, ConnectionMetrics};
use crate::http::client_address::TrustedProxies;

/// The log has at most one line in this time about connections over a limit.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The limits of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// For one IPv4 address or IPv6 network of 64 bits; none: only the limit in all counts.
    pub per_address: Option<NonZeroUsize>,
    /// Addresses for which `per_address` does not count.
    pub exempt: TrustedProxies,
}

/// The open connections of a listener.
pub struct Connections {
    limits: ConnectionLimits,
    open: AtomicUsize,
    /// Filled only where there is a limit for an address.
    by_address: Mutex<HashMap<IpAddr, usize>>,
    over: Mutex<OverLimit>,
    metrics: Arc<ConnectionMetrics>,
    logger: Logger,
}

/// Connections that were closed and are not logged yet.
#[derive(Default)]
struct OverLimit {
    closed: u64,
    logged: Option<Instant>,
}

/// The right to be connected; it ends when this is dropped.
pub struct Admission {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    /// None is open yet.
    pub fn new(limits: ConnectionLimits, metrics: Arc<ConnectionMetrics>, logger: Logger) -> Arc<Self> {
        metrics.limit(limits.all);
        Arc::new(Self {
            limits,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            over: Mutex::default(),
            metrics,
            logger,
        })
    }

    /// The limit in all.
    pub fn limit(&self) -> usize {
        self.limits.all
    }

    /// What is counted of the connections.
    pub fn metrics(&self) -> &Arc<ConnectionMetrics> {
        &self.metrics
    }

    /// Admits a connection from an address (none for a Unix socket); `None` if it is over a limit and has to be closed.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Admission> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.limits.all {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.note_over(ConnectionLimit::All);
            return None;
        }
        self.metrics.opened();
        let mut admission = Admission {
            connections: Arc::clone(self),
            address: None,
        };
        let address = address.map(|address| address.to_canonical());
        if let Some(limit) = self.limits.per_address
            && let Some(address) = address.filter(|address| !self.limits.exempt.contains(*address))
        {
            let address = network(address);
            let mut by_address = self.by_address();
            let open = by_address.entry(address).or_default();
            if *open >= limit.get() {
                drop(by_address);
                self.note_over(ConnectionLimit::Address);
                return None;
            }
            *open += 1;
            admission.address = Some(address);
        }
        Some(admission)
    }

    fn note_over(&self, limit: ConnectionLimit) {
        self.metrics.limited(limit);
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        over.closed += 1;
        if over.logged.is_some_and(|logged| logged.elapsed() < LOG_EVERY) {
            return;
        }
        over.logged = Some(Instant::now());
        let closed = std::mem::take(&mut over.closed);
        drop(over);
        warn!(self.logger, "closing connections over a limit; see max_connections and max_connections_per_address";
            "limit" => limit.label(), "closed" => closed, "open" => self.open.load(Ordering::Relaxed));
    }

    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // A count can't be left half changed.
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let connections = &self.connections;
        connections.open.fetch_sub(1, Ordering::Relaxed);
        connections.metrics.closed();
        if let Some(address) = self.address {
            let mut by_address = connections.by_address();
            if let Some(open) = by_address.get_mut(&address) {
                *open -= 1;
                if *open == 0 {
                    by_address.remove(&address);
                }
            }
        }
    }
}

/// What counts as one address: an IPv6 client has a network of 64 bits to choose from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
