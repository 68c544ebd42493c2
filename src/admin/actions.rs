//! What operators do to a server that runs. Each action is logged with who asked for it.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use serde_json::json;
use slog::info;
use tokio::sync::oneshot;

use super::{Admin, Call, error, method_not_allowed};
use crate::logging::{level_name, parse_level};
use crate::reload::Cause;

/// Reloads the data files and tells how that went.
pub(super) async fn reload(admin: &Admin, call: &Call<'_>) -> HttpResponse {
    let force = match call.parameter("force").as_deref() {
        None | Some("false") => false,
        Some("true" | "") => true,
        Some(_) => return error(StatusCode::BAD_REQUEST, "force= is true or false"),
    };
    if force && call.method() != Method::POST {
        return method_not_allowed("POST", "force=true takes POST, as in curl --request POST");
    }
    let reloader = admin.data.get().and_then(|data| data.reloader.clone());
    let Some(reloader) = reloader else {
        return error(StatusCode::CONFLICT, "there are no data files to reload");
    };
    info!(admin.logger, "a reload is asked for"; "peer" => %call.peer, "forced" => force);
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

/// Has the access log reopened.
pub(super) fn reopen_log(admin: &Admin, call: &Call<'_>) -> HttpResponse {
    admin.access_log.reopen();
    info!(admin.logger, "the access log is to be reopened"; "peer" => %call.peer);
    HttpResponse::Ok().json(json!({"reopened": true}))
}

/// Tells the level of diagnostics, or sets it.
pub(super) fn log_level(admin: &Admin, call: &Call<'_>) -> HttpResponse {
    if let Some(wanted) = call.parameter("level") {
        if call.method() != Method::POST {
            return method_not_allowed("POST", "setting the level takes POST, as in curl --request POST");
        }
        let Some(level) = parse_level(&wanted) else {
            return error(
                StatusCode::BAD_REQUEST,
                "level= is error, warning, info, debug or trace",
            );
        };
        let tell = || info!(admin.logger, "log level set"; "peer" => %call.peer, "to" => level_name(level));
        // Told while the more talkative of both levels counts, so that turning messages off does not go untold.
        if level < admin.level.get() {
            tell();
            admin.level.set(level);
        } else {
            admin.level.set(level);
            tell();
        }
    }
    HttpResponse::Ok().json(json!({"level": level_name(admin.level.get())}))
}
