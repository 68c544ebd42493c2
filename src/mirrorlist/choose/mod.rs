//! Which hosts a client gets, and in which order. Answers, explanations and benchmarks all use [`choose`]; nothing here makes
//! text.
//!
//! `select` puts each host of the directory into the best tier that takes it: `by_country` where `country=` is asked for, and elsewhere
//! `by_location` or, with `order = distance`, `by_distance`, which look at `by_network` first; [`rank`] is what one sort then puts in
//! order. Hosts that `health` finds without a good URL come last. An [`Observer`] learns why hosts are left out. `absent` tells for
//! which files a redirect would be in vain.
//!
//! [`weights`] is what a shuffle weighs hosts by, [`distance`] the law of the order by distance, [`first_share`] the limit of first places.
//!
//! Wishes and settings: `exclusions` keeps hosts out of all tiers, `attempts` gives that up where none is left, `families` knows which
//! family of addresses reaches a host, `sticky` puts a network's own order in place of a random one, `maximum` cuts the list off.
//! [`rules`] are what operators' rules add, and `bounds` says which of a setting, a rule and a parameter counts.

mod absent;
mod attempts;
mod bounds;
mod by_country;
mod by_distance;
mod by_location;
mod by_network;
pub mod distance;
mod exclusions;
mod families;
pub mod first_share;
mod health;
mod maximum;
pub mod rank;
pub mod rules;
mod select;
mod sticky;
pub mod weights;

use std::borrow::Cow;
use std::net::IpAddr;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng};

pub use distance::DistanceChoice;
pub use exclusions::{Exclusion, IgnoredWishes};
pub use rank::{RankedHost, Tier};
pub use select::Observer;

use super::locate::{ClientLocation, locate};
use super::protocols::ProtocolFilter;
use super::query::MirrorQuery;
use super::target::{Target, resolve};
use super::{Endpoint, Refusal};
use crate::geo::AsNumber;
use crate::health::AddressFamily;
use crate::settings::ChoiceSettings;
use crate::snapshot::rules::mirrors::MirrorStage;
use crate::snapshot::{Carrier, CarrierWord, Catalogue, FileDetails, Snapshot, Url};
use absent::is_known_to_be_absent;
use bounds::Bounds;
use by_country::asked_countries;
use by_network::NearHosts;
use exclusions::Exclusions;
use families::{FamilyFilter, is_native_ipv6};
use health::HealthOfHosts;
use rules::{AppliedRules, choose_by_rules};
use select::Selector;
use sticky::StickyNetwork;
use weights::Weights;

/// A client's request.
#[derive(Debug, Clone, Copy)]
pub struct MirrorRequest<'a> {
    /// The kind of answer.
    pub endpoint: Endpoint,
    /// The client's address.
    pub address: IpAddr,
    /// The parameters.
    pub query: &'a MirrorQuery<'a>,
    /// How hosts are chosen.
    pub settings: &'a ChoiceSettings,
    /// The time in seconds since the Unix epoch: health files count until their end.
    pub now: u64,
}

/// The form of an answer, with what only this form needs.
#[derive(Debug, Clone, Copy)]
pub enum AnswerForm<'a> {
    /// URLs, one a line.
    Mirrorlist,
    /// A redirect to this base URL.
    Redirect(&'a Url),
    /// The details of a file and its URLs.
    Metalink(&'a FileDetails),
}

/// The hosts that a client gets, and how they came about.
pub struct Choice<'a> {
    /// The directory or file asked for.
    pub target: Target<'a>,
    /// The located client.
    pub location: ClientLocation,
    /// Which URLs of a host the answer lists.
    pub protocols: ProtocolFilter,
    /// The form of the answer.
    pub form: AnswerForm<'a>,
    /// The hosts in order.
    pub selection: Selection<'a>,
    /// The URLs that are not listed where a host has better ones; `None` if there are none.
    health: Option<HealthOfHosts<'a>>,
    /// The operators' rules that count for the request; `None` if there are no rules at all.
    pub rules: Option<Box<AppliedRules<'a>>>,
    /// How hosts were measured; `None` if the order is not by distance.
    pub distance: Option<DistanceChoice>,
}

/// A request whose target and client are found.
#[derive(Clone)]
struct Prepared<'a> {
    target: Target<'a>,
    /// Of the file that a metalink is asked for.
    details: Option<&'a FileDetails>,
    location: ClientLocation,
}

/// Hosts in order, best first, and what the comment line says about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// The hosts.
    pub hosts: Vec<RankedHost>,
    /// The client's AS, if any host is in it.
    pub asn: Option<AsNumber>,
    /// The countries in which hosts were found, as the comment line repeats them; one that is found for two countries asked for
    /// comes twice.
    ///
    /// Compatibility: countries count here whose only hosts are not offered to the client; `tests/golden` pins it
    /// (`country-whose-only-host-is-not-for-the-client`).
    pub countries: Vec<Cow<'a, str>>,
    /// The wishes that are not followed, since no mirror would be left.
    pub ignored: IgnoredWishes,
    /// The hosts that are left out because of the setting `maximum` or a rule's, in the order in which they would follow.
    pub cut_off: Vec<RankedHost>,
    /// By distance, the hosts that are left out because enough others are nearer or drawn before them, in no order.
    pub farther: Vec<RankedHost>,
}

/// The random generator and the memory of a worker, reused between requests.
#[derive(Debug)]
pub struct Scratch {
    rng: Xoshiro256PlusPlus,
    near_hosts: NearHosts,
    /// Words with hosts that the global tier would add, which are their `public` bits.
    global: Vec<CarrierWord>,
    /// Hosts of other countries, in an order by distance.
    elsewhere: Vec<RankedHost>,
    key: String,
}

impl Scratch {
    /// A scratch whose random order follows from this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            near_hosts: NearHosts::default(),
            global: Vec::new(),
            elsewhere: Vec::new(),
            key: String::new(),
        }
    }

    /// A random number.
    #[inline]
    fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }
}

/// Chooses the hosts for a request and reports to an observer what keeps others out.
///
/// # Errors
/// Returns the refusal of a request that gets no mirrors.
pub fn choose<'a>(
    snapshot: &'a Snapshot,
    request: &MirrorRequest<'a>,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<Choice<'a>, Refusal<'a>> {
    let catalogue = snapshot.catalogue();
    let target = resolve(catalogue, request.endpoint, request.query, &mut scratch.key)?;
    let details = match request.endpoint {
        Endpoint::Mirrorlist => None,
        Endpoint::Metalink => Some(file_details(catalogue, &target)?),
    };
    let is_redirect = request.endpoint == Endpoint::Mirrorlist && request.query.redirect;
    if is_redirect && request.settings.refuses_absent_files {
        is_not_absent(catalogue, &target)?;
    }
    let prepared = Prepared {
        target,
        details,
        location: locate(snapshot, request.address),
    };
    match snapshot.rules() {
        None => select_hosts(snapshot, request, prepared, None, scratch, observer),
        Some(rules) => choose_by_rules(snapshot, rules, request, prepared, scratch, observer),
    }
}

/// Selects the hosts for a request, by the rules that count for it.
fn select_hosts<'a>(
    snapshot: &'a Snapshot,
    request: &MirrorRequest<'a>,
    prepared: Prepared<'a>,
    rules: Option<Box<AppliedRules<'a>>>,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<Choice<'a>, Refusal<'a>> {
    let &MirrorRequest { endpoint, query, .. } = request;
    let Prepared {
        target,
        details,
        location,
    } = prepared;
    let bounds = Bounds::new(request, rules.as_deref());
    let family = asked_family(query).and_then(|family| family_filter(snapshot, family, request.now, bounds.listed));
    let mut selector = Selector {
        snapshot,
        directory: target.directory,
        location,
        protocols: bounds.usable,
        listed: bounds.listed,
        network_off: query.network_off,
        minimum: bounds.minimum,
        settings: request.settings,
        measure: None,
        names_countries: endpoint == Endpoint::Mirrorlist && !bounds.is_redirect,
        exclusions: Exclusions::new(query.country.as_deref(), family),
        health: HealthOfHosts::new(snapshot.health_of(target.directory, request.now), family, bounds.listed),
        table: snapshot.carrier_table(rules.as_ref().and_then(|rules| rules.stage)),
        rules,
        scratch,
        observer,
    };
    let asked = query.country.as_deref().map(asked_countries);
    let selection = selector.select(asked.as_deref().unwrap_or_default());
    let mut choice = Choice {
        health: selector.health,
        selection,
        target,
        location,
        protocols: bounds.listed,
        form: details.map_or(AnswerForm::Mirrorlist, AnswerForm::Metalink),
        distance: selector.measure.map(DistanceChoice::new),
        rules: selector.rules,
    };
    choice.put_in_order(snapshot, request, &bounds, scratch);
    if bounds.is_redirect {
        let url = choice.urls(snapshot.catalogue()).next().ok_or(Refusal::NoWebMirror)?;
        choice.form = AnswerForm::Redirect(url);
    }
    Ok(choice)
}

/// The family of `ip_version=`; other values are ignored.
fn asked_family(query: &MirrorQuery<'_>) -> Option<AddressFamily> {
    AddressFamily::of_version(query.ip_version.as_deref()?)
}

/// Which of the URLs that an answer can list a family of addresses does not reach; `None` if it reaches all.
fn family_filter(
    snapshot: &Snapshot,
    family: AddressFamily,
    now: u64,
    listed: ProtocolFilter,
) -> Option<FamilyFilter<'_>> {
    let unreachable = snapshot.unreachable_by(family, now)?;
    Some(FamilyFilter { unreachable, listed })
}

fn file_details<'a>(catalogue: &'a Catalogue, target: &Target<'a>) -> Result<&'a FileDetails, Refusal<'a>> {
    // A directory has no details, and no file is called "".
    let name = target.file.clone().unwrap_or_default();
    catalogue
        .file_details(target.directory, &name)
        .ok_or_else(|| Refusal::NoFileDetails {
            directory: catalogue.directory_name(target.directory).into(),
            file: name,
        })
}

fn is_not_absent<'a>(catalogue: &Catalogue, target: &Target<'_>) -> Result<(), Refusal<'a>> {
    let directory = target.directory;
    let is_absent =
        |file: &str| is_known_to_be_absent(catalogue.directory_name(directory), catalogue.files_of(directory), file);
    match &target.file {
        Some(file) if is_absent(file) => Err(Refusal::NoSuchFile),
        _ => Ok(()),
    }
}

impl Choice<'_> {
    /// What the rules about mirrors say at the time of the request.
    pub fn stage(&self) -> Option<&MirrorStage> {
        self.rules.as_ref()?.stage
    }

    /// Sorts the hosts by rank, after the rules and settings that change it, and cuts the list off.
    fn put_in_order(
        &mut self,
        snapshot: &Snapshot,
        request: &MirrorRequest<'_>,
        bounds: &Bounds,
        scratch: &mut Scratch,
    ) {
        let (catalogue, settings) = (snapshot.catalogue(), request.settings);
        if let Some(rules) = &self.rules {
            rules.rank(&mut self.selection.hosts);
        }
        let sticky = (bounds.is_redirect && settings.sticky_redirects)
            .then(|| StickyNetwork::new(self.location.address, catalogue.created()));
        if let Some(network) = &sticky {
            let stage = self.rules.as_ref().and_then(|rules| rules.stage);
            let weights = Weights::new(snapshot, stage, settings, self.distance.as_ref());
            network.stick(&mut self.selection.hosts, catalogue, weights);
        }
        let hosts = &mut self.selection.hosts;
        if settings.prefer_family
            && is_native_ipv6(self.location.address)
            && asked_family(request.query).is_none()
            && let Some(ipv6) = family_filter(snapshot, AddressFamily::Ipv6, request.now, bounds.listed)
        {
            ipv6.put_behind(catalogue, hosts);
        }
        if self.distance.is_some() {
            self.finish_by_distance(snapshot, settings, bounds.minimum, sticky.as_ref(), scratch);
            if request.endpoint == Endpoint::Mirrorlist && !bounds.is_redirect {
                self.name_countries(catalogue);
            }
        }
        let hosts = &mut self.selection.hosts;
        hosts.sort_unstable();
        if let Some(maximum) = bounds.maximum {
            let is_listed = |host: RankedHost| bounds.listed.takes_any(catalogue.carrier(host.carrier()).protocols);
            self.selection.cut_off = maximum::cut_off(hosts, maximum, request.endpoint, is_listed);
        }
    }

    /// The chosen hosts in order, those without a URL that the answer lists included.
    pub fn carriers<'c>(&self, catalogue: &'c Catalogue) -> impl Iterator<Item = &'c Carrier> {
        let hosts = self.selection.hosts.iter();
        hosts.map(|host| catalogue.carrier(host.carrier()))
    }

    /// The URLs that the answer lists, in order.
    pub fn urls<'c>(&self, catalogue: &'c Catalogue) -> impl Iterator<Item = &'c Url> {
        let hosts = self.selection.hosts.iter();
        hosts.flat_map(|host| self.urls_of(*host, catalogue))
    }

    /// The URLs of a chosen host that the answer lists: bad ones, and ones that the client's family of addresses does not reach, only
    /// if it has no others.
    #[inline]
    pub fn urls_of<'c>(&self, host: RankedHost, catalogue: &'c Catalogue) -> impl Iterator<Item = &'c Url> + use<'c> {
        let carrier = catalogue.carrier(host.carrier());
        self.protocols
            .urls_but(self.withheld(host, carrier, catalogue), catalogue, carrier)
    }

    /// Whether the answer lists all URLs of its protocols, so that [`ProtocolFilter::urls`] gives the same as [`Self::urls_of`].
    pub fn withholds_none(&self) -> bool {
        self.health.is_none()
    }

    /// The bad and unreachable URLs of a chosen host that are not listed, as a mask.
    #[inline]
    fn withheld(&self, host: RankedHost, carrier: &Carrier, catalogue: &Catalogue) -> u64 {
        match &self.health {
            Some(health) => health.withheld(catalogue, host.carrier(), carrier, host.tier()),
            None => 0,
        }
    }

    /// Whether a host comes last because it has no good URL while others that the answer lists have one.
    pub fn demotes(&self, catalogue: &Catalogue) -> bool {
        let is_listed = |carrier: &Carrier| self.protocols.takes_any(carrier.protocols);
        let mut good = self.selection.hosts.iter().take_while(|host| !host.is_demoted());
        self.selection.hosts.last().is_some_and(|host| host.is_demoted())
            && good.any(|host| is_listed(catalogue.carrier(host.carrier())))
    }
}
