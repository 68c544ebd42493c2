//! The admin listener's read-only endpoints: whether the server lives and wants requests, its metrics, its data files and latest
//! reloads. What changes the server is in [`super::actions`].

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::{Map, Value, json};

use super::response::{error, text};
use super::state::Admin;
use crate::logging::level_name;
use crate::mirrorlist::described::host_name;
use crate::readiness::ReadinessStatus;
use crate::snapshot::health::table::HealthTable;
use crate::snapshot::status::{file_status, health_file_status};
use crate::snapshot::{Rules, Snapshot, age};

pub(super) async fn livez() -> HttpResponse {
    text(StatusCode::OK, "alive\n")
}

pub(super) async fn readyz(admin: Data<Admin>) -> HttpResponse {
    let data = admin.data.get();
    let age = data.map(|data| age::age(data.snapshot.current().catalogue().created(), age::now()));
    match admin.readiness.status(age) {
        ReadinessStatus::Ready => text(StatusCode::OK, "ready\n"),
        ReadinessStatus::Degraded(reason) => text(StatusCode::OK, format!("degraded: {reason}\n")),
        ReadinessStatus::Unready(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("unready: {reason}\n")),
    }
}

pub(super) async fn metrics(admin: Data<Admin>) -> HttpResponse {
    let snapshot = admin.data.get().map(|data| data.snapshot.current_owned());
    match admin.metrics.render(snapshot.as_deref()) {
        Ok(body) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(body),
        Err(problem) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    }
}

pub(super) async fn status(admin: Data<Admin>) -> HttpResponse {
    let data = admin.data.get();
    let snapshot = data.map(|data| data.snapshot.current_owned());
    let reloads = data
        .and_then(|data| data.reloader.as_ref())
        .map(|reloader| reloader.history());
    let mut status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": admin.started.elapsed().as_secs(),
        "draining": admin.readiness.is_draining(),
        "log_level": level_name(admin.level.get()),
        "files": snapshot.as_deref().map(file_statuses),
        "reloads": reloads.iter().flatten().map(|report| &**report).collect::<Vec<_>>(),
    });
    if let Some(snapshot) = snapshot
        .as_deref()
        .filter(|snapshot| !snapshot.health().sources().is_empty())
        && let Some(status) = status.as_object_mut()
    {
        status.insert("health".to_owned(), health_status(snapshot));
    }
    if let Some(rules) = snapshot.as_deref().and_then(Snapshot::rules)
        && let Some(status) = status.as_object_mut()
    {
        status.insert("rules".to_owned(), rule_statuses(rules));
    }
    HttpResponse::Ok().json(status)
}

/// The operators' rules. `until`, in seconds since 1970, is there if a rule ends.
fn rule_statuses(rules: &Rules) -> Value {
    let now = age::now();
    let statuses = rules.all().iter().map(|rule| {
        json!({
            "name": rule.name,
            "kind": rule.kind.name(),
            "comment": rule.comment,
            "until": rule.until,
            "holds": rule.holds_at(now),
            "hits": rule.hits(),
            "warnings": rule.warnings,
        })
    });
    statuses.collect()
}

/// The health files, and the hosts that they call bad together.
fn health_status(snapshot: &Snapshot) -> Value {
    let (health, catalogue, now) = (snapshot.health(), snapshot.catalogue(), age::now());
    let files = health.sources().iter().map(|source| health_file_status(source, now));
    let bad_hosts = health.table_at(now).into_iter().flat_map(HealthTable::bad_hosts);
    let bad_hosts = bad_hosts.map(|(index, verdict)| {
        let host = catalogue.host(index);
        let carriers = catalogue.carriers_of(index);
        json!({
            "host_id": host.id,
            "name": carriers.first().map(|(_, carrier)| host_name(catalogue, carrier)),
            "country": host.country.map(|country| country.to_string()),
            "verdict": verdict,
        })
    });
    let hosts = health.hosts_by_verdict(now);
    json!({
        "files": files.collect::<Vec<_>>(),
        "hosts": hosts.map(|(verdict, hosts)| (verdict.name(), hosts)).collect::<BTreeMap<_, _>>(),
        "bad_hosts": bad_hosts.collect::<Vec<_>>(),
    })
}

/// The data files by the keys of their settings.
fn file_statuses(snapshot: &Snapshot) -> Map<String, Value> {
    let now = age::now();
    let statuses = snapshot
        .files()
        .map(|file| (file.key.to_owned(), file_status(file, now)));
    statuses.collect()
}
