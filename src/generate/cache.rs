//! What the database says to the tables of a cache, written one after the other in the order of their numbers. Entries are
//! sorted, so that the same data make the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use ip_network::IpNetwork;

use super::collect::Collected;
use super::encode::{CacheWriter, GroupEncoder, field};
use super::file_details::{by_directory, check_repositories, of_directory};
use super::findings::Findings;
use super::ids::HostId;
use super::netblocks::netblock_countries;
use super::repositories::{Repositories, continent_redirects, redirects};
use crate::cache::proto::{
    IntIntMap, IntRepeatedIntMap, IntRepeatedStringMap, IntStringMap, StringBoolMap, StringRepeatedIntMap,
    StringStringMap,
};

/// Writes a cache that was made at `time`, in seconds since the Unix epoch, and gives its size in bytes.
///
/// # Errors
/// What writing gives.
pub(super) fn write(
    collected: &Collected,
    networks: &BTreeMap<IpNetwork, BTreeSet<HostId>>,
    time: u64,
    out: impl Write,
    findings: &mut Findings,
) -> io::Result<u64> {
    let mut tables = Tables {
        collected,
        findings,
        writer: CacheWriter::new(out, time)?,
    };
    tables.netblock_countries()?;
    tables.urls()?;
    tables.files_and_repositories()?;
    tables.hosts()?;
    tables.networks(networks)?;
    tables.directories()?;
    tables.writer.finish()
}

struct Tables<'a, W> {
    collected: &'a Collected,
    findings: &'a mut Findings,
    writer: CacheWriter<W>,
}

impl<W: Write> Tables<'_, W> {
    fn netblock_countries(&mut self) -> io::Result<()> {
        let rows = &self.collected.others.netblock_countries;
        for (network, country) in netblock_countries(rows, self.findings) {
            self.writer
                .message(field::NETBLOCK_COUNTRY, &text_to_text(&network, &country))?;
        }
        Ok(())
    }

    fn urls(&mut self) -> io::Result<()> {
        for (key, url) in &self.collected.urls {
            let value = url.to_string();
            self.writer.message(field::HC_URL, &IntStringMap { key: *key, value })?;
        }
        Ok(())
    }

    fn files_and_repositories(&mut self) -> io::Result<()> {
        let Collected { layout, others, .. } = self.collected;
        let repositories = Repositories::new(&others.repositories, layout, self.findings);
        let details = by_directory(&others.file_details, layout, self.findings);
        check_repositories(&repositories, &details, layout, self.findings);
        for (directory, rows) in details {
            let message = of_directory(directory, rows, self.findings);
            self.writer.message(field::FILE_DETAILS, &message)?;
        }
        for prefix in repositories.disabled {
            let key = prefix.to_owned();
            self.writer
                .message(field::DISABLED_REPOSITORY, &StringBoolMap { key, value: true })?;
        }
        for (country, continent) in continent_redirects(&others.continent_redirects, self.findings) {
            self.writer
                .message(field::COUNTRY_CONTINENT_REDIRECT, &text_to_text(&country, &continent))?;
        }
        for (from, to) in redirects(&others.repository_redirects, self.findings) {
            self.writer
                .message(field::REPOSITORY_REDIRECT, &text_to_text(from, to))?;
        }
        for (key, directory) in repositories.directories {
            self.writer
                .message(field::REPO_ARCH_TO_DIRECTORY_NAME, &text_to_text(&key, &directory.name))?;
        }
        Ok(())
    }

    fn hosts(&mut self) -> io::Result<()> {
        let Collected { hosts, others, .. } = self.collected;
        for (asn, of_as) in hosts.by_as(&others.peer_asns, self.findings) {
            let (key, value) = (asn.get().into(), of_as.iter().map(|host| host.0).collect());
            self.writer
                .message(field::HOST_ASN, &IntRepeatedIntMap { key, value })?;
        }
        for host in hosts.known() {
            if let Some(country) = host.country {
                let (key, value) = (host.id.0, country.to_string());
                self.writer.message(field::HOST_COUNTRY, &IntStringMap { key, value })?;
            }
        }
        for host in hosts.known() {
            let (key, value) = (host.id.0, host.bandwidth);
            self.writer.message(field::HOST_BANDWIDTH, &IntIntMap { key, value })?;
        }
        for (host, countries) in hosts.allowed_countries(&others.allowed_countries, self.findings) {
            let (key, value) = (host.0, countries.into_iter().collect());
            self.writer
                .message(field::HOST_COUNTRY_ALLOWED, &IntRepeatedStringMap { key, value })?;
        }
        Ok(())
    }

    fn networks(&mut self, networks: &BTreeMap<IpNetwork, BTreeSet<HostId>>) -> io::Result<()> {
        for (network, hosts) in networks {
            let (key, value) = (network.to_string(), hosts.iter().map(|host| host.0).collect());
            self.writer
                .message(field::HOST_NETBLOCK, &StringRepeatedIntMap { key, value })?;
        }
        Ok(())
    }

    fn directories(&mut self) -> io::Result<()> {
        for (number, group) in self.collected.layout.groups.iter().enumerate() {
            let mut encoder = GroupEncoder::new(group, &self.collected.hosts);
            for (row, directory) in group.rows.iter().enumerate() {
                let carriers = self.collected.up_to_date.row(number, row);
                self.writer.directory(&mut encoder, directory, carriers)?;
            }
        }
        Ok(())
    }
}

fn text_to_text(key: &(impl ToString + ?Sized), value: &(impl ToString + ?Sized)) -> StringStringMap {
    StringStringMap {
        key: key.to_string(),
        value: value.to_string(),
    }
}
