//! The admin listener: health, metrics, reload and explanations, on a socket and with workers of its own, so that it answers
//! while the public side is saturated.
//!
//! | endpoint | method | who | answer |
//! |---|---|---|---|
//! | `/livez` | GET | all | 200 while the process runs |
//! | `/readyz` | GET | all | 200, or 503 with the reason: no data yet, stopping, data too old |
//! | `/metrics` | GET | all | Prometheus' text format |
//! | `/admin/status` | GET | operators | JSON: version, uptime, data files, latest reloads |
//! | `/admin/reload` | GET, POST | operators | reloads; `force=true` leaves out the comparison with the present data. 200, or 422 if refused, with a JSON report |
//! | `/admin/explain` | GET | operators | with a public request's parameters (and `endpoint=metalink`), why a client gets its mirrors; with `host=NAME` or `host_id=N`, what is known of a mirror |
//! | `/admin/log/reopen` | GET, POST | operators | opens the access log anew, after it was renamed |
//! | `/admin/log/level` | GET, POST | operators | the level of diagnostics; `level=debug` sets it |
//!
//! Operators are peers on loopback and on a Unix socket, and whoever has the bearer token.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use actix_web::http::header::{self, ContentType};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::Serialize;
use serde_json::json;
use slog::{Logger, info};
use subtle::ConstantTimeEq;

use super::access_log::AccessLogLines;
use super::client_address::parse_address;
use crate::logging::{LevelHandle, level_name, parse_level};
use crate::metrics::Metrics;
use crate::mirrorlist::explain::{HostQuery, explain, explain_hosts};
use crate::mirrorlist::{Endpoint, MirrorQuery};
use crate::readiness::{Gate, Readiness};
use crate::reload::{Cause, Reloader, sources};
use crate::snapshot::load::FileIdentity;
use crate::snapshot::{SharedSnapshot, Snapshot};

/// Where the admin listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// On a TCP port.
    Tcp(SocketAddr),
    /// On a Unix socket, which is made anew at each start.
    Unix(PathBuf),
}

/// What the admin listener works with. What is there once data serves comes later than the listener itself.
pub struct Admin {
    /// Whether the server wants requests.
    pub gate: Arc<Gate>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// Lets the access log be opened anew.
    pub access_log: AccessLogLines,
    /// The level of diagnostics.
    pub level: LevelHandle,
    /// Who may do more than read.
    pub token: Option<TokenFile>,
    /// The minimum number of hosts of public answers.
    pub minimum: usize,
    /// Where actions are noted.
    pub logger: Logger,
    /// When the process started.
    pub started: Instant,
    /// What serves, once it does.
    pub data: std::sync::OnceLock<AdminData>,
}

/// What serves, and how it is renewed.
pub struct AdminData {
    /// The present snapshot.
    pub snapshot: Arc<SharedSnapshot>,
    /// Renews it; none for data inside the binary.
    pub reloader: Option<Arc<Reloader>>,
}

/// The file with the bearer token, reread when it changes.
pub struct TokenFile {
    path: PathBuf,
    known: Mutex<Option<(FileIdentity, Vec<u8>)>>,
}

impl TokenFile {
    /// A token file; it is read when the token is needed.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Mutex::new(None),
        }
    }

    /// Whether a text is the token. An empty or unreadable file lets nobody in.
    fn is_token(&self, text: &[u8]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = FileIdentity::at(&self.path).ok();
        if known.as_ref().map(|(identity, _)| *identity) != identity {
            *known = identity.and_then(|identity| Some((identity, fs::read(&self.path).ok()?.trim_ascii().to_vec())));
        }
        let token = known.as_ref().map_or(&[][..], |(_, token)| token);
        !token.is_empty() && bool::from(token.ct_eq(text))
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

async fn respond(admin: &Arc<Admin>, request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    if path.starts_with("/admin/")
        && let Some(refusal) = refuse_stranger(admin, request)
    {
        return refusal;
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let acts = reads || *request.method() == Method::POST;
    match path {
        "/livez" if reads => text(StatusCode::OK, "alive\n"),
        "/readyz" if reads => readyz(admin),
        "/metrics" if reads => metrics(admin),
        "/admin/status" if reads => status(admin),
        "/admin/reload" if acts => reload(admin, request).await,
        "/admin/explain" if reads => explain_request(admin, request),
        "/admin/log/reopen" if acts => reopen_log(admin),
        "/admin/log/level" if acts => log_level(admin, request),
        "/livez" | "/readyz" | "/metrics" | "/admin/status" | "/admin/explain" => method_not_allowed("GET, HEAD"),
        "/admin/reload" | "/admin/log/reopen" | "/admin/log/level" => method_not_allowed("GET, HEAD, POST"),
        _ => text(
            StatusCode::NOT_FOUND,
            "no such endpoint; there are /livez /readyz /metrics /admin/status /admin/reload /admin/explain \
             /admin/log/reopen /admin/log/level\n",
        ),
    }
}

/// The answer to whoever is no operator.
fn refuse_stranger(admin: &Admin, request: &HttpRequest) -> Option<HttpResponse> {
    // A peer without an address is on the Unix socket.
    if request
        .peer_addr()
        .is_none_or(|peer| peer.ip().to_canonical().is_loopback())
    {
        return None;
    }
    let Some(token) = &admin.token else {
        return Some(error(
            StatusCode::FORBIDDEN,
            "/admin/* is for loopback only; to use it from elsewhere, set admin.token_file and send its content as a \
             bearer token",
        ));
    };
    let sent = request
        .headers()
        .get(header::AUTHORIZATION)
        .map(header::HeaderValue::as_bytes);
    let sent = sent.and_then(|value| value.split_at_checked(BEARER.len()));
    match sent {
        Some((scheme, sent)) if scheme.eq_ignore_ascii_case(BEARER) && token.is_token(sent.trim_ascii()) => None,
        _ => {
            let mut refusal = error(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong");
            refusal
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
            Some(refusal)
        }
    }
}

const BEARER: &[u8] = b"Bearer ";

fn readyz(admin: &Admin) -> HttpResponse {
    let created = admin
        .data
        .get()
        .map(|data| data.snapshot.present().catalogue().created());
    match admin.gate.readiness(created.map(age)) {
        Readiness::Ready => text(StatusCode::OK, "ready\n"),
        Readiness::Degraded(reason) => text(StatusCode::OK, format!("degraded: {reason}\n")),
        Readiness::Unready(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("unready: {reason}\n")),
    }
}

fn metrics(admin: &Admin) -> HttpResponse {
    let snapshot = admin.data.get().map(|data| data.snapshot.present_owned());
    match admin.metrics.render(snapshot.as_deref()) {
        Ok(body) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(body),
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    }
}

/// A data file, as `/admin/status` shows it.
#[derive(Serialize)]
struct FileStatus {
    path: PathBuf,
    bytes: Option<u64>,
    /// Seconds since 1970.
    modified: Option<u64>,
    /// When the content was made, in seconds since 1970, where the file says so.
    created: Option<u64>,
    /// Seconds since the content was made or the file was modified.
    age: Option<u64>,
    load_seconds: f64,
    counts: serde_json::Value,
    warnings: u64,
    first_warnings: Vec<String>,
}

fn status(admin: &Admin) -> HttpResponse {
    let data = admin.data.get();
    let snapshot = data.map(|data| data.snapshot.present_owned());
    let reloads = data
        .and_then(|data| data.reloader.as_ref())
        .map(|reloader| reloader.history());
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": admin.started.elapsed().as_secs(),
        "draining": admin.gate.is_draining(),
        "log_level": level_name(admin.level.get()),
        "files": snapshot.as_deref().map(file_statuses),
        "reloads": reloads.iter().flatten().map(|report| &**report).collect::<Vec<_>>(),
    }))
}

fn file_statuses(snapshot: &Snapshot) -> serde_json::Map<String, serde_json::Value> {
    let counts = snapshot.catalogue().counts();
    let files = sources(snapshot).into_iter().map(|(key, source)| {
        let (created, counts) = match key {
            "cache" => (
                Some(snapshot.catalogue().created()),
                json!({"hosts": counts.hosts, "directories": counts.directories, "repositories": counts.repositories}),
            ),
            "global_netblocks" => (None, json!({"networks": snapshot.autonomous_systems().len()})),
            "cccsv" => (
                None,
                json!({"countries": snapshot.country_continent_file().table.len()}),
            ),
            _ => {
                let geoip = snapshot.geoip();
                (
                    geoip.map(|geoip| geoip.built()),
                    json!({"nodes": geoip.map(|geoip| geoip.node_count())}),
                )
            }
        };
        let modified = source
            .identity
            .and_then(|identity| identity.modified())
            .map(unix_seconds);
        let status = FileStatus {
            path: source.path.clone(),
            bytes: source.identity.map(|identity| identity.bytes()),
            modified,
            created,
            age: created.or(modified).map(|made| age(made).as_secs()),
            load_seconds: source.duration.as_secs_f64(),
            counts,
            warnings: source.warnings.count(),
            first_warnings: source.warnings.first().to_vec(),
        };
        (key.to_owned(), json!(status))
    });
    files.collect()
}

async fn reload(admin: &Admin, request: &HttpRequest) -> HttpResponse {
    let reloader = admin.data.get().and_then(|data| data.reloader.clone());
    let Some(reloader) = reloader else {
        return error(StatusCode::CONFLICT, "there are no data files to reload");
    };
    let force = match parameter(request, "force").as_deref() {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(_) => return error(StatusCode::BAD_REQUEST, "force= is true or false"),
    };
    match web::block(move || reloader.reload(Cause::Admin, force)).await {
        Ok(report) if report.is_refused() => HttpResponse::UnprocessableEntity().json(&*report),
        Ok(report) => HttpResponse::Ok().json(&*report),
        Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"),
    }
}

fn explain_request(admin: &Admin, request: &HttpRequest) -> HttpResponse {
    let Some(data) = admin.data.get() else {
        return error(StatusCode::SERVICE_UNAVAILABLE, "no data is loaded yet");
    };
    let snapshot = data.snapshot.present_owned();
    match explain_text(&snapshot, request.query_string(), admin.minimum) {
        Ok(json) => HttpResponse::Ok().content_type(ContentType::json()).body(json),
        Err(problem) => error(problem.status(), problem.text()),
    }
}

/// Why nothing can be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExplainError {
    /// The parameters are wrong.
    Query(&'static str),
    /// No such host.
    UnknownHost,
}

impl ExplainError {
    /// What is wrong.
    pub fn text(&self) -> &'static str {
        match self {
            Self::Query(text) => text,
            Self::UnknownHost => "no host of the cache has this id or name",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::UnknownHost => StatusCode::NOT_FOUND,
        }
    }
}

/// Explains a query string of `/admin/explain`, as JSON.
///
/// # Errors
/// Where the parameters are wrong or the host is unknown.
pub fn explain_text(snapshot: &Snapshot, query: &str, minimum: usize) -> Result<String, ExplainError> {
    let parameters: Vec<(String, String)> =
        serde_urlencoded::from_str(query).map_err(|_| ExplainError::Query("the query can't be decoded"))?;
    let last = |name: &str| {
        parameters
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let host = match (last("host_id"), last("host")) {
        (Some(id), _) => {
            let id = id.parse().map_err(|_| ExplainError::Query("host_id= is no number"))?;
            Some(HostQuery::Id(id))
        }
        (None, Some(name)) => Some(HostQuery::Name(name.to_owned())),
        (None, None) => None,
    };
    if let Some(host) = host {
        let hosts = explain_hosts(snapshot.catalogue(), &host);
        if hosts.is_empty() {
            return Err(ExplainError::UnknownHost);
        }
        return Ok(pretty(&json!({ "hosts": hosts })));
    }
    let endpoint = match last("endpoint") {
        None | Some("mirrorlist") => Endpoint::Mirrorlist,
        Some("metalink") => Endpoint::Metalink,
        Some(_) => return Err(ExplainError::Query("endpoint= is mirrorlist or metalink")),
    };
    let query = MirrorQuery::parse(query);
    let address = match query.ip.as_deref() {
        Some(text) => parse_address(text).ok_or(ExplainError::Query("ip= is no IP address"))?,
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let seed = SysRng.try_next_u64().unwrap_or_default();
    Ok(pretty(&json!(explain(
        snapshot, endpoint, address, minimum, &query, seed
    ))))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn reopen_log(admin: &Admin) -> HttpResponse {
    admin.access_log.reopen();
    info!(admin.logger, "the access log is to be opened anew");
    HttpResponse::Ok().json(json!({"reopened": true}))
}

fn log_level(admin: &Admin, request: &HttpRequest) -> HttpResponse {
    if let Some(wanted) = parameter(request, "level") {
        let Some(level) = parse_level(&wanted) else {
            return error(
                StatusCode::BAD_REQUEST,
                "level= is error, warning, info, debug or trace",
            );
        };
        admin.level.set(level);
        info!(admin.logger, "log level set"; "to" => level_name(level));
    }
    HttpResponse::Ok().json(json!({"level": level_name(admin.level.get())}))
}

fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(request.query_string()).ok()?;
    parameters
        .into_iter()
        .rev()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}

fn text(status: StatusCode, body: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::plaintext())
        .body(body.into())
}

fn error(status: StatusCode, problem: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": problem }))
}

fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let mut response = error(
        StatusCode::METHOD_NOT_ALLOWED,
        "the method is not one of those in Allow",
    );
    response
        .headers_mut()
        .insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

fn age(made: u64) -> Duration {
    Duration::from_secs(unix_seconds(SystemTime::now()).saturating_sub(made))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Removes a socket that a server before this one has left behind.
///
/// # Errors
/// Where something else than a socket is there, or it can't be removed.
pub fn remove_stale_socket(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "something else than a socket is there",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
