//! The public listener: sockets to connections, connections to requests of HTTP/1.1 or, with prior knowledge, HTTP/2 (RFC 9113,
//! 3.3). Answers are the [`Worker`]s' job.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request};
use actix_service::{ServiceFactoryExt as _, fn_service};
use actix_web::dev::Server;
use actix_web::rt::net::{TcpSocket, TcpStream};
use rand::TryRng;
use rand::rngs::SysRng;

use super::clock::Clock;
use super::public::{Public, Worker};

/// An idle connection is kept open this long: longer than a proxy's own limit, so that it is the proxy that closes.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A new connection has this long to send its first bytes, and then as long to send the head of its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(5);

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// How an HTTP/2 connection begins (RFC 9113, 3.4), as far as no HTTP/1.1 request does.
const HTTP2_PREFACE: &[u8; 12] = b"PRI * HTTP/2";

/// A server that listens on an address with this many workers, by default one for each processor, and where that is. Once it is
/// told to stop, requests under way are given `shutdown_seconds` to finish.
///
/// # Errors
/// Where the address can't be listened on.
pub fn listen(
    address: SocketAddr,
    workers: Option<NonZeroUsize>,
    shutdown_seconds: u64,
    public: Public,
) -> io::Result<(Server, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server takes over the address of one that has just stopped.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    let address = listener.local_addr()?;
    let mut server = Server::build().shutdown_timeout(shutdown_seconds).disable_signals();
    if let Some(workers) = workers {
        server = server.workers(workers.get());
    }
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen("public", listener, move || {
        // Without the operating system's entropy the order of mirrors could be foreseen, which harms nobody.
        let seed = SysRng.try_next_u64().unwrap_or_default();
        let worker = Rc::new(Worker::new(public.clone(), seed, Clock::default()));
        let begin = {
            let stopping = stopping.clone();
            move |stream: TcpStream| {
                let stopping = stopping.clone();
                async move {
                    tokio::select! {
                        first = tokio::time::timeout(FIRST_REQUEST, protocol(&stream)) => {
                            let protocol = first.map_err(|_| DispatchError::SlowRequestTimeout)??;
                            // What is left of an answer is sent without waiting for word that its beginning has arrived.
                            stream.set_nodelay(true)?;
                            let peer = stream.peer_addr().ok();
                            Ok((stream, protocol, peer))
                        }
                        // Nothing is lost with a connection on which nothing was asked.
                        () = stopping.notified() => Err(DispatchError::DisconnectTimeout),
                    }
                }
            }
        };
        let idle_ends = stopping.clone();
        let http = HttpService::build()
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(FIRST_REQUEST)
            .graceful_shutdown_signal(move || {
                let idle_ends = idle_ends.clone();
                async move { idle_ends.notified().await }
            })
            .local_addr(address)
            // There is one handler, so that requests go to it without a router.
            .finish(fn_service(move |request: Request| {
                ready(Ok::<_, Infallible>(worker.respond(&request)))
            }));
        fn_service(begin).and_then(http)
    })?;
    Ok((server.run(), address))
}

/// Waits for the first bytes of a connection, which tell its protocol.
async fn protocol(stream: &TcpStream) -> io::Result<Protocol> {
    let mut first = [0; HTTP2_PREFACE.len()];
    stream.peek(&mut first).await?;
    Ok(if first == *HTTP2_PREFACE {
        Protocol::Http2
    } else {
        Protocol::Http1
    })
}
