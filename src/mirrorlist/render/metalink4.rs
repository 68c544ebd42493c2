//! Renders Metalink 4 (RFC 5854): the current version of a file, and its URLs with priorities in their order. Older versions,
//! which Metalink 3 has as alternates, have no place in it.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;

use super::Body;
use super::buffer::{ResponseBuffer, ResponseWriter};
use super::text::{strict_base, strict_suffix, words};
use crate::mirrorlist::choose::Choice;
use crate::mirrorlist::refusal::Refusal;
use crate::snapshot::file_details::Hash;
use crate::snapshot::{Catalogue, FileDetails, FileVersion};
use crate::xml;

/// The largest priority (RFC 5854, 4.2.16.2).
const LAST_PRIORITY: u64 = 999_999;

/// Renders the metalink of a file at a time in seconds since the Unix epoch. Returns `None` if no URL is listed: the format asks for
/// at least one.
pub fn metalink(
    catalogue: &Catalogue,
    choice: &Choice<'_>,
    details: &FileDetails,
    now: u64,
    buffer: &mut ResponseBuffer,
) -> Option<Bytes> {
    choice.urls(catalogue).next()?;
    let path = [&xml::escaped(&strict_suffix(catalogue, &choice.target)), "</url>\n"].concat();
    let mut writer = buffer.writer();
    document_start(&mut writer);
    if let Some(published) = rfc3339(now) {
        writer.text(" <published>");
        writer.text(published);
        writer.text("</published>\n");
    }
    if let Some(words) = choice.selection.ignored.words() {
        writer.text(" <!-- ");
        writer.text(words);
        writer.text(" -->\n");
    }
    writer.text(" <file name=\"");
    writer.text(&*xml::escaped(&details.name));
    writer.text("\">\n");
    if let Some(current) = details.versions.first() {
        version(&mut writer, current);
    }
    let mut priority = 0;
    for host in &choice.selection.hosts {
        let carrier = catalogue.carrier(host.carrier());
        let location = catalogue.host(carrier.host).country;
        let location = location.map(|country| country.as_str().to_ascii_lowercase());
        for url in choice.urls_of(*host, catalogue) {
            priority = LAST_PRIORITY.min(priority + 1);
            writer.text("  <url");
            if let Some(location) = &location {
                writer.text(" location=\"");
                writer.text(location);
                writer.text("\"");
            }
            writer.text(" priority=\"");
            writer.number(priority);
            writer.text("\">");
            writer.text(&*xml::escaped(&strict_base(catalogue, url)));
            writer.text(&path);
        }
    }
    writer.text(" </file>\n</metalink>\n");
    Some(writer.finish())
}

/// Renders a refusal as a document without files, so that a client that reads it says that there is nothing to download.
pub fn refusal(refusal: &Refusal<'_>) -> Body {
    let mut comment = String::new();
    xml::comment_into(&words(refusal), &mut comment);
    let mut buffer = ResponseBuffer::default();
    let mut writer = buffer.writer();
    document_start(&mut writer);
    writer.text("<!--\n");
    writer.text(&comment);
    writer.text("\n-->\n</metalink>\n");
    Body::whole(writer.finish())
}

fn document_start(writer: &mut ResponseWriter<'_>) {
    writer.text("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<metalink xmlns=\"urn:ietf:params:xml:ns:metalink\">\n");
    writer.text(concat!(
        " <generator>mirrorlist-server/",
        env!("CARGO_PKG_VERSION"),
        "</generator>\n"
    ));
}

/// A time as RFC 3339 writes it; `None` beyond its last year.
fn rfc3339(seconds: u64) -> Option<String> {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(time)).ok()?;
    Some(text)
}

/// The known values of a version; an unknown one has no element. The names of hashes are IANA's.
fn version(writer: &mut ResponseWriter<'_>, version: &FileVersion) {
    if version.size != 0 {
        writer.text("  <size>");
        writer.number(version.size);
        writer.text("</size>\n");
    }
    hash(writer, "  <hash type=\"md5\">", &version.md5);
    hash(writer, "  <hash type=\"sha-1\">", &version.sha1);
    hash(writer, "  <hash type=\"sha-256\">", &version.sha256);
    hash(writer, "  <hash type=\"sha-512\">", &version.sha512);
}

fn hash<const N: usize>(writer: &mut ResponseWriter<'_>, start: &str, hash: &Hash<N>) {
    if let Some(hash) = hash {
        writer.text(start);
        writer.hex(hash);
        writer.text("</hash>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_rfc_3339_is_left_out() {
        assert_eq!(rfc3339(1_769_903_999).as_deref(), Some("2026-01-31T23:59:59Z"));
        assert_eq!(rfc3339(253_402_300_799).as_deref(), Some("9999-12-31T23:59:59Z"));
        for seconds in [253_402_300_800, u64::MAX] {
            assert_eq!(rfc3339(seconds), None, "{seconds}");
        }
    }
}
