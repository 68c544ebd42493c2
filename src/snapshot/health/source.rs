//! A health file and its state. The last content that could be used counts until its own end if what replaces it can't be.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use slog::{Logger, info, warn};

use super::super::age::{self, Utc};
use super::super::data_file::{DataTable, FileIdentity, Loaded, load};
use super::super::load_error::LoadProblem;
use super::super::shrink::Count;
use super::table::Doubt;
use crate::health::HealthFile;
use crate::warnings::Warnings;

impl DataTable for HealthFile {
    const KEY: &'static str = "health.files";
    /// Fedora's mirrors with ten watched repositories each take a twentieth. The budget of memory can refuse a smaller one.
    const MAX_BYTES: u64 = 64 << 20;

    fn read_file(file: BufReader<File>, _: &mut Warnings) -> Result<Self, LoadProblem> {
        let file = Self::read(file)?;
        age::check_created(file.made, age::now())?;
        Ok(file)
    }

    fn created_at(&self) -> Option<u64> {
        Some(self.made)
    }

    fn entry_counts(&self) -> Vec<Count> {
        vec![Count::new("urls", self.urls.len())]
    }
}

/// A health file as it was last looked at.
#[derive(Clone)]
pub(in super::super) struct ReadHealthFile {
    path: PathBuf,
    identity: Option<FileIdentity>,
    /// The content, or why there is none.
    content: Result<Arc<Loaded<HealthFile>>, (HealthState, String)>,
    /// Whether it can't be read for a reason that may pass while the file stays as it is.
    pub(in super::super) is_passing: bool,
    /// The content that was used before.
    kept: Option<Arc<Loaded<HealthFile>>>,
}

impl ReadHealthFile {
    /// Looks at each file, and reads it unless it is the one that was read before.
    pub(in super::super) fn read_all(paths: &[PathBuf], before: &[HealthSource]) -> Vec<Self> {
        let before = |path: &Path| before.iter().find(|source| source.file.path == path);
        paths.iter().map(|path| Self::read(path, before(path))).collect()
    }

    /// Whether this is another file than before, or one that can be read now or could be then.
    pub(in super::super) fn is_new(&self, before: &HealthSource) -> bool {
        self.identity != before.file.identity || self.content.is_ok() != before.file.content.is_ok()
    }

    fn read(path: &Path, before: Option<&HealthSource>) -> Self {
        let looked = FileIdentity::at(path);
        if let (Some(before), Ok(identity)) = (before, &looked)
            && before.file.identity == Some(*identity)
            && before.file.content.is_ok()
        {
            return Self {
                kept: before.content.clone(),
                ..before.file.clone()
            };
        }
        let mut is_passing = false;
        let content = match &looked {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err((HealthState::Missing, "there is no such file".to_owned()))
            }
            _ => load(path).map_err(|error| {
                is_passing = error.is_passing();
                (HealthState::Unusable, error.problem().to_string())
            }),
        };
        Self {
            path: path.to_owned(),
            identity: looked.ok(),
            content,
            is_passing,
            kept: before.and_then(|before| before.content.clone()),
        }
    }
}

/// The state of a health file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// It counts.
    Used,
    /// There is no such file.
    Missing,
    /// It can't be read, or is damaged.
    Unusable,
    /// Its time is over.
    Expired,
    /// It calls so many hosts bad that the fault is more likely with the probe.
    SetAside,
}

/// A health file, whether it counts, and what counts in its place.
pub struct HealthSource {
    file: ReadHealthFile,
    state: HealthState,
    reason: Option<String>,
    content: Option<Arc<Loaded<HealthFile>>>,
}

impl HealthSource {
    pub(super) fn new(file: ReadHealthFile, now: u64, mut doubt: impl FnMut(&HealthFile) -> Option<Doubt>) -> Self {
        let mut judge = |content: &HealthFile| {
            if content.valid_until <= now {
                return Err((HealthState::Expired, ended(content)));
            }
            doubt(content).map_or(Ok(()), |doubt| Err((HealthState::SetAside, doubt.to_string())))
        };
        let newest = file.content.clone();
        let newest = newest.and_then(|content| judge(&content.table).map(|()| content));
        let (state, reason, content) = match newest {
            Ok(content) => (HealthState::Used, None, Some(content)),
            Err((state, reason)) => {
                let keeps = matches!(state, HealthState::Unusable | HealthState::SetAside);
                let kept = file.kept.clone().filter(|kept| keeps && judge(&kept.table).is_ok());
                (state, Some(reason), kept)
            }
        };
        Self {
            file,
            state,
            reason,
            content,
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Which file it was; `None` if it can't be looked at.
    pub fn identity(&self) -> Option<FileIdentity> {
        self.file.identity
    }

    /// Whether it can't be read for a reason that may pass while the file stays as it is.
    pub fn is_passing(&self) -> bool {
        self.file.is_passing
    }

    /// Its state at a time in seconds since the Unix epoch.
    pub fn state_at(&self, now: u64) -> HealthState {
        match self.newest() {
            Some(file) if file.valid_until <= now => HealthState::Expired,
            _ => self.state,
        }
    }

    /// Why it is not used at a time in seconds since the Unix epoch.
    pub fn reason_at(&self, now: u64) -> Option<Cow<'_, str>> {
        match self.newest() {
            Some(file) if file.valid_until <= now => Some(ended(file).into()),
            _ => self.reason.as_deref().map(Cow::from),
        }
    }

    /// The content that counts: the file's, or an earlier one that is still valid.
    pub fn used(&self) -> Option<&HealthFile> {
        self.content.as_ref().map(|content| &content.table)
    }

    /// The same, if it is still valid at a time in seconds since the Unix epoch.
    pub fn used_at(&self, now: u64) -> Option<&HealthFile> {
        self.used().filter(|file| now < file.valid_until)
    }

    /// The content of the file that is there, whether it counts or not.
    pub fn newest(&self) -> Option<&HealthFile> {
        self.file.content.as_ref().ok().map(|content| &content.table)
    }

    /// Logs the state if it is not what it was before. Of the same file, the reason can change with the time and the cache.
    pub fn log_change(&self, before: Option<&Self>, logger: &Logger) {
        let is_told = |before: &Self| {
            let is_same_file = before.identity().is_some() && before.identity() == self.identity();
            before.state == self.state && (is_same_file || before.reason == self.reason)
        };
        if before.is_some_and(is_told) {
            return;
        }
        let file = self.path().display().to_string();
        match &self.reason {
            None => info!(logger, "a health file is used"; "file" => file),
            Some(reason) => {
                warn!(logger, "a health file is not used";
                    "file" => file, "state" => ?self.state, "reason" => reason,
                    "earlier_content_used" => self.content.is_some());
            }
        }
    }
}

fn ended(file: &HealthFile) -> String {
    format!("it was valid until {}; is the probe running?", Utc(file.valid_until))
}
