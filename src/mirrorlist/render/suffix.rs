//! The suffix of a base URL: the directory below the category's top directory, and the file.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::mirrorlist::target::Target;
use crate::snapshot::Catalogue;

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
