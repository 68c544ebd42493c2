//! The callers that wait for reloads. A caller waits for a reload that begins after the call; callers with the same wish share one.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::report::{Cause, ReloadReport};

/// Called with the report of a reload; dropped if there will be none.
pub(super) type Done = Box<dyn FnOnce(Arc<ReloadReport>) + Send>;

/// The latest reports that are kept.
const MAX_HISTORY: usize = 10;

/// Reloads that are asked for, and the reports of those that ended.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    is_work: Condvar,
}

#[derive(Default)]
struct QueueState {
    /// Reloads that have not begun: at most a forced one and another.
    waiting: VecDeque<Batch>,
    running: Vec<Done>,
    closed: bool,
    /// The latest reports, the last one first.
    history: VecDeque<Arc<ReloadReport>>,
}

struct Batch {
    /// Why the first caller asks.
    cause: Cause,
    force: bool,
    callers: Vec<Done>,
}

impl Queue {
    /// Adds a caller. In a closed queue, `done` is dropped.
    pub(super) fn add(&self, cause: Cause, force: bool, done: Done) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        match state.waiting.iter_mut().find(|batch| batch.force == force) {
            Some(batch) => batch.callers.push(done),
            None => state.waiting.push_back(Batch {
                cause,
                force,
                callers: vec![done],
            }),
        }
        self.is_work.notify_one();
    }

    /// Waits for the next reload: its cause and whether it is forced. `None` once the queue is closed.
    pub(super) fn next(&self) -> Option<(Cause, bool)> {
        let mut state = self.state.lock();
        self.is_work
            .wait_while(&mut state, |state| state.waiting.is_empty() && !state.closed);
        let batch = state.waiting.pop_front()?;
        state.running = batch.callers;
        Some((batch.cause, batch.force))
    }

    /// Notes that the running reload has ended, and tells its callers.
    pub(super) fn finish(&self, report: &Arc<ReloadReport>) {
        let mut state = self.state.lock();
        state.history.push_front(Arc::clone(report));
        state.history.truncate(MAX_HISTORY);
        let callers = std::mem::take(&mut state.running);
        drop(state);
        for done in callers {
            done(Arc::clone(report));
        }
    }

    /// Drops the callers whose reload has not begun, and takes no more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting.clear();
        self.is_work.notify_one();
    }

    /// Drops the callers of the running reload, which never ends.
    pub(super) fn abandon_running(&self) {
        self.state.lock().running.clear();
    }

    /// The latest reports, the last one first.
    pub(super) fn history(&self) -> Vec<Arc<ReloadReport>> {
        self.state.lock().history.iter().cloned().collect()
    }
}
