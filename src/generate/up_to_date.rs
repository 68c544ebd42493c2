//! Who does carry what: the bits of [`Layout`]'s tables, a host_category_dir of 20 million rows in 3 MB.
//!
//! PostgreSQL packs the directories of each host and category into one value while it scans the table, which is faster than
//! sending the rows; parts of the table are scanned by several connections side by side, each into a table of its own.

use std::sync::Arc;

use super::hosts::HostNumber;
use super::ids::HostCategoryId;
use super::layout::{Group, Layout};
use super::session::{ReadError, Rows, Session};

/// Who carries what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpToDate {
    groups: Vec<Bits>,
}

/// A group's table: a run of words for each row, a bit for each column.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bits {
    words_in_row: usize,
    words: Vec<u64>,
}

impl Bits {
    fn new(group: &Group) -> Self {
        let words_in_row = group.columns.len().div_ceil(64);
        Self {
            words_in_row,
            words: vec![0; words_in_row * group.rows.len()],
        }
    }

    fn set(&mut self, row: u32, column: usize) {
        if let Some(word) = self.words.get_mut(row as usize * self.words_in_row + column / 64) {
            *word |= 1 << (column % 64);
        }
    }

    fn row(&self, row: usize) -> &[u64] {
        let start = row * self.words_in_row;
        self.words.get(start..start + self.words_in_row).unwrap_or_default()
    }

    fn row_mut(&mut self, row: usize) -> &mut [u64] {
        let start = row * self.words_in_row;
        self.words.get_mut(start..start + self.words_in_row).unwrap_or_default()
    }
}

impl UpToDate {
    /// Nobody carries anything.
    pub fn new(layout: &Layout) -> Self {
        Self {
            groups: layout.groups.iter().map(Bits::new).collect(),
        }
    }

    /// A host carries the directories of `ids`: 4 bytes each, the most significant first.
    pub fn carry(&mut self, layout: &Layout, host_category: HostCategoryId, ids: &[u8]) {
        let Some(place) = layout.place(host_category) else {
            return;
        };
        let Some(bits) = self.groups.get_mut(place.group) else {
            return;
        };
        let mut cursor = 0;
        let (ids, _) = ids.as_chunks::<4>();
        for id in ids {
            if let Some(row) = place.rows.find(i32::from_be_bytes(*id).into(), &mut cursor) {
                bits.set(row, place.column);
            }
        }
    }

    /// Adds what another scan found.
    pub fn merge(&mut self, other: &Self) {
        for (bits, others) in self.groups.iter_mut().zip(&other.groups) {
            for (word, other) in bits.words.iter_mut().zip(&others.words) {
                *word |= other;
            }
        }
    }

    /// Applies what is independent of the crawler: hosts that always carry everything, directories that only some may
    /// serve.
    pub fn apply_rules(&mut self, layout: &Layout) {
        for (group, column, rows) in layout.always_up_to_date() {
            if let Some(bits) = self.groups.get_mut(group) {
                for row in rows {
                    bits.set(*row, column);
                }
            }
        }
        if !layout.has_exclusive_hosts() {
            return;
        }
        for (group, bits) in layout.groups.iter().zip(&mut self.groups) {
            for (number, directory) in group.rows.iter().enumerate() {
                let Some(allowed) = layout.exclusive_hosts(directory.id) else {
                    continue;
                };
                let row = bits.row_mut(number);
                for (column, _) in columns_without(group, |host| allowed.contains(&host)) {
                    if let Some(word) = row.get_mut(column / 64) {
                        *word &= !(1 << (column % 64));
                    }
                }
            }
        }
    }

    /// The columns that carry a row of a group, as bits.
    pub fn row(&self, group: usize, row: usize) -> &[u64] {
        self.groups.get(group).map_or(&[], |bits| bits.row(row))
    }
}

fn columns_without(group: &Group, allowed: impl Fn(HostNumber) -> bool) -> impl Iterator<Item = (usize, HostNumber)> {
    let columns = group.columns.iter().map(|column| column.host).enumerate();
    columns.filter(move |(_, host)| !allowed(*host))
}

/// The numbers of the bits that are set.
pub(super) fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = usize> {
    words.enumerate().flat_map(|(index, word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(index * 64 + bit)
        })
    })
}

/// A part of host_category_dir: a run of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    from: Option<u64>,
    to: Option<u64>,
}

/// How host_category_dir is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScanPlan {
    /// The parts that connections read side by side.
    pub(super) parts: Vec<Part>,
    /// How many further connections it takes to read them; 0 if the one at hand is enough.
    pub(super) connections: u64,
    /// About how many rows there are, for showing progress.
    pub(super) estimated_rows: u64,
}

/// Below this many pages (64 MB) a part is not worth a connection.
const PAGES_OF_A_PART: u64 = 8192;

/// Above this many pages (512 MB) a part is split, so that no slow disk keeps a connection silent for long, and that what one
/// connection does not get to can be done by others.
const MOST_PAGES_OF_A_PART: u64 = 65_536;

/// Older servers read the whole table to find a run of pages.
const FIRST_VERSION_WITH_RANGES: i32 = 140_000;

impl ScanPlan {
    /// Plans for at most this many connections.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn read(session: &Session<'_>, connections: u64) -> Result<Self, ReadError> {
        let (mut version, mut pages, mut rows) = (0_i32, 0_i64, 0_f64);
        session.query(HOST_CATEGORY_DIR, TABLE_SIZE)?.for_each(|row| {
            (version, pages, rows) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(())
        })?;
        let pages = u64::try_from(pages).unwrap_or(0);
        let connections = if version < FIRST_VERSION_WITH_RANGES {
            1
        } else {
            (pages / PAGES_OF_A_PART).clamp(1, connections.max(1))
        };
        let parts = if connections == 1 {
            1
        } else {
            connections.max(pages.div_ceil(MOST_PAGES_OF_A_PART))
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate, at least 0"
        )]
        let estimated_rows = rows.max(0.0) as u64;
        Ok(Self {
            parts: split(pages, parts),
            connections: if parts == 1 { 0 } else { connections },
            estimated_rows,
        })
    }
}

/// The last part has no end: pages can have been added since.
fn split(pages: u64, parts: u64) -> Vec<Part> {
    let bound = |part: u64| (part > 0 && part < parts).then(|| pages * part / parts);
    (0..parts)
        .map(|part| Part {
            from: bound(part),
            to: bound(part + 1),
        })
        .collect()
}

/// Prepares a session for scans.
///
/// # Errors
/// What the database says.
pub(super) fn prepare_scans(session: &Session<'_>) -> Result<(), ReadError> {
    // All directories of a part are in the server's memory at once, 4 bytes each.
    session.execute(
        HOST_CATEGORY_DIR,
        "SET LOCAL work_mem = '256MB'; SET LOCAL max_parallel_workers_per_gather = 0",
    )
}

/// Has the server begin to scan a part.
///
/// # Errors
/// What the database says.
pub(super) fn start_scan<'s>(session: &'s Session<'_>, part: Part) -> Result<Rows<'s>, ReadError> {
    session.query(HOST_CATEGORY_DIR, &query(part))
}

/// The table, as it is called in messages.
pub(super) const HOST_CATEGORY_DIR: &str = "host_category_dir";

/// What a scan has found.
pub(super) struct Scanned {
    layout: Arc<Layout>,
    pub(super) up_to_date: UpToDate,
    pub(super) rows: u64,
}

impl Scanned {
    /// Nothing yet.
    pub(super) fn new(layout: Arc<Layout>) -> Self {
        Self {
            up_to_date: UpToDate::new(&layout),
            layout,
            rows: 0,
        }
    }

    /// Takes what a scan gives, and tells `count` the number of rows as they come.
    ///
    /// # Errors
    /// What the database says.
    pub(super) fn take(&mut self, scan: Rows<'_>, count: impl Fn(u64)) -> Result<(), ReadError> {
        scan.for_each(|row| {
            let host_category = HostCategoryId(row.try_get(0)?);
            let ids: Option<&[u8]> = row.try_get(1)?;
            let ids = ids.unwrap_or_default();
            self.up_to_date.carry(&self.layout, host_category, ids);
            let rows = ids.len() as u64 / 4;
            self.rows += rows;
            count(rows);
            Ok(())
        })
    }
}

const TABLE_SIZE: &str = "\
    SELECT current_setting('server_version_num')::int, \
    CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::bigint ELSE 0 END, \
    c.reltuples::float8 FROM pg_class c WHERE c.oid = 'host_category_dir'::regclass";

fn query(part: Part) -> String {
    let from = part
        .from
        .map_or_else(String::new, |page| format!(" AND ctid >= '({page},0)'"));
    let to = part
        .to
        .map_or_else(String::new, |page| format!(" AND ctid < '({page},0)'"));
    format!(
        "SELECT packed.host_category_id::bigint, packed.ids FROM (\
         SELECT host_category_id, string_agg(int4send(directory_id::int4), ''::bytea) AS ids FROM host_category_dir \
         WHERE up2date{from}{to} GROUP BY host_category_id) AS packed WHERE packed.host_category_id IS NOT NULL"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_every_page_once() {
        let part = |from, to| Part { from, to };
        assert_eq!(split(0, 1), [part(None, None)]);
        assert_eq!(
            split(100, 3),
            [part(None, Some(33)), part(Some(33), Some(66)), part(Some(66), None)]
        );
        assert!(query(part(Some(33), Some(66))).contains("ctid >= '(33,0)' AND ctid < '(66,0)'"));
    }

    #[test]
    fn ones_are_the_set_bits() {
        assert_eq!(ones([0b101, 0, 1 << 63].into_iter()).collect::<Vec<_>>(), [0, 2, 191]);
    }
}
