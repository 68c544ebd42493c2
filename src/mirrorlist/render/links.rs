//! The headers of a redirect that tell a download program more: further mirrors and the file's metalink (RFC 6249, Metalink/HTTP), and
//! its hash (RFC 3230 and RFC 9530).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::text::{strict_base, strict_suffix};
use crate::mirrorlist::choose::Choice;
use crate::snapshot::{Catalogue, FileDetails};

/// A header's name in lower case, and its value: printable ASCII.
pub type Header = (&'static str, String);

/// How many mirrors are named after the one that the redirect sends to.
const DUPLICATES: usize = 4;

/// The values of all Link headers and of Location have at most this many bytes: clients and proxies take heads of 8 KB. A link that
/// does not fit is left out.
const MOST_BYTES: usize = 6_000;

/// The characters to percent-encode in the value of a parameter.
const NOT_IN_PARAMETERS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'/')
    .remove(b'_')
    .remove(b'~');

/// The headers of a redirect to `location`, apart from Location: Link, and Digest and Repr-Digest where a hash is known.
pub fn redirect_headers(catalogue: &Catalogue, choice: &Choice<'_>, location: &str) -> Vec<Header> {
    let name = choice.target.file.as_deref();
    let details = name.and_then(|name| catalogue.file_details(choice.target.directory, name));
    let mut left = MOST_BYTES.saturating_sub(location.len());
    let metalink = details.map(|details| metalink(catalogue, choice, details));
    let links = duplicates(catalogue, choice).chain(metalink);
    let mut headers: Vec<Header> = Vec::with_capacity(DUPLICATES + 3);
    headers.extend(links.filter_map(|link| {
        left = left.checked_sub(link.len())?;
        Some(("link", link))
    }));
    headers.extend(details.into_iter().flat_map(digests));
    headers
}

/// The hosts after the first one, each with its best URL.
fn duplicates(catalogue: &Catalogue, choice: &Choice<'_>) -> impl Iterator<Item = String> {
    let path = strict_suffix(catalogue, &choice.target);
    let hosts = choice.selection.hosts.iter().filter_map(|host| {
        let country = catalogue.host(catalogue.carrier(host.carrier()).host).country;
        Some((choice.urls_of(*host, catalogue).next()?, country))
    });
    let duplicates = (1..).zip(hosts.skip(1)).take(DUPLICATES);
    duplicates.map(move |(priority, (url, country))| {
        let base = strict_base(catalogue, url);
        let mut link = format!("<{base}{path}>; rel=duplicate; pri={priority}");
        if let Some(country) = country {
            // Writing to a String can't fail.
            let _ = write!(link, "; geo={}", country.as_str().to_ascii_lowercase());
        }
        link
    })
}

/// The file's metalink, relative to the request's own URL, so that it is right below any prefix.
fn metalink(catalogue: &Catalogue, choice: &Choice<'_>, details: &FileDetails) -> String {
    let directory = utf8_percent_encode(catalogue.directory_name(choice.target.directory), NOT_IN_PARAMETERS);
    let name = utf8_percent_encode(&details.name, NOT_IN_PARAMETERS);
    format!("<metalink?format=metalink4&path={directory}/{name}>; rel=describedby; type=\"application/metalink4+xml\"")
}

/// The hash of the current version, in the old header and in the new one. SHA-512 counts where SHA-256 is not known; MD5 and SHA-1
/// are no protection.
fn digests(details: &FileDetails) -> Vec<Header> {
    let Some(version) = details.versions.first() else {
        return Vec::new();
    };
    let (name, hash) = match (&version.sha256, &version.sha512) {
        (Some(hash), _) => ("SHA-256", STANDARD.encode(hash)),
        (None, Some(hash)) => ("SHA-512", STANDARD.encode(hash)),
        (None, None) => return Vec::new(),
    };
    let new = format!("{}=:{hash}:", name.to_ascii_lowercase());
    vec![("digest", format!("{name}={hash}")), ("repr-digest", new)]
}
