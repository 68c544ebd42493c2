//! The listener of `--metrics-listen`, for programs that run again and again:
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | metrics in Prometheus' text format |
//! | `/healthz` | 200 while there is no problem; else 503 and why |

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, web};
use prometheus::{Encoder as _, Registry, TextEncoder};
use slog::{Logger, info};

use super::connection::limits::{ConnectionLimits, Connections};
use super::connection::metrics::ConnectionMetrics;
use super::listener::{self, Listener, Serving};
use crate::settings::{ConfigError, Deadlines, TrustedProxies};

/// A program that can be watched.
pub(crate) trait Monitored: Send + Sync + 'static {
    /// Its metrics.
    fn registry(&self) -> &Registry;

    /// The metrics of this listener, which are among them.
    fn connections(&self) -> &Arc<ConnectionMetrics>;

    /// What is wrong, if anything is.
    fn problem(&self) -> Option<String>;
}

/// Connections that are served at once: a Prometheus has one, a health check another.
const MOST_CONNECTIONS: usize = 32;

/// Starts the listener of `--metrics-listen`, if there is to be one, and logs its address.
///
/// # Errors
/// If the address can't be listened on.
pub(crate) fn start<M: Monitored>(
    monitored: &Arc<M>,
    address: Option<SocketAddr>,
    logger: &Logger,
) -> Result<(), ConfigError> {
    let Some(address) = address else {
        return Ok(());
    };
    let bound = serve(Arc::clone(monitored), address, logger.clone()).map_err(|error| {
        ConfigError::new(format!(
            "--metrics-listen: cannot listen on {address}: {error}; choose another address"
        ))
    })?;
    info!(logger, "listening"; "address" => %bound);
    Ok(())
}

/// Serves the metrics in a thread of its own, until the process ends. Returns the address that it listens on.
fn serve<M: Monitored>(monitored: Arc<M>, address: SocketAddr, logger: Logger) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    let limits = ConnectionLimits {
        all: MOST_CONNECTIONS,
        per_address: None,
        exempt: TrustedProxies::loopback(),
    };
    let serving = Serving {
        workers: NonZeroUsize::MIN,
        deadlines: Deadlines::STANDARD,
        connections: Connections::new(limits, Arc::clone(monitored.connections()), logger),
        stop_seconds: 0,
    };
    let server = move || {
        let app = move || {
            let app = App::new()
                .app_data(web::Data::from(monitored.clone()))
                .route("/metrics", web::get().to(metrics_page::<M>))
                .route("/healthz", web::get().to(health_page::<M>));
            map_config(app, |()| AppConfig::default())
        };
        actix_web::rt::System::new().block_on(async {
            match listener::serve(Listener::Tcp(listener), serving, app) {
                Ok(server) => server.await,
                Err(error) => Err(error),
            }
        })
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(server)?;
    Ok(bound)
}

/// All metrics in Prometheus' text format.
///
/// # Errors
/// If one of them is not what the format allows.
pub(crate) fn text(registry: &Registry) -> Result<Vec<u8>, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(text)
}

/// A time in words, in whole seconds.
pub(crate) fn in_words(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

async fn metrics_page<M: Monitored>(monitored: web::Data<M>) -> HttpResponse {
    match text(monitored.registry()) {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn health_page<M: Monitored>(monitored: web::Data<M>) -> HttpResponse {
    match monitored.problem() {
        None => answer(StatusCode::OK, "ok"),
        Some(problem) => answer(StatusCode::SERVICE_UNAVAILABLE, &problem),
    }
}

fn answer(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::plaintext())
        .body(format!("{text}\n"))
}
