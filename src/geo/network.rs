//! Text to an IP network. Host bits are cleared, a lone address is a network of one, and IPv4 networks may carry a netmask.
//! An IPv4-mapped IPv6 network is read as the IPv4 network, as clients' addresses are.

use std::net::{IpAddr, Ipv4Addr};

use ip_network::IpNetwork;

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The part before the slash is no IP address.
    #[error("not an IP address; expected a network like 192.0.2.0/24 or 2001:db8::/32")]
    Address,
    /// The part after the slash is neither a number nor a netmask.
    #[error("the part after '/' is neither a prefix length nor a netmask")]
    Length,
    /// The prefix length is larger than the address has bits.
    #[error("the prefix length is larger than {bits}")]
    LengthTooLong {
        /// The number of bits that this address family has.
        bits: u8,
    },
    /// The netmask has a one after a zero.
    #[error("the netmask is not a run of ones followed by zeros")]
    Netmask,
}

/// Reads a network: `192.0.2.0/24`, `192.0.2.7/24`, `192.0.2.0/255.255.255.0`, `192.0.2.7`, `2001:db8::/32`.
///
/// # Errors
/// The text is none of these.
pub fn parse(text: &str) -> Result<IpNetwork, NetworkError> {
    let text = text.trim();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address.trim_end(), Some(length.trim_start())),
        None => (text, None),
    };
    let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        Some(length) => prefix_length(address, length)?,
    };
    if length > bits {
        return Err(NetworkError::LengthTooLong { bits });
    }
    let (address, length) = match address.to_canonical() {
        mapped @ IpAddr::V4(_) if address.is_ipv6() && length >= 96 => (mapped, length - 96),
        _ => (address, length),
    };
    IpNetwork::new_truncate(address, length).map_err(|_| NetworkError::LengthTooLong { bits })
}

fn prefix_length(address: IpAddr, text: &str) -> Result<u8, NetworkError> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // All digits, so the only way to fail is to be too large.
        return Ok(text.parse().unwrap_or(u8::MAX));
    }
    let (IpAddr::V4(_), Ok(mask)) = (address, text.parse::<Ipv4Addr>()) else {
        return Err(NetworkError::Length);
    };
    let ones = mask.to_bits().leading_ones();
    if mask.to_bits().count_ones() != ones {
        return Err(NetworkError::Netmask);
    }
    u8::try_from(ones).map_err(|_| NetworkError::Netmask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_network_is_read() {
        for (text, network) in [
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            (" 192.0.2.7 ", "192.0.2.7/32"),
            ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
            ("10.1.2.3/255.0.0.0", "10.0.0.0/8"),
            ("192.0.2.0 / 24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), network, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_network_says_why() {
        for (text, error) in [
            ("", NetworkError::Address),
            ("mirror.example.org", NetworkError::Address),
            ("foo/255.255.255.0", NetworkError::Address),
            ("10.0.0.0/33", NetworkError::LengthTooLong { bits: 32 }),
            ("10.0.0.0/4096", NetworkError::LengthTooLong { bits: 32 }),
            ("2001:db8::/129", NetworkError::LengthTooLong { bits: 128 }),
            ("10.0.0.0/", NetworkError::Length),
            ("10.0.0.0/-1", NetworkError::Length),
            ("10.0.0.0/255.0.255.0", NetworkError::Netmask),
            ("2001:db8::/255.0.0.0", NetworkError::Length),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }
}
