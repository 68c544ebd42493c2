//! The fields of a cache's messages: number, name and kind of each, said once for the reader and the writer. The schema with
//! its comments is `proto/mirrormanager.proto`; a test compares it with this table.

use std::fmt;

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// An integer or a truth value: a varint.
    Integer,
    /// A text in UTF-8.
    Text,
    /// Another message.
    Message,
    /// A number or a text, as the name of the message says.
    Scalar,
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "number",
            Self::Text => "text",
            Self::Message => "message",
            Self::Scalar => "number or text",
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

                /// The type of its values.
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

        /// The messages of the schema, each with its fields.
        #[cfg(test)]
        const MESSAGES: &[(&[&str], &[(u32, &str, FieldKind)])] =
            &[$((&$messages, &[$(($number, $name, FieldKind::$kind)),*])),*];
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

    /// The fields of an entry, which maps a key to a value or to several.
    EntryField of [
        "StringStringMap", "StringRepeatedIntMap", "IntRepeatedStringMap", "IntStringMap", "IntIntMap",
        "IntRepeatedIntMap", "StringBoolMap"
    ] => {
        Key = 1 Scalar "key";
        Value = 2 Scalar "value";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a message as the schema has them, and what they hold.
    fn schema_fields(schema: &str, message: &str) -> Vec<(u32, String, FieldKind)> {
        let (_, rest) = schema.split_once(&format!("message {message} {{")).unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        let lines = body.lines().map(str::trim);
        let fields = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
        fields
            .map(|line| {
                let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
                let [_, of, name, "=", number] = words[..] else {
                    panic!("{line}");
                };
                let kind = match of {
                    _ if message.ends_with("Map") => FieldKind::Scalar,
                    "string" => FieldKind::Text,
                    "int64" | "uint64" | "bool" => FieldKind::Integer,
                    _ => FieldKind::Message,
                };
                (number.parse().unwrap(), name.to_owned(), kind)
            })
            .collect()
    }

    #[test]
    fn the_table_is_the_schema() {
        let schema = include_str!("../../proto/mirrormanager.proto");
        let mut known = 0;
        for (messages, fields) in MESSAGES {
            for message in *messages {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(number, name, kind)| (*number, (*name).to_owned(), *kind))
                    .collect();
                assert_eq!(fields, schema_fields(schema, message), "{message}");
                known += 1;
            }
        }
        assert_eq!(schema.matches("\nmessage ").count(), known);
    }
}
