//! The report: all warnings, and for each host how many directories it carries and why it is left out if it is, as JSON. It
//! answers "why is my mirror missing?".

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::GenerateError;
use super::exclusive;
use super::findings::{Findings, Found};
use super::hosts::{Host, HostNumber, Hosts};
use super::layout::Layout;
use super::served::Gone;
use super::unfinished::Unfinished;
use super::up_to_date::{UpToDate, ones};

/// A report on a run.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// When the cache was made, in seconds since the Unix epoch.
    pub time: u64,
    /// How much the cache has.
    pub cache: Contents,
    /// What the present file serves and the new cache doesn't.
    pub gone: &'a Gone,
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
        gone: &'a Gone,
        findings: &'a Findings,
        hosts: &'a Hosts,
        layout: &Layout,
        up_to_date: &UpToDate,
    ) -> Self {
        let directories = directories_by_host(hosts, layout, up_to_date);
        Self {
            time,
            cache,
            gone,
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

    /// Replaces a file by the report. A link is replaced, too, not what it leads to.
    ///
    /// # Errors
    /// If it can't be written.
    pub(super) fn write(&self, path: &Path, unfinished: &Unfinished) -> Result<(), GenerateError> {
        check_path(path)?;
        let new = new_file(path);
        let write = || -> io::Result<()> {
            let file = exclusive::create(&new)?;
            unfinished.add(&new);
            match fs::symlink_metadata(path) {
                Ok(old) if old.is_file() => exclusive::take_over(&file, &old)?,
                _ => {}
            }
            let mut out = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut out, self)?;
            out.write_all(b"\n")?;
            out.flush()?;
            unfinished.finish(&new, || fs::rename(&new, path))
        };
        write().map_err(|error| {
            // What can't be removed is replaced by the next run.
            let _ = unfinished.finish(&new, || fs::remove_file(&new));
            GenerateError::Output {
                path: path.to_owned(),
                problem: format!("cannot write the report: {error}"),
            }
        })
    }
}

/// Checks that a report can be put there: what is no file is not replaced by one.
///
/// # Errors
/// If a folder, a pipe or a device is there, or a link to one.
pub(super) fn check_path(path: &Path) -> Result<(), GenerateError> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => Err(GenerateError::Output {
            path: path.to_owned(),
            problem: "cannot write the report: it is no file but a folder, a pipe or a device; name another one with --report, \
                      or remove it"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// What the report is called while it is written.
fn new_file(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
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
