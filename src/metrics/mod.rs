//! What a server counts and measures, in Prometheus' format. One struct owns the registry; the text of each metric's HELP is
//! here, and docs/metrics.md is tested against it.

pub mod connections;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::geo::CountryCode;
use crate::metrics::connections::{ConnectionMetrics, ConnectionMetricsVec};
use crate::mirrorlist::{Answer, Endpoint, Tier};
use crate::snapshot::Snapshot;
use crate::snapshot::load::Source;

/// Latencies in seconds: an answer takes some ten microseconds of work; what takes a millisecond has waited, and a tenth of a
/// second is an accident.
const LATENCY_BUCKETS: [f64; 11] = [
    0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0,
];

/// Hosts in an answer: the minimum is 5 by default, a continent has up to some hundred.
const HOSTS_BUCKETS: [f64; 8] = [0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];

/// Reloads in seconds: a small cache takes some milliseconds, Fedora's about a second.
const RELOAD_BUCKETS: [f64; 7] = [0.01, 0.05, 0.25, 1.0, 2.5, 10.0, 60.0];

/// The metrics of a server.
pub struct Metrics {
    registry: Registry,
    /// By endpoint, status class and tier.
    requests: Box<[IntCounter]>,
    latency: Histogram,
    response_bytes: IntCounter,
    hosts: Histogram,
    countries: IntCounterVec,
    country: Box<[OnceLock<IntCounter>]>,
    country_unknown: IntCounter,
    /// Requests whose answer is not yet completely handed to the network.
    pub in_flight: IntGauge,
    /// Lines that the access log's writer has written.
    pub access_log_written: IntCounter,
    /// Lines that the access log has dropped.
    pub access_log_dropped: IntCounter,
    /// The connections of the public listener.
    pub public_connections: Arc<ConnectionMetrics>,
    /// The connections of the admin listener.
    pub admin_connections: Arc<ConnectionMetrics>,
    admin_refusals: IntCounterVec,
    reloads: IntCounterVec,
    reload_duration: Histogram,
    last_reload: Gauge,
    data_created: GaugeVec,
    data_modified: GaugeVec,
    data_age: GaugeVec,
    data_bytes: IntGaugeVec,
    data_entries: IntGaugeVec,
    data_warnings: IntGaugeVec,
    snapshot_bytes: IntGauge,
}

const ENDPOINTS: [&str; 3] = ["mirrorlist", "metalink", "other"];
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
const TIERS: [&str; 6] = ["netblock", "as", "country", "continent", "global", "none"];

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// A new snapshot took the place of the old one.
    Replaced,
    /// No file had changed.
    Unchanged,
    /// The old snapshot goes on serving, since a file was not acceptable.
    Refused,
}

impl ReloadOutcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Replaced, Self::Unchanged, Self::Refused];

    /// The value of the label `outcome`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// Why the admin listener refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRefusal {
    /// A web page of another site is behind it.
    Browser,
    /// It is for a host name that is not this server's.
    Host,
    /// It comes from elsewhere, or through a proxy, and there is no token.
    Elsewhere,
    /// It comes without a token.
    NoToken,
    /// It comes with a wrong token.
    WrongToken,
    /// Its sender has sent so many wrong tokens that its token is not compared.
    TooManyTokens,
}

impl AdminRefusal {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::Browser,
        Self::Host,
        Self::Elsewhere,
        Self::NoToken,
        Self::WrongToken,
        Self::TooManyTokens,
    ];

    /// The value of the label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Host => "host",
            Self::Elsewhere => "elsewhere",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::TooManyTokens => "too_many_tokens",
        }
    }
}

/// Registers a collector. The names are constants, so that registering fails for a defect only; the tests would see it.
fn registered<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let collector = collector?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl Metrics {
    /// Metrics that have counted nothing.
    ///
    /// # Errors
    /// Where a name or a label is not what Prometheus allows: a defect.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let counter = |name: &str, help: &str| registered(r, IntCounter::new(name, help));
        let gauge = |name: &str, help: &str| registered(r, IntGauge::new(name, help));
        let counters =
            |name: &str, help: &str, labels: &[&str]| registered(r, IntCounterVec::new(Opts::new(name, help), labels));
        let gauges =
            |name: &str, help: &str, labels: &[&str]| registered(r, IntGaugeVec::new(Opts::new(name, help), labels));
        let times = |name: &str, help: &str| registered(r, GaugeVec::new(Opts::new(name, help), &["file"]));
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            registered(
                r,
                Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())),
            )
        };

        let build = gauges(
            "mirrorlist_build_info",
            "Always 1; the labels tell the version.",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        if cfg!(target_os = "linux") {
            registry.register(Box::new(ProcessCollector::for_self()))?;
        }
        let requests = counters(
            "mirrorlist_requests_total",
            "Requests answered, by endpoint, class of status and tier of the first host.",
            &["endpoint", "status", "tier"],
        )?;
        let requests = ENDPOINTS.iter().flat_map(|endpoint| {
            let requests = &requests;
            STATUSES.iter().flat_map(move |status| {
                TIERS
                    .iter()
                    .map(move |tier| requests.with_label_values(&[endpoint, status, tier]))
            })
        });
        let requests = requests.collect();
        let countries = counters(
            "mirrorlist_client_countries_total",
            "Answers with mirrors, by country of the client; unknown where nobody knows it.",
            &["country"],
        )?;
        let reloads = counters(
            "mirrorlist_reloads_total",
            "Reloads of the data files, by outcome: replaced, unchanged or refused.",
            &["outcome"],
        )?;
        let connections = ConnectionMetricsVec::new(r, "mirrorlist")?;
        for outcome in ReloadOutcome::ALL {
            reloads.with_label_values(&[outcome.label()]);
        }
        let admin_refusals = counters(
            "mirrorlist_admin_refusals_total",
            "Requests to the admin listener that were refused, by reason.",
            &["reason"],
        )?;
        for reason in AdminRefusal::ALL {
            admin_refusals.with_label_values(&[reason.label()]);
        }
        let metrics = Self {
            admin_refusals,
            requests,
            latency: histogram(
                "mirrorlist_request_duration_seconds",
                "Time from a request's head to its answer, without sending it.",
                &LATENCY_BUCKETS,
            )?,
            response_bytes: counter("mirrorlist_response_bytes_total", "Bytes of the bodies of answers.")?,
            hosts: histogram(
                "mirrorlist_answer_hosts",
                "Hosts chosen for an answer with mirrors.",
                &HOSTS_BUCKETS,
            )?,
            country: std::iter::repeat_with(OnceLock::new).take(CountryCode::COUNT).collect(),
            country_unknown: countries.with_label_values(&["unknown"]),
            countries,
            in_flight: gauge(
                "mirrorlist_requests_in_flight",
                "Requests whose answer is not yet completely handed to the network.",
            )?,
            access_log_written: counter("mirrorlist_access_log_lines_written_total", "Access log lines written.")?,
            access_log_dropped: counter(
                "mirrorlist_access_log_lines_dropped_total",
                "Access log lines dropped because the file could not be written fast enough or at all.",
            )?,
            public_connections: connections.of("public"),
            admin_connections: connections.of("admin"),
            reloads,
            reload_duration: histogram(
                "mirrorlist_reload_duration_seconds",
                "Time that a reload takes, refused ones included.",
                &RELOAD_BUCKETS,
            )?,
            last_reload: registered(
                r,
                Gauge::new(
                    "mirrorlist_last_successful_reload_timestamp_seconds",
                    "When the data files were last found to be acceptable, in seconds since 1970.",
                ),
            )?,
            data_created: times(
                "mirrorlist_data_created_timestamp_seconds",
                "When the content of a data file was made, as the file itself says, in seconds since 1970.",
            )?,
            data_modified: times(
                "mirrorlist_data_modified_timestamp_seconds",
                "Modification time of a data file when it was read, in seconds since 1970.",
            )?,
            data_age: times(
                "mirrorlist_data_age_seconds",
                "Time since the content of a data file was made, or since the file was modified where it does not say.",
            )?,
            data_bytes: gauges("mirrorlist_data_bytes", "Size of a data file.", &["file"])?,
            data_entries: gauges(
                "mirrorlist_data_entries",
                "Entries of a kind that a data file has.",
                &["file", "kind"],
            )?,
            data_warnings: gauges(
                "mirrorlist_data_warnings",
                "Entries of a data file that could not be used.",
                &["file"],
            )?,
            snapshot_bytes: gauge(
                "mirrorlist_snapshot_directory_bytes",
                "Memory that the tables of directories and their hosts take.",
            )?,
            registry,
        };
        Ok(metrics)
    }

    /// Counts an answer to a request. `endpoint` is none for paths that are neither.
    pub fn answered(&self, endpoint: Option<Endpoint>, answer: &Answer<'_>, duration: Duration) {
        let endpoint = match endpoint {
            Some(Endpoint::Mirrorlist) => 0,
            Some(Endpoint::Metalink) => 1,
            None => 2,
        };
        let status = usize::from(answer.status / 100).saturating_sub(2);
        let tier = match answer.listed.and_then(|listed| listed.first_tier) {
            Some(Tier::Netblock) => 0,
            Some(Tier::AutonomousSystem) => 1,
            Some(Tier::Country) => 2,
            Some(Tier::Continent) => 3,
            Some(Tier::Global) => 4,
            None => 5,
        };
        if let Some(counter) = self
            .requests
            .get((endpoint * STATUSES.len() + status) * TIERS.len() + tier)
        {
            counter.inc();
        }
        self.latency.observe(duration.as_secs_f64());
        self.response_bytes.inc_by(answer.body.len() as u64);
        if let Some(listed) = &answer.listed {
            #[expect(clippy::cast_precision_loss, reason = "far fewer hosts than 2^52")]
            self.hosts.observe(listed.hosts as f64);
            self.country(listed.country).inc();
        }
    }

    fn country(&self, country: Option<CountryCode>) -> &IntCounter {
        match country.and_then(|country| Some((country, self.country.get(country.index())?))) {
            Some((country, counter)) => counter.get_or_init(|| self.countries.with_label_values(&[country.as_str()])),
            None => &self.country_unknown,
        }
    }

    /// Counts a request that the admin listener refuses.
    pub fn admin_refused(&self, reason: AdminRefusal) {
        self.admin_refusals.with_label_values(&[reason.label()]).inc();
    }

    /// Notes how a reload ended.
    pub fn reloaded(&self, outcome: ReloadOutcome, duration: Duration) {
        self.reloads.with_label_values(&[outcome.label()]).inc();
        self.reload_duration.observe(duration.as_secs_f64());
        if outcome != ReloadOutcome::Refused {
            self.loaded();
        }
    }

    /// Notes that the data files are acceptable now.
    pub fn loaded(&self) {
        self.last_reload.set(unix_seconds(SystemTime::now()));
    }

    /// Everything in Prometheus' text format, with what can be read off the present snapshot.
    ///
    /// # Errors
    /// None: writing to memory can't fail.
    pub fn render(&self, snapshot: Option<&Snapshot>) -> prometheus::Result<Vec<u8>> {
        if let Some(snapshot) = snapshot {
            self.describe(snapshot);
        }
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }

    /// The names and help texts of all metrics that are registered, in order.
    pub fn names(&self) -> Vec<(String, String)> {
        let families = self.registry.gather();
        families
            .iter()
            .map(|family| (family.name().to_owned(), family.help().to_owned()))
            .collect()
    }

    fn describe(&self, snapshot: &Snapshot) {
        let catalogue = snapshot.catalogue();
        let counts = catalogue.counts();
        self.describe_file("cache", &snapshot.cache_file().source, Some(catalogue.created()));
        self.entries("cache", "hosts", counts.hosts);
        self.entries("cache", "directories", counts.directories);
        self.entries("cache", "repositories", counts.repositories);
        self.describe_file("global_netblocks", &snapshot.global_netblocks_file().source, None);
        self.entries("global_netblocks", "networks", snapshot.autonomous_systems().len());
        self.describe_file("cccsv", &snapshot.country_continent_file().source, None);
        self.entries("cccsv", "countries", snapshot.country_continent_file().table.len());
        if let Some(geoip) = snapshot.geoip_file() {
            self.describe_file("geoip", &geoip.source, Some(geoip.table.built()));
            self.entries(
                "geoip",
                "nodes",
                usize::try_from(geoip.table.node_count()).unwrap_or(usize::MAX),
            );
        }
        self.snapshot_bytes.set(signed(catalogue.directory_bytes()));
    }

    fn describe_file(&self, file: &str, source: &Source, created: Option<u64>) {
        let modified = source
            .identity
            .and_then(|identity| identity.modified())
            .map(unix_seconds);
        #[expect(clippy::cast_precision_loss, reason = "times are far below 2^52 seconds")]
        let created = created.map(|created| created as f64);
        if let Some(created) = created {
            self.data_created.with_label_values(&[file]).set(created);
        }
        if let Some(modified) = modified {
            self.data_modified.with_label_values(&[file]).set(modified);
        }
        if let Some(made) = created.or(modified) {
            self.data_age
                .with_label_values(&[file])
                .set((unix_seconds(SystemTime::now()) - made).max(0.0));
        }
        let bytes = source.identity.map_or(0, |identity| identity.bytes());
        self.data_bytes
            .with_label_values(&[file])
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let warnings = i64::try_from(source.warnings.count()).unwrap_or(i64::MAX);
        self.data_warnings.with_label_values(&[file]).set(warnings);
    }

    fn entries(&self, file: &str, kind: &str, count: usize) {
        self.data_entries.with_label_values(&[file, kind]).set(signed(count));
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}
