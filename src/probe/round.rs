//! A round: all URLs of a plan, one question at a time for each group of hosts, several groups at once.

use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::thread;

use parking_lot::Mutex;
use rand::Rng;
use rand::seq::SliceRandom as _;

use super::ask::{Conditions, Reply, families_of};
use super::failure::Failure;
use super::judge::{self, Finding, Observation, UrlObservations, known_repository};
use super::plan::{Plan, PlannedUrl};
use crate::health::{AddressFamily, HealthFile, UrlHealth};
use crate::snapshot::age;
use crate::threads::join;

/// The stack of a thread that asks, in bytes. TLS and XML need far less.
const STACK: usize = 512 << 10;

/// What the last round left, by URL.
pub(super) type KnownUrls<'a> = HashMap<&'a str, &'a UrlHealth>;

/// The URLs of a file, for looking up.
pub(super) fn known_urls(file: &HealthFile) -> KnownUrls<'_> {
    file.urls.iter().map(|url| (url.url.as_str(), url)).collect()
}

/// A round of questions. `ask` asks one; `done` is told of each URL that is done.
pub(super) struct Round<'a, Ask, Done> {
    pub(super) plan: &'a Plan,
    pub(super) known: &'a KnownUrls<'a>,
    pub(super) parallel: NonZeroUsize,
    pub(super) ask: Ask,
    pub(super) done: Done,
}

impl<'a, Ask, Done> Round<'a, Ask, Done>
where
    Ask: Fn(&str, AddressFamily, Conditions<'_>) -> Reply + Sync,
    Done: Fn() + Sync,
{
    /// Asks all URLs. Returns what was found at each.
    ///
    /// # Errors
    /// If the operating system starts no threads.
    pub(super) fn run(&self, random: &mut impl Rng) -> io::Result<Vec<(&'a PlannedUrl, UrlObservations)>> {
        let queue = Mutex::new(self.queue(random).into_iter());
        let found = Mutex::new(Vec::new());
        let threads = self.parallel.get().min(self.plan.groups.len());
        let work = || {
            loop {
                // The lock is not held while a group is asked.
                let next = queue.lock().next();
                let Some(group) = next else { return };
                for url in group {
                    let observed = self.ask_url(url);
                    found.lock().push((url, observed));
                    (self.done)();
                }
            }
        };
        thread::scope(|scope| {
            let start = |_| {
                thread::Builder::new()
                    .stack_size(STACK)
                    .name("probe".to_owned())
                    .spawn_scoped(scope, work)
            };
            let started: io::Result<Vec<_>> = (0..threads).map(start).collect();
            started.map(|threads| threads.into_iter().for_each(join))
        })?;
        Ok(found.into_inner())
    }

    /// The groups in the order in which they are asked: those that may not answer first, since they take longest; the others at
    /// random, so that no network is asked for all its mirrors at once.
    fn queue(&self, random: &mut impl Rng) -> Vec<&'a [PlannedUrl]> {
        let mut groups: Vec<&[PlannedUrl]> = self.plan.groups.iter().map(Vec::as_slice).collect();
        groups.shuffle(random);
        groups.sort_by_key(|group| !group.iter().any(|url| self.is_doubtful(url)));
        groups
    }

    fn is_doubtful(&self, url: &PlannedUrl) -> bool {
        let standing = self.known.get(url.url.as_str()).map(|known| known.standing);
        standing.is_some_and(|standing| standing.verdict.is_bad() || standing.strikes > 0)
    }

    /// Asks a URL: its first file by each family, the others by the first family that works.
    fn ask_url(&self, url: &PlannedUrl) -> UrlObservations {
        let mut observed = UrlObservations {
            checked: age::now(),
            families: Vec::new(),
            found: vec![None; url.questions.len()],
        };
        let (Some(slot), true) = (observed.found.first_mut(), !url.questions.is_empty()) else {
            return observed;
        };
        let attempts: Vec<(AddressFamily, Observation)> = self.by_each_family(url);
        let works = attempts.iter().filter(|(_, found)| found.finding.works());
        observed.families = works.map(|(family, _)| *family).collect();
        let Some((family, first)) = best(attempts) else {
            return observed;
        };
        let mut goes_on = goes_on(&first.finding);
        *slot = Some(first);
        for (index, slot) in observed.found.iter_mut().enumerate().skip(1) {
            if !goes_on {
                break;
            }
            let found = self.ask_question(url, index, family);
            goes_on = found.as_ref().is_some_and(|found| self::goes_on(&found.finding));
            *slot = found;
        }
        observed.checked = age::now();
        observed
    }

    fn by_each_family(&self, url: &PlannedUrl) -> Vec<(AddressFamily, Observation)> {
        let mut attempts = Vec::new();
        for family in families_of(&url.url) {
            let Some(found) = self.ask_question(url, 0, *family) else {
                break;
            };
            // A name that is not known has no address of the other family either.
            let ends = found.finding == Finding::NoAnswer(Failure::NoName);
            attempts.push((*family, found));
            if ends {
                break;
            }
        }
        attempts
    }

    fn ask_question(&self, url: &PlannedUrl, index: usize, family: AddressFamily) -> Option<Observation> {
        let question = url.questions.get(index)?;
        let repository = self.plan.repositories.get(question.repository)?;
        let known = self
            .known
            .get(url.url.as_str())
            .and_then(|url| known_repository(url, repository));
        let conditions = known.filter(|known| judge::can_be_conditional(repository, known));
        let conditions = conditions.map_or_else(Conditions::default, |known| {
            Conditions::new(known.etag.as_deref(), known.last_modified.as_deref())
        });
        let reply = (self.ask)(&question.url, family, conditions);
        Some(judge::observation(reply, repository, known))
    }
}

/// Whether more is asked at a URL after this.
fn goes_on(finding: &Finding) -> bool {
    !matches!(finding, Finding::NoAnswer(_) | Finding::Enough)
}

/// The attempt that counts: the first that works, or else the one that is most telling, with the words of all.
fn best(mut attempts: Vec<(AddressFamily, Observation)>) -> Option<(AddressFamily, Observation)> {
    if let Some(works) = attempts.iter().position(|(_, found)| found.finding.works()) {
        return Some(attempts.swap_remove(works));
    }
    let is_own = |finding: &Finding| matches!(finding, Finding::NoAnswer(Failure::Own(_)));
    if let Some(own) = attempts.iter().position(|(_, found)| is_own(&found.finding)) {
        return Some(attempts.swap_remove(own));
    }
    let nameless = attempts
        .iter()
        .all(|(_, found)| found.finding == Finding::NoAnswer(Failure::NoFamily));
    attempts.retain(|(_, found)| nameless || found.finding != Finding::NoAnswer(Failure::NoFamily));
    if nameless {
        let (family, _) = attempts.first()?;
        let words = Failure::NoName.to_string();
        return Some((
            *family,
            Observation {
                finding: Finding::NoAnswer(Failure::NoName),
                words,
                content: None,
            },
        ));
    }
    // Without a way to IPv6 this machine can't tell whether a mirror that has nothing else works. Without one to IPv4 it is cut off.
    let is_cut_off = |family: AddressFamily, found: &Observation| {
        family == AddressFamily::Ipv6 && found.finding == Finding::NoAnswer(Failure::NoRoute)
    };
    if attempts.len() > 1 {
        attempts.retain(|(family, found)| !is_cut_off(*family, found));
    }
    for (family, found) in &mut attempts {
        if *family == AddressFamily::Ipv4 && found.finding == Finding::NoAnswer(Failure::NoRoute) {
            found.finding = Finding::NoAnswer(Failure::Other(found.words.clone()));
        }
    }
    let words: Vec<&str> = attempts.iter().map(|(_, found)| found.words.as_str()).collect();
    let words = match *words.as_slice() {
        [ipv4, ipv6] if ipv4 != ipv6 => format!("{ipv4} (IPv4), {ipv6} (IPv6)"),
        [words, ..] => words.to_owned(),
        [] => return None,
    };
    let reached = attempts
        .iter()
        .position(|(_, found)| found.finding == Finding::ServerError);
    let (family, found) = attempts.swap_remove(reached.unwrap_or(0));
    Some((family, Observation { words, ..found }))
}

#[cfg(test)]
mod tests;
