//! Looks at the data files from time to time and asks for a reload when one has changed.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Cause, ReloadReport, Reloader, STOP_LIMIT, sources};
use crate::background::Background;
use crate::settings::WatchSettings;
use crate::snapshot::load::FileIdentity;

/// Watches the data files: reloads when one has changed and then been still for a moment, and again, ever more slowly, while one
/// can't be read for a reason that may pass.
pub struct Watch {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Background,
}

impl Watch {
    /// Starts watching the files of a reloader.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn start(reloader: Arc<Reloader>, settings: WatchSettings) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let thread = Background::spawn("watch", move || {
            let mut watcher = Watcher::new(&reloader);
            while !wait(&stopped, settings.interval) {
                if watcher.look(settings.settle)
                    && let Some(report) = reloader.reload(Cause::Watch, false)
                {
                    watcher.note(&report);
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops watching and waits for a reload under way, for some seconds at most.
    pub fn end(self) {
        let (stop, condition) = &*self.stop;
        *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        condition.notify_one();
        self.thread.end_within(STOP_LIMIT);
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
    /// When to read again what could not be read, and how long that was after the last attempt.
    retry: Option<(Instant, Duration)>,
}

/// The first time that a file that can't be read for a passing reason is tried again; then after twice the time, and so on.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// It is tried again at least this often.
const SLOWEST_RETRY: Duration = Duration::from_secs(300);

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
            retry: None,
        }
    }

    /// Plans another attempt if the last one failed for a reason that may pass.
    fn note(&mut self, report: &ReloadReport) {
        self.retry = report.passing.then(|| {
            let delay = self.retry.map_or(FIRST_RETRY, |(_, delay)| delay * 2);
            let delay = delay.min(SLOWEST_RETRY);
            (Instant::now() + delay, delay)
        });
    }

    /// Looks at the files; says whether they have changed and been still for long enough, or another attempt is due. What was
    /// read and refused is not tried again until the files change once more.
    fn look(&mut self, settle: Duration) -> bool {
        let now: Identities = self.paths.iter().map(|path| FileIdentity::at(path).ok()).collect();
        if now == self.tried {
            self.seen = None;
            return self.retry.is_some_and(|(due, _)| Instant::now() >= due);
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
        self.retry = None;
        true
    }
}
