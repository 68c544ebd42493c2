//! Clients by network, AS and country, looked up in tables: the most specific network first, then the AS, then the country.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::FixedState;
use ip_network::IpNetwork;

use crate::geo::{AsNumber, CountryCode, NetworkTable};
use crate::rules::values::{List, RuleAs, RuleCountry, RuleNetwork};

/// A client, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuledClient {
    /// Its address; an IPv4 address is never in its IPv6 form.
    pub address: IpAddr,
    /// Its autonomous system, if it is known.
    pub asn: Option<AsNumber>,
    /// Its country, if it is known.
    pub country: Option<CountryCode>,
}

/// The number of a row in a table of the rules, below the number of rules.
pub(super) type Row = u32;

/// Rows by the clients that they are for.
pub(super) struct AudienceTable {
    networks: NetworkTable<Box<[Row]>>,
    as_numbers: HashMap<AsNumber, Box<[Row]>, FixedState>,
    countries: HashMap<CountryCode, Box<[Row]>, FixedState>,
}

/// A table while it is filled, row by row.
#[derive(Default)]
pub(super) struct AudienceBuilder {
    networks: HashMap<IpNetwork, Vec<Row>, FixedState>,
    as_numbers: HashMap<AsNumber, Vec<Row>, FixedState>,
    countries: HashMap<CountryCode, Vec<Row>, FixedState>,
}

impl AudienceBuilder {
    /// Adds a row for the clients in any of these. Rows come in ascending order.
    pub(super) fn add(
        &mut self,
        row: Row,
        networks: Option<&List<RuleNetwork>>,
        as_numbers: Option<&List<RuleAs>>,
        countries: Option<&List<RuleCountry>>,
    ) {
        for network in networks.into_iter().flat_map(|list| list.iter()) {
            add_once(self.networks.entry(network.0).or_default(), row);
        }
        for asn in as_numbers.into_iter().flat_map(|list| list.iter()) {
            add_once(self.as_numbers.entry(asn.0).or_default(), row);
        }
        for country in countries.into_iter().flat_map(|list| list.iter()) {
            add_once(self.countries.entry(country.0).or_default(), row);
        }
    }

    pub(super) fn finish(self) -> AudienceTable {
        AudienceTable {
            networks: NetworkTable::new(boxed(self.networks)),
            as_numbers: boxed(self.as_numbers),
            countries: boxed(self.countries),
        }
    }
}

fn add_once(rows: &mut Vec<Row>, row: Row) {
    if rows.last() != Some(&row) {
        rows.push(row);
    }
}

fn boxed<K, C: FromIterator<(K, Box<[Row]>)>>(rows: HashMap<K, Vec<Row>, FixedState>) -> C {
    rows.into_iter()
        .map(|(key, rows)| (key, rows.into_boxed_slice()))
        .collect()
}

impl AudienceTable {
    /// Whether the AS of a client matters.
    pub(super) fn asks_for_as(&self) -> bool {
        !self.as_numbers.is_empty()
    }

    /// The rows for a client, which can come more than once: those of more specific networks first, then of its AS, then of its
    /// country; of one network, AS or country in their order.
    #[inline]
    pub(super) fn rows(&self, client: RuledClient) -> impl Iterator<Item = Row> {
        let networks = self.networks.matches(client.address).map(|(_, rows)| &**rows);
        let asn = client.asn.and_then(|asn| self.as_numbers.get(&asn));
        let country = client.country.and_then(|country| self.countries.get(&country));
        let others = asn.into_iter().chain(country).map(|rows| &**rows);
        networks.chain(others).flatten().copied()
    }
}
