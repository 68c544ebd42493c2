//! The public handler: turns a request of actix into a query and an address, and an answer into a response of actix. What an
//! answer says is decided in [`crate::mirrorlist`].

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_http::Request;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use prometheus::IntGauge;
use rand::TryRng;
use rand::rngs::SysRng;
use slog::{Logger, debug};

use super::accept::negotiate;
use super::client_address::{client_address, parse_address};
use super::cors::Cors;
use crate::access_log::LineBuffer;
use crate::clock::Clock;
use crate::metrics::ServerMetrics;
use crate::mirrorlist::{
    Answer, Answerer, Body, Content, Endpoint, MirrorQuery, MirrorRequest, Refusal, answer, refuse,
};
use crate::settings::{ChoiceSettings, PublicSettings};
use crate::snapshot::{SharedSnapshot, Snapshot};

/// The state that all workers share.
#[derive(Clone)]
pub struct Public {
    /// The source of answers.
    pub snapshot: Arc<SharedSnapshot>,
    /// How requests are taken.
    pub settings: Arc<PublicSettings>,
    /// How mirrors are chosen.
    pub choice: Arc<ChoiceSettings>,
    /// Gets a line for each answered repository request.
    pub access_log: Arc<LineBuffer>,
    /// Counts requests.
    pub metrics: Arc<ServerMetrics>,
    /// Gets the details of requests, at level debug.
    pub logger: Logger,
}

/// Makes the handler of a worker's requests.
pub fn handler(
    public: &Public,
) -> impl Fn(Request) -> Ready<Result<HttpResponse<ResponseBody>, Infallible>> + Clone + use<> {
    // Without the operating system's entropy the order of mirrors is predictable, which does no harm.
    let seed = SysRng.try_next_u64().unwrap_or_default();
    let worker = Rc::new(PublicWorker::new(public.clone(), seed, Clock::default()));
    move |request| ready(Ok(worker.respond(&request)))
}

/// A worker of the public listener.
pub struct PublicWorker {
    public: Public,
    state: RefCell<WorkerState>,
}

struct WorkerState {
    answerer: Answerer,
    clock: Clock,
    /// Requests since the last yield.
    answered: u32,
}

/// A worker yields the processor after so many requests. A worker that always has a next request would otherwise keep it until
/// the operating system's clock ticks, for milliseconds, while another worker or a proxy waits.
const YIELD_EVERY: u32 = 16;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl PublicWorker {
    /// Creates a worker whose shuffles follow from this seed.
    pub fn new(public: Public, seed: u64, clock: Clock) -> Self {
        Self {
            public,
            state: RefCell::new(WorkerState {
                answerer: Answerer::seeded(seed),
                clock,
                answered: 0,
            }),
        }
    }

    /// Answers a request. It never waits, so a worker has one request at a time.
    pub fn respond(&self, request: &Request) -> HttpResponse<ResponseBody> {
        let begin = Instant::now();
        let mut state = self.state.borrow_mut();
        state.clock.tick();
        let snapshot = self.public.snapshot.current();
        let mut query = MirrorQuery::parse(request.uri().query().unwrap_or_default());
        let endpoint = Endpoint::of_path(request.uri().path());
        let varies = choose_format(request, endpoint, &mut query);
        let cors = Cors::of(&self.public.settings.cors, request);
        let is_preflight = endpoint.is_some()
            && cors
                .as_ref()
                .is_some_and(|cors| cors.answers_preflight(request.method(), request.headers()));
        let answer = match is_preflight {
            true => empty_answer(),
            false => self.answer(request, endpoint, &query, &snapshot, &mut state),
        };
        self.public.metrics.answered(endpoint, &answer, begin.elapsed());
        state.answered += 1;
        if state.answered == YIELD_EVERY {
            state.answered = 0;
            std::thread::yield_now();
        }
        let mut response = response(answer, &self.public.metrics.in_flight);
        if varies {
            response
                .headers_mut()
                .append(header::VARY, HeaderValue::from_static("Accept"));
        }
        if let Some(cors) = cors {
            cors.write(is_preflight, response.headers_mut());
        }
        response
    }

    fn answer<'a>(
        &'a self,
        request: &Request,
        endpoint: Option<Endpoint>,
        query: &'a MirrorQuery<'_>,
        snapshot: &'a Snapshot,
        state: &mut WorkerState,
    ) -> Answer<'a> {
        let WorkerState { answerer, clock, .. } = state;
        let refused = |refusal| refuse(None, endpoint, query.format, &refusal, clock.http_date());
        let Some(endpoint) = endpoint else {
            return refused(Refusal::UnknownEndpoint);
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refused(Refusal::MethodNotAllowed);
        }
        let Some(address) = self.address(request, query) else {
            return refused(Refusal::InvalidAddress);
        };
        let mirror_request = MirrorRequest {
            endpoint,
            address,
            query,
            settings: &self.public.choice,
            now: clock.second(),
        };
        let answer = answer(snapshot, &mirror_request, clock.http_date(), answerer);
        if let Some(answered) = &answer.repository {
            self.public.access_log.record(address, clock.date(), answered);
        }
        debug!(self.public.logger, "request";
            "target" => %request.uri(), "client" => %address, "status" => answer.status, "bytes" => answer.body.len());
        answer
    }

    /// The client's address; `None` if `ip=` is no address.
    fn address(&self, request: &Request, query: &MirrorQuery<'_>) -> Option<IpAddr> {
        let settings = &self.public.settings;
        let peer = request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let believed = !settings.ip_from_trusted_only || settings.trusted_proxies.contains(peer);
        if let Some(ip) = query.ip.as_deref().filter(|_| believed) {
            return parse_address(ip);
        }
        let values = request.headers().get_all(FORWARDED_FOR).map(HeaderValue::as_bytes);
        let values: Vec<&[u8]> = values.collect();
        Some(client_address(peer, values.into_iter(), &settings.trusted_proxies))
    }
}

/// Sets the format of a query: that of `format=` if the endpoint has it, else the one that the Accept headers ask for. Returns whether
/// the answer depends on them.
fn choose_format(request: &Request, endpoint: Option<Endpoint>, query: &mut MirrorQuery<'_>) -> bool {
    query.format = query.format.and_then(|format| format.at(endpoint));
    if query.format.is_some() {
        return false;
    }
    let negotiated = negotiate(request, endpoint);
    query.format = negotiated.format;
    negotiated.is_named
}

/// An answer whose headers are all that there is.
fn empty_answer<'a>() -> Answer<'a> {
    Answer {
        status: 204,
        content: Content::ErrorText,
        location: None,
        headers: Vec::new(),
        body: Body::default(),
        repository: None,
        listed: None,
    }
}

fn response(answer: Answer<'_>, in_flight: &IntGauge) -> HttpResponse<ResponseBody> {
    // All statuses are valid.
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::with_body(status, ResponseBody::new(answer.body, in_flight));
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        let media_type = HeaderValue::from_static(answer.content.media_type());
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    // A URL has no control characters, the only ones that a header value can't hold: they are refused or encoded.
    let location = answer.location.map(|url| HeaderValue::from_bytes(url.as_bytes()));
    if let Some(Ok(location)) = location {
        headers.insert(header::LOCATION, location);
    }
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    response
}

/// The largest piece of a body that a connection gets at once. A connection's buffer is as large as its largest piece, and kept
/// for the next answer if it has up to 128 KB. Most answers are one piece.
const PIECE: usize = 63 << 10;

/// The body of a response. Its shared part is sent without a copy. Its request is in flight until the body is dropped.
pub struct ResponseBody {
    parts: [Bytes; 3],
    length: u64,
    in_flight: IntGauge,
}

impl ResponseBody {
    fn new(body: Body, in_flight: &IntGauge) -> Self {
        in_flight.inc();
        Self {
            length: body.len() as u64,
            parts: [body.start, body.shared, Bytes::from_static(body.end.as_bytes())],
            in_flight: in_flight.clone(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

impl MessageBody for ResponseBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let next = self.parts.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(part.split_to(part.len().min(PIECE)))))
    }
}
