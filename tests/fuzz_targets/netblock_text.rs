//! What a mirror admin types as a network: it becomes one network that reads the same again, or one warning.

use std::collections::BTreeSet;

use mirrorlist_server::generate::build::hosts::Hosts;
use mirrorlist_server::generate::build::netblocks::Netblocks;
use mirrorlist_server::generate::read::ids::{HostId, SiteId};
use mirrorlist_server::generate::read::rows::{HostNetblockRow, HostRow, SiteRow};
use mirrorlist_server::generate::warnings::RowWarnings;
use mirrorlist_server::geo::network;

use super::assert_one_line;

const HOST: HostId = HostId(1);
const SITE: SiteId = SiteId(1);

/// The bytes are a host's netblock, as typed.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut warnings = RowWarnings::default();
    let hosts = Hosts::new(&[site()], &[host()], &mut warnings);
    let row = HostNetblockRow {
        host: Some(HOST),
        netblock: Some(text.to_owned()),
    };
    // Without a resolver: a name is a warning.
    let networks = Netblocks::sort_out(&[row], &hosts, None, &mut warnings).finish(&mut warnings);
    assert_eq!(
        networks.len() as u64 + warnings.total(),
        1,
        "{text:?}: {networks:?} {warnings:?}"
    );
    for (network, hosts) in networks {
        let printed = network.to_string();
        assert_eq!(network::parse(&printed), Ok(network), "{text:?}");
        assert_eq!(network::parse(text), Ok(network));
        assert!(network.netmask() > 0, "{text:?} is the whole internet");
        assert_eq!(hosts, BTreeSet::from([HOST]));
    }
    for (_, found) in warnings.iter() {
        found.listed.iter().for_each(|line| assert_one_line(line));
    }
}

fn site() -> SiteRow {
    SiteRow {
        id: SITE,
        name: "site".to_owned(),
        private: false,
        user_active: true,
        admin_active: true,
    }
}

fn host() -> HostRow {
    HostRow {
        id: HOST,
        name: "mirror.example".to_owned(),
        site: Some(SITE),
        country: "DE".to_owned(),
        bandwidth: Some(100),
        private: false,
        user_active: true,
        admin_active: true,
        internet2: false,
        internet2_clients: false,
        asn: None,
        asn_clients: false,
        latitude: None,
        longitude: None,
    }
}
