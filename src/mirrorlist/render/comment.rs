//! The comment line of a mirrorlist: what was asked for and how the hosts were chosen.

use crate::mirrorlist::choose::Choice;
use crate::mirrorlist::query::MirrorQuery;
use crate::mirrorlist::target::Asked;

/// The line stays below 4,000 bytes: librepo reads lines of 4,096 and takes the tail of a longer one for a new line.
const LONGEST_LINE: usize = 3_990;

/// A word that comes from the request is cut to this many bytes.
const LONGEST_WORD: usize = 1_200;

/// Renders the comment line of an answer, with its line end.
pub(super) fn comment_line(query: &MirrorQuery<'_>, choice: &Choice<'_>) -> String {
    let selection = &choice.selection;
    let mut line = String::with_capacity(256);
    match &choice.target.asked {
        Asked::Repository { repo, arch, .. } => {
            push(&mut line, "# repo = ", repo);
            push(&mut line, " arch = ", arch);
        }
        Asked::Path(path) => push(&mut line, "# path = ", path),
    }
    if selection.preferred_netblock {
        line.push_str(" Using preferred netblock");
    }
    if let Some(asn) = selection.asn {
        line.push_str(" Using ASN ");
        line.push_str(itoa::Buffer::new().format(asn.get()));
    }
    let protocol = query.protocol.as_deref().filter(|protocol| !protocol.trim().is_empty());
    let mut after = String::new();
    if let Some(protocol) = protocol {
        push(&mut after, " protocol = ", protocol);
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
pub(super) fn push(line: &mut String, label: &str, word: &str) {
    line.push_str(label);
    let (word, _) = word.split_at(word.floor_char_boundary(LONGEST_WORD));
    if word.contains(char::is_control) {
        line.extend(
            word.chars()
                .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }),
        );
    } else {
        line.push_str(word);
    }
}
