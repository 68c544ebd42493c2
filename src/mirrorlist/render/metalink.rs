//! Renders Metalink 3.0 as librepo reads it: the prefix `mm0` is literal, hashes are in lower case, and clients try the `url`
//! elements in document order.

use std::sync::LazyLock;

use bytes::Bytes;

use super::Body;
use super::buffer::{ResponseBuffer, ResponseWriter, Room};
use super::text::{list_heading, suffix, words};
use crate::mirrorlist::choose::Choice;
use crate::mirrorlist::refusal::Refusal;
use crate::snapshot::file_details::Hash;
use crate::snapshot::text_arena::{PaddedString, PaddedText};
use crate::snapshot::{Catalogue, FileDetails, FileVersion};
use crate::xml;

/// The end of a start tag of a `url` element, from the preference on.
struct TagEnd {
    block: [u8; 48],
    length: usize,
}

impl TagEnd {
    fn new(text: &str) -> Self {
        let mut block = [b' '; 48];
        let bytes = text.as_bytes().iter();
        let length = block.iter_mut().zip(bytes).map(|(to, from)| *to = *from).count();
        Self { block, length }
    }
}

/// The ends of start tags for a private host and for a public one, in the order of hosts: the preference is 100 for the first one,
/// one less for each after it, and 1 for all beyond the hundredth.
///
/// Optimised: saves the formatting of a number for each host (`cargo bench --bench stages`, `render metalink`).
static TAG_ENDS: LazyLock<[[TagEnd; 2]; 100]> = LazyLock::new(|| {
    std::array::from_fn(|position| {
        let preference = 100 - position;
        [" mm0:private=\"True\"", ""].map(|private| TagEnd::new(&format!(" preference=\"{preference}\"{private}>")))
    })
});

/// Renders the metalink of a file.
pub fn metalink(
    catalogue: &Catalogue,
    choice: &Choice<'_>,
    details: &FileDetails,
    date: &str,
    buffer: &mut ResponseBuffer,
) -> Bytes {
    let path = PaddedString::new([&xml::escaped(&suffix(catalogue, &choice.target)), "</url>\n"].concat());
    let mut writer = buffer.writer();
    document_start(&mut writer, date);
    if let Some(words) = choice.selection.ignored.words() {
        writer.text(" <!-- ");
        writer.text(words);
        writer.text(" -->\n");
    }
    file(&mut writer, details);
    writer.text("   <resources maxconnections=\"1\">\n");
    writer.blocks(|room| urls(room, catalogue, choice, path.get()));
    writer.text("   </resources>\n  </file>\n </files>\n</metalink>\n");
    writer.finish()
}

/// The `url` elements.
#[inline(never)]
fn urls<'r>(mut room: Room<'r>, catalogue: &Catalogue, choice: &Choice<'_>, path: PaddedText<'_>) -> Room<'r> {
    let [.., last] = &*TAG_ENDS;
    let mut tag_ends = TAG_ENDS.iter();
    for host in &choice.selection.hosts {
        let carrier = catalogue.carrier(host.carrier());
        if !choice.protocols.takes_any(carrier.protocols) {
            continue;
        }
        let [private, public] = tag_ends.next().unwrap_or(last);
        let tag_end = if carrier.public { public } else { private };
        for url in choice.urls_of(*host, catalogue) {
            room = room.padded(catalogue.text(url.element_start));
            room = room.block(&tag_end.block, tag_end.length);
            room = room.padded(catalogue.text(url.escaped)).padded(path);
        }
    }
    room
}

/// Renders a refusal as a metalink without files; with a catalogue, all its repositories follow.
pub fn refusal(catalogue: Option<&Catalogue>, refusal: &Refusal<'_>, date: &str) -> Body {
    let mut comment = String::new();
    xml::comment_into(&words(refusal), &mut comment);
    comment.push_str(list_heading(refusal));
    if !comment.ends_with('\n') {
        comment.push('\n');
    }
    let mut buffer = ResponseBuffer::default();
    let mut writer = buffer.writer();
    document_start(&mut writer, date);
    writer.text("<!--\n");
    writer.text(&comment);
    Body {
        start: writer.finish(),
        shared: catalogue.map_or_else(Bytes::new, |c| c.available_repositories_comment().clone()),
        end: concat!("-->\n", "</metalink>\n"),
    }
}

fn document_start(writer: &mut ResponseWriter<'_>, date: &str) {
    writer.text("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
    writer.text("<metalink version=\"3.0\" xmlns=\"http://www.metalinker.org/\" type=\"dynamic\" pubdate=\"");
    writer.text(date);
    writer.text("\" generator=\"mirrormanager\" xmlns:mm0=\"http://fedorahosted.org/mirrormanager\">\n");
}

/// The start of the `file` element, up to its resources.
fn file(writer: &mut ResponseWriter<'_>, details: &FileDetails) {
    writer.text(" <files>\n  <file name=\"");
    writer.text(&*xml::escaped(&details.name));
    writer.text("\">\n");
    let Some((current, older)) = details.versions.split_first() else {
        return;
    };
    version(writer, current);
    if !older.is_empty() {
        writer.text("   <mm0:alternates>\n");
        for alternate in older {
            writer.text("   <mm0:alternate>\n");
            version(writer, alternate);
            writer.text("   </mm0:alternate>\n");
        }
        writer.text("   </mm0:alternates>\n");
    }
}

/// The known values of a version; an unknown one has no element.
fn version(writer: &mut ResponseWriter<'_>, version: &FileVersion) {
    if version.timestamp != 0 {
        writer.text("   <mm0:timestamp>");
        writer.number(version.timestamp);
        writer.text("</mm0:timestamp>\n");
    }
    if version.size != 0 {
        writer.text("   <size>");
        writer.number(version.size);
        writer.text("</size>\n");
    }
    if version.md5.is_none() && version.sha1.is_none() && version.sha256.is_none() && version.sha512.is_none() {
        return;
    }
    writer.text("   <verification>\n");
    hash(writer, "    <hash type=\"md5\">", &version.md5);
    hash(writer, "    <hash type=\"sha1\">", &version.sha1);
    hash(writer, "    <hash type=\"sha256\">", &version.sha256);
    hash(writer, "    <hash type=\"sha512\">", &version.sha512);
    writer.text("   </verification>\n");
}

fn hash<const N: usize>(writer: &mut ResponseWriter<'_>, start: &str, hash: &Hash<N>) {
    if let Some(hash) = hash {
        writer.text(start);
        writer.hex(hash);
        writer.text("</hash>\n");
    }
}
