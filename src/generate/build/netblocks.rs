//! The netblocks that mirror admins typed, to networks: any spelling of a network, or a name, which is resolved. A text that is
//! neither is a warning that names host and text.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ip_network::IpNetwork;
use parking_lot::Mutex;

use super::hosts::{Hosts, JudgedHost};
use crate::generate::read::ids::HostId;
use crate::generate::read::rows::{HostNetblockRow, NetblockCountryRow};
use crate::generate::warnings::{RowWarnings, WarningKind};
use crate::geo::{CountryCode, network};

/// The networks of hosts, and the names that are still being resolved.
#[derive(Default)]
pub struct Netblocks {
    networks: BTreeMap<IpNetwork, BTreeSet<HostId>>,
    names: BTreeMap<String, Vec<NamedBy>>,
    lookups: Option<Lookups>,
}

/// A host that has a name as a netblock.
struct NamedBy {
    host: HostId,
    /// The host and the netblock, for warnings.
    described: String,
}

impl Netblocks {
    /// Sorts out the netblocks of active hosts. Names begin to be resolved, which may take until `dns_timeout` is over. Without
    /// a timeout they are not resolved.
    pub fn sort_out(
        rows: &[HostNetblockRow],
        hosts: &Hosts,
        dns_timeout: Option<Duration>,
        warnings: &mut RowWarnings,
    ) -> Self {
        let mut netblocks = Self::default();
        for row in rows {
            // No text and an empty one are the same mistake.
            let text = row.netblock.as_deref().unwrap_or_default();
            let described = format_args!("host_netblock {text:?}");
            if let Some(host) = hosts.referred_active(row.host, described, warnings) {
                netblocks.add(host, text, warnings);
            }
        }
        if let Some(timeout) = dns_timeout {
            netblocks.lookups = Some(Lookups::start(netblocks.names.keys().cloned().collect(), timeout));
        }
        netblocks
    }

    fn add(&mut self, host: &JudgedHost, text: &str, warnings: &mut RowWarnings) {
        let described = format_args!("{host}: netblock {text:?}");
        match network::parse(text) {
            Ok(network) if network.netmask() == 0 => {
                warnings.add(
                    WarningKind::WholeInternet,
                    format_args!("{described} is the whole internet"),
                );
            }
            Ok(network) => _ = self.networks.entry(network).or_default().insert(host.id),
            Err(_) if is_name(text.trim()) => {
                let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
                self.names.entry(name).or_default().push(NamedBy {
                    host: host.id,
                    described: described.to_string(),
                });
            }
            Err(problem) => warnings.add(WarningKind::Netblock, format_args!("{described}: {problem}")),
        }
    }

    /// The hosts of each network, once all names are resolved or their time is over.
    pub fn finish(mut self, warnings: &mut RowWarnings) -> BTreeMap<IpNetwork, BTreeSet<HostId>> {
        let resolved = self.lookups.take().map(Lookups::finish);
        for (name, named_by) in &self.names {
            let answer = match &resolved {
                None => Err("names are not resolved (--no-dns)"),
                Some(resolved) => match resolved.get(name).map(Vec::as_slice) {
                    None => Err("it was not resolved in time (--dns-timeout)"),
                    Some([]) => Err("the name has no address"),
                    Some(addresses) => Ok(addresses),
                },
            };
            for NamedBy { host, described } in named_by {
                match answer {
                    Ok(addresses) => {
                        for address in addresses {
                            let network = IpNetwork::from(address.to_canonical());
                            self.networks.entry(network).or_default().insert(*host);
                        }
                    }
                    Err(problem) => warnings.add(WarningKind::UnresolvedName, format_args!("{described}: {problem}")),
                }
            }
        }
        self.networks
    }
}

/// Whether a text can be the name of a host (RFC 1123). The last label begins with a letter: the resolver takes other texts
/// for addresses in unusual forms, such as `10.0` for 10.0.0.0.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_of_label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_of_label);
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    name.len() <= 253 && name.split('.').all(is_label) && last.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Names that are resolved at the same time.
const RESOLVERS: usize = 16;

/// Names that are being resolved. The system's resolver can't be interrupted: its threads are left to themselves when the
/// time is over, and end by its own limits.
struct Lookups {
    /// Disconnected when there are no more.
    answers: Receiver<(String, Vec<IpAddr>)>,
    deadline: Instant,
}

impl Lookups {
    fn start(names: Vec<String>, timeout: Duration) -> Self {
        let (sender, answers) = channel();
        let deadline = Instant::now() + timeout;
        let threads = names.len().min(RESOLVERS);
        let queue = Arc::new(Mutex::new(names));
        for _ in 0..threads {
            let (queue, sender) = (queue.clone(), sender.clone());
            // Without a thread, the others resolve its names; without any, all of them are unresolved.
            let _ = thread::Builder::new()
                .name("resolver".to_owned())
                .spawn(move || resolve(&queue, &sender));
        }
        Self { answers, deadline }
    }

    fn finish(self) -> BTreeMap<String, Vec<IpAddr>> {
        let left = || self.deadline.saturating_duration_since(Instant::now());
        iter::from_fn(|| self.answers.recv_timeout(left()).ok()).collect()
    }
}

fn resolve(names: &Mutex<Vec<String>>, answers: &Sender<(String, Vec<IpAddr>)>) {
    let next = || names.lock().pop();
    while let Some(name) = next() {
        let addresses = (name.as_str(), 0).to_socket_addrs();
        let addresses = addresses.map_or_else(|_| Vec::new(), |found| found.map(|address| address.ip()).collect());
        if answers.send((name, addresses)).is_err() {
            return;
        }
    }
}

/// The operators' own table of networks and their countries. Of two rows for a network the last one counts.
pub(crate) fn netblock_countries(
    rows: &[NetblockCountryRow],
    warnings: &mut RowWarnings,
) -> BTreeMap<IpNetwork, CountryCode> {
    let mut countries = BTreeMap::new();
    for NetblockCountryRow { netblock, country } in rows {
        let described = format_args!("netblock_country: {netblock:?}");
        match (network::parse(netblock), CountryCode::parse(country)) {
            (Ok(network), _) if network.netmask() == 0 => {
                warnings.add(
                    WarningKind::WholeInternet,
                    format_args!("{described} is the whole internet"),
                );
            }
            (Ok(network), Some(country)) => _ = countries.insert(network, country),
            (Ok(_), None) => {
                let problem = format_args!("{described}: {country:?} is no country code");
                warnings.add(WarningKind::NetblockCountry, problem);
            }
            (Err(problem), _) => warnings.add(WarningKind::NetblockCountry, format_args!("{described}: {problem}")),
        }
    }
    countries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_nonsense() {
        for name in [
            "mirror.example.org",
            "mirror.example.org.",
            "localhost",
            "a-1.b_2.xn--p1ai",
        ] {
            assert!(is_name(name), "{name:?}");
        }
        for number in ["", ".", "10.0", "0x7f.1", "10"] {
            assert!(!is_name(number), "{number:?}");
        }
        for other in ["foo/255.255.255.0", "not an address", "a..b", "ex\u{e4}mple.org"] {
            assert!(!is_name(other), "{other:?}");
        }
    }

    #[test]
    fn a_name_that_takes_too_long_is_given_up() {
        let (_sender, answers) = channel();
        let lookups = Lookups {
            answers,
            deadline: Instant::now(),
        };
        assert!(lookups.finish().is_empty());
    }
}
