//! A client that sends bytes as they stand and is strict about what comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::PATIENCE;

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Names in lower case, in alphabetical order since theirs is not always the same; without Date, which differs from second to
    /// second.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection on which waiting has an end.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.set_write_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Sends bytes, and nothing after them; reads to the end.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut connection = connect(address);
    // A server that has refused the beginning need not read the rest.
    let _ = connection.write_all(bytes);
    let _ = connection.shutdown(Shutdown::Write);
    read_to_end(&mut connection)
}

/// Reads to the end, which has to be an orderly one: a reset would take answers away.
pub(crate) fn read_to_end(connection: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    connection.read_to_end(&mut received).unwrap();
    received
}

/// Takes apart what a server sent on one connection. `heads` tells for each answer in turn whether it is to a HEAD request; for
/// those beyond, an answer whose body is missing is taken for one to HEAD.
pub(crate) fn answers(mut bytes: &[u8], heads: &[bool]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let to_head = heads.get(answers.len()).copied();
        let (answer, rest) = answer(bytes, to_head);
        answers.push(answer);
        bytes = rest;
    }
    answers
}

fn answer(bytes: &[u8], to_head: Option<bool>) -> (Answer, &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head of an answer: {text:?}"));
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next().unwrap().splitn(3, ' ');
    let version = status_line.next().unwrap();
    assert!(["HTTP/1.0", "HTTP/1.1"].contains(&version), "{text:?}");
    let status = status_line.next().unwrap();
    assert!(status.len() == 3 && status_line.next().is_some(), "{text:?}");
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} in {text:?}"));
        assert!(
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "{line:?}"
        );
        assert!(value.bytes().all(|b| b == b' ' || b.is_ascii_graphic()), "{line:?}");
        if name != "date" {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    headers.sort();
    let rest = &bytes[end + 4..];
    let mut answer = Answer {
        version: version.to_owned(),
        status: status.parse().unwrap(),
        headers,
        body: Vec::new(),
    };
    assert_eq!(answer.header("transfer-encoding"), None);
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    let has_body = to_head.map_or(!(rest.is_empty() || rest.starts_with(b"HTTP/1.")), |head| !head);
    if !has_body {
        return (answer, rest);
    }
    assert!(rest.len() >= length, "a body is cut short: {text:?}");
    answer.body = rest[..length].to_vec();
    (answer, &rest[length..])
}

/// Waits for the end of a connection on which nothing is sent any more; gives what came before.
pub(crate) fn wait_for_end(connection: &mut TcpStream, limit: Duration) -> Vec<u8> {
    connection.set_read_timeout(Some(limit)).unwrap();
    let mut received = Vec::new();
    match connection.read_to_end(&mut received) {
        Ok(_) => received,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => received,
        Err(error) => panic!("the connection is still open after {limit:?}: {error}"),
    }
}
