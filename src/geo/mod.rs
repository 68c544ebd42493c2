//! From an address to places: country, continent, autonomous system, and the networks that hosts registered.
//!
//! Each table is read once, checked line by line, and answers one kind of question by longest prefix or by index. Which mirror is
//! near follows from the answers, and is decided in [`crate::mirrorlist`].
//!
//! - [`network`]: text to a network, in all usual spellings
//! - [`autonomous_systems`]: address to AS number (`global_netblocks.txt`)
//! - [`country`]: the country code
//! - [`geoip`]: address to country, and with a City database to coordinates (a MaxMind DB)
//! - [`continent`]: country to continent (`country_continent.csv`)
//! - [`coordinates`]: places and distances; [`mod@centroid`]: country to coordinates
//! - [`network_table`]: address to the networks that hold it, and their values
//! - `ipv4_ranges`: a faster table for IPv4 addresses; `ranges` makes it and others of networks
//! - `lines` and `record`: the files' parts, read with bounds

pub mod autonomous_systems;
pub mod centroid;
pub mod continent;
pub mod coordinates;
pub mod country;
pub mod geoip;
mod ipv4_ranges;
mod lines;
pub mod network;
pub mod network_table;
mod ranges;
mod record;

pub use autonomous_systems::{AsNumber, AsTable};
pub use centroid::centroid;
pub use continent::{Continent, ContinentTable};
pub use coordinates::{Coordinates, Direction};
pub use country::CountryCode;
pub use geoip::{GeoIp, GeoIpField, GeoIpPlace};
pub use network_table::NetworkTable;
