//! Which files of a directory are known to be absent, so that a redirect to them would end in a mirror's 404.
//!
//! A cache has details of the files that a list of checksums names, which MirrorManager2 reads when it scans a directory, and of
//! `repomd.xml`. It does not say of a directory that these are all its files: the lists themselves, signatures and pages are in none.
//! But a list of checksums names all files of a kind, such as the images of a release. So a file is absent only if others of its kind
//! have details and it has none.

use crate::snapshot::FileDetails;

/// With details of fewer files than this, a directory has no list of checksums.
const FEWEST_FILES: usize = 2;

/// The directory of a repository's index, and the index. It has details of its own, whatever else is in its directory.
const REPODATA: &str = "repodata";
const REPOSITORY_INDEX: &str = "repomd.xml";

/// Whether a directory with details of these files has no file with this name. When in doubt it has.
pub(super) fn is_known_to_be_absent(directory: &str, files: &[FileDetails], name: &str) -> bool {
    let (_, last) = directory.rsplit_once('/').unwrap_or(("", directory));
    if files.len() < FEWEST_FILES || last == REPODATA {
        return false;
    }
    let Some(asked) = kind(name) else {
        return false;
    };
    let has = |name: &str| files.iter().any(|file| &*file.name == name);
    let is_of_kind = |file: &FileDetails| kind(&file.name).is_some_and(|kind| kind.eq_ignore_ascii_case(asked));
    !has(name) && !has(REPOSITORY_INDEX) && files.iter().any(is_of_kind)
}

/// The end of a name after its last dot; `None` if it has none.
fn kind(name: &str) -> Option<&str> {
    let (start, kind) = name.rsplit_once('.')?;
    (!start.is_empty() && !kind.is_empty()).then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<FileDetails> {
        let file = |name: &&str| FileDetails {
            name: (*name).into(),
            versions: Box::default(),
        };
        names.iter().map(file).collect()
    }

    #[test]
    fn a_file_is_absent_if_others_of_its_kind_have_details() {
        for (known, name, is_absent) in [
            (&["dvd.iso", "netinst.iso"][..], "old.iso", true),
            (&["dvd.iso", "netinst.iso"], "OLD.ISO", true),
            (&["dvd.iso", "disk.raw.xz"], "old.iso", true),
            (&["dvd.iso", "netinst.iso"], "dvd.iso", false),
            // What a list of checksums does not name.
            (&["dvd.iso", "netinst.iso"], "CHECKSUM", false),
            (&["dvd.iso", "netinst.iso"], "dvd.iso.asc", false),
            (&["dvd.iso", "netinst.iso"], "dvd.torrent", false),
            (&["dvd.iso", "netinst.iso"], ".iso", false),
            (&["dvd.iso", "netinst.iso"], "iso", false),
            // No list of checksums.
            (&[], "old.iso", false),
            (&["dvd.iso"], "old.iso", false),
            (&["repomd.xml"], "primary.xml", false),
            (&["other.xml", "repomd.xml"], "primary.xml", false),
        ] {
            let found = is_known_to_be_absent("pub/1/iso", &files(known), name);
            assert_eq!(found, is_absent, "{known:?} {name}");
        }
        for directory in ["repodata", "pub/1/os/repodata"] {
            let known = files(&["a.xml", "b.xml"]);
            assert!(!is_known_to_be_absent(directory, &known, "primary.xml"), "{directory}");
        }
    }
}
