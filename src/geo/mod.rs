//! From an address to places: country, continent, autonomous system, and the networks that somebody registered.
//!
//! Each table is read once, checked line by line, and answers one kind of question by longest prefix or by index.
//! What follows from the answers (which mirror is near) is not decided here but in [`crate::mirrorlist`].
//!
//! - [`network`]: text to a network, in all the spellings that people use
//! - [`autonomous_systems`]: address to AS number (`global_netblocks.txt`)
//! - [`country`]: the country code, and address to country (a MaxMind DB)
//! - [`continent`]: country to continent (`country_continent.csv`)
//! - [`network_table`]: address to the networks that hold it, and what was said of them
//! - `ipv4_ranges`: a faster table for IPv4 addresses; `ranges` makes it and others of networks
//! - `lines` and `record`: the files' parts, read with bounds

pub mod autonomous_systems;
pub mod continent;
pub mod country;
mod ipv4_ranges;
mod lines;
pub mod network;
pub mod network_table;
mod ranges;
mod record;

pub use autonomous_systems::{AsNumber, AsTable};
pub use continent::{Continent, ContinentTable};
pub use country::{CountryCode, GeoIp};
pub use network_table::NetworkTable;
