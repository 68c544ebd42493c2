//! Requests from a file, one a line, or from an access log.
//!
//! Every request names the client's address with `ip=`: two servers can only be compared if they answer for the same client.
//! Of many, a sample is taken that is the same whenever the same lines are read, in whatever order.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::client_address::parse_address;
use crate::mirrorlist::{Endpoint, MirrorQuery};

/// For requests without `ip=`: an address that is set aside for documentation (RFC 5737).
const ANY_CLIENT: &str = "192.0.2.1";

/// So many requests of an access log are enough, if the command doesn't say otherwise.
const ENOUGH: usize = 1_000;

/// A longer line is no request.
const LONGEST_LINE: u64 = 64 << 10;

/// The path and query of a request (RFC 9112, section 3.2), which name the client's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestTarget {
    target: String,
}

impl RequestTarget {
    /// A request of a target like `/mirrorlist?repo=fedora-41&arch=x86_64`, or a whole URL, whose server does not count. Without
    /// `ip=`, it is for `client`, or else for an address of a network for documentation.
    ///
    /// # Errors
    /// It is neither, or has bytes that can't stand in a request.
    pub fn parse(text: &str, client: Option<&str>) -> Result<Self, &'static str> {
        let target = match text.split_once("://") {
            Some(("http" | "https", rest)) => rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/"),
            _ => text,
        };
        if !target.starts_with('/') {
            return Err("expected a target like /mirrorlist?repo=fedora-41&arch=x86_64");
        }
        if let Some(byte) = target.bytes().find(|byte| !byte.is_ascii_graphic()) {
            return Err(match byte.is_ascii() {
                true => "a control character can't stand in a request",
                false => "what is beyond ASCII has to be percent-encoded",
            });
        }
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let (_, query) = target.split_once('?').unwrap_or_default();
        let mut target = target.to_owned();
        if MirrorQuery::parse(query).ip.is_none_or(|ip| ip.is_empty()) {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.extend(["ip=", client.unwrap_or(ANY_CLIENT)]);
        }
        Ok(Self { target })
    }

    /// The path and query, as they are sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The kind of answer that it asks for; `None` if its path has no endpoint.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::of_path(self.target.split_once('?').map_or(&self.target, |(path, _)| path))
    }
}

/// The characters to percent-encode in a value of a query.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'+')
    .remove(b'/')
    .remove(b':')
    .remove(b',');

/// A value as it stands in a query.
pub(super) fn encoded(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

/// Why there are no requests.
#[derive(Debug, thiserror::Error)]
pub enum RequestsError {
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: line {number}: {line:?}: {problem}", path.display())]
    Line {
        path: PathBuf,
        number: usize,
        line: String,
        problem: &'static str,
    },
    #[error("{}: no request in it; expected {expected}", path.display())]
    Empty { path: PathBuf, expected: &'static str },
}

/// Requests of a file of targets, each once; after a target can follow white space and the client's address. Blank lines and those
/// that begin with `#` are nothing.
///
/// # Errors
/// The file can't be read, or a line is no request.
pub(super) fn from_targets(path: &Path, count: Option<NonZeroUsize>) -> Result<Vec<RequestTarget>, RequestsError> {
    let mut sample = Sample::new(count.map_or(usize::MAX, NonZeroUsize::get));
    for_each_line(path, |line| {
        let mut words = line.split_ascii_whitespace();
        let (Some(target), client) = (words.next(), words.next()) else {
            return Ok(());
        };
        if target.starts_with('#') {
            return Ok(());
        }
        if client.is_some_and(|client| parse_address(client).is_none()) || words.next().is_some() {
            return Err("expected a target, and at most the client's address after it");
        }
        sample.add(RequestTarget::parse(target, client)?);
        Ok(())
    })?;
    sample.finish(path, "a target like /mirrorlist?repo=fedora-41&arch=x86_64 a line")
}

/// Requests of an access log: for each repository that an address asked for, its mirrorlist and its metalink. Lines that are none of
/// a log are nothing: a full disk can have cut one.
///
/// # Errors
/// The file can't be read, or has no line of an access log.
pub(super) fn from_log(path: &Path, count: Option<NonZeroUsize>) -> Result<Vec<RequestTarget>, RequestsError> {
    let mut sample = Sample::new(count.map_or(ENOUGH, NonZeroUsize::get));
    for_each_line(path, |line| {
        if let Some((client, repo, arch)) = log_line(line) {
            let query = format!("repo={}&arch={}&ip={}", encoded(repo), encoded(arch), encoded(client));
            for endpoint in ["mirrorlist", "metalink"] {
                sample.add(RequestTarget {
                    target: format!("/{endpoint}?{query}"),
                });
            }
        }
        Ok(())
    })?;
    sample.finish(
        path,
        "lines of an access log, like IP: 192.0.2.1; DATE: 2026-01-31; COUNTRY: US; REPO: fedora-41; ARCH: x86_64",
    )
}

fn log_line(line: &str) -> Option<(&str, &str, &str)> {
    let mut fields = line.split("; ");
    let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix(": ");
    let (client, _, _) = (field("IP")?, field("DATE")?, field("COUNTRY")?);
    let (repo, arch) = (field("REPO")?, field("ARCH")?);
    parse_address(client)?;
    Some((client, repo, arch))
}

fn for_each_line(path: &Path, mut each: impl FnMut(&str) -> Result<(), &'static str>) -> Result<(), RequestsError> {
    let unreadable = |source| RequestsError::Read {
        path: path.to_owned(),
        source,
    };
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let mut limited = io::Read::take(&mut reader, LONGEST_LINE);
        if limited.read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            break;
        }
        let bad = |line: &str, problem| RequestsError::Line {
            path: path.to_owned(),
            number,
            line: line.to_owned(),
            problem,
        };
        if !bytes.ends_with(b"\n") && limited.limit() == 0 {
            return Err(bad("", "the line is longer than 64 KB"));
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.trim_end();
        each(line).map_err(|problem| bad(line, problem))?;
    }
    Ok(())
}

/// Requests, each once, and of too many those whose hashes are smallest.
struct Sample {
    most: usize,
    /// By hash, with their place in the order of the lines.
    kept: BTreeMap<(u64, RequestTarget), usize>,
    seen: usize,
}

impl Sample {
    fn new(most: usize) -> Self {
        Self {
            most,
            kept: BTreeMap::new(),
            seen: 0,
        }
    }

    fn add(&mut self, request: RequestTarget) {
        // Always the same hash: its keys are fixed.
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&request);
        self.kept.entry((hash, request)).or_insert(self.seen);
        self.seen += 1;
        if self.kept.len() > self.most {
            self.kept.pop_last();
        }
    }

    fn finish(self, path: &Path, expected: &'static str) -> Result<Vec<RequestTarget>, RequestsError> {
        if self.kept.is_empty() {
            let path = path.to_owned();
            return Err(RequestsError::Empty { path, expected });
        }
        let mut requests: Vec<_> = self.kept.into_iter().collect();
        requests.sort_unstable_by_key(|(_, place)| *place);
        Ok(requests.into_iter().map(|((_, request), _)| request).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    fn targets(requests: &[RequestTarget]) -> Vec<&str> {
        requests.iter().map(RequestTarget::target).collect()
    }

    #[test]
    fn targets_are_read_with_their_clients() {
        let file = file(
            "# comment\n\n/mirrorlist?repo=a&arch=b\n/metalink?path=x&ip=192.0.2.9\n/mirrorlist 2001:db8::1\n\
             https://mirrors.example/a/mirrorlist?path=y&ip=#f\n/mirrorlist?repo=a&arch=b",
        );
        let requests = from_targets(file.path(), None).unwrap();
        assert_eq!(
            targets(&requests),
            [
                "/mirrorlist?repo=a&arch=b&ip=192.0.2.1",
                "/metalink?path=x&ip=192.0.2.9",
                "/mirrorlist?ip=2001:db8::1",
                "/a/mirrorlist?path=y&ip=&ip=192.0.2.1",
            ]
        );
        assert_eq!(requests[0].endpoint(), Some(Endpoint::Mirrorlist));
        assert_eq!(requests[1].endpoint(), Some(Endpoint::Metalink));
        assert_eq!(from_targets(file.path(), NonZeroUsize::new(2)).unwrap().len(), 2);
    }

    #[test]
    fn a_line_that_is_no_request_is_named() {
        for (text, said) in [
            (
                "/mirrorlist\nmirrorlist?x",
                "line 2: \"mirrorlist?x\": expected a target",
            ),
            ("/mirrorlist?path=\u{e9}", "percent-encoded"),
            ("/mirrorlist nonsense", "the client's address"),
            ("/mirrorlist 192.0.2.1 x", "the client's address"),
            ("\n#\n", "no request in it"),
        ] {
            let error = from_targets(file(text).path(), None).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let long = format!("/{}", "x".repeat(70_000));
        assert!(from_targets(file(&long).path(), None).is_err());
    }

    #[test]
    fn a_log_gives_each_request_once_whatever_the_order_of_its_lines() {
        let line = |n: u32| {
            format!(
                "IP: 192.0.2.{}; DATE: 2026-01-31; COUNTRY: N/A; REPO: r+{}; ARCH: x86_64\n",
                n % 9,
                n % 7
            )
        };
        let lines: Vec<String> = (0..500).map(line).collect();
        let forwards = file(&(lines.concat() + "IP: 192.0.2.1; DA"));
        let backwards = file(&lines.iter().rev().cloned().collect::<String>());
        let all = from_log(forwards.path(), NonZeroUsize::new(10_000)).unwrap();
        assert_eq!(all.len(), 9 * 7 * 2);
        assert_eq!(all[0].target(), "/mirrorlist?repo=r+0&arch=x86_64&ip=192.0.2.0");
        let sorted = |path: &Path| {
            let mut some = from_log(path, NonZeroUsize::new(20)).unwrap();
            some.sort();
            some
        };
        assert_eq!(sorted(forwards.path()), sorted(backwards.path()));
        assert_eq!(sorted(forwards.path()).len(), 20);
        assert!(from_log(file("nothing\n").path(), None).is_err());
    }
}
