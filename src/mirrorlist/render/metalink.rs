//! Metalink 3.0 as librepo reads it: the prefix `mm0` must be literally that, hashes are in lower case, and the order of
//! `url` elements is the order in which they are tried.

use std::io::{self, Write as _};
use std::sync::LazyLock;

use bytes::Bytes;

use super::suffix::suffix;
use super::text;
use crate::chunked::ChunkedText;
use crate::mirrorlist::body::Body;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::mirrorlist::refusal::Refusal;
use crate::mirrorlist::select::Selection;
use crate::mirrorlist::target::Target;
use crate::page::{Draft, Page};
use crate::snapshot::file_details::Hash;
use crate::snapshot::{Catalogue, FileDetails, FileVersion};
use crate::xml;

const URL_END: &str = "</url>\n";

/// The preference of the first host; each one after it has one less, but at least 1.
const FIRST_PREFERENCE: usize = 100;

/// The longest text of a preference fits into this many bytes.
const PREFERENCE_BLOCK: usize = 48;

/// The end of the start tag of a `url` element from its preference on.
#[derive(Debug, Clone, Copy)]
struct Preference {
    block: [u8; PREFERENCE_BLOCK],
    length: usize,
}

/// By number, for private hosts and for public ones.
static PREFERENCES: LazyLock<[[Preference; 2]; FIRST_PREFERENCE + 1]> = LazyLock::new(|| {
    std::array::from_fn(|number| {
        [" mm0:private=\"True\"", ""].map(|private| {
            let text = format!(" preference=\"{}\"{private}>", number.max(1));
            let mut block = [0; PREFERENCE_BLOCK];
            let length = io::Cursor::new(&mut block[..]).write(text.as_bytes());
            Preference {
                block,
                // Writing to memory can't fail.
                length: length.unwrap_or(0),
            }
        })
    })
});

/// A metalink of a file.
pub fn metalink(
    catalogue: &Catalogue,
    target: &Target<'_>,
    details: &FileDetails,
    selection: &Selection<'_>,
    protocols: ProtocolFilter,
    date: &str,
    page: &mut Page,
) -> Bytes {
    let path = ChunkedText::new(&[&xml::escaped(&suffix(catalogue, target)), URL_END].concat());
    let mut draft = head(page.begin(), details, date);
    draft.literal(b"   <resources maxconnections=\"1\">\n");
    let preferences = &*PREFERENCES;
    let mut number = FIRST_PREFERENCE;
    for carrier in text::carriers(catalogue, selection) {
        let Some([private, public]) = preferences.get(number) else {
            continue;
        };
        let preference = if carrier.public { public } else { private };
        let before = draft.length();
        for url in protocols.urls(catalogue, carrier) {
            draft.chunked(catalogue.text(url.element_start));
            draft.block(&preference.block, preference.length);
            draft.chunked(catalogue.text(url.escaped));
            draft.chunked(path.get());
        }
        if draft.length() > before {
            number = number.saturating_sub(1);
        }
    }
    draft.literal(b"   </resources>\n  </file>\n </files>\n</metalink>\n");
    draft.end()
}

/// What went wrong, as a metalink without files.
pub fn refusal(catalogue: Option<&Catalogue>, refusal: &Refusal<'_>, date: &str) -> Body {
    let words = text::refusal(None, refusal).start;
    let mut comment = String::new();
    xml::comment_into(&String::from_utf8_lossy(&words), &mut comment);
    let mut page = Page::default();
    let mut draft = page.begin();
    document_start(&mut draft, date);
    draft.literal(b"<!--\n");
    draft.text(&comment);
    if !comment.ends_with('\n') {
        draft.literal(b"\n");
    }
    Body {
        start: draft.end(),
        shared: catalogue
            .map(|c| c.available_repositories_comment().clone())
            .unwrap_or_default(),
        end: concat!("-->\n", "</metalink>\n"),
    }
}

fn document_start(draft: &mut Draft<'_>, date: &str) {
    draft.literal(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    draft.literal(b"<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\" pubdate=\"");
    draft.text(date);
    draft.literal(b"\" generator=\"mirrormanager\" xmlns:mm0=\"http://fedorahosted.org/mirrormanager\">\n");
}

fn head<'a>(mut draft: Draft<'a>, details: &FileDetails, date: &str) -> Draft<'a> {
    document_start(&mut draft, date);
    draft.literal(b" <files>\n  <file name=\"");
    draft.text(&xml::escaped(&details.name));
    draft.literal(b"\">\n");
    let Some((current, older)) = details.versions.split_first() else {
        return draft;
    };
    version(&mut draft, current);
    if !older.is_empty() {
        draft.literal(b"   <mm0:alternates>\n");
        for alternate in older {
            draft.literal(b"   <mm0:alternate>\n");
            version(&mut draft, alternate);
            draft.literal(b"   </mm0:alternate>\n");
        }
        draft.literal(b"   </mm0:alternates>\n");
    }
    draft
}

/// What is known of a version; an element is absent where its value is not known.
fn version(draft: &mut Draft<'_>, version: &FileVersion) {
    if version.timestamp != 0 {
        draft.literal(b"   <mm0:timestamp>");
        draft.number(version.timestamp);
        draft.literal(b"</mm0:timestamp>\n");
    }
    if version.size != 0 {
        draft.literal(b"   <size>");
        draft.number(version.size);
        draft.literal(b"</size>\n");
    }
    if let FileVersion {
        md5: None,
        sha1: None,
        sha256: None,
        sha512: None,
        ..
    } = version
    {
        return;
    }
    draft.literal(b"   <verification>\n");
    hash(draft, b"    <hash type=\"md5\">", &version.md5);
    hash(draft, b"    <hash type=\"sha1\">", &version.sha1);
    hash(draft, b"    <hash type=\"sha256\">", &version.sha256);
    hash(draft, b"    <hash type=\"sha512\">", &version.sha512);
    draft.literal(b"   </verification>\n");
}

#[inline(always)]
fn hash<const N: usize, const M: usize>(draft: &mut Draft<'_>, start: &[u8; N], hash: &Hash<M>) {
    if let Some(hash) = hash {
        draft.literal(start);
        draft.hex(hash);
        draft.literal(b"</hash>\n");
    }
}
