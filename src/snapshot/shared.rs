//! The present snapshot, shared by the workers. Taking it is lock-free; replacing it is one pointer swap, so whatever is
//! expensive (loading, checking) happens before and no request waits.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::Snapshot;

/// The snapshot that answers are made from now.
pub struct SharedSnapshot {
    present: ArcSwap<Snapshot>,
}

impl SharedSnapshot {
    /// Begins with this snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            present: ArcSwap::from_pointee(snapshot),
        }
    }

    /// The present snapshot. A request takes it once and makes the whole answer from it.
    pub fn present(&self) -> Guard<Arc<Snapshot>> {
        self.present.load()
    }

    /// The present snapshot for longer than a request takes.
    pub fn present_owned(&self) -> Arc<Snapshot> {
        self.present.load_full()
    }

    /// Puts a snapshot in the place of the present one; requests under way keep the one that they took.
    pub fn replace(&self, snapshot: Snapshot) {
        self.present.store(Arc::new(snapshot));
    }
}
