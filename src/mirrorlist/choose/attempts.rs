//! The choice with a request's exclusions. If nothing that the answer can list is left, it starts over without one of them.

use super::by_country::AskedCountry;
use super::exclusions::IgnoredWishes;
use super::health::HealthOfHosts;
use super::rank::RankedHost;
use super::select::Selector;
use super::{Observer, Selection};

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

impl<O: Observer> Selector<'_, '_, O> {
    /// Chooses the hosts: those of the countries asked for, or else by the client's location.
    pub(super) fn select<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        if self.exclusions.is_empty() {
            return self.select_once(asked);
        }
        self.select_with_exclusions(asked)
    }

    fn select_once<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        // An earlier attempt can have been by distance.
        self.measure = None;
        match asked {
            [] => self.in_order(),
            asked => self.by_country(asked),
        }
    }

    /// Chooses with as many of the exclusions as leave a host that the answer can list; with none of them, if that is none either.
    #[cold]
    fn select_with_exclusions<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        let mut selection = Selection::default();
        for ignored in ATTEMPTS {
            if !self.exclusions.allows(ignored) {
                continue;
            }
            self.observer.started_over();
            self.exclusions.ignored = ignored;
            let family = self.exclusions.followed_family();
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
}
