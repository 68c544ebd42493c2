//! Mirrorlists, redirects, and refusals as text. Lines end in LF alone, since clients keep a CR as part of the URL.

use bytes::Bytes;

use super::buffer::ResponseBuffer;
use super::comment::{comment_line, push};
use super::suffix::suffix;
use crate::mirrorlist::body::Body;
use crate::mirrorlist::choose::Choice;
use crate::mirrorlist::query::MirrorQuery;
use crate::mirrorlist::refusal::Refusal;
use crate::mirrorlist::target::Target;
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
    for url in choice.urls(catalogue) {
        writer.padded(catalogue.text(url.base));
        writer.padded(path.get());
    }
    writer.finish()
}

/// The URL that a redirect sends to.
pub fn redirect_url(catalogue: &Catalogue, target: &Target<'_>, url: &Url) -> String {
    [catalogue.base_url(url), &suffix(catalogue, target)].concat()
}

/// Renders a refusal; with a catalogue, all its repositories follow.
pub fn refusal(catalogue: Option<&Catalogue>, refusal: &Refusal<'_>) -> Body {
    Body {
        start: words(refusal).into(),
        shared: catalogue
            .map(|c| c.available_repositories().clone())
            .unwrap_or_default(),
        end: "",
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
            text.push_str(" error: invalid repo or arch\n# following repositories are available:\n");
        }
        Refusal::UnknownPath => text.push_str("error: invalid path"),
        Refusal::InvalidAddress => text.push_str("Cannot parse client IP address. Aborting."),
        Refusal::NoFileDetails { directory, file } => {
            push(&mut text, "", directory);
            // A file in the root has no directory before it.
            push(&mut text, if directory.is_empty() { "" } else { "/" }, file);
            text.push_str(" not found or has not metalink");
        }
        Refusal::NoWebMirror => text.push_str("error: no mirror with an http or https URL"),
        Refusal::UnknownEndpoint => text.push_str("error: the path must end in /mirrorlist or /metalink"),
        Refusal::MethodNotAllowed => text.push_str("error: the method must be GET or HEAD"),
    }
    text
}
