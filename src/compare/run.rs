//! Runs a comparison: probes the other server, makes all requests at a bounded rate, and sums up.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::answer::{AnswerContent, RawAnswer, parse};
use super::classes::{Class, Difference, shown};
use super::client::{NoAnswer, OtherServer};
use super::comparison::compare;
use super::from_cache;
use super::metalink::Malformed;
use super::own::OwnServer;
use super::requests::{RequestTarget, RequestsError, from_log, from_targets};
use super::summary::Tally;
use crate::mirrorlist::Endpoint;
use crate::settings::{ChoiceSettings, CompareOptions, HostOrder};
use crate::snapshot::Snapshot;
use crate::snapshot::age::Utc;

/// The number of concurrent requests.
const CONNECTIONS: usize = 8;

/// After this many requests in a row without an answer, the other server counts as down.
const MOST_IN_A_ROW: u32 = 20;

/// The result of a comparison.
#[derive(Debug)]
pub struct ComparisonReport {
    /// The summary, for people.
    pub text: String,
    /// Whether all that differs is on purpose.
    pub explained: bool,
    /// Why it was cut short.
    pub stopped: Option<String>,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// There are no requests.
    #[error(transparent)]
    Requests(#[from] RequestsError),
    /// The data files have nothing to ask for.
    #[error("the data files have neither a repository nor a directory to ask for")]
    NothingToAsk,
    /// The server at this URL does not answer.
    #[error("no answer from {0}: {1}")]
    NoAnswer(String, #[source] NoAnswer),
    /// The server at this URL answers as no mirrorlist server does.
    #[error(
        "{0} is no mirrorlist server: it answers {1} to {PROBE}; expected a text that asks for path=, or repo= and arch="
    )]
    NoMirrorlistServer(String, String),
}

/// All mirrorlist servers say the same to a request that asks for nothing.
const PROBE: &str = "/mirrorlist";
const PROBE_ANSWER: &str = "must be specified";

/// Compares this server's answers with another one's.
///
/// # Errors
/// There is nothing to ask for, or nothing to compare with.
pub fn run(
    snapshot: &Snapshot,
    settings: &ChoiceSettings,
    options: &CompareOptions,
) -> Result<ComparisonReport, CompareError> {
    // By distance, chance decides which hosts are listed at all, and other servers don't have that order. With a maximum, the other
    // server draws other hosts than this one, so that only whole lists can be compared.
    let settings = &ChoiceSettings {
        order: HostOrder::Bandwidth,
        max_share: None,
        maximum: None,
        ..settings.clone()
    };
    let requests = requests(snapshot, options)?;
    let against = &options.against;
    let other = OtherServer::new(against, options.timeout, CONNECTIONS);
    probe(&other, against)?;
    let caches = caches(snapshot, &other, &requests);
    let started = Instant::now();
    let comparison = Comparison {
        snapshot,
        settings,
        other,
        requests: &requests,
        interval: Duration::from_secs(1) / options.rate.get(),
        start: Mutex::new(started),
        next: AtomicUsize::new(0),
        in_a_row: AtomicU32::new(0),
        stopped: Mutex::default(),
        tally: Mutex::default(),
        bar: bar(requests.len()),
    };
    comparison.run();
    comparison.bar.finish_and_clear();
    let (tally, stopped) = (comparison.tally.into_inner(), comparison.stopped.into_inner());
    Ok(ComparisonReport {
        text: tally.summary(against, started.elapsed(), &caches),
        explained: tally.is_explained(),
        stopped: stopped.map(|error| {
            let left = requests.len() - tally.compared;
            format!(
                "no answer from {against} to {MOST_IN_A_ROW} requests in a row, {left} requests are left out: {error}"
            )
        }),
    })
}

fn requests(snapshot: &Snapshot, options: &CompareOptions) -> Result<Vec<RequestTarget>, CompareError> {
    let requests = match (&options.requests, &options.from_log) {
        (Some(path), _) => from_targets(path, options.count)?,
        (None, Some(path)) => from_log(path, options.count)?,
        (None, None) => from_cache::requests(snapshot, options.count),
    };
    match requests.is_empty() {
        true => Err(CompareError::NothingToAsk),
        false => Ok(requests),
    }
}

fn probe(other: &OtherServer, against: &str) -> Result<(), CompareError> {
    let no_answer = |error| CompareError::NoAnswer(against.to_owned(), error);
    let answer = other.ask(PROBE).map_err(no_answer)?;
    if String::from_utf8_lossy(&answer.body).contains(PROBE_ANSWER) {
        return Ok(());
    }
    let media_type = answer.media_type.as_deref();
    let media_type = media_type.map_or_else(|| "no Content-Type".to_owned(), shown);
    let answer = format!("{} ({media_type})", answer.status);
    Err(CompareError::NoMirrorlistServer(against.to_owned(), answer))
}

/// A line about the creation times of the two caches, since other data gives other answers.
fn caches(snapshot: &Snapshot, other: &OtherServer, requests: &[RequestTarget]) -> String {
    let own = snapshot.catalogue().created();
    let lists = |request: &&RequestTarget| {
        request.endpoint() == Some(Endpoint::Mirrorlist) && request.query().contains("repo=")
    };
    let theirs = requests.iter().filter(lists).take(5).find_map(|request| {
        let answer = other.ask(&format!("{}&time=1", request.target())).ok()?;
        match parse(Some(Endpoint::Mirrorlist), &answer).ok()?.content {
            AnswerContent::Mirrorlist(list) => list.created?.parse::<u64>().ok(),
            _ => None,
        }
    });
    let (here, there) = (Utc(own), theirs.map(Utc));
    match there {
        Some(_) if theirs == Some(own) => format!("both caches were made {here}\n"),
        Some(there) => format!("the caches are different ones: here made {here}, there {there}\n"),
        None => format!("the cache here was made {here}\n"),
    }
}

/// A comparison under way, for all its workers.
struct Comparison<'a> {
    snapshot: &'a Snapshot,
    settings: &'a ChoiceSettings,
    other: OtherServer,
    requests: &'a [RequestTarget],
    /// Between the starts of two requests.
    interval: Duration,
    /// The earliest start of the next request.
    start: Mutex<Instant>,
    next: AtomicUsize,
    /// Requests in a row that got no answer.
    in_a_row: AtomicU32,
    /// The failure after which there were too many.
    stopped: Mutex<Option<NoAnswer>>,
    tally: Mutex<Tally>,
    bar: ProgressBar,
}

impl Comparison<'_> {
    /// Makes all requests; a panic of a worker is passed on.
    fn run(&self) {
        thread::scope(|scope| {
            for seed in 0..CONNECTIONS {
                scope.spawn(move || self.worker(seed as u64));
            }
        });
    }

    fn worker(&self, seed: u64) {
        let mut own = OwnServer::new(self.snapshot, self.settings, seed);
        while self.stopped.lock().is_none() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = self.requests.get(number) else {
                return;
            };
            self.wait();
            let differences = match self.other.ask(request.target()) {
                Ok(answer) => {
                    self.in_a_row.store(0, Ordering::Relaxed);
                    differences(&mut own, request, &answer)
                }
                Err(error) => {
                    let difference = Difference::new(Class::NoAnswer, error.to_string());
                    if self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_IN_A_ROW {
                        *self.stopped.lock() = Some(error);
                    }
                    vec![difference]
                }
            };
            self.tally.lock().add(number, request, &differences);
            self.bar.inc(1);
        }
    }

    /// Waits for the start of the next request, so that no second has more than the rate.
    fn wait(&self) {
        let start = {
            let mut next = self.start.lock();
            // Late requests are not made up for: the rate is an upper bound.
            let start = (*next).max(Instant::now());
            *next = start + self.interval;
            start
        };
        thread::sleep(start.saturating_duration_since(Instant::now()));
    }
}

/// Compares this server's answer to a request with another one.
pub fn differences(own: &mut OwnServer<'_>, request: &RequestTarget, other: &RawAnswer) -> Vec<Difference> {
    let unreadable = |place: &str, error: &Malformed| {
        let detail = format!("{place}: {}", shown(&error.to_string()));
        vec![Difference::new(Class::Unreadable, detail)]
    };
    let here = match own.answer(request) {
        Ok(here) => here,
        Err(error) => return unreadable("here", &error),
    };
    match parse(request.endpoint(), other) {
        Ok(there) => compare(&here, &there),
        Err(_) if here.answer.status != other.status => {
            let detail = format!("here {}, there {}", here.answer.status, other.status);
            vec![Difference::new(Class::Status, detail)]
        }
        Err(error) => unreadable("there", &error),
    }
}

/// A bar on a terminal; nothing elsewhere.
fn bar(requests: usize) -> ProgressBar {
    // The template is a constant that a run on a terminal shows to be right; the plain style stands in for it otherwise.
    let style =
        ProgressStyle::with_template("comparing {wide_bar} {human_pos} of {human_len} requests, {per_sec}, {eta} left");
    ProgressBar::new(requests as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
