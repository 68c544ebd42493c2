//! A server's life: open what is needed, load the data, say where it listens, answer until told to stop, go on accepting for a
//! while, finish what is under way, write what is left.
//!
//! The admin listener is there before the data and until the end. systemd (`Type=notify`) is told of every step.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use actix_service::{fn_service, map_config};
use actix_web::dev::{AppConfig, Server};
use actix_web::{App, web};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use slog::{Logger, error, info, warn};
use tokio::sync::Notify;

use crate::access_log::{AccessLog, AccessLogLines, AccessLogTarget};
use crate::admin::access::Access;
use crate::admin::socket::{self, SocketFile};
use crate::admin::token::TokenFile;
use crate::admin::{self, Admin, AdminAddress, AdminData};
use crate::background::Background;
use crate::descriptors;
use crate::http::client_address::TrustedProxies;
use crate::http::connection::limits::{ConnectionLimits, Connections};
use crate::http::listener::{self, Listener, Serving};
use crate::http::public::{self, Public};
use crate::logging::Logging;
use crate::metrics::Metrics;
use crate::readiness::{Gate, Phase};
use crate::reload::watch::Watch;
use crate::reload::{Cause, Reloader};
use crate::settings::ServerConfig;
use crate::snapshot::{LoadError, SharedSnapshot, Snapshot};

/// Requests under way are given this many seconds to finish.
const STOP_SECONDS: u64 = 15;

/// The admin listener stops after the public one, and has this many seconds for it.
const ADMIN_STOP_SECONDS: u64 = 2;

/// Beyond its grace, a stop takes no longer than this, whatever does not end: a reload of a file system that hangs, say.
const LONGEST_STOP: Duration = Duration::from_secs(29);

/// The exit code of a stop that took too long (EX_SOFTWARE).
const STOP_TOOK_TOO_LONG: i32 = 70;

/// The rest of the access log is given this long: a reader that does not read holds up no stop.
const ACCESS_LOG_LIMIT: Duration = Duration::from_secs(5);

/// Threads that handle signals are given this long to end.
const SIGNALS_LIMIT: Duration = Duration::from_secs(1);

/// The admin listener has little to do.
const ADMIN_WORKERS: NonZeroUsize = NonZeroUsize::MIN;

/// Where a server's data comes from.
pub enum Data {
    /// From the configured files, which are watched.
    Files,
    /// From the binary.
    BuiltIn(Box<Snapshot>),
}

/// Why a server could not start or go on.
#[derive(Debug)]
pub enum ServerError {
    /// A data file is refused.
    Load(LoadError),
    /// The address can't be listened on.
    Listen(SocketAddr, io::Error),
    /// The admin listener's address can't be listened on.
    AdminListen(AdminAddress, io::Error),
    /// The access log can't be opened.
    AccessLog(AccessLogTarget, io::Error),
    /// There are more workers than open descriptors allow.
    Workers(NonZeroUsize, u64),
    /// The operating system refuses something that a server needs.
    System(io::Error),
    /// A metric is not what Prometheus allows: a defect.
    Metrics(prometheus::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Listen(address, error) => {
                write!(
                    f,
                    "cannot listen on {address}: {error}; choose another --listen or --port"
                )
            }
            Self::AdminListen(AdminAddress::Tcp(address), error) => {
                write!(
                    f,
                    "cannot listen on {address}: {error}; choose another --admin.listen, or off"
                )
            }
            Self::AdminListen(AdminAddress::Unix(path), error) => write!(
                f,
                "cannot listen on {}: {error}; choose another --admin.listen, or off",
                path.display()
            ),
            Self::AccessLog(AccessLogTarget::File(path), error) => write!(
                f,
                "cannot open the access log {}: {error}; choose another --log, or - for standard output",
                path.display()
            ),
            Self::AccessLog(AccessLogTarget::Stdout, error) => write!(f, "cannot write the access log: {error}"),
            Self::Workers(workers, descriptors) => write!(
                f,
                "workers = {workers} needs more open descriptors than the {descriptors} that are allowed; set fewer, or raise the \
                 limit (ulimit -n, LimitNOFILE=)"
            ),
            Self::System(error) => error.fmt(f),
            Self::Metrics(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServerError {}

/// Runs a server until SIGTERM or SIGINT. `announce` is called with the public address once requests are answered.
///
/// # Errors
/// Where it can't start.
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
    if let Some(limit) = descriptors.filter(|limit| !descriptors::suffice(*limit, workers)) {
        return Err(ServerError::Workers(workers, limit));
    }
    let metrics = Arc::new(Metrics::new().map_err(ServerError::Metrics)?);
    let access_log = AccessLog::open(config.access_log.clone(), &metrics, logger.clone())
        .map_err(|error| ServerError::AccessLog(config.access_log.clone(), error))?;
    let settings = config.admin.as_ref();
    let token = settings.and_then(|admin| admin.token_file.clone()).map(TokenFile::new);
    let hosts = settings.map(|admin| admin.hosts.clone()).unwrap_or_default();
    let admin = Arc::new(Admin {
        gate: Arc::new(Gate::new(config.readiness)),
        metrics: Arc::clone(&metrics),
        access_log: access_log.lines(),
        level: logging.level.clone(),
        access: Access::new(hosts, token, Arc::clone(&metrics), logger.clone()),
        minimum: config.public.minimum,
        logger: logger.clone(),
        started: Instant::now(),
        data: OnceLock::new(),
    });
    let served = actix_web::rt::System::new().block_on(async {
        let public = public_serving(config, workers, descriptors, &metrics, logger);
        let Some((admin_server, admin_address, _socket)) = admin_server(config, &admin).await? else {
            return serve(config, data, &admin, public, None, announce).await;
        };
        let admin_handle = admin_server.handle();
        let admin_task = actix_web::rt::spawn(admin_server);
        let served = serve(config, data, &admin, public, Some(&admin_address), announce).await;
        admin_handle.stop(true).await;
        // It has been told to stop, so that waiting for it ends.
        let _ = admin_task.await;
        served
    });
    access_log.close(ACCESS_LOG_LIMIT);
    served.inspect(|()| info!(logger, "stopped"))
}

/// From loading the data to the end of the last request.
async fn serve(
    config: &ServerConfig,
    data: Data,
    admin: &Arc<Admin>,
    serving: Serving,
    admin_address: Option<&str>,
    announce: impl FnOnce(SocketAddr),
) -> Result<(), ServerError> {
    let logger = &admin.logger;
    let stop = Arc::new(Stop::default());
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]).map_err(ServerError::System)?;
    let (shared, reloader) = load_data(config, data, admin).await?;
    let public = Public {
        snapshot: Arc::clone(&shared),
        settings: Arc::new(config.public.clone()),
        access_log: admin.access_log.clone(),
        metrics: Arc::clone(&admin.metrics),
        logger: logger.clone(),
    };
    let cannot_listen = |error| ServerError::Listen(config.listen, error);
    let listener = Listener::bind(config.listen).map_err(cannot_listen)?;
    let address = listener.address().unwrap_or(config.listen);
    let server =
        listener::serve(listener, serving, move || fn_service(public::handler(&public))).map_err(cannot_listen)?;
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    let watch = match (&reloader, config.reload.watch) {
        (Some(reloader), Some(settings)) => {
            Some(Watch::start(Arc::clone(reloader), settings).map_err(ServerError::System)?)
        }
        _ => None,
    };
    let signals = SignalThreads::start(
        signals,
        Arc::clone(&stop),
        reloader.clone(),
        admin.access_log.clone(),
        logger.clone(),
    )
    .map_err(ServerError::System)?;
    let watchdog = actix_web::rt::spawn(keep_watchdog(logger.clone()));
    admin.gate.enter(Phase::Serving);
    notify(&[NotifyState::Ready], logger);
    log_snapshot(&shared.current(), logger);
    if let Some(admin_address) = admin_address {
        info!(logger, "admin listening"; "address" => admin_address);
    }
    info!(logger, "listening"; "address" => %address);
    announce(address);

    stop.first.notified().await;
    admin.gate.enter(Phase::Draining);
    end_late_stop(config.shutdown_grace + LONGEST_STOP, logger).map_err(ServerError::System)?;
    notify(&[NotifyState::Stopping], logger);
    info!(logger, "draining"; "grace_s" => config.shutdown_grace.as_secs_f64());
    // A second signal is answered at once.
    let _ = tokio::time::timeout(config.shutdown_grace, stop.second.notified()).await;
    handle.stop(true).await;
    // A panic of the server has been reported by the panic hook.
    let served = server.await.unwrap_or(Ok(())).map_err(ServerError::System);
    watchdog.abort();
    // What waits for a reload, as the others may, waits no longer.
    if let Some(reloader) = reloader {
        reloader.end();
    }
    signals.end();
    if let Some(watch) = watch {
        watch.end();
    }
    served
}

async fn load_data(
    config: &ServerConfig,
    data: Data,
    admin: &Admin,
) -> Result<(Arc<SharedSnapshot>, Option<Arc<Reloader>>), ServerError> {
    let (snapshot, watched) = match data {
        Data::BuiltIn(snapshot) => (*snapshot, false),
        Data::Files => {
            let files = config.files.clone();
            let loaded = web::block(move || Snapshot::load(&files)).await;
            let loaded = loaded.map_err(|error| ServerError::System(io::Error::other(error)))?;
            (loaded.map_err(ServerError::Load)?, true)
        }
    };
    admin.metrics.loaded();
    let shared = Arc::new(SharedSnapshot::new(snapshot));
    let reloader = watched.then(|| {
        Reloader::new(
            config.files.clone(),
            config.reload.limits,
            Arc::clone(&shared),
            Arc::clone(&admin.metrics),
            admin.logger.clone(),
        )
    });
    let reloader = reloader.transpose().map_err(ServerError::System)?.map(Arc::new);
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
}

/// How the public listener serves its connections.
fn public_serving(
    config: &ServerConfig,
    workers: NonZeroUsize,
    descriptors: Option<u64>,
    metrics: &Metrics,
    logger: &Logger,
) -> Serving {
    let room = descriptors::room_for_connections(descriptors, workers);
    let all = descriptors::connections(config.connections.all, room);
    if let Some(wanted) = config.connections.all.filter(|wanted| wanted.get() > all) {
        warn!(logger, "max_connections is more than open descriptors allow; raise their limit (ulimit -n, LimitNOFILE=)";
            "max_connections" => wanted.get(), "descriptors" => descriptors, "used" => all);
    }
    let limits = ConnectionLimits {
        all,
        per_address: config.connections.per_address,
        exempt: config.public.trusted_proxies.clone(),
    };
    Serving {
        workers,
        deadlines: config.connections.deadlines,
        connections: Connections::new(limits, Arc::clone(&metrics.public_connections), logger.clone()),
        stop_seconds: STOP_SECONDS,
    }
}

/// The admin listener, its address in words, and the file of its socket if it has one; none if there is to be none.
async fn admin_server(
    config: &ServerConfig,
    admin: &Arc<Admin>,
) -> Result<Option<(Server, String, Option<SocketFile>)>, ServerError> {
    let Some(settings) = &config.admin else {
        return Ok(None);
    };
    let bound = match &settings.listen {
        AdminAddress::Tcp(address) => Listener::bind(*address).map(|listener| (listener, None)),
        AdminAddress::Unix(path) => {
            let bound = socket::listen(path).await;
            bound.map(|(listener, file)| (Listener::Unix(listener), Some(file)))
        }
    };
    let cannot_listen = |error| ServerError::AdminListen(settings.listen.clone(), error);
    let (listener, socket) = match bound {
        Ok(bound) => bound,
        // Compatibility: command lines from before this listener run two servers on a machine.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !settings.is_set => {
            warn!(admin.logger, "no admin listener: another program has its address; set admin.listen";
                "error" => %error);
            return Ok(None);
        }
        Err(error) => return Err(cannot_listen(error)),
    };
    let address = match (&settings.listen, listener.address()) {
        (AdminAddress::Unix(path), _) => path.display().to_string(),
        (AdminAddress::Tcp(wanted), bound) => bound.unwrap_or(*wanted).to_string(),
    };
    let limits = ConnectionLimits {
        all: descriptors::ADMIN_CONNECTIONS,
        per_address: Some(descriptors::ADMIN_CONNECTIONS_PER_ADDRESS),
        exempt: TrustedProxies::loopback(),
    };
    let metrics = Arc::clone(&admin.metrics.admin_connections);
    let serving = Serving {
        workers: ADMIN_WORKERS,
        deadlines: config.connections.deadlines,
        connections: Connections::new(limits, metrics, admin.logger.clone()),
        stop_seconds: ADMIN_STOP_SECONDS,
    };
    let services = Arc::clone(admin);
    let app = move || {
        map_config(App::new().configure(admin::configure(&services)), |()| {
            AppConfig::default()
        })
    };
    let server = listener::serve(listener, serving, app).map_err(cannot_listen)?;
    Ok(Some((server, address, socket)))
}

/// Ends the process if it is still there after this time.
fn end_late_stop(after: Duration, logger: &Logger) -> io::Result<()> {
    let logger = logger.clone();
    let wait = move || {
        thread::sleep(after);
        error!(logger, "the stop took too long; ending without the rest");
        thread::sleep(LAST_MESSAGE);
        process::exit(STOP_TOOK_TOO_LONG);
    };
    thread::Builder::new()
        .name("late-stop".to_owned())
        .spawn(wait)
        .map(drop)
}

/// The message about a late stop has this long to be written.
const LAST_MESSAGE: Duration = Duration::from_millis(200);

/// The requests to stop.
#[derive(Default)]
struct Stop {
    first: Notify,
    second: Notify,
}

/// Handles signals in threads of their own: SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR1 reopens the access log.
struct SignalThreads {
    signals: signal_hook::iterator::Handle,
    waiting: Background,
    reloading: Background,
}

impl SignalThreads {
    fn start(
        mut signals: Signals,
        stop: Arc<Stop>,
        reloader: Option<Arc<Reloader>>,
        access_log: AccessLogLines,
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
                        reload_on_signal(reloader, &logger);
                    }
                }
            })?
        };
        let waiting = Background::spawn("signals", move || {
            handle_signals(&mut signals, &stop, &hangups, &access_log, &logger);
        })?;
        Ok(Self {
            signals: handle,
            waiting,
            reloading,
        })
    }

    fn end(self) {
        self.signals.close();
        self.waiting.end_within(SIGNALS_LIMIT);
        // It ends with the other, after a reload under way.
        self.reloading.end_within(SIGNALS_LIMIT);
    }
}

fn handle_signals(
    signals: &mut Signals,
    stop: &Stop,
    hangups: &SyncSender<()>,
    access_log: &AccessLogLines,
    logger: &Logger,
) {
    let mut stopping = false;
    for signal in signals.forever() {
        info!(logger, "signal"; "name" => signal_name(signal).unwrap_or("unknown"));
        match signal {
            SIGHUP => {
                // If it is full, a reload is still to begin.
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
}

fn reload_on_signal(reloader: &Reloader, logger: &Logger) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now], logger),
        Err(error) => warn!(logger, "systemd is not told of the reload"; "error" => %error),
    }
    if reloader.reload(Cause::Signal, false).is_some() {
        notify(&[NotifyState::Ready], logger);
    }
}

/// Tells systemd, if it asked to be told.
fn notify(state: &[NotifyState<'_>], logger: &Logger) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(logger, "systemd can't be notified"; "error" => %error);
    }
}

/// Tells systemd's watchdog, if there is one, that this thread, which starts and stops everything, goes on.
async fn keep_watchdog(logger: Logger) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        notify(&[NotifyState::Watchdog], &logger);
        tokio::time::sleep(limit / 3).await;
    }
}
