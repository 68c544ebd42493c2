//! What docs/rules.md says of an answer, worked out the slow way: for each host, whether it is left and where it comes.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use mirrorlist_server::geo::network;
use mirrorlist_server::mirrorlist::Endpoint;
use mirrorlist_server::mirrorlist::locate::locate;
use mirrorlist_server::snapshot::Snapshot;

use crate::random_world::families::Reach;
use crate::random_world::{Host, PROTOCOLS, Question, continent};
use crate::spec::{Audience, Client, Mirror, Repository, Rules};

/// Hosts in groups: within a group the order is by chance.
pub(crate) type Groups = Vec<BTreeSet<usize>>;

/// What an answer must be.
#[derive(Debug)]
pub(crate) enum Expected {
    Refused,
    /// The groups of hosts that have a URL, at most so many hosts, and the protocols of a host's URLs.
    Listed {
        groups: Groups,
        maximum: usize,
        urls: Vec<Vec<&'static str>>,
        /// The words of the comment about wishes that are ignored.
        ignoring: &'static str,
    },
}

/// The protocols that the operators allow; `None`: no rule says so.
type Allowed<'p> = Option<&'p [&'static str]>;

/// Which of its wishes an answer follows: the excluded countries, the family.
type Followed = (bool, bool);

pub(crate) struct Oracle<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) hosts: &'a [Host],
    pub(crate) rules: &'a Rules,
    pub(crate) question: &'a Question,
    /// What health files say of the family of `ip_version=`.
    pub(crate) asked_family: Option<Reach<'a>>,
    /// What health files say of IPv6.
    pub(crate) ipv6: Option<Reach<'a>>,
}

impl Oracle<'_> {
    fn address(&self) -> IpAddr {
        self.question.address.parse().unwrap()
    }

    fn country(&self) -> Option<String> {
        locate(self.snapshot, self.address())
            .country_code()
            .map(|code| code.to_string())
    }

    fn asn(&self) -> Option<i64> {
        let announced = self.snapshot.autonomous_systems().lookup(self.address());
        announced.map(|(_, asn)| i64::from(asn.get()))
    }

    /// How well an audience fits the client: smaller is better.
    fn fit(&self, audience: &Audience) -> Option<(u8, Reverse<u8>)> {
        let networks = audience.networks.iter().map(|text| network::parse(text).unwrap());
        let holding = networks.filter(|network| network.contains(self.address()));
        let longest = holding.map(|network| network.netmask()).max();
        let country = self.country();
        match longest {
            Some(length) => Some((0, Reverse(length))),
            None if self.asn().is_some_and(|asn| audience.as_numbers.contains(&asn)) => Some((1, Reverse(0))),
            None if country.is_some_and(|country| audience.countries.contains(&&*country)) => Some((2, Reverse(0))),
            None => None,
        }
    }

    fn mirror_rules(&self, host: usize) -> impl Iterator<Item = &Mirror> {
        self.rules
            .mirrors
            .iter()
            .filter(move |rule| rule.end.1 && rule.host == host)
    }

    /// The countries that a host is in; `None`: everywhere.
    fn places(&self, host: usize) -> Option<Vec<&'static str>> {
        if self.hosts[host].private {
            return Some(vec![self.hosts[host].country]);
        }
        match self.mirror_rules(host).find(|rule| !rule.countries.is_empty()) {
            Some(rule) if rule.countries.contains(&"*") => None,
            Some(rule) => Some(rule.countries.clone()),
            None => Some(vec![self.hosts[host].country]),
        }
    }

    fn is_in(&self, host: usize, country: &str) -> bool {
        self.places(host).is_none_or(|places| places.contains(&country))
    }

    fn is_on(&self, host: usize, continents: &[String]) -> bool {
        let places = self.places(host).unwrap_or_default();
        places
            .iter()
            .any(|place| continent(self.snapshot, place).is_some_and(|there| continents.contains(&there)))
    }

    fn is_out(&self, host: usize) -> bool {
        self.mirror_rules(host).any(|rule| rule.out)
    }

    /// Whether a host is left for the choice.
    fn is_candidate(&self, host: usize, rule: Option<&Client>) -> bool {
        let shunned = self.mirror_rules(host).filter_map(|rule| rule.never_for.as_ref());
        let mut shunned = shunned.filter(|audience| self.fit(audience).is_some());
        if !self.hosts[host].is_carrier() || self.is_out(host) || shunned.next().is_some() {
            return false;
        }
        let Some(rule) = rule else { return true };
        let in_never = self
            .places(host)
            .is_some_and(|places| places.iter().all(|place| rule.never.1.contains(place)));
        let never = rule.never.0.contains(&host) || !rule.never.1.is_empty() && in_never;
        !never && (rule.only.is_empty() || rule.only.contains(&host))
    }

    fn is_offered(&self, host: usize, rule: Option<&Client>) -> bool {
        let allowed = &self.hosts[host].allowed;
        let named = rule.is_some_and(|rule| rule.only.contains(&host) || rule.prefer.contains(&host));
        let country = self.country();
        named || allowed.is_empty() || country.is_some_and(|country| allowed.contains(&&*country))
    }

    /// The longest prefix that holds the client and that a host or a rule gives the host.
    fn nearest(&self, host: usize) -> Option<u8> {
        let of_rules = self.mirror_rules(host).flat_map(|rule| &rule.networks);
        let all = self.hosts[host]
            .netblocks
            .iter()
            .chain(of_rules)
            .map(|text| network::parse(text).unwrap());
        all.filter(|network| network.contains(self.address()))
            .map(|network| network.netmask())
            .max()
    }

    /// The hosts in groups, and whether `usable` says of a host that it counts to the minimum.
    fn groups(
        &self,
        rule: Option<&Client>,
        minimum: usize,
        usable: &dyn Fn(usize) -> bool,
        is_excluded: &dyn Fn(usize) -> bool,
    ) -> Groups {
        let candidates: Vec<usize> = (0..self.hosts.len())
            .filter(|host| self.is_candidate(*host, rule) && !is_excluded(*host))
            .collect();
        let among = |wanted: &dyn Fn(usize) -> bool| -> BTreeSet<usize> {
            candidates.iter().copied().filter(|host| wanted(*host)).collect()
        };
        let public = |host: usize| !self.hosts[host].private && self.is_offered(host, rule);
        let prefer = rule.map_or(&[][..], |rule| &rule.prefer);
        let preferred_first = |groups: Groups| -> Groups {
            let split = |is_preferred: bool| {
                let groups = groups.iter();
                groups.map(move |group| {
                    group
                        .iter()
                        .copied()
                        .filter(|host| prefer.contains(host) == is_preferred)
                        .collect()
                })
            };
            split(true).chain(split(false)).collect()
        };
        let mut by_network = self.question.netblock;
        let asked = self
            .question
            .countries
            .iter()
            .flatten()
            .map(|country| country.to_uppercase());
        let is_place = |country: &String| !country.is_empty() && !country.trim().starts_with('!');
        let asked: Vec<String> = asked.filter(is_place).collect();
        if !asked.is_empty() {
            let is_there = |host: usize| {
                public(host)
                    && asked
                        .iter()
                        .any(|country| country == "GLOBAL" || self.is_in(host, country))
            };
            let only_global = asked.iter().all(|country| country == "GLOBAL");
            let there = among(&|host| if only_global { public(host) } else { is_there(host) });
            if !there.is_empty() {
                return preferred_first(vec![there]);
            }
            let continents: Vec<String> = asked
                .iter()
                .filter_map(|country| continent(self.snapshot, country))
                .collect();
            let there = among(&|host| public(host) && self.is_on(host, &continents));
            if !there.is_empty() {
                return preferred_first(vec![there]);
            }
            by_network &= continents.is_empty();
        }
        let mut groups = Groups::new();
        if by_network {
            groups.extend(
                (0..=128)
                    .rev()
                    .map(|length| among(&|host| self.nearest(host) == Some(length))),
            );
            let asn = self.asn();
            groups.push(among(&|host| asn.is_some() && self.hosts[host].asn == asn));
        }
        let country = self.country();
        groups.push(among(&|host| {
            public(host)
                && (self.places(host).is_none() || country.as_deref().is_some_and(|country| self.is_in(host, country)))
        }));
        let home: Vec<String> = country
            .iter()
            .filter_map(|country| continent(self.snapshot, country))
            .collect();
        groups.push(among(&|host| public(host) && self.is_on(host, &home)));
        let mut far = among(&|host| prefer.contains(&host));
        let so_far: BTreeSet<usize> = groups.iter().flatten().chain(&far).copied().collect();
        let is_only = rule.is_some_and(|rule| !rule.only.is_empty());
        if is_only {
            far.extend(&candidates);
        } else if so_far.iter().filter(|host| usable(**host)).count() < minimum {
            far.extend(among(&public));
        }
        groups.push(far);
        let mut seen = BTreeSet::new();
        for group in &mut groups {
            group.retain(|host| seen.insert(*host));
        }
        preferred_first(groups)
    }

    /// The protocols of a host's URLs that count, by the operators' protocols.
    fn usable(&self, host: usize, allowed: Option<&[&'static str]>) -> Vec<&'static str> {
        let question = self.question;
        let asked = question
            .protocols
            .iter()
            .flatten()
            .map(|protocol| protocol.to_lowercase());
        let asked: Vec<String> = asked.collect();
        let (mut wanted, most) = match (asked.len(), question.endpoint) {
            (0, Endpoint::Metalink) => (PROTOCOLS.to_vec(), usize::MAX),
            (0, Endpoint::Mirrorlist) => (vec!["https", "http", "ftp"], 1),
            (most, _) => (
                PROTOCOLS
                    .iter()
                    .copied()
                    .filter(|p| asked.iter().any(|a| a == p))
                    .collect(),
                most,
            ),
        };
        if let Some(allowed) = allowed {
            wanted.retain(|protocol| allowed.contains(protocol));
            if wanted.is_empty() {
                wanted = allowed.to_vec();
            }
        }
        let has = |protocol: &&str| wanted.contains(protocol) && self.hosts[host].protocols.contains(protocol);
        PROTOCOLS.iter().copied().filter(has).take(most).collect()
    }

    fn listed(&self, host: usize, allowed: Option<&[&'static str]>) -> Vec<&'static str> {
        if !self.question.is_redirect() {
            return self.usable(host, allowed);
        }
        // A redirect takes the best of the web protocols among those that count.
        let most = Question {
            redirect: false,
            protocols: self.question.protocols.clone().filter(|asked| !asked.is_empty()),
            ..self.question.clone()
        };
        let unlimited = Oracle {
            question: &most,
            ..*self
        };
        let web = |protocol: &&str| matches!(*protocol, "https" | "http");
        let wanted: Vec<&'static str> = PROTOCOLS.iter().copied().filter(web).collect();
        let all = wanted.into_iter().filter(|protocol| {
            let alone = [Host {
                protocols: vec![*protocol],
                ..self.hosts[host].clone()
            }];
            let alone = Oracle {
                hosts: &alone,
                ..unlimited
            };
            self.hosts[host].protocols.contains(protocol) && !alone.usable(0, allowed).is_empty()
        });
        all.take(1).collect()
    }

    /// The countries that the request excludes.
    fn excluded_countries(&self) -> Vec<String> {
        let entries = self.question.countries.iter().flatten();
        let excluded = entries.filter_map(|entry| entry.trim().strip_prefix('!'));
        excluded.map(|country| country.trim().to_uppercase()).collect()
    }

    /// What the answer can list of a host, before it takes the first few.
    fn listable(&self, host: usize, allowed: Allowed<'_>) -> Vec<&'static str> {
        let protocols = self.hosts[host].protocols.iter().copied();
        protocols
            .filter(|protocol| !self.listed_of(host, vec![*protocol], allowed).is_empty())
            .collect()
    }

    /// What the answer lists of a host if it has URLs of these protocols only.
    fn listed_of(&self, host: usize, protocols: Vec<&'static str>, allowed: Allowed<'_>) -> Vec<&'static str> {
        let alone = [Host {
            protocols,
            ..self.hosts[host].clone()
        }];
        let alone = Oracle { hosts: &alone, ..*self };
        alone.listed(0, allowed)
    }

    fn is_beyond(&self, reach: Option<Reach<'_>>, host: usize, allowed: Allowed<'_>) -> bool {
        let listable = self.listable(host, allowed);
        let reaches = |protocol: &&str| reach.is_none_or(|reach| reach.reaches(host, protocol));
        !listable.is_empty() && !listable.iter().any(reaches)
    }

    fn is_excluded(&self, host: usize, (by_country, by_family): Followed, allowed: Allowed<'_>) -> bool {
        let excluded = self.excluded_countries();
        let is_there = |places: Vec<&str>| {
            places
                .iter()
                .all(|place| excluded.iter().any(|country| country == place))
        };
        by_country && self.places(host).is_some_and(is_there)
            || by_family && self.is_beyond(self.asked_family, host, allowed)
    }

    /// What the answer lists of a host, from the URLs within reach if there are any.
    fn listed_within(&self, host: usize, reach: Option<Reach<'_>>, allowed: Allowed<'_>) -> Vec<&'static str> {
        let mut protocols = self.hosts[host].protocols.clone();
        if let Some(reach) = reach
            && !self.is_beyond(Some(reach), host, allowed)
        {
            protocols.retain(|protocol| reach.reaches(host, protocol));
        }
        self.listed_of(host, protocols, allowed)
    }

    /// The first answer that lists something, from all wishes to none: the family is given up first, then the countries.
    fn attempt(
        &self,
        client: Option<&Client>,
        repository: Option<&Repository>,
        with_protocols: bool,
    ) -> Option<Expected> {
        let has_countries = self.excluded_countries().iter().any(|country| country.len() == 2);
        let attempts = [(true, true), (true, false), (false, true), (false, false)];
        let (followed, expected) = attempts.into_iter().find_map(|followed| {
            let expected = self.attempt_following(followed, client, repository, with_protocols)?;
            Some((followed, expected))
        })?;
        let words = match (followed.0 || !has_countries, followed.1 || self.asked_family.is_none()) {
            (true, true) => "",
            (false, true) => "Ignoring excluded countries",
            (true, false) => "Ignoring ip_version",
            (false, false) => "Ignoring excluded countries and ip_version",
        };
        Some(match expected {
            Expected::Refused => expected,
            Expected::Listed {
                groups, maximum, urls, ..
            } => Expected::Listed {
                groups,
                maximum,
                urls,
                ignoring: words,
            },
        })
    }

    fn attempt_following(
        &self,
        followed: Followed,
        client: Option<&Client>,
        repository: Option<&Repository>,
        with_protocols: bool,
    ) -> Option<Expected> {
        let of_client = client
            .map(|rule| &rule.protocols[..])
            .filter(|protocols| !protocols.is_empty());
        let of_repository = repository
            .filter(|_| with_protocols)
            .and_then(|rule| self.repository_protocols(rule));
        let allowed: Option<Vec<&'static str>> = of_client.map(<[_]>::to_vec).or(of_repository);
        let allowed = allowed.as_deref();
        let minimum = client
            .and_then(|rule| rule.minimum)
            .or(repository.and_then(|rule| rule.minimum));
        let maximum = client
            .and_then(|rule| rule.maximum)
            .or(repository.and_then(|rule| rule.maximum))
            .or(self.question.settings.maximum.map(NonZeroUsize::get));
        let usable = |host: usize| !self.usable(host, allowed).is_empty();
        let is_excluded = |host: usize| self.is_excluded(host, followed, allowed);
        let minimum = minimum.unwrap_or(self.question.settings.minimum);
        let mut groups = self.groups(client, minimum, &usable, &is_excluded);
        let reach = self.asked_family.filter(|_| followed.1);
        let urls = (0..self.hosts.len()).map(|host| self.listed_within(host, reach, allowed));
        let urls: Vec<_> = urls.collect();
        let is_native = self.question.address.contains(':');
        if self.question.settings.prefer_family && self.asked_family.is_none() && is_native {
            let split = |is_beyond: bool| {
                let is_of = move |host: &usize| self.is_beyond(self.ipv6, *host, allowed) == is_beyond;
                groups
                    .iter()
                    .map(move |group| group.iter().copied().filter(is_of).collect())
            };
            groups = split(false).chain(split(true)).collect();
        }
        for group in &mut groups {
            group.retain(|host| !urls[*host].is_empty());
        }
        groups.retain(|group| !group.is_empty());
        let maximum = match self.question.endpoint {
            Endpoint::Metalink => maximum.map_or(usize::MAX, |maximum| maximum.max(5)),
            Endpoint::Mirrorlist => maximum.unwrap_or(usize::MAX),
        };
        (!groups.is_empty()).then_some(Expected::Listed {
            groups,
            maximum,
            urls,
            ignoring: "",
        })
    }

    fn repository_protocols(&self, rule: &Repository) -> Option<Vec<&'static str>> {
        let with_https = (0..self.hosts.len()).filter(|host| {
            let facts = &self.hosts[*host];
            facts.is_carrier() && !facts.private && facts.protocols.contains(&"https") && !self.is_out(*host)
        });
        if rule.https_at_least.is_some_and(|least| with_https.count() >= least) {
            return Some(vec!["https"]);
        }
        Some(rule.protocols.clone()).filter(|protocols| !protocols.is_empty())
    }

    /// The answer.
    pub(crate) fn expected(&self) -> Expected {
        let mut clients: Vec<(_, &Client)> = self
            .rules
            .clients
            .iter()
            .filter_map(|rule| {
                let counts = rule.end.1 && rule.pattern.is_none_or(|(_, matches)| matches);
                Some((self.fit(&rule.audience).filter(|_| counts)?, rule))
            })
            .collect();
        clients.sort_by_key(|(fit, _)| *fit);
        let repository = self.rules.repositories.iter().find(|rule| rule.end.1 && rule.pattern.1);
        let rules = clients.into_iter().map(|(_, rule)| Some(rule)).chain([None]);
        for rule in rules {
            let attempts = [true, false]
                .into_iter()
                .filter_map(|with| self.attempt(rule, repository, with));
            if let Some(expected) = attempts.into_iter().next() {
                return expected;
            }
            match rule {
                Some(rule) if rule.restricts() && rule.refuses => return Expected::Refused,
                Some(rule) if rule.restricts() => {}
                _ => break,
            }
        }
        Expected::Listed {
            groups: Vec::new(),
            maximum: 0,
            urls: Vec::new(),
            ignoring: "",
        }
    }
}
