//! Describes the data files: the text of `mirrorlist-server check`, and the JSON of `check --json`.

use std::fmt::{self, Display, Write as _};

use serde_json::{Value, json};

use crate::settings::ConfigError;
use crate::settings::exit_codes::{BAD_DATA, USAGE};
use crate::snapshot::age::{self, Utc};
use crate::snapshot::health::source::HealthSource;
use crate::snapshot::status::{file_status, health_file_status};
use crate::snapshot::{DataFile, LoadError, Snapshot};

/// A text on what a snapshot holds: for each file its counts, its times, and the entries that were left out.
pub fn describe(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for file in snapshot.files() {
        // Writing to a String can't fail.
        let _ = describe_file(file, &mut text);
    }
    for source in snapshot.health().sources() {
        let _ = describe_health(source, &mut text);
    }
    text
}

/// A JSON object, in lines, on what a snapshot holds: `ok`, `exit_code`, `version`, `error`, `files` and `health`.
pub fn describe_json(snapshot: &Snapshot) -> String {
    let now = age::now();
    let files = snapshot.files().map(|file| {
        let mut status = json!({ "key": file.key, "summary": file.summary });
        if let (Some(status), Value::Object(more)) = (status.as_object_mut(), file_status(file, now)) {
            status.extend(more);
        }
        status
    });
    let health = snapshot.health().sources().iter();
    let health = health.map(|source| health_file_status(source, now));
    object(0, &Value::Null, &files.collect(), &health.collect())
}

/// The same object for a file that is refused: `error` has its `file` and the `message`.
pub fn refused_json(error: &LoadError) -> String {
    failure(BAD_DATA, &json!(error.path().to_string_lossy()), error)
}

/// The same object for settings that are mistaken: `file` of `error` is null.
pub fn mistaken_json(error: &ConfigError) -> String {
    failure(USAGE, &Value::Null, error)
}

fn failure(exit_code: u8, file: &Value, error: &dyn Display) -> String {
    let error = json!({ "file": file, "message": error.to_string() });
    object(exit_code, &error, &json!([]), &json!([]))
}

fn object(exit_code: u8, error: &Value, files: &Value, health: &Value) -> String {
    let object = json!({
        "ok": error.is_null(),
        "exit_code": exit_code,
        "version": env!("CARGO_PKG_VERSION"),
        "error": error,
        "files": files,
        "health": health,
    });
    format!("{object:#}\n")
}

fn describe_health(source: &HealthSource, out: &mut String) -> fmt::Result {
    writeln!(out, "health.files: {}", source.path().display())?;
    if let Some(file) = source.newest() {
        let (made, until) = (Utc(file.made), Utc(file.valid_until));
        writeln!(out, "  made {made}, valid until {until}, {} URLs", file.urls.len())?;
    }
    match source.reason_at(age::now()) {
        None => writeln!(out, "  used"),
        Some(reason) => writeln!(out, "  not used: {reason}"),
    }
}

fn describe_file(file: &DataFile, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "{}: {} ({} bytes, read in {} ms)",
        file.key,
        file.path.display(),
        file.bytes(),
        file.duration.as_millis()
    )?;
    for line in &file.summary {
        writeln!(out, "  {line}")?;
    }
    let warnings = &file.warnings;
    writeln!(out, "  {} warnings", warnings.count())?;
    for warning in warnings.first() {
        writeln!(out, "    {warning}")?;
    }
    let more = warnings.count() - warnings.first().len() as u64;
    if more > 0 {
        writeln!(out, "    and {more} more")?;
    }
    Ok(())
}
