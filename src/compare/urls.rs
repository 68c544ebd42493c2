//! Two lists of URLs: which mirrors are in one only, in another tier or at another URL, and whether that is on purpose.

use std::collections::{HashMap, HashSet};

use super::classes::{Class, Difference, decoded, shown};
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
        listed,
        theirs,
    };
    // Hash tables have no order, examples should.
    lists.only_here.sort_unstable();
    let mut found = match lists.only_here.is_empty() && lists.only_there.is_empty() {
        true => Vec::new(),
        false => lists.differing(),
    };
    found.extend(repeated(there).or_else(|| lists.order(there)));
    found
}

/// Whether the other server can list a host that is limited to other countries: mirrorlist-server 3 ignores the limit in the
/// client's country and on its continent.
pub(super) fn is_beyond_limit(own: &OwnAnswer<'_>, host: &Candidate) -> bool {
    let query = MirrorQuery::parse(own.request.query());
    host.public && host.limited_nearby && query.country.is_none_or(|countries| countries.is_empty())
}

struct Lists<'a, 'o> {
    own: &'a OwnAnswer<'o>,
    listed: HashMap<&'a str, ListedPlace>,
    theirs: HashSet<&'a str>,
    only_here: Vec<&'a str>,
    only_there: Vec<&'a str>,
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
        let query = MirrorQuery::parse(self.own.request.query());
        let [protocols, countries] = [&query.protocol, &query.country].map(|list| list.as_deref().unwrap_or("").trim());
        let asked = |url: &str| {
            let mut protocols = protocols.split(',').map(str::trim);
            protocols.any(|asked| asked.eq_ignore_ascii_case(protocol_of(url)))
        };
        let all_decoded = |urls: &mut dyn Iterator<Item = &&str>| urls.map(|url| decoded(url)).collect::<HashSet<_>>();
        let class =
            if self.own.is_encoded() && all_decoded(&mut self.listed.keys()) == all_decoded(&mut self.theirs.iter()) {
                Class::Decoding
            } else if !protocols.is_empty() && !self.theirs.iter().all(|url| asked(url)) {
                Class::ProtocolAsked
            } else if !countries.is_empty() && self.theirs.is_empty() {
                Class::CountryFallsThrough
            } else if self.is_minimum() {
                Class::Minimum
            } else {
                return None;
            };
        let first = |urls: &[&str]| urls.first().map_or_else(|| "none".to_owned(), |url| shown(url));
        let (here, there) = (first(&self.only_here), first(&self.only_there));
        Some(Difference::new(
            class,
            format!("only here: {here}, only there: {there}"),
        ))
    }

    /// Whether one list is the other one and all the world's mirrors.
    fn is_minimum(&self) -> bool {
        let is_global = |url: &&str| self.listed.get(url).is_some_and(|place| place.tier == Tier::Global);
        match (self.only_here.is_empty(), self.only_there.is_empty()) {
            (false, true) => {
                let global = self.listed.keys().filter(|url| is_global(url)).count();
                let all_global_missing = self.only_here.len() == global && self.only_here.iter().all(is_global);
                all_global_missing && self.listed.len() > global
            }
            (true, false) if !self.own.groups.iter().any(|group| group.tier == Tier::Global) => {
                let hosts: HashSet<i64> = self.listed.values().map(|place| place.host).collect();
                let missing = self.own.candidates.iter();
                let missing = missing.filter(|host| host.public && host.offered && !hosts.contains(&host.host_id));
                // A mirror without a URL of a protocol that is listed is in neither list.
                let (there, absent): (Vec<_>, Vec<_>) =
                    missing.partition(|host| host.urls.iter().any(|url| self.theirs.contains(url.as_str())));
                let rsync_only = |host: &&Candidate| host.urls.iter().all(|url| protocol_of(url) == "rsync");
                let known = self.only_there.iter().all(|url| self.own.candidate(url).is_some());
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

    /// A URL that only the other server lists.
    fn only_there(&mut self, url: &str) -> Difference {
        let Some(candidate) = self.own.candidate(url) else {
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
        let same = |here: &&str| self.listed.get(here).is_some_and(|place| place.host == host);
        if let Some(position) = self.only_here.iter().position(same) {
            let here = self.only_here.remove(position);
            let class = match rank(protocol_of(here)) < rank(protocol_of(url)) {
                true => Class::ProtocolOrder,
                false => Class::Url,
            };
            return Difference::here_there(class, here, url);
        }
        let url = shown(url);
        if self.listed.values().any(|place| place.host == host) {
            return Difference::new(Class::Url, format!("only there: {url}"));
        }
        if is_beyond_limit(self.own, candidate) {
            return Difference::new(Class::CountryLimit, url);
        }
        let why = match candidate {
            Candidate { public: false, .. } => "private here",
            Candidate { limited: true, .. } => "not for the client's country here",
            _ => "in no tier here that the client needs",
        };
        Difference::new(Class::OnlyThere, format!("{url} ({why})"))
    }

    /// Whether the other list keeps to this server's tiers, as far as it has the same URLs, and each host's URLs together.
    fn order(&self, there: &[&str]) -> Option<Difference> {
        let mut last: Option<(ListedPlace, &str)> = None;
        let mut hosts: HashMap<i64, Vec<&str>> = HashMap::new();
        for url in there {
            let Some(place) = self.listed.get(url) else {
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
        for (host, urls) in self.own.groups.iter().flat_map(|group| &group.hosts) {
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
}

/// This server's order of protocols.
fn rank(protocol: &str) -> usize {
    let order = ["https", "http", "ftp"];
    order.iter().position(|known| *known == protocol).unwrap_or(order.len())
}

fn repeated(there: &[&str]) -> Option<Difference> {
    let mut seen = HashSet::new();
    let twice = there.iter().find(|url| !seen.insert(**url))?;
    let detail = format!("there {} is listed twice", shown(twice));
    Some(Difference::new(Class::Url, detail))
}
