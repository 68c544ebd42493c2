//! Renders answers as JSON: what was chosen tier by tier, the versions of a metalink's file, and the client as it was seen.
//! docs/openapi.yaml describes the documents, and tests/formats.rs compares.
//!
//! Only what the endpoint's own format lists is in them: a private host for clients of its own networks and AS, no URL that is
//! withheld, and no host without a listed URL.

use bytes::Bytes;
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Serialize, Serializer};

use super::Body;
use super::text::suffix;
use crate::mirrorlist::choose::{AnswerForm, Choice, RankedHost};
use crate::mirrorlist::described::{
    DescribedClient, DescribedHost, DescribedRefusal, DescribedTarget, DescribedTier, tiers,
};
use crate::mirrorlist::refusal::Refusal;
use crate::snapshot::file_details::Hash;
use crate::snapshot::{Catalogue, FileDetails, FileVersion, Snapshot, Url};

/// The version of the documents. It grows when a member changes its meaning or goes; new members can come without.
const VERSION: u32 = 1;

/// The length that most documents stay below, in bytes.
const USUAL_LENGTH: usize = 32 << 10;

/// An answer with mirrors.
#[derive(Serialize)]
struct JsonAnswer<'a> {
    version: u32,
    /// When the cache was made, in seconds since the Unix epoch.
    created: u64,
    client: DescribedClient<'a>,
    target: DescribedTarget<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<JsonFile<'a>>,
    /// The wishes that are not followed, since no mirror would be left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<&'static str>,
    tiers: Vec<DescribedTier<JsonHost<'a>>>,
}

/// A refusal.
#[derive(Serialize)]
struct JsonRefusal {
    version: u32,
    refused: DescribedRefusal,
}

/// A file that a metalink describes.
struct JsonFile<'a>(&'a FileDetails);

/// A version of a file; what is not known is not there.
struct JsonVersion<'a>(&'a FileVersion);

/// A hash, as hexadecimal digits in lower case.
struct HexDigits<'a>(&'a [u8]);

/// A chosen host with its listed URLs.
#[derive(Serialize)]
struct JsonHost<'a> {
    #[serde(flatten)]
    summary: DescribedHost<'a>,
    health: Health,
    urls: JsonUrls<'a>,
}

/// What the health files say of a host.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    /// Not known to be bad.
    Ok,
    /// No listed URL is good.
    Bad,
}

/// The listed URLs of a host.
struct JsonUrls<'a> {
    choice: &'a Choice<'a>,
    catalogue: &'a Catalogue,
    host: RankedHost,
    /// What follows each base URL.
    suffix: &'a str,
}

/// A URL: a base URL and what follows it.
struct JsonUrl<'a> {
    catalogue: &'a Catalogue,
    url: &'a Url,
    suffix: &'a str,
}

/// Renders an answer with mirrors.
pub fn answer(snapshot: &Snapshot, choice: &Choice<'_>) -> Bytes {
    let catalogue = snapshot.catalogue();
    let suffix = suffix(catalogue, &choice.target);
    let listed = |hosts: &[RankedHost]| {
        let hosts = hosts.iter().filter_map(|host| {
            let carrier = catalogue.carrier(host.carrier());
            choice.protocols.takes_any(carrier.protocols).then(|| JsonHost {
                summary: DescribedHost::new(snapshot, choice, *host),
                health: if host.is_demoted() { Health::Bad } else { Health::Ok },
                urls: JsonUrls {
                    choice,
                    catalogue,
                    host: *host,
                    suffix: &suffix,
                },
            })
        });
        hosts.collect()
    };
    document(&JsonAnswer {
        version: VERSION,
        created: catalogue.created(),
        client: DescribedClient::new(snapshot, &choice.location),
        target: DescribedTarget::new(catalogue, &choice.target),
        file: match choice.form {
            AnswerForm::Metalink(details) => Some(JsonFile(details)),
            AnswerForm::Mirrorlist | AnswerForm::Redirect(_) => None,
        },
        ignored: choice.selection.ignored.names().collect(),
        tiers: tiers(catalogue, choice, listed),
    })
}

/// Renders a refusal. The list of all repositories, which the endpoints' own formats add to some, is not in it.
pub fn refusal(refusal: &Refusal<'_>) -> Body {
    Body::whole(document(&JsonRefusal {
        version: VERSION,
        refused: DescribedRefusal::new(refusal),
    }))
}

fn document(value: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(USUAL_LENGTH);
    // Writing to memory can't fail, and all keys are texts.
    let written = serde_json::to_writer(&mut text, value);
    debug_assert!(written.is_ok(), "{written:?}");
    text.push(b'\n');
    text.into()
}

impl Serialize for JsonFile<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut file = serializer.serialize_struct("JsonFile", 2)?;
        file.serialize_field("name", &self.0.name)?;
        let versions: Vec<JsonVersion<'_>> = self.0.versions.iter().map(JsonVersion).collect();
        file.serialize_field("versions", &versions)?;
        file.end()
    }
}

impl Serialize for JsonVersion<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn hash<S: SerializeStruct, const N: usize>(
            version: &mut S,
            name: &'static str,
            hash: &Hash<N>,
        ) -> Result<(), S::Error> {
            match hash {
                Some(bytes) => version.serialize_field(name, &HexDigits(bytes)),
                None => version.skip_field(name),
            }
        }
        fn number<S: SerializeStruct>(version: &mut S, name: &'static str, number: u64) -> Result<(), S::Error> {
            match number {
                0 => version.skip_field(name),
                known => version.serialize_field(name, &known),
            }
        }
        let mut version = serializer.serialize_struct("JsonVersion", 6)?;
        number(&mut version, "timestamp", self.0.timestamp)?;
        number(&mut version, "size", self.0.size)?;
        hash(&mut version, "md5", &self.0.md5)?;
        hash(&mut version, "sha1", &self.0.sha1)?;
        hash(&mut version, "sha256", &self.0.sha256)?;
        hash(&mut version, "sha512", &self.0.sha512)?;
        version.end()
    }
}

impl Serialize for HexDigits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
        let digits = self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        serializer.serialize_str(&digits.collect::<String>())
    }
}

impl Serialize for JsonUrls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let &Self {
            choice,
            catalogue,
            host,
            suffix,
        } = self;
        let mut urls = serializer.serialize_seq(None)?;
        for url in choice.urls_of(host, catalogue) {
            urls.serialize_element(&JsonUrl { catalogue, url, suffix })?;
        }
        urls.end()
    }
}

impl Serialize for JsonUrl<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut url = serializer.serialize_struct("JsonUrl", 2)?;
        url.serialize_field("protocol", self.url.protocol.name())?;
        let base = self.catalogue.base_url(self.url);
        url.serialize_field("url", &format_args!("{base}{}", self.suffix))?;
        url.end()
    }
}
