//! What a probe shows of itself: metrics, and its health. That is good while the last round was written or none has ended yet, and
//! that is at most three intervals ago.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{Gauge, IntGauge, IntGaugeVec, Registry};

use super::ask::Reply;
use super::failure::Failure;
use crate::health::{HealthFile, Standing, Verdict};
use crate::http::connection::metrics::ConnectionMetrics;
use crate::http::monitoring::{Monitored, in_words};
use crate::metrics::table::{CounterBy, label_values, metric_table};

label_values! {
    /// The end of a request to a mirror.
    pub(super) enum RequestOutcome {
        /// An answer, whatever it says.
        Answered = "answered",
        /// 304: the content is that of last time.
        NotModified = "not_modified",
        /// None in time.
        Timeout = "timeout",
        /// The connection was refused.
        Refused = "refused",
        /// TLS failed.
        Tls = "tls",
        /// The name has no address.
        NoAddress = "no_address",
        /// Anything else.
        Other = "other",
    }
}

impl RequestOutcome {
    /// The outcome of a reply.
    pub(super) fn of(reply: &Reply) -> Self {
        match reply {
            Reply::NotModified { .. } => Self::NotModified,
            Reply::Content { .. } | Reply::TooLarge | Reply::Status { .. } | Reply::Astray(_) => Self::Answered,
            Reply::Failure(Failure::Timeout(_)) => Self::Timeout,
            Reply::Failure(Failure::Refused) => Self::Refused,
            Reply::Failure(Failure::Tls(_)) => Self::Tls,
            Reply::Failure(Failure::NoName | Failure::NoFamily) => Self::NoAddress,
            Reply::Failure(Failure::NoRoute | Failure::Own(_) | Failure::Other(_)) | Reply::Unaskable(_) => Self::Other,
        }
    }
}

label_values! {
    /// The end of a round.
    enum RoundOutcome {
        /// Its health file was written.
        Success = "success",
        /// There is no new health file.
        Failure = "failure",
    }
}

metric_table! {
    /// The metrics of a probe.
    struct ProbeTable in registry {
        /// URLs by verdict in the last round.
        urls: IntGaugeVec = "urls", &["verdict"];
        /// Pairs of a URL and a repository that it should have, by verdict in the last round.
        repositories: IntGaugeVec = "repositories", &["verdict"];
        /// Hosts of the URLs in the last round.
        hosts: IntGauge = "hosts";
        /// Time that the last round took.
        duration: Gauge = "round_duration_seconds";
        /// When the last health file was written, in seconds since 1970.
        last_round: IntGauge = "last_round_timestamp_seconds";
        /// Rounds since the start, by outcome.
        rounds: CounterBy<RoundOutcome> = "rounds_total", "outcome";
        /// Requests to mirrors since the start, by outcome.
        requests: CounterBy<RequestOutcome> = "requests_total", "outcome";
    }
}

const PREFIX: &str = "mirrorlist_probe";

/// The metrics of a probe, and how its last round ended.
pub(super) struct ProbeMetrics {
    table: ProbeTable,
    connections: Arc<ConnectionMetrics>,
    interval: Option<Duration>,
    health: Mutex<RoundHealth>,
}

/// The health of the rounds, by a clock that never jumps.
struct RoundHealth {
    /// The error of the last round, if it failed.
    failure: Option<String>,
    /// When a round was last written; the start if none was.
    good: Instant,
}

impl ProbeMetrics {
    /// The metrics of a probe that has not asked anything yet.
    ///
    /// # Errors
    /// If two metrics have the same name, which a test rules out.
    pub(super) fn new(interval: Option<Duration>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            connections: ConnectionMetrics::of_listener(&registry, PREFIX, "metrics")?,
            table: ProbeTable::register(&registry, |opts| opts.namespace(PREFIX))?,
            interval,
            health: Mutex::new(RoundHealth {
                failure: None,
                good: Instant::now(),
            }),
        };
        metrics.count_verdicts(&HealthFile::default());
        Ok(metrics)
    }

    /// A request to a mirror has ended.
    pub(super) fn request(&self, reply: &Reply) {
        self.table.requests.of(RequestOutcome::of(reply)).inc();
    }

    /// A round was written.
    pub(super) fn succeeded(&self, file: &HealthFile, duration: Duration) {
        self.table.rounds.of(RoundOutcome::Success).inc();
        self.table.duration.set(duration.as_secs_f64());
        self.table.last_round.set(i64::try_from(file.made).unwrap_or(i64::MAX));
        self.count_verdicts(file);
        let mut health = self.health.lock();
        (health.failure, health.good) = (None, Instant::now());
    }

    /// There is no new health file.
    pub(super) fn failed(&self, problem: String) {
        self.table.rounds.of(RoundOutcome::Failure).inc();
        self.health.lock().failure = Some(problem);
    }

    fn count_verdicts(&self, file: &HealthFile) {
        let hosts: BTreeSet<i64> = file.urls.iter().map(|url| url.host_id).collect();
        self.table.hosts.set(count(hosts.len()));
        let set = |gauges: &IntGaugeVec, standings: &[Standing], verdicts: &[Verdict]| {
            for verdict in verdicts {
                let number = standings.iter().filter(|standing| standing.verdict == *verdict).count();
                gauges.with_label_values(&[verdict.name()]).set(count(number));
            }
        };
        let urls: Vec<Standing> = file.urls.iter().map(|url| url.standing).collect();
        let repositories = file.urls.iter().flat_map(|url| &url.repositories);
        let repositories: Vec<Standing> = repositories.map(|repository| repository.standing).collect();
        set(&self.table.urls, &urls, &[Verdict::Good, Verdict::Moved, Verdict::Dead]);
        set(
            &self.table.repositories,
            &repositories,
            &[Verdict::Good, Verdict::Stale, Verdict::Missing],
        );
    }
}

impl Monitored for ProbeMetrics {
    fn registry(&self) -> &Registry {
        &self.table.registry
    }

    fn connections(&self) -> &Arc<ConnectionMetrics> {
        &self.connections
    }

    fn problem(&self) -> Option<String> {
        let health = self.health.lock();
        let age = health.good.elapsed();
        let late = self
            .interval
            .filter(|interval| age > interval.saturating_mul(3))
            .map(|interval| {
                let (age, interval) = (in_words(age), in_words(interval));
                format!("no round was written for {age}, more than three intervals of {interval}")
            });
        match (late, &health.failure) {
            (Some(late), Some(failure)) => Some(format!("{late}; the last one failed: {failure}")),
            (late, failure) => late.or_else(|| failure.clone()),
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::monitoring;

    #[test]
    fn metrics_are_there_from_the_start() {
        let metrics = ProbeMetrics::new(None).unwrap();
        metrics.request(&Reply::Failure(Failure::Refused));
        let text = String::from_utf8(monitoring::text(metrics.registry()).unwrap()).unwrap();
        for line in [
            "mirrorlist_probe_urls{verdict=\"dead\"} 0",
            "mirrorlist_probe_repositories{verdict=\"stale\"} 0",
            "mirrorlist_probe_rounds_total{outcome=\"failure\"} 0",
            "mirrorlist_probe_requests_total{outcome=\"refused\"} 1",
            "mirrorlist_probe_connections{listener=\"metrics\"} 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn health_is_that_of_the_last_round_and_ends_after_three_intervals() {
        let metrics = ProbeMetrics::new(Some(Duration::ZERO)).unwrap();
        assert!(metrics.problem().unwrap().starts_with("no round was written for"));
        let metrics = ProbeMetrics::new(Some(Duration::from_secs(300))).unwrap();
        assert_eq!(metrics.problem(), None);
        metrics.failed("no cache".to_owned());
        assert_eq!(metrics.problem().as_deref(), Some("no cache"));
        metrics.succeeded(&HealthFile::default(), Duration::ZERO);
        assert_eq!(metrics.problem(), None);
    }
}
