//! Asks the admin listener of a running server: for the commands `reload` and `healthcheck`, in images without a shell or curl.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::http::admin::AdminAddress;

/// A reload of a large cache takes some seconds; nothing else takes long.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the admin listener said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Why nothing was said.
#[derive(Debug)]
pub struct AdminError {
    address: AdminAddress,
    error: io::Error,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, error } = self;
        match address {
            AdminAddress::Tcp(address) => write!(f, "no answer from the admin listener on {address}: {error}"),
            AdminAddress::Unix(path) => write!(f, "no answer from the admin listener on {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for AdminError {}

/// Asks with GET.
///
/// # Errors
/// Where the listener can't be reached or does not speak HTTP.
pub fn get(address: &AdminAddress, target: &str) -> Result<AdminAnswer, AdminError> {
    let answer = match address {
        AdminAddress::Tcp(listen) => connect(*listen).and_then(|stream| exchange(stream, target)),
        AdminAddress::Unix(path) => UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, target)
        }),
    };
    answer.map_err(|error| AdminError {
        address: address.clone(),
        error,
    })
}

/// Connects to where a server listens; one that listens on all addresses is asked on loopback.
fn connect(listen: SocketAddr) -> io::Result<TcpStream> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let stream = TcpStream::connect_timeout(&SocketAddr::new(ip, listen.port()), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, target: &str) -> io::Result<AdminAnswer> {
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(AdminAnswer {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        body: body.to_owned(),
    })
}
