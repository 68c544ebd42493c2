//! A server's life: open what it needs, load the data, say where it listens, answer until told to stop, drain, and write what
//! is left. The admin listener is there before the data and until the end. systemd is told of every step.
//!
//! - [`mod@error`]: why a server can't start
//! - [`listeners`]: the public and the admin listener
//! - [`signals`]: what signals do
//! - [`systemd`]: notifications and the watchdog

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use actix_web::web;
use sd_notify::NotifyState;
use slog::{Logger, error, info};

use crate::access_log::AccessLog;
use crate::admin::access::Access;
use crate::admin::token::TokenFile;
use crate::admin::{Admin, AdminData};
use crate::descriptors;
use crate::http::connection::limits::Connections;
use crate::http::public::Public;
use crate::logging::Logging;
use crate::metrics::ServerMetrics;
use crate::readiness::{Phase, Readiness};
use crate::reload::Reloader;
use crate::reload::watch::Watch;
use crate::settings::exit_codes::SOFTWARE;
use crate::settings::{AccessLogTarget, ServerConfig};
use crate::snapshot::{SharedSnapshot, Snapshot};
pub use error::ServerError;
use signals::{SignalThreads, StopRequests};
use systemd::notify;

mod error;
mod listeners;
mod signals;
mod systemd;

/// Beyond its grace, a stop takes no longer than this, whatever does not end: a reload of a file system that hangs, say.
const LONGEST_STOP: Duration = Duration::from_secs(29);

/// The message about a late stop has this long to be written.
const LAST_MESSAGE: Duration = Duration::from_millis(200);

/// The source of a server's data.
pub enum Data {
    /// The configured files, which are watched.
    Files,
    /// Data inside the binary.
    BuiltIn(Box<Snapshot>),
}

/// Runs a server until SIGTERM or SIGINT. `announce` is called with the public address once requests are answered.
///
/// # Errors
/// The server can't start, or the public listener fails.
pub fn run(
    config: &ServerConfig,
    data: Data,
    logging: &Logging,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), ServerError> {
    let logger = &logging.logger;
    let workers = config
        .workers
        .unwrap_or_else(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let descriptors = descriptors::raise_limit();
    if let Some(descriptors) = descriptors.filter(|limit| !descriptors::suffice(*limit, workers)) {
        return Err(ServerError::Workers(workers, descriptors));
    }
    let metrics = Arc::new(ServerMetrics::new()?);
    let opened = AccessLog::open(config.access_log.clone(), &metrics, logger.clone());
    let access_log = opened.map_err(|source| match config.access_log.clone() {
        AccessLogTarget::File(path) => ServerError::AccessLogFile(path, source),
        AccessLogTarget::Stdout => ServerError::AccessLogStdout(source),
    })?;
    let admin = Arc::new(admin_state(config, logging, &metrics, &access_log));
    let served = actix_web::rt::System::new().block_on(async {
        let connections = listeners::public_connections(config, workers, descriptors, &metrics, logger)?;
        let Some((admin_listener, _socket_file)) = listeners::start_admin(config, &admin).await? else {
            return serve(config, data, &admin, workers, connections, None, announce).await;
        };
        let address = Some(admin_listener.address.as_str());
        let served = serve(config, data, &admin, workers, connections, address, announce).await;
        // The public listener's outcome is the server's.
        let _ = admin_listener.stop().await;
        served
    });
    // This writes the lines that wait.
    drop(access_log);
    served.inspect(|()| info!(logger, "stopped"))
}

fn admin_state(
    config: &ServerConfig,
    logging: &Logging,
    metrics: &Arc<ServerMetrics>,
    access_log: &AccessLog,
) -> Admin {
    let settings = config.admin.as_ref();
    let hosts = settings.map(|admin| admin.hosts.clone()).unwrap_or_default();
    let token = settings.and_then(|admin| admin.token_file.clone()).map(TokenFile::new);
    Admin {
        readiness: Readiness::new(config.readiness),
        metrics: Arc::clone(metrics),
        access_log: access_log.lines(),
        level: logging.level.clone(),
        access: Access::new(hosts, token, Arc::clone(metrics), logging.logger.clone()),
        choice: config.choice.clone(),
        logger: logging.logger.clone(),
        started: Instant::now(),
        data: OnceLock::new(),
    }
}

/// From loading the data to the end of the last request.
async fn serve(
    config: &ServerConfig,
    data: Data,
    admin: &Admin,
    workers: NonZeroUsize,
    connections: Arc<Connections>,
    admin_address: Option<&str>,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), ServerError> {
    let logger = &admin.logger;
    let stop = Arc::new(StopRequests::default());
    let signals = signals::register()?;
    let (snapshot, reloader) = load_data(config, data, admin).await?;
    let public = Public {
        snapshot: Arc::clone(&snapshot),
        settings: Arc::new(config.public.clone()),
        choice: Arc::new(config.choice.clone()),
        access_log: Arc::clone(&admin.access_log),
        metrics: Arc::clone(&admin.metrics),
        logger: logger.clone(),
    };
    let (listener, address) = listeners::start_public(config, workers, connections, public)?;
    let watch = match (&reloader, config.watch) {
        (Some(reloader), Some(settings)) => Some(Watch::start(Arc::clone(reloader), settings)?),
        _ => None,
    };
    let access_log = Arc::clone(&admin.access_log);
    let signals = SignalThreads::start(signals, Arc::clone(&stop), reloader.clone(), access_log, logger.clone())?;
    let watchdog = actix_web::rt::spawn(systemd::keep_watchdog(logger.clone()));
    admin.readiness.enter(Phase::Serving);
    notify(&[NotifyState::Ready], logger);
    log_snapshot(&snapshot.current(), logger);
    if let Some(admin_address) = admin_address {
        info!(logger, "admin listening"; "address" => admin_address);
    }
    info!(logger, "listening"; "address" => &listener.address);
    announce(address);

    stop.first.notified().await;
    drain(config, admin, &stop).await?;
    let served = listener.stop().await;
    watchdog.abort();
    // The threads of signals and the watch may wait for a reload; this ends the wait.
    if let Some(reloader) = reloader {
        reloader.end();
    }
    signals.end();
    if let Some(watch) = watch {
        watch.end();
    }
    Ok(served?)
}

/// Goes on accepting for the grace, so that proxies see a failed health check before a refused connection.
async fn drain(config: &ServerConfig, admin: &Admin, stop: &StopRequests) -> io::Result<()> {
    let (logger, grace) = (&admin.logger, config.shutdown_grace);
    admin.readiness.enter(Phase::Draining);
    let late_logger = logger.clone();
    let end_late_stop = move || {
        thread::sleep(grace + LONGEST_STOP);
        error!(late_logger, "the stop took too long; ending without the rest");
        thread::sleep(LAST_MESSAGE);
        process::exit(SOFTWARE.into());
    };
    thread::Builder::new()
        .name("late-stop".to_owned())
        .spawn(end_late_stop)?;
    notify(&[NotifyState::Stopping], logger);
    info!(logger, "draining"; "grace_s" => grace.as_secs_f64());
    // A second signal ends the grace.
    let _ = tokio::time::timeout(grace, stop.second.notified()).await;
    Ok(())
}

async fn load_data(
    config: &ServerConfig,
    data: Data,
    admin: &Admin,
) -> Result<(Arc<SharedSnapshot>, Option<Arc<Reloader>>), ServerError> {
    let (snapshot, watched) = match data {
        Data::BuiltIn(snapshot) => (*snapshot, false),
        Data::Files => {
            let (files, health) = (config.files.clone(), config.health.clone());
            let loaded = web::block(move || Snapshot::load(&files, &health)).await;
            (loaded.map_err(io::Error::other)??, true)
        }
    };
    admin.metrics.loaded();
    let shared = Arc::new(SharedSnapshot::new(snapshot));
    let reloader = watched.then(|| {
        Reloader::new(
            config.files.clone(),
            config.health.clone(),
            config.max_shrink,
            Arc::clone(&shared),
            Arc::clone(&admin.metrics),
            admin.logger.clone(),
        )
    });
    let reloader = reloader.transpose()?.map(Arc::new);
    // This is the only place that sets it.
    let _ = admin.data.set(AdminData {
        snapshot: Arc::clone(&shared),
        reloader: reloader.clone(),
    });
    Ok((shared, reloader))
}

fn log_snapshot(snapshot: &Snapshot, logger: &Logger) {
    for file in snapshot.files() {
        info!(logger, "data file loaded";
            "file" => file.path.display().to_string(), "setting" => file.key,
            "duration_ms" => file.duration.as_millis(), "left_out" => file.warnings.count());
        file.log_warnings(logger);
    }
    for source in snapshot.health().sources() {
        source.log_change(None, logger);
    }
}
