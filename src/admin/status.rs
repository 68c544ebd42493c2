//! What can be read off a server: whether it lives and wants requests, its metrics, its data files and latest reloads.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::json;

use super::response::{error, text};
use super::state::Admin;
use crate::logging::level_name;
use crate::readiness::ReadinessStatus;
use crate::reload::sources;
use crate::snapshot::Snapshot;

pub(super) async fn livez() -> HttpResponse {
    text(StatusCode::OK, "alive\n")
}

pub(super) async fn readyz(admin: Data<Admin>) -> HttpResponse {
    let created = admin
        .data
        .get()
        .map(|data| data.snapshot.present().catalogue().created());
    match admin.readiness.status(created.map(age)) {
        ReadinessStatus::Ready => text(StatusCode::OK, "ready\n"),
        ReadinessStatus::Degraded(reason) => text(StatusCode::OK, format!("degraded: {reason}\n")),
        ReadinessStatus::Unready(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("unready: {reason}\n")),
    }
}

pub(super) async fn metrics(admin: Data<Admin>) -> HttpResponse {
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

pub(super) async fn status(admin: Data<Admin>) -> HttpResponse {
    let data = admin.data.get();
    let snapshot = data.map(|data| data.snapshot.present_owned());
    let reloads = data
        .and_then(|data| data.reloader.as_ref())
        .map(|reloader| reloader.history());
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": admin.started.elapsed().as_secs(),
        "draining": admin.readiness.is_draining(),
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

fn age(made: u64) -> Duration {
    Duration::from_secs(unix_seconds(SystemTime::now()).saturating_sub(made))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
