//! The families of addresses, as requests and health files name them.

/// A family of IP addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl AddressFamily {
    /// Both families.
    pub const ALL: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family with a version number as in `ip_version=6`, white space around it aside.
    pub fn of_version(text: &str) -> Option<Self> {
        match text.trim() {
            "4" => Some(Self::Ipv4),
            "6" => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// The family's name in health files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        }
    }

    /// The other family.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Ipv4 => Self::Ipv6,
            Self::Ipv6 => Self::Ipv4,
        }
    }
}
