//! Parses answers: a mirrorlist, a metalink, a redirect or a refusal. Both servers' answers are parsed, so that an answer never
//! differs from itself.

use super::metalink::{self, Document, Malformed, Metalink};
use crate::mirrorlist::Endpoint;

/// An answer as it came.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    /// The Content-Type without its parameters, in lower case.
    pub media_type: Option<String>,
    /// The Location header.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

/// A parsed answer.
#[derive(Debug)]
pub(super) struct ParsedAnswer {
    pub(super) status: u16,
    /// As of a [`RawAnswer`].
    pub(super) media_type: Option<String>,
    pub(super) content: AnswerContent,
    /// The fault of XML that could be read all the same.
    pub(super) flaw: Option<String>,
}

/// The content of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AnswerContent {
    Mirrorlist(Mirrorlist),
    Metalink(Metalink),
    /// The URL of a redirect.
    Redirect(String),
    /// Why there are no mirrors.
    Refusal(String),
}

/// A mirrorlist.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mirrorlist {
    /// The first line.
    pub(super) comment: String,
    /// When the cache was made, if the answer says so.
    pub(super) created: Option<String>,
    pub(super) urls: Vec<String>,
}

const CREATED: &str = "# database creation time: ";

/// Parses an answer.
///
/// # Errors
/// The answer is XML that can't be read at all.
pub(super) fn parse(endpoint: Option<Endpoint>, raw: &RawAnswer) -> Result<ParsedAnswer, Malformed> {
    let text = String::from_utf8_lossy(&raw.body);
    let mut flaw = None;
    let content = match (&raw.location, endpoint) {
        (Some(location), _) if (300..400).contains(&raw.status) => AnswerContent::Redirect(location.clone()),
        (_, Some(Endpoint::Metalink)) if text.trim_start().starts_with('<') => {
            let (document, problem) = metalink::parse(&text)?;
            flaw = problem;
            match document {
                Document::Metalink(metalink) => AnswerContent::Metalink(metalink),
                Document::Comment(comment) => AnswerContent::Refusal(comment),
            }
        }
        _ => match mirrorlist(&text) {
            Some(list) => AnswerContent::Mirrorlist(list),
            None => AnswerContent::Refusal(text.trim().to_owned()),
        },
    };
    Ok(ParsedAnswer {
        status: raw.status,
        media_type: raw.media_type.clone(),
        content,
        flaw,
    })
}

/// Parses a mirrorlist. Returns `None` for any other text.
fn mirrorlist(text: &str) -> Option<Mirrorlist> {
    let first = text.lines().next().unwrap_or_default();
    let is_list = ["# repo = ", "# path = "].iter().any(|start| first.starts_with(start));
    if !is_list || first.contains(" error: ") {
        return None;
    }
    let mut list = Mirrorlist {
        comment: first.trim_end().to_owned(),
        ..Mirrorlist::default()
    };
    // As librepo reads: a line ends with LF, and spaces and tabs before that don't count.
    for line in text.split('\n').skip(1).map(|line| line.trim_end_matches([' ', '\t'])) {
        if let Some(created) = line.strip_prefix(CREATED) {
            list.created = Some(created.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            list.urls.push(line.to_owned());
        }
    }
    Some(list)
}

/// A media type without its parameters, in lower case.
pub(super) fn media_type(content_type: &str) -> String {
    let (essence, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_a_mirrorlist_s_endpoint_are_read_as_librepo_reads_them() {
        let refusal = |text: &str| AnswerContent::Refusal(text.to_owned());
        let list = AnswerContent::Mirrorlist(Mirrorlist {
            comment: "# repo = a arch = b country = DE".to_owned(),
            created: Some("17".to_owned()),
            urls: vec!["http://a/".to_owned(), "http://b/\r".to_owned()],
        });
        let text =
            "# repo = a arch = b country = DE \n# database creation time: 17\n\nhttp://a/ \t\n# x\nhttp://b/\r\n";
        let invalid = "# repo = a arch = b error: invalid repo or arch";
        let url = "https://a/";
        for (status, location, body, content) in [
            (200, None, text, list),
            (200, None, "repo disabled", refusal("repo disabled")),
            (200, None, "<html>", refusal("<html>")),
            (200, None, "", refusal("")),
            (200, None, &format!("{invalid}\n"), refusal(invalid)),
            (302, Some(url), "", AnswerContent::Redirect(url.to_owned())),
            (200, Some(url), "", refusal("")),
        ] {
            let raw = RawAnswer {
                status,
                media_type: None,
                location: location.map(str::to_owned),
                body: body.as_bytes().to_vec(),
            };
            assert_eq!(parse(Some(Endpoint::Mirrorlist), &raw).unwrap().content, content);
        }
    }
}
