//! The health of mirrors as a snapshot knows it: which health files count, and which URLs they call bad.
//!
//! - [`source`]: a health file and its state: read, kept, set aside
//! - [`table`]: the bad URLs of a cache's hosts, for looking up while hosts are chosen
//! - [`families`]: the URLs that clients of a family of addresses can't reach
//! - [`verdicts`]: what the files say of each URL, for people
//!
//! A health file never costs anything: one that is missing, damaged, expired or unlikely is not used, and answers are as without it.
//! What a bad URL changes in an answer is decided in [`crate::mirrorlist`].

pub mod families;
pub mod source;
pub mod table;
pub mod verdicts;

use super::catalogue::Catalogue;
use crate::health::{AddressFamily, HealthFile, Verdict};
use crate::settings::HealthSettings;
use families::{FamilyTable, UnreachableUrls};
use source::{HealthSource, ReadHealthFile};
use table::{HealthTable, JudgedUrls};

/// The health of all mirrors at one moment.
#[derive(Default)]
pub struct MirrorHealth {
    sources: Vec<HealthSource>,
    stages: Vec<HealthStage>,
}

/// The time until the next health file ends, and what the files say together until then.
struct HealthStage {
    /// In seconds since the Unix epoch.
    valid_until: u64,
    table: HealthTable,
    families: FamilyTable,
}

impl MirrorHealth {
    /// Decides which of the files count at this time, in seconds since the Unix epoch, and what they say together.
    pub(super) fn new(files: Vec<ReadHealthFile>, catalogue: &Catalogue, settings: &HealthSettings, now: u64) -> Self {
        if files.is_empty() {
            return Self::default();
        }
        let urls = JudgedUrls::new(catalogue);
        let judge = |file: &HealthFile| HealthTable::new(catalogue, &urls, &[file], 1);
        let sources: Vec<HealthSource> = files
            .into_iter()
            .map(|file| HealthSource::new(file, now, |content| judge(content).doubt(settings.max_bad)))
            .collect();
        let mut used: Vec<&HealthFile> = sources.iter().filter_map(|source| source.used()).collect();
        used.sort_by_key(|file| file.valid_until);
        let stages = (0..used.len()).map(|ended| {
            let valid = used.get(ended..).unwrap_or_default();
            let quorum = settings.quorum.map_or(valid.len(), |quorum| quorum.get());
            HealthStage {
                valid_until: valid.first().map_or(0, |file| file.valid_until),
                table: HealthTable::new(catalogue, &urls, valid, quorum),
                families: FamilyTable::new(catalogue, &urls, valid),
            }
        });
        Self {
            stages: stages.collect(),
            sources,
        }
    }

    /// The health files, in the order of the setting; empty if there are none.
    pub fn sources(&self) -> &[HealthSource] {
        &self.sources
    }

    /// What the files say together at a time in seconds since the Unix epoch; `None` if none of them counts.
    #[inline]
    pub fn table_at(&self, now: u64) -> Option<&HealthTable> {
        Some(&self.stage_at(now)?.table)
    }

    /// The URLs that clients of a family can't reach, at a time in seconds since the Unix epoch; `None` if no such URL is known.
    pub fn unreachable_at(&self, family: AddressFamily, now: u64) -> Option<UnreachableUrls<'_>> {
        self.stage_at(now)?.families.unreachable(family)
    }

    #[inline]
    fn stage_at(&self, now: u64) -> Option<&HealthStage> {
        self.stages.iter().find(|stage| now < stage.valid_until)
    }

    /// How many of the hosts that the files know have each verdict, good or bad.
    pub fn hosts_by_verdict(&self, now: u64) -> impl Iterator<Item = (Verdict, usize)> {
        let table = self.table_at(now);
        let bad: Vec<Verdict> = table
            .into_iter()
            .flat_map(HealthTable::bad_hosts)
            .map(|(_, verdict)| verdict)
            .collect();
        let good = table.map_or(0, HealthTable::judged_hosts) - bad.len();
        let of = move |verdict| bad.iter().filter(|bad| **bad == verdict).count();
        let counts = [Verdict::Stale, Verdict::Missing, Verdict::Dead].map(|verdict| (verdict, of(verdict)));
        [(Verdict::Good, good)].into_iter().chain(counts)
    }

    /// Whether a file has ended since it was decided which of them count.
    pub fn has_expired(&self, now: u64) -> bool {
        self.stages.first().is_some_and(|stage| now >= stage.valid_until)
    }
}
