//! Chosen hosts to a body: [`text`] for mirrorlists and redirects, [`metalink`] and [`metalink4`] for XML, [`json`], and [`buffer`], the
//! memory that they are written into. [`links`] are the headers of redirects.
//!
//! The texts of URLs are copied from the snapshot; text that is the same for all hosts of an answer is made once.

pub mod buffer;
pub mod json;
pub mod links;
pub mod metalink;
pub mod metalink4;
pub mod text;

use bytes::Bytes;

/// The kind of content of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A mirrorlist, or the target of a redirect.
    Mirrorlist,
    /// A refusal as text.
    ErrorText,
    /// A metalink, or a refusal as one.
    Metalink,
    /// A metalink of version 4, or a refusal as a document without files.
    Metalink4,
    /// An answer or a refusal as JSON.
    Json,
}

impl Content {
    /// The value of the Content-Type header.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mirrorlist => "text/plain",
            Self::ErrorText => "text/plain; charset=utf-8",
            Self::Metalink => "application/metalink+xml",
            Self::Metalink4 => "application/metalink4+xml",
            Self::Json => "application/json",
        }
    }
}

/// The body of an answer, in up to three parts, so that text shared by all answers is not copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The part made for this answer.
    pub start: Bytes,
    /// A part shared by many answers.
    pub shared: Bytes,
    /// The part after it.
    pub end: &'static str,
}

impl Body {
    /// A body of one part.
    pub fn whole(text: impl Into<Bytes>) -> Self {
        Self {
            start: text.into(),
            ..Self::default()
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.start.len() + self.shared.len() + self.end.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
