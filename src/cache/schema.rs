//! The fields of a cache's messages: number, name and kind of each, said once for the reader and the writer. The schema with
//! its comments is `proto/mirrormanager.proto`.

use std::fmt;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// An integer or a truth value: a varint.
    Integer,
    /// A text in UTF-8.
    Text,
    /// Another message.
    Message,
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "number",
            Self::Text => "text",
            Self::Message => "message",
        })
    }
}

/// Makes an enum of each message's fields.
macro_rules! messages {
    ($($(#[$doc:meta])* $fields:ident of $messages:expr => { $($field:ident = $number:literal $kind:ident $name:literal;)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum $fields {
                $(#[doc = concat!("`", $name, "`")] $field = $number,)*
            }

            impl $fields {
                /// The field with a number; `None` for one that the schema does not have.
                pub const fn from_number(number: u32) -> Option<Self> {
                    match number {
                        $($number => Some(Self::$field),)*
                        _ => None,
                    }
                }

                /// Its number on the wire.
                pub const fn number(self) -> u32 {
                    self as u32
                }

                /// Its name in the schema.
                pub const fn name(self) -> &'static str {
                    match self {
                        $(Self::$field => $name,)*
                    }
                }

                /// What it holds.
                pub const fn kind(self) -> FieldKind {
                    match self {
                        $(Self::$field => FieldKind::$kind,)*
                    }
                }
            }

            impl fmt::Display for $fields {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(self.name())
                }
            }
        )*
    };
}

messages! {
    /// The tables of a cache, and its creation time.
    CacheField of ["MirrorList"] => {
        Time = 1 Integer "Time";
        NetblockCountry = 2 Message "NetblockCountryCache";
        Location = 3 Message "LocationCache";
        HostCategoryUrl = 4 Message "HCUrlCache";
        FileDetails = 5 Message "FileDetailsCache";
        DisabledRepository = 6 Message "DisabledRepositoryCache";
        ContinentRedirect = 7 Message "CountryContinentRedirectCache";
        RepositoryRedirect = 8 Message "RepositoryRedirectCache";
        Repository = 9 Message "RepoArchToDirectoryName";
        HostAsn = 10 Message "HostAsnCache";
        HostMaxConnection = 11 Message "HostMaxConnectionCache";
        HostCountry = 12 Message "HostCountryCache";
        HostBandwidth = 13 Message "HostBandwidthCache";
        HostCountryAllowed = 14 Message "HostCountryAllowedCache";
        HostNetblock = 15 Message "HostNetblockCache";
        Directory = 16 Message "MirrorListCache";
    }

    /// The fields of a directory.
    DirectoryField of ["MirrorListCacheType"] => {
        Name = 1 Text "directory";
        Global = 2 Integer "Global";
        Subpath = 3 Text "Subpath";
        ByCountry = 4 Message "ByCountry";
        ByCountryInternet2 = 5 Message "ByCountryInternet2";
        ByHostId = 6 Message "ByHostId";
        Ordered = 7 Integer "OrderedMirrorList";
    }

    /// The fields of a directory's file details.
    DirectoryFilesField of ["FileDetailsCacheDirectoryType"] => {
        Directory = 1 Text "directory";
        Files = 2 Message "FileDetailsCacheFiles";
    }

    /// The fields of a file's details.
    FileField of ["FileDetailsCacheFilesType"] => {
        Name = 1 Text "filename";
        Versions = 2 Message "FileDetails";
    }

    /// The fields of one version of a file.
    VersionField of ["FileDetailsType"] => {
        TimeStamp = 1 Integer "TimeStamp";
        Size = 2 Integer "Size";
        Sha1 = 3 Text "SHA1";
        Md5 = 4 Text "MD5";
        Sha256 = 5 Text "SHA256";
        Sha512 = 6 Text "SHA512";
    }

    /// The fields of an entry from a text to a text.
    TextTextField of ["StringStringMap"] => {
        Key = 1 Text "key";
        Value = 2 Text "value";
    }

    /// The fields of an entry from a text to a number or to several.
    TextIntegerField of ["StringBoolMap", "StringRepeatedIntMap"] => {
        Key = 1 Text "key";
        Value = 2 Integer "value";
    }

    /// The fields of an entry from a number to a text or to several.
    IntegerTextField of ["IntStringMap", "IntRepeatedStringMap"] => {
        Key = 1 Integer "key";
        Value = 2 Text "value";
    }

    /// The fields of an entry from a number to a number or to several.
    IntegerIntegerField of ["IntIntMap", "IntRepeatedIntMap"] => {
        Key = 1 Integer "key";
        Value = 2 Integer "value";
    }
}
