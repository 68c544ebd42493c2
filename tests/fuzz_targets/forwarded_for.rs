//! X-Forwarded-For: the client is the peer or an address that a header names, and only trusted proxies are believed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use mirrorlist_server::geo::network;
use mirrorlist_server::http::client_address::{client_address, parse_address};
use mirrorlist_server::settings::TrustedProxies;

static TRUSTED: LazyLock<TrustedProxies> = LazyLock::new(|| {
    let networks = ["127.0.0.0/8", "10.0.0.0/8", "::1", "fc00::/7"];
    TrustedProxies::new(networks.map(|text| network::parse(text).unwrap()).to_vec())
});

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));

/// Each line is the value of a header.
pub(crate) fn check(bytes: &[u8]) {
    let headers = || bytes.split(|byte| *byte == b'\n');
    assert_eq!(client_address(STRANGER, headers(), &TRUSTED), STRANGER);

    let client = client_address(PROXY, headers(), &TRUSTED);
    assert_eq!(client, client.to_canonical());
    let joined = bytes.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte });
    let joined: Vec<u8> = joined.collect();
    let in_one_header = client_address(PROXY, std::iter::once(&joined[..]), &TRUSTED);
    assert_eq!(client, in_one_header, "headers count as one with commas between them");

    let named: Vec<Option<IpAddr>> = joined
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(|element| parse_address(std::str::from_utf8(element).ok()?.trim_matches('"')))
        .collect();
    let is_proxy = |element: &Option<IpAddr>| element.is_some_and(|address| TRUSTED.contains(address));
    if client == PROXY {
        return;
    }
    let place = named.iter().rposition(|element| *element == Some(client));
    let place = place.unwrap_or_else(|| panic!("{client} is not in {named:?}"));
    if TRUSTED.contains(client) {
        assert!(
            named.iter().all(is_proxy),
            "{client} is a proxy and not alone in {named:?}"
        );
    } else {
        assert!(
            named[place + 1..].iter().all(is_proxy),
            "{client} is not the last of {named:?}"
        );
    }
}
