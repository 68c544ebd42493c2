//! A health file: JSON with what a probe found at each URL. `docs/mirror_health.schema.json` is its schema.
//!
//! Reading is tolerant where a later version may differ (unknown fields and verdicts) and strict where a file is damaged: such a file
//! is refused as a whole, with line and column. Memory is in proportion to the file's size.

use std::fmt;
use std::io::{self, Read};

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use super::verdict::Standing;
use crate::budget::{Budget, OverBudget};

/// The version of the format that this program writes, and the latest that it reads.
pub const FORMAT: u32 = 1;

/// What one probe found at one place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HealthFile {
    /// The version of the format.
    pub format: u32,
    /// The program that wrote it, with its version.
    #[serde(default)]
    pub program: String,
    /// The name of the place that mirrors were asked from; may be empty.
    #[serde(default)]
    pub place: String,
    /// When the round ended, in seconds since the Unix epoch.
    pub made: u64,
    /// When the file says nothing any more, in seconds since the Unix epoch.
    pub valid_until: u64,
    /// When the cache was made whose URLs were asked, in seconds since the Unix epoch.
    #[serde(default)]
    pub cache_created: u64,
    /// The URLs, in order.
    pub urls: Vec<UrlHealth>,
}

/// The health of a base URL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UrlHealth {
    /// The base URL as in the cache, without a slash at its end.
    pub url: String,
    /// MirrorManager2's id of the host.
    pub host_id: i64,
    /// The host's country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The verdict: `good`, `moved` or `dead`.
    pub standing: Standing,
    /// The families that work, `ipv4` and `ipv6`.
    #[serde(deserialize_with = "families")]
    pub families: Vec<String>,
    /// The last answer, in words.
    pub last_answer: String,
    /// When that was, in seconds since the Unix epoch.
    pub checked: u64,
    /// The watched repositories that it should have, in order.
    pub repositories: Vec<RepositoryHealth>,
}

/// The health of a repository at a URL.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryHealth {
    /// The repository's directory, as in the cache.
    pub directory: String,
    /// The verdict: `good`, `missing` or `stale`.
    pub standing: Standing,
    /// The last answer, in words.
    pub last_answer: String,
    /// What the probe needs for its next question: the answer's ETag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The answer's Last-Modified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// SHA-256 of the last content, in lower-case hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The time that the last content says it was made, in seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
}

/// Why a health file can't be used.
#[derive(Debug, Error)]
pub enum HealthFileError {
    /// It can't be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// It is no health file, or damaged.
    #[error("it is damaged or no health file: {0}; let the probe write it again")]
    Damaged(#[from] serde_json::Error),
    /// It is of a later version.
    #[error("it has format {0}, and this program knows up to {FORMAT}; use the same version for both")]
    Format(u32),
    /// It would take too much memory.
    #[error(transparent)]
    TooLarge(#[from] OverBudget),
}

/// More families than this are not read: an empty text takes twenty times the memory of its two quotes.
const MOST_FAMILIES: usize = 4;

fn families<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct First;

    impl<'de> Visitor<'de> for First {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of texts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Vec<String>, A::Error> {
            let mut families = Vec::new();
            while families.len() < MOST_FAMILIES {
                match texts.next_element()? {
                    Some(family) => families.push(family),
                    None => return Ok(families),
                }
            }
            while texts.next_element::<IgnoredAny>()?.is_some() {}
            Ok(families)
        }
    }

    deserializer.deserialize_seq(First)
}

/// The most memory that an object of the file takes, without its texts, in bytes.
const OBJECT_BYTES: usize = 2 * size_of::<UrlHealth>();

impl HealthFile {
    /// Reads a file.
    ///
    /// # Errors
    /// If it can't be read, is damaged, or is of a later version.
    pub fn read(mut file: impl Read) -> Result<Self, HealthFileError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut budget = Budget::default();
        budget.read(bytes.len() as u64);
        // An object can be written as an array of its values.
        let objects = memchr::memchr2_iter(b'{', b'[', &bytes).count();
        budget.take(bytes.len().saturating_add(objects.saturating_mul(OBJECT_BYTES)))?;
        let file: Self = serde_json::from_slice(&bytes)?;
        if file.format > FORMAT {
            return Err(HealthFileError::Format(file.format));
        }
        Ok(file)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None in practice: all keys are texts.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Verdict;
    use super::*;

    fn file() -> HealthFile {
        HealthFile {
            format: FORMAT,
            program: "probe".to_owned(),
            place: "here".to_owned(),
            made: 1_000,
            valid_until: 2_000,
            cache_created: 900,
            urls: vec![UrlHealth {
                url: "https://mirror.example/pub".to_owned(),
                host_id: 7,
                country: Some("DE".to_owned()),
                standing: Standing {
                    verdict: Verdict::Dead,
                    since: 800,
                    strikes: 0,
                    good_answers: 1,
                },
                families: vec!["ipv4".to_owned()],
                last_answer: "connection refused".to_owned(),
                checked: 1_000,
                repositories: vec![RepositoryHealth {
                    directory: "pub/x/os".to_owned(),
                    standing: Standing::new(700),
                    ..RepositoryHealth::default()
                }],
            }],
        }
    }

    #[test]
    fn a_file_comes_back_as_written() {
        let text = file().to_json().unwrap();
        assert_eq!(HealthFile::read(&*text).unwrap(), file());
    }

    #[test]
    fn what_a_later_version_adds_is_ignored() {
        let text = br#"{"format":1,"made":1,"valid_until":2,"colour":"red","urls":[
            {"url":"http://x","standing":{"verdict":"haunted","since":1},"families":["ipv9"],"repositories":[{"mood":[[]]}]}]}"#;
        let file = HealthFile::read(&text[..]).unwrap();
        assert_eq!(file.urls[0].standing.verdict, Verdict::Unknown);
        let error = HealthFile::read(&br#"{"format":2,"made":1,"valid_until":2,"urls":[]}"#[..]).unwrap_err();
        assert!(error.to_string().contains("format 2"), "{error}");
    }

    #[test]
    fn every_cut_is_seen() {
        let text = file().to_json().unwrap();
        for cut in 0..text.len() - 2 {
            let error = HealthFile::read(&text[..cut]).unwrap_err().to_string();
            assert!(error.contains("damaged") && error.contains("line"), "{cut}: {error}");
        }
    }

    #[test]
    fn objects_that_cost_more_than_their_bytes_are_refused() {
        for object in ["{}", "[]"] {
            let objects = vec![object; 1 << 18].join(",");
            let text = format!("{{\"format\":1,\"made\":1,\"valid_until\":2,\"urls\":[{objects}]}}");
            let error = HealthFile::read(text.as_bytes()).unwrap_err();
            assert!(matches!(error, HealthFileError::TooLarge(_)), "{error}");
        }
    }

    #[test]
    fn families_beyond_the_first_few_take_no_memory() {
        let families = vec!["\"\""; 1 << 18].join(",");
        let text = format!(
            "{{\"format\":1,\"made\":1,\"valid_until\":2,\"urls\":[{{\"url\":\"http://x\",\"families\":[{families}]}}]}}"
        );
        let file = HealthFile::read(text.as_bytes()).unwrap();
        assert_eq!(file.urls[0].families, vec![""; MOST_FAMILIES]);
    }
}
