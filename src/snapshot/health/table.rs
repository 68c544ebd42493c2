//! The bad URLs of a cache's hosts. A set of URLs is a mask: bit N stands for the carrier's URL number N.
//!
//! Optimised: an answer asks one bit for each host, and looks further only where a URL is bad (`cargo bench --bench instructions`, its
//! last line).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use foldhash::fast::FixedState;

use super::super::carriers::{Carrier, CarrierIndex};
use super::super::catalogue::Catalogue;
use super::super::hosts::HostIndex;
use super::super::urls::ProtocolSet;
use crate::bits::BitWords;
use crate::geo::CountryCode;
use crate::health::{HealthFile, UrlHealth, Verdict};
use crate::settings::Share;

pub(super) type FastMap<K, V> = HashMap<K, V, FixedState>;

/// A set of files, a bit each.
type FileSet = u32;

/// The place of a URL: its carrier, and its bit there.
pub(super) type UrlPlace = (CarrierIndex, u32);

/// The mask of a carrier's URL. Those beyond 64 have none: they are not judged, so they are good.
pub fn url_mask(number: u32) -> u64 {
    1_u64.checked_shl(number).unwrap_or(0)
}

/// The places of all URLs that can be judged: http and https URLs of hosts in public lists.
pub(super) struct JudgedUrls<'a>(FastMap<&'a str, Vec<UrlPlace>>);

impl<'a> JudgedUrls<'a> {
    pub(super) fn new(catalogue: &'a Catalogue) -> Self {
        let mut places = FastMap::<_, Vec<_>>::default();
        for (index, carrier) in catalogue.carriers.iter() {
            if !carrier.in_public_list() {
                continue;
            }
            for (bit, url) in (0..u64::BITS).zip(catalogue.urls(carrier)) {
                if ProtocolSet::WEB.contains(url.protocol) {
                    places.entry(catalogue.base_url(url)).or_default().push((index, bit));
                }
            }
        }
        Self(places)
    }

    pub(super) fn of(&self, url: &str) -> &[UrlPlace] {
        self.0.get(url).map_or(&[], |places| places)
    }
}

/// The bad URLs of a carrier in a watched repository.
#[derive(Debug, Clone, Copy)]
struct RepositoryUrls {
    /// Those that are dead, or whose content is missing or stale.
    bad: u64,
    /// Those whose content is missing or stale.
    content: u64,
}

type RepositoryTable = FastMap<CarrierIndex, RepositoryUrls>;

/// The bad URLs of all hosts.
#[derive(Default)]
pub struct HealthTable {
    /// The carriers with a bad URL.
    touched: BitWords,
    dead: FastMap<CarrierIndex, u64>,
    /// By directory, those included in which no URL is bad: a repository below another is not judged with that.
    repositories: FastMap<Box<str>, RepositoryTable>,
    /// The lengths of the names of these repositories' directories, in bytes, the longest first.
    lengths: Vec<usize>,
    /// The hosts of which a file knows a URL.
    judged: HashSet<HostIndex, FixedState>,
    /// The hosts without a good URL, in all that they carry or in a repository.
    bad_hosts: BTreeMap<HostIndex, Verdict>,
    countries: FastMap<HostIndex, CountryCode>,
}

/// What the files say of a place, in sets of files.
#[derive(Default)]
struct Votes<'a> {
    dead: FastMap<UrlPlace, FileSet>,
    content: FastMap<(&'a str, UrlPlace), (FileSet, Verdict)>,
}

impl HealthTable {
    /// Makes the table of some files; a URL is bad if so many of them say so.
    pub(super) fn new(catalogue: &Catalogue, urls: &JudgedUrls<'_>, files: &[&HealthFile], quorum: usize) -> Self {
        let mut table = Self::default();
        let mut votes = Votes::default();
        for (number, file) in (0..FileSet::BITS).zip(files) {
            for url in &file.urls {
                for place in urls.of(&url.url) {
                    table.judge(catalogue, place.0);
                    votes.count(catalogue, url, *place, 1 << number);
                }
            }
        }
        let is_bad = |files: FileSet| files.count_ones() as usize >= quorum.max(1);
        for ((carrier, bit), files) in &votes.dead {
            if is_bad(*files) {
                *table.dead.entry(*carrier).or_default() |= 1 << bit;
                table.touched.set(carrier.get());
            }
        }
        let mut kinds = FastMap::<(CarrierIndex, &str), Verdict>::default();
        for ((directory, place), (files, verdict)) in &votes.content {
            let (carrier, bit) = *place;
            let dead = votes.dead.get(place).copied().unwrap_or_default();
            if !is_bad(files | dead) {
                continue;
            }
            let always = table.dead.get(&carrier).copied().unwrap_or_default();
            let repository = table.repositories.entry((*directory).into()).or_default();
            let urls = repository.entry(carrier).or_insert(RepositoryUrls {
                bad: always,
                content: 0,
            });
            urls.bad |= 1 << bit;
            if is_bad(*files) {
                urls.content |= 1 << bit;
            }
            table.touched.set(carrier.get());
            let kind = kinds.entry((carrier, directory)).or_default();
            *kind = (*verdict).max(*kind);
        }
        if !table.dead.is_empty() || !table.repositories.is_empty() {
            table.add_good_repositories(catalogue, files);
        }
        let lengths: BTreeSet<usize> = table.repositories.keys().map(|name| name.len()).collect();
        table.lengths = lengths.into_iter().rev().collect();
        table.find_bad_hosts(catalogue, &kinds);
        table
    }

    /// Adds the repositories that the files know and in which no URL is bad.
    fn add_good_repositories(&mut self, catalogue: &Catalogue, files: &[&HealthFile]) {
        let urls = files.iter().flat_map(|file| &file.urls);
        for repository in urls.flat_map(|url| &url.repositories) {
            let directory = &*repository.directory;
            if !self.repositories.contains_key(directory) && catalogue.directory(directory).is_some() {
                self.repositories.insert(directory.into(), RepositoryTable::default());
            }
        }
    }

    /// Notes that a file knows a URL of this carrier's host.
    fn judge(&mut self, catalogue: &Catalogue, carrier: CarrierIndex) {
        let host = catalogue.carrier(carrier).host;
        if self.judged.insert(host)
            && let Some(country) = catalogue.host(host).country
        {
            self.countries.insert(host, country);
        }
    }

    fn find_bad_hosts(&mut self, catalogue: &Catalogue, kinds: &FastMap<(CarrierIndex, &str), Verdict>) {
        let has_no_good = |carrier: &Carrier, bad: u64| {
            let urls = (0..).zip(catalogue.urls(carrier));
            let mut web = urls.filter(|(_, url)| ProtocolSet::WEB.contains(url.protocol));
            bad != 0 && web.all(|(bit, _)| bad & url_mask(bit) != 0)
        };
        let dead = self.dead.iter().map(|(carrier, bad)| (*carrier, *bad, Verdict::Dead));
        let in_repositories = self.repositories.iter().flat_map(|(directory, table)| {
            table.iter().map(|(carrier, urls)| {
                let kind = kinds.get(&(*carrier, &**directory)).copied().unwrap_or_default();
                (*carrier, urls.bad, kind)
            })
        });
        for (index, bad, verdict) in dead.chain(in_repositories) {
            let carrier = catalogue.carrier(index);
            if has_no_good(carrier, bad) {
                let worst = self.bad_hosts.entry(carrier.host).or_default();
                *worst = verdict.max(*worst);
            }
        }
    }

    /// How many hosts the files know.
    pub fn judged_hosts(&self) -> usize {
        self.judged.len()
    }

    /// The hosts without a good URL, in all that they carry or in a watched repository, with the worst verdict.
    pub fn bad_hosts(&self) -> impl Iterator<Item = (HostIndex, Verdict)> {
        self.bad_hosts.iter().map(|(host, verdict)| (*host, *verdict))
    }

    /// The bad URLs for requests of a directory, by its name; `None` if there are none at all.
    #[inline]
    pub fn view(&self, directory: &str) -> Option<HealthView<'_>> {
        if self.dead.is_empty() && self.repositories.is_empty() {
            return None;
        }
        Some(HealthView {
            table: self,
            repository: self.repository(directory),
        })
    }

    /// The repository that a directory is in.
    fn repository(&self, directory: &str) -> Option<&RepositoryTable> {
        self.lengths.iter().find_map(|length| {
            let (name, rest) = directory.split_at_checked(*length)?;
            let is_above = rest.is_empty() || rest.starts_with('/') || name.is_empty();
            if is_above { self.repositories.get(name) } else { None }
        })
    }

    /// Whether so many hosts of the world or of a country are bad that the fault is more likely with the probe.
    pub(super) fn doubt(&self, max_bad: Share) -> Option<Doubt> {
        let of = |place: Option<CountryCode>| {
            let is_there = |host: &&HostIndex| place.is_none() || self.countries.get(host) == place.as_ref();
            Doubt {
                place,
                bad: self.bad_hosts.keys().filter(is_there).count(),
                judged: self.judged.iter().filter(is_there).count(),
                max_bad,
            }
        };
        let bad = self
            .bad_hosts
            .keys()
            .filter_map(|host| self.countries.get(host).copied());
        let countries: BTreeSet<CountryCode> = bad.collect();
        let places = [None].into_iter().chain(countries.into_iter().map(Some));
        places.map(of).find(Doubt::is_justified)
    }
}

impl<'a> Votes<'a> {
    /// Counts what a file says of a URL at one of its places.
    fn count(&mut self, catalogue: &Catalogue, url: &'a UrlHealth, place: UrlPlace, file: FileSet) {
        if url.standing.verdict == Verdict::Dead {
            *self.dead.entry(place).or_default() |= file;
        }
        for repository in &url.repositories {
            let verdict = repository.standing.verdict;
            if verdict.is_bad() && catalogue.directory(&repository.directory).is_some() {
                let votes = self.content.entry((&repository.directory, place)).or_default();
                votes.0 |= file;
                votes.1 = verdict.max(votes.1);
            }
        }
    }
}

/// A place of which a file calls too many hosts bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    /// A country, or the world.
    place: Option<CountryCode>,
    bad: usize,
    judged: usize,
    max_bad: Share,
}

/// So many bad hosts are no accident, whatever their share; with fewer, all hosts have to be bad.
const MANY: usize = 5;

/// All hosts of a place count as many from this number on.
const FEW: usize = 3;

impl Doubt {
    /// Of a few hosts, most can be bad by accident.
    fn is_justified(&self) -> bool {
        let is_many = self.bad >= MANY || self.bad >= FEW && self.bad == self.judged;
        is_many && self.max_bad.is_exceeded_by(self.bad, self.judged)
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bad, judged, max_bad, ..
        } = self;
        write!(f, "it calls {bad} of {judged} hosts ")?;
        match self.place {
            Some(country) => write!(f, "in {country} ")?,
            None => f.write_str("of the world ")?,
        }
        write!(
            f,
            "bad, more than {max_bad} (health.max_bad); has the probe lost its network?"
        )
    }
}

/// The bad URLs for the requests of one directory.
#[derive(Clone, Copy)]
pub struct HealthView<'a> {
    table: &'a HealthTable,
    repository: Option<&'a RepositoryTable>,
}

impl HealthView<'_> {
    /// The bad URLs of a carrier, as a mask. `is_near` says that the client is near it by network: it may reach what the probe
    /// does not, so only content counts.
    #[inline]
    pub fn bad_urls(&self, carrier: CarrierIndex, is_near: bool) -> u64 {
        let number = carrier.get();
        if self.table.touched.word(number / 64) >> (number % 64) & 1 == 0 {
            return 0;
        }
        self.look_up(carrier, is_near)
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self, carrier: CarrierIndex, is_near: bool) -> u64 {
        let in_repository = self.repository.and_then(|repository| repository.get(&carrier));
        match (in_repository, is_near) {
            (Some(urls), true) => urls.content,
            (Some(urls), false) => urls.bad,
            (None, true) => 0,
            (None, false) => self.table.dead.get(&carrier).copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bad_hosts_or_all_of_a_few_are_a_doubt() {
        for (bad, judged, doubted) in [
            (0, 0, false),
            (1, 1, false),
            (2, 2, false),
            (3, 3, true),
            (4, 6, false),
            (6, 6, true),
            (5, 16, true),
            (5, 17, false),
            (30, 100, false),
            (31, 100, true),
        ] {
            let doubt = Doubt {
                place: None,
                bad,
                judged,
                max_bad: Share::percent(30),
            };
            assert_eq!(doubt.is_justified(), doubted, "{bad} of {judged}");
        }
        let all_allowed = Doubt {
            place: None,
            bad: 9,
            judged: 9,
            max_bad: Share::percent(100),
        };
        assert!(!all_allowed.is_justified());
    }
}
