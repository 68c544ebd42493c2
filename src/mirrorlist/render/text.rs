//! Mirrorlists: a comment line, then a URL a line. Lines end in LF alone, since clients keep a CR as part of the URL.

use bytes::Bytes;

use super::comment::{comment_line, push};
use super::suffix::suffix;
use crate::chunked::ChunkedText;
use crate::mirrorlist::body::Body;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::mirrorlist::query::MirrorQuery;
use crate::mirrorlist::refusal::Refusal;
use crate::mirrorlist::select::Selection;
use crate::mirrorlist::target::Target;
use crate::page::Page;
use crate::snapshot::{Carrier, Catalogue};

/// A mirrorlist.
pub fn mirrorlist(
    catalogue: &Catalogue,
    query: &MirrorQuery<'_>,
    target: &Target<'_>,
    selection: &Selection<'_>,
    protocols: ProtocolFilter,
    page: &mut Page,
) -> Bytes {
    let path = ChunkedText::new(&[&suffix(catalogue, target), "\n"].concat());
    let mut draft = page.begin();
    draft.text(&comment_line(query, target, selection));
    if query.time {
        draft.literal(b"# database creation time: ");
        draft.number(catalogue.created());
        draft.literal(b"\n");
    }
    for carrier in carriers(catalogue, selection) {
        for url in protocols.urls(catalogue, carrier) {
            draft.chunked(catalogue.text(url.base));
            draft.chunked(path.get());
        }
    }
    draft.end()
}

/// The URL at the best host that a browser can go to.
pub fn redirect_target(
    catalogue: &Catalogue,
    target: &Target<'_>,
    selection: &Selection<'_>,
    protocols: ProtocolFilter,
) -> Option<String> {
    let url = carriers(catalogue, selection).find_map(|carrier| protocols.web_url(catalogue, carrier))?;
    Some(format!("{}{}", catalogue.base_url(url), suffix(catalogue, target)))
}

/// What went wrong, in words.
pub fn refusal(catalogue: Option<&Catalogue>, refusal: &Refusal<'_>) -> Body {
    let start = match refusal {
        Refusal::MissingParameters => "# either path=, or repo= and arch= must be specified".into(),
        Refusal::RepositoryDisabled => "repo disabled".into(),
        Refusal::UnknownRepository { repo, arch } => {
            let mut text = String::new();
            push(&mut text, "# repo = ", repo);
            push(&mut text, " arch = ", arch);
            text.push_str(" error: invalid repo or arch\n# following repositories are available:\n");
            text.into()
        }
        Refusal::UnknownPath => "error: invalid path".into(),
        Refusal::InvalidAddress => "Cannot parse client IP address. Aborting.".into(),
        Refusal::NoFileDetails { directory, file } => {
            let mut text = String::new();
            push(&mut text, "", directory);
            // A file in the root has no directory before it.
            push(&mut text, if directory.is_empty() { "" } else { "/" }, file);
            text.push_str(" not found or has not metalink");
            text.into()
        }
        Refusal::NoWebMirror => "error: no mirror with an http or https URL".into(),
        Refusal::UnknownEndpoint => "error: the path must end in /mirrorlist or /metalink".into(),
        Refusal::MethodNotAllowed => "error: the method must be GET or HEAD".into(),
    };
    Body {
        start,
        shared: catalogue
            .map(|c| c.available_repositories().clone())
            .unwrap_or_default(),
        end: "",
    }
}

/// The hosts of a selection, in order.
pub(super) fn carriers<'a>(
    catalogue: &'a Catalogue,
    selection: &'a Selection<'_>,
) -> impl Iterator<Item = &'a Carrier> {
    selection
        .places
        .iter()
        .filter_map(|place| catalogue.carrier(place.carrier()))
}
