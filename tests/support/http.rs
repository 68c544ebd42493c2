//! A minimal HTTP client: one request on a connection, the whole answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// The headers as they came.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The first header with this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// The body as a text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Asks with GET.
pub(crate) fn get(address: SocketAddr, target: &str) -> Response {
    get_with(address, target, &[])
}

/// Asks with GET and further headers.
pub(crate) fn get_with(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Response {
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    exchange(address, request.as_bytes())
}

/// Asks with POST, without a body.
pub(crate) fn post(address: SocketAddr, target: &str) -> Response {
    let request =
        format!("POST {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    exchange(address, request.as_bytes())
}

/// Sends a request as it stands, after which the server has to close the connection, and reads the answer.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Response {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(request).unwrap();
    let mut bytes = Vec::new();
    connection.read_to_end(&mut bytes).unwrap();
    parse(&bytes, request.starts_with(b"HEAD "))
}

/// The answer to a HEAD request has the length of a body that does not follow.
fn parse(bytes: &[u8], is_to_head: bool) -> Response {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no HTTP answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
    let response = Response {
        status: status.parse().unwrap(),
        headers: lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect(),
        body: bytes[end + 4..].to_vec(),
    };
    assert_eq!(
        response.header("Transfer-Encoding"),
        None,
        "this client reads no chunks"
    );
    if let Some(length) = response.header("Content-Length").filter(|_| !is_to_head) {
        assert_eq!(length, response.body.len().to_string(), "the body is cut short");
    }
    response
}
