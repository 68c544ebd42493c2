//! Every way in which two answers can differ: a name for it, and the reason if it is on purpose; and a [`Difference`] that was found.
//! Finding them is in [`super::comparison`].
//!
//! README.md repeats the reasons; `cargo test --test readme` compares it with this table.

use percent_encoding::percent_decode_str;

/// A class as summaries show it.
#[derive(Debug, Clone, Copy)]
pub struct ClassInfo {
    /// The class.
    pub class: Class,
    /// Its name in summaries, one word.
    pub key: &'static str,
    /// The difference, for people.
    pub title: &'static str,
    /// Why it differs, in a sentence, if it is on purpose.
    pub intended: Option<&'static str>,
}

/// Makes the classes and their table from rows of a class, its key, its title, and `=>` the reason if it is on purpose.
macro_rules! classes {
    ($($class:ident, $key:literal: $title:literal $(=> $reason:literal)?;)+) => {
        /// A way in which two answers differ.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Class {
            $(#[doc = $title] $class,)+
        }

        /// All classes: first those that need a look, then those that are on purpose.
        pub const CLASSES: &[ClassInfo] = &[$(ClassInfo {
            class: Class::$class,
            key: $key,
            title: $title,
            intended: [$(Some($reason),)? None][0],
        },)+];
    };
}

classes! {
    NoAnswer, "no-answer": "the other server does not answer";
    Status, "status": "another status";
    ContentType, "content-type": "another Content-Type";
    Unreadable, "unreadable": "an answer that can't be read";
    Refusal, "refusal": "one of them lists mirrors, or refuses for another reason";
    RefusalText, "refusal-text": "another text of the same refusal";
    Repositories, "repositories": "another list of repositories";
    Comment, "comment": "another comment line";
    Created, "created": "another time at which the cache was made";
    OnlyHere, "only-here": "a mirror that only this server lists";
    OnlyThere, "only-there": "a mirror that only the other server lists";
    Url, "url": "another URL of the same mirror, or one more";
    Order, "order": "mirrors in another order than that of their tiers";
    Minimum, "minimum": "only one of them adds the whole world's mirrors: compare `minimum`";
    Redirect, "redirect": "a redirect to no mirror of the nearest tier";
    FileName, "file": "a metalink of another file";
    Size, "size": "another size of the file";
    Time, "time": "another time of the file";
    Hash, "hash": "another hash of the file";
    Alternates, "alternates": "other older versions of the file";
    Location, "location": "another country of the same mirror";
    Private, "private": "a mirror that only one of them calls private";
    Preference, "preference": "preferences that do not fall from 100 host by host";
    UrlAttributes, "attributes": "other attributes of a URL or of its list in a metalink";
    ProtocolOrder, "protocol-order": "another protocol of the same mirror first"
        => "Of a mirror's URLs https comes before http, and http before ftp, whatever their order in the cache.";
    ProtocolAsked, "protocol-asked": "URLs of a protocol that was not asked for"
        => "With `protocol=` only such URLs are listed, even if no mirror has one; the world's mirrors are added where the near ones have none.";
    CountryLimit, "country-limit": "a mirror that is not for the client's country"
        => "A mirror that is limited to some countries is offered to no client elsewhere, in whatever tier, but by its own network and AS.";
    CountryFallsThrough, "country-falls-through": "no mirrors, because those of `country=` may not be offered"
        => "Countries in `country=` whose mirrors can't serve the client count as countries without mirrors.";
    CountryOnce, "country-once": "a country that the comment line repeats"
        => "The comment line names the same countries, but not always as often: `country=de,de` names one.";
    LongComment, "long-comment": "a comment line that is cut"
        => "A comment line never grows beyond what librepo reads at once.";
    Decoding, "decoding": "a percent-encoded parameter that is not decoded"
        => "Parameters are percent-decoded.";
    Escaping, "escaping": "XML that is not well-formed"
        => "XML is escaped, comments included.";
    InvalidAddress, "invalid-address": "another status where `ip=` is no address"
        => "`ip=` that is no address is 400 everywhere.";
    UnknownDirectory, "unknown-directory": "another status for a repository without a directory"
        => "A repository whose directory is unknown is 404.";
    HashCase, "hash-case": "hashes in upper case"
        => "Hashes are in lower case, as librepo wants them.";
    UndatedAlternates, "undated-alternates": "older versions of the file without a time"
        => "Older versions of a file without a time are left out, since yum 3 rejects a metalink that has one.";
    AbsentFile, "absent-file": "a redirect to a file that the cache shows to be absent"
        => "A redirect to a file that the cache shows to be absent is 404 (`redirect.absent`).";
    RefusalType, "refusal-type": "a refusal without a Content-Type"
        => "Refusals have a Content-Type, too.";
    RefusalWords, "refusal-words": "other words to people"
        => "The words of a 404 for a path that is neither a mirrorlist's nor a metalink's, or for a redirect without a mirror, are for people.";
}

impl Class {
    /// Its row in the table.
    #[expect(clippy::indexing_slicing, reason = "the macro makes a row for each class, in order")]
    pub fn info(self) -> &'static ClassInfo {
        &CLASSES[self as usize]
    }

    /// Whether it is on purpose.
    pub fn is_intended(self) -> bool {
        self.info().intended.is_some()
    }
}

/// Something that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// The way in which it differs.
    pub class: Class,
    /// The values, for people.
    pub detail: String,
}

impl Difference {
    pub(super) fn new(class: Class, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { class, detail }
    }

    /// A difference between two texts.
    pub(super) fn here_there(class: Class, here: &str, there: &str) -> Self {
        Self::new(class, format!("here {}, there {}", shown(here), shown(there)))
    }
}

/// A text from an answer as it can stand on a line of a terminal: quoted and cut.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    let (cut, rest) = text.split_at(text.floor_char_boundary(LONGEST));
    let dots = if rest.is_empty() { "" } else { "..." };
    format!("{cut:?}{dots}")
}

/// Decodes `%XX` in a text.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_on_purpose_come_last() {
        assert!(CLASSES.iter().all(|info| info.class.info().key == info.key));
        assert!(CLASSES.is_sorted_by_key(|info| info.intended.is_some()));
        assert_eq!(Class::RefusalWords as usize + 1, CLASSES.len());
    }
}
