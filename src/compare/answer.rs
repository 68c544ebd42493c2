//! Parses answers: a mirrorlist, a metalink, a redirect or a refusal. Both servers' answers are parsed, so that an answer never
//! differs from itself.

use super::metalink::{self, Document, Malformed, Metalink};
use crate::mirrorlist::Endpoint;

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The Content-Type without its parameters, in lower case.
    pub media_type: Option<String>,
    /// The Location header.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// A parsed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedAnswer {
    /// The status.
    pub status: u16,
    /// The Content-Type without its parameters.
    pub media_type: Option<String>,
    /// The content.
    pub content: AnswerContent,
    /// The fault of XML that could be read all the same.
    pub flaw: Option<String>,
}

/// The content of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerContent {
    /// Mirrors, one a line.
    Mirrorlist(Mirrorlist),
    /// A file and its mirrors.
    Metalink(Metalink),
    /// The URL of a redirect.
    Redirect(String),
    /// Why there are no mirrors.
    Refusal(String),
}

/// A mirrorlist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrorlist {
    /// The first line.
    pub comment: String,
    /// When the cache was made, if the answer says so.
    pub created: Option<String>,
    /// The URLs in order.
    pub urls: Vec<String>,
}

const CREATED: &str = "# database creation time: ";

impl AnswerContent {
    /// A word for what it is.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Mirrorlist(_) => "a mirrorlist",
            Self::Metalink(_) => "a metalink",
            Self::Redirect(_) => "a redirect",
            Self::Refusal(_) => "a refusal",
        }
    }
}

/// Parses an answer.
///
/// # Errors
/// The answer is XML that can't be read at all.
pub fn parse(endpoint: Option<Endpoint>, raw: &RawAnswer) -> Result<ParsedAnswer, Malformed> {
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
        _ => mirrorlist(&text).map_or_else(
            || AnswerContent::Refusal(text.trim().to_owned()),
            AnswerContent::Mirrorlist,
        ),
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
pub fn media_type(content_type: &str) -> String {
    let essence = content_type
        .split_once(';')
        .map_or(content_type, |(essence, _)| essence);
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(status: u16, body: &str) -> RawAnswer {
        RawAnswer {
            status,
            media_type: None,
            location: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_mirrorlist_is_read_as_librepo_reads_it() {
        let text =
            "# repo = a arch = b country = DE \n# database creation time: 17\n\nhttp://a/ \t\n# x\nhttp://b/\r\n";
        let parsed = parse(Some(Endpoint::Mirrorlist), &raw(200, text)).unwrap();
        let AnswerContent::Mirrorlist(list) = parsed.content else {
            panic!("{parsed:?}")
        };
        assert_eq!(list.comment, "# repo = a arch = b country = DE");
        assert_eq!(list.created.as_deref(), Some("17"));
        assert_eq!(list.urls, ["http://a/", "http://b/\r"]);
    }

    #[test]
    fn what_is_no_list_is_a_refusal() {
        for text in [
            "repo disabled",
            "<html>",
            "",
            "# repo = a arch = b error: invalid repo or arch\n",
        ] {
            let parsed = parse(Some(Endpoint::Mirrorlist), &raw(200, text)).unwrap();
            assert_eq!(parsed.content, AnswerContent::Refusal(text.trim().to_owned()));
        }
    }

    #[test]
    fn a_redirect_is_one_by_status_and_header() {
        let mut answer = raw(302, "");
        answer.location = Some("https://a/".to_owned());
        let parsed = parse(Some(Endpoint::Mirrorlist), &answer).unwrap();
        assert_eq!(parsed.content, AnswerContent::Redirect("https://a/".to_owned()));
        answer.status = 200;
        let parsed = parse(Some(Endpoint::Mirrorlist), &answer).unwrap();
        assert_eq!(parsed.content, AnswerContent::Refusal(String::new()));
    }
}
