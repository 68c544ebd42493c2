//! What to ask: a cache to the watched repositories, and to the URLs that should have them. Pure.
//!
//! A repository is asked for by its `repodata/repomd.xml`, since clients ask for that first, and since the cache knows its versions.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use crate::cache::name;
use crate::cache::url::Protocol;
use crate::mirrorlist::render::text::suffix;
use crate::mirrorlist::target::{Asked, Target};
use crate::settings::Patterns;
use crate::snapshot::{Carrier, Catalogue, DirectoryIndex, FileVersion};

/// The file that is asked for.
const REPOMD: &str = "repomd.xml";

/// Without patterns, so many repositories of each category are watched.
const OF_A_CATEGORY: usize = 3;

/// Everything that a round asks. The cache is not needed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// When the cache was made, in seconds since the Unix epoch.
    pub(super) cache_created: u64,
    /// In the order of their directories.
    pub(super) repositories: Vec<WatchedRepository>,
    /// URLs that are asked one after the other, since they may be of one machine. In the order of their first host.
    pub(super) groups: Vec<Vec<PlannedUrl>>,
    /// Patterns that no repository matches.
    pub(super) unmatched: Vec<String>,
}

/// A repository that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WatchedRepository {
    /// Its directory.
    pub(super) directory: String,
    /// The top directory of its category.
    pub(super) category: String,
    /// The known versions of its repomd.xml, the current one first.
    pub(super) versions: Box<[FileVersion]>,
}

/// A base URL and what is asked there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlannedUrl {
    /// The base URL.
    pub(super) url: String,
    /// Its host.
    pub(super) host_id: i64,
    /// The host's country.
    pub(super) country: Option<String>,
    /// In the order of the repositories.
    pub(super) questions: Vec<Question>,
}

/// One file at one URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The repository, as an index of [`Plan::repositories`].
    pub(super) repository: usize,
    /// The URL of the file.
    pub(super) url: String,
}

impl Plan {
    /// Makes a plan.
    pub(super) fn new(catalogue: &Catalogue, patterns: &Patterns, skipped: &[String]) -> Self {
        let (watched, unmatched) = watched(catalogue, patterns);
        let mut urls: BTreeMap<String, PlannedUrl> = BTreeMap::new();
        for (repository, candidate) in watched.iter().enumerate() {
            add_questions(catalogue, repository, candidate.repodata, &mut urls);
        }
        urls.retain(|url, _| !skipped.contains(&network_name(url)));
        let repositories = watched.iter().map(|candidate| WatchedRepository {
            directory: candidate.directory.to_owned(),
            category: candidate.category.to_owned(),
            versions: candidate.versions.into(),
        });
        Self {
            cache_created: catalogue.created(),
            repositories: repositories.collect(),
            groups: groups(urls.into_values().collect()),
            unmatched,
        }
    }

    /// All URLs.
    pub(super) fn urls(&self) -> impl Iterator<Item = &PlannedUrl> {
        self.groups.iter().flatten()
    }
}

impl WatchedRepository {
    /// The time of the newest known version, in seconds since the Unix epoch.
    pub(super) fn newest(&self) -> u64 {
        newest(&self.versions)
    }
}

fn newest(versions: &[FileVersion]) -> u64 {
    versions.iter().map(|version| version.timestamp).max().unwrap_or(0)
}

/// A repository of the cache that can be watched.
struct Candidate<'a> {
    directory: &'a str,
    category: &'a str,
    repodata: DirectoryIndex,
    versions: &'a [FileVersion],
    /// Its names as `prefix+arch`.
    keys: Vec<&'a str>,
}

/// The repositories to watch in the order of their directories, and the patterns that match none.
fn watched<'a>(catalogue: &'a Catalogue, patterns: &Patterns) -> (Vec<Candidate<'a>>, Vec<String>) {
    let all = candidates(catalogue);
    let matches = |pattern: &glob::Pattern, candidate: &Candidate<'_>| {
        let mut names = candidate.keys.iter().copied().chain([candidate.directory]);
        names.any(|name| pattern.matches(name))
    };
    let Patterns(patterns) = patterns;
    if patterns.is_empty() {
        return (latest_of_each_category(all), Vec::new());
    }
    let unmatched = patterns
        .iter()
        .filter(|pattern| !all.values().any(|one| matches(pattern, one)));
    let unmatched = unmatched.map(ToString::to_string).collect();
    let wanted = all
        .into_values()
        .filter(|one| patterns.iter().any(|pattern| matches(pattern, one)));
    (wanted.collect(), unmatched)
}

/// All repositories whose repomd.xml is known, by directory.
fn candidates(catalogue: &Catalogue) -> BTreeMap<&str, Candidate<'_>> {
    let mut candidates = BTreeMap::new();
    let repositories: BTreeSet<_> = catalogue
        .repositories()
        .map(|(key, repository)| (key, repository.directory))
        .collect();
    let by_key: HashMap<&str, _> = catalogue.repositories().collect();
    for (key, directory) in repositories {
        let Some(repodata) = by_key.get(key).and_then(|repository| repository.repodata) else {
            continue;
        };
        let versions = catalogue
            .file_details(repodata, REPOMD)
            .map_or(&[][..], |file| &file.versions);
        if versions.is_empty() {
            continue;
        }
        let name = catalogue.directory_name(directory);
        let candidate = candidates.entry(name).or_insert_with(|| Candidate {
            directory: name,
            category: name::topdir(name, catalogue.subpath(directory)).unwrap_or(name),
            repodata,
            versions,
            keys: Vec::new(),
        });
        candidate.keys.push(key);
    }
    candidates
}

fn latest_of_each_category<'a>(all: BTreeMap<&'a str, Candidate<'a>>) -> Vec<Candidate<'a>> {
    let mut categories: BTreeMap<&str, Vec<Candidate<'_>>> = BTreeMap::new();
    for candidate in all.into_values() {
        categories.entry(candidate.category).or_default().push(candidate);
    }
    let latest = categories.into_values().flat_map(|mut candidates| {
        // A stable sort: of those with the same time, the first by name.
        candidates.sort_by_key(|candidate| std::cmp::Reverse(newest(candidate.versions)));
        candidates.truncate(OF_A_CATEGORY);
        candidates
    });
    let mut latest: Vec<_> = latest.collect();
    latest.sort_by_key(|candidate| candidate.directory);
    latest
}

/// Adds the questions for a repository at all public URLs of http and https. A URL of two hosts is asked once.
fn add_questions(
    catalogue: &Catalogue,
    repository: usize,
    repodata: DirectoryIndex,
    urls: &mut BTreeMap<String, PlannedUrl>,
) {
    let target = Target {
        asked: Asked::Path("".into()),
        directory: repodata,
        file: Some(REPOMD.into()),
    };
    let suffix = suffix(catalogue, &target);
    let public = catalogue.carriers(repodata).filter(|(_, carrier)| carrier.public);
    for (_, carrier) in public {
        for url in catalogue.urls(carrier) {
            if matches!(url.protocol, Protocol::Http | Protocol::Https) {
                let base = catalogue.base_url(url);
                let question = Question {
                    repository,
                    url: [base, &suffix].concat(),
                };
                add_question(planned(catalogue, carrier, base), question, urls);
            }
        }
    }
}

fn planned(catalogue: &Catalogue, carrier: &Carrier, base: &str) -> PlannedUrl {
    let host = catalogue.host(carrier.host);
    let country = host.country.as_ref().map(ToString::to_string);
    PlannedUrl {
        url: base.to_owned(),
        host_id: host.id,
        country: country.filter(|country| country.bytes().all(|byte| byte.is_ascii_uppercase())),
        questions: Vec::new(),
    }
}

fn add_question(new: PlannedUrl, question: Question, urls: &mut BTreeMap<String, PlannedUrl>) {
    let planned = match urls.entry(new.url.clone()) {
        Entry::Vacant(vacant) => vacant.insert(new),
        Entry::Occupied(known) => {
            let known = known.into_mut();
            if new.host_id < known.host_id {
                (known.host_id, known.country) = (new.host_id, new.country);
            }
            known
        }
    };
    if planned.questions.last() != Some(&question) {
        planned.questions.push(question);
    }
}

/// Puts together the URLs that are connected by a host or by a network name.
fn groups(mut urls: Vec<PlannedUrl>) -> Vec<Vec<PlannedUrl>> {
    urls.sort_by(|a, b| (a.host_id, &a.url).cmp(&(b.host_id, &b.url)));
    let names: Vec<String> = urls.iter().map(|url| network_name(&url.url)).collect();
    let ids: Vec<i64> = urls.iter().map(|url| url.host_id).collect();
    let mut sets = DisjointSets::new(urls.len());
    sets.unite_equal(&names);
    sets.unite_equal(&ids);
    let mut groups: BTreeMap<usize, Vec<PlannedUrl>> = BTreeMap::new();
    for (index, url) in urls.into_iter().enumerate() {
        groups.entry(sets.first(index)).or_default().push(url);
    }
    groups.into_values().collect()
}

/// The name or the address in a URL, in lower case. Ports don't matter: they are of one machine.
fn network_name(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None => host.split(':').next().unwrap_or(host),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// Sets of indexes that grow together.
struct DisjointSets {
    /// An index of the same set that is smaller, or the index itself.
    parents: Vec<usize>,
}

impl DisjointSets {
    fn new(size: usize) -> Self {
        Self {
            parents: (0..size).collect(),
        }
    }

    /// The smallest index of a set.
    fn first(&self, mut index: usize) -> usize {
        while let Some(parent) = self.parents.get(index).filter(|parent| **parent != index) {
            index = *parent;
        }
        index
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        if let Some(parent) = self.parents.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
    }

    /// Unites the indexes of equal keys.
    fn unite_equal<K: Eq + Hash>(&mut self, keys: &[K]) {
        let mut seen = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            let first = *seen.entry(key).or_insert(index);
            self.unite(first, index);
        }
    }
}

#[cfg(test)]
mod tests;
