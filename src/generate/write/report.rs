//! The report: all warnings, and for each host how many directories it carries and why it is left out if it is, as JSON. It
//! answers "why is my mirror missing?".

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::files;
use super::gone::Gone;
use super::unfinished::Unfinished;
use crate::generate::build::MirrorData;
use crate::generate::build::carriers::CarrierLayout;
use crate::generate::build::hosts::JudgedHost;
use crate::generate::error::GenerateError;
use crate::generate::warnings::{KindWarnings, RowWarnings};
use crate::snapshot::Catalogue;

#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    /// When the cache was made, in seconds since the Unix epoch.
    pub(crate) time: u64,
    pub(crate) cache: Contents,
    /// Served by the current file and not by the new cache.
    pub(crate) gone: &'a Gone,
    pub(crate) warnings: BTreeMap<&'static str, &'a KindWarnings>,
    pub(crate) hosts: Vec<HostReport<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Contents {
    /// Hosts that carry a directory.
    pub(crate) hosts: usize,
    pub(crate) directories: usize,
    /// Pairs of a prefix and an arch.
    pub(crate) repositories: usize,
    /// The size of the file.
    pub(crate) bytes: u64,
}

impl Contents {
    /// Counts what a cache of this size in bytes holds.
    pub(crate) fn new(catalogue: &Catalogue, bytes: u64) -> Self {
        let counts = catalogue.counts();
        Self {
            hosts: catalogue.carrying_hosts(),
            directories: counts.directories,
            repositories: counts.repositories,
            bytes,
        }
    }
}

/// The fate of a host.
#[derive(Debug, Serialize)]
pub(crate) struct HostReport<'a> {
    pub(crate) id: i64,
    pub(crate) name: &'a str,
    pub(crate) site: Option<&'a str>,
    /// Whether only its own networks and AS are sent to it.
    pub(crate) private: bool,
    /// How many it carries.
    pub(crate) directories: u64,
    /// Why it is in no list; empty if it is in one.
    pub(crate) left_out: Vec<&'static str>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        time: u64,
        cache: Contents,
        gone: &'a Gone,
        warnings: &'a RowWarnings,
        data: &'a MirrorData,
    ) -> Self {
        let directories = data.matrix.directories_by_host(&data.layout);
        let hosts = data.hosts.iter().map(|host| {
            // A host without a column carries nothing.
            let directories = directories.get(&host.id).copied().unwrap_or(0);
            HostReport {
                id: host.id.0,
                name: &host.name,
                site: host.site.as_deref(),
                private: host.private,
                directories,
                left_out: reasons(host, directories, &data.layout),
            }
        });
        Self {
            time,
            cache,
            gone,
            warnings: warnings.iter().map(|(kind, found)| (kind.name(), found)).collect(),
            hosts: hosts.collect(),
        }
    }

    /// Replaces a file by the report. A link is replaced, too, not what it leads to.
    ///
    /// # Errors
    /// If it can't be written.
    pub(crate) fn write(&self, path: &Path, unfinished: &Unfinished) -> Result<(), GenerateError> {
        check_path(path)?;
        let written = files::replace(path, unfinished, |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        });
        written.map_err(|error| cannot_write(path, &error))
    }
}

/// Checks that a report can be put at a path: only a file is replaced by one.
///
/// # Errors
/// If a folder, a pipe or a device is there, or a link to one.
pub(crate) fn check_path(path: &Path) -> Result<(), GenerateError> {
    files::not_a_file(path, "--report").map_or(Ok(()), |problem| Err(cannot_write(path, &problem)))
}

fn cannot_write(path: &Path, problem: &dyn Display) -> GenerateError {
    GenerateError::Output {
        path: path.to_owned(),
        problem: format!("cannot write the report: {problem}"),
    }
}

fn reasons(host: &JudgedHost, directories: u64, layout: &CarrierLayout) -> Vec<&'static str> {
    if !host.is_active() {
        return host.left_out.clone();
    }
    if directories > 0 {
        return Vec::new();
    }
    vec![match layout.offers.get(&host.id) {
        None => "the host has no category (host_category)",
        Some(false) => "none of its categories has a public URL that is usable (host_category_url)",
        Some(true) => "the crawler found none of its directories up to date (host_category_dir)",
    }]
}
