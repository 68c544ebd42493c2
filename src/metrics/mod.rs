//! The counters and gauges of a server, in Prometheus' format.
//!
//! The rows of [`ServerMetrics`] are the table that docs/metrics.md is tested against; [`table`] is how such a table is declared. The
//! metrics of connections are with the connections, in [`crate::http::connection::metrics`].

use std::time::{Duration, SystemTime};

use prometheus::process_collector::ProcessCollector;
use prometheus::{Encoder, Gauge, GaugeVec, Histogram, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::clock::since_epoch;
use crate::mirrorlist::{Answer, Content, Endpoint};
use crate::snapshot::health::source::HealthState;
use crate::snapshot::{DataFile, MirrorHealth, Snapshot, age};
use requests::{CountryCounters, RequestCounters};
use table::{CounterBy, label_values, metric_table};

mod requests;
pub(crate) mod table;

metric_table! {
    /// The metrics of a server.
    pub struct ServerMetrics in registry {
        /// Always 1; the labels tell the version.
        build: IntGaugeVec = "mirrorlist_build_info", &["version"];
        /// Requests answered, by endpoint, class of status and tier of the first host.
        requests: RequestCounters = "mirrorlist_requests_total", &["endpoint", "status", "tier"];
        /// Answers in a format that was asked for instead of the endpoint's own, refusals included, by format.
        formats: CounterBy<AskedFormat> = "mirrorlist_answers_by_format_total", "format";
        /// Time from a request's head to its answer, without sending it.
        latency: Histogram = "mirrorlist_request_duration_seconds", LATENCY_BUCKETS;
        /// Bytes of the bodies of answers.
        response_bytes: IntCounter = "mirrorlist_response_bytes_total";
        /// Hosts chosen for an answer with mirrors.
        hosts: Histogram = "mirrorlist_answer_hosts", HOSTS_BUCKETS;
        /// Answers with mirrors, by country of the client, or unknown.
        countries: CountryCounters = "mirrorlist_client_countries_total", &["country"];
        /// Requests whose answer is not yet completely handed to the network.
        pub(crate) in_flight: IntGauge = "mirrorlist_requests_in_flight";
        /// Access log lines written.
        pub(crate) access_log_written: IntCounter = "mirrorlist_access_log_lines_written_total";
        /// Access log lines dropped because the file could not be written fast enough or at all.
        pub(crate) access_log_dropped: IntCounter = "mirrorlist_access_log_lines_dropped_total";
        /// Requests to the admin listener that were refused, by reason.
        pub(crate) admin_refusals: CounterBy<AdminRefusal> = "mirrorlist_admin_refusals_total", "reason";
        /// Reloads of the data files, by outcome: replaced, unchanged or refused.
        reloads: CounterBy<ReloadOutcome> = "mirrorlist_reloads_total", "outcome";
        /// Time that a reload takes, refused ones included.
        reload_duration: Histogram = "mirrorlist_reload_duration_seconds", RELOAD_BUCKETS;
        /// When the data files were last found to be acceptable, in seconds since 1970.
        last_reload: Gauge = "mirrorlist_last_successful_reload_timestamp_seconds";
        /// When the content of a data file was made, as the file itself says, in seconds since 1970.
        data_created: GaugeVec = "mirrorlist_data_created_timestamp_seconds", &["file"];
        /// Modification time of a data file when it was read, in seconds since 1970.
        data_modified: GaugeVec = "mirrorlist_data_modified_timestamp_seconds", &["file"];
        /// Time since the content of a data file was made, or since the file was modified where it does not say.
        data_age: GaugeVec = "mirrorlist_data_age_seconds", &["file"];
        /// Size of a data file.
        data_bytes: IntGaugeVec = "mirrorlist_data_bytes", &["file"];
        /// Entries of a kind that a data file has.
        data_entries: IntGaugeVec = "mirrorlist_data_entries", &["file", "kind"];
        /// Entries of a data file that could not be used.
        data_warnings: IntGaugeVec = "mirrorlist_data_warnings", &["file"];
        /// Answers in which a host comes last because it has no good URL.
        demotions: IntCounter = "mirrorlist_health_demotions_total";
        /// Hosts that the health files know, by verdict: good, or the worst that leaves them without a good URL.
        health_hosts: IntGaugeVec = "mirrorlist_health_hosts", &["verdict"];
        /// Whether a health file, or an earlier content of it, counts (1) or not (0).
        health_file_used: IntGaugeVec = "mirrorlist_health_file_used", &["path"];
        /// Whether a health file is set aside (1) because it calls too many hosts bad.
        health_file_set_aside: IntGaugeVec = "mirrorlist_health_file_set_aside", &["path"];
        /// Time since the probe ended the round that a health file tells of.
        health_file_age: GaugeVec = "mirrorlist_health_file_age_seconds", &["path"];
        /// Memory that the tables of directories and their hosts take.
        snapshot_bytes: IntGauge = "mirrorlist_snapshot_directory_bytes";
    }
}

/// Seconds. An answer takes some ten microseconds of work; one that takes a millisecond has waited, and a tenth of a second is
/// an accident.
const LATENCY_BUCKETS: &[f64] = &[
    0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.005, 0.025, 0.1, 1.0,
];

/// Hosts. The minimum is 5 by default; a continent has up to some hundred.
const HOSTS_BUCKETS: &[f64] = &[0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0];

/// Seconds. A small cache takes some milliseconds, Fedora's about a second.
const RELOAD_BUCKETS: &[f64] = &[0.01, 0.05, 0.25, 1.0, 2.5, 10.0, 60.0];

label_values! {
    /// How a reload ended.
    pub enum ReloadOutcome {
        /// A new snapshot replaced the old one.
        Replaced = "replaced",
        /// No file had changed.
        Unchanged = "unchanged",
        /// A file was not acceptable, so the server keeps its data.
        Refused = "refused",
    }
}

label_values! {
    /// A format that a client can ask for.
    enum AskedFormat {
        Json = "json",
        Metalink4 = "metalink4",
    }
}

label_values! {
    /// Why the admin listener refuses a request.
    pub(crate) enum AdminRefusal {
        Browser = "browser",
        /// It is for a host name that is not this server's.
        Host = "host",
        /// It comes from another machine or through a proxy, and no token is set.
        Elsewhere = "elsewhere",
        NoToken = "no_token",
        WrongToken = "wrong_token",
        /// Its sender has sent too many wrong tokens, so this one is not compared.
        TooManyTokens = "too_many_tokens",
    }
}

impl ServerMetrics {
    /// Creates metrics that have counted nothing.
    ///
    /// # Errors
    /// A name or a label is not what Prometheus allows: a defect.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        if cfg!(target_os = "linux") {
            registry.register(Box::new(ProcessCollector::for_self()))?;
        }
        let metrics = Self::register(&registry, |opts| opts)?;
        metrics.build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(metrics)
    }

    /// Counts an answer to a request. `endpoint` is `None` if the path is no endpoint.
    pub fn answered(&self, endpoint: Option<Endpoint>, answer: &Answer<'_>, duration: Duration) {
        let tier = answer.listed.and_then(|listed| listed.first_tier);
        self.requests.of(endpoint, answer.status, tier).inc();
        match answer.content {
            Content::Mirrorlist | Content::ErrorText | Content::Metalink => {}
            Content::Json => self.formats.of(AskedFormat::Json).inc(),
            Content::Metalink4 => self.formats.of(AskedFormat::Metalink4).inc(),
        }
        self.latency.observe(duration.as_secs_f64());
        self.response_bytes.inc_by(answer.body.len() as u64);
        if let Some(listed) = &answer.listed {
            self.hosts.observe(listed.hosts as f64);
            self.countries.of(listed.country).inc();
            if listed.demotes {
                self.demotions.inc();
            }
        }
    }

    /// Counts a reload.
    pub fn reloaded(&self, outcome: ReloadOutcome, duration: Duration) {
        self.reloads.of(outcome).inc();
        self.reload_duration.observe(duration.as_secs_f64());
        if outcome != ReloadOutcome::Refused {
            self.loaded();
        }
    }

    /// Records that the data files are acceptable now.
    pub fn loaded(&self) {
        self.last_reload.set(unix_seconds(SystemTime::now()));
    }

    /// Renders all metrics in Prometheus' text format, with those of the snapshot's data files.
    ///
    /// # Errors
    /// None in practice: writing to memory can't fail.
    pub fn render(&self, snapshot: Option<&Snapshot>) -> prometheus::Result<Vec<u8>> {
        if let Some(snapshot) = snapshot {
            snapshot.files().for_each(|file| self.describe(file));
            self.snapshot_bytes.set(signed(snapshot.catalogue().directory_bytes()));
            self.describe_health(snapshot.health());
        }
        let mut out = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }

    fn describe_health(&self, health: &MirrorHealth) {
        let now = age::now();
        for source in health.sources() {
            let label = &[&*source.path().to_string_lossy()];
            let is_used = source.used_at(now).is_some();
            self.health_file_used.with_label_values(label).set(is_used.into());
            let is_set_aside = source.state_at(now) == HealthState::SetAside;
            self.health_file_set_aside
                .with_label_values(label)
                .set(is_set_aside.into());
            match source.newest() {
                Some(file) => {
                    let age = age::age(file.made, now).as_secs_f64();
                    self.health_file_age.with_label_values(label).set(age);
                }
                // There is no child to remove if there never was a file.
                None => _ = self.health_file_age.remove_label_values(label),
            }
        }
        if !health.sources().is_empty() {
            for (verdict, hosts) in health.hosts_by_verdict(now) {
                let gauge = self.health_hosts.with_label_values(&[verdict.name()]);
                gauge.set(signed(hosts));
            }
        }
    }

    fn describe(&self, file: &DataFile) {
        let labels = &[file.key];
        let modified = file.modified().map(unix_seconds);
        let created = file.created.map(|created| created as f64);
        if let Some(created) = created {
            self.data_created.with_label_values(labels).set(created);
        }
        if let Some(modified) = modified {
            self.data_modified.with_label_values(labels).set(modified);
        }
        if let Some(made) = created.or(modified) {
            let age = (unix_seconds(SystemTime::now()) - made).max(0.0);
            self.data_age.with_label_values(labels).set(age);
        }
        self.data_bytes.with_label_values(labels).set(signed(file.bytes()));
        let warnings = self.data_warnings.with_label_values(labels);
        warnings.set(signed(file.warnings.count()));
        for count in &file.counts {
            let entries = self.data_entries.with_label_values(&[file.key, count.kind]);
            entries.set(signed(count.number));
        }
    }
}

fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

fn unix_seconds(time: SystemTime) -> f64 {
    since_epoch(time).as_secs_f64()
}
