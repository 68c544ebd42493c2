//! The requests that get no mirrors: why, and with which status. The words are [`super::render`]'s.

use std::borrow::Cow;

/// Why a request gets no mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// Neither a path nor a repository with an architecture is named.
    MissingParameters,
    /// The repository is disabled.
    RepositoryDisabled,
    /// No such repository, or no host carries it.
    UnknownRepository {
        /// The prefix, after redirects.
        repo: &'a str,
        /// The architecture.
        arch: &'a str,
    },
    /// No such directory.
    UnknownPath,
    /// `ip=` is no address.
    InvalidAddress,
    /// A metalink is asked for, but the file's size and hashes are not known.
    NoFileDetails {
        /// The directory.
        directory: Cow<'a, str>,
        /// The file; empty: the directory itself was asked for.
        file: Cow<'a, str>,
    },
    /// A redirect is asked for, but no host has an http or https URL.
    NoWebMirror,
    /// The path is neither a mirrorlist's nor a metalink's.
    UnknownEndpoint,
    /// The method is neither GET nor HEAD.
    MethodNotAllowed,
}

impl Refusal<'_> {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            // Compatibility: librepo asks twelve times after a 404 but only once after these; the golden tests pin them.
            Self::MissingParameters | Self::RepositoryDisabled => 200,
            Self::InvalidAddress => 400,
            Self::MethodNotAllowed => 405,
            Self::UnknownRepository { .. }
            | Self::UnknownPath
            | Self::NoFileDetails { .. }
            | Self::NoWebMirror
            | Self::UnknownEndpoint => 404,
        }
    }
}
