//! Wakes a connection that waits: at its deadline, and when the server stops.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::rt::time::{Instant, Sleep, sleep_until};
use futures_util::future::{MaybeDone, maybe_done};

/// A future that is ready once the server stops.
pub(crate) type Stopping = Pin<Box<dyn Future<Output = ()>>>;

/// Whether the server stops.
pub(super) struct StopSignal {
    stopping: MaybeDone<Stopping>,
    /// Whether it wakes the connection's task.
    is_watched: bool,
}

impl StopSignal {
    pub(super) fn new(stopping: Stopping) -> Self {
        Self {
            stopping: maybe_done(stopping),
            is_watched: false,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stopping).poll(cx)
    }

    /// Makes the stop wake the task. A connection stays in one task, so that once is enough.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_watched && matches!(self.stopping, MaybeDone::Future(_)) {
            return Poll::Pending;
        }
        self.is_watched = true;
        self.poll(cx)
    }
}

/// A deadline that is cheap to move: the runtime's timer is only set again if it would fire too late.
pub(super) struct Timer {
    pub(super) deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) fn at(deadline: Instant) -> Self {
        Self { deadline, sleep: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
            if sleep.deadline() > self.deadline {
                sleep.as_mut().reset(self.deadline);
            }
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.deadline);
        }
    }

    /// Makes the deadline wake the task, unless an earlier wake is set already.
    pub(super) fn arm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.sleep {
            Some(sleep) if sleep.deadline() <= self.deadline && !sleep.is_elapsed() => Poll::Pending,
            _ => self.poll(cx),
        }
    }
}
