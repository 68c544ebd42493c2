//! Finds the client's address: from X-Forwarded-For if trusted proxies set it, else the peer's.

use std::net::{IpAddr, SocketAddr};

use crate::settings::TrustedProxies;

/// Finds the client's address.
///
/// `forwarded_for` are the values of all X-Forwarded-For headers, in their order. They count only if the peer is a trusted
/// proxy. Each proxy appends the address that it saw, and only trusted proxies are believed, so the client is the last element
/// that is not a trusted proxy itself. If all are trusted, the first one is the client. If the search meets something that is
/// not an address, the peer is.
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &TrustedProxies,
) -> IpAddr {
    let peer = peer.to_canonical();
    if !trusted.contains(peer) {
        return peer;
    }
    let mut furthest = peer;
    let elements = forwarded_for
        .rev()
        .flat_map(|value| value.rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty());
    for element in elements {
        match parse_element(element) {
            None => return peer,
            Some(address) if trusted.contains(address) => furthest = address,
            Some(address) => return address,
        }
    }
    furthest
}

/// Reads an address as clients and proxies write it in a query or a header: bare, in brackets, or with a port.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let in_brackets = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: Result<IpAddr, _> = in_brackets.unwrap_or(text).parse();
    let address = address.or_else(|_| text.parse().map(|with_port: SocketAddr| with_port.ip()));
    Some(address.ok()?.to_canonical())
}

fn parse_element(element: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(element).ok()?;
    parse_address(text.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::network;

    fn address(peer: &str, headers: &[&[u8]]) -> String {
        let networks = ["127.0.0.0/8", "10.0.0.0/8", "::1", "fe80::/10"];
        let trusted = TrustedProxies::new(networks.iter().map(|n| network::parse(n).unwrap()).collect());
        client_address(peer.parse().unwrap(), headers.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn the_last_element_that_is_no_proxy_counts() {
        for (headers, client) in [
            (&[&b"198.51.100.7"[..]][..], "198.51.100.7"),
            (&[b"203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            (&[b"203.0.113.9,198.51.100.7,10.0.0.1"], "198.51.100.7"),
            (&[b"203.0.113.9", b"10.0.0.1"], "203.0.113.9"),
            (&[b"spoofed", b"198.51.100.7", b"10.0.0.1, 127.0.0.1"], "198.51.100.7"),
            (&[b"10.1.2.3"], "10.1.2.3"),
            (&[b"10.1.2.3, 10.9.9.9"], "10.1.2.3"),
            (&[b" , 198.51.100.7 ,, "], "198.51.100.7"),
            (&[b"198.51.100.7:4711"], "198.51.100.7"),
            (&[b"[2001:db8::7]:4711"], "2001:db8::7"),
            (&[b"[2001:db8::7]"], "2001:db8::7"),
            (&[b"\"2001:db8::7\""], "2001:db8::7"),
            (&[b"::ffff:198.51.100.7"], "198.51.100.7"),
        ] {
            assert_eq!(address("127.0.0.1", headers), client, "{headers:?}");
        }
    }

    #[test]
    fn garbage_falls_back_to_the_peer() {
        for header in [
            "unknown",
            "198.51.100.7, _hidden",
            "1.2.3.4.5",
            "<script>",
            "",
            "300.1.1.1",
        ] {
            assert_eq!(address("127.0.0.1", &[header.as_bytes()]), "127.0.0.1", "{header}");
        }
        assert_eq!(address("127.0.0.1", &[b"\xff\xfe"]), "127.0.0.1");
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        assert_eq!(address("198.51.100.1", &[b"203.0.113.9"]), "198.51.100.1");
        assert_eq!(address("::ffff:198.51.100.1", &[b"203.0.113.9"]), "198.51.100.1");
        assert_eq!(address("::ffff:127.0.0.1", &[b"203.0.113.9"]), "203.0.113.9");
    }
}
