//! Which hosts no tier takes, whatever the tiers' own rules: those in a country that the request excludes (`country=!ru`), and those
//! beyond the reach of its family of addresses (`ip_version=6`).
//!
//! [`Exclusions::of`] is the one place that excludes a host, before any tier looks at it. What happens if no host is left is decided in
//! `attempts`.

use super::families::FamilyFilter;
use crate::geo::CountryCode;
use crate::snapshot::{Carrier, CarrierIndex, Catalogue};

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

    /// Their names for programs.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let names = [(self.countries, "excluded_countries"), (self.ip_version, "ip_version")];
        names
            .into_iter()
            .filter_map(|(is_ignored, name)| is_ignored.then_some(name))
    }
}

/// The exclusions of a request.
pub(super) struct Exclusions<'s> {
    /// In order, each once.
    countries: Vec<CountryCode>,
    family: Option<FamilyFilter<'s>>,
    /// What the current attempt ignores.
    pub(super) ignored: IgnoredWishes,
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
    pub(super) fn allows(&self, ignored: IgnoredWishes) -> bool {
        (!self.countries.is_empty() || !ignored.countries) && (self.family.is_some() || !ignored.ip_version)
    }

    /// Why no tier takes a host; nothing if tiers may.
    pub(super) fn of(
        &self,
        catalogue: &Catalogue,
        index: CarrierIndex,
        carrier: &Carrier,
    ) -> impl Iterator<Item = Exclusion> + use<> {
        // A private host is listed under no country.
        let country = carrier.country.or_else(|| catalogue.host(carrier.host).country);
        let in_country = country.is_some_and(|country| self.countries.binary_search(&country).is_ok());
        let is_beyond_reach = |family: &FamilyFilter<'_>| family.is_beyond_reach(catalogue, index, carrier);
        let by_country = (!self.ignored.countries && in_country).then_some(Exclusion::Country);
        let by_family = self
            .followed_family()
            .filter(is_beyond_reach)
            .map(|_| Exclusion::Family);
        by_country.into_iter().chain(by_family)
    }

    /// The family of addresses, unless it is ignored.
    pub(super) fn followed_family(&self) -> Option<FamilyFilter<'s>> {
        self.family.filter(|_| !self.ignored.ip_version)
    }
}

/// The countries of `country=` with a `!` before them. What is no country's code is left out.
fn excluded_countries(text: &str) -> impl Iterator<Item = CountryCode> {
    let entries = text.split(',').filter_map(|entry| entry.trim().strip_prefix('!'));
    entries.filter_map(CountryCode::parse)
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
