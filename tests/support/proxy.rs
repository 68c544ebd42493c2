//! A network that can go silent: connections stay open and nothing comes through any more.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Passes on what goes to and from a server on loopback.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    limits: Arc<Limits>,
}

struct Limits {
    /// This many bytes of what the server says come through on each connection.
    bytes: AtomicU64,
    /// Only so many of the connections are concerned.
    connections: AtomicUsize,
}

impl Proxy {
    /// Passes on everything.
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let limits = Arc::new(Limits {
            bytes: AtomicU64::new(u64::MAX),
            connections: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&limits);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                pass(client.unwrap(), server, shared.limit());
            }
        });
        Self { port, limits }
    }

    /// From now on, so many of the next connections go silent after this many bytes of the server.
    pub(crate) fn silence(&self, bytes: u64, connections: usize) {
        self.limits.bytes.store(bytes, Ordering::SeqCst);
        self.limits.connections.store(connections, Ordering::SeqCst);
    }
}

impl Limits {
    /// The limit of the next connection.
    fn limit(&self) -> u64 {
        let one_less = |number: usize| number.checked_sub(1);
        match self
            .connections
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        {
            Ok(_) => self.bytes.load(Ordering::SeqCst),
            Err(_) => u64::MAX,
        }
    }
}

fn pass(client: TcpStream, server: TcpStream, limit: u64) {
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let (mut left, mut buffer) = (limit, [0; 4096]);
        // A silent one goes on reading, and keeps both ends open until the client closes its own.
        while let Ok(length @ 1..) = (&server).read(&mut buffer) {
            let passed = usize::try_from(left).unwrap_or(usize::MAX).min(length);
            left = left.saturating_sub(passed as u64);
            if (&client).write_all(&buffer[..passed]).is_err() {
                break;
            }
        }
        if limit == u64::MAX {
            let _ = client.shutdown(Shutdown::Both);
        }
    });
}
