//! Who may do what on the admin listener: [`browser`](super::browser) keeps web pages away from everything; `/admin/*` is for
//! operators, who are peers on this machine, and holders of the bearer token.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use slog::{Logger, warn};

use super::browser::{Suspicion, suspect};
use super::error;
use super::guesses::Guesses;
use super::peer::Peer;
use super::token::TokenFile;
use crate::metrics::{AdminRefusal, Metrics};
use crate::settings::AllowedHosts;

/// Refusals of one kind are logged at most this often; the line has their number.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Decides about requests.
pub struct Access {
    hosts: AllowedHosts,
    token: Option<TokenFile>,
    metrics: Arc<Metrics>,
    logger: Logger,
    guesses: Guesses,
    logged: Mutex<[Logged; AdminRefusal::ALL.len()]>,
}

/// What was logged of one kind of refusals.
#[derive(Debug, Clone, Copy, Default)]
struct Logged {
    last: Option<Instant>,
    /// Refusals that no line tells of yet.
    untold: u64,
}

/// A request that is refused.
struct Refused {
    kind: AdminRefusal,
    /// What the log says of it.
    detail: String,
    /// What the answer says.
    text: String,
}

impl Access {
    /// Access for these names of the listener, and for the holders of a token, if there is one.
    pub fn new(hosts: AllowedHosts, token: Option<TokenFile>, metrics: Arc<Metrics>, logger: Logger) -> Self {
        Self {
            hosts,
            token,
            metrics,
            logger,
            guesses: Guesses::default(),
            logged: Mutex::default(),
        }
    }

    /// The answer to a request that is refused.
    pub(super) async fn refuse(&self, request: &HttpRequest, peer: Peer) -> Option<HttpResponse> {
        let refused = self.judge(request, peer).err()?;
        self.metrics.admin_refused(refused.kind);
        self.log(&refused, peer);
        if refused.kind == AdminRefusal::WrongToken {
            actix_web::rt::time::sleep(self.guesses.count(peer.address(), Instant::now())).await;
        }
        Some(refused.answer())
    }

    fn judge(&self, request: &HttpRequest, peer: Peer) -> Result<(), Refused> {
        if let Some(suspicion) = suspect(request.head(), &self.hosts) {
            return Err(refuse_page(suspicion));
        }
        if !request.path().starts_with("/admin") {
            return Ok(());
        }
        let proxy = forwarding_header(request.headers());
        if peer.is_local() && proxy.is_none() {
            return Ok(());
        }
        let Some(token) = &self.token else {
            return Err(refuse_stranger(proxy));
        };
        let Some(sent) = bearer_token(request.headers()) else {
            return Err(refuse_token(AdminRefusal::NoToken, String::new()));
        };
        if !self.guesses.may_try(peer.address(), Instant::now()) {
            return Err(refuse_guesser());
        }
        let problem = match token.is_token(sent) {
            Ok(true) => return Ok(()),
            Ok(false) => String::new(),
            Err(problem) => problem,
        };
        Err(refuse_token(AdminRefusal::WrongToken, problem))
    }

    fn log(&self, refused: &Refused, peer: Peer) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(logged) = logged.get_mut(refused.kind as usize) else {
            return;
        };
        logged.untold += 1;
        if logged.last.is_some_and(|last| last.elapsed() < LOG_EVERY) {
            return;
        }
        warn!(self.logger, "admin request refused";
            "reason" => refused.kind.label(), "peer" => %peer, "detail" => &refused.detail, "requests" => logged.untold);
        *logged = Logged {
            last: Some(Instant::now()),
            untold: 0,
        };
    }
}

fn refuse_page(suspicion: Suspicion) -> Refused {
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

fn refuse_stranger(proxy: Option<&str>) -> Refused {
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

fn refuse_token(kind: AdminRefusal, problem: String) -> Refused {
    Refused {
        kind,
        detail: problem,
        text: "the bearer token is missing or wrong".to_owned(),
    }
}

fn refuse_guesser() -> Refused {
    Refused {
        kind: AdminRefusal::TooManyTokens,
        detail: String::new(),
        text: "this address has sent too many wrong bearer tokens; try again in some seconds".to_owned(),
    }
}

impl Refused {
    fn answer(&self) -> HttpResponse {
        if self.kind == AdminRefusal::TooManyTokens {
            let mut answer = error(StatusCode::TOO_MANY_REQUESTS, &self.text);
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            return answer;
        }
        if !matches!(self.kind, AdminRefusal::NoToken | AdminRefusal::WrongToken) {
            return error(StatusCode::FORBIDDEN, &self.text);
        }
        let mut answer = error(StatusCode::UNAUTHORIZED, &self.text);
        let scheme = HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        answer
    }
}

/// The headers by which proxies tell of themselves and of whose request they pass on, apart from all that begin with
/// `x-forwarded`.
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

/// A header by which a proxy gives itself away.
fn forwarding_header(headers: &HeaderMap) -> Option<&str> {
    let mut names = headers.keys().map(header::HeaderName::as_str);
    names.find(|name| name.starts_with("x-forwarded") || FORWARDING_HEADERS.contains(name))
}

const BEARER: &[u8] = b"Bearer ";

/// The token that a request brings.
fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(BEARER.len())?;
    scheme.eq_ignore_ascii_case(BEARER).then(|| token.trim_ascii())
}
