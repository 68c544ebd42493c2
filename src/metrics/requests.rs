//! Counters of answered requests, resolved beforehand: counting a request looks no label up.

use std::sync::OnceLock;

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::table::{LabelValue, Metric, label_values};
use crate::geo::CountryCode;
use crate::mirrorlist::Endpoint;
use crate::mirrorlist::select::Tier;

label_values! {
    pub(crate) enum EndpointLabel {
        Mirrorlist = "mirrorlist",
        Metalink = "metalink",
        Other = "other",
    }
}

label_values! {
    pub(crate) enum StatusClass {
        Success = "2xx",
        Redirection = "3xx",
        ClientError = "4xx",
        ServerError = "5xx",
    }
}

label_values! {
    pub(crate) enum TierLabel {
        Netblock = "netblock",
        AutonomousSystem = "as",
        Country = "country",
        Continent = "continent",
        Global = "global",
        None = "none",
    }
}

impl EndpointLabel {
    /// `None` is a path that is no endpoint.
    pub(super) fn of(endpoint: Option<Endpoint>) -> Self {
        match endpoint {
            Some(Endpoint::Mirrorlist) => Self::Mirrorlist,
            Some(Endpoint::Metalink) => Self::Metalink,
            None => Self::Other,
        }
    }
}

impl StatusClass {
    pub(super) fn of(status: u16) -> Self {
        match status {
            ..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

impl TierLabel {
    /// `None` is an answer without hosts.
    pub(super) fn of(tier: Option<Tier>) -> Self {
        match tier {
            Some(Tier::Netblock) => Self::Netblock,
            Some(Tier::AutonomousSystem) => Self::AutonomousSystem,
            Some(Tier::Country) => Self::Country,
            Some(Tier::Continent) => Self::Continent,
            Some(Tier::Global) => Self::Global,
            None => Self::None,
        }
    }
}

/// A counter for each endpoint, class of status, and tier.
pub(crate) struct RequestCounters(Box<[IntCounter]>);

impl RequestCounters {
    pub(super) fn of(&self, endpoint: EndpointLabel, status: StatusClass, tier: TierLabel) -> &IntCounter {
        let row = endpoint.index() * StatusClass::ALL.len() + status.index();
        #[expect(
            clippy::indexing_slicing,
            reason = "`register` makes a counter for each combination, in this order"
        )]
        &self.0[row * TierLabel::ALL.len() + tier.index()]
    }
}

impl Metric for RequestCounters {
    type Shape = &'static [&'static str; 3];

    fn register(registry: &Registry, opts: Opts, labels: Self::Shape) -> prometheus::Result<Self> {
        let counters = IntCounterVec::register(registry, opts, labels)?;
        let mut resolved = Vec::new();
        for endpoint in EndpointLabel::ALL {
            for status in StatusClass::ALL {
                for tier in TierLabel::ALL {
                    resolved.push(counters.with_label_values(&[endpoint.label(), status.label(), tier.label()]));
                }
            }
        }
        Ok(Self(resolved.into()))
    }
}

/// A counter for each country. A country is exposed from its first answer on, `unknown` from the start.
pub(crate) struct CountryCounters {
    counters: IntCounterVec,
    by_country: Box<[OnceLock<IntCounter>]>,
    unknown: IntCounter,
}

impl CountryCounters {
    pub(super) fn of(&self, country: Option<CountryCode>) -> &IntCounter {
        let Some(country) = country else {
            return &self.unknown;
        };
        #[expect(clippy::indexing_slicing, reason = "an index is below `CountryCode::COUNT`")]
        let counter = &self.by_country[country.index()];
        counter.get_or_init(|| self.counters.with_label_values(&[country.as_str()]))
    }
}

impl Metric for CountryCounters {
    type Shape = &'static str;

    fn register(registry: &Registry, opts: Opts, label: &'static str) -> prometheus::Result<Self> {
        let counters = IntCounterVec::new(opts, &[label])?;
        registry.register(Box::new(counters.clone()))?;
        Ok(Self {
            by_country: (0..CountryCode::COUNT).map(|_| OnceLock::new()).collect(),
            unknown: counters.with_label_values(&["unknown"]),
            counters,
        })
    }
}
