//! Explanations as JSON, for `/admin/explain` and the command `explain`: parses their parameters. The contents are
//! [`crate::mirrorlist::explain`]'s.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use actix_web::web::Query;
use rand::TryRng;
use rand::rngs::SysRng;
use serde_json::json;

use crate::http::client_address::parse_address;
use crate::mirrorlist::explain::explain;
use crate::mirrorlist::explain::host::{HostQuery, explain_hosts};
use crate::mirrorlist::{Endpoint, MirrorQuery, MirrorRequest};
use crate::settings::ChoiceSettings;
use crate::snapshot::{Snapshot, age};

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The parameters are wrong.
    #[error("{0}")]
    Query(&'static str),
    /// No host is the one asked for.
    #[error("no host of the cache has this id or name")]
    UnknownHost,
}

/// Explains a query string of `/admin/explain`, as JSON.
///
/// # Errors
/// The parameters are wrong, or the host is unknown.
pub fn explain_text(snapshot: &Snapshot, query: &str, settings: &ChoiceSettings) -> Result<String, ExplainError> {
    // The last value of a repeated parameter counts.
    let parameters = Query::<HashMap<String, String>>::from_query(query)
        .map_err(|_| ExplainError::Query("the query can't be decoded"))?;
    let host = match (parameters.get("host_id"), parameters.get("host")) {
        (Some(id), _) => {
            let id = id.parse().map_err(|_| ExplainError::Query("host_id= is no number"))?;
            Some(HostQuery::Id(id))
        }
        (None, name) => name.cloned().map(HostQuery::Name),
    };
    if let Some(host) = host {
        let hosts = explain_hosts(snapshot, &host, age::now());
        if hosts.is_empty() {
            return Err(ExplainError::UnknownHost);
        }
        return Ok(pretty(&json!({ "hosts": hosts })));
    }
    let endpoint = match parameters.get("endpoint").map(String::as_str) {
        None | Some("mirrorlist") => Endpoint::Mirrorlist,
        Some("metalink") => Endpoint::Metalink,
        Some(_) => return Err(ExplainError::Query("endpoint= is mirrorlist or metalink")),
    };
    let query = MirrorQuery::parse(query);
    let address = match query.ip.as_deref() {
        Some(text) => parse_address(text).ok_or(ExplainError::Query("ip= is no IP address"))?,
        None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    let request = MirrorRequest {
        endpoint,
        address,
        query: &query,
        settings,
        now: age::now(),
    };
    let seed = SysRng.try_next_u64().unwrap_or_default();
    Ok(pretty(&json!(explain(snapshot, &request, seed))))
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
