//! Servers that are not what they should be: silent, closed, or with answers that are changed on their way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::http::{self, Response};

/// What becomes of a request.
pub(crate) enum Reply {
    /// This answer.
    Answer(Response),
    /// Nothing, for as long as the client waits.
    Silence,
    /// The end of the connection.
    Close,
    /// Bytes that are no HTTP.
    Noise,
}

/// A server on a free port, as long as it is kept.
pub(crate) struct Stub {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Stub {
    /// A server that replies to targets.
    pub(crate) fn new(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::serving(move |connection| answer(connection, &reply))
    }

    fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let (serve, end) = (Arc::new(serve), Arc::clone(&stopped));
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(connection));
            }
        });
        Self { address, stopped }
    }

    /// A server that asks another one and speaks TLS, with a certificate for 127.0.0.1, which it gives in PEM.
    pub(crate) fn with_tls_before(server: SocketAddr) -> (Self, String) {
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private.into())
            .unwrap();
        let config = Arc::new(config);
        let stub = Self::serving(move |connection| {
            let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
            answer(StreamOwned::new(tls, connection), &|target| {
                Reply::Answer(http::get(server, target))
            });
        });
        (stub, key.cert.pem())
    }

    /// A server that asks another one and changes its answers.
    pub(crate) fn before(server: SocketAddr, change: impl Fn(&str, Response) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(move |target| change(target, http::get(server, target)))
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its URL where it speaks TLS.
    pub(crate) fn https_url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes it, so that it sees that it is to end.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(connection: impl Read + Write, reply: &dyn Fn(&str) -> Reply) {
    let mut connection = BufReader::new(connection);
    let mut first = String::new();
    let mut line = String::new();
    // A client that is gone, or that does not trust the certificate, asks for nothing.
    if connection.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    while connection.read_line(&mut line).is_ok_and(|length| length > 2) {}
    let target = first.split(' ').nth(1).unwrap_or_default();
    let output = connection.get_mut();
    let _ = match reply(target) {
        Reply::Answer(answer) => output.write_all(&bytes(&answer)).and_then(|()| output.flush()),
        Reply::Noise => output.write_all(b"220 mail.example ESMTP\r\n"),
        Reply::Close => Ok(()),
        // To the end of the client's patience.
        Reply::Silence => connection.read_to_end(&mut Vec::new()).map(|_| ()),
    };
}

fn bytes(answer: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        if ["content-type", "location"].contains(&&*name.to_ascii_lowercase()) {
            head += &format!("{name}: {value}\r\n");
        }
    }
    head += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
    [head.as_bytes(), &answer.body].concat()
}
