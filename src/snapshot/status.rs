//! What data files and health files tell of themselves, as JSON for `/admin/status` and `check --json`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::age;
use super::data_file::DataFile;
use super::health::source::HealthSource;
use crate::clock::since_epoch;

/// A data file. `modified` and `created` are in seconds since 1970; `created`, when the content was made, is there if the file says
/// so. `age` is in seconds from that or, without it, from the modification.
pub fn file_status(file: &DataFile, now: u64) -> Value {
    let modified = file.modified().map(|time| since_epoch(time).as_secs());
    let counts: BTreeMap<&str, usize> = file.counts.iter().map(|count| (count.kind, count.number)).collect();
    json!({
        "path": file.path.to_string_lossy(),
        "bytes": file.identity.map(|_| file.bytes()),
        "modified": modified,
        "created": file.created,
        "age": file.created.or(modified).map(|made| age::age(made, now).as_secs()),
        "load_seconds": file.duration.as_secs_f64(),
        "counts": counts,
        "warnings": file.warnings.count(),
        "first_warnings": file.warnings.first(),
    })
}

/// A health file, and whether it counts. `made` and `valid_until` are in seconds since 1970, `age` in seconds from `made`.
pub fn health_file_status(source: &HealthSource, now: u64) -> Value {
    let newest = source.newest();
    json!({
        "path": source.path().to_string_lossy(),
        "state": source.state_at(now),
        "reason": source.reason_at(now),
        "used": source.used_at(now).is_some(),
        "place": newest.map(|file| &file.place),
        "made": newest.map(|file| file.made),
        "valid_until": newest.map(|file| file.valid_until),
        "age": newest.map(|file| age::age(file.made, now).as_secs()),
        "urls": newest.map(|file| file.urls.len()),
    })
}
