//! Mirrorlists, redirects, and refusals as text, and what follows each base URL. Lines end in LF alone, since clients keep a CR as
//! part of the URL.

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Body;
use super::buffer::ResponseBuffer;
use crate::mirrorlist::choose::{Choice, Tier};
use crate::mirrorlist::query::MirrorQuery;
use crate::mirrorlist::refusal::Refusal;
use crate::mirrorlist::target::{Asked, Target};
use crate::snapshot::text_arena::PaddedString;
use crate::snapshot::{Catalogue, Url};

/// Renders a mirrorlist.
pub fn mirrorlist(
    catalogue: &Catalogue,
    query: &MirrorQuery<'_>,
    choice: &Choice<'_>,
    buffer: &mut ResponseBuffer,
) -> Bytes {
    let path = PaddedString::new([&suffix(catalogue, &choice.target), "\n"].concat());
    let mut writer = buffer.writer();
    writer.text(comment_line(query, choice));
    if query.time {
        writer.text("# database creation time: ");
        writer.number(catalogue.created());
        writer.text("\n");
    }
    writer.blocks(|mut room| {
        for url in choice.urls(catalogue) {
            room = room.padded(catalogue.text(url.base)).padded(path.get());
        }
        room
    });
    writer.finish()
}

/// The URL that a redirect sends to.
pub fn redirect_url(catalogue: &Catalogue, target: &Target<'_>, url: &Url) -> String {
    [catalogue.base_url(url), &suffix(catalogue, target)].concat()
}

/// Renders a refusal; with a catalogue, all its repositories follow.
pub fn refusal(catalogue: Option<&Catalogue>, refusal: &Refusal<'_>) -> Body {
    Body {
        start: [&words(refusal), list_heading(refusal)].concat().into(),
        shared: catalogue.map_or_else(Bytes::new, |c| c.available_repositories().clone()),
        end: "",
    }
}

/// What stands between the words of a refusal and the list of all repositories; empty for those without one.
pub fn list_heading(refusal: &Refusal<'_>) -> &'static str {
    match refusal {
        Refusal::UnknownRepository { .. } => "\n# following repositories are available:\n",
        _ => "",
    }
}

/// The words of a refusal.
pub fn words(refusal: &Refusal<'_>) -> String {
    let mut text = String::new();
    match refusal {
        Refusal::MissingParameters => text.push_str("# either path=, or repo= and arch= must be specified"),
        Refusal::RepositoryDisabled => text.push_str("repo disabled"),
        Refusal::UnknownRepository { repo, arch } => {
            push(&mut text, "# repo = ", repo);
            push(&mut text, " arch = ", arch);
            text.push_str(" error: invalid repo or arch");
        }
        Refusal::UnknownPath => text.push_str("error: invalid path"),
        Refusal::InvalidAddress => text.push_str("Cannot parse client IP address. Aborting."),
        Refusal::NoFileDetails { directory, file } => {
            push(&mut text, "", directory);
            // A file in the root has no directory before it.
            push(&mut text, if directory.is_empty() { "" } else { "/" }, file);
            text.push_str(" not found or has not metalink");
        }
        Refusal::NoSuchFile => text.push_str("error: the directory has no such file"),
        Refusal::NoMirror => text.push_str("error: no mirror with a URL of these protocols"),
        Refusal::NoWebMirror => text.push_str("error: no mirror with an http or https URL"),
        Refusal::UnknownEndpoint => text.push_str("error: the path must end in /mirrorlist or /metalink"),
        Refusal::MethodNotAllowed => text.push_str("error: the method must be GET or HEAD"),
    }
    text
}

/// The characters to percent-encode in a path: the path percent-encode set of the WHATWG URL standard, and the percent sign because
/// names were decoded.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The characters that a base URL of a cache can have and a URL can't (RFC 3986).
const NOT_IN_URLS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The same in the path of a URL; before it, brackets are around IPv6 addresses.
const NOT_IN_URL_PATHS: &AsciiSet = &NOT_IN_URLS.add(b'[').add(b']');

/// A base URL with what is no character of URLs percent-encoded, for formats that are strict about them.
pub fn strict_base<'a>(catalogue: &'a Catalogue, url: &Url) -> Cow<'a, str> {
    let base = catalogue.base_url(url);
    let authority = base.find("://").map_or(0, |colon| colon + "://".len());
    let path = base.bytes().skip(authority).position(|byte| byte == b'/');
    let (origin, path) = base.split_at(path.map_or(base.len(), |path| authority + path));
    let origin = Cow::from(utf8_percent_encode(origin, NOT_IN_URLS));
    match (origin, Cow::from(utf8_percent_encode(path, NOT_IN_URL_PATHS))) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => base.into(),
        (origin, path) => origin + path,
    }
}

/// What follows it.
pub fn strict_suffix(catalogue: &Catalogue, target: &Target<'_>) -> String {
    utf8_percent_encode(&suffix(catalogue, target), NOT_IN_URL_PATHS).to_string()
}

/// The suffix that turns the base URL of any host into the URL of the target: `/subpath/` or `/subpath/file`.
pub fn suffix(catalogue: &Catalogue, target: &Target<'_>) -> String {
    let subpath = catalogue.subpath(target.directory);
    let file = target.file.as_deref().unwrap_or_default();
    let mut suffix = String::with_capacity(subpath.len() + file.len() + 2);
    suffix.push('/');
    if !subpath.is_empty() {
        encode_into(subpath, &mut suffix);
        suffix.push('/');
    }
    encode_into(file, &mut suffix);
    suffix
}

fn encode_into(path: &str, out: &mut String) {
    // Nearly all names are plain. A loop without an early exit is vectorised.
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'/' | b'_' | b'+' | b'~');
    if path.bytes().fold(true, |all, b| all & plain(b)) {
        out.push_str(path);
    } else {
        out.extend(utf8_percent_encode(path, NOT_IN_PATHS));
    }
}

/// The line stays below 4,000 bytes: librepo reads lines of 4,096 and takes the tail of a longer one for a new line.
const LONGEST_LINE: usize = 3_990;

/// A word that comes from the request is cut to this many bytes.
const LONGEST_WORD: usize = 1_200;

/// Renders the comment line of an answer, with its line end.
fn comment_line(query: &MirrorQuery<'_>, choice: &Choice<'_>) -> String {
    let selection = &choice.selection;
    let mut line = String::with_capacity(256);
    match &choice.target.asked {
        Asked::Repository { repo, arch, .. } => {
            push(&mut line, "# repo = ", repo);
            push(&mut line, " arch = ", arch);
        }
        Asked::Path(path) => push(&mut line, "# path = ", path),
    }
    if selection.hosts.iter().any(|host| host.tier() == Tier::Netblock) {
        line.push_str(" Using preferred netblock");
    }
    if let Some(asn) = selection.asn {
        line.push_str(" Using ASN ");
        line.push_str(itoa::Buffer::new().format(asn.get()));
    }
    let mut after = String::new();
    if let Some(protocol) = query.protocol.as_deref().filter(|text| !text.trim().is_empty()) {
        push(&mut after, " protocol = ", protocol);
    }
    if let Some(words) = selection.ignored.words() {
        push(&mut after, " ", words);
    }
    for country in &selection.countries {
        let length = " country = ".len() + country.len();
        if line.len() + after.len() + length > LONGEST_LINE {
            break;
        }
        push(&mut line, " country = ", country);
    }
    line.push_str(&after);
    line.push('\n');
    line
}

/// Appends a label and a word. Control characters are replaced, since the word comes from the request.
fn push(line: &mut String, label: &str, word: &str) {
    line.push_str(label);
    let (word, _) = word.split_at(word.floor_char_boundary(LONGEST_WORD));
    if word.contains(char::is_control) {
        line.push_str(&word.replace(char::is_control, "\u{fffd}"));
    } else {
        line.push_str(word);
    }
}
