//! The answer to a request, from its query to the bytes of the body. Pure: no sockets, no clock, no source of randomness but a
//! seed.
//!
//! [`MirrorQuery::parse`] (text to parameters) -> [`choose`](choose::choose): [`target`] (repository or path to a directory),
//! [`locate`] (address to country; [`place`] to coordinates), the hosts in order -> [`render`] (mirrorlist, metalink or redirect, or
//! a [`Format`] that was asked for). [`answer`](answer()) walks this way once, on one snapshot. [`explain`](explain::explain) makes
//! the same choice and tells why; [`described`] is what it shares with JSON answers. A request that gets no mirrors is a [`Refusal`].

pub mod answer;
pub mod choose;
pub mod described;
pub mod explain;
pub mod format;
pub mod locate;
pub mod place;
pub mod protocols;
pub mod query;
pub mod refusal;
pub mod render;
pub mod target;

pub use answer::{Answer, Answerer, answer, refuse};
pub use choose::{Choice, MirrorRequest, Scratch, Tier, choose};
pub use format::Format;
pub use query::MirrorQuery;
pub use refusal::Refusal;
pub use render::{Body, Content};

/// The two kinds of answers, by the last part of the request's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/mirrorlist`: URLs, one a line.
    Mirrorlist,
    /// `/metalink`: a file's hashes and where to get it, in XML.
    Metalink,
}

impl Endpoint {
    /// The endpoint of a path: any that ends in `/mirrorlist` or `/metalink`.
    pub fn of_path(path: &str) -> Option<Self> {
        if path.ends_with("/mirrorlist") {
            Some(Self::Mirrorlist)
        } else if path.ends_with("/metalink") {
            Some(Self::Metalink)
        } else {
            None
        }
    }
}
