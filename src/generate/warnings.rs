//! Warnings: rows of the database that are wrong, but do not stop a run. Counted by kind, listed for the report.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// A kind of warnings. The names are part of the report and of the metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum WarningKind {
            $($(#[$doc])* $kind,)*
        }

        impl WarningKind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind's name in reports and metrics.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// A row refers to something that is not there.
    Orphan = "orphan";
    /// A host has no site.
    HostWithoutSite = "host_without_site";
    /// A host's country is no country code.
    HostCountry = "host_country";
    /// A host's latitude and longitude are no place: one is missing, out of range, or both are 0.
    Coordinates = "coordinates";
    /// A country that a host is restricted to is no country code.
    AllowedCountry = "allowed_country";
    /// An AS number is none.
    AsNumber = "as_number";
    /// A host's URL can't stand in an answer.
    Url = "url";
    /// A host's netblock is neither a network nor a name.
    Netblock = "netblock";
    /// A host's netblock is a name that has no address, or none in time.
    UnresolvedName = "unresolved_name";
    /// A network is the whole internet.
    WholeInternet = "whole_internet";
    /// A network of netblock_country, or its country, can't be read.
    NetblockCountry = "netblock_country";
    /// A row of country_continent_redirect can't be read.
    ContinentRedirect = "continent_redirect";
    /// A row of repository_redirect has no target, or a prefix that can't stand in an answer.
    RepositoryRedirect = "repository_redirect";
    /// A category has no topdir.
    CategoryWithoutTopdir = "category_without_topdir";
    /// A category's topdir is no prefix of a directory.
    TopdirNotPrefix = "topdir_not_prefix";
    /// A directory has no name that can stand in an answer, or another one's.
    DirectoryName = "directory_name";
    /// A repository lacks its prefix, version, arch or directory.
    RepositoryIncomplete = "repository_incomplete";
    /// A repository's prefix or arch can't stand in an answer.
    RepositoryName = "repository_name";
    /// A repository's directory carries no category.
    RepositoryWithoutCategory = "repository_without_category";
    /// Two repositories have the same prefix and arch.
    RepositoryTwice = "repository_twice";
    /// A repository's `repodata/repomd.xml` has no details: no metalink can be made.
    RepomdWithoutDetails = "repomd_without_details";
    /// The details of a repository's `repodata/repomd.xml` are older than the directory.
    RepomdStale = "repomd_stale";
    /// A hash has upper-case digits; it is written in lower case.
    HashUpperCase = "hash_upper_case";
    /// A hash is no hash of its kind; it is left out.
    HashMalformed = "hash_malformed";
    /// A file's time or size is negative, and counts as not known; or its name can't stand in an answer, and it is left out.
    FileDetails = "file_details";
    /// There are details of a file in a directory that carries no category.
    FileDetailsWithoutDirectory = "file_details_without_directory";
    /// A name that goes to the cache, or a host's, has bytes that are no UTF-8, as a SQL_ASCII database can hold; U+FFFD stands for
    /// them.
    NotUtf8 = "not_utf8";
}

/// The warnings of a kind that are kept with their text. Others are only counted, so that a broken table can't fill the memory.
const LISTED: usize = 10_000;

/// The warnings of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KindWarnings {
    /// How many there are.
    pub count: u64,
    /// Their texts: of the first 10,000.
    pub listed: Vec<String>,
}

/// All warnings of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowWarnings {
    by_kind: BTreeMap<WarningKind, KindWarnings>,
}

impl RowWarnings {
    /// Counts a warning and keeps its text.
    pub fn add(&mut self, kind: WarningKind, text: impl Display) {
        let found = self.by_kind.entry(kind).or_default();
        found.count += 1;
        if found.listed.len() < LISTED {
            found.listed.push(text.to_string());
        }
    }

    /// Counts a warning: a row refers to something that is not there.
    pub(crate) fn orphan(&mut self, row: impl Display, missing: impl Display) {
        self.add(
            WarningKind::Orphan,
            format_args!("{row} refers to {missing}, which is not there"),
        );
    }

    /// Counts a warning if bytes of a name that a row has were replaced because they are no UTF-8.
    pub fn note_replaced(&mut self, row: impl Display, name: &str) {
        if name.contains(char::REPLACEMENT_CHARACTER) {
            let problem = "has U+FFFD in the place of bytes that are no UTF-8; write it in UTF-8";
            self.add(WarningKind::NotUtf8, format_args!("{row}: {name:?} {problem}"));
        }
    }

    /// The number of warnings of a kind.
    pub fn count(&self, kind: WarningKind) -> u64 {
        self.by_kind.get(&kind).map_or(0, |found| found.count)
    }

    /// The number of all warnings.
    pub fn total(&self) -> u64 {
        self.by_kind.values().map(|found| found.count).sum()
    }

    /// Those that occurred, by kind.
    pub fn iter(&self) -> impl Iterator<Item = (WarningKind, &KindWarnings)> {
        self.by_kind.iter().map(|(kind, found)| (*kind, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_and_the_list_is_bounded() {
        let mut warnings = RowWarnings::default();
        for number in 0..=LISTED {
            warnings.add(WarningKind::Netblock, number);
        }
        warnings.add(WarningKind::Url, "host 1");
        assert_eq!(warnings.count(WarningKind::Netblock), LISTED as u64 + 1);
        assert_eq!(warnings.total(), LISTED as u64 + 2);
        assert_eq!(warnings.by_kind[&WarningKind::Netblock].listed.len(), LISTED);
    }
}
