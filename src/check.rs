//! What the data files hold, for people: the text of `mirrorlist-server check`.

use std::fmt::{self, Write as _};

use crate::snapshot::Snapshot;
use crate::snapshot::age::Utc;
use crate::snapshot::load::Source;

/// A text on what a snapshot holds: for each file its counts, its times, and what was left out of it.
pub fn describe(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    // Writing to a String can't fail.
    let _ = write_description(snapshot, &mut text);
    text
}

fn write_description(snapshot: &Snapshot, out: &mut String) -> fmt::Result {
    let counts = snapshot.catalogue().counts();
    source("cache", &snapshot.cache_file().source, out)?;
    writeln!(out, "  created {}", Utc(snapshot.catalogue().created()))?;
    writeln!(
        out,
        "  {} hosts, {} pairs of host and category, {} directories, {} repositories",
        counts.hosts, counts.carriers, counts.directories, counts.repositories
    )?;
    writeln!(
        out,
        "  {} directories with file details, {} networks of hosts, {} AS numbers of hosts",
        counts.directories_with_files, counts.host_netblocks, counts.as_numbers
    )?;
    warnings(&snapshot.cache_file().source, out)?;

    source("global_netblocks", &snapshot.global_netblocks_file().source, out)?;
    writeln!(out, "  {} networks", snapshot.autonomous_systems().len())?;
    warnings(&snapshot.global_netblocks_file().source, out)?;

    source("cccsv", &snapshot.country_continent_file().source, out)?;
    writeln!(out, "  {} countries", snapshot.country_continent_file().table.len())?;
    warnings(&snapshot.country_continent_file().source, out)?;

    if let Some(geoip) = snapshot.geoip_file() {
        source("geoip", &geoip.source, out)?;
        writeln!(
            out,
            "  built {}, {} nodes",
            Utc(geoip.table.built()),
            geoip.table.node_count()
        )?;
        warnings(&geoip.source, out)?;
    }
    Ok(())
}

fn source(key: &str, source: &Source, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "{key}: {} ({} bytes, read in {} ms)",
        source.path.display(),
        source.identity.map_or(0, |identity| identity.bytes()),
        source.duration.as_millis()
    )
}

fn warnings(source: &Source, out: &mut String) -> fmt::Result {
    let warnings = &source.warnings;
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
