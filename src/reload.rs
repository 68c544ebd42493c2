//! New data while serving: files that have changed are read aside, checked against what serves now, and take its place in one
//! step, or the old data goes on and everybody is told why.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;
use slog::{Logger, error, info, warn};

use crate::metrics::{Metrics, ReloadOutcome};
use crate::snapshot::age;
use crate::snapshot::load::{self, FileIdentity, Table};
use crate::snapshot::{DataFiles, SharedSnapshot, Snapshot};

/// This many past reloads are remembered.
const REMEMBERED: usize = 10;

/// What a new file may be, compared with the one in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadLimits {
    /// A count of entries may shrink by this many percent of the present one.
    pub max_shrink_percent: u8,
}

/// Why a reload happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Somebody asked the admin listener.
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
    /// Whether the comparison with the present data was left out.
    pub forced: bool,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
    /// The files that were read, by the key of their setting.
    pub changed: Vec<&'static str>,
    /// Why the new data was refused; empty where it was not.
    pub reasons: Vec<String>,
}

impl ReloadReport {
    /// Whether the old data goes on because the new was refused.
    pub fn is_refused(&self) -> bool {
        self.outcome == ReloadOutcome::Refused.label()
    }
}

/// Reloads the data files, one reload at a time.
pub struct Reloader {
    files: DataFiles,
    limits: ReloadLimits,
    shared: Arc<SharedSnapshot>,
    metrics: Arc<Metrics>,
    logger: Logger,
    progress: Mutex<Progress>,
    finished: Condvar,
}

#[derive(Default)]
struct Progress {
    /// The reload under way, and whether it is forced.
    running: Option<bool>,
    /// How many reloads have finished.
    completed: u64,
    /// The latest reloads, the last one first.
    history: VecDeque<Arc<ReloadReport>>,
}

impl Reloader {
    /// A reloader of these files into this place.
    pub fn new(
        files: DataFiles,
        limits: ReloadLimits,
        shared: Arc<SharedSnapshot>,
        metrics: Arc<Metrics>,
        logger: Logger,
    ) -> Self {
        Self {
            files,
            limits,
            shared,
            metrics,
            logger,
            progress: Mutex::new(Progress::default()),
            finished: Condvar::new(),
        }
    }

    /// The latest reloads, the last one first.
    pub fn history(&self) -> Vec<Arc<ReloadReport>> {
        self.progress().history.iter().cloned().collect()
    }

    /// Reloads what has changed and waits for the end. Whoever comes while a reload is under way gets the outcome of that one,
    /// unless he alone wants the limits left out. With `force`, new data is taken whatever the present is.
    pub fn reload(&self, cause: Cause, force: bool) -> Arc<ReloadReport> {
        let mut progress = self.progress();
        while let Some(running_forced) = progress.running {
            let mine = progress.completed + 1;
            progress = self
                .finished
                .wait_while(progress, |progress| progress.completed < mine)
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = progress.history.front()
                && (running_forced || !force)
            {
                return Arc::clone(last);
            }
        }
        progress.running = Some(force);
        drop(progress);

        let report = Arc::new(self.attempt(cause, force));
        let mut progress = self.progress();
        progress.running = None;
        progress.completed += 1;
        progress.history.push_front(Arc::clone(&report));
        progress.history.truncate(REMEMBERED);
        drop(progress);
        self.finished.notify_all();
        report
    }

    fn attempt(&self, cause: Cause, force: bool) -> ReloadReport {
        let (started, begin) = (SystemTime::now(), Instant::now());
        let present = self.shared.present_owned();
        let (result, changed) = renew(&self.files, &present, (!force).then_some(self.limits));
        let (outcome, reasons) = match result {
            Ok(Some(snapshot)) => {
                self.shared.replace(snapshot);
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
        };
        self.log(&report);
        report
    }

    fn log(&self, report: &ReloadReport) {
        if report.is_refused() {
            error!(self.logger, "reload refused; the data in use goes on";
                "cause" => ?report.cause, "duration_s" => report.seconds, "reasons" => report.reasons.join("; "));
        } else {
            info!(self.logger, "reload finished";
                "outcome" => report.outcome, "cause" => ?report.cause, "forced" => report.forced,
                "duration_s" => report.seconds, "changed" => report.changed.join(","));
        }
        for loaded_warnings in self.warnings_of(&report.changed) {
            let (file, count, first) = loaded_warnings;
            warn!(self.logger, "entries of a data file are left out";
                "file" => file, "count" => count, "first" => first);
        }
    }

    /// For each of these files that has warnings: its path, their number and the first ones.
    fn warnings_of(&self, keys: &[&str]) -> Vec<(String, u64, String)> {
        let snapshot = self.shared.present_owned();
        sources(&snapshot)
            .into_iter()
            .filter(|(key, source)| keys.contains(key) && source.warnings.count() > 0)
            .map(|(_, source)| {
                let first = source.warnings.first().join("; ");
                (source.path.display().to_string(), source.warnings.count(), first)
            })
            .collect()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // The state is whole between any two statements.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What comes of reading the files: a new snapshot, none where nothing has changed, or all reasons against it. Also the files
/// that were read.
fn renew(
    files: &DataFiles,
    present: &Snapshot,
    limits: Option<ReloadLimits>,
) -> (Result<Option<Snapshot>, Vec<String>>, Vec<&'static str>) {
    let tables = load::read(files, Some(present));
    let mut changed = Vec::new();
    let mut reasons = Vec::new();
    note("cache", &tables.cache, &mut changed, &mut reasons);
    note("global_netblocks", &tables.global_netblocks, &mut changed, &mut reasons);
    note("cccsv", &tables.country_continent, &mut changed, &mut reasons);
    note("geoip", &tables.geoip, &mut changed, &mut reasons);
    let (Ok(cache), Ok(netblocks), Ok(continents), Ok(geoip)) = (
        tables.cache.loaded,
        tables.global_netblocks.loaded,
        tables.country_continent.loaded,
        tables.geoip.loaded,
    ) else {
        return (Err(reasons), changed);
    };
    if changed.is_empty() {
        return (Ok(None), changed);
    }
    let new = Snapshot::new(cache, netblocks, continents, Some(geoip));
    if let Some(limits) = limits {
        reasons.extend(compare(present, &new, limits));
    }
    if reasons.is_empty() {
        (Ok(Some(new)), changed)
    } else {
        (Err(reasons), changed)
    }
}

fn note<T>(key: &'static str, table: &Table<T>, changed: &mut Vec<&'static str>, reasons: &mut Vec<String>) {
    if table.read {
        changed.push(key);
    }
    if let Err(error) = &table.loaded {
        reasons.push(error.to_string());
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
    let shrunk = counts(present).into_iter().zip(counts(new)).filter_map(|((key, kind, before), (_, _, after))| {
        let kept = 100 - u128::from(limits.max_shrink_percent.min(100));
        (after as u128 * 100 < before as u128 * kept).then(|| {
            format!(
                "{key}: {kind} shrank from {before} to {after}, more than {} %; reload with force=true if that is right",
                limits.max_shrink_percent
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
    shrunk.chain(older).collect()
}

/// Watches the data files: reloads when one has changed and then been still for a moment.
pub struct Watch {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: std::thread::JoinHandle<()>,
}

/// When files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchSettings {
    /// Time between two looks.
    pub interval: Duration,
    /// How long a changed file has to be still before it is read.
    pub settle: Duration,
}

impl Watch {
    /// Starts watching the files of a reloader.
    ///
    /// # Errors
    /// Where the thread can't be started.
    pub fn start(reloader: Arc<Reloader>, settings: WatchSettings) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let mut watcher = Watcher::new(&reloader);
            while !wait(&stopped, settings.interval) {
                if watcher.look(settings.settle) {
                    reloader.reload(Cause::Watch, false);
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops watching; a reload under way is finished.
    pub fn end(self) {
        let (stop, condition) = &*self.stop;
        *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        condition.notify_one();
        // A panic over there has been reported by the panic hook.
        let _ = self.thread.join();
    }
}

/// Waits for a time or until told to stop; says whether to stop.
fn wait(stop: &(Mutex<bool>, Condvar), time: Duration) -> bool {
    let (stop, condition) = stop;
    let guard = stop.lock().unwrap_or_else(PoisonError::into_inner);
    let (stopped, _) = condition
        .wait_timeout_while(guard, time, |stopped| !*stopped)
        .unwrap_or_else(PoisonError::into_inner);
    *stopped
}

type Identities = Vec<Option<FileIdentity>>;

struct Watcher {
    paths: Vec<PathBuf>,
    /// The identities that were last tried or are in use.
    tried: Identities,
    /// Others that have been seen, and since when.
    seen: Option<(Identities, Instant)>,
}

impl Watcher {
    fn new(reloader: &Reloader) -> Self {
        let paths: Vec<PathBuf> = reloader
            .files
            .by_key()
            .into_iter()
            .map(|(_, path)| path.to_owned())
            .collect();
        let snapshot = reloader.shared.present_owned();
        let in_use = |path: &PathBuf| {
            let source = sources(&snapshot).into_iter().find(|(_, source)| source.path == *path);
            source.and_then(|(_, source)| source.identity)
        };
        Self {
            tried: paths.iter().map(in_use).collect(),
            paths,
            seen: None,
        }
    }

    /// Looks at the files; says whether they have changed and been still for long enough. A change that was refused is not
    /// tried again until the files change once more.
    fn look(&mut self, settle: Duration) -> bool {
        let now: Identities = self.paths.iter().map(|path| FileIdentity::at(path).ok()).collect();
        if now == self.tried {
            self.seen = None;
            return false;
        }
        let since = match &self.seen {
            Some((seen, since)) if *seen == now => *since,
            _ => {
                let since = Instant::now();
                self.seen = Some((now.clone(), since));
                since
            }
        };
        if since.elapsed() < settle {
            return false;
        }
        self.tried = now;
        self.seen = None;
        true
    }
}
