//! Tells systemd of a server's steps (`Type=notify`) and that it is alive (`WatchdogSec=`). Without systemd, nothing happens.

use std::io;

use sd_notify::NotifyState;
use slog::{Logger, warn};

pub(super) fn notify(state: &[NotifyState<'_>], logger: &Logger) {
    loop {
        match sd_notify::notify(state) {
            Ok(()) => return,
            // A signal came meanwhile.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return warn!(logger, "systemd can't be notified"; "error" => %error),
        }
    }
}

/// Tells systemd that a reload begins. It ends with the next [`NotifyState::Ready`].
pub(super) fn notify_reloading(logger: &Logger) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now], logger),
        Err(error) => warn!(logger, "systemd is not told of the reload"; "error" => %error),
    }
}

/// Tells systemd's watchdog, if there is one, that the main thread is alive.
pub(super) async fn keep_watchdog(logger: Logger) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        notify(&[NotifyState::Watchdog], &logger);
        tokio::time::sleep(limit / 3).await;
    }
}
