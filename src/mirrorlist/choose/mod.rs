//! Which hosts a client gets, and in which order. Answers, explanations and benchmarks all use [`choose`]; nothing here makes
//! text.
//!
//! `select` puts each host of the directory into the best tier that takes it, `by_country` where `country=` is asked for and
//! `by_location` elsewhere, which looks at `by_network` first; [`rank`] is what one sort then puts in order. Hosts that `health`
//! finds without a good URL come last. An [`Observer`] learns why hosts are left out.

mod by_country;
mod by_location;
mod by_network;
mod health;
mod limit;
pub mod rank;
pub mod rules;
mod select;

use std::borrow::Cow;
use std::net::IpAddr;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

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
use limit::limit;
use rules::{AppliedRules, choose_by_rules};
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
    /// The operators' rules that count for the request; `None` if there are no rules at all.
    pub rules: Option<Box<AppliedRules<'a>>>,
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
}

/// The random generator and the memory of a worker, reused between requests.
#[derive(Debug)]
pub struct Scratch {
    rng: Xoshiro256PlusPlus,
    near_hosts: NearHosts,
    /// Words with hosts that the global tier would add, which are their `public` bits.
    global: Vec<CarrierWord>,
    key: String,
}

impl Scratch {
    /// A scratch whose random order follows from this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            near_hosts: NearHosts::default(),
            global: Vec::new(),
            key: String::new(),
        }
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
    let catalogue = snapshot.catalogue();
    let Bounds {
        protocols,
        minimum,
        maximum,
    } = Bounds::new(request, rules.as_deref());
    let redirect = endpoint == Endpoint::Mirrorlist && query.redirect;
    let listed = if redirect { protocols.for_redirects() } else { protocols };
    let health = snapshot.health_of(target.directory, request.now);
    let mut selector = Selector {
        snapshot,
        directory: target.directory,
        location,
        protocols,
        network_off: query.network_off,
        minimum,
        names_countries: endpoint == Endpoint::Mirrorlist && !redirect,
        health: health.map(|view| HealthOfHosts { view, listed }),
        table: snapshot.carrier_table(rules.as_ref().and_then(|rules| rules.stage)),
        rules,
        scratch,
        observer,
    };
    let asked = query.country.as_deref().map(asked_countries);
    let mut selection = match asked.filter(|asked| !asked.is_empty()) {
        Some(asked) => selector.by_country(&asked),
        None => selector.by_location(),
    };
    let rules = selector.rules;
    if let Some(rules) = &rules {
        rules.rank(&mut selection.hosts);
    }
    selection.hosts.sort_unstable();
    if let Some(maximum) = maximum {
        let has_url = |host: RankedHost| listed.takes_any(catalogue.carrier(host.carrier()).protocols);
        limit(&mut selection.hosts, maximum, endpoint, has_url, observer);
    }
    let mut choice = Choice {
        selection,
        target,
        location,
        protocols: listed,
        form: details.map_or(AnswerForm::Mirrorlist, AnswerForm::Metalink),
        health,
        rules,
    };
    if redirect {
        let url = choice.urls(catalogue).next().ok_or(Refusal::NoWebMirror)?;
        choice.form = AnswerForm::Redirect(url);
    }
    Ok(choice)
}

/// What bounds the list of a request: its protocols and numbers of hosts.
struct Bounds {
    protocols: ProtocolFilter,
    /// When fewer usable hosts than this are in the nearer tiers, the global tier is added.
    minimum: usize,
    /// At most so many hosts are listed; `None`: all that are chosen.
    maximum: Option<usize>,
}

impl Bounds {
    fn new(request: &MirrorRequest<'_>, rules: Option<&AppliedRules<'_>>) -> Self {
        let protocols = ProtocolFilter::new(request.query.protocol.as_deref(), request.endpoint);
        let minimum = request.settings.minimum;
        match rules {
            None => Self {
                protocols,
                minimum,
                maximum: None,
            },
            Some(rules) => Self {
                protocols: rules.protocols().map_or(protocols, |allowed| protocols.ruled(allowed)),
                minimum: rules.minimum(minimum),
                maximum: rules.maximum(),
            },
        }
    }
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
