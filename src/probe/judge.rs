//! What answers mean: replies to observations, and the observations of a round to verdicts. Pure: times come from outside.

use std::fmt::Write as _;

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use slog::{Logger, info, warn};

use super::ask::{MOST_BYTES, Reply};
use super::failure::Failure;
use super::plan::{PlannedUrl, WatchedRepository};
use super::repomd;
use crate::health::{AddressFamily, RepositoryHealth, Standing, UrlHealth, Verdict};
use crate::snapshot::FileVersion;

/// What one question found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) finding: Finding,
    /// The answer in words.
    pub(super) words: String,
    /// What to keep of the content.
    pub(super) content: Option<SeenContent>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// A known version, or a newer one.
    Good,
    /// The same, from another site.
    Moved,
    /// The content is none of the known versions, and not newer.
    Stale,
    /// The repository is not there.
    Missing,
    /// An error of the mirror (5xx).
    ServerError,
    /// An answer that says nothing about the repository.
    Unjudged,
    /// An answer that asks for fewer questions (429).
    Enough,
    /// No answer.
    NoAnswer(Failure),
}

impl Finding {
    /// Whether clients get an answer that a mirror means.
    pub(super) fn works(&self) -> bool {
        !matches!(self, Self::ServerError | Self::NoAnswer(_))
    }

    /// The verdict on a repository at a URL that works.
    fn of_repository(&self) -> Option<Verdict> {
        match self {
            Self::Good | Self::Moved => Some(Verdict::Good),
            Self::Stale => Some(Verdict::Stale),
            Self::Missing | Self::ServerError | Self::NoAnswer(_) => Some(Verdict::Missing),
            Self::Unjudged | Self::Enough => None,
        }
    }
}

/// What the next question and the next judgement need of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenContent {
    etag: Option<String>,
    last_modified: Option<String>,
    sha256: String,
    timestamp: Option<u64>,
}

/// What a round found at a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UrlObservations {
    /// When it was asked, in seconds since the Unix epoch.
    pub(super) checked: u64,
    /// The families that work.
    pub(super) families: Vec<AddressFamily>,
    /// For each question what it found; `None`: it was not asked.
    pub(super) found: Vec<Option<Observation>>,
}

/// Judges a reply by the known versions. `known` is what the file says of this repository at this URL.
pub(super) fn observation(
    reply: Reply,
    repository: &WatchedRepository,
    known: Option<&RepositoryHealth>,
) -> Observation {
    let plain = |finding, words: String| Observation {
        finding,
        words,
        content: None,
    };
    match reply {
        Reply::Content {
            body,
            etag,
            last_modified,
            elsewhere,
        } => {
            let (finding, words) = judge_content(&body, repository);
            Observation {
                content: Some(SeenContent {
                    etag: header_to_keep(etag),
                    last_modified: header_to_keep(last_modified),
                    sha256: hex(&hash(&SHA256, &body)),
                    timestamp: repomd::timestamp(&body),
                }),
                ..moved(plain(finding, words), elsewhere)
            }
        }
        Reply::NotModified { elsewhere } => {
            let (finding, words) = judge_seen(repository, known);
            moved(plain(finding, words), elsewhere)
        }
        Reply::TooLarge if repository.versions.iter().any(|version| version.size > MOST_BYTES) => {
            plain(Finding::Unjudged, "200, more bytes than are read".to_owned())
        }
        Reply::TooLarge => plain(
            Finding::Stale,
            format!("200, unknown content of more than {MOST_BYTES} bytes"),
        ),
        Reply::Status { status, elsewhere } => {
            let mut words = status.to_string();
            if let Some(host) = elsewhere {
                // Writing to a String can't fail.
                let _ = write!(words, " at {host}");
            }
            plain(of_status(status.as_u16()), words)
        }
        Reply::Astray(words) => plain(Finding::Missing, words),
        Reply::Unaskable(words) => plain(Finding::Unjudged, words),
        Reply::Failure(failure) => {
            let words = failure.to_string();
            plain(Finding::NoAnswer(failure), words)
        }
    }
}

fn of_status(status: u16) -> Finding {
    match status {
        408 | 425 => Finding::Unjudged,
        429 => Finding::Enough,
        500.. => Finding::ServerError,
        _ => Finding::Missing,
    }
}

/// Good content of another site is reported as such.
fn moved(observation: Observation, elsewhere: Option<String>) -> Observation {
    match elsewhere {
        Some(host) if observation.finding == Finding::Good => Observation {
            finding: Finding::Moved,
            words: format!("{}, at {host}", observation.words),
            ..observation
        },
        _ => observation,
    }
}

fn judge_content(body: &[u8], repository: &WatchedRepository) -> (Finding, String) {
    let matches = |version: &FileVersion| {
        if let Some(expected) = version.sha256 {
            Some(hash(&SHA256, body) == expected)
        } else if let Some(expected) = version.sha512 {
            Some(hash(&SHA512, body) == expected)
        } else if let Some(expected) = version.sha1 {
            Some(hash(&SHA1_FOR_LEGACY_USE_ONLY, body) == expected)
        } else {
            (version.size > 0).then_some(version.size == body.len() as u64)
        }
    };
    let matched: Vec<_> = repository.versions.iter().map(matches).collect();
    let unknown = format!("200, unknown content of {} bytes", body.len());
    judge(&matched, repository, repomd::timestamp(body), unknown)
}

/// Judges the content of last time, of which hash and time are known.
fn judge_seen(repository: &WatchedRepository, known: Option<&RepositoryHealth>) -> (Finding, String) {
    let sha256 = known.and_then(|known| known.sha256.as_deref());
    let matches = |version: &FileVersion| Some(hex(&version.sha256?) == sha256?);
    let matched: Vec<_> = repository.versions.iter().map(matches).collect();
    let timestamp = known.and_then(|known| known.timestamp);
    let (finding, words) = judge(&matched, repository, timestamp, "200, unknown content".to_owned());
    (finding, words.replacen("200", "304", 1))
}

/// Judges content by whether it is one of the versions; `None`: that can't be known.
fn judge(
    matched: &[Option<bool>],
    repository: &WatchedRepository,
    timestamp: Option<u64>,
    unknown: String,
) -> (Finding, String) {
    match matched.iter().position(|matched| *matched == Some(true)) {
        Some(0) => (Finding::Good, "200, current version".to_owned()),
        Some(_) => (Finding::Good, "200, an older known version".to_owned()),
        None if timestamp.is_some_and(|time| time > repository.newest()) => {
            (Finding::Good, "200, newer than the cache".to_owned())
        }
        None if matched.contains(&None) => (Finding::Unjudged, format!("{unknown}; the cache has no hash")),
        None => (Finding::Stale, unknown),
    }
}

/// Whether a 304 to a conditional question can be judged: by SHA-256 only, since that is what the file keeps.
pub(super) fn can_be_conditional(repository: &WatchedRepository, known: &RepositoryHealth) -> bool {
    known.sha256.is_some() && repository.versions.iter().all(|version| version.sha256.is_some())
}

fn hash(algorithm: &'static Algorithm, bytes: &[u8]) -> Vec<u8> {
    digest(algorithm, bytes).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The longest header that is kept, in bytes.
const LONGEST_HEADER: usize = 200;

fn header_to_keep(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty() && value.len() <= LONGEST_HEADER)
}

/// The longest answer in words, in characters.
const LONGEST_WORDS: usize = 200;

/// Makes a text of a mirror's fit for files and logs.
fn clean(words: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    words.chars().take(LONGEST_WORDS).map(shown).collect()
}

/// The health of a URL after a round, given what the file says of it. Changes of verdicts are logged.
pub(super) fn judge_url(
    planned: &PlannedUrl,
    repositories: &[WatchedRepository],
    known: Option<&UrlHealth>,
    observed: &UrlObservations,
    logger: &Logger,
) -> UrlHealth {
    let now = observed.checked;
    let mut health = UrlHealth {
        url: planned.url.clone(),
        host_id: planned.host_id,
        country: planned.country.clone(),
        standing: known.map_or_else(|| Standing::new(now), |known| known.standing),
        families: known.map(|known| known.families.clone()).unwrap_or_default(),
        last_answer: known.map(|known| known.last_answer.clone()).unwrap_or_default(),
        checked: known.map_or(0, |known| known.checked),
        repositories: known_repositories(planned, repositories, known, now),
    };
    let judged = observed
        .found
        .iter()
        .flatten()
        .find(|found| !is_passed_over(&found.finding));
    let Some(first) = judged else {
        return health;
    };
    let names = observed.families.iter().map(|family| family.name().to_owned());
    (health.families, health.last_answer, health.checked) = (names.collect(), clean(&first.words), now);
    let log = ChangeLog { logger, now };
    let verdict = verdict_on_url(&observed.found);
    if let Some(verdict) = verdict {
        let before = health.standing;
        health.standing.observe(verdict, now);
        log.change(&health, None, before, health.standing, &health.last_answer);
    }
    let reached = verdict != Some(Verdict::Dead);
    for (index, found) in observed.found.iter().enumerate() {
        let Some(found) = found.as_ref().filter(|found| !is_passed_over(&found.finding)) else {
            continue;
        };
        let Some(repository) = health.repositories.get_mut(index) else {
            continue;
        };
        let before = repository.standing;
        judge_repository(repository, found, reached && verdict.is_some(), now);
        let after = repository.clone();
        log.change(
            &health,
            Some(&after.directory),
            before,
            after.standing,
            &after.last_answer,
        );
    }
    health
}

/// Whether a finding says nothing of the mirror but of this machine.
fn is_passed_over(finding: &Finding) -> bool {
    matches!(finding, Finding::NoAnswer(Failure::NoRoute | Failure::Own(_)))
}

/// The verdict on a URL. Without a clear answer to any question there is none, unless all of them failed.
fn verdict_on_url(found: &[Option<Observation>]) -> Option<Verdict> {
    let found = || found.iter().flatten().map(|found| &found.finding);
    let is_clear = |finding: &Finding| finding.works() && finding.of_repository().is_some();
    if found().any(|finding| *finding == Finding::Moved) {
        Some(Verdict::Moved)
    } else if found().any(is_clear) {
        Some(Verdict::Good)
    } else if found().all(|finding| !finding.works()) {
        Some(Verdict::Dead)
    } else {
        None
    }
}

fn judge_repository(repository: &mut RepositoryHealth, found: &Observation, is_judged: bool, now: u64) {
    repository.last_answer = clean(&found.words);
    if let Some(content) = found.content.clone() {
        repository.etag = content.etag;
        repository.last_modified = content.last_modified;
        repository.sha256 = Some(content.sha256);
        repository.timestamp = content.timestamp;
    }
    if let Some(verdict) = found.finding.of_repository().filter(|_| is_judged) {
        repository.standing.observe(verdict, now);
    }
}

/// The planned repositories of a URL, as the file knows them.
fn known_repositories(
    planned: &PlannedUrl,
    repositories: &[WatchedRepository],
    known: Option<&UrlHealth>,
    now: u64,
) -> Vec<RepositoryHealth> {
    let watched = planned
        .questions
        .iter()
        .filter_map(|question| repositories.get(question.repository));
    let health = watched.map(|repository| {
        let known = known.and_then(|known| known_repository(known, repository));
        known.cloned().unwrap_or_else(|| RepositoryHealth {
            directory: repository.directory.clone(),
            standing: Standing::new(now),
            ..RepositoryHealth::default()
        })
    });
    health.collect()
}

/// What the file says of a repository at a URL.
pub(super) fn known_repository<'a>(url: &'a UrlHealth, repository: &WatchedRepository) -> Option<&'a RepositoryHealth> {
    url.repositories
        .iter()
        .find(|known| known.directory == repository.directory)
}

/// Logs changes of verdicts.
struct ChangeLog<'a> {
    logger: &'a Logger,
    now: u64,
}

impl ChangeLog<'_> {
    fn change(&self, url: &UrlHealth, directory: Option<&str>, before: Standing, after: Standing, last_answer: &str) {
        if before.verdict == after.verdict {
            return;
        }
        let fields = slog::o!(
            "url" => url.url.clone(), "directory" => directory.unwrap_or_default().to_owned(),
            "from" => before.verdict.name(), "to" => after.verdict.name(),
            "after_s" => self.now.saturating_sub(before.since), "last_answer" => last_answer.to_owned(),
            "families" => url.families.join(",")
        );
        let logger = self.logger.new(fields);
        if after.verdict.is_bad() {
            warn!(logger, "a verdict on a mirror changes");
        } else {
            info!(logger, "a verdict on a mirror changes");
        }
    }
}

#[cfg(test)]
mod tests;
