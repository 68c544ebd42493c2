//! The formats that a request can ask for instead of its endpoint's own: by `format=`, or in HTTP by an Accept header. Which one an
//! Accept header asks for is [`crate::http`]'s to find.

use super::Endpoint;

/// A format that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Metalink 4 (RFC 5854), in answers to `/metalink`.
    Metalink4,
    /// JSON, in answers to everything.
    Json,
}

impl Format {
    /// All formats, the one first that counts where a client likes two equally.
    pub const ALL: [Self; 2] = [Self::Metalink4, Self::Json];

    /// The format with a name, as `format=` has it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "metalink4" => Some(Self::Metalink4),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The same if the endpoint has it. A mirrorlist has no file that a metalink could describe, nor has a path that is no endpoint.
    pub fn at(self, endpoint: Option<Endpoint>) -> Option<Self> {
        match (self, endpoint) {
            (Self::Metalink4, Some(Endpoint::Mirrorlist) | None) => None,
            _ => Some(self),
        }
    }
}
