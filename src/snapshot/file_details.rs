//! The details of files, for metalinks: the time, size and hashes of each version.

use crate::cache::read::files::VersionEntry;

/// A hash of `N` bytes.
pub type Hash<const N: usize> = Option<[u8; N]>;

/// One version of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileVersion {
    /// Modification time in seconds since the Unix epoch; 0: not known.
    pub timestamp: u64,
    /// Size in bytes; 0: not known.
    pub size: u64,
    /// MD5 of the content.
    pub md5: Hash<16>,
    /// SHA-1 of the content.
    pub sha1: Hash<20>,
    /// SHA-256 of the content.
    pub sha256: Hash<32>,
    /// SHA-512 of the content.
    pub sha512: Hash<64>,
}

/// A file of which details are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDetails {
    /// The file's name in its directory.
    pub name: Box<str>,
    /// The current version first, older ones that are still good enough after it; each of those has a time.
    pub versions: Box<[FileVersion]>,
}

/// Of files with the same name the last is kept; they come out in the order of their names.
pub(super) fn each_file_once(mut files: Vec<FileDetails>) -> Box<[FileDetails]> {
    // The sort is stable, so that the last file of a name comes first.
    files.reverse();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|a, b| a.name == b.name);
    files.into()
}

impl FileVersion {
    /// Takes a version from the cache. A hash that is not one of its kind is left out and given to `bad_hash`: a client
    /// would look for it in vain.
    pub(super) fn from_cache(version: &VersionEntry<'_>, bad_hash: &mut impl FnMut(&'static str, &str)) -> Self {
        Self {
            timestamp: version.timestamp,
            size: version.size,
            md5: decode("md5", version.md5, bad_hash),
            sha1: decode("sha1", version.sha1, bad_hash),
            sha256: decode("sha256", version.sha256, bad_hash),
            sha512: decode("sha512", version.sha512, bad_hash),
        }
    }
}

fn decode<const N: usize>(kind: &'static str, text: &str, bad_hash: &mut impl FnMut(&'static str, &str)) -> Hash<N> {
    let hash = decode_hex(text);
    if hash.is_none() && !text.is_empty() {
        bad_hash(kind, text);
    }
    hash
}

/// Decodes hexadecimal digits of either case.
fn decode_hex<const N: usize>(text: &str) -> Hash<N> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, []) = text.trim().as_bytes().as_chunks::<2>() else {
        return None;
    };
    let pairs: &[[u8; 2]; N] = pairs.try_into().ok()?;
    let mut hash = [0; N];
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_decoded_in_any_case_and_bad_ones_are_reported() {
        let mut bad = Vec::new();
        let version = FileVersion::from_cache(
            &VersionEntry {
                timestamp: 7,
                size: 8,
                md5: "000102030405060708090A0b0c0d0eFf",
                sha1: &"zz".repeat(20),
                sha256: &"ab".repeat(31),
                sha512: "",
            },
            &mut |kind, _| bad.push(kind),
        );
        assert_eq!(
            version.md5,
            Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255])
        );
        assert_eq!((version.sha1, version.sha256, version.sha512), (None, None, None));
        assert_eq!(bad, ["sha1", "sha256"]);
    }
}
