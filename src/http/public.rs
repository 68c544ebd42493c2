//! The public handler: a request of actix to a query and an address, an answer to a response of actix.

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
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use prometheus::IntGauge;
use rand::TryRng;
use rand::rngs::SysRng;
use slog::{Logger, debug};

use super::client_address::{TrustedProxies, client_address, parse_address};
use crate::access_log::AccessLogLines;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::mirrorlist::{Answer, Answerer, Body, Endpoint, MirrorQuery, MirrorRequest, Refusal, answer, refuse};
use crate::snapshot::{SharedSnapshot, Snapshot};

/// How the public handler answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicSettings {
    /// With fewer listed hosts than this, hosts from all over the world are added.
    pub minimum: usize,
    /// The proxies whose X-Forwarded-For counts.
    pub trusted_proxies: TrustedProxies,
    /// Whether only trusted proxies may say `ip=`; for others it is as if absent.
    pub ip_from_trusted_only: bool,
}

/// What all workers share.
#[derive(Clone)]
pub struct Public {
    /// What answers are made from.
    pub snapshot: Arc<SharedSnapshot>,
    /// How they are made.
    pub settings: Arc<PublicSettings>,
    /// Where answered requests are noted.
    pub access_log: AccessLogLines,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Where details of requests go, at level debug.
    pub logger: Logger,
}

/// Answers the requests of a worker's connections.
pub fn handler(public: &Public) -> impl Fn(Request) -> Ready<Result<HttpResponse<Parts>, Infallible>> + Clone + use<> {
    // Without the operating system's entropy the order of mirrors could be foreseen, which harms nobody.
    let seed = SysRng.try_next_u64().unwrap_or_default();
    let worker = Rc::new(Worker::new(public.clone(), seed, Clock::default()));
    move |request| ready(Ok(worker.respond(&request)))
}

/// A worker: what is shared, and what it keeps for itself from request to request.
pub struct Worker {
    public: Public,
    own: RefCell<Own>,
}

struct Own {
    answerer: Answerer,
    clock: Clock,
    /// Requests since others were last let have the processor.
    answered: u32,
}

/// After so many requests a worker lets others have the processor. One that always has a next request would otherwise keep it
/// until the operating system's clock ticks, for milliseconds, while another worker or a proxy waits.
const REQUESTS_A_TURN: u32 = 16;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Worker {
    /// A worker whose shuffles follow from this seed.
    pub fn new(public: Public, seed: u64, clock: Clock) -> Self {
        Self {
            public,
            own: RefCell::new(Own {
                answerer: Answerer::seeded(seed),
                clock,
                answered: 0,
            }),
        }
    }

    /// Answers a request. Nothing in it waits, so a worker is never in two of these at once.
    pub fn respond(&self, request: &Request) -> HttpResponse<Parts> {
        let begin = Instant::now();
        let mut own = self.own.borrow_mut();
        let Own {
            answerer,
            clock,
            answered,
        } = &mut *own;
        clock.tick();
        let snapshot = self.public.snapshot.present();
        let query = MirrorQuery::parse(request.uri().query().unwrap_or_default());
        let endpoint = Endpoint::of_path(request.uri().path());
        let answer = self.answer(request, endpoint, &query, &snapshot, answerer, clock);
        self.public.metrics.answered(endpoint, &answer, begin.elapsed());
        *answered += 1;
        if *answered == REQUESTS_A_TURN {
            *answered = 0;
            std::thread::yield_now();
        }
        response(answer, &self.public.metrics.in_flight)
    }

    fn answer<'a>(
        &self,
        request: &Request,
        endpoint: Option<Endpoint>,
        query: &'a MirrorQuery<'_>,
        snapshot: &'a Snapshot,
        answerer: &mut Answerer,
        clock: &Clock,
    ) -> Answer<'a> {
        let refused = |refusal| refuse(None, endpoint, &refusal, clock.http_date());
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
            minimum: self.public.settings.minimum,
        };
        let answer = answer(snapshot, &mirror_request, clock.http_date(), answerer);
        if let Some(answered) = &answer.repository {
            self.public.access_log.record(address, clock.date(), answered);
        }
        debug!(self.public.logger, "request";
            "target" => %request.uri(), "client" => %address, "status" => answer.status, "bytes" => answer.body.len());
        answer
    }

    /// Whose request it is; none where `ip=` is no address.
    fn address(&self, request: &Request, query: &MirrorQuery<'_>) -> Option<IpAddr> {
        let settings = &self.public.settings;
        let peer = request
            .peer_addr()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
        let believed = !settings.ip_from_trusted_only || settings.trusted_proxies.contains(peer);
        if let Some(ip) = query.ip.as_deref().filter(|_| believed) {
            return parse_address(ip);
        }
        Some(client_address(
            peer,
            forwarded_for(request.headers()),
            &settings.trusted_proxies,
        ))
    }
}

fn forwarded_for(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = &[u8]> {
    let values: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).map(HeaderValue::as_bytes).collect();
    values.into_iter()
}

fn response(answer: Answer<'_>, in_flight: &IntGauge) -> HttpResponse<Parts> {
    // All statuses are from a short list of valid ones.
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = HttpResponse::with_body(status, Parts::new(answer.body, in_flight));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(answer.content.media_type()),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    // Control characters, which alone are no header value, have been refused or encoded.
    if let Some(location) = answer
        .location
        .and_then(|url| HeaderValue::from_bytes(url.as_bytes()).ok())
    {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// A body is handed to its connection in pieces of at most this many bytes: a connection's buffer is as large as what it is given
/// at once, and kept for the next answer if it has up to 128 KB. Most answers are one piece.
const PIECE: usize = 63 << 10;

/// A body whose shared part is sent from where it is. While it exists, its request is in flight.
pub struct Parts {
    parts: [Bytes; 3],
    length: u64,
    in_flight: IntGauge,
}

impl Parts {
    fn new(body: Body, in_flight: &IntGauge) -> Self {
        in_flight.inc();
        Self {
            length: body.len() as u64,
            parts: [body.start, body.shared, Bytes::from_static(body.end.as_bytes())],
            in_flight: in_flight.clone(),
        }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.in_flight.dec();
    }
}

impl MessageBody for Parts {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.length)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let next = self.parts.iter_mut().find(|part| !part.is_empty());
        Poll::Ready(next.map(|part| Ok(part.split_to(part.len().min(PIECE)))))
    }
}
