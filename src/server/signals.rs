//! The signals of a server: SIGTERM and SIGINT stop it, SIGHUP reloads, SIGUSR1 reopens the access log.

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::signal_name;
use slog::{Logger, info};
use tokio::sync::Notify;

use super::systemd;
use crate::access_log::LineBuffer;
use crate::background::Background;
use crate::reload::{Cause, Reloader};

/// Threads that handle signals have this long to end.
const END_LIMIT: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct StopRequests {
    pub(super) first: Notify,
    pub(super) second: Notify,
}

/// Keeps the signals that come from now on for [`SignalThreads`].
pub(super) fn register() -> io::Result<Signals> {
    Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])
}

pub(super) struct SignalThreads {
    signals: Handle,
    waiting: Background,
    reloading: Background,
}

impl SignalThreads {
    pub(super) fn start(
        mut signals: Signals,
        stop: Arc<StopRequests>,
        reloader: Option<Arc<Reloader>>,
        access_log: Arc<LineBuffer>,
        logger: Logger,
    ) -> io::Result<Self> {
        let handle = signals.handle();
        // A reload would hold up the signals after it. One that has not begun serves all SIGHUPs before it.
        let (hangups, wanted) = mpsc::sync_channel(1);
        let reloading = {
            let logger = logger.clone();
            Background::spawn("signal-reload", move || {
                while wanted.recv() == Ok(()) {
                    if let Some(reloader) = &reloader {
                        reload(reloader, &logger);
                    }
                }
            })?
        };
        let waiting = Background::spawn("signals", move || {
            let mut stopping = false;
            for signal in signals.forever() {
                info!(logger, "signal"; "name" => signal_name(signal).unwrap_or("unknown"));
                match signal {
                    SIGHUP => {
                        // If the queue is full, a reload is still to begin.
                        let _ = hangups.try_send(());
                    }
                    SIGUSR1 => access_log.reopen(),
                    _ if stopping => stop.second.notify_one(),
                    _ => {
                        stopping = true;
                        stop.first.notify_one();
                    }
                }
            }
        })?;
        Ok(Self {
            signals: handle,
            waiting,
            reloading,
        })
    }

    pub(super) fn end(self) {
        self.signals.close();
        self.waiting.end_within(END_LIMIT);
        // This thread ends with the other, after a reload under way.
        self.reloading.end_within(END_LIMIT);
    }
}

fn reload(reloader: &Reloader, logger: &Logger) {
    systemd::notify_reloading(logger);
    if reloader.reload(Cause::Signal, false).is_some() {
        systemd::notify(&[NotifyState::Ready], logger);
    }
}
