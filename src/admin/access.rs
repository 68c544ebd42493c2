//! The rules of the admin listener: [`browser`] keeps web pages away from everything; `/admin/*` is for
//! operators, who are peers on this machine, and holders of the bearer token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use slog::{Logger, warn};
use thiserror::Error;

use super::browser::{self, Suspicion};
use super::guesses::{self, Guesses};
use super::peer::Peer;
use super::response::error;
use super::token::TokenFile;
use crate::metrics::table::{ByLabel, LabelValue as _};
use crate::metrics::{AdminRefusal, ServerMetrics};
use crate::settings::AllowedHosts;
use crate::throttle::Throttle;

/// The log has at most one line in this time about each kind of refusal.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Refuses requests that break the rules, and counts and logs them.
pub struct Access {
    hosts: AllowedHosts,
    token: Option<TokenFile>,
    metrics: Arc<ServerMetrics>,
    logger: Logger,
    guesses: Guesses,
    logged: ByLabel<AdminRefusal, Throttle>,
}

/// A request that is refused; the text is for the client.
#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Page(#[from] Suspicion),
    #[error(
        "/admin/* is for loopback only; to use it from elsewhere, set admin.token_file and send its content as a bearer token"
    )]
    Remote,
    #[error(
        "{0} says that a proxy passes this request on, so that it may be anyone's; ask without the proxy, or set \
         admin.token_file and send its content as a bearer token"
    )]
    Proxied(HeaderName),
    #[error("the bearer token is missing or wrong")]
    NoToken,
    /// With what is wrong with the token file, if that is the reason.
    #[error("the bearer token is missing or wrong")]
    WrongToken(Option<String>),
    #[error("this address has sent too many wrong bearer tokens; try again in some seconds")]
    TooManyTokens,
}

impl Access {
    /// Allows requests for these names of the listener. Without a token, operators are peers on this machine only.
    pub fn new(hosts: AllowedHosts, token: Option<TokenFile>, metrics: Arc<ServerMetrics>, logger: Logger) -> Self {
        Self {
            hosts,
            token,
            metrics,
            logger,
            guesses: Guesses::default(),
            logged: ByLabel::new(|_| Throttle::new(LOG_EVERY)),
        }
    }

    /// The answer to a request that a web page of another site may have sent.
    pub(super) fn refuse_page(&self, head: &RequestHead, peer: Peer) -> Option<HttpResponse> {
        let refused = browser::check(head, &self.hosts).err()?;
        Some(self.refuse(&refused.into(), peer))
    }

    /// The answer to a request for `/admin/*` that is not an operator's. Wrong tokens get it late.
    pub(super) async fn refuse_stranger(&self, headers: &HeaderMap, peer: Peer) -> Option<HttpResponse> {
        let refused = self.check_operator(headers, peer).err()?;
        let answer = self.refuse(&refused, peer);
        if let Refused::WrongToken(problem) = &refused {
            // While the token file can't be read, a token is not known to be wrong.
            let delay = match problem {
                None => self.guesses.count(peer.address(), Instant::now()),
                Some(_) => guesses::DELAY,
            };
            actix_web::rt::time::sleep(delay).await;
        }
        Some(answer)
    }

    fn check_operator(&self, headers: &HeaderMap, peer: Peer) -> Result<(), Refused> {
        let proxy = forwarding_header(headers);
        if peer.is_local() && proxy.is_none() {
            return Ok(());
        }
        let Some(token) = &self.token else {
            return Err(proxy.map_or(Refused::Remote, |header| Refused::Proxied(header.clone())));
        };
        let sent = bearer_token(headers).ok_or(Refused::NoToken)?;
        if !self.guesses.may_try(peer.address(), Instant::now()) {
            return Err(Refused::TooManyTokens);
        }
        match token.is_token(sent) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refused::WrongToken(None)),
            Err(problem) => Err(Refused::WrongToken(Some(problem))),
        }
    }

    /// Counts and logs a refusal, and makes its answer.
    fn refuse(&self, refused: &Refused, peer: Peer) -> HttpResponse {
        let (reason, detail) = refused.reason_and_detail();
        self.metrics.admin_refusals.of(reason).inc();
        if let Some(requests) = self.logged.of(reason).count(Instant::now()) {
            warn!(self.logger, "admin request refused";
                "reason" => reason.label(), "peer" => %peer, "detail" => detail, "requests" => requests);
        }
        refused.answer()
    }
}

impl Refused {
    fn reason_and_detail(&self) -> (AdminRefusal, &str) {
        match self {
            Self::Page(Suspicion::Host(name)) => (AdminRefusal::Host, name.as_deref().unwrap_or("")),
            Self::Page(Suspicion::Page(header)) => (AdminRefusal::Browser, header),
            Self::Remote => (AdminRefusal::Elsewhere, ""),
            Self::Proxied(header) => (AdminRefusal::Elsewhere, header.as_str()),
            Self::NoToken => (AdminRefusal::NoToken, ""),
            Self::WrongToken(problem) => (AdminRefusal::WrongToken, problem.as_deref().unwrap_or("")),
            Self::TooManyTokens => (AdminRefusal::TooManyTokens, ""),
        }
    }

    fn answer(&self) -> HttpResponse {
        let (status, further) = match self {
            Self::TooManyTokens => (StatusCode::TOO_MANY_REQUESTS, Some((header::RETRY_AFTER, "10"))),
            Self::NoToken | Self::WrongToken(_) => {
                (StatusCode::UNAUTHORIZED, Some((header::WWW_AUTHENTICATE, "Bearer")))
            }
            Self::Page(_) | Self::Remote | Self::Proxied(_) => (StatusCode::FORBIDDEN, None),
        };
        let mut answer = error(status, &self.to_string());
        if let Some((name, value)) = further {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

/// The headers in which proxies name themselves or their client, apart from all that begin with `x-forwarded`.
const FORWARDING_HEADERS: [&str; 8] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-forwarded-for",
];

/// The header that shows that a request has passed a proxy.
fn forwarding_header(headers: &HeaderMap) -> Option<&HeaderName> {
    let mut names = headers.keys();
    names.find(|name| name.as_str().starts_with("x-forwarded") || FORWARDING_HEADERS.contains(&name.as_str()))
}

const BEARER: &[u8] = b"Bearer ";

fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii())
}
