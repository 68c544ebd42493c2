//! The lines that wait for the writer, in memory. What doesn't fit is dropped and counted.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;

use super::line::format_line;
use crate::metrics::ServerMetrics;
use crate::mirrorlist::answer::AnsweredRepository;

/// The buffer holds this many bytes, some 80,000 lines.
const BUFFER_LIMIT: usize = 8 << 20;

/// The writer is woken early when this many bytes wait.
const WAKE_AT: usize = 64 << 10;

/// Lines wait at most about this long.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// The lines that wait, and the counters of lines.
pub struct LineBuffer {
    state: Mutex<BufferState>,
    work: Condvar,
    pub(super) written: IntCounter,
    pub(super) dropped: IntCounter,
}

#[derive(Default)]
struct BufferState {
    waiting: Vec<u8>,
    /// Lines that were added, whether they are written by now or not.
    accepted: u64,
    /// Whether the file is to be reopened before more is written.
    reopen: bool,
    closed: bool,
}

/// Requests to the writer, apart from writing.
pub(super) struct Work {
    pub(super) closed: bool,
    pub(super) reopen: bool,
}

impl LineBuffer {
    pub(super) fn new(metrics: &ServerMetrics) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            work: Condvar::new(),
            written: metrics.access_log_written.clone(),
            dropped: metrics.access_log_dropped.clone(),
        })
    }

    /// Adds a line for an answered repository request. `date` is the day in UTC like `2026-01-31`.
    pub fn record(&self, address: IpAddr, date: &str, answered: &AnsweredRepository<'_>) {
        self.add(&format_line(address, date, answered));
    }

    /// Has the file reopened before more is written, since the open one was renamed.
    pub fn reopen(&self) {
        self.state.lock().reopen = true;
        self.work.notify_one();
    }

    pub(super) fn add(&self, line: &str) {
        let mut state = self.state.lock();
        if state.waiting.len() + line.len() > BUFFER_LIMIT {
            self.dropped.inc();
            return;
        }
        let before = state.waiting.len();
        state.waiting.extend_from_slice(line.as_bytes());
        state.accepted += 1;
        let wake = before < WAKE_AT && state.waiting.len() >= WAKE_AT;
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Waits for work: many lines, a request to close or reopen, or the time. `patient` waits for the time although there are
    /// many lines. Moves the lines into `lines` if that is empty.
    pub(super) fn wait(&self, lines: &mut Vec<u8>, patient: bool) -> Work {
        let mut state = self.state.lock();
        let is_idle =
            |state: &mut BufferState| !state.closed && !state.reopen && (patient || state.waiting.len() < WAKE_AT);
        self.work.wait_while_for(&mut state, is_idle, FLUSH_EVERY);
        if lines.is_empty() {
            std::mem::swap(lines, &mut state.waiting);
        }
        Work {
            closed: state.closed,
            reopen: std::mem::take(&mut state.reopen),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    /// Asks the writer to write what waits and to end.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.work.notify_one();
    }

    /// Counts the lines that are not written as dropped. Returns how many there are.
    pub(super) fn drop_rest(&self) -> u64 {
        let left = self.state.lock().accepted.saturating_sub(self.written.get());
        self.dropped.inc_by(left);
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let buffer = LineBuffer::new(&ServerMetrics::new().unwrap());
        let line = "x".repeat(1 << 20);
        (0..10).for_each(|_| buffer.add(&line));
        assert_eq!(
            (buffer.state.lock().waiting.len(), buffer.dropped.get()),
            (BUFFER_LIMIT, 2)
        );
    }
}
