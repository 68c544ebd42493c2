//! The current snapshot, shared by the workers. Taking it is lock-free. Replacing it is one pointer swap, so whatever is expensive
//! (loading, checking) happens before, and no request waits.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::combined::Snapshot;

/// The snapshot that answers are made from.
pub struct SharedSnapshot {
    current: ArcSwap<Snapshot>,
}

impl SharedSnapshot {
    /// Creates the shared snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            current: ArcSwap::from_pointee(snapshot),
        }
    }

    /// The current snapshot. A request takes it once and makes the whole answer from it.
    pub fn current(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The current snapshot, for longer than a request takes.
    pub fn current_owned(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Replaces the current snapshot; requests in flight finish on theirs.
    pub fn replace(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
    }
}
