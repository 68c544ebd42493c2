//! Two lists of URLs: which mirrors are in one only, in another tier or at another URL, and whether that is on purpose.

use std::collections::{HashMap, HashSet};

use super::classes::Class;
use super::difference::{Difference, decoded, encodes, shown};
use super::own::{Candidate, ListedPlace, OwnAnswer, host_of, protocol_of};
use crate::mirrorlist::{MirrorQuery, Tier};

/// Compares the URLs that this server lists with the other server's, which are in its order.
pub(super) fn compare(own: &OwnAnswer<'_>, there: &[&str]) -> Vec<Difference> {
    let listed = own.listed();
    let theirs: HashSet<&str> = there.iter().copied().collect();
    let mut lists = Lists {
        own,
        only_here: listed.keys().copied().filter(|url| !theirs.contains(url)).collect(),
        only_there: there.iter().copied().filter(|url| !listed.contains_key(url)).collect(),
        candidates: Vec::new(),
        listed: &listed,
        theirs,
    };
    // Hash tables have no order, examples should.
    lists.only_here.sort_unstable();
    let mut found = if lists.only_here.is_empty() && lists.only_there.is_empty() {
        Vec::new()
    } else {
        lists.candidates = own.candidates();
        lists.differing()
    };
    found.extend(repeated(there).or_else(|| order(own, &listed, there)));
    found
}

/// Whether the other server can list a host that is limited to other countries: mirrorlist-server 3 ignores the limit in the
/// client's country and on its continent.
pub(super) fn is_beyond_limit(own: &OwnAnswer<'_>, host: &Candidate) -> bool {
    let query = MirrorQuery::parse(own.request().query());
    host.public && host.limited_nearby && query.country.is_none_or(|countries| countries.is_empty())
}

struct Lists<'a, 'o> {
    own: &'a OwnAnswer<'o>,
    listed: &'a HashMap<&'a str, ListedPlace>,
    theirs: HashSet<&'a str>,
    only_here: Vec<&'a str>,
    only_there: Vec<&'a str>,
    candidates: Vec<Candidate>,
}

impl Lists<'_, '_> {
    fn differing(&mut self) -> Vec<Difference> {
        if let Some(difference) = self.all_otherwise() {
            return vec![difference];
        }
        let mut found = Vec::new();
        for url in std::mem::take(&mut self.only_there) {
            found.push(self.only_there(url));
        }
        // In mirrorlist-server 3, a mirror beyond its limit counts as a near one, so that the global tier may be missing.
        let limit = found.iter().any(|difference| difference.class == Class::CountryLimit);
        for url in &self.only_here {
            let place = self.listed.get(url);
            let global = place.is_some_and(|place| place.tier == Tier::Global);
            let class = match place {
                _ if limit && global => Class::CountryLimit,
                Some(place) if self.lists_host(place.host) => Class::Url,
                _ => Class::OnlyHere,
            };
            let tier = place.map_or_else(String::new, |place| format!(" (tier {:?})", place.tier));
            found.push(Difference::new(class, format!("{}{tier}", shown(url))));
        }
        found
    }

    /// A reason that explains the whole list.
    fn all_otherwise(&self) -> Option<Difference> {
        let query = MirrorQuery::parse(self.own.request().query());
        let asks = |value: &Option<_>| value.as_deref().is_some_and(|list: &str| !list.trim().is_empty());
        let sample = |urls: &[&str]| urls.first().map_or_else(|| "none".to_owned(), |url| shown(url));
        let detail = format!(
            "only here: {}, only there: {}",
            sample(&self.only_here),
            sample(&self.only_there)
        );
        if encodes(self.own) {
            let all = |urls: &mut dyn Iterator<Item = &&str>| urls.map(|url| decoded(url)).collect::<HashSet<_>>();
            if all(&mut self.listed.keys()) == all(&mut self.theirs.iter()) {
                return Some(Difference::new(Class::Decoding, detail));
            }
        }
        if asks(&query.protocol) {
            let asked: Vec<&str> = query
                .protocol
                .as_deref()
                .unwrap_or_default()
                .split(',')
                .map(str::trim)
                .collect();
            let other = |url: &&str| !asked.iter().any(|asked| asked.eq_ignore_ascii_case(protocol_of(url)));
            if self.theirs.iter().any(other) {
                return Some(Difference::new(Class::ProtocolAsked, detail));
            }
        }
        if asks(&query.country) && self.theirs.is_empty() {
            return Some(Difference::new(Class::CountryFallsThrough, detail));
        }
        self.minimum().then(|| Difference::new(Class::Minimum, detail))
    }

    /// Whether one list is the other one and all the world's mirrors.
    fn minimum(&self) -> bool {
        let is_global = |url: &&str| self.listed.get(url).is_some_and(|place| place.tier == Tier::Global);
        let all_global_missing = || {
            let global = self.listed.keys().filter(|url| is_global(url)).count();
            self.only_here.len() == global && self.only_here.iter().all(is_global)
        };
        match (self.only_here.is_empty(), self.only_there.is_empty()) {
            (false, true) => all_global_missing() && self.listed.len() > self.only_here.len(),
            (true, false) if !self.own.groups.iter().any(|group| group.tier == Tier::Global) => {
                let hosts: HashSet<i64> = self.listed.values().map(|place| place.host).collect();
                let missing = self
                    .candidates
                    .iter()
                    .filter(|candidate| candidate.public && candidate.offered && !hosts.contains(&candidate.host_id));
                let reached =
                    |candidate: &Candidate| candidate.urls.iter().any(|url| self.theirs.contains(url.as_str()));
                // A mirror without a URL of a protocol that is listed is in neither list.
                let (there, absent): (Vec<_>, Vec<_>) = missing.partition(|candidate| reached(candidate));
                let rsync_only = |candidate: &&Candidate| candidate.urls.iter().all(|url| protocol_of(url) == "rsync");
                let known = self.only_there.iter().all(|url| self.candidate(url).is_some());
                known && there.len() > 1 && absent.iter().all(rsync_only)
            }
            _ => false,
        }
    }

    /// Whether the other server lists another URL of this host.
    fn lists_host(&self, host: i64) -> bool {
        let of_host = |url: &&str| self.listed.get(url).is_some_and(|place| place.host == host);
        self.theirs.iter().any(of_host)
    }

    fn candidate(&self, url: &str) -> Option<&Candidate> {
        let has = |candidate: &&Candidate| candidate.urls.iter().any(|known| known == url);
        self.candidates.iter().find(has)
    }

    /// A URL that only the other server lists.
    fn only_there(&mut self, url: &str) -> Difference {
        let Some(candidate) = self.candidate(url) else {
            let host = host_of(url);
            let moved = self.only_here.iter().position(|here| host_of(here) == host);
            return match moved.map(|position| self.only_here.remove(position)) {
                Some(here) => Difference::here_there(Class::Url, here, url),
                None => Difference::new(
                    Class::OnlyThere,
                    format!("{} (here, no mirror has this URL for what is asked)", shown(url)),
                ),
            };
        };
        let host = candidate.host_id;
        let beyond_limit = is_beyond_limit(self.own, candidate);
        let why = match candidate {
            Candidate { public: false, .. } => "private here",
            Candidate { limited: true, .. } => "not for the client's country here",
            _ => "in no tier here that the client needs",
        };
        let same = |here: &&str| self.listed.get(here).is_some_and(|place| place.host == host);
        match self.only_here.iter().position(same) {
            Some(position) => {
                let here = self.only_here.remove(position);
                let class = match rank(protocol_of(here)) < rank(protocol_of(url)) {
                    true => Class::ProtocolOrder,
                    false => Class::Url,
                };
                Difference::here_there(class, here, url)
            }
            None if self.listed.values().any(|place| place.host == host) => {
                Difference::new(Class::Url, format!("only there: {}", shown(url)))
            }
            None if beyond_limit => Difference::new(Class::CountryLimit, shown(url)),
            None => Difference::new(Class::OnlyThere, format!("{} ({why})", shown(url))),
        }
    }
}

/// This server's order of protocols.
fn rank(protocol: &str) -> usize {
    let order = ["https", "http", "ftp"];
    order.iter().position(|known| *known == protocol).unwrap_or(order.len())
}

fn repeated(there: &[&str]) -> Option<Difference> {
    let mut seen = HashSet::new();
    let twice = there.iter().find(|url| !seen.insert(**url))?;
    Some(Difference::new(
        Class::Url,
        format!("there {} is listed twice", shown(twice)),
    ))
}

/// Whether the other list keeps to this server's tiers, as far as it has the same URLs, and each host's URLs together.
fn order(own: &OwnAnswer<'_>, listed: &HashMap<&str, ListedPlace>, there: &[&str]) -> Option<Difference> {
    let mut last: Option<(ListedPlace, &str)> = None;
    let mut hosts: HashMap<i64, Vec<&str>> = HashMap::new();
    for url in there {
        let Some(place) = listed.get(url) else {
            continue;
        };
        if let Some((before, earlier)) = last {
            if place.group < before.group {
                let detail = format!(
                    "there {} (tier {:?} here) comes before {} (tier {:?} here)",
                    shown(earlier),
                    before.tier,
                    shown(url),
                    place.tier
                );
                return Some(Difference::new(Class::Order, detail));
            }
            if before.host != place.host && hosts.contains_key(&place.host) {
                let detail = format!("there {} comes after other mirrors' URLs", shown(url));
                return Some(Difference::new(Class::Order, detail));
            }
        }
        last = Some((*place, url));
        hosts.entry(place.host).or_default().push(url);
    }
    for (host, urls) in own.groups.iter().flat_map(|group| &group.hosts) {
        let Some(theirs) = hosts.get(host).filter(|theirs| theirs.len() == urls.len()) else {
            continue;
        };
        if let Some((here, there)) = urls.iter().zip(theirs).find(|(here, there)| here != there) {
            let class = match protocol_of(here) == protocol_of(there) {
                true => Class::Order,
                false => Class::ProtocolOrder,
            };
            return Some(Difference::here_there(class, here, there));
        }
    }
    None
}
