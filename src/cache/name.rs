//! The rules for names of directories, of files in them and of repositories. URLs have their own in [`super::url`].

use std::borrow::Cow;

/// A name has at most this many bytes: percent-encoded behind a base URL, it still makes a header that proxies pass on.
pub const LONGEST_NAME: usize = 2_000;

/// A directory's name without slashes at its ends and with none doubled. An empty name is that of the root, which is a directory if a
/// category's topdir has an empty name.
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

/// The directory of the `repomd.xml` of a repository in `directory`, which is `directory` itself if it already ends in `repodata`.
pub fn repodata(directory: &str) -> Cow<'_, str> {
    if directory == REPODATA || directory.ends_with("/repodata") {
        directory.into()
    } else {
        join(directory, REPODATA).into()
    }
}

const REPODATA: &str = "repodata";

/// The topdir of the category of a directory: its name without its subpath, which begins at the start of the name or after a slash.
/// Returns `None` if the name does not end in the subpath.
pub(crate) fn topdir<'a>(directory: &'a str, subpath: &str) -> Option<&'a str> {
    let topdir = directory.strip_suffix(subpath)?;
    let begins_there = subpath.is_empty() || topdir.is_empty() || topdir.ends_with('/');
    begins_there.then(|| topdir.trim_end_matches('/'))
}

/// Checks whether a name of a directory, a file or a repository can stand in an answer. Returns why not, or `None` for a name that
/// can. Characters beyond ASCII can: they are percent-encoded in URLs.
pub fn problem(name: &str) -> Option<&'static str> {
    if name.len() > LONGEST_NAME {
        return Some("it is longer than 2,000 bytes");
    }
    // Nearly all names are printable ASCII. A loop without an early exit is vectorised.
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
    fn slashes_at_ends_and_doubled_ones_are_removed() {
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
    fn a_topdir_is_what_comes_before_the_subpath() {
        for (name, subpath, expected) in [
            ("pub/linux", "", Some("pub/linux")),
            ("pub/linux/41/os", "41/os", Some("pub/linux")),
            ("9-stream/os", "9-stream/os", Some("")),
            ("", "", Some("")),
            ("pub/other", "nothing/of/it", None),
            ("pub/linuxos", "os", None),
        ] {
            assert_eq!(topdir(name, subpath), expected, "{name} {subpath}");
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
        assert_eq!(join("", "file"), "file");
        assert_eq!(join("a/b", "c/d"), "a/b/c/d");
    }

    #[test]
    fn a_name_that_would_break_an_answer_is_none() {
        let longest = "a".repeat(LONGEST_NAME);
        let too_long = "a".repeat(LONGEST_NAME + 1);
        for bad in ["a\nb", "a\r", "\0", "a\u{7f}", "a\u{85}b", &too_long] {
            assert!(problem(bad).is_some(), "{bad:?}");
        }
        for good in ["", "pub/linux", "50% & more <x>", "\u{fc}ber", &longest] {
            assert_eq!(problem(good), None, "{good:?}");
        }
    }
}
