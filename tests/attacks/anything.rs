//! Whatever bytes a client sends, it gets nothing or well-formed HTTP, and the access log has whole lines.

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use quick_xml::events::Event;

use crate::fixture;
use crate::support::data::DataFiles;
use crate::support::server::Server;
use crate::wire::{answers, send};

/// All that a client may ever see.
const STATUSES: [u16; 13] = [200, 302, 400, 403, 404, 405, 408, 413, 414, 431, 501, 503, 505];

/// What requests are made of, and what breaks them.
const PIECES: [&str; 46] = [
    "GET ",
    "HEAD ",
    "POST ",
    "OPTIONS ",
    "get ",
    "/mirrorlist",
    "/metalink",
    "/x/metalink",
    "?",
    "&",
    "=",
    "repo=linux-1",
    "arch=x86_64",
    "path=pub/linux/rsync",
    "path=%0d%0aX:%20y",
    "repo=%3C--%26",
    "ip=192.0.2.1",
    "ip=%ff",
    "country=de,%00",
    "redirect",
    "protocol=http",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/2.0",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    ": ",
    "Host: x",
    "Host: x\r\n\r\n",
    "X-Forwarded-For: 198.51.100.1, ::1",
    "Connection: close",
    "Connection: keep-alive",
    "Content-Length: 0",
    "Content-Length: 3",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "%",
    "é",
    "<!--",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "..",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = select(PIECES.to_vec()).prop_map(|piece| piece.as_bytes().to_vec());
    let request = (
        select(vec!["GET", "HEAD", "POST", "BREW"]),
        select(vec!["/mirrorlist", "/metalink", "/a/mirrorlist", "/nothing"]),
        vec(select(PIECES[11..21].to_vec()), 0..4),
        select(vec!["HTTP/1.1\r\nHost: x", "HTTP/1.0"]),
        vec(select(PIECES[33..41].to_vec()), 0..2),
    );
    let request = request.prop_map(|(method, path, query, version, fields)| {
        let fields: String = fields.iter().map(|field| format!("\r\n{field}")).collect();
        format!("{method} {path}?{} {version}{fields}\r\n\r\n", query.join("&")).into_bytes()
    });
    let part = prop_oneof![4 => request, 3 => piece, 1 => vec(any::<u8>(), 0..40)];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn assert_well_formed(xml: &[u8]) {
    let mut reader = quick_xml::Reader::from_reader(xml);
    let mut depth = 0_i32;
    loop {
        match reader
            .read_event()
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(xml)))
        {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
}

#[test]
fn any_bytes_get_nothing_or_well_formed_http() {
    let data = DataFiles::new(&fixture::cache_message());
    let server = Server::start(&data, &["--timeout.head", "1s"]);
    let mut answered = 0;
    let mut runner = TestRunner::new(Config {
        cases: 1_500,
        failure_persistence: None,
        ..Config::default()
    });
    let answered_requests = std::cell::Cell::new(0_usize);
    runner
        .run(&bytes(), |bytes| {
            for answer in answers(&send(server.address(), &bytes), &[]) {
                prop_assert!(STATUSES.contains(&answer.status), "{answer:?}");
                let content = answer.header("content-type").unwrap_or_default();
                if content.starts_with("application/metalink+xml") && !answer.body.is_empty() {
                    assert_well_formed(&answer.body);
                }
                answered_requests.set(answered_requests.get() + 1);
            }
            Ok(())
        })
        .unwrap();
    answered += answered_requests.get();
    assert!(answered > 100, "{answered} requests were answered");
    assert!(server.stop().success());
    let log = fs::read_to_string(data.access_log()).unwrap();
    let lines = log.lines().count();
    assert!(
        log.ends_with('\n') && lines <= answered,
        "{lines} lines of {answered} answers"
    );
    for line in log.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert!(
            fields.len() == 10 && fields[0] == "IP:" && fields[8] == "ARCH:",
            "{line:?}"
        );
    }
}
