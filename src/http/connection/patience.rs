//! How long an answer may wait for its client.

use std::time::Duration;

use actix_web::rt::time::Instant;

use super::metrics::Cut;

/// The deadlines of an answer; not set while it need not wait.
#[derive(Default)]
pub(super) struct AnswerPatience {
    stall: Option<Instant>,
    whole: Option<Instant>,
}

impl AnswerPatience {
    /// The client has taken some bytes of the answer.
    pub(super) fn progressed(&mut self) {
        self.stall = None;
    }

    /// The answer has to wait: `stall` is the time to the next byte, `whole` the time to the last one. Returns the nearer
    /// deadline, and the reason for closing the connection then.
    pub(super) fn deadline(&mut self, stall: Duration, whole: Duration) -> (Instant, Cut) {
        let now = Instant::now();
        let stall = *self.stall.get_or_insert(now + stall);
        let whole = *self.whole.get_or_insert(now + whole);
        if whole <= stall {
            (whole, Cut::Slow)
        } else {
            (stall, Cut::Stalled)
        }
    }
}
