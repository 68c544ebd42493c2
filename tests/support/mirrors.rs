//! Mirrors on loopback: real sockets, HTTP or HTTPS, each with a behaviour that can change. And caches that name them.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mirrorlist_server::cache::proto::{
    FileDetailsCacheDirectoryType, FileDetailsCacheFilesType, FileDetailsType, IntRepeatedIntMap, IntStringMap,
    MirrorList, MirrorListCacheType, StringRepeatedIntMap, StringStringMap,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as a mirror sees it.
#[derive(Debug, Clone)]
pub(crate) struct MirrorRequest {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl MirrorRequest {
    /// The header with this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What a mirror does with a request.
#[derive(Debug, Clone)]
pub(crate) enum MirrorReply {
    /// A status line's end, headers, and the body.
    Answer(&'static str, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
    /// The head of an answer, and then a byte now and then, for as long as the client waits.
    Trickle,
    /// 200 and a body whose length only its end tells.
    Unmeasured(Vec<u8>),
    /// The end of the connection.
    Close,
}

impl MirrorReply {
    /// 200 and a body.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Answer("200 OK", Vec::new(), body.into())
    }

    /// A status and nothing else.
    pub(crate) fn status(status: &'static str) -> Self {
        Self::Answer(status, Vec::new(), Vec::new())
    }

    /// A redirect.
    pub(crate) fn redirect(location: impl Into<String>) -> Self {
        Self::Answer("302 Found", vec![("Location", location.into())], Vec::new())
    }
}

type Behaviour = dyn Fn(&MirrorRequest) -> MirrorReply + Send + Sync;

/// Connections that are open, and the most that were at once.
#[derive(Debug, Default)]
pub(crate) struct OpenConnections {
    open: AtomicUsize,
    most: AtomicUsize,
}

impl OpenConnections {
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    fn add(&self) {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
    }

    fn remove(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A mirror, as long as it is kept.
pub(crate) struct Mirror {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    asked: Receiver<MirrorRequest>,
}

struct Shared {
    behaviour: Mutex<Arc<Behaviour>>,
    tls: Option<Arc<ServerConfig>>,
    stopped: AtomicBool,
    connections: [Arc<OpenConnections>; 2],
}

/// An address of loopback that no other mirror of this process has, so that mirrors are different machines.
pub(crate) fn next_address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    Ipv4Addr::from_bits(0x7f01_0001 + u32::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

impl Mirror {
    /// A mirror of HTTP on an address of its own.
    pub(crate) fn new(behaviour: impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static) -> Self {
        Self::counted(&Arc::default(), behaviour)
    }

    /// A mirror whose connections are counted together with those of others.
    pub(crate) fn counted(
        all: &Arc<OpenConnections>,
        behaviour: impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((next_address(), 0)).unwrap();
        Self::start(vec![listener], None, all, behaviour)
    }

    /// A mirror of HTTPS.
    pub(crate) fn https(
        authority: &Authority,
        until_year: i32,
        behaviour: impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static,
    ) -> Self {
        let address = next_address();
        let tls = authority.server(&address.to_string(), until_year);
        let listener = TcpListener::bind((address, 0)).unwrap();
        Self::start(vec![listener], Some(tls), &Arc::default(), behaviour)
    }

    /// A mirror of HTTP on one port of several addresses.
    pub(crate) fn on(
        addresses: &[IpAddr],
        behaviour: impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static,
    ) -> Self {
        let mut listeners: Vec<TcpListener> = Vec::new();
        for address in addresses {
            let port = listeners.first().map_or(0, |first| first.local_addr().unwrap().port());
            listeners.push(TcpListener::bind((*address, port)).unwrap());
        }
        Self::start(listeners, None, &Arc::default(), behaviour)
    }

    fn start(
        listeners: Vec<TcpListener>,
        tls: Option<Arc<ServerConfig>>,
        all: &Arc<OpenConnections>,
        behaviour: impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static,
    ) -> Self {
        let address = listeners[0].local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(Arc::new(behaviour)),
            tls,
            stopped: AtomicBool::new(false),
            connections: [Arc::default(), Arc::clone(all)],
        });
        let (sender, asked) = mpsc::channel();
        for listener in listeners {
            let (shared, sender) = (Arc::clone(&shared), sender.clone());
            thread::spawn(move || listen(&listener, &shared, &sender));
        }
        Self {
            address,
            scheme,
            shared,
            asked,
        }
    }

    /// From now on it does this.
    pub(crate) fn behave(&self, behaviour: impl Fn(&MirrorRequest) -> MirrorReply + Send + Sync + 'static) {
        *self.shared.behaviour.lock().unwrap() = Arc::new(behaviour);
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        self.url_by(&self.address.ip().to_string())
    }

    /// Its base URL by another name.
    pub(crate) fn url_by(&self, name: &str) -> String {
        format!("{}://{name}:{}/pub", self.scheme, self.address.port())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests since this was called last.
    pub(crate) fn requests(&self) -> Vec<MirrorRequest> {
        self.asked.try_iter().collect()
    }

    /// Waits for a request.
    pub(crate) fn wait_for_request(&self) -> MirrorRequest {
        self.asked.recv_timeout(super::PATIENCE).unwrap()
    }

    /// The most connections that it had at once.
    pub(crate) fn most_connections(&self) -> usize {
        self.shared.connections[0].most()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Wakes it, so that it sees that it is to end.
        let _ = TcpStream::connect(self.address);
    }
}

fn listen(listener: &TcpListener, shared: &Arc<Shared>, asked: &Sender<MirrorRequest>) {
    for connection in listener.incoming().map_while(Result::ok) {
        if shared.stopped.load(Ordering::Relaxed) {
            break;
        }
        let (shared, asked) = (Arc::clone(shared), asked.clone());
        let serve = move || {
            shared.connections.iter().for_each(|connections| connections.add());
            // Clients that see the end ask others: no connection may count longer than they have it.
            let count = RemoveAtEnd(&shared.connections);
            match &shared.tls {
                None => serve(connection, &shared, &asked, count),
                Some(tls) => {
                    let tls = ServerConnection::new(Arc::clone(tls)).unwrap();
                    serve(StreamOwned::new(tls, connection), &shared, &asked, count);
                }
            }
        };
        thread::Builder::new().stack_size(256 << 10).spawn(serve).unwrap();
    }
}

struct RemoveAtEnd<'a>(&'a [Arc<OpenConnections>; 2]);

impl Drop for RemoveAtEnd<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|connections| connections.remove());
    }
}

fn serve(connection: impl Read + Write, shared: &Shared, asked: &Sender<MirrorRequest>, count: RemoveAtEnd<'_>) {
    let mut connection = BufReader::new(connection);
    let Some(request) = read_request(&mut connection) else {
        return;
    };
    let behaviour = Arc::clone(&shared.behaviour.lock().unwrap());
    let _ = asked.send(request.clone());
    let reply = behaviour(&request);
    let output = connection.get_mut();
    let _ = match reply {
        MirrorReply::Answer(status, headers, body) => {
            let mut head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n",
                body.len()
            );
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            drop(count);
            output
                .write_all(&[head.as_bytes(), b"\r\n", &body].concat())
                .and_then(|()| output.flush())
        }
        MirrorReply::Trickle => {
            drop(count);
            trickle(output)
        }
        MirrorReply::Unmeasured(body) => {
            drop(count);
            let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
            output
                .write_all(&[&head[..], &body].concat())
                .and_then(|()| output.flush())
        }
        MirrorReply::Close => Ok(()),
        // To the end of the client's patience.
        MirrorReply::Silence => connection.read_to_end(&mut Vec::new()).map(|_| ()),
    };
}

/// The pace of a slow mirror: far more often than any patience ends.
const PACE: Duration = Duration::from_millis(20);

fn trickle(output: &mut impl Write) -> io::Result<()> {
    output.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
    loop {
        output.write_all(b"<").and_then(|()| output.flush())?;
        thread::sleep(PACE);
    }
}

fn read_request(connection: &mut impl BufRead) -> Option<MirrorRequest> {
    let mut line = || {
        let mut line = String::new();
        // A client that is gone, or that does not trust the certificate, asks for nothing.
        connection.read_line(&mut line).ok().filter(|length| *length > 2)?;
        Some(line.trim_end().to_owned())
    };
    let target = line()?.split(' ').nth(1)?.to_owned();
    let headers = std::iter::from_fn(line).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    });
    let headers = headers.collect();
    Some(MirrorRequest { target, headers })
}

/// An authority that clients trust if `SSL_CERT_FILE` holds its certificate.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(parameters, key),
            pem,
        }
    }

    fn server(&self, name: &str, until_year: i32) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(until_year, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let private = PrivatePkcs8KeyDer::from(key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private.into())
            .unwrap();
        Arc::new(config)
    }
}

/// The top directory of the only category.
pub(crate) const TOPDIR: &str = "pub/linux";

/// A host: id, country and URLs.
pub(crate) type MirrorHost<'a> = (i64, &'a str, Vec<String>);

/// A repository: name, and the versions of its repomd.xml with their times.
pub(crate) type MirrorRepository<'a> = (&'a str, Vec<(u64, &'a [u8])>);

/// A cache of hosts that carry repositories.
pub(crate) fn cache_of(hosts: &[MirrorHost<'_>], repositories: &[MirrorRepository<'_>]) -> MirrorList {
    let urls: Vec<(i64, &String)> = hosts
        .iter()
        .flat_map(|(id, _, urls)| urls.iter().map(move |url| (*id, url)))
        .collect();
    let urls: Vec<(i64, i64, &String)> = (1..).zip(urls).map(|(key, (host, url))| (key, host, url)).collect();
    let mut cache = MirrorList {
        time: 1_700_000_000,
        hc_url_cache: urls
            .iter()
            .map(|(key, _, url)| IntStringMap {
                key: *key,
                value: (*url).clone(),
            })
            .collect(),
        host_country_cache: hosts
            .iter()
            .map(|(id, country, _)| IntStringMap {
                key: *id,
                value: (*country).to_owned(),
            })
            .collect(),
        ..MirrorList::default()
    };
    for (name, versions) in repositories {
        cache.repo_arch_to_directory_name.push(StringStringMap {
            key: format!("{name}+x86_64"),
            value: format!("{TOPDIR}/{name}/os"),
        });
        for below in [format!("{name}/os"), format!("{name}/os/repodata")] {
            cache.mirror_list_cache.push(MirrorListCacheType {
                directory: format!("{TOPDIR}/{below}"),
                subpath: Some(below),
                global: hosts.iter().map(|(id, _, _)| *id).collect(),
                by_country: hosts
                    .iter()
                    .map(|(id, country, _)| StringRepeatedIntMap {
                        key: (*country).to_owned(),
                        value: vec![*id],
                    })
                    .collect(),
                by_host_id: hosts
                    .iter()
                    .map(|(id, _, _)| IntRepeatedIntMap {
                        key: *id,
                        value: urls
                            .iter()
                            .filter(|(_, host, _)| host == id)
                            .map(|(key, _, _)| *key)
                            .collect(),
                    })
                    .collect(),
                ..MirrorListCacheType::default()
            });
        }
        cache.file_details_cache.push(FileDetailsCacheDirectoryType {
            directory: format!("{TOPDIR}/{name}/os/repodata"),
            file_details_cache_files: vec![FileDetailsCacheFilesType {
                filename: "repomd.xml".to_owned(),
                file_details: versions.iter().map(|(time, content)| details(*time, content)).collect(),
            }],
        });
    }
    cache
}

fn details(time: u64, content: &[u8]) -> FileDetailsType {
    use ::ring::digest::{SHA256, digest};
    let sha256: String = digest(&SHA256, content)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    FileDetailsType {
        time_stamp: time,
        size: content.len() as u64,
        sha256: Some(sha256),
        ..FileDetailsType::default()
    }
}

/// A repomd.xml that was made at a time.
pub(crate) fn repomd(time: u64) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?>\n<repomd><data type=\"primary\"><timestamp>{time}</timestamp></data></repomd>\n")
        .into_bytes()
}
