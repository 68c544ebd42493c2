//! A server's two listeners: the public one with all workers, and the admin one with a worker of its own.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use actix_service::{fn_service, map_config};
use actix_web::dev::{AppConfig, Server, ServerHandle};
use actix_web::rt::task::JoinHandle;
use slog::{Logger, warn};

use super::error::ServerError;
use crate::admin::{self, Admin, socket};
use crate::descriptors;
use crate::http::connection::limits::{ConnectionLimits, Connections};
use crate::http::connection::metrics::ConnectionMetrics;
use crate::http::listener::{self, Listener, Serving};
use crate::http::public::{self, Public};
use crate::metrics::ServerMetrics;
use crate::settings::{AdminAddress, ServerConfig, TrustedProxies};

/// Seconds that requests under way have to finish. The admin listener stops after the public one.
const STOP_SECONDS: u64 = 15;
const ADMIN_STOP_SECONDS: u64 = 2;

/// The admin listener has little to do.
const ADMIN_WORKERS: NonZeroUsize = NonZeroUsize::MIN;

const METRICS_PREFIX: &str = "mirrorlist";

/// A listener whose connections are served.
pub(super) struct RunningListener {
    /// The address that it got, as text.
    pub(super) address: String,
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
}

impl RunningListener {
    fn start(address: String, server: Server) -> Self {
        Self {
            address,
            handle: server.handle(),
            server: actix_web::rt::spawn(server),
        }
    }

    /// Stops accepting, and lets the requests under way finish.
    pub(super) async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        // The panic hook has reported a panic.
        self.server.await.unwrap_or(Ok(()))
    }
}

/// Decides how many connections the public listener may serve, and says so if that is fewer than set.
pub(super) fn public_connections(
    config: &ServerConfig,
    workers: NonZeroUsize,
    descriptors: Option<u64>,
    metrics: &ServerMetrics,
    logger: &Logger,
) -> prometheus::Result<Arc<Connections>> {
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
    let metrics = ConnectionMetrics::of_listener(&metrics.registry, METRICS_PREFIX, "public")?;
    Ok(Connections::new(limits, metrics, logger.clone()))
}

/// Starts the public listener. Returns its address, too.
pub(super) fn start_public(
    config: &ServerConfig,
    workers: NonZeroUsize,
    connections: Arc<Connections>,
    public: Public,
) -> Result<(RunningListener, SocketAddr), ServerError> {
    let cannot_listen = |error| ServerError::Listen(config.listen, error);
    let listener = Listener::bind(config.listen).map_err(cannot_listen)?;
    let address = listener.address().unwrap_or(config.listen);
    let serving = Serving {
        workers,
        deadlines: config.deadlines,
        connections,
        stop_seconds: STOP_SECONDS,
    };
    let service = move || fn_service(public::handler(&public));
    let server = listener::serve(listener, serving, service).map_err(cannot_listen)?;
    Ok((RunningListener::start(address.to_string(), server), address))
}

/// Starts the admin listener, if there is to be one. The file of its Unix socket exists until the second value is dropped.
pub(super) async fn start_admin(
    config: &ServerConfig,
    admin: &Arc<Admin>,
) -> Result<Option<(RunningListener, Option<socket::SocketFile>)>, ServerError> {
    let Some(settings) = &config.admin else {
        return Ok(None);
    };
    let bound = match &settings.listen {
        AdminAddress::Tcp(address) => Listener::bind(*address).map(|listener| (listener, None)),
        AdminAddress::Unix(path) => socket::listen(path)
            .await
            .map(|(listener, file)| (Listener::Unix(listener), Some(file))),
    };
    let cannot_listen = |error| ServerError::AdminListen(settings.listen.clone(), error);
    let (listener, socket_file) = match bound {
        Ok(bound) => bound,
        // Compatibility: command lines from before this listener run two servers on a machine.
        // Pinned by `a_second_server_with_the_old_command_line_goes_on_without_an_admin_listener`.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !settings.is_set => {
            warn!(admin.logger, "no admin listener: another program has its address; set admin.listen";
                "error" => %error);
            return Ok(None);
        }
        Err(error) => return Err(cannot_listen(error)),
    };
    let address = listener
        .address()
        .map_or_else(|| settings.listen.to_string(), |bound| bound.to_string());
    let limits = ConnectionLimits {
        all: descriptors::ADMIN_CONNECTIONS,
        per_address: Some(descriptors::ADMIN_CONNECTIONS_PER_ADDRESS),
        exempt: TrustedProxies::loopback(),
    };
    let metrics = ConnectionMetrics::of_listener(&admin.metrics.registry, METRICS_PREFIX, "admin")?;
    let serving = Serving {
        workers: ADMIN_WORKERS,
        deadlines: config.deadlines,
        connections: Connections::new(limits, metrics, admin.logger.clone()),
        stop_seconds: ADMIN_STOP_SECONDS,
    };
    let services = Arc::clone(admin);
    let app = move || map_config(admin::app(Arc::clone(&services)), |()| AppConfig::default());
    let server = listener::serve(listener, serving, app).map_err(cannot_listen)?;
    Ok(Some((RunningListener::start(address, server), socket_file)))
}
