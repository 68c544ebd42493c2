//! Builds what a cache says from the rows of the database. Pure, but for names in netblocks, which are resolved: no database, no
//! files. Rows that are wrong are left out and counted as [`crate::generate::warnings`].
//!
//! - [`hosts`]: hosts and their sites, judged; `urls`: their base URLs
//! - `carriers`: the directories below each topdir and the hosts that may carry them, laid out by `lay_out`;
//!   `matrix`: which host carries which directory
//! - `repositories` and redirects, `file_details`, [`netblocks`]

pub(crate) mod carriers;
pub(crate) mod file_details;
pub mod hosts;
mod lay_out;
pub(crate) mod matrix;
pub mod netblocks;
pub(crate) mod repositories;
pub(crate) mod urls;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ip_network::IpNetwork;

use super::read::ids::HostId;
use super::read::tables::OtherTables;
use carriers::CarrierLayout;
use hosts::Hosts;
use matrix::CarrierMatrix;

/// All that a cache is made from.
pub(crate) struct MirrorData {
    pub(crate) hosts: Hosts,
    /// The ids and texts of base URLs, by id.
    pub(crate) urls: Vec<(i64, Box<str>)>,
    pub(crate) layout: Arc<CarrierLayout>,
    pub(crate) matrix: CarrierMatrix,
    /// The hosts of each network.
    pub(crate) networks: BTreeMap<IpNetwork, BTreeSet<HostId>>,
    pub(crate) others: OtherTables,
}
