//! The names of directories, of files in them, and of repositories.

use std::borrow::Cow;

/// A name has at most this many bytes: percent-encoded behind a base URL, it still makes a header that proxies pass on.
pub const LONGEST_NAME: usize = 2_000;

/// A directory's name without slashes at its ends and with none doubled. Empty for the root of everything, which is a directory
/// where a category's topdir has an empty name.
pub fn clean_directory(name: &str) -> Cow<'_, str> {
    let trimmed = name.trim_matches('/');
    if !trimmed.contains("//") {
        return trimmed.into();
    }
    let parts: Vec<&str> = trimmed.split('/').filter(|part| !part.is_empty()).collect();
    parts.join("/").into()
}

/// A path in a directory: its name, a slash, and the rest. In the root, the rest alone.
pub fn join(directory: &str, rest: &str) -> String {
    match directory {
        "" => rest.to_owned(),
        _ => [directory, "/", rest].concat(),
    }
}

/// The directory of the `repomd.xml` of a repository in `directory`: that one itself where it already ends in `repodata`.
pub fn repodata(directory: &str) -> Cow<'_, str> {
    if directory == REPODATA || directory.ends_with("/repodata") {
        directory.into()
    } else {
        join(directory, REPODATA).into()
    }
}

const REPODATA: &str = "repodata";

/// Why a name of a directory, a file or a repository can't stand in an answer; none for a name that can. Characters beyond ASCII can:
/// they are percent-encoded in URLs.
pub fn problem(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST_NAME {
        return Some("it is longer than 2,000 bytes");
    }
    // Nearly all names are printable ASCII. Without a way out of the loop, many bytes are looked at at once.
    if name.bytes().fold(true, |all, b| all & matches!(b, b' '..=b'~')) {
        return None;
    }
    name.contains(char::is_control)
        .then_some("it has a control character in it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_put_in_order() {
        for (name, clean) in [
            ("pub/linux", "pub/linux"),
            ("//pub///linux/", "pub/linux"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(clean_directory(name), clean, "{name:?}");
        }
    }

    #[test]
    fn the_root_takes_no_slash() {
        for (directory, repodata_of) in [
            ("pub/linux", "pub/linux/repodata"),
            ("pub/repodata", "pub/repodata"),
            ("pub/norepodata", "pub/norepodata/repodata"),
            ("repodata", "repodata"),
            ("", "repodata"),
        ] {
            assert_eq!(repodata(directory), repodata_of);
        }
        assert_eq!(
            (join("", "file").as_str(), join("a/b", "c/d").as_str()),
            ("file", "a/b/c/d")
        );
    }

    #[test]
    fn a_name_that_would_break_an_answer_is_none() {
        for bad in [
            "a\nb",
            "a\r",
            "\0",
            "a\u{7f}",
            "a\u{85}b",
            &"a".repeat(LONGEST_NAME + 1),
        ] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
        for good in [
            "",
            "pub/linux/41",
            "50% & more <x>",
            "\u{fc}ber",
            &"a".repeat(LONGEST_NAME),
        ] {
            assert_eq!(problem(good), None, "{good:?}");
        }
    }
}
