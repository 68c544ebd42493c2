//! The query string of a request as parameters: `%XX` is decoded, `+` is a plus sign, the last of a repeated parameter counts, and
//! unknown ones are ignored. Values are checked by the modules that use them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::format::Format;

/// The parameters of a request, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MirrorQuery<'a> {
    /// The repository's prefix.
    pub repo: Option<Cow<'a, str>>,
    /// The architecture.
    pub arch: Option<Cow<'a, str>>,
    /// A directory, or a file in a directory.
    pub path: Option<Cow<'a, str>>,
    /// A comma list of country codes, or `global`; a country with `!` before it is excluded.
    pub country: Option<Cow<'a, str>>,
    /// The client address to answer for; empty counts as absent.
    pub ip: Option<Cow<'a, str>>,
    /// A comma list of protocols.
    pub protocol: Option<Cow<'a, str>>,
    /// The family of addresses that the client has: `4` or `6`.
    pub ip_version: Option<Cow<'a, str>>,
    /// Whether to redirect to the best mirror instead of listing mirrors.
    pub redirect: bool,
    /// Whether the netblock and AS tiers are off.
    pub network_off: bool,
    /// Whether to add the cache's creation time.
    pub time: bool,
    /// The format to answer in; `None`: the endpoint's own. Unknown names count as absent.
    pub format: Option<Format>,
}

impl<'a> MirrorQuery<'a> {
    /// Reads a query string, without its question mark. Any text is a query.
    pub fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match &*decode(name) {
                "repo" => parsed.repo = Some(decode(value)),
                "arch" => parsed.arch = Some(decode(value)),
                "path" => parsed.path = Some(decode(value)),
                "country" => parsed.country = Some(decode(value)),
                "ip" => parsed.ip = Some(decode(value)).filter(|address| !address.trim().is_empty()),
                "protocol" => parsed.protocol = Some(decode(value)),
                "ip_version" => parsed.ip_version = Some(decode(value)),
                "redirect" => parsed.redirect = true,
                "netblock" => parsed.network_off = decode(value) != "1",
                "time" => parsed.time = true,
                "format" => parsed.format = Format::parse(&decode(value)),
                _ => {}
            }
        }
        parsed
    }
}

/// Decodes `%XX`. Bytes that are not UTF-8 become U+FFFD, which no name in a cache has.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&b'%') {
        return text.into();
    }
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_last_one_counts() {
        let query = MirrorQuery::parse(
            "repo=a&repo=fedora%2D41&arch=x86%5F64&countme=3&path=c++/%C3%A9%ff&re%64irect&time=&&=x&ip_version=4&ip%5fversion=6",
        );
        let expected = MirrorQuery {
            repo: Some("fedora-41".into()),
            arch: Some("x86_64".into()),
            path: Some("c++/é\u{fffd}".into()),
            ip_version: Some("6".into()),
            redirect: true,
            time: true,
            ..MirrorQuery::default()
        };
        assert_eq!(query, expected);
        let plain = MirrorQuery::parse("repo=fedora-41");
        assert!(
            matches!(plain.repo, Some(Cow::Borrowed(_))),
            "a plain text is not copied"
        );
    }

    #[test]
    fn an_empty_address_is_none_and_netblock_is_on_unless_told_otherwise() {
        for query in ["ip=", "ip", "ip=%20", "ip=192.0.2.1&ip=", "netblock=1"] {
            assert_eq!(MirrorQuery::parse(query), MirrorQuery::default(), "{query}");
        }
        for query in ["netblock=0", "netblock=", "netblock"] {
            assert!(MirrorQuery::parse(query).network_off, "{query}");
        }
    }
}
