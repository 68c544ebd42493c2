//! Scans host_category_dir: 20 million rows, of which the server packs the directories of each host and category into one value,
//! which is faster than sending the rows. Several connections scan parts of the table side by side.

use super::ids::HostCategoryId;
use super::refusal::ReadFailure;
use super::session::{Rows, Session};

/// The table's name, for messages.
pub(crate) const HOST_CATEGORY_DIR: &str = "host_category_dir";

/// A part of the table: a run of its pages. A part without an end has all pages that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRange {
    from: Option<u64>,
    to: Option<u64>,
}

/// How the table is read.
pub(crate) struct ScanPlan {
    /// The parts that connections read side by side.
    pub(crate) parts: Vec<PageRange>,
    /// The number of further connections; 0 if the one at hand is enough.
    pub(crate) connections: u64,
    /// About the number of rows, for showing progress.
    pub(crate) estimated_rows: u64,
}

/// Below this many pages (64 MB) a part is not worth a connection.
const LEAST_PAGES: u64 = 8192;

/// Above this many pages (512 MB) a part is split, so that no slow disk keeps a connection silent for long, and that connections
/// share what one of them does not get to.
const MOST_PAGES: u64 = 65_536;

/// Older servers read the whole table to find a run of pages.
const FIRST_VERSION_WITH_RANGES: i32 = 140_000;

const TABLE_SIZE: &str = "\
    SELECT current_setting('server_version_num')::int, \
    CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE 0 END, \
    greatest(c.reltuples, 0)::bigint FROM pg_class c WHERE c.oid = 'host_category_dir'::regclass";

impl ScanPlan {
    /// Plans for at most this many connections.
    ///
    /// # Errors
    /// If the database refuses it or is silent, here and below.
    pub(crate) fn read(session: &Session<'_>, connections: u64) -> Result<Self, ReadFailure> {
        let (mut version, mut pages, mut rows) = (0_i32, 0_i64, 0_i64);
        session.query(HOST_CATEGORY_DIR, TABLE_SIZE)?.for_each(|row| {
            (version, pages, rows) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(())
        })?;
        // Neither is negative.
        let (pages, estimated_rows) = (pages.unsigned_abs(), rows.unsigned_abs());
        let connections = match version < FIRST_VERSION_WITH_RANGES {
            true => 1,
            false => (pages / LEAST_PAGES).clamp(1, connections.max(1)),
        };
        let parts = match connections {
            1 => 1,
            several => several.max(pages.div_ceil(MOST_PAGES)),
        };
        Ok(Self {
            parts: split(pages, parts),
            connections: if parts == 1 { 0 } else { connections },
            estimated_rows,
        })
    }
}

/// The last part has no end: pages can have been added since.
fn split(pages: u64, parts: u64) -> Vec<PageRange> {
    let bound = |part: u64| (part > 0 && part < parts).then(|| pages * part / parts);
    (0..parts)
        .map(|part| PageRange {
            from: bound(part),
            to: bound(part + 1),
        })
        .collect()
}

/// Prepares a session for scans.
pub(crate) fn prepare(session: &Session<'_>) -> Result<(), ReadFailure> {
    // All directories of a part are in the server's memory at once, 4 bytes each.
    session.execute(
        HOST_CATEGORY_DIR,
        "SET LOCAL work_mem = '256MB'; SET LOCAL max_parallel_workers_per_gather = 0",
    )
}

/// A scan that the server has begun.
pub(crate) struct PartScan<'s>(Rows<'s>);

impl<'s> PartScan<'s> {
    /// Has the server begin to scan a part.
    pub(crate) fn start(session: &'s Session<'_>, part: PageRange) -> Result<Self, ReadFailure> {
        session.query(HOST_CATEGORY_DIR, &query(part)).map(Self)
    }

    /// Takes, for each host and category, the ids of the directories that it carries: 4 bytes each, the most significant first.
    pub(crate) fn for_each(self, mut take: impl FnMut(HostCategoryId, &[u8])) -> Result<(), ReadFailure> {
        self.0.for_each(|row| {
            take(HostCategoryId(row.try_get(0)?), row.try_get(1)?);
            Ok(())
        })
    }
}

fn query(part: PageRange) -> String {
    let bound = |page: Option<u64>, operator: &str| {
        page.map_or_else(String::new, |page| format!(" AND ctid {operator} '({page},0)'"))
    };
    let (from, to) = (bound(part.from, ">="), bound(part.to, "<"));
    format!(
        "SELECT packed.host_category_id::bigint, coalesce(packed.ids, ''::bytea) FROM (\
         SELECT host_category_id, string_agg(int4send(directory_id::int4), ''::bytea) AS ids FROM host_category_dir \
         WHERE up2date{from}{to} GROUP BY host_category_id) AS packed WHERE packed.host_category_id IS NOT NULL"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_page_once() {
        let part = |from, to| PageRange { from, to };
        assert_eq!(split(0, 1), [part(None, None)]);
        let three = [part(None, Some(33)), part(Some(33), Some(66)), part(Some(66), None)];
        assert_eq!(split(100, 3), three);
        assert!(query(part(Some(33), Some(66))).contains("ctid >= '(33,0)' AND ctid < '(66,0)'"));
    }
}
