//! Which hosts a client gets, and in which order. Answers, explanations and benchmarks all use [`choose`]; nothing here makes
//! text.
//!
//! `select` puts each host of the directory into the best tier that takes it: `by_country` where `country=` is asked for, and elsewhere
//! `by_location` or, with `order = distance`, `by_distance`, which look at `by_network` first. [`distance`] is the law of the order by distance,
//! [`first_share`] the limit of first places. [`rank`] is what one sort then puts in order. Hosts that `health` finds without a good
//! URL come last. An [`Observer`] learns why hosts are left out.

mod by_country;
mod by_distance;
mod by_location;
mod by_network;
pub mod distance;
pub mod first_share;
mod health;
pub mod rank;
mod select;

use std::borrow::Cow;
use std::net::IpAddr;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng};

pub use distance::DistanceChoice;
pub use rank::{RankedHost, Tier};
pub use select::Observer;

use super::locate::{ClientLocation, locate};
use super::protocols::ProtocolFilter;
use super::query::MirrorQuery;
use super::target::{Target, resolve};
use super::{Endpoint, Refusal};
use crate::geo::AsNumber;
use crate::settings::ChoiceSettings;
use crate::snapshot::health::table::HealthView;
use crate::snapshot::{Carrier, CarrierWord, Catalogue, FileDetails, Snapshot, Url};
use by_country::asked_countries;
use by_network::NearHosts;
use health::HealthOfHosts;
use select::Selector;

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
    /// The bad URLs of hosts, which are not listed where a host has a good one; `None` if there are none.
    health: Option<HealthView<'a>>,
    /// How hosts were measured; `None` if the order is not by distance.
    pub distance: Option<DistanceChoice>,
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
    let &MirrorRequest {
        endpoint,
        query,
        settings,
        ..
    } = request;
    let catalogue = snapshot.catalogue();
    let target = resolve(catalogue, endpoint, query, &mut scratch.key)?;
    let details = match endpoint {
        Endpoint::Mirrorlist => None,
        Endpoint::Metalink => Some(file_details(catalogue, &target)?),
    };
    let location = locate(snapshot, request.address);
    let protocols = ProtocolFilter::new(query.protocol.as_deref(), endpoint);
    let redirect = endpoint == Endpoint::Mirrorlist && query.redirect;
    let listed = if redirect { protocols.for_redirects() } else { protocols };
    let health = snapshot.health_of(target.directory, request.now);
    let mut selector = Selector {
        snapshot,
        directory: target.directory,
        location,
        protocols,
        network_off: query.network_off,
        settings,
        listed,
        measure: None,
        distance: None,
        names_countries: endpoint == Endpoint::Mirrorlist && !redirect,
        health: health.map(|view| HealthOfHosts { view, listed }),
        scratch,
        observer,
    };
    let asked = query.country.as_deref().map(asked_countries);
    let mut selection = match asked.filter(|asked| !asked.is_empty()) {
        Some(asked) => selector.by_country(&asked),
        None => selector.in_order(),
    };
    let distance = selector.distance.take();
    selection.hosts.sort_unstable();
    let mut choice = Choice {
        selection,
        target,
        location,
        protocols: listed,
        form: details.map_or(AnswerForm::Mirrorlist, AnswerForm::Metalink),
        health,
        distance,
    };
    if redirect {
        let url = choice.urls(catalogue).next().ok_or(Refusal::NoWebMirror)?;
        choice.form = AnswerForm::Redirect(url);
    }
    Ok(choice)
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

impl Choice<'_> {
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

    /// The URLs of a chosen host that the answer lists: bad ones only if it has no good one.
    #[inline]
    pub fn urls_of<'c>(&self, host: RankedHost, catalogue: &'c Catalogue) -> impl Iterator<Item = &'c Url> + use<'c> {
        let carrier = catalogue.carrier(host.carrier());
        self.protocols
            .urls_but(self.withheld(host, carrier, catalogue), catalogue, carrier)
    }

    /// The bad URLs of a chosen host that are not listed, as a mask.
    #[inline]
    fn withheld(&self, host: RankedHost, carrier: &Carrier, catalogue: &Catalogue) -> u64 {
        match self.health {
            Some(view) if !host.is_demoted() => {
                let listed = self.protocols;
                HealthOfHosts { view, listed }.withheld(catalogue, host.carrier(), carrier, host.tier())
            }
            _ => 0,
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
