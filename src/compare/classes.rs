//! Every way in which two answers can differ: a name for it, and the reason where it is on purpose.
//!
//! README.md repeats the reasons; `cargo test --test readme` holds it against this table.

/// A way in which two answers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the table below says what each one is")]
pub enum Class {
    NoAnswer,
    Status,
    ContentType,
    Unreadable,
    Refusal,
    RefusalText,
    Repositories,
    Comment,
    Created,
    OnlyHere,
    OnlyThere,
    Url,
    Order,
    Minimum,
    Redirect,
    FileName,
    Size,
    Time,
    Hash,
    Alternates,
    Location,
    Private,
    Preference,
    UrlAttributes,
    ProtocolOrder,
    ProtocolAsked,
    CountryLimit,
    CountryFallsThrough,
    CountryOnce,
    LongComment,
    Decoding,
    Escaping,
    InvalidAddress,
    UnknownDirectory,
    HashCase,
    UndatedAlternates,
    RefusalType,
    RefusalWords,
}

/// What is said of a class.
#[derive(Debug, Clone, Copy)]
pub struct ClassInfo {
    /// The class.
    pub class: Class,
    /// Its name in summaries, one word.
    pub key: &'static str,
    /// What differs.
    pub title: &'static str,
    /// Why it does, in a sentence, if it is on purpose.
    pub intended: Option<&'static str>,
}

const fn unexplained(class: Class, key: &'static str, title: &'static str) -> ClassInfo {
    ClassInfo {
        class,
        key,
        title,
        intended: None,
    }
}

const fn intended(class: Class, key: &'static str, title: &'static str, reason: &'static str) -> ClassInfo {
    ClassInfo {
        class,
        key,
        title,
        intended: Some(reason),
    }
}

/// All classes: those that need a look first, then those that are on purpose.
pub const CLASSES: [ClassInfo; 38] = [
    unexplained(Class::NoAnswer, "no-answer", "the other server does not answer"),
    unexplained(Class::Status, "status", "another status"),
    unexplained(Class::ContentType, "content-type", "another Content-Type"),
    unexplained(Class::Unreadable, "unreadable", "an answer that can't be read"),
    unexplained(
        Class::Refusal,
        "refusal",
        "one of them lists mirrors, or refuses for another reason",
    ),
    unexplained(Class::RefusalText, "refusal-text", "another text of the same refusal"),
    unexplained(Class::Repositories, "repositories", "another list of repositories"),
    unexplained(Class::Comment, "comment", "another comment line"),
    unexplained(Class::Created, "created", "another time at which the cache was made"),
    unexplained(Class::OnlyHere, "only-here", "a mirror that only this server lists"),
    unexplained(
        Class::OnlyThere,
        "only-there",
        "a mirror that only the other server lists",
    ),
    unexplained(Class::Url, "url", "another URL of the same mirror, or one more"),
    unexplained(
        Class::Order,
        "order",
        "mirrors in another order than that of their tiers",
    ),
    unexplained(
        Class::Minimum,
        "minimum",
        "only one of them adds the whole world's mirrors: compare `minimum`",
    ),
    unexplained(
        Class::Redirect,
        "redirect",
        "a redirect to no mirror of the nearest tier",
    ),
    unexplained(Class::FileName, "file", "a metalink of another file"),
    unexplained(Class::Size, "size", "another size of the file"),
    unexplained(Class::Time, "time", "another time of the file"),
    unexplained(Class::Hash, "hash", "another hash of the file"),
    unexplained(Class::Alternates, "alternates", "other older versions of the file"),
    unexplained(Class::Location, "location", "another country of the same mirror"),
    unexplained(
        Class::Private,
        "private",
        "a mirror that only one of them calls private",
    ),
    unexplained(
        Class::Preference,
        "preference",
        "preferences that do not fall from 100 host by host",
    ),
    unexplained(
        Class::UrlAttributes,
        "attributes",
        "other attributes of a URL or of its list in a metalink",
    ),
    intended(
        Class::ProtocolOrder,
        "protocol-order",
        "another protocol of the same mirror first",
        "Of a mirror's URLs https comes before http, and http before ftp, whatever their order in the cache.",
    ),
    intended(
        Class::ProtocolAsked,
        "protocol-asked",
        "URLs of a protocol that was not asked for",
        "With `protocol=` only such URLs are listed, even if no mirror has one; the world's mirrors are added where the near ones have none.",
    ),
    intended(
        Class::CountryLimit,
        "country-limit",
        "a mirror that is not for the client's country",
        "A mirror that is limited to some countries is offered to no client elsewhere, in whatever tier, but by its own network and AS.",
    ),
    intended(
        Class::CountryFallsThrough,
        "country-falls-through",
        "no mirrors, because those of `country=` may not be offered",
        "Countries in `country=` whose mirrors can't serve the client count as countries without mirrors.",
    ),
    intended(
        Class::CountryOnce,
        "country-once",
        "a country that the comment line repeats",
        "The comment line names the same countries, but not always as often: `country=de,de` names one.",
    ),
    intended(
        Class::LongComment,
        "long-comment",
        "a comment line that is cut",
        "A comment line never grows beyond what librepo reads at once.",
    ),
    intended(
        Class::Decoding,
        "decoding",
        "a percent-encoded parameter that is not decoded",
        "Parameters are percent-decoded.",
    ),
    intended(
        Class::Escaping,
        "escaping",
        "XML that is not well-formed",
        "XML is escaped, comments included.",
    ),
    intended(
        Class::InvalidAddress,
        "invalid-address",
        "another status where `ip=` is no address",
        "`ip=` that is no address is 400 everywhere.",
    ),
    intended(
        Class::UnknownDirectory,
        "unknown-directory",
        "another status for a repository without a directory",
        "A repository whose directory is unknown is 404.",
    ),
    intended(
        Class::HashCase,
        "hash-case",
        "hashes in upper case",
        "Hashes are in lower case, as librepo wants them.",
    ),
    intended(
        Class::UndatedAlternates,
        "undated-alternates",
        "older versions of the file without a time",
        "Older versions of a file without a time are left out, since yum 3 rejects a metalink that has one.",
    ),
    intended(
        Class::RefusalType,
        "refusal-type",
        "a refusal without a Content-Type",
        "Refusals have a Content-Type, too.",
    ),
    intended(
        Class::RefusalWords,
        "refusal-words",
        "other words to people",
        "The words of a 404 for a path that is neither a mirrorlist's nor a metalink's, or for a redirect without a mirror, are for people.",
    ),
];

impl Class {
    /// What is said of it.
    pub fn info(self) -> &'static ClassInfo {
        let found = CLASSES.iter().find(|info| info.class == self);
        // The table has every class, as a test shows.
        found.unwrap_or(&CLASSES[0])
    }

    /// Whether it is on purpose.
    pub fn is_intended(self) -> bool {
        self.info().intended.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_class_once_in_order() {
        for (position, info) in CLASSES.iter().enumerate() {
            assert_eq!(info.class as usize, position, "{}", info.key);
            assert_eq!(info.class.info().key, info.key);
        }
        assert_eq!(Class::RefusalWords as usize + 1, CLASSES.len());
        let first_intended = CLASSES.iter().position(|info| info.intended.is_some()).unwrap();
        assert!(CLASSES[first_intended..].iter().all(|info| info.intended.is_some()));
    }
}
