//! The body of an answer: its media type and its bytes. Sending it is [`crate::http`]'s job.

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
}

impl Content {
    /// The value of the Content-Type header.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Mirrorlist => "text/plain",
            Self::ErrorText => "text/plain; charset=utf-8",
            Self::Metalink => "application/metalink+xml",
        }
    }
}

/// A body in up to three parts, so that text shared by all answers is not copied.
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

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.start.len() + self.shared.len() + self.end.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
