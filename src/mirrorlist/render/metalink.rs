//! Metalink 3.0 as librepo reads it: the prefix `mm0` must be literally that, hashes are in lower case, and the order of
//! `url` elements is the order in which they are tried.

use bytes::Bytes;

use super::suffix::suffix;
use super::text;
use crate::mirrorlist::body::Body;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::mirrorlist::refusal::Refusal;
use crate::mirrorlist::select::Selection;
use crate::mirrorlist::target::Target;
use crate::snapshot::{Catalogue, FileDetails, FileVersion};
use crate::xml;

const START: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n",
    "<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\" pubdate=\"",
);
const AFTER_DATE: &str = "\" generator=\"mirrormanager\" xmlns:mm0=\"http://fedorahosted.org/mirrormanager\">\n";
const URL_END: &str = "</url>\n";

/// The preference of the first host; each one after it has one less, but at least 1.
const FIRST_PREFERENCE: usize = 100;

/// A metalink of a file.
pub fn metalink(
    catalogue: &Catalogue,
    target: &Target<'_>,
    details: &FileDetails,
    selection: &Selection<'_>,
    protocols: ProtocolFilter,
    date: &str,
) -> Bytes {
    let mut head = head(details, date);
    head.push_str("   <resources maxconnections=\"1\">\n");
    let mut path = String::new();
    xml::escape_into(&suffix(catalogue, target), &mut path);
    path.push_str(URL_END);
    let tail = concat!("   </resources>\n", "  </file>\n", " </files>\n", "</metalink>\n");

    let urls = |carrier| protocols.urls(catalogue, carrier);
    let length: usize = text::carriers(catalogue, selection)
        .flat_map(urls)
        .map(|url| url.metalink_start.len() + "100".len() + url.metalink_base.len() + path.len())
        .sum();
    let mut body = Vec::with_capacity(head.len() + length + tail.len());
    body.extend_from_slice(head.as_bytes());
    let mut number = itoa::Buffer::new();
    let mut hosts = 0;
    for carrier in text::carriers(catalogue, selection) {
        let preference = number.format(FIRST_PREFERENCE.saturating_sub(hosts).max(1)).as_bytes();
        let mut listed = false;
        for url in urls(carrier) {
            body.extend_from_slice(url.metalink_start.as_bytes());
            body.extend_from_slice(preference);
            body.extend_from_slice(url.metalink_base.as_bytes());
            body.extend_from_slice(path.as_bytes());
            listed = true;
        }
        hosts += usize::from(listed);
    }
    body.extend_from_slice(tail.as_bytes());
    body.into()
}

/// What went wrong, as a metalink without files.
pub fn refusal(catalogue: Option<&Catalogue>, refusal: &Refusal<'_>, date: &str) -> Body {
    let words = text::refusal(None, refusal).start;
    let mut start = document_start(date);
    start.push_str("<!--\n");
    xml::comment_into(&String::from_utf8_lossy(&words), &mut start);
    if !start.ends_with('\n') {
        start.push('\n');
    }
    Body {
        start: start.into(),
        shared: catalogue
            .map(|c| c.available_repositories_comment().clone())
            .unwrap_or_default(),
        end: concat!("-->\n", "</metalink>\n"),
    }
}

fn document_start(date: &str) -> String {
    let mut out = String::with_capacity(1_536);
    for part in [START, date, AFTER_DATE] {
        out.push_str(part);
    }
    out
}

fn head(details: &FileDetails, date: &str) -> String {
    let mut out = document_start(date);
    out.push_str(" <files>\n  <file name=\"");
    xml::escape_into(&details.name, &mut out);
    out.push_str("\">\n");
    if let Some((current, older)) = details.versions.split_first() {
        version(current, &mut out);
        if !older.is_empty() {
            out.push_str("   <mm0:alternates>\n");
            for alternate in older {
                out.push_str("   <mm0:alternate>\n");
                version(alternate, &mut out);
                out.push_str("   </mm0:alternate>\n");
            }
            out.push_str("   </mm0:alternates>\n");
        }
    }
    out
}

fn version(version: &FileVersion, out: &mut String) {
    element("mm0:timestamp", version.timestamp, out);
    element("size", version.size, out);
    let hashes: [(&str, Option<&[u8]>); 4] = [
        ("md5", version.md5.as_ref().map(|hash| &hash[..])),
        ("sha1", version.sha1.as_ref().map(|hash| &hash[..])),
        ("sha256", version.sha256.as_ref().map(|hash| &hash[..])),
        ("sha512", version.sha512.as_ref().map(|hash| &hash[..])),
    ];
    if hashes.iter().all(|(_, hash)| hash.is_none()) {
        return;
    }
    out.push_str("   <verification>\n");
    for (kind, hash) in hashes {
        if let Some(hash) = hash {
            for part in ["    <hash type=\"", kind, "\">"] {
                out.push_str(part);
            }
            push_hex(hash, out);
            out.push_str("</hash>\n");
        }
    }
    out.push_str("   </verification>\n");
}

/// An element with a number, absent where the number is 0: not known.
fn element(name: &str, value: u64, out: &mut String) {
    if value != 0 {
        for part in ["   <", name, ">", itoa::Buffer::new().format(value), "</", name, ">\n"] {
            out.push_str(part);
        }
    }
}

fn push_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // Four bits are an index below 16.
    let digit = |bits: u8| DIGITS.get(usize::from(bits)).copied().map_or('0', char::from);
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}
