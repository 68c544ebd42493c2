//! Mirrors on loopback: one that serves a folder and remembers what it was asked for, and one that is dead.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::support::PATIENCE;

/// A mirror that serves a folder over HTTP; dropping it stops it.
pub(crate) struct Mirror {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    root: PathBuf,
    /// The paths that were asked for, in order.
    requests: Mutex<Vec<String>>,
    stopping: AtomicBool,
}

impl Mirror {
    /// Serves a folder as `/`.
    pub(crate) fn of(root: &Path) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            requests: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accept(&listener, &for_acceptor)));
        Self {
            address,
            shared,
            acceptor,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was asked for files with this name.
    pub(crate) fn requests_for(&self, name: &str) -> usize {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|path| path.ends_with(name)).count()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // The acceptor waits for a connection, so it gets one.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        // Clients that go away early are no failure of a mirror.
        thread::spawn(move || connection.and_then(|connection| answer(&connection, &shared)));
    }
}

/// One request on each connection: GET or HEAD, without ranges.
fn answer(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let lines: Vec<String> = BufReader::new(connection)
        .lines()
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        .collect::<io::Result<_>>()?;
    let mut words = lines.first().map_or("", |line| line).split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    shared.requests.lock().unwrap().push(path.to_owned());
    let (status, body) = match read(&shared.root, path) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let mut out = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    if method != "HEAD" {
        out.extend(body);
    }
    let mut connection = connection;
    connection.write_all(&out)
}

fn read(root: &Path, path: &str) -> io::Result<Vec<u8>> {
    let path = Path::new(path.trim_start_matches('/'));
    if path.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(io::ErrorKind::NotFound.into());
    }
    fs::read(root.join(path))
}

/// A mirror that refuses connections, reliably: the local port of a connection is one that nobody listens on, and that nobody
/// else gets while the connection is open.
pub(crate) struct DeadMirror {
    connection: TcpStream,
    _listener: TcpListener,
}

impl DeadMirror {
    /// A mirror that just died.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Self {
            connection,
            _listener: listener,
        }
    }

    /// Where nobody listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.connection.local_addr().unwrap()
    }
}
