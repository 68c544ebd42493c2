//! The entries of a cache, each with the fields that its table gives it. Texts and lists are borrowed from the message.

use super::directory::DirectoryMessage;
use super::files::FileDetailsEntry;
use super::ids::EncodedIds;
use super::{last, repeated};
use crate::cache::error::Fault;
use crate::cache::schema::{CacheField, CoordinatesField, EntryField};
use crate::cache::wire::{Value, integer, message, signed, text, zigzag};

/// One field of a cache.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CacheEntry<'a> {
    /// The creation time, in seconds since the Unix epoch.
    Time(u64),
    /// The country of a network.
    NetblockCountry { network: &'a str, country: &'a str },
    /// The base URL with an id.
    HostCategoryUrl { id: i64, url: &'a str },
    /// The files of a directory.
    FileDetails(FileDetailsEntry<'a>),
    /// Whether a repository prefix is disabled.
    DisabledRepository { prefix: &'a str, disabled: bool },
    /// The continent that a country counts to.
    ContinentRedirect { country: &'a str, continent: &'a str },
    /// The repository prefix that answers for another.
    RepositoryRedirect { from: &'a str, to: &'a str },
    /// The directory of a repository; the key is `prefix+arch`.
    Repository { key: &'a str, directory: &'a str },
    /// The hosts of an autonomous system.
    HostAsn { asn: i64, hosts: EncodedIds<'a> },
    /// The country of a host.
    HostCountry { host: i64, country: &'a str },
    /// The bandwidth of a host, in Mbit/s.
    HostBandwidth { host: i64, bandwidth: i64 },
    /// The only countries whose clients a host is offered to.
    HostCountryAllowed { host: i64, countries: TextList<'a> },
    /// The latitude and longitude of a host, in units of 0.00001 degrees.
    HostCoordinates { host: i64, units: [i64; 2] },
    /// The hosts that registered a network.
    HostNetblock { network: &'a str, hosts: EncodedIds<'a> },
    /// A directory and who carries it.
    Directory(DirectoryMessage<'a>),
}

impl<'a> CacheEntry<'a> {
    /// Decodes a field of a cache; `None` for a table that no server uses.
    pub(super) fn decode(field: CacheField, value: Value<'a>) -> Result<Option<Self>, Fault> {
        if field == CacheField::Time {
            return Ok(Some(Self::Time(integer(value)?)));
        }
        let entry = message(value)?;
        Ok(Some(match field {
            CacheField::Time | CacheField::Location | CacheField::HostMaxConnection => return Ok(None),
            CacheField::NetblockCountry => {
                let (network, country) = pair(entry, text, text)?;
                Self::NetblockCountry { network, country }
            }
            CacheField::HostCategoryUrl => {
                let (id, url) = pair(entry, signed, text)?;
                Self::HostCategoryUrl { id, url }
            }
            CacheField::FileDetails => Self::FileDetails(FileDetailsEntry::decode(entry)?),
            CacheField::DisabledRepository => {
                let (prefix, disabled) = pair(entry, text, integer)?;
                let disabled = disabled != 0;
                Self::DisabledRepository { prefix, disabled }
            }
            CacheField::ContinentRedirect => {
                let (country, continent) = pair(entry, text, text)?;
                Self::ContinentRedirect { country, continent }
            }
            CacheField::RepositoryRedirect => {
                let (from, to) = pair(entry, text, text)?;
                Self::RepositoryRedirect { from, to }
            }
            CacheField::Repository => {
                let (key, directory) = pair(entry, text, text)?;
                Self::Repository { key, directory }
            }
            CacheField::HostAsn => Self::HostAsn {
                asn: key(entry, signed)?,
                hosts: EncodedIds::new(entry),
            },
            CacheField::HostCountry => {
                let (host, country) = pair(entry, signed, text)?;
                Self::HostCountry { host, country }
            }
            CacheField::HostBandwidth => {
                let (host, bandwidth) = pair(entry, signed, signed)?;
                Self::HostBandwidth { host, bandwidth }
            }
            CacheField::HostCountryAllowed => Self::HostCountryAllowed {
                host: key(entry, signed)?,
                countries: TextList(entry),
            },
            CacheField::HostNetblock => Self::HostNetblock {
                network: key(entry, text)?,
                hosts: EncodedIds::new(entry),
            },
            CacheField::Directory => Self::Directory(DirectoryMessage::new(entry)),
            CacheField::HostCoordinates => {
                let degrees = |field: CoordinatesField| last(entry, field.number(), zigzag);
                Self::HostCoordinates {
                    host: last(entry, CoordinatesField::Key.number(), signed)?,
                    units: [
                        degrees(CoordinatesField::Latitude)?,
                        degrees(CoordinatesField::Longitude)?,
                    ],
                }
            }
        }))
    }
}

fn key<'a, K: Default>(entry: &'a [u8], decode: impl Fn(Value<'a>) -> Result<K, Fault>) -> Result<K, Fault> {
    last(entry, EntryField::Key.number(), decode)
}

fn pair<'a, K: Default, V: Default>(
    entry: &'a [u8],
    decode_key: impl Fn(Value<'a>) -> Result<K, Fault>,
    decode_value: impl Fn(Value<'a>) -> Result<V, Fault>,
) -> Result<(K, V), Fault> {
    let key = key(entry, decode_key)?;
    Ok((key, last(entry, EntryField::Value.number(), decode_value)?))
}

/// The repeated field `value` of an entry, as texts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextList<'a>(&'a [u8]);

impl<'a> TextList<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = Result<&'a str, Fault>> {
        repeated(self.0, EntryField::Value.number()).map(|value| text(Value::Bytes(value?)))
    }
}
