//! One question of HTTP: a URL to a [`Reply`]. It decides nothing about mirrors.
//!
//! As librepo asks: without a proxy, uncompressed, through redirects between http and https. A connection lives for one question.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use ureq::config::IpFamily;
use ureq::http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION,
};
use ureq::http::{Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Error};
use url::{Host, Url};

use super::failure::Failure;
use super::names::Names;
use crate::health::AddressFamily;
use crate::settings::ProbeConfig;

/// Content with more bytes is not read.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// As many redirects are followed as librepo follows (`CURLOPT_MAXREDIRS`).
const MOST_REDIRECTS: usize = 6;

/// The memory of a connection for each direction, in bytes. A longer head is refused.
const BUFFER: usize = 16 << 10;

/// The families that a URL's host can have: an address has one.
pub(super) fn families_of(url: &str) -> &'static [AddressFamily] {
    let url = Url::parse(url).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Ipv4(_)) => &[AddressFamily::Ipv4],
        Some(Host::Ipv6(_)) => &[AddressFamily::Ipv6],
        _ => &AddressFamily::ALL,
    }
}

/// The end of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// 200 and the content.
    Content {
        body: Vec<u8>,
        etag: Option<String>,
        last_modified: Option<String>,
        elsewhere: Option<String>,
    },
    /// 304: the content is that of last time.
    NotModified { elsewhere: Option<String> },
    /// 200 and more than [`MOST_BYTES`].
    TooLarge,
    /// Any other status.
    Status {
        status: StatusCode,
        elsewhere: Option<String>,
    },
    /// A redirect that can't be followed, in words.
    Astray(String),
    /// The URL can't be asked, in words.
    Unaskable(String),
    /// No answer.
    Failure(Failure),
}

/// What is known of the last answer, so that the content need not come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Conditions<'a> {
    pub(super) etag: Option<&'a str>,
    pub(super) last_modified: Option<&'a str>,
}

impl<'a> Conditions<'a> {
    /// The conditions that can stand in headers: the health file that they come from may be anyone's.
    pub(super) fn new(etag: Option<&'a str>, last_modified: Option<&'a str>) -> Self {
        let sendable = |text: &&str| HeaderValue::from_str(text).is_ok();
        Self {
            etag: etag.filter(sendable),
            last_modified: last_modified.filter(sendable),
        }
    }

    fn any(self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

/// Asks mirrors.
pub(super) struct Asker {
    ipv4: Agent,
    ipv6: Agent,
    patience: Duration,
}

/// One hop of a question.
enum Hop {
    End(Reply),
    Redirect(StatusCode, Option<String>),
}

impl Asker {
    /// Reads the system's certificates. What is known of names lives as long as this.
    pub(super) fn new(config: &ProbeConfig) -> Self {
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots = roots.iter().map(|root| Certificate::from_der(root).to_owned());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(RootCerts::from(roots))
            .build();
        let names = Names::default();
        let agent = |family| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .proxy(None)
                .ip_family(family)
                .tls_config(tls.clone())
                .user_agent(user_agent(config))
                .accept("*/*")
                .input_buffer_size(BUFFER)
                .output_buffer_size(BUFFER)
                .max_response_header_size(BUFFER)
                .timeout_global(Some(config.patience))
                .max_idle_connections(0)
                .max_idle_connections_per_host(0)
                .build();
            Agent::with_parts(config, DefaultConnector::default(), names.clone())
        };
        Self {
            ipv4: agent(IpFamily::Ipv4Only),
            ipv6: agent(IpFamily::Ipv6Only),
            patience: config.patience,
        }
    }

    /// Asks for a URL, by addresses of one family.
    pub(super) fn ask(&self, url: &str, family: AddressFamily, conditions: Conditions<'_>) -> Reply {
        let deadline = Instant::now() + self.patience;
        let mut at = match Url::parse(url) {
            Ok(url) => url,
            Err(error) => return Reply::Unaskable(format!("not a URL that can be asked: {error}")),
        };
        let first = at.clone();
        for redirects in 0..=MOST_REDIRECTS {
            let elsewhere = at.host_str().filter(|host| first.host_str() != Some(*host));
            // The whole time is the agent's own limit. Another one has ureq compare the settings of TLS first.
            let left = (redirects > 0).then(|| deadline.saturating_duration_since(Instant::now()));
            let hop = self.hop(&at, family, conditions, left, elsewhere.map(str::to_owned));
            match hop {
                Ok(Hop::End(reply)) => return reply,
                Ok(Hop::Redirect(status, location)) => match target(&at, status, location.as_deref()) {
                    Ok(target) => at = target,
                    Err(words) => return Reply::Astray(words),
                },
                // Nothing was sent.
                Err(error @ (Error::BadUri(_) | Error::Http(_))) => return Reply::Unaskable(error.to_string()),
                Err(error) => return Reply::Failure(Failure::of(error, self.patience)),
            }
        }
        Reply::Astray(format!("more than {MOST_REDIRECTS} redirects, the last one to {at}"))
    }

    fn hop(
        &self,
        url: &Url,
        family: AddressFamily,
        conditions: Conditions<'_>,
        left: Option<Duration>,
        elsewhere: Option<String>,
    ) -> Result<Hop, Error> {
        let agent = match family {
            AddressFamily::Ipv4 => &self.ipv4,
            AddressFamily::Ipv6 => &self.ipv6,
        };
        let mut request = agent
            .get(url.as_str())
            .header(ACCEPT_ENCODING, "identity")
            .header(CONNECTION, "close");
        if let Some(etag) = conditions.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(time) = conditions.last_modified {
            request = request.header(IF_MODIFIED_SINCE, time);
        }
        let response = match left {
            None => request.call()?,
            left => request.config().timeout_global(left).build().call()?,
        };
        read(response, conditions.any(), elsewhere)
    }
}

fn user_agent(config: &ProbeConfig) -> String {
    let contact = config.contact.as_ref().map(|contact| format!("; {contact}"));
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "generate-mirrorlist-cache/{version} (mirror health probe{})",
        contact.unwrap_or_default()
    )
}

fn read(mut response: Response<Body>, conditional: bool, elsewhere: Option<String>) -> Result<Hop, Error> {
    let status = response.status();
    let header = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    match status.as_u16() {
        200 => {}
        301 | 302 | 303 | 307 | 308 => return Ok(Hop::Redirect(status, header(LOCATION))),
        304 if conditional => return Ok(Hop::End(Reply::NotModified { elsewhere })),
        _ => return Ok(Hop::End(Reply::Status { status, elsewhere })),
    }
    let (etag, last_modified) = (header(ETAG), header(LAST_MODIFIED));
    let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > MOST_BYTES) {
        return Ok(Hop::End(Reply::TooLarge));
    }
    match response.body_mut().with_config().limit(MOST_BYTES).read_to_vec() {
        Ok(body) => Ok(Hop::End(Reply::Content {
            body,
            etag,
            last_modified,
            elsewhere,
        })),
        Err(Error::BodyExceedsLimit(_)) => Ok(Hop::End(Reply::TooLarge)),
        Err(error) => Err(error),
    }
}

/// The target of a redirect, or in words why it leads nowhere.
fn target(from: &Url, status: StatusCode, location: Option<&str>) -> Result<Url, String> {
    let status = status.as_u16();
    let Some(location) = location else {
        return Err(format!("{status} without a Location"));
    };
    match from.join(location) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err(format!("{status} to {location}, which is not HTTP")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_to_http_only() {
        let from = Url::parse("http://a.example/x/y").unwrap();
        let to = |location| target(&from, StatusCode::FOUND, location).map(String::from);
        assert_eq!(to(Some("../z")), Ok("http://a.example/z".to_owned()));
        assert_eq!(to(Some("//b.example/z")), Ok("http://b.example/z".to_owned()));
        assert_eq!(to(Some("https://b.example/")), Ok("https://b.example/".to_owned()));
        assert_eq!(
            to(Some("ftp://b/z")),
            Err("302 to ftp://b/z, which is not HTTP".to_owned())
        );
        assert_eq!(
            to(Some("http://[")),
            Err("302 to http://[, which is not HTTP".to_owned())
        );
        assert_eq!(to(None), Err("302 without a Location".to_owned()));
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_no_condition() {
        let conditions = Conditions::new(Some("\"1\"\r\nX-Evil: 1"), Some("Tue, 14 Nov 2023 22:13:20 GMT"));
        assert_eq!((conditions.etag, conditions.last_modified.is_some()), (None, true));
    }

    #[test]
    fn an_address_has_one_family() {
        assert_eq!(families_of("http://192.0.2.1:8080/x"), [AddressFamily::Ipv4]);
        assert_eq!(families_of("https://[2001:db8::1]/x"), [AddressFamily::Ipv6]);
        assert_eq!(
            families_of("https://a.example/x"),
            [AddressFamily::Ipv4, AddressFamily::Ipv6]
        );
    }
}
