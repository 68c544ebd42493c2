//! Which hosts no tier takes, whatever the tiers' own rules: those in a country that the request excludes (`country=!ru`), and those
//! beyond the reach of its family of addresses (`ip_version=6`).
//!
//! A host is withdrawn in one place, [`Selector::excludes`], before any tier looks at it. If nothing that the answer can list is
//! left, the choice starts over without an exclusion.

use super::by_country::AskedCountry;
use super::families::FamilyFilter;
use super::health::HealthOfHosts;
use super::rank::RankedHost;
use super::select::Selector;
use super::{Observer, Selection};
use crate::geo::CountryCode;
use crate::snapshot::{Carrier, CarrierIndex};

/// Why a host is excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// It is in a country that `country=` excludes.
    Country,
    /// The answer can list no URL of it that the family of `ip_version=` reaches.
    Family,
}

/// The wishes of a request that are not followed, since no mirror would be left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IgnoredWishes {
    /// The excluded countries of `country=`.
    pub countries: bool,
    /// `ip_version=`.
    pub ip_version: bool,
}

impl IgnoredWishes {
    /// The words for comments, `None` if all wishes are followed.
    pub fn words(self) -> Option<&'static str> {
        match (self.countries, self.ip_version) {
            (false, false) => None,
            (true, false) => Some("Ignoring excluded countries"),
            (false, true) => Some("Ignoring ip_version"),
            (true, true) => Some("Ignoring excluded countries and ip_version"),
        }
    }
}

/// What is ignored from one attempt to the next, until a mirror is left. The family goes first: an excluded country is a decision,
/// while a probe can be wrong about a family.
const ATTEMPTS: [IgnoredWishes; 4] = [
    IgnoredWishes {
        countries: false,
        ip_version: false,
    },
    IgnoredWishes {
        countries: false,
        ip_version: true,
    },
    IgnoredWishes {
        countries: true,
        ip_version: false,
    },
    IgnoredWishes {
        countries: true,
        ip_version: true,
    },
];

/// The exclusions of a request.
pub(super) struct Exclusions<'s> {
    /// In order, each once.
    countries: Vec<CountryCode>,
    family: Option<FamilyFilter<'s>>,
    ignored: IgnoredWishes,
}

impl<'s> Exclusions<'s> {
    /// The exclusions of a value of `country=`, and those of a family of addresses.
    pub(super) fn new(countries: Option<&str>, family: Option<FamilyFilter<'s>>) -> Self {
        let mut countries: Vec<CountryCode> = countries.into_iter().flat_map(excluded_countries).collect();
        countries.sort_unstable();
        countries.dedup();
        Self {
            countries,
            family,
            ignored: IgnoredWishes::default(),
        }
    }

    /// Whether no host is excluded.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.countries.is_empty() && self.family.is_none()
    }

    /// Whether an attempt ignores nothing but wishes that the request has.
    fn allows(&self, ignored: IgnoredWishes) -> bool {
        (!self.countries.is_empty() || !ignored.countries) && (self.family.is_some() || !ignored.ip_version)
    }

    fn has_country(&self, country: Option<CountryCode>) -> bool {
        country.is_some_and(|country| self.countries.binary_search(&country).is_ok())
    }
}

/// The countries of `country=` with a `!` before them. What is no country's code is left out.
fn excluded_countries(text: &str) -> impl Iterator<Item = CountryCode> {
    let entries = text.split(',').filter_map(|entry| entry.trim().strip_prefix('!'));
    entries.filter_map(CountryCode::parse)
}

impl<O: Observer> Selector<'_, '_, O> {
    /// Chooses the hosts: those of the countries asked for, or else by the client's location.
    pub(super) fn select<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        if self.exclusions.is_empty() {
            return self.select_once(asked);
        }
        self.select_with_exclusions(asked)
    }

    fn select_once<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        match asked {
            [] => self.by_location(),
            asked => self.by_country(asked),
        }
    }

    /// Chooses with as many of the exclusions as leave a host that the answer can list; with none of them, if that is none either.
    #[cold]
    fn select_with_exclusions<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        let network_off = self.network_off;
        let mut selection = Selection::default();
        for ignored in ATTEMPTS {
            if !self.exclusions.allows(ignored) {
                continue;
            }
            self.observer.started_over();
            self.exclusions.ignored = ignored;
            self.network_off = network_off;
            let family = self.exclusions.family.filter(|_| !ignored.ip_version);
            self.health = HealthOfHosts::with_family(self.health, family, self.listed);
            selection = self.select_once(asked);
            if self.lists_any(&selection.hosts) {
                selection.ignored = ignored;
                break;
            }
        }
        selection
    }

    /// Whether the answer can list a URL of one of these hosts.
    fn lists_any(&self, hosts: &[RankedHost]) -> bool {
        let catalogue = self.snapshot.catalogue();
        let mut carriers = hosts.iter().map(|host| catalogue.carrier(host.carrier()));
        carriers.any(|carrier| self.listed.takes_any(carrier.protocols))
    }

    /// Whether no tier takes a host. Tells the observer each reason.
    pub(super) fn excludes(&mut self, index: CarrierIndex, carrier: &Carrier) -> bool {
        let catalogue = self.snapshot.catalogue();
        let Exclusions { family, ignored, .. } = &self.exclusions;
        // A private host is listed under no country.
        let country = carrier.country.or_else(|| catalogue.host(carrier.host).country);
        let in_country = !ignored.countries && self.exclusions.has_country(country);
        let family = family.filter(|_| !ignored.ip_version);
        let beyond_reach = family.is_some_and(|family| family.is_beyond_reach(catalogue, index, carrier));
        if in_country {
            self.observer.excluded(index, Exclusion::Country);
        }
        if beyond_reach {
            self.observer.excluded(index, Exclusion::Family);
        }
        in_country || beyond_reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_countries_are_excluded_in_any_case_and_spacing() {
        let texts = |text| excluded_countries(text).map(|c| c.to_string()).collect::<Vec<_>>();
        assert_eq!(texts("de, !ru ,! by,!!ua,!global,!xx1,!,ru!,!RU"), ["RU", "BY", "RU"]);
        assert_eq!(texts("de,global,"), [""; 0]);
    }
}
