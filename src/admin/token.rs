//! The bearer token of operators on other machines.

use std::fs;
use std::io;
use std::path::PathBuf;

use parking_lot::Mutex;
use subtle::ConstantTimeEq;

use crate::snapshot::FileIdentity;

/// The file with the bearer token, reread when it changes.
pub struct TokenFile {
    path: PathBuf,
    known: Mutex<Option<(FileIdentity, Vec<u8>)>>,
}

impl TokenFile {
    /// Names the token file, which is read when a token is compared.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Mutex::new(None),
        }
    }

    /// Returns whether a text is the token, in a time that does not depend on the text.
    ///
    /// # Errors
    /// The file can't be read or is empty, so that no text is the token. The message names the file.
    pub(super) fn is_token(&self, text: &[u8]) -> Result<bool, String> {
        let problem = |error: io::Error| format!("{}: cannot read it: {error}", self.path.display());
        let mut known = self.known.lock();
        let identity = FileIdentity::at(&self.path).map_err(problem)?;
        if known.as_ref().is_none_or(|(known, _)| *known != identity) {
            *known = None;
            let token = fs::read(&self.path).map_err(problem)?.trim_ascii().to_vec();
            *known = Some((identity, token));
        }
        let token = known.as_ref().map_or(&[][..], |(_, token)| token);
        if token.is_empty() {
            return Err(format!("{}: the file is empty", self.path.display()));
        }
        Ok(bool::from(token.ct_eq(text)))
    }
}
