//! Looks at the data files from time to time and asks for a reload when one has changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::reloader::{Reloader, STOP_LIMIT};
use super::report::{Cause, ReloadReport};
use crate::background::Background;
use crate::settings::WatchSettings;
use crate::snapshot::health::source::HealthSource;
use crate::snapshot::{FileIdentity, age};

/// Watches the data files. It reloads when one has changed and then been still for a moment, and again, at ever longer intervals,
/// while one can't be read for a reason that may pass.
pub struct Watch {
    /// Dropping it stops the thread.
    stop: Sender<()>,
    thread: Background,
}

impl Watch {
    /// Starts watching the files of a reloader.
    ///
    /// # Errors
    /// The thread can't be started.
    pub fn start(reloader: Arc<Reloader>, settings: WatchSettings) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let thread = Background::spawn("watch", move || {
            let mut watcher = Watcher::new(&reloader);
            while stopped.recv_timeout(settings.interval) == Err(RecvTimeoutError::Timeout) {
                let has_expired = || reloader.shared.current().has_expired(age::now());
                if (watcher.look(settings.settle) || has_expired())
                    && let Some(report) = reloader.reload(Cause::Watch, false)
                {
                    watcher.note(&report);
                }
            }
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops watching and waits for a running reload, for some seconds at most.
    pub fn end(self) {
        drop(self.stop);
        self.thread.end_within(STOP_LIMIT);
    }
}

/// The identity of each file, in the order of reading; `None` if it can't be looked at.
type Identities = Vec<Option<FileIdentity>>;

struct Watcher {
    paths: Vec<PathBuf>,
    /// The identities that were last tried or are in use.
    tried: Identities,
    /// Others that were seen, and since when.
    seen: Option<(Identities, Instant)>,
    /// When to read again a file that could not be read, and how long that is after the last attempt.
    retry: Option<(Instant, Duration)>,
}

/// The delay before a file that can't be read for a passing reason is tried again. It doubles with each attempt.
const FIRST_RETRY: Duration = Duration::from_secs(2);

/// The longest such delay.
const SLOWEST_RETRY: Duration = Duration::from_secs(300);

impl Watcher {
    fn new(reloader: &Reloader) -> Self {
        let snapshot = reloader.shared.current_owned();
        let data = snapshot.files().map(|file| (&*file.path, file.identity));
        let health = snapshot.health().sources().iter();
        let health = health.map(|file| (file.path(), file.identity()));
        let in_use: HashMap<&Path, Option<FileIdentity>> = data.chain(health).collect();
        let identity = |path| in_use.get(path).copied().flatten();
        let is_passing = snapshot.health().sources().iter().any(HealthSource::is_passing);
        Self {
            tried: reloader.paths().map(identity).collect(),
            paths: reloader.paths().map(Path::to_owned).collect(),
            seen: None,
            retry: is_passing.then(|| (Instant::now() + FIRST_RETRY, FIRST_RETRY)),
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

    /// Looks at the files and says whether to read them: they have changed and been still for long enough, or another attempt is
    /// due. Files that were read and refused are not tried again until one changes once more.
    fn look(&mut self, settle: Duration) -> bool {
        let now: Identities = self.paths.iter().map(|path| FileIdentity::at(path).ok()).collect();
        if now == self.tried {
            self.seen = None;
            return self.retry.is_some_and(|(due, _)| Instant::now() >= due);
        }
        let since = match &self.seen {
            Some((seen, since)) if *seen == now => *since,
            _ => self.seen.insert((now.clone(), Instant::now())).1,
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
