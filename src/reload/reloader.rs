//! Asks for reloads and runs them. Reloads never overlap: one thread runs them, and a caller during a reload waits for the next
//! one, so that its report speaks of the files as they are at the call or later.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use slog::{Logger, debug, error, info};

use super::queue::Queue;
use super::report::{Cause, ReloadReport};
use crate::background::Background;
use crate::clock::since_epoch;
use crate::health::HealthFile;
use crate::metrics::table::LabelValue as _;
use crate::metrics::{ReloadOutcome, ServerMetrics};
use crate::settings::{DataPaths, HealthSettings, Share};
use crate::snapshot::data_file::DataTable as _;
use crate::snapshot::shrink::losses;
use crate::snapshot::{DataFile, SharedSnapshot, Snapshot, age};

/// Reloads the data files, one reload at a time.
pub struct Reloader {
    paths: DataPaths,
    health: HealthSettings,
    pub(super) shared: Arc<SharedSnapshot>,
    queue: Arc<Queue>,
    thread: Mutex<Option<Background>>,
}

/// A reload from a file system that has gone away never ends. The end of the program waits no longer than this for one.
pub(super) const STOP_LIMIT: Duration = Duration::from_secs(2);

impl Reloader {
    /// Starts the thread that reloads these files into the shared snapshot.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn new(
        paths: DataPaths,
        health: HealthSettings,
        max_shrink: Share,
        shared: Arc<SharedSnapshot>,
        metrics: Arc<ServerMetrics>,
        logger: Logger,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let worker = ReloadWorker {
            paths: paths.clone(),
            health: health.clone(),
            max_shrink,
            shared: Arc::clone(&shared),
            metrics,
            logger,
            last_refusal: None,
        };
        let work = Arc::clone(&queue);
        Ok(Self {
            paths,
            health,
            shared,
            queue,
            thread: Mutex::new(Some(Background::spawn("reload", move || worker.run(&work))?)),
        })
    }

    /// The latest reloads, the last one first.
    pub fn history(&self) -> Vec<Arc<ReloadReport>> {
        self.queue.history()
    }

    /// Asks for a reload that begins after this call. `done` gets its report, or is dropped if the reloader ends before. `force`
    /// skips the comparison with the current data.
    pub fn request(&self, cause: Cause, force: bool, done: impl FnOnce(Arc<ReloadReport>) + Send + 'static) {
        self.queue.add(cause, force, Box::new(done));
    }

    /// Asks for a reload and waits for its end; `None` if the reloader ends before.
    pub fn reload(&self, cause: Cause, force: bool) -> Option<Arc<ReloadReport>> {
        let (done, report) = mpsc::channel();
        self.request(cause, force, move |report| {
            // It is received below.
            let _ = done.send(report);
        });
        report.recv().ok()
    }

    /// Begins no more reloads and waits for the running one, for two seconds at most; then its callers get no report.
    pub fn end(&self) {
        self.queue.close();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.end_within(STOP_LIMIT);
            self.queue.abandon_running();
        }
    }

    /// The paths of all files, health files last.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let data = self.paths.iter().map(|(_, path)| path);
        data.chain(self.health.files.iter().map(PathBuf::as_path))
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        self.end();
    }
}

struct ReloadWorker {
    paths: DataPaths,
    health: HealthSettings,
    max_shrink: Share,
    shared: Arc<SharedSnapshot>,
    metrics: Arc<ServerMetrics>,
    logger: Logger,
    /// The reasons of the last refusal, and when they were last logged as an error.
    last_refusal: Option<(Vec<String>, Instant)>,
}

/// The outcome of reading and comparing the files.
#[derive(Default)]
struct Renewal {
    /// A new snapshot; `None` if there is nothing new to take. It can have new health files and the current data.
    snapshot: Option<Snapshot>,
    /// All reasons against new data.
    reasons: Vec<String>,
    /// The files that are not the ones in use.
    changed: Vec<&'static str>,
    passing: bool,
}

impl Renewal {
    fn outcome(&self) -> ReloadOutcome {
        match (&self.snapshot, self.reasons.is_empty()) {
            (_, false) => ReloadOutcome::Refused,
            (Some(_), true) => ReloadOutcome::Replaced,
            (None, true) => ReloadOutcome::Unchanged,
        }
    }
}

/// A refusal that the watch runs into again and again is an error in the log at most this often.
const REPEAT_ERROR_EVERY: Duration = Duration::from_secs(3600);

impl ReloadWorker {
    fn run(mut self, queue: &Queue) {
        while let Some((cause, force)) = queue.next() {
            let report = self.reload(cause, force);
            queue.finish(&Arc::new(report));
        }
    }

    fn reload(&mut self, cause: Cause, force: bool) -> ReloadReport {
        let (started, begin) = (SystemTime::now(), Instant::now());
        let current = self.shared.current_owned();
        let max_shrink = (!force).then_some(self.max_shrink);
        // A panic in a parser is a refusal.
        let renewal = catch_unwind(AssertUnwindSafe(|| {
            renew(&self.paths, &self.health, &current, max_shrink)
        }));
        let renewal = renewal.unwrap_or_else(|_| Renewal {
            reasons: vec!["a defect of the server; standard error has the message".to_owned()],
            ..Renewal::default()
        });
        let outcome = renewal.outcome();
        let new = renewal.snapshot.map(Arc::new);
        if let Some(new) = &new {
            self.shared.replace(Arc::clone(new));
        }
        let duration = begin.elapsed();
        if new.is_some() {
            wait_until_unused(&current);
        }
        self.metrics.reloaded(outcome, duration);
        let report = ReloadReport {
            outcome,
            cause,
            forced: force,
            started: since_epoch(started).as_secs(),
            seconds: duration.as_secs_f64(),
            changed: renewal.changed,
            reasons: renewal.reasons,
            passing: renewal.passing,
        };
        self.log(&report);
        if let Some(new) = &new {
            for file in new.files().filter(|file| report.changed.contains(&file.key)) {
                file.log_warnings(&self.logger);
            }
            for (place, source) in new.health().sources().iter().enumerate() {
                source.log_change(current.health().sources().get(place), &self.logger);
            }
        }
        report
    }

    fn log(&mut self, report: &ReloadReport) {
        if !report.is_refused() {
            self.last_refusal = None;
            info!(self.logger, "reload finished";
                "outcome" => report.outcome.label(), "cause" => ?report.cause, "forced" => report.forced,
                "duration_s" => report.seconds, "changed" => report.changed.join(","));
            return;
        }
        let reasons = report.reasons.join("; ");
        // A new health file has a refused file read again that is still the same.
        let is_retry = report.cause == Cause::Watch && (report.passing || report.changed.contains(&HealthFile::KEY));
        let is_told = self.last_refusal.as_ref().is_some_and(|(reasons, logged)| {
            is_retry && *reasons == report.reasons && logged.elapsed() < REPEAT_ERROR_EVERY
        });
        if is_told {
            debug!(self.logger, "reload refused again; keeping the current data";
                "cause" => ?report.cause, "duration_s" => report.seconds, "reasons" => reasons);
            return;
        }
        self.last_refusal = Some((report.reasons.clone(), Instant::now()));
        error!(self.logger, "reload refused; keeping the current data";
            "cause" => ?report.cause, "duration_s" => report.seconds, "reasons" => reasons, "passing" => report.passing);
    }
}

/// Waits until no request uses a snapshot that was replaced, so that this thread frees its memory, which takes a while, and not a
/// thread that answers requests.
fn wait_until_unused(snapshot: &Arc<Snapshot>) {
    let deadline = Instant::now() + Duration::from_secs(1);
    while Arc::strong_count(snapshot) > 1 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Reads the files that are not the ones in use and, with a limit, compares them.
fn renew(paths: &DataPaths, health: &HealthSettings, current: &Snapshot, max_shrink: Option<Share>) -> Renewal {
    let read = current.reload(paths, health);
    let passing = read.is_passing;
    let changed = read.changed.clone();
    let mut reasons: Vec<String> = read.refused.iter().map(ToString::to_string).collect();
    if let (Some(new), Some(max_shrink)) = (read.new_data(), max_shrink) {
        reasons.extend(objections(current, new, max_shrink));
    }
    Renewal {
        snapshot: read.finish(reasons.is_empty()),
        reasons,
        changed,
        passing,
    }
}

/// The reasons against taking new data, each in one line: it has lost too much, or it is older than the current data.
fn objections(current: &Snapshot, new: &Snapshot, max_shrink: Share) -> Vec<String> {
    let pairs: Vec<(&DataFile, &DataFile)> = current
        .files()
        .filter_map(|old| Some((old, new.files().find(|new| new.key == old.key)?)))
        .collect();
    let shrunk = pairs.iter().flat_map(|(old, new)| {
        let losses = losses(&old.guarded_counts, &new.guarded_counts, max_shrink);
        losses
            .into_iter()
            .map(|loss| format!("{}: {loss}; reload with force=true if that is right", new.key))
    });
    let older = pairs.iter().filter_map(|(old, new)| {
        let (before, after) = (old.created?, new.created?);
        // A time from the future means that a clock was wrong, not that the data is newer than any that comes.
        (after < before && !age::is_ahead(before, age::now())).then(|| {
            format!(
                "{}: it was made {} s before the one in use; reload with force=true if that is right",
                new.key,
                before - after
            )
        })
    });
    shrunk.chain(older).collect()
}
