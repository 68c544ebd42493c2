//! The table of admin endpoints, and what every request passes before it reaches one.

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::guard::fn_guard;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App, Error, HttpRequest, HttpResponse, Resource, Result, Route};

use super::explain::{ExplainError, explain_text};
use super::peer::Peer;
use super::response::{error, method_not_allowed, text};
use super::state::Admin;
use super::{actions, status};

/// The endpoints for everybody who reaches the listener: path, methods, handler.
///
/// - `/livez`: 200 while the process runs
/// - `/readyz`: 200, or 503 with the reason: no data yet, stopping, data too old
/// - `/metrics`: Prometheus' text format
fn open_routes() -> [(&'static str, &'static str, Route); 3] {
    [
        ("/livez", READ, web::to(status::livez)),
        ("/readyz", READ, web::to(status::readyz)),
        ("/metrics", READ, web::to(status::metrics)),
    ]
}

/// The endpoints for operators, below `/admin`: path, methods, handler.
///
/// - `/status`: JSON: version, uptime, data files, latest reloads
/// - `/reload`: reloads; `force=true`, with POST, skips the comparison with the current data. 200, or 422 if refused, with a JSON
///   report
/// - `/explain`: with a public request's parameters (and `endpoint=metalink`), why a client gets its mirrors; with `host=NAME` or
///   `host_id=N`, what is known of a mirror
/// - `/log/reopen`: reopens the access log after it was renamed
/// - `/log/level`: the level of diagnostics; `level=debug`, with POST, sets it
fn operator_routes() -> [(&'static str, &'static str, Route); 5] {
    [
        ("/status", READ, web::to(status::status)),
        ("/reload", READ_OR_ACT, web::to(actions::reload)),
        ("/explain", READ, web::to(explain_request)),
        ("/log/reopen", READ_OR_ACT, web::to(actions::reopen_log)),
        ("/log/level", READ_OR_ACT, web::to(actions::log_level)),
    ]
}

const OPERATOR_SCOPE: &str = "/admin";

const READ: &str = "GET, HEAD";
const READ_OR_ACT: &str = "GET, HEAD, POST";

/// The service of the admin listener.
pub fn app(
    admin: Arc<Admin>,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>> {
    let operators = operator_routes().map(resource).into_iter();
    let operators = operators.fold(web::scope(OPERATOR_SCOPE), actix_web::Scope::service);
    let open = open_routes().map(resource).into_iter();
    open.fold(App::new(), App::service)
        .service(operators.wrap(from_fn(refuse_strangers)))
        .default_service(web::to(not_found))
        .app_data(Data::from(admin))
        .wrap(from_fn(refuse_pages))
}

fn resource((path, methods, route): (&str, &'static str, Route)) -> Resource {
    let takes = fn_guard(move |request| methods.split(", ").any(|known| request.head().method == known));
    let refuse = move || async move { method_not_allowed(methods, "the method is not one of those in Allow") };
    web::resource(path)
        .route(route.guard(takes))
        .default_service(web::to(refuse))
}

/// Refuses what web pages of other sites send, whatever it asks for.
async fn refuse_pages(admin: Data<Admin>, request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse> {
    let peer = Peer::of(request.request());
    match admin.access.refuse_page(request.head(), peer) {
        Some(refusal) => Ok(request.into_response(refusal)),
        None => next.call(request).await,
    }
}

/// Refuses what is not an operator's.
async fn refuse_strangers(admin: Data<Admin>, request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse> {
    let peer = Peer::of(request.request());
    match admin.access.refuse_stranger(request.headers(), peer).await {
        Some(refusal) => Ok(request.into_response(refusal)),
        None => next.call(request).await,
    }
}

async fn explain_request(admin: Data<Admin>, request: HttpRequest) -> HttpResponse {
    let Some(data) = admin.data.get() else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "no data is loaded yet");
    };
    let snapshot = data.snapshot.current_owned();
    match explain_text(&snapshot, request.query_string(), &admin.choice) {
        Ok(json) => HttpResponse::Ok().content_type(ContentType::json()).body(json),
        Err(problem @ ExplainError::Query(_)) => error(StatusCode::BAD_REQUEST, &problem.to_string()),
        Err(problem @ ExplainError::UnknownHost) => error(StatusCode::NOT_FOUND, &problem.to_string()),
    }
}

async fn not_found() -> HttpResponse {
    let open = open_routes().map(|(path, ..)| path.to_owned());
    let operators = operator_routes().map(|(path, ..)| format!("{OPERATOR_SCOPE}{path}"));
    let known = [&open[..], &operators[..]].concat().join(" ");
    text(StatusCode::NOT_FOUND, format!("no such endpoint; there are {known}\n"))
}
