//! A difference between two answers, and how texts of answers are shown. Finding them is in [`super::comparison`].

use percent_encoding::percent_decode_str;

use super::classes::Class;
use super::own::OwnAnswer;

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The way in which it differs.
    pub class: Class,
    /// The values, for people.
    pub detail: String,
}

/// Longer texts are cut in details.
const LONGEST_TEXT: usize = 200;

impl Difference {
    /// A difference with its detail.
    pub fn new(class: Class, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }

    /// A difference between two texts.
    pub fn here_there(class: Class, here: &str, there: &str) -> Self {
        Self::new(class, format!("here {}, there {}", shown(here), shown(there)))
    }
}

/// A text from an answer as it can stand on a line of a terminal: quoted and cut.
pub(super) fn shown(text: &str) -> String {
    let (cut, rest) = text.split_at(text.floor_char_boundary(LONGEST_TEXT));
    let dots = if rest.is_empty() { "" } else { "..." };
    format!("{cut:?}{dots}")
}

/// Whether the request has something percent-encoded, which mirrorlist-server 3 does not decode.
pub(super) fn encodes(own: &OwnAnswer<'_>) -> bool {
    own.request().query().contains('%')
}

/// Decodes `%XX` in a text.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
