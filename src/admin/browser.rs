//! Keeps web pages away from the admin listener. A browser sends the requests of a page from the operator's own machine, so the
//! peer's address does not tell whether the operator made them.
//!
//! A browser can't be kept from sending a request, but it tells the truth in headers that pages can't set (Origin, Referer,
//! Sec-Fetch-Site). A page whose name was made to resolve to this machine (DNS rebinding) has that name in Host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use thiserror::Error;

use crate::settings::{AllowedHosts, host_name};

/// Why a request may be a web page's; the text is for the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Suspicion {
    /// Its Host is not a name of this listener, is malformed, missing, or there twice. The name, if it has one.
    #[error(
        "Host is neither an IP address nor localhost nor one of admin.hosts; ask by address, or add the name to admin.hosts if \
         it is this server's"
    )]
    Host(Option<String>),
    /// This header names a page of another site.
    #[error(
        "{0} says that a web page of another site is behind this request; use curl, or type the URL into the browser's address \
         bar"
    )]
    Page(&'static str),
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks that a request is not a web page's.
pub(super) fn check(head: &RequestHead, allowed: &AllowedHosts) -> Result<(), Suspicion> {
    let own = own_authority(head, allowed)?;
    let is_own = |authority: &str| own.is_some() && Authority::parse(authority) == own;
    let every = |name: &'static str, header: HeaderName, is_own: &dyn Fn(&str) -> bool| {
        let mut values = head.headers().get_all(header);
        let all = values.all(|value| value.to_str().is_ok_and(is_own));
        all.then_some(()).ok_or(Suspicion::Page(name))
    };
    // `none` is what the user typed or chose from the bookmarks.
    every("Sec-Fetch-Site", SEC_FETCH_SITE, &|value| {
        matches!(value, "same-origin" | "none")
    })?;
    every("Origin", header::ORIGIN, &|value| {
        after_scheme(value).is_some_and(is_own)
    })?;
    every("Referer", header::REFERER, &|value| {
        let authority = after_scheme(value).and_then(|rest| rest.split(['/', '?', '#']).next());
        authority.is_some_and(is_own)
    })
}

/// The authority that a request is for. `None` if it names none, which HTTP/1.0 allows and no browser does.
fn own_authority(head: &RequestHead, allowed: &AllowedHosts) -> Result<Option<Authority>, Suspicion> {
    // `GET http://name/path` names a host as well; browsers send that to proxies only.
    let target = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let hosts = head.headers().get_all(header::HOST).map(HeaderValue::as_bytes);
    let mut own = None;
    for text in target.into_iter().chain(hosts) {
        let text = str::from_utf8(text).ok();
        let authority = text.and_then(Authority::parse).ok_or(Suspicion::Host(None))?;
        if let RequestHost::Name(name) = &authority.host
            && name != "localhost"
            && !allowed.contains(name)
        {
            return Err(Suspicion::Host(Some(name.clone())));
        }
        if own.as_ref().is_some_and(|own| *own != authority) {
            return Err(Suspicion::Host(None));
        }
        own = Some(authority);
    }
    if own.is_none() && head.version > Version::HTTP_10 {
        return Err(Suspicion::Host(None));
    }
    Ok(own)
}

/// The rest of a URL after `http://`.
fn after_scheme(url: &str) -> Option<&str> {
    const SCHEME: &str = "http://";
    let (scheme, rest) = url.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(rest)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    host: RequestHost,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum RequestHost {
    Address(IpAddr),
    /// In lower case, without a dot at the end.
    Name(String),
}

impl Authority {
    /// Parses `host` or `host:port`; an IPv6 address is in brackets. User names are not allowed.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                // The zone of a link-local address is the client's affair.
                let address = address.split_once('%').map_or(address, |(address, _)| address);
                (RequestHost::Address(address.parse::<Ipv6Addr>().ok()?.into()), port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (host, port) = text.split_at_checked(end)?;
                (RequestHost::parse(host)?, port)
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            Some("") => 80,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        Some(Self { host, port })
    }
}

impl RequestHost {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('.').unwrap_or(text).parse::<Ipv4Addr>() {
            Ok(address) => Some(Self::Address(address.into())),
            Err(_) => host_name(text).map(Self::Name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn suspicion(target: &str, headers: &[(&str, &str)]) -> Option<Suspicion> {
        let mut request = TestRequest::with_uri(target);
        for header in headers {
            request = request.append_header(*header);
        }
        let allowed = AllowedHosts::parse("Server, mirrorlist.monitoring.svc.").unwrap();
        check(request.to_http_request().head(), &allowed).err()
    }

    #[test]
    fn hosts_are_addresses_localhost_and_names_that_were_set() {
        let own = "127.0.0.1 127.0.0.1:3001 127.0.0.1.:3001 192.0.2.7:8080 [::1] [::1]:3001 [fe80::1%eth0]:3001 localhost \
                   LocalHost:3001 localhost. localhost: server:3001 SERVER. mirrorlist.monitoring.svc";
        for host in own.split(' ') {
            assert_eq!(suspicion("/", &[("Host", host)]), None, "{host}");
        }
        let foreign = "evil.example evil.example:3001 localhost.evil.example evil.localhost 127.0.0.1.evil.example \
                       127.0.0.1@evil.example user@127.0.0.1 127.0.0.1:3001@evil.example 127.0.0.1:evil 127.0.0.1:+80 \
                       127.0.0.1:99999 localhost.. . ::1 [::1 [::1]evil.example [evil.example] 2130706433 0x7f.1 \
                       server.evil.example";
        for host in foreign.split(' ').chain(["", "127.0.0.1, evil.example"]) {
            let found = suspicion("/", &[("Host", host)]);
            assert!(matches!(found, Some(Suspicion::Host(_))), "{host}: {found:?}");
        }
    }

    #[test]
    fn every_host_that_a_request_names_counts() {
        let local = ("Host", "127.0.0.1:3001");
        assert_eq!(suspicion("http://127.0.0.1:3001/livez", &[local]), None);
        for (target, headers) in [
            ("/", &[local, ("Host", "evil.example")][..]),
            ("/", &[("Host", "evil.example"), local]),
            ("/", &[local, ("Host", "localhost:3001")]),
            ("http://evil.example/admin/reload", &[local]),
            ("http://127.0.0.1:3001/admin/reload", &[("Host", "evil.example")]),
            ("http://evil.example/admin/reload", &[]),
            ("/", &[]),
        ] {
            let found = suspicion(target, headers);
            let is_refused = matches!(found, Some(Suspicion::Host(_)));
            assert!(is_refused, "{target} {headers:?}: {found:?}");
        }
        let http_1_0 = || TestRequest::get().version(Version::HTTP_10);
        let checked = |request: TestRequest| check(request.to_http_request().head(), &AllowedHosts::default());
        assert_eq!(checked(http_1_0()), Ok(()));
        let from_a_page = http_1_0().insert_header(("Origin", "http://127.0.0.1"));
        assert_eq!(checked(from_a_page), Err(Suspicion::Page("Origin")));
    }

    #[test]
    fn pages_are_the_listener_s_own_or_refused() {
        let host = ("Host", "127.0.0.1:3001");
        for own in [
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", "http://127.0.0.1:3001"),
            ("Referer", "http://127.0.0.1:3001/admin/status?a#b"),
            ("Referer", "HTTP://127.0.0.1:3001"),
        ] {
            assert_eq!(suspicion("/", &[host, own]), None, "{own:?}");
        }
        for other in [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Site", "same-origin, cross-site"),
            ("Sec-Fetch-Site", "Same-Origin"),
            ("Sec-Fetch-Site", ""),
            ("Origin", "null"),
            ("Origin", ""),
            ("Origin", "http://127.0.0.1"),
            ("Origin", "http://127.0.0.1:3002"),
            ("Origin", "https://127.0.0.1:3001"),
            ("Origin", "http://localhost:3001"),
            ("Origin", "http://evil.example"),
            ("Origin", "http://127.0.0.1:3001/"),
            ("Origin", "http://127.0.0.1:3001 http://evil.example"),
            ("Origin", "file://"),
            ("Origin", "\u{e9}"),
            ("Referer", "http://evil.example/http://127.0.0.1:3001/"),
            ("Referer", "http://127.0.0.1:3001.evil.example/"),
            ("Referer", "http://127.0.0.1:3001@evil.example/"),
            ("Referer", "http://evil.example\\@127.0.0.1:3001/"),
            ("Referer", "http://127.0.0.1:3001\\@evil.example/"),
            ("Referer", "https://127.0.0.1:3001/"),
            ("Referer", "about:blank"),
            ("Referer", ""),
        ] {
            let found = suspicion("/", &[host, other]);
            assert!(matches!(found, Some(Suspicion::Page(_))), "{other:?}: {found:?}");
        }
        // One good value doesn't cover another.
        for (name, good, bad) in [
            ("Sec-Fetch-Site", "none", "cross-site"),
            ("Origin", "http://127.0.0.1:3001", "http://evil.example"),
            ("Referer", "http://127.0.0.1:3001/", "http://evil.example/"),
        ] {
            for values in [[good, bad], [bad, good]] {
                let headers = [host, (name, values[0]), (name, values[1])];
                assert!(suspicion("/", &headers).is_some(), "{headers:?}");
            }
        }
        let port_80 = [("Host", "localhost"), ("Origin", "http://localhost:80")];
        assert_eq!(suspicion("/", &port_80), None);
    }

    #[test]
    fn a_list_of_hosts_has_names_only() {
        assert_eq!(AllowedHosts::parse(""), Some(AllowedHosts::default()));
        for bad in ["server:3001", "http://server", "*", "a b", "10.0.0.1", "server,[::1]"] {
            assert_eq!(AllowedHosts::parse(bad), None, "{bad}");
        }
    }
}
