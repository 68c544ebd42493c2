//! Which web pages may read an answer: the CORS protocol of the Fetch standard, for `cors.origins`. Answers need no credentials, so
//! none are allowed.

use actix_web::HttpMessage;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};

use crate::settings::AllowedOrigins;

/// What the answer to a request says about web pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cors {
    /// The value of Access-Control-Allow-Origin; `None`: the page may not read the answer.
    allowed: Option<HeaderValue>,
    /// Whether that depends on the origin.
    varies: bool,
}

impl Cors {
    /// The rule for a request; `None` if the setting is empty.
    pub(super) fn of(origins: &AllowedOrigins, request: &impl HttpMessage) -> Option<Self> {
        let (allowed, varies) = match origins {
            AllowedOrigins::None => return None,
            AllowedOrigins::Any => (Some(HeaderValue::from_static("*")), false),
            AllowedOrigins::Listed(listed) => {
                let origin = request.headers().get(ORIGIN);
                let is_listed =
                    |origin: &&HeaderValue| listed.iter().any(|known| origin.as_bytes() == known.as_bytes());
                (origin.filter(is_listed).cloned(), true)
            }
        };
        Some(Self { allowed, varies })
    }

    /// Whether a request with this method and these headers is a preflight of a page that may read answers.
    pub(super) fn answers_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && self.allowed.is_some()
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Adds the headers of the rule; those of a preflight's answer too.
    pub(super) fn write(self, is_preflight: bool, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = self.allowed else {
            return;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if is_preflight {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Accept"));
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        }
    }
}
