//! The command of an example: what curl sends for it, and what it prints.

use std::net::SocketAddr;

use actix_web::http::StatusCode;

use super::json::laid_out;
use super::pattern::is_line;
use super::support::http::{Response, exchange};

/// A command line of curl, as far as examples use it:
/// `curl [-s] [-i | -I | -D -] [-X METHOD] [-H 'NAME: VALUE']... 'http://127.0.0.1:3000/PATH' [| jq .]`.
#[derive(Debug)]
pub(crate) struct Curl {
    method: String,
    /// The path and query.
    target: String,
    headers: Vec<String>,
    /// Whether the status line and the headers are printed.
    shows_head: bool,
    /// Whether JSON is laid out.
    lays_out: bool,
}

/// The address in examples; the server's own takes its place.
const ADDRESS: &str = "http://127.0.0.1:3000";

impl Curl {
    /// Parses a command line.
    pub(crate) fn parse(command: &str) -> Self {
        let (curl, lays_out) = match command.strip_suffix(" | jq .") {
            Some(curl) => (curl, true),
            None => (command, false),
        };
        let mut parsed = Self {
            method: "GET".to_owned(),
            target: String::new(),
            headers: Vec::new(),
            shows_head: false,
            lays_out,
        };
        let mut words = words(curl).into_iter();
        assert_eq!(
            words.next().as_deref(),
            Some("curl"),
            "{command}: an example is a call of curl"
        );
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .unwrap_or_else(|| panic!("{command}: {word} needs a value"))
            };
            match &*word {
                "-s" | "-sS" => {}
                "-i" | "-si" => parsed.shows_head = true,
                "-I" | "-sI" => {
                    parsed.shows_head = true;
                    "HEAD".clone_into(&mut parsed.method);
                }
                "-D" => {
                    assert_eq!(value(), "-", "{command}");
                    parsed.shows_head = true;
                }
                "-X" => parsed.method = value(),
                "-H" => parsed.headers.push(value()),
                url => {
                    let target = url.strip_prefix(ADDRESS);
                    let target = target.unwrap_or_else(|| panic!("{command}: {url} is no option and not at {ADDRESS}"));
                    target.clone_into(&mut parsed.target);
                }
            }
        }
        assert!(parsed.target.starts_with('/'), "{command}: no URL");
        parsed
    }

    /// Sends the request.
    pub(crate) fn ask(&self, address: SocketAddr) -> Response {
        let Self { method, target, .. } = self;
        let has_accept = self
            .headers
            .iter()
            .any(|header| header.to_lowercase().starts_with("accept:"));
        let accept = if has_accept { "" } else { "Accept: */*\r\n" };
        let headers: String = self.headers.iter().map(|header| format!("{header}\r\n")).collect();
        let request =
            format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{accept}{headers}\r\n");
        exchange(address, request.as_bytes())
    }

    /// The lines that the command prints. Of the headers those that `expected` lists, in its order and in its case; all but the usual ones if
    /// it lists none.
    pub(crate) fn output(&self, response: &Response, expected: &[String]) -> Vec<String> {
        let mut lines = Vec::new();
        if self.shows_head {
            let status = StatusCode::from_u16(response.status).unwrap();
            lines.push(format!("HTTP/1.1 {status}"));
            lines.extend(headers(response, expected));
            if self.method != "HEAD" {
                lines.push(String::new());
            }
        }
        let body = response.text();
        let body = if self.lays_out { laid_out(body) } else { body.to_owned() };
        lines.extend(body.lines().map(str::to_owned));
        lines
    }
}

/// The headers of a response that an example lists. Of several with one name, each line takes the one that it matches.
fn headers(response: &Response, expected: &[String]) -> Vec<String> {
    let listed = expected.iter().skip(1).take_while(|line| !line.is_empty());
    let listed: Vec<(&str, &str)> = listed.filter_map(|line| line.split_once(": ")).collect();
    let mut left: Vec<(&str, &str)> = response
        .headers
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    if listed.is_empty() {
        left.retain(|(name, _)| !["connection", "content-length", "date"].contains(&&*name.to_lowercase()));
        return left.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    }
    let mut found = Vec::new();
    for (name, value) in listed {
        let is_named = |header: &(&str, &str)| header.0.eq_ignore_ascii_case(name);
        let position = left
            .iter()
            .position(|header| is_named(header) && is_line(value, header.1));
        if let Some(position) = position.or_else(|| left.iter().position(is_named)) {
            found.push(format!("{name}: {}", left.remove(position).1));
        }
    }
    found
}

/// The words of a command line, as a shell splits it: single and double quotes, no variables.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '&' | '?' | '*' | '<' | '>' | '|' | ';' | '$') => panic!("{command}: {c} has to be quoted"),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "{command}: a quote is not closed");
    words.extend(word);
    words
}
