//! Asks the admin listener of a running server, or the metrics listener of a running generator: for the commands `reload` and
//! `healthcheck`, in images without a shell or curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use crate::settings::AdminAddress;

/// A reload of a large cache takes some seconds; nothing else takes long.
const PATIENCE: Duration = Duration::from_secs(120);

/// How to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// For what changes nothing.
    Get,
    /// For what changes something.
    Post,
}

/// Asks and prints the answer, as a program of this name. The exit code is 0 for the status 200, 1 for another one, and 69
/// (EX_UNAVAILABLE) without an answer.
pub fn ask(program: &str, address: &AdminAddress, method: Method, target: &str) -> ExitCode {
    match request(address, method, target) {
        Ok(answer) => {
            let printed = io::stdout().write_all(answer.body.as_bytes());
            match answer.status {
                200 if printed.is_ok() => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            let address = match address {
                AdminAddress::Tcp(address) => address.to_string(),
                AdminAddress::Unix(path) => path.display().to_string(),
            };
            // With standard error closed there is nobody to tell; the exit code still says it.
            let _ = writeln!(io::stderr(), "{program}: no answer from {address}: {error}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

const UNAVAILABLE: u8 = 69;

struct Answer {
    status: u16,
    body: String,
}

fn request(address: &AdminAddress, method: Method, target: &str) -> io::Result<Answer> {
    match address {
        AdminAddress::Tcp(listen) => exchange(connect(*listen)?, method, target),
        AdminAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream, method, target)
        }
    }
}

/// Connects to where a program listens; one that listens on all addresses is asked on loopback.
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

fn exchange(mut stream: impl Read + Write, method: Method, target: &str) -> io::Result<Answer> {
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    match method {
        Method::Get => write!(stream, "GET {target} HTTP/1.0\r\n\r\n")?,
        Method::Post => write!(stream, "POST {target} HTTP/1.0\r\nContent-Length: 0\r\n\r\n")?,
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok(Answer {
        status: status.ok_or(io::ErrorKind::InvalidData)?,
        body: body.to_owned(),
    })
}
