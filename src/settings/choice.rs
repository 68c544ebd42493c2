//! The settings of how mirrors are chosen. What they mean is decided in [`mod@crate::mirrorlist::choose`].

use std::num::NonZeroUsize;

use super::parsers::{choice, number, on_or_off, optional, share};
use super::setting::{ConfigError, Definition, Expected, Setting, Texts, settings};
use super::values::{AsOrder, HostOrder, Share};

settings! {
    /// Choice of mirrors: how they are chosen.
    pub struct ChoiceSettings {
        /// add hosts worldwide when the nearer tiers give fewer than this many
        minimum: usize = Setting::new("minimum", "HOSTS", |text| number(text, "a number of hosts, 0 or more"))
            .short('m').default("5");
        /// order of hosts below the netblock and AS tiers: `bandwidth` (country, continent, world), or `distance` (own country, then
        /// all others by bandwidth and distance; docs/selection.md)
        order: HostOrder = Setting::new("order", "ORDER", |text| {
            choice(text, &[("bandwidth", HostOrder::Bandwidth), ("distance", HostOrder::Distance)])
        }).default("bandwidth");
        /// with `order = distance`, let no host be the first for more than this share of a country's clients while others at most
        /// 1000 km farther have room; empty: any share
        max_share: Option<Share> = Setting::new("max_share", "PERCENT", |text| optional(text, first_share));
        /// list at most this many hosts, those without a good URL left out first; a metalink lists at least 5; empty: any number
        maximum: Option<NonZeroUsize> = Setting::new("maximum", "HOSTS", |text| {
            optional(text, |text| number(text, "a number of hosts, at least 1"))
        });
        /// whether clients with a native IPv6 address get the mirrors first that IPv6 reaches, as far as the health files know:
        /// `true` or `false`
        prefer_family: bool = Setting::new("prefer_family", "BOOLEAN", on_or_off).default("false");
        /// order of the mirrors in the client's autonomous system: `random`, or weighted by `bandwidth`; with `order = distance`, it is
        /// by bandwidth and distance whatever this says
        as_order: AsOrder = Setting::new("as_order", "ORDER", |text| {
            choice(text, &[("random", AsOrder::Random), ("bandwidth", AsOrder::Bandwidth)])
        }).default("random");
        /// whether redirects send a network (IPv4 /24, IPv6 /48) to the same mirror until the cache changes: `true` or `false`
        sticky_redirects: bool = Setting::new("redirect.sticky", "BOOLEAN", on_or_off).default("false");
        /// answer to a redirect for a file that the cache shows to be absent, in a directory whose files are all known: `404`, or
        /// `redirect`, as for other files
        refuses_absent_files: bool = Setting::new("redirect.absent", "ANSWER", |text| {
            choice(text, &[("404", true), ("redirect", false)])
        }).default("404");
    }
}

impl ChoiceSettings {
    /// The defaults.
    pub const STANDARD: Self = Self {
        minimum: 5,
        order: HostOrder::Bandwidth,
        max_share: None,
        maximum: None,
        prefer_family: false,
        as_order: AsOrder::Random,
        sticky_redirects: false,
        refuses_absent_files: true,
    };

    /// Checks what a table can't: settings that count only together.
    pub(super) fn checked(self) -> Result<Self, ConfigError> {
        match (self.order, self.max_share) {
            (HostOrder::Bandwidth, Some(share)) => Err(ConfigError::new(format!(
                "max_share = {share}: it counts with order = distance only; set that, or leave max_share empty"
            ))),
            _ => Ok(self),
        }
    }
}

/// A share of first places. None at all would be no order.
fn first_share(text: &str) -> Result<Share, Expected> {
    let limit = share(text).ok().filter(|share| *share != Share::percent(0));
    limit.ok_or_else(|| "a percentage above 0% and up to 100%, like 50%".into())
}
