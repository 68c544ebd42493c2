//! A listener: an address, workers, and for each connection a guarded stream on which actix speaks HTTP/1.1. The public
//! listener, the admin listener and the generator's metrics listener are such listeners; their handlers answer the requests.
//!
//! HTTP/2 is not supported: no proxy speaks it to this server, and neither its streams nor its header lists can be limited.

use std::fmt;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use actix_http::body::{BoxBody, MessageBody};
use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service};
use actix_web::dev::Server;
use actix_web::rt::net::{TcpSocket, TcpStream, UnixStream};

use super::connection::guard::GuardedStream;
use super::connection::limits::Connections;
use super::connection::socket::Socket;
use super::connection::timer::Stopping;
use crate::settings::Deadlines;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Each worker accepts this many connections beyond its share of the limit. They are closed at once, but need a descriptor.
pub(crate) const CONNECTIONS_TO_CLOSE: usize = 8;

/// A socket that is listened on.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on a TCP address, even if a server that has just stopped had it.
    ///
    /// # Errors
    /// The operating system refuses it.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self::Tcp(socket.listen(BACKLOG)?.into_std()?))
    }

    /// The TCP address; `None` for a Unix socket.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }
}

/// How connections are served.
#[derive(Clone)]
pub(crate) struct Serving {
    pub(crate) workers: NonZeroUsize,
    pub(crate) deadlines: Deadlines,
    pub(crate) connections: Arc<Connections>,
    /// Seconds that requests under way have to finish after a stop.
    pub(crate) stop_seconds: u64,
}

/// Serves the connections of a listener. `handler` makes each worker's handler.
///
/// # Errors
/// The workers can't be started.
pub(crate) fn serve<H, F, S, B>(listener: Listener, serving: Serving, handler: H) -> io::Result<Server>
where
    H: Fn() -> F + Send + Clone + 'static,
    F: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = ()> + 'static,
    S::Error: Into<Response<BoxBody>> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    S::Future: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let share = serving.connections.limits.all.div_ceil(serving.workers.get());
    let builder = Server::build()
        .workers(serving.workers.get())
        .max_concurrent_connections(share + CONNECTIONS_TO_CLOSE)
        .shutdown_timeout(serving.stop_seconds)
        .disable_signals();
    let signal = builder.graceful_shutdown_signal();
    let stopping = move || -> Stopping {
        let signal = signal.clone();
        Box::pin(async move { signal.notified().await })
    };
    // The guard owns all deadlines.
    let builder = match listener {
        Listener::Tcp(listener) => builder.listen("tcp", listener, move || {
            let http = HttpService::build()
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                .h1(handler());
            guarded::<TcpStream>(serving.clone(), stopping.clone()).and_then(http)
        }),
        Listener::Unix(listener) => builder.listen_uds("unix", listener, move || {
            let http = HttpService::build()
                .keep_alive(KeepAlive::Os)
                .client_request_timeout(Duration::ZERO)
                .on_connect_ext(|stream: &GuardedStream<UnixStream>, data| {
                    if let Ok(peer) = stream.socket.peer_cred() {
                        data.insert(peer);
                    }
                })
                .h1(handler());
            guarded::<UnixStream>(serving.clone(), stopping.clone()).and_then(http)
        }),
    };
    Ok(builder?.run())
}

/// Turns admitted connections into guarded streams.
fn guarded<S: Socket + 'static>(
    serving: Serving,
    stopping: impl Fn() -> Stopping + Clone + 'static,
) -> impl ServiceFactory<
    S,
    Config = (),
    Response = (GuardedStream<S>, Option<SocketAddr>),
    Error = DispatchError,
    InitError = (),
> {
    fn_service(move |socket: S| {
        let peer = socket.prepare();
        let admission = serving.connections.admit(peer.map(|peer| peer.ip()));
        let guard = |admission| GuardedStream::new(socket, serving.deadlines, admission, stopping());
        let guarded = admission.map(|admission| (guard(admission), peer));
        // This error closes the connection.
        ready(guarded.ok_or(DispatchError::DisconnectTimeout))
    })
}
