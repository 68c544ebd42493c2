//! The actions of operators on a running server. Each action is logged with its peer.

use std::collections::HashMap;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use slog::info;
use tokio::sync::oneshot;

use super::peer::Peer;
use super::response::{error, method_not_allowed};
use super::state::Admin;
use crate::logging::{level_name, parse_level};
use crate::reload::Cause;

/// The parameters of a request. The last value of a repeated one counts.
type Parameters = Query<HashMap<String, String>>;

/// Reloads the data files and reports the outcome.
pub(super) async fn reload(admin: Data<Admin>, request: HttpRequest, parameters: Parameters) -> HttpResponse {
    let force = match parameters.get("force").map(String::as_str) {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(_) => return error(StatusCode::BAD_REQUEST, "force= is true or false"),
    };
    if force && request.method() != Method::POST {
        return method_not_allowed("POST", "force=true takes POST, as in curl --request POST");
    }
    let Some(reloader) = admin.data.get().and_then(|data| data.reloader.clone()) else {
        return error(StatusCode::CONFLICT, "there are no data files to reload");
    };
    info!(admin.logger, "a reload is asked for"; "peer" => %Peer::of(&request), "forced" => force);
    let (done, report) = oneshot::channel();
    reloader.request(Cause::Admin, force, move |report| {
        // The client may have gone.
        let _ = done.send(report);
    });
    match report.await {
        Ok(report) if report.is_refused() => HttpResponse::UnprocessableEntity().json(&*report),
        Ok(report) => HttpResponse::Ok().json(&*report),
        Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"),
    }
}

pub(super) async fn reopen_log(admin: Data<Admin>, request: HttpRequest) -> HttpResponse {
    admin.access_log.reopen();
    info!(admin.logger, "the access log is to be reopened"; "peer" => %Peer::of(&request));
    HttpResponse::Ok().json(json!({"reopened": true}))
}

/// Reports the level of diagnostics, or sets it.
pub(super) async fn log_level(admin: Data<Admin>, request: HttpRequest, parameters: Parameters) -> HttpResponse {
    if let Some(wanted) = parameters.get("level") {
        if request.method() != Method::POST {
            return method_not_allowed("POST", "setting the level takes POST, as in curl --request POST");
        }
        let Some(level) = parse_level(wanted) else {
            let levels = "level= is error, warning, info, debug or trace";
            return error(StatusCode::BAD_REQUEST, levels);
        };
        let log = || info!(admin.logger, "log level set"; "peer" => %Peer::of(&request), "to" => level_name(level));
        // The line is written at the more verbose of both levels, so that turning messages off is logged, too.
        if level < admin.level.get() {
            log();
            admin.level.set(level);
        } else {
            admin.level.set(level);
            log();
        }
    }
    HttpResponse::Ok().json(json!({"level": level_name(admin.level.get())}))
}
