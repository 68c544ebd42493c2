//! Describes the data files for people: the text of `mirrorlist-server check`.

use std::fmt::{self, Write as _};

use crate::snapshot::age::{self, Utc};
use crate::snapshot::health::source::HealthSource;
use crate::snapshot::{DataFile, Snapshot};

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
