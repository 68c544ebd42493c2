//! The admin listener: health, metrics, reload and explanations, on a socket and with workers of its own, so that it answers
//! while the public side is saturated. The command-line client that asks it is here, too.
//!
//! [`ROUTES`] is the table of what can be asked. Before a route is looked up, [`access`] decides whether the request may be
//! answered at all: web pages of other sites ([`browser`]) may ask for nothing, and what begins with `/admin` is for operators:
//! peers on loopback or the Unix socket ([`socket`]), and holders of the bearer [`token`].
//!
//! What is asked for is answered in [`status`], done in [`actions`] and explained in [`explain`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use actix_web::http::header::{self, ContentType, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use slog::Logger;

use crate::access_log::AccessLogLines;
use crate::logging::LevelHandle;
use crate::metrics::Metrics;
use crate::readiness::Gate;
use crate::reload::Reloader;
use crate::snapshot::SharedSnapshot;
use peer::Peer;

pub mod access;
mod actions;
pub mod browser;
pub mod client;
pub mod explain;
mod guesses;
pub mod peer;
pub mod socket;
mod status;
pub mod token;

/// The address of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// On a TCP port.
    Tcp(SocketAddr),
    /// On a Unix socket.
    Unix(PathBuf),
}

/// What the admin listener works with. What is there once data serves comes later than the listener itself.
pub struct Admin {
    /// Whether the server wants requests.
    pub gate: Arc<Gate>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Lets the access log be reopened.
    pub access_log: AccessLogLines,
    /// The level of diagnostics.
    pub level: LevelHandle,
    /// Who may do what.
    pub access: access::Access,
    /// The minimum number of hosts of public answers.
    pub minimum: usize,
    /// The log of actions.
    pub logger: Logger,
    /// When the process started.
    pub started: Instant,
    /// What serves, once it does.
    pub data: OnceLock<AdminData>,
}

/// What serves, and how it is renewed.
pub struct AdminData {
    /// The current snapshot.
    pub snapshot: Arc<SharedSnapshot>,
    /// Renews it; none for data inside the binary.
    pub reloader: Option<Arc<Reloader>>,
}

/// A request that may be answered.
struct Call<'a> {
    request: &'a HttpRequest,
    peer: Peer,
}

impl Call<'_> {
    fn method(&self) -> &Method {
        self.request.method()
    }

    /// The last value of a parameter.
    fn parameter(&self, name: &str) -> Option<String> {
        let parameters: Vec<(String, String)> = serde_urlencoded::from_str(self.request.query_string()).ok()?;
        let found = parameters.into_iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value)
    }
}

/// Something that can be asked.
struct Route {
    path: &'static str,
    methods: &'static str,
    handler: Handler,
}

/// An answer that is waited for.
type Pending<'a> = Pin<Box<dyn Future<Output = HttpResponse> + 'a>>;

enum Handler {
    Now(fn(&Admin, &Call<'_>) -> HttpResponse),
    Later(for<'a> fn(&'a Admin, &'a Call<'a>) -> Pending<'a>),
}

const READ: &str = "GET, HEAD";
const READ_OR_ACT: &str = "GET, HEAD, POST";

/// All that can be asked.
///
/// - `/livez`: 200 while the process runs
/// - `/readyz`: 200, or 503 with the reason: no data yet, stopping, data too old
/// - `/metrics`: Prometheus' text format
/// - `/admin/status`: JSON: version, uptime, data files, latest reloads
/// - `/admin/reload`: reloads; `force=true`, with POST, skips the comparison with the current data. 200, or 422 if refused, with
///   a JSON report
/// - `/admin/explain`: with a public request's parameters (and `endpoint=metalink`), why a client gets its mirrors; with
///   `host=NAME` or `host_id=N`, what is known of a mirror
/// - `/admin/log/reopen`: reopens the access log after it was renamed
/// - `/admin/log/level`: the level of diagnostics; `level=debug`, with POST, sets it
const ROUTES: [Route; 8] = [
    Route::now("/livez", READ, status::livez),
    Route::now("/readyz", READ, status::readyz),
    Route::now("/metrics", READ, status::metrics),
    Route::now("/admin/status", READ, status::status),
    Route {
        path: "/admin/reload",
        methods: READ_OR_ACT,
        handler: Handler::Later(|admin, call| Box::pin(actions::reload(admin, call))),
    },
    Route::now("/admin/explain", READ, explain_request),
    Route::now("/admin/log/reopen", READ_OR_ACT, actions::reopen_log),
    Route::now("/admin/log/level", READ_OR_ACT, actions::log_level),
];

impl Route {
    const fn now(path: &'static str, methods: &'static str, handler: fn(&Admin, &Call<'_>) -> HttpResponse) -> Self {
        Self {
            path,
            methods,
            handler: Handler::Now(handler),
        }
    }

    fn takes(&self, method: &Method) -> bool {
        self.methods.split(", ").any(|known| known == method.as_str())
    }
}

/// Adds the endpoints to a server.
pub fn configure(admin: &Arc<Admin>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let admin = Arc::clone(admin);
    move |services| {
        services.default_service(web::to(move |request: HttpRequest| {
            let admin = Arc::clone(&admin);
            async move { respond(&admin, &request).await }
        }));
    }
}

async fn respond(admin: &Admin, request: &HttpRequest) -> HttpResponse {
    let peer = Peer::of(request);
    if let Some(refusal) = admin.access.refuse(request, peer).await {
        return refusal;
    }
    let Some(route) = ROUTES.iter().find(|route| route.path == request.path()) else {
        let known = ROUTES.map(|route| route.path).join(" ");
        return text(StatusCode::NOT_FOUND, format!("no such endpoint; there are {known}\n"));
    };
    if !route.takes(request.method()) {
        return method_not_allowed(route.methods, "the method is not one of those in Allow");
    }
    let call = Call { request, peer };
    match route.handler {
        Handler::Now(handler) => handler(admin, &call),
        Handler::Later(handler) => handler(admin, &call).await,
    }
}

fn explain_request(admin: &Admin, call: &Call<'_>) -> HttpResponse {
    let Some(data) = admin.data.get() else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "no data is loaded yet");
    };
    let snapshot = data.snapshot.present_owned();
    match explain::explain_text(&snapshot, call.request.query_string(), admin.minimum) {
        Ok(json) => HttpResponse::Ok().content_type(ContentType::json()).body(json),
        Err(problem) => error(problem.status(), &problem.to_string()),
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::plaintext())
        .body(body.into())
}

fn error(status: StatusCode, problem: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": problem }))
}

fn method_not_allowed(allowed: &'static str, problem: &str) -> HttpResponse {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, problem);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
