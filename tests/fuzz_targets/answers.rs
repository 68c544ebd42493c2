//! Answers that a client can read: well-formed XML, lists of URLs, a redirect that is one URL.

use std::net::IpAddr;

use mirrorlist_server::mirrorlist::{Answer, Answerer, Content, Endpoint, Format, MirrorQuery, MirrorRequest, answer};
use mirrorlist_server::settings::ChoiceSettings;
use mirrorlist_server::snapshot::Snapshot;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Asserts that a client can read what a query gets, as a mirrorlist and as a metalink, and in each format.
pub(crate) fn assert_readable_answers(snapshot: &Snapshot, query: &MirrorQuery<'_>, address: IpAddr) {
    let formats = [None, Some(Format::Json), Some(Format::Metalink4)];
    let endpoints = [Endpoint::Mirrorlist, Endpoint::Metalink];
    for (endpoint, format) in endpoints
        .iter()
        .flat_map(|endpoint| formats.map(|format| (*endpoint, format)))
    {
        let query = &MirrorQuery {
            format,
            ..query.clone()
        };
        let request = MirrorRequest {
            endpoint,
            address,
            query,
            settings: &ChoiceSettings::STANDARD,
            now: 0,
        };
        let date = "Sat, 31 Jan 2026 23:59:59 GMT";
        assert_readable(&answer(snapshot, &request, date, &mut Answerer::seeded(1)));
    }
}

/// Asserts that a client can read an answer.
pub(crate) fn assert_readable(answer: &Answer<'_>) {
    assert!((200..500).contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.status == 302, answer.location.is_some(), "{:?}", answer.location);
    assert_readable_head(answer);
    let body = [
        &answer.body.start[..],
        &answer.body.shared[..],
        answer.body.end.as_bytes(),
    ]
    .concat();
    assert_eq!(body.len(), answer.body.len());
    let text = String::from_utf8(body).unwrap();
    match answer.content {
        Content::Metalink | Content::Metalink4 => assert_well_formed(&text),
        Content::Json => {
            let document: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document.get("version"), Some(&serde_json::json!(1)), "{document}");
        }
        Content::Mirrorlist if answer.status == 200 => {
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                assert!(line.contains("://") && !line.contains(char::is_whitespace), "{line:?}");
            }
            assert!(!text.contains('\r'), "{text:?}");
        }
        Content::Mirrorlist => {}
        Content::ErrorText => {
            assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        }
    }
}

/// Asserts that a redirect has headers that a client can read.
fn assert_readable_head(answer: &Answer<'_>) {
    let breaks = |c: char| c.is_whitespace() || c.is_control();
    if let Some(location) = answer.location.as_deref() {
        assert!(!location.contains(breaks), "{location:?}");
    }
    for (name, value) in &answer.headers {
        assert!(
            value.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{name}: {value:?}"
        );
        if *name == "link" {
            let (url, parameters) = value.strip_prefix('<').and_then(|rest| rest.split_once('>')).unwrap();
            assert!(!url.contains(breaks) && !url.contains(['<', '"']), "{value:?}");
            assert!(parameters.starts_with("; rel="), "{value:?}");
        }
    }
}

/// Reads a document as a strict parser does.
pub(crate) fn assert_well_formed(document: &str) {
    let mut reader = Reader::from_str(document);
    reader.config_mut().check_comments = true;
    let mut depth = 0_i32;
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error} in\n{document}"))
        {
            Event::Eof => break,
            Event::Start(start) => {
                depth += 1;
                for attribute in start.attributes() {
                    attribute.unwrap_or_else(|error| panic!("{error} in\n{document}"));
                }
            }
            Event::End(_) => depth -= 1,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{document}");
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t' | '\r');
    assert!(!document.chars().any(control), "{document:?}");
}
