//! The entries of `FileDetailsCache`: a directory's files, and the versions of each.

use super::{last, repeated};
use crate::cache::error::Fault;
use crate::cache::schema::{DirectoryFilesField, FileField, VersionField};
use crate::cache::wire;

/// The files of a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileDetailsEntry<'a> {
    pub(crate) directory: &'a str,
    message: &'a [u8],
}

/// A file and its versions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileEntry<'a> {
    /// The file's name in its directory.
    pub(crate) name: &'a str,
    message: &'a [u8],
}

/// One version of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct VersionEntry<'a> {
    /// Modification time in seconds since the Unix epoch.
    pub(crate) timestamp: u64,
    /// Size in bytes.
    pub(crate) size: u64,
    /// MD5 in hexadecimal digits; empty where it is not known, as the other hashes.
    pub(crate) md5: &'a str,
    pub(crate) sha1: &'a str,
    pub(crate) sha256: &'a str,
    pub(crate) sha512: &'a str,
}

impl<'a> FileDetailsEntry<'a> {
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, Fault> {
        let directory = last(message, DirectoryFilesField::Directory.number(), wire::text)?;
        Ok(Self { directory, message })
    }

    pub(crate) fn files(self) -> impl Iterator<Item = Result<FileEntry<'a>, Fault>> {
        repeated(self.message, DirectoryFilesField::Files.number()).map(|file| FileEntry::decode(file?))
    }
}

impl<'a> FileEntry<'a> {
    fn decode(message: &'a [u8]) -> Result<Self, Fault> {
        let name = last(message, FileField::Name.number(), wire::text)?;
        Ok(Self { name, message })
    }

    pub(crate) fn version_count(self) -> usize {
        repeated(self.message, FileField::Versions.number()).count()
    }

    /// The versions, the current one first.
    pub(crate) fn versions(self) -> impl Iterator<Item = Result<VersionEntry<'a>, Fault>> {
        repeated(self.message, FileField::Versions.number()).map(|version| VersionEntry::decode(version?))
    }
}

impl<'a> VersionEntry<'a> {
    fn decode(message: &'a [u8]) -> Result<Self, Fault> {
        let text = |field: VersionField| last(message, field.number(), wire::text);
        Ok(Self {
            timestamp: last(message, VersionField::TimeStamp.number(), wire::integer)?,
            size: last(message, VersionField::Size.number(), wire::integer)?,
            md5: text(VersionField::Md5)?,
            sha1: text(VersionField::Sha1)?,
            sha256: text(VersionField::Sha256)?,
            sha512: text(VersionField::Sha512)?,
        })
    }
}
