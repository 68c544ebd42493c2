//! The rules of the admin listener: [`browser`](super::browser) keeps web pages away from everything; `/admin/*` is for
//! operators, who are peers on this machine, and holders of the bearer token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use slog::{Logger, warn};

use super::browser::{AllowedHosts, Suspicion, suspect};
use super::guesses::Guesses;
use super::peer::Peer;
use super::response::error;
use super::token::TokenFile;
use crate::metrics::table::ByLabel;
use crate::metrics::{AdminRefusal, ServerMetrics};
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

/// A request that is refused.
struct Refused {
    kind: AdminRefusal,
    /// For the log.
    detail: String,
    /// For the client.
    text: String,
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
        let refused = page_refusal(suspect(head, &self.hosts)?);
        Some(self.refuse(&refused, peer))
    }

    /// The answer to a request for `/admin/*` that is not an operator's. Wrong tokens get it late.
    pub(super) async fn refuse_stranger(&self, headers: &HeaderMap, peer: Peer) -> Option<HttpResponse> {
        let refused = self.check_operator(headers, peer).err()?;
        let answer = self.refuse(&refused, peer);
        if refused.kind == AdminRefusal::WrongToken {
            actix_web::rt::time::sleep(self.guesses.count(peer.address(), Instant::now())).await;
        }
        Some(answer)
    }

    fn check_operator(&self, headers: &HeaderMap, peer: Peer) -> Result<(), Refused> {
        let proxy = forwarding_header(headers);
        if peer.is_local() && proxy.is_none() {
            return Ok(());
        }
        let Some(token) = &self.token else {
            return Err(stranger_refusal(proxy));
        };
        let Some(sent) = bearer_token(headers) else {
            return Err(token_refusal(AdminRefusal::NoToken, String::new()));
        };
        if !self.guesses.may_try(peer.address(), Instant::now()) {
            return Err(guesser_refusal());
        }
        match token.is_token(sent) {
            Ok(true) => Ok(()),
            Ok(false) => Err(token_refusal(AdminRefusal::WrongToken, String::new())),
            Err(problem) => Err(token_refusal(AdminRefusal::WrongToken, problem)),
        }
    }

    /// Counts and logs a refusal, and makes its answer.
    fn refuse(&self, refused: &Refused, peer: Peer) -> HttpResponse {
        self.metrics.admin_refusals.inc(refused.kind);
        if let Some(requests) = self.logged.of(refused.kind).count(Instant::now()) {
            warn!(self.logger, "admin request refused";
                "reason" => refused.kind.label(), "peer" => %peer, "detail" => &refused.detail, "requests" => requests);
        }
        refused.answer()
    }
}

fn page_refusal(suspicion: Suspicion) -> Refused {
    let (kind, detail, text) = match suspicion {
        Suspicion::Host(name) => {
            let name = name.unwrap_or_default();
            let text = "Host is neither an IP address nor localhost nor one of admin.hosts; ask by address, or add the name \
                        to admin.hosts if it is this server's";
            (AdminRefusal::Host, name, text.to_owned())
        }
        Suspicion::Page(header) => {
            let text = format!(
                "{header} says that a web page of another site is behind this request; use curl, or type the URL into \
                 the browser's address bar"
            );
            (AdminRefusal::Browser, header.to_owned(), text)
        }
    };
    Refused { kind, detail, text }
}

fn stranger_refusal(proxy: Option<&str>) -> Refused {
    let text = match proxy {
        None => {
            "/admin/* is for loopback only; to use it from elsewhere, set admin.token_file and send its content as a \
             bearer token"
                .to_owned()
        }
        Some(header) => format!(
            "{header} says that a proxy passes this request on, so that it may be anyone's; ask without the proxy, or set \
             admin.token_file and send its content as a bearer token"
        ),
    };
    Refused {
        kind: AdminRefusal::Elsewhere,
        detail: proxy.unwrap_or_default().to_owned(),
        text,
    }
}

fn token_refusal(kind: AdminRefusal, problem: String) -> Refused {
    Refused {
        kind,
        detail: problem,
        text: "the bearer token is missing or wrong".to_owned(),
    }
}

fn guesser_refusal() -> Refused {
    Refused {
        kind: AdminRefusal::TooManyTokens,
        detail: String::new(),
        text: "this address has sent too many wrong bearer tokens; try again in some seconds".to_owned(),
    }
}

impl Refused {
    fn answer(&self) -> HttpResponse {
        let (status, further) = match self.kind {
            AdminRefusal::TooManyTokens => (StatusCode::TOO_MANY_REQUESTS, Some((header::RETRY_AFTER, "10"))),
            AdminRefusal::NoToken | AdminRefusal::WrongToken => {
                (StatusCode::UNAUTHORIZED, Some((header::WWW_AUTHENTICATE, "Bearer")))
            }
            AdminRefusal::Browser | AdminRefusal::Host | AdminRefusal::Elsewhere => (StatusCode::FORBIDDEN, None),
        };
        let mut answer = error(status, &self.text);
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
fn forwarding_header(headers: &HeaderMap) -> Option<&str> {
    let mut names = headers.keys().map(header::HeaderName::as_str);
    names.find(|name| name.starts_with("x-forwarded") || FORWARDING_HEADERS.contains(name))
}

const BEARER: &[u8] = b"Bearer ";

/// The bearer token of a request.
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii())
}
