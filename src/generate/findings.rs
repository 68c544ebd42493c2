//! What is wrong with rows of the database without stopping a run: counted by kind, listed for the report.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde::Serialize;

/// What kind of thing is wrong. The names are part of the report and of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A row refers to something that is not there.
    Orphan,
    /// A host has no site.
    HostWithoutSite,
    /// A host's country is no country code.
    HostCountry,
    /// A country that a host is restricted to is no country code.
    AllowedCountry,
    /// An AS number is none.
    AsNumber,
    /// A host's URL can't stand in an answer.
    Url,
    /// A host's netblock is neither a network nor a name.
    Netblock,
    /// A host's netblock is a name that has no address, or none in time.
    UnresolvedName,
    /// A network is the whole internet.
    WholeInternet,
    /// A network of netblock_country, or its country, can't be read.
    NetblockCountry,
    /// A row of country_continent_redirect can't be read.
    ContinentRedirect,
    /// A row of repository_redirect has no target, or a prefix that can't stand in an answer.
    RepositoryRedirect,
    /// A category has no topdir.
    CategoryWithoutTopdir,
    /// A category's topdir is no prefix of a directory.
    TopdirNotPrefix,
    /// A directory has no name that can stand in an answer, or another one's.
    DirectoryName,
    /// A repository lacks its prefix, version, arch or directory.
    RepositoryIncomplete,
    /// A repository's prefix or arch can't stand in an answer.
    RepositoryName,
    /// A repository's directory carries no category.
    RepositoryWithoutCategory,
    /// Two repositories have the same prefix and arch.
    RepositoryTwice,
    /// A repository's `repodata/repomd.xml` has no details: no metalink can be made.
    RepomdWithoutDetails,
    /// The details of a repository's `repodata/repomd.xml` are older than the directory.
    RepomdStale,
    /// A hash has upper-case digits; it is written in lower case.
    HashUpperCase,
    /// A hash is no hash of its kind; it is left out.
    HashMalformed,
    /// A file's time or size is negative, and counts as not known; or its name can't stand in an answer, and it is left out.
    FileDetails,
    /// There are details of a file in a directory that carries no category.
    FileDetailsWithoutDirectory,
    /// A name that goes to the cache, or a host's, has bytes that are no UTF-8, as a SQL_ASCII database can hold; U+FFFD stands for
    /// them.
    NotUtf8,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 26] = [
        Self::Orphan,
        Self::HostWithoutSite,
        Self::HostCountry,
        Self::AllowedCountry,
        Self::AsNumber,
        Self::Url,
        Self::Netblock,
        Self::UnresolvedName,
        Self::WholeInternet,
        Self::NetblockCountry,
        Self::ContinentRedirect,
        Self::RepositoryRedirect,
        Self::CategoryWithoutTopdir,
        Self::TopdirNotPrefix,
        Self::DirectoryName,
        Self::RepositoryIncomplete,
        Self::RepositoryName,
        Self::RepositoryWithoutCategory,
        Self::RepositoryTwice,
        Self::RepomdWithoutDetails,
        Self::RepomdStale,
        Self::HashUpperCase,
        Self::HashMalformed,
        Self::FileDetails,
        Self::FileDetailsWithoutDirectory,
        Self::NotUtf8,
    ];

    /// The kind's name in reports and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::HostWithoutSite => "host_without_site",
            Self::HostCountry => "host_country",
            Self::AllowedCountry => "allowed_country",
            Self::AsNumber => "as_number",
            Self::Url => "url",
            Self::Netblock => "netblock",
            Self::UnresolvedName => "unresolved_name",
            Self::WholeInternet => "whole_internet",
            Self::NetblockCountry => "netblock_country",
            Self::ContinentRedirect => "continent_redirect",
            Self::RepositoryRedirect => "repository_redirect",
            Self::CategoryWithoutTopdir => "category_without_topdir",
            Self::TopdirNotPrefix => "topdir_not_prefix",
            Self::DirectoryName => "directory_name",
            Self::RepositoryIncomplete => "repository_incomplete",
            Self::RepositoryName => "repository_name",
            Self::RepositoryWithoutCategory => "repository_without_category",
            Self::RepositoryTwice => "repository_twice",
            Self::RepomdWithoutDetails => "repomd_without_details",
            Self::RepomdStale => "repomd_stale",
            Self::HashUpperCase => "hash_upper_case",
            Self::HashMalformed => "hash_malformed",
            Self::FileDetails => "file_details",
            Self::FileDetailsWithoutDirectory => "file_details_without_directory",
            Self::NotUtf8 => "not_utf8",
        }
    }
}

/// How many warnings of a kind are kept with their text; beyond that they are only counted, so that a broken table can't
/// fill the memory.
const LISTED: usize = 10_000;

/// The warnings of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How many there are.
    pub count: u64,
    /// Their texts; not all of them where there are more than 10,000.
    pub listed: Vec<String>,
}

/// All warnings of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    by_kind: BTreeMap<Kind, Found>,
}

impl Findings {
    /// Counts a warning and keeps its text.
    pub fn add(&mut self, kind: Kind, text: impl Display) {
        let found = self.by_kind.entry(kind).or_default();
        found.count += 1;
        if found.listed.len() < LISTED {
            found.listed.push(text.to_string());
        }
    }

    /// Counts a warning if bytes of a name that a row has were replaced because they are no UTF-8.
    pub fn note_replaced(&mut self, row: impl Display, name: &str) {
        if name.contains(char::REPLACEMENT_CHARACTER) {
            self.add(
                Kind::NotUtf8,
                format_args!("{row}: {name:?} has U+FFFD in the place of bytes that are no UTF-8; write it in UTF-8"),
            );
        }
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.by_kind.get(&kind).map_or(0, |found| found.count)
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.by_kind.values().map(|found| found.count).sum()
    }

    /// Those that occurred, by kind.
    pub fn iter(&self) -> impl Iterator<Item = (Kind, &Found)> {
        self.by_kind.iter().map(|(kind, found)| (*kind, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_counted_and_the_list_is_bounded() {
        let mut findings = Findings::default();
        for number in 0..=LISTED {
            findings.add(Kind::Netblock, number);
        }
        findings.add(Kind::Url, "host 1");
        assert_eq!(findings.count(Kind::Netblock), LISTED as u64 + 1);
        assert_eq!(findings.total(), LISTED as u64 + 2);
        assert_eq!(findings.by_kind[&Kind::Netblock].listed.len(), LISTED);
    }

    #[test]
    fn names_are_those_of_the_report() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
