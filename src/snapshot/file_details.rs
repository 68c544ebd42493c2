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
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.dedup_by(|later, earlier| {
        let same = later.name == earlier.name;
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
    files.into()
}

impl FileVersion {
    /// Takes a version from the cache. A hash that is not one of its kind is left out and given to `bad_hash`: a client
    /// would look for it in vain.
    pub(super) fn from_cache(version: &VersionEntry<'_>, bad_hash: &mut impl FnMut(&'static str, &str)) -> Self {
        let mut check = |kind, text: &str, hash: &mut [u8]| -> bool {
            let is_hash = decode_hex(text, hash);
            if !is_hash && !text.is_empty() {
                bad_hash(kind, text);
            }
            is_hash
        };
        let (mut md5, mut sha1, mut sha256, mut sha512) = ([0; 16], [0; 20], [0; 32], [0; 64]);
        Self {
            timestamp: version.timestamp,
            size: version.size,
            md5: check("md5", version.md5, &mut md5).then_some(md5),
            sha1: check("sha1", version.sha1, &mut sha1).then_some(sha1),
            sha256: check("sha256", version.sha256, &mut sha256).then_some(sha256),
            sha512: check("sha512", version.sha512, &mut sha512).then_some(sha512),
        }
    }
}

/// Decodes hexadecimal digits of either case. Returns false unless they fill `bytes`.
fn decode_hex(text: &str, bytes: &mut [u8]) -> bool {
    let text = text.trim().as_bytes();
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != bytes.len() {
        return false;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return false,
        }
    }
    true
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
