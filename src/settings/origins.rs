//! The web pages that may read answers (`cors.origins`).

use url::Url;

use super::setting::Expected;

/// The origins (RFC 6454) whose pages may read answers, by the Fetch standard's CORS protocol.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllowedOrigins {
    /// None: answers say nothing about it.
    #[default]
    None,
    /// All.
    Any,
    /// These, as browsers write them: in lower case, without the usual port.
    Listed(Vec<String>),
}

/// `*`, or a comma list of origins.
pub(super) fn origins(text: &str) -> Result<AllowedOrigins, Expected> {
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    let texts: Vec<&str> = texts.collect();
    match texts[..] {
        [] => Ok(AllowedOrigins::None),
        ["*"] => Ok(AllowedOrigins::Any),
        _ => {
            let listed = texts.into_iter().map(|text| {
                origin(text).ok_or_else(|| {
                    let text = text.escape_debug();
                    format!("* alone, or a comma list of origins like https://www.example.org, which \"{text}\" is not")
                })
            });
            Ok(AllowedOrigins::Listed(listed.collect::<Result<_, _>>()?))
        }
    }
}

/// An origin as browsers write it; a slash at its end is no mistake.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !text.contains(['@', '?', '#', '*']);
    is_origin.then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_as_browsers_write_them() {
        let listed = |texts: &[&str]| AllowedOrigins::Listed(texts.iter().map(|text| (*text).to_owned()).collect());
        for (text, expected) in [
            ("", AllowedOrigins::None),
            (" , ", AllowedOrigins::None),
            (" * ", AllowedOrigins::Any),
            (
                "HTTPS://WWW.Example.org:443/, http://[2001:DB8::1]:8080",
                listed(&["https://www.example.org", "http://[2001:db8::1]:8080"]),
            ),
            (
                "https://b\u{fc}cher.example",
                listed(&["https://xn--bcher-kva.example"]),
            ),
        ] {
            assert_eq!(origins(text).unwrap(), expected, "{text}");
        }
        for text in [
            "www.example.org",
            "https://a.example/path",
            "https://a.example?x",
            "https://user@a.example",
            "https://*.example.org",
            "*, https://a.example",
            "null",
            "file:///",
            "https://",
            "\u{1b}[31m",
        ] {
            let expected = origins(text).unwrap_err();
            assert!(
                expected.starts_with("* alone") && !expected.contains(char::is_control),
                "{expected}"
            );
        }
    }
}
