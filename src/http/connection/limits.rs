//! How many connections may be open, in all and for one address. A connection over a limit is closed at once, counted, and
//! logged once a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slog::{Logger, warn};

use super::metrics::{ConnectionLimit, ConnectionMetrics};
use crate::metrics::table::LabelValue as _;
use crate::settings::TrustedProxies;
use crate::throttle::Throttle;

/// The log has at most one line in this time about connections over a limit.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The limits of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub all: usize,
    /// For one IPv4 address or IPv6 network of 64 bits. `None`: only the limit in all counts.
    pub per_address: Option<NonZeroUsize>,
    /// Addresses for which `per_address` does not count.
    pub exempt: TrustedProxies,
}

/// The open connections of a listener.
pub struct Connections {
    pub(crate) limits: ConnectionLimits,
    open: AtomicUsize,
    /// Empty without a limit for an address.
    by_address: Mutex<HashMap<IpAddr, usize>>,
    over: Throttle,
    pub(super) metrics: Arc<ConnectionMetrics>,
    logger: Logger,
}

/// An open connection's place in the count, until it is dropped.
pub struct Admission {
    pub(super) connections: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Connections {
    /// Creates the count of a listener's connections, none of which is open yet.
    pub fn new(limits: ConnectionLimits, metrics: Arc<ConnectionMetrics>, logger: Logger) -> Arc<Self> {
        metrics.limit.set(i64::try_from(limits.all).unwrap_or(i64::MAX));
        Arc::new(Self {
            limits,
            open: AtomicUsize::new(0),
            by_address: Mutex::default(),
            over: Throttle::new(LOG_EVERY),
            metrics,
            logger,
        })
    }

    /// Admits a connection from an address (`None` for a Unix socket). Returns `None` if it is over a limit and has to be closed.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Admission> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.limits.all {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.note_over(ConnectionLimit::All);
            return None;
        }
        self.metrics.open.inc();
        let mut admission = Admission {
            connections: Arc::clone(self),
            address: None,
        };
        let address = address.map(|address| address.to_canonical());
        if let Some(limit) = self.limits.per_address
            && let Some(address) = address.filter(|address| !self.limits.exempt.contains(*address))
        {
            let address = network(address);
            let mut by_address = self.by_address.lock();
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
        self.metrics.limited.of(limit).inc();
        if let Some(closed) = self.over.count(Instant::now()) {
            warn!(self.logger, "closing connections over a limit; see max_connections and max_connections_per_address";
                "limit" => limit.label(), "closed" => closed, "open" => self.open.load(Ordering::Relaxed));
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let connections = &self.connections;
        connections.open.fetch_sub(1, Ordering::Relaxed);
        connections.metrics.open.dec();
        if let Some(address) = self.address {
            let mut by_address = connections.by_address.lock();
            if let Some(open) = by_address.get_mut(&address) {
                *open -= 1;
                if *open == 0 {
                    by_address.remove(&address);
                }
            }
        }
    }
}

/// The network that counts as one address: an IPv6 client has 64 bits to choose from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;
    use slog::{Discard, o};

    use super::*;
    use crate::geo::network;

    fn rig(all: usize, per_address: Option<usize>) -> Arc<Connections> {
        let metrics = ConnectionMetrics::of_listener(&Registry::new(), "test", "l").unwrap();
        let limits = ConnectionLimits {
            all,
            per_address: per_address.and_then(NonZeroUsize::new),
            exempt: TrustedProxies::new(vec![network::parse("10.0.0.0/8").unwrap()]),
        };
        Connections::new(limits, metrics, Logger::root(Discard, o!()))
    }

    fn admit(connections: &Arc<Connections>, address: &str) -> Option<Admission> {
        connections.admit(Some(address.parse().unwrap()))
    }

    #[test]
    fn as_many_are_admitted_as_may_be_open() {
        let rig = rig(2, None);
        assert_eq!(rig.metrics.limit.get(), 2);
        let first = admit(&rig, "192.0.2.1").unwrap();
        let second = rig.admit(None).unwrap();
        assert_eq!(rig.metrics.open.get(), 2);
        for _ in 0..3 {
            assert!(admit(&rig, "192.0.2.1").is_none());
        }
        assert_eq!(rig.metrics.limited.of(ConnectionLimit::All).get(), 3);
        drop(first);
        assert_eq!(rig.metrics.open.get(), 1);
        let third = admit(&rig, "192.0.2.2").unwrap();
        assert!(admit(&rig, "192.0.2.2").is_none());
        drop((second, third));
        assert_eq!(rig.metrics.open.get(), 0);
        assert_eq!([(); 2].map(|()| admit(&rig, "192.0.2.3")).iter().flatten().count(), 2);
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_any() {
        let rig = rig(100, Some(2));
        let open: Vec<Admission> = (0..4).filter_map(|_| admit(&rig, "192.0.2.1")).collect();
        assert_eq!(open.len(), 2);
        assert_eq!(rig.metrics.limited.of(ConnectionLimit::Address).get(), 2);
        // Those that were closed don't count.
        assert_eq!(rig.metrics.open.get(), 2);
        assert!(admit(&rig, "::ffff:192.0.2.1").is_none());
        assert!(admit(&rig, "192.0.2.2").is_some());
        let network: Vec<Admission> = ["2001:db8::1", "2001:db8::ffff:1", "2001:db8::2"]
            .iter()
            .filter_map(|address| admit(&rig, address))
            .collect();
        assert_eq!(network.len(), 2);
        assert!(admit(&rig, "2001:db8:0:1::1").is_some());
        let proxy: Vec<Admission> = (0..10).filter_map(|_| admit(&rig, "10.1.2.3")).collect();
        assert_eq!(proxy.len(), 10);
        let unix: Vec<Admission> = (0..5).filter_map(|_| rig.admit(None)).collect();
        assert_eq!(unix.len(), 5);
        drop((open, network, proxy, unix));
        assert!(rig.by_address.lock().is_empty());
        assert!(admit(&rig, "192.0.2.1").is_some());
    }
}
