//! Asks the admin listener of a running server, or the metrics listener of a running generator. It serves the commands `reload`
//! and `healthcheck`, in images without a shell or curl.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::http::Method;

use crate::settings::AdminAddress;
use crate::settings::exit_codes::UNAVAILABLE;

/// How long an answer may take. A reload of a large cache takes some seconds.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Asks and prints the answer's body. The exit code is 0 for the status 200, 1 for another one, and 69 (EX_UNAVAILABLE) without
/// an answer; `program` is the name in the message about that.
pub fn ask(program: &str, address: &AdminAddress, method: &Method, target: &str) -> ExitCode {
    match request(address, method, target) {
        Ok((status, body)) => {
            let is_printed = io::stdout().write_all(body.as_bytes()).is_ok();
            if status == 200 && is_printed {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            // Standard error may be closed; the exit code is the answer then.
            let _ = writeln!(io::stderr(), "{program}: no answer from {address}: {error}");
            ExitCode::from(UNAVAILABLE)
        }
    }
}

/// Asks. Returns the status and the body.
fn request(address: &AdminAddress, method: &Method, target: &str) -> io::Result<(u16, String)> {
    match address {
        AdminAddress::Tcp(listen) => exchange(connect(*listen)?, method, target),
        AdminAddress::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            exchange(stream, method, target)
        }
    }
}

/// Connects to a listener; one that listens on all addresses is asked on loopback.
fn connect(listen: SocketAddr) -> io::Result<TcpStream> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let stream = TcpStream::connect_timeout(&SocketAddr::new(ip, listen.port()), ANSWER_LIMIT)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    Ok(stream)
}

fn exchange(mut stream: impl Read + Write, method: &Method, target: &str) -> io::Result<(u16, String)> {
    // HTTP/1.0: the answer comes in one piece and ends with the connection.
    let length = if method == Method::POST {
        "Content-Length: 0\r\n"
    } else {
        ""
    };
    write!(stream, "{method} {target} HTTP/1.0\r\n{length}\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}
