//! Why a request gets no mirrors, and the HTTP status. The text is [`super::render`]'s.

use std::borrow::Cow;

use crate::snapshot::rules::rule::RuleEffect;

/// Why a request gets no mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The request has neither a path nor a repository with an architecture.
    MissingParameters,
    /// The repository is disabled.
    RepositoryDisabled,
    /// There is no such repository, or no host carries it.
    UnknownRepository {
        /// The prefix, after redirects.
        repo: &'a str,
        /// The architecture.
        arch: &'a str,
    },
    /// There is no such directory.
    UnknownPath,
    /// `ip=` is no IP address.
    InvalidAddress,
    /// The cache has no details of the file that a metalink is asked for.
    NoFileDetails {
        /// The directory.
        directory: Cow<'a, str>,
        /// The file; empty if the directory itself was asked for.
        file: Cow<'a, str>,
    },
    /// The file of a redirect is not among those of its directory.
    NoSuchFile,
    /// No host has an http or https URL to redirect to.
    NoWebMirror,
    /// No host has a URL of a protocol that was asked for, and the format needs one.
    NoMirror,
    /// A rule of the operators' leaves no mirror, and says that there is to be none then. Clients don't learn its name.
    NoMirrorLeft {
        /// What the rules did, that one's included.
        effects: Vec<RuleEffect>,
    },
    /// The path ends neither in /mirrorlist nor in /metalink.
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
            | Self::NoSuchFile
            | Self::NoWebMirror
            | Self::NoMirror
            | Self::NoMirrorLeft { .. }
            | Self::UnknownEndpoint => 404,
        }
    }
}
