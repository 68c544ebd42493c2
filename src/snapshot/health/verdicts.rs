//! What the health files say of each URL, for explanations and status.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;

use super::MirrorHealth;
use crate::health::{Standing, UrlHealth, Verdict};

/// What a health file says of a URL.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedVerdict<'a> {
    /// The base URL.
    pub url: &'a str,
    /// The repository's directory; `None` for the whole URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<&'a str>,
    /// `good`, `moved`, `stale`, `missing` or `dead`.
    pub verdict: Verdict,
    /// Since when, in seconds since the Unix epoch.
    pub since: u64,
    /// The last answer, in words.
    pub last_answer: &'a str,
    /// The families of addresses that work.
    pub families: &'a [String],
    /// The health file.
    pub file: &'a Path,
}

/// What the health files that count say, by URL.
pub struct Verdicts<'a>(HashMap<&'a str, Vec<(&'a Path, &'a UrlHealth)>>);

impl<'a> Verdicts<'a> {
    /// Finds what the files say that count at a time in seconds since the Unix epoch; `None` if there are no health files.
    pub fn new(health: &'a MirrorHealth, now: u64) -> Option<Self> {
        if health.sources().is_empty() {
            return None;
        }
        let mut urls = HashMap::<_, Vec<_>>::new();
        for source in health.sources() {
            for url in source.used_at(now).iter().flat_map(|file| &file.urls) {
                urls.entry(&*url.url).or_default().push((source.path(), url));
            }
        }
        Some(Self(urls))
    }

    /// What each file says of a URL, and of its repositories in which it is not good.
    pub fn of(&self, url: &str) -> impl Iterator<Item = ExplainedVerdict<'a>> {
        let said = self.0.get(url).into_iter().flatten();
        said.flat_map(|(file, url)| {
            let verdict = move |directory, standing: &Standing, last_answer| ExplainedVerdict {
                url: &url.url,
                directory,
                verdict: standing.verdict,
                since: standing.since,
                last_answer,
                families: &url.families,
                file,
            };
            let bad = url
                .repositories
                .iter()
                .filter(|repository| repository.standing.verdict.is_bad());
            let bad = bad.map(move |bad| verdict(Some(&*bad.directory), &bad.standing, &bad.last_answer));
            [verdict(None, &url.standing, &url.last_answer)].into_iter().chain(bad)
        })
    }
}
