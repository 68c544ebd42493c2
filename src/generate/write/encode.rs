//! Writes the tables of a cache in the order of their numbers. Entries are sorted, so that the same data make the same bytes.
//! Their encoding is the business of [`crate::cache::write`].

use std::io::{self, Write};

use crate::cache::proto::{
    IntCoordinatesMap, IntIntMap, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, StringBoolMap,
    StringRepeatedIntMap, StringStringMap,
};
use crate::cache::write::{self as table, CacheWriter, DirectoryEncoder};
use crate::generate::build::MirrorData;
use crate::generate::build::file_details::{by_directory, check_repositories};
use crate::generate::build::netblocks::netblock_countries;
use crate::generate::build::repositories::{RepositoryTable, continent_redirects, redirects};
use crate::generate::warnings::RowWarnings;

/// Writes a cache that was made at `time`, in seconds since the Unix epoch. Returns its size in bytes.
///
/// # Errors
/// If `out` cannot be written.
pub(crate) fn write_cache(
    data: &MirrorData,
    time: u64,
    out: impl Write,
    warnings: &mut RowWarnings,
) -> io::Result<u64> {
    let mut writer = CacheWriter::new(out, time)?;
    for (network, country) in netblock_countries(&data.others.netblock_countries, warnings) {
        writer.entry(&table::NETBLOCK_COUNTRY, text_to_text(&network, &country))?;
    }
    for (key, url) in &data.urls {
        let value = url.to_string();
        writer.entry(&table::BASE_URL, IntStringMap { key: *key, value })?;
    }
    write_repositories(data, &mut writer, warnings)?;
    write_hosts(data, &mut writer, warnings)?;
    write_directories(data, &mut writer)?;
    write_coordinates(data, &mut writer)?;
    writer.finish()
}

fn write_repositories(
    data: &MirrorData,
    writer: &mut CacheWriter<impl Write>,
    warnings: &mut RowWarnings,
) -> io::Result<()> {
    let MirrorData { layout, others, .. } = data;
    let repositories = RepositoryTable::new(&others.repositories, layout, warnings);
    let details = by_directory(&others.file_details, layout, warnings);
    check_repositories(&repositories, &details, layout, warnings);
    for files in details {
        writer.entry(&table::FILE_DETAILS, files.entry(warnings))?;
    }
    for prefix in repositories.disabled {
        let key = prefix.to_owned();
        writer.entry(&table::DISABLED_REPOSITORY, StringBoolMap { key, value: true })?;
    }
    for (country, continent) in continent_redirects(&others.continent_redirects, warnings) {
        writer.entry(&table::CONTINENT_REDIRECT, text_to_text(&country, &continent))?;
    }
    for (from, to) in redirects(&others.repository_redirects, warnings) {
        writer.entry(&table::REPOSITORY_REDIRECT, text_to_text(from, to))?;
    }
    for (key, directory) in repositories.directories {
        writer.entry(&table::REPOSITORY, text_to_text(&key, &directory.name))?;
    }
    Ok(())
}

fn write_hosts(data: &MirrorData, writer: &mut CacheWriter<impl Write>, warnings: &mut RowWarnings) -> io::Result<()> {
    let MirrorData { hosts, others, .. } = data;
    for (asn, of_as) in hosts.by_as(&others.peer_asns, warnings) {
        let (key, value) = (asn.get().into(), of_as.iter().map(|host| host.0).collect());
        writer.entry(&table::HOST_AS_NUMBER, IntRepeatedIntMap { key, value })?;
    }
    for host in hosts.known() {
        if let Some(country) = host.country {
            let (key, value) = (host.id.0, country.to_string());
            writer.entry(&table::HOST_COUNTRY, IntStringMap { key, value })?;
        }
    }
    for host in hosts.known() {
        let (key, value) = (host.id.0, host.bandwidth);
        writer.entry(&table::HOST_BANDWIDTH, IntIntMap { key, value })?;
    }
    for (host, countries) in hosts.allowed_countries(&others.allowed_countries, warnings) {
        let (key, value) = (host.0, countries.into_iter().collect());
        writer.entry(&table::HOST_ALLOWED_COUNTRIES, IntRepeatedStringMap { key, value })?;
    }
    for (network, hosts) in &data.networks {
        let (key, value) = (network.to_string(), hosts.iter().map(|host| host.0).collect());
        writer.entry(&table::HOST_NETBLOCK, StringRepeatedIntMap { key, value })?;
    }
    Ok(())
}

fn write_directories(data: &MirrorData, writer: &mut CacheWriter<impl Write>) -> io::Result<()> {
    for (topdir, rows) in data.layout.topdirs.rows().iter().zip(data.matrix.topdirs()) {
        let mut encoder = DirectoryEncoder::new(topdir.columns.iter().map(|column| &column.carrier));
        for (directory, carriers) in topdir.directories.rows().iter().zip(rows) {
            writer.directory(&mut encoder, &directory.name, directory.subpath(), carriers)?;
        }
    }
    Ok(())
}

fn write_coordinates(data: &MirrorData, writer: &mut CacheWriter<impl Write>) -> io::Result<()> {
    for host in data.hosts.known() {
        if let Some(coordinates) = host.coordinates {
            let entry = IntCoordinatesMap {
                key: host.id.0,
                latitude: coordinates.latitude_units(),
                longitude: coordinates.longitude_units(),
            };
            writer.entry(&table::HOST_COORDINATES, entry)?;
        }
    }
    Ok(())
}

fn text_to_text(key: &(impl ToString + ?Sized), value: &(impl ToString + ?Sized)) -> StringStringMap {
    StringStringMap {
        key: key.to_string(),
        value: value.to_string(),
    }
}
