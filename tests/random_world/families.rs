//! What health files say of the families of addresses in a random world, and which URLs a family reaches by docs/requests.md.

use mirrorlist_server::health::{HealthFile, Standing, UrlHealth, Verdict};
use mirrorlist_server::snapshot::Snapshot;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::{Host, edit, host};
use crate::fixture;
use crate::fixture::health::WrittenHealth;

pub const WEB: [&str; 2] = ["https", "http"];

/// What a file says of the https and the http URL of each host; `None`: the families are not known. A URL with none is dead.
pub type Said = Vec<[Option<Vec<&'static str>>; 2]>;

pub fn said(hosts: usize) -> impl Strategy<Value = Said> {
    let families = subsequence(&["ipv4", "ipv6"][..], 1..=2);
    let only_ipv4 = Just(vec!["ipv4"]);
    let url = prop::option::weighted(0.8, prop_oneof![1 => families, 1 => only_ipv4]);
    prop::collection::vec([url.clone(), url], hosts)
}

pub fn world() -> impl Strategy<Value = (Vec<Host>, Vec<Said>)> {
    prop::collection::vec(host(), 1..14).prop_flat_map(|hosts| {
        let files = prop::collection::vec(said(hosts.len()), 1..=2);
        (Just(hosts), files)
    })
}

pub fn health_file(said: &Said) -> HealthFile {
    let urls = said.iter().enumerate().flat_map(|(host, urls)| {
        urls.iter().zip(WEB).map(move |(families, protocol)| {
            let verdict = match families {
                Some(families) if families.is_empty() => Verdict::Dead,
                _ => Verdict::Good,
            };
            let families = families.clone().unwrap_or_default();
            UrlHealth {
                url: format!("{protocol}://{host}"),
                standing: Standing {
                    verdict,
                    ..Standing::new(7)
                },
                families: families.into_iter().map(str::to_owned).collect(),
                ..UrlHealth::default()
            }
        })
    });
    fixture::health::health_file(urls.collect())
}

/// A world's data with health files, and rules.
pub fn snapshot_of(hosts: &[Host], files: &[Said], rules: &str) -> Snapshot {
    let files: Vec<HealthFile> = files.iter().map(health_file).collect();
    let written = WrittenHealth::new(&files);
    let (snapshot, _) = fixture::snapshot_with_rules(|cache| edit(cache, hosts), rules);
    snapshot.with_health_files(&written.settings)
}

/// The rules of docs/requests.md, "Only what IPv4 or IPv6 reaches".
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    pub hosts: &'a [Host],
    pub files: &'a [Said],
    pub family: &'static str,
}

impl Reach<'_> {
    /// How many hosts a file reaches by a family.
    pub fn reached(&self, said: &Said, family: &str) -> usize {
        let is_reached = |(row, urls): &(&Host, &[Option<Vec<&str>>; 2])| {
            let mut urls = WEB.iter().zip(*urls);
            let names = |families: &Option<Vec<&str>>| families.as_ref().is_some_and(|f| f.contains(&family));
            !row.private && urls.any(|(web, families)| row.protocols.contains(web) && names(families))
        };
        self.hosts.iter().zip(said).filter(is_reached).count()
    }

    /// Whether a file says something of the family.
    pub fn counts(&self, said: &Said) -> bool {
        let other = if self.family == "ipv4" { "ipv6" } else { "ipv4" };
        self.reached(said, self.family) > 0 || self.reached(said, other) < 5
    }

    /// Whether the family reaches a URL; `None` if no file knows.
    pub fn known(&self, host: usize, protocol: &str) -> Option<bool> {
        let row = &self.hosts[host];
        let place = WEB.iter().position(|web| *web == protocol)?;
        if row.private || !row.protocols.contains(&protocol) {
            return None;
        }
        let files = self.files.iter().filter(|said| self.counts(said));
        let known: Vec<_> = files.filter_map(|said| said[host][place].as_ref()).collect();
        (!known.is_empty()).then(|| known.iter().any(|families| families.contains(&self.family)))
    }

    pub fn reaches(&self, host: usize, protocol: &str) -> bool {
        let known = WEB.map(|web| self.known(host, web));
        let untried = known == [None, None] || known.contains(&Some(true));
        self.known(host, protocol).unwrap_or(untried)
    }
}
