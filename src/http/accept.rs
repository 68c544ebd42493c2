//! Content negotiation (RFC 9110, 12.5.1): which format an Accept header asks for.
//!
//! The endpoint's own format is the answer unless a client likes another one more, and names it: clients that send nothing, `*/*` or
//! a browser's list get what they always got.

use actix_web::HttpMessage;
use actix_web::http::header::{ACCEPT, Accept, Header as _, HeaderValue, Quality};

use crate::mirrorlist::{Content, Endpoint, Format};

/// What the Accept headers of a request ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Negotiated {
    /// The format; `None`: the endpoint's own.
    pub(super) format: Option<Format>,
    /// Whether they name a format that the endpoint could answer in, so that the answer depends on them.
    pub(super) is_named: bool,
}

/// No media type that is looked for is shorter.
const SHORTEST: usize = "application/json".len();

/// Headers that are longer together count as absent: no client sends them, and reading them takes longer than an answer.
const LONGEST: usize = 2_000;

/// Finds the format that the Accept headers of a request ask for.
pub(super) fn negotiate(request: &impl HttpMessage, endpoint: Option<Endpoint>) -> Negotiated {
    let lengths = request.headers().get_all(ACCEPT).map(HeaderValue::len);
    let (longest, all) = lengths.fold((0, 0), |(longest, all), length| (length.max(longest), all + length));
    if longest < SHORTEST || all > LONGEST {
        return Negotiated::default();
    }
    let Ok(Accept(ranges)) = Accept::parse(request) else {
        return Negotiated::default();
    };
    let quality = |media_type: &str| {
        let named = ranges.iter().filter(|range| range.item.essence_str() == media_type);
        named.map(|range| range.quality).max_by(compare)
    };
    let own_type = match endpoint {
        Some(Endpoint::Metalink) => Content::Metalink.media_type(),
        Some(Endpoint::Mirrorlist) | None => Content::Mirrorlist.media_type(),
    };
    let (kind, _) = own_type.split_once('/').unwrap_or_default();
    let own = quality(own_type)
        .or_else(|| quality(&format!("{kind}/*")))
        .or_else(|| quality("*/*"))
        .unwrap_or(Quality::ZERO);
    let mut negotiated = Negotiated::default();
    let mut best = own;
    for format in Format::ALL.into_iter().filter_map(|format| format.at(endpoint)) {
        if let Some(quality) = quality(media_type(format)) {
            negotiated.is_named = true;
            if quality > best {
                (negotiated.format, best) = (Some(format), quality);
            }
        }
    }
    negotiated
}

fn media_type(format: Format) -> &'static str {
    match format {
        Format::Metalink4 => Content::Metalink4.media_type(),
        Format::Json => Content::Json.media_type(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "`max_by` calls it with references")]
fn compare(a: &Quality, b: &Quality) -> std::cmp::Ordering {
    a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(endpoint: Endpoint, accept: &[&str]) -> Negotiated {
        let mut request = TestRequest::default();
        for value in accept {
            request = request.append_header((ACCEPT, *value));
        }
        negotiate(&request.to_request(), Some(endpoint))
    }

    #[test]
    fn clients_that_ask_for_no_other_format_get_the_endpoint_s_own() {
        for accept in [
            &[][..],
            &[""],
            &["*/*"],
            // Chromium, Firefox, Java, axios, aria2.
            &[
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            ],
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            &["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"],
            &["application/json, text/plain, */*"],
            &["*/*,application/metalink4+xml,application/metalink+xml"],
            &["application/metalink+xml"],
            &["application/xml"],
            &["application/*"],
            &["application/json;q=0"],
            &["application/json;q=0.5, */*;q=0.5"],
            &["application/json;q=0.5, */*"],
            &["application/json;q=2"],
            &["application/jsonp, text/json"],
            &[";;;,,,application/json/x"],
        ] {
            for endpoint in [Endpoint::Mirrorlist, Endpoint::Metalink] {
                assert_eq!(asked(endpoint, accept).format, None, "{accept:?}");
            }
        }
    }

    #[test]
    fn a_format_that_is_liked_more_is_the_answer() {
        let (json, metalink4) = (Some(Format::Json), Some(Format::Metalink4));
        for (accept, of_mirrorlist, of_metalink) in [
            (&["application/json"][..], json, json),
            (&["Application/JSON; charset=utf-8"], json, json),
            (&["text/html;q=0.1", "application/json;q=0.2"], json, json),
            (&["application/json, */*;q=0.8"], json, json),
            (&["application/metalink4+xml"], None, metalink4),
            (&["application/metalink4+xml, application/json"], json, metalink4),
            (&["application/metalink4+xml;q=0.8, application/json;q=0.9"], json, json),
            (
                &["application/metalink+xml;q=0.5, application/metalink4+xml"],
                None,
                metalink4,
            ),
            // The most specific range counts for the endpoint's own format, too.
            (&["*/*, text/*;q=0.1, application/json;q=0.5"], json, None),
            (&["*/*, text/plain;q=0, application/json;q=0.5"], json, None),
            (
                &["*/*, application/metalink+xml;q=0.1, application/json;q=0.5"],
                None,
                json,
            ),
        ] {
            assert_eq!(asked(Endpoint::Mirrorlist, accept).format, of_mirrorlist, "{accept:?}");
            assert_eq!(asked(Endpoint::Metalink, accept).format, of_metalink, "{accept:?}");
        }
    }

    #[test]
    fn a_header_that_no_client_sends_is_not_read() {
        let longest = format!("application/json{}", ",a/b".repeat(496));
        assert_eq!(asked(Endpoint::Mirrorlist, &[&longest]).format, Some(Format::Json));
        assert_eq!(
            asked(Endpoint::Mirrorlist, &[&longest, "text/csv"]),
            Negotiated::default()
        );
    }

    #[test]
    fn an_answer_depends_on_a_header_that_names_a_format() {
        assert!(asked(Endpoint::Mirrorlist, &["application/json;q=0.1, */*"]).is_named);
        assert!(asked(Endpoint::Metalink, &["application/metalink4+xml"]).is_named);
        assert!(!asked(Endpoint::Mirrorlist, &["application/metalink4+xml"]).is_named);
        assert!(!asked(Endpoint::Mirrorlist, &["text/html, application/xml, */*"]).is_named);
    }
}
