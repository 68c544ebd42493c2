//! Metalink 3.0 as librepo reads it: the prefix `mm0` must be literally that, hashes are in lower case, and the order of
//! `url` elements is the order in which they are tried.

use std::sync::LazyLock;

use bytes::Bytes;

use super::suffix::suffix;
use super::text;
use crate::chunked::{Chunked, ChunkedText, ChunkedTexts, SLACK, TextSpan};
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

const PRIVATE: &str = " mm0:private=\"True\"";

/// The length of the longest text of [`PREFERENCES`].
const LONGEST_PREFERENCE: usize = " preference=\"100\">".len() + PRIVATE.len();

static PREFERENCES: LazyLock<Preferences> = LazyLock::new(Preferences::new);

/// The end of the start tag of a `url` element from its preference on, for private hosts and for public ones.
struct Preferences {
    texts: ChunkedTexts,
    spans: Vec<[TextSpan; 2]>,
}

impl Preferences {
    fn new() -> Self {
        let mut texts = ChunkedTexts::default();
        let spans = (0..=FIRST_PREFERENCE).map(|number| {
            let number = number.max(1);
            [PRIVATE, ""].map(|private| {
                let text = format!(" preference=\"{number}\"{private}>");
                texts.push(&text).unwrap_or_default()
            })
        });
        Self {
            spans: spans.collect(),
            texts,
        }
    }

    fn get(&self, number: usize, public: bool) -> Chunked<'_> {
        let spans = self.spans.get(number).copied().unwrap_or_default();
        let [private, open] = spans;
        self.texts.get(if public { open } else { private })
    }
}

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

    let path = ChunkedText::new(&path);

    let urls = |carrier| protocols.urls(catalogue, carrier);
    let length: usize = text::carriers(catalogue, selection)
        .flat_map(urls)
        .map(|url| url.element_start.len() + LONGEST_PREFERENCE + url.escaped.len() + path.get().len())
        .sum();
    // With blocks of few sizes, one that is still in a processor's cache is soon used again.
    let room = head.len() + length + tail.len() + SLACK;
    let mut body = Vec::with_capacity(room.next_power_of_two());
    body.extend_from_slice(head.as_bytes());
    let mut hosts = 0;
    for carrier in text::carriers(catalogue, selection) {
        let preference = PREFERENCES.get(FIRST_PREFERENCE.saturating_sub(hosts), carrier.public);
        let mut listed = false;
        for url in urls(carrier) {
            catalogue.text(url.element_start).append_to(&mut body);
            preference.append_to(&mut body);
            catalogue.text(url.escaped).append_to(&mut body);
            path.get().append_to(&mut body);
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

/// SHA-512 has this many bytes.
const LONGEST_HASH: usize = 64;

fn push_hex(bytes: &[u8], out: &mut String) {
    let digit = |bits: u8| bits + if bits < 10 { b'0' } else { b'a' - 10 };
    let mut digits = [0; 2 * LONGEST_HASH];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    let text = digits.get(..2 * bytes.len()).unwrap_or_default();
    // Digits are ASCII.
    out.push_str(std::str::from_utf8(text).unwrap_or_default());
}
