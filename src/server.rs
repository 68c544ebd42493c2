//! A server's life: bind, say where, answer until told to stop, finish what is under way, write what is left.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::{App, HttpRequest, HttpServer, web};
use rand::TryRng;
use rand::rngs::SysRng;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;
use slog::{Logger, info};

use crate::config::ServerConfig;
use crate::http::access_log::{AccessLog, AccessLogTarget};
use crate::http::clock::Clock;
use crate::http::public::{Public, Worker};
use crate::snapshot::{SharedSnapshot, Snapshot};

/// An idle connection is kept open this long: longer than a proxy's own limit, so that it is the proxy that closes.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Requests under way are given this many seconds to finish.
const SHUTDOWN_SECONDS: u64 = 30;

/// Why a server could not start or go on.
#[derive(Debug)]
pub enum ServerError {
    /// The address can't be listened on.
    Listen(SocketAddr, io::Error),
    /// The access log can't be opened.
    AccessLog(AccessLogTarget, io::Error),
    /// The operating system refuses something that a server needs.
    System(io::Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen(address, error) => write!(
                f,
                "cannot listen on {address}: {error}; choose another --listen or --port"
            ),
            Self::AccessLog(AccessLogTarget::File(path), error) => write!(
                f,
                "cannot open the access log {}: {error}; choose another --log, or - for standard output",
                path.display()
            ),
            Self::AccessLog(AccessLogTarget::Stdout, error) => write!(f, "cannot write the access log: {error}"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServerError {}

/// Runs a server until SIGTERM or SIGINT. `announce` is called with the address once requests are answered.
///
/// # Errors
/// Where it can't start.
pub fn run(
    config: &ServerConfig,
    snapshot: Snapshot,
    logger: &Logger,
    mut announce: impl FnMut(SocketAddr),
) -> Result<(), ServerError> {
    let access_log = AccessLog::open(&config.access_log, logger.clone())
        .map_err(|error| ServerError::AccessLog(config.access_log.clone(), error))?;
    let public = Public {
        snapshot: Arc::new(SharedSnapshot::new(snapshot)),
        settings: Arc::new(config.public.clone()),
        access_log: access_log.lines(),
        logger: logger.clone(),
    };
    let signals = Signals::new([SIGTERM, SIGINT]).map_err(ServerError::System)?;
    let served = actix_web::rt::System::new().block_on(async {
        let (server, addresses) = public_server(config, public)?;
        for address in addresses {
            info!(logger, "listening"; "address" => %address);
            announce(address);
        }
        let stopper = StopOnSignal::start(signals, server.handle(), logger.clone()).map_err(ServerError::System)?;
        let served = server.await.map_err(ServerError::System);
        stopper.end();
        served
    });
    access_log.close();
    served.inspect(|()| info!(logger, "stopped"))
}

fn public_server(config: &ServerConfig, public: Public) -> Result<(Server, Vec<SocketAddr>), ServerError> {
    let mut server = HttpServer::new(move || {
        // Without the operating system's entropy the order of mirrors could be foreseen, which harms nobody.
        let seed = SysRng.try_next_u64().unwrap_or_default();
        let worker = Rc::new(Worker::new(public.clone(), seed, Clock::default()));
        let respond = move |request: HttpRequest| std::future::ready(worker.respond(&request));
        App::new().default_service(web::to(respond))
    })
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .disable_signals();
    if let Some(workers) = config.workers {
        server = server.workers(workers.get());
    }
    let server = server
        .bind_auto_h2c(config.listen)
        .map_err(|error| ServerError::Listen(config.listen, error))?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

/// Waits for a signal in a thread of its own and then has the server finish what is under way.
struct StopOnSignal {
    signals: signal_hook::iterator::Handle,
    thread: JoinHandle<()>,
}

impl StopOnSignal {
    fn start(mut signals: Signals, server: ServerHandle, logger: Logger) -> io::Result<Self> {
        let handle = signals.handle();
        let wait = move || {
            for signal in signals.forever() {
                info!(logger, "stopping"; "signal" => signal_name(signal).unwrap_or("unknown"));
                // The command is sent by the call itself; what it returns only waits for the end.
                drop(server.stop(true));
            }
        };
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
        Ok(Self {
            signals: handle,
            thread,
        })
    }

    fn end(self) {
        self.signals.close();
        // A panic over there has been reported by the panic hook.
        let _ = self.thread.join();
    }
}
