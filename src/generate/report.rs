//! The report: all warnings, and for each host how many directories it carries and why it is left out if it is, as JSON. It
//! answers "why is my mirror missing?".

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::Serialize;

use super::error::GenerateError;
use super::findings::{Findings, Found};
use super::hosts::{Host, HostNumber, Hosts};
use super::layout::Layout;
use super::up_to_date::{UpToDate, ones};

/// A report on a run.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// When the cache was made, in seconds since the Unix epoch.
    pub time: u64,
    /// How much the cache has.
    pub cache: Contents,
    /// The warnings by kind.
    pub warnings: std::collections::BTreeMap<&'static str, &'a Found>,
    /// Every host of the database.
    pub hosts: Vec<HostReport<'a>>,
}

/// How much a cache has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Hosts that carry a directory.
    pub hosts: usize,
    /// Directories.
    pub directories: usize,
    /// Repositories (prefix and arch).
    pub repositories: usize,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// What became of a host.
#[derive(Debug, Serialize)]
pub struct HostReport<'a> {
    /// The host's id.
    pub id: i64,
    /// Its name.
    pub name: &'a str,
    /// Its site's name.
    pub site: Option<&'a str>,
    /// Whether only its own networks and AS are sent to it.
    pub private: bool,
    /// How many directories it carries.
    pub directories: u64,
    /// Why it is in no list; empty where it is in one.
    pub left_out: Vec<&'static str>,
}

impl<'a> Report<'a> {
    /// Puts a report together.
    pub fn new(
        time: u64,
        cache: Contents,
        findings: &'a Findings,
        hosts: &'a Hosts,
        layout: &Layout,
        up_to_date: &UpToDate,
    ) -> Self {
        let directories = directories_by_host(hosts, layout, up_to_date);
        Self {
            time,
            cache,
            warnings: findings.iter().map(|(kind, found)| (kind.name(), found)).collect(),
            hosts: hosts
                .iter()
                .zip(directories)
                .map(|(host, directories)| HostReport {
                    id: host.id.0,
                    name: &host.name,
                    site: host.site.as_deref(),
                    private: host.private,
                    directories,
                    left_out: reasons(host, directories, layout),
                })
                .collect(),
        }
    }

    /// Writes the report as a file.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), GenerateError> {
        let write = || -> io::Result<()> {
            let mut out = BufWriter::new(File::create(path)?);
            serde_json::to_writer_pretty(&mut out, self)?;
            out.write_all(b"\n")?;
            out.flush()
        };
        write().map_err(|error| GenerateError::Output {
            path: path.to_owned(),
            problem: format!("cannot write the report: {error}"),
        })
    }
}

fn reasons(host: &Host, directories: u64, layout: &Layout) -> Vec<&'static str> {
    if !host.is_active() {
        return host.left_out.clone();
    }
    if directories > 0 {
        return Vec::new();
    }
    vec![match layout.offers_url(host.id) {
        None => "the host has no category (host_category)",
        Some(false) => "none of its categories has a public URL that is usable (host_category_url)",
        Some(true) => "the crawler found none of its directories up to date (host_category_dir)",
    }]
}

/// How many directories each host carries; for several categories each once.
fn directories_by_host(hosts: &Hosts, layout: &Layout, up_to_date: &UpToDate) -> Vec<u64> {
    let mut counts = vec![0; hosts.len()];
    for (number, group) in layout.groups.iter().enumerate() {
        for row in 0..group.rows.len() {
            let mut last: Option<HostNumber> = None;
            for column in ones(up_to_date.row(number, row).iter().copied()) {
                let host = group.columns.get(column).map(|column| column.host);
                // Columns of one host stand side by side.
                if host == last {
                    continue;
                }
                last = host;
                if let Some(count) = host.and_then(|host| counts.get_mut(host.0)) {
                    *count += 1;
                }
            }
        }
    }
    counts
}
