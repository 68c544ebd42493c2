//! The fields of a cache's messages: number and name of each, said once for the reader and the writer. The schema with
//! its comments is `proto/mirrormanager.proto`; a test compares it with this table.

use std::fmt;

/// Makes an enum of each message's fields.
macro_rules! messages {
    ($($(#[$doc:meta])* $fields:ident of $messages:expr => { $($field:ident = $number:literal $name:literal;)* })*) => {
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
            }

            impl fmt::Display for $fields {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(match self {
                        $(Self::$field => $name,)*
                    })
                }
            }
        )*

        /// The messages of the schema, each with its fields.
        #[cfg(test)]
        const MESSAGES: &[(&[&str], &[(u32, &str)])] = &[$((&$messages, &[$(($number, $name)),*])),*];
    };
}

messages! {
    /// The tables of a cache, and its creation time.
    CacheField of ["MirrorList"] => {
        Time = 1 "Time";
        NetblockCountry = 2 "NetblockCountryCache";
        Location = 3 "LocationCache";
        HostCategoryUrl = 4 "HCUrlCache";
        FileDetails = 5 "FileDetailsCache";
        DisabledRepository = 6 "DisabledRepositoryCache";
        ContinentRedirect = 7 "CountryContinentRedirectCache";
        RepositoryRedirect = 8 "RepositoryRedirectCache";
        Repository = 9 "RepoArchToDirectoryName";
        HostAsn = 10 "HostAsnCache";
        HostMaxConnection = 11 "HostMaxConnectionCache";
        HostCountry = 12 "HostCountryCache";
        HostBandwidth = 13 "HostBandwidthCache";
        HostCountryAllowed = 14 "HostCountryAllowedCache";
        HostNetblock = 15 "HostNetblockCache";
        Directory = 16 "MirrorListCache";
        HostCoordinates = 1001 "HostCoordinatesCache";
    }

    /// The fields of a directory.
    DirectoryField of ["MirrorListCacheType"] => {
        Name = 1 "directory";
        Global = 2 "Global";
        Subpath = 3 "Subpath";
        ByCountry = 4 "ByCountry";
        ByCountryInternet2 = 5 "ByCountryInternet2";
        ByHostId = 6 "ByHostId";
        Ordered = 7 "OrderedMirrorList";
    }

    /// The fields of a directory's file details.
    DirectoryFilesField of ["FileDetailsCacheDirectoryType"] => {
        Directory = 1 "directory";
        Files = 2 "FileDetailsCacheFiles";
    }

    /// The fields of a file's details.
    FileField of ["FileDetailsCacheFilesType"] => {
        Name = 1 "filename";
        Versions = 2 "FileDetails";
    }

    /// The fields of one version of a file.
    VersionField of ["FileDetailsType"] => {
        TimeStamp = 1 "TimeStamp";
        Size = 2 "Size";
        Sha1 = 3 "SHA1";
        Md5 = 4 "MD5";
        Sha256 = 5 "SHA256";
        Sha512 = 6 "SHA512";
    }

    /// The fields of an entry, which maps a key to a value or to several.
    EntryField of [
        "StringStringMap", "StringRepeatedIntMap", "IntRepeatedStringMap", "IntStringMap", "IntIntMap",
        "IntRepeatedIntMap", "StringBoolMap"
    ] => {
        Key = 1 "key";
        Value = 2 "value";
    }

    /// The fields of a host's coordinates.
    CoordinatesField of ["IntCoordinatesMap"] => {
        Key = 1 "key";
        Latitude = 2 "latitude";
        Longitude = 3 "longitude";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a message as the schema has them.
    fn schema_fields<'a>(schema: &'a str, message: &str) -> Vec<(u32, &'a str)> {
        let (_, rest) = schema.split_once(&format!("message {message} {{")).unwrap();
        let (body, _) = rest.split_once('}').unwrap();
        let lines = body.lines().map(str::trim);
        let fields = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
        fields
            .map(|line| {
                let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
                let [_, _, name, "=", number] = words[..] else {
                    panic!("{line}");
                };
                (number.parse().unwrap(), name)
            })
            .collect()
    }

    #[test]
    fn the_table_is_the_schema() {
        let schema = include_str!("../../proto/mirrormanager.proto");
        let mut known = 0;
        for (messages, fields) in MESSAGES {
            for message in *messages {
                assert_eq!(*fields, schema_fields(schema, message), "{message}");
                known += 1;
            }
        }
        assert_eq!(schema.matches("\nmessage ").count(), known);
    }
}
