//! New data while serving: files that have changed are read aside, checked against what serves now, and take its place in one
//! step; or they are refused, the current data goes on serving, and everybody is told why.
//!
//! One thread reloads, so that reloads never overlap. Who asks for one while another is under way gets the next one, which
//! begins after the question: a report speaks of the files as they were then or later. All who wait share it.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use slog::{Logger, debug, error, info, warn};

use crate::background::Background;
use crate::metrics::{Metrics, ReloadOutcome};
use crate::settings::ReloadLimits;
use crate::snapshot::age;
use crate::snapshot::load::{self, Table};
use crate::snapshot::{DataFiles, SharedSnapshot, Snapshot};

pub mod watch;

/// This many past reloads are remembered.
const REMEMBERED: usize = 10;

/// Why a reload happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// An operator asked the admin listener.
    Admin,
    /// SIGHUP.
    Signal,
    /// A file has changed.
    Watch,
}

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReloadReport {
    /// `replaced`, `unchanged` or `refused`.
    pub outcome: &'static str,
    /// Why it happened.
    pub cause: Cause,
    /// Whether the comparison with the current data was skipped.
    pub forced: bool,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
    /// The files that are not the ones in use, and so were read or could not be, by the key of their setting.
    pub changed: Vec<&'static str>,
    /// Why the new data was refused; empty if it was not.
    pub reasons: Vec<String>,
    /// Whether a file could not be read for a reason that may pass, so that the watch tries again.
    pub passing: bool,
}

impl ReloadReport {
    /// Whether the new data was refused and the current data kept.
    pub fn is_refused(&self) -> bool {
        self.outcome == ReloadOutcome::Refused.label()
    }
}

/// Reloads the data files, one reload at a time.
pub struct Reloader {
    files: DataFiles,
    shared: Arc<SharedSnapshot>,
    queue: Arc<Queue>,
    thread: Mutex<Option<Background>>,
}

/// What is asked of the thread that reloads, and what came of it.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    work: Condvar,
}

#[derive(Default)]
struct QueueState {
    /// Reloads that have not begun, at most a forced one and another.
    waiting: VecDeque<Batch>,
    /// Who waits for the reload under way.
    under_way: Vec<Done>,
    closed: bool,
    /// The latest reloads, the last one first.
    history: VecDeque<Arc<ReloadReport>>,
}

/// A reload and all who asked for it.
struct Batch {
    /// The first one's.
    cause: Cause,
    force: bool,
    done: Vec<Done>,
}

type Done = Box<dyn FnOnce(Arc<ReloadReport>) + Send>;

/// From a file system that has gone away a reload never ends; the end of the program waits no longer than this for one.
const STOP_LIMIT: Duration = Duration::from_secs(2);

impl Reloader {
    /// A reloader of these files into this place.
    ///
    /// # Errors
    /// Its thread can't be started.
    pub fn new(
        files: DataFiles,
        limits: ReloadLimits,
        shared: Arc<SharedSnapshot>,
        metrics: Arc<Metrics>,
        logger: Logger,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let worker = Worker {
            files: files.clone(),
            limits,
            shared: Arc::clone(&shared),
            metrics,
            logger,
            repeated: None,
        };
        let work = Arc::clone(&queue);
        Ok(Self {
            files,
            shared,
            queue,
            thread: Mutex::new(Some(Background::spawn("reload", move || worker.run(&work))?)),
        })
    }

    /// The latest reloads, the last one first.
    pub fn history(&self) -> Vec<Arc<ReloadReport>> {
        self.queue.lock().history.iter().cloned().collect()
    }

    /// Asks for a reload of what has changed, which begins after this call; `done` gets its report, or is dropped when the
    /// reloader ends before. `force` skips the comparison with the current data.
    pub fn request(&self, cause: Cause, force: bool, done: impl FnOnce(Arc<ReloadReport>) + Send + 'static) {
        let mut state = self.queue.lock();
        if state.closed {
            return;
        }
        match state.waiting.iter_mut().find(|batch| batch.force == force) {
            Some(batch) => batch.done.push(Box::new(done)),
            None => state.waiting.push_back(Batch {
                cause,
                force,
                done: vec![Box::new(done)],
            }),
        }
        drop(state);
        self.queue.work.notify_one();
    }

    /// Asks for a reload and waits for its end; none when the reloader ends before.
    pub fn reload(&self, cause: Cause, force: bool) -> Option<Arc<ReloadReport>> {
        let (done, report) = mpsc::channel();
        self.request(cause, force, move |report| {
            // It is received below.
            let _ = done.send(report);
        });
        report.recv().ok()
    }

    /// Begins no more reloads and waits for the one under way, for two seconds at most; then it is left behind, without a report.
    pub fn end(&self) {
        let mut state = self.queue.lock();
        state.closed = true;
        state.waiting.clear();
        drop(state);
        self.queue.work.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.end_within(STOP_LIMIT);
            self.queue.lock().under_way.clear();
        }
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        self.end();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // The state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do: its cause and whether it is forced. None at the end.
    fn next(&self) -> Option<(Cause, bool)> {
        let idle = |state: &mut QueueState| state.waiting.is_empty() && !state.closed;
        let mut state = self
            .work
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        let batch = state.waiting.pop_front()?;
        state.under_way = batch.done;
        Some((batch.cause, batch.force))
    }
}

/// The thread that reloads.
struct Worker {
    files: DataFiles,
    limits: ReloadLimits,
    shared: Arc<SharedSnapshot>,
    metrics: Arc<Metrics>,
    logger: Logger,
    /// The reasons of the last refusal and when they were last logged as an error.
    repeated: Option<(Vec<String>, Instant)>,
}

/// What came of reading the files.
struct Attempt {
    /// A new snapshot, none if nothing has changed, or all reasons against it.
    result: Result<Option<Snapshot>, Vec<String>>,
    /// The files that are not the ones in use.
    changed: Vec<&'static str>,
    /// Whether a reason may pass.
    passing: bool,
}

/// A refusal that the watch runs into again and again is an error in the log at most this often.
const REPEAT_ERROR_EVERY: Duration = Duration::from_secs(3600);

impl Worker {
    fn run(mut self, queue: &Queue) {
        while let Some((cause, force)) = queue.next() {
            let report = Arc::new(self.attempt(cause, force));
            let mut state = queue.lock();
            state.history.push_front(Arc::clone(&report));
            state.history.truncate(REMEMBERED);
            let all = std::mem::take(&mut state.under_way);
            drop(state);
            for done in all {
                done(Arc::clone(&report));
            }
        }
    }

    fn attempt(&mut self, cause: Cause, force: bool) -> ReloadReport {
        let (started, begin) = (SystemTime::now(), Instant::now());
        let present = self.shared.present_owned();
        let limits = (!force).then_some(self.limits);
        let renewed = catch_unwind(AssertUnwindSafe(|| renew(&self.files, &present, limits)));
        let Attempt {
            result,
            changed,
            passing,
        } = renewed.unwrap_or_else(|_| Attempt {
            result: Err(vec![
                "a defect of the server; standard error has the message".to_owned(),
            ]),
            changed: Vec::new(),
            passing: false,
        });
        let mut loaded = None;
        let (outcome, reasons) = match result {
            Ok(Some(snapshot)) => {
                self.shared.replace(snapshot);
                loaded = Some(self.shared.present_owned());
                (ReloadOutcome::Replaced, Vec::new())
            }
            Ok(None) => (ReloadOutcome::Unchanged, Vec::new()),
            Err(reasons) => (ReloadOutcome::Refused, reasons),
        };
        let duration = begin.elapsed();
        if outcome == ReloadOutcome::Replaced {
            wait_until_unused(&present);
        }
        self.metrics.reloaded(outcome, duration);
        let report = ReloadReport {
            outcome: outcome.label(),
            cause,
            forced: force,
            started: started
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
            seconds: duration.as_secs_f64(),
            changed,
            reasons,
            passing,
        };
        self.log(&report);
        if let Some(loaded) = loaded {
            self.log_warnings(&loaded, &report.changed);
        }
        report
    }

    fn log(&mut self, report: &ReloadReport) {
        if !report.is_refused() {
            self.repeated = None;
            info!(self.logger, "reload finished";
                "outcome" => report.outcome, "cause" => ?report.cause, "forced" => report.forced,
                "duration_s" => report.seconds, "changed" => report.changed.join(","));
            return;
        }
        let reasons = report.reasons.join("; ");
        let is_retry = report.cause == Cause::Watch && report.passing;
        let told = self.repeated.as_ref().is_some_and(|(reasons, logged)| {
            is_retry && *reasons == report.reasons && logged.elapsed() < REPEAT_ERROR_EVERY
        });
        if told {
            debug!(self.logger, "reload refused again; the data in use goes on";
                "cause" => ?report.cause, "duration_s" => report.seconds, "reasons" => reasons);
            return;
        }
        self.repeated = Some((report.reasons.clone(), Instant::now()));
        error!(self.logger, "reload refused; the data in use goes on";
            "cause" => ?report.cause, "duration_s" => report.seconds, "reasons" => reasons, "passing" => report.passing);
    }

    /// Logs what was left out of the files that a new snapshot is made from.
    fn log_warnings(&self, loaded: &Snapshot, changed: &[&str]) {
        for (key, source) in sources(loaded) {
            if changed.contains(&key) && source.warnings.count() > 0 {
                warn!(self.logger, "entries of a data file are left out";
                    "file" => source.path.display().to_string(), "count" => source.warnings.count(),
                    "first" => source.warnings.first().join("; "));
            }
        }
    }
}

/// Waits until no request uses a snapshot that was replaced, so that it is here and not in a request's thread that its memory
/// is given back, which takes a while.
fn wait_until_unused(snapshot: &Arc<Snapshot>) {
    let patience = Instant::now() + Duration::from_secs(1);
    while Arc::strong_count(snapshot) > 1 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The sources of a snapshot's tables, with the keys of their settings.
pub fn sources(snapshot: &Snapshot) -> Vec<(&'static str, &load::Source)> {
    let mut sources = vec![
        ("cache", &snapshot.cache_file().source),
        ("global_netblocks", &snapshot.global_netblocks_file().source),
        ("cccsv", &snapshot.country_continent_file().source),
    ];
    sources.extend(snapshot.geoip_file().map(|geoip| ("geoip", &geoip.source)));
    sources
}

/// Reads the files that are not the ones in use.
fn renew(files: &DataFiles, present: &Snapshot, limits: Option<ReloadLimits>) -> Attempt {
    let tables = load::read(files, Some(present));
    let mut attempt = Attempt {
        result: Ok(None),
        changed: Vec::new(),
        passing: false,
    };
    let mut reasons = Vec::new();
    note("cache", &tables.cache, &mut attempt, &mut reasons);
    note("global_netblocks", &tables.global_netblocks, &mut attempt, &mut reasons);
    note("cccsv", &tables.country_continent, &mut attempt, &mut reasons);
    note("geoip", &tables.geoip, &mut attempt, &mut reasons);
    if let (Ok(cache), Ok(netblocks), Ok(continents), Ok(geoip)) = (
        tables.cache.loaded,
        tables.global_netblocks.loaded,
        tables.country_continent.loaded,
        tables.geoip.loaded,
    ) && !attempt.changed.is_empty()
    {
        let new = Snapshot::new(cache, netblocks, continents, Some(geoip));
        if let Some(limits) = limits {
            reasons = compare(present, &new, limits);
        }
        attempt.result = Ok(Some(new));
    }
    if !reasons.is_empty() {
        attempt.result = Err(reasons);
    }
    attempt
}

fn note<T>(key: &'static str, table: &Table<T>, attempt: &mut Attempt, reasons: &mut Vec<String>) {
    if table.read {
        attempt.changed.push(key);
    }
    if let Err(error) = &table.loaded {
        reasons.push(error.to_string());
        attempt.passing |= error.is_passing();
    }
}

/// What speaks against taking new data in place of the present.
fn compare(present: &Snapshot, new: &Snapshot, limits: ReloadLimits) -> Vec<String> {
    let counts = |snapshot: &Snapshot| {
        let counts = snapshot.catalogue().counts();
        let geoip = snapshot.geoip().map_or(0, crate::geo::GeoIp::node_count);
        [
            ("cache", "hosts", counts.hosts),
            ("cache", "directories", counts.directories),
            ("cache", "repositories", counts.repositories),
            ("global_netblocks", "networks", snapshot.autonomous_systems().len()),
            ("cccsv", "countries", snapshot.country_continent_file().table.len()),
            ("geoip", "nodes", usize::try_from(geoip).unwrap_or(usize::MAX)),
        ]
    };
    let shrunk = counts(present)
        .into_iter()
        .zip(counts(new))
        .map(|((key, kind, before), (_, _, after))| {
            limits.max_shrink.is_exceeded_by_loss(before, after).then(|| {
            format!(
                "{key}: {kind} shrank from {before} to {after}, more than {}; reload with force=true if that is right",
                limits.max_shrink
            )
        })
        });
    let times = [
        ("cache", present.catalogue().created(), new.catalogue().created()),
        (
            "geoip",
            present.geoip().map_or(0, crate::geo::GeoIp::built),
            new.geoip().map_or(0, crate::geo::GeoIp::built),
        ),
    ];
    // A time from the future says that a clock was wrong, not that the data is newer than any that comes.
    let now = age::now();
    let older = times
        .into_iter()
        .filter(|(_, before, after)| after < before && !age::is_ahead(*before, now))
        .map(|(key, before, after)| {
            format!(
                "{key}: it was made {} s before the one in use; reload with force=true if that is right",
                before - after
            )
        });
    shrunk.flatten().chain(older).collect()
}
