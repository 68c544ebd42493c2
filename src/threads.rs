//! Waiting for threads of a scope.

use std::panic;
use std::thread::ScopedJoinHandle;

/// Waits for a thread. A panic in it is a defect, and goes on in this thread.
pub(crate) fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
}
