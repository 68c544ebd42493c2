//! A snapshot: all data of a server at one moment, immutable, shared by all requests, replaced as a whole.
//!
//! From files to a snapshot:
//!
//! - [`data_set`]: the table of all kinds of data files; a new kind is added there
//! - [`data_file`]: reads one file; [`load_error`] says why not
//! - [`combined`]: all tables, combined to a [`Snapshot`], and the current one
//! - [`age`]: how old data is, and which of it is from the future
//! - [`shrink`]: whether new data has lost too much
//! - [`health`]: which URLs the probes call bad
//! - [`rules`]: the operators' rules for the hosts of this cache
//! - [`status`]: what the files tell of themselves, as JSON
//!
//! A cache:
//!
//! - `build`: the entries of a cache to a [`Catalogue`]; their bytes are decoded by [`crate::cache`]
//! - [`catalogue`]: what a cache says, and every look-up in it, made of
//!   [`directories`] (names), [`carriers`] (who carries what), [`hosts`], [`urls`] (texts in a [`text_arena`]), [`repositories`] and [`file_details`]
//! - [`masks`]: which carriers are in which country and on which continent
//!
//! Which mirrors a client gets is not decided here but in [`crate::mirrorlist`].

pub mod age;
mod build;
pub mod carriers;
pub mod catalogue;
pub mod combined;
pub mod data_file;
pub mod data_set;
pub mod directories;
pub mod file_details;
pub mod health;
pub mod hosts;
pub mod load_error;
pub mod masks;
pub mod repositories;
pub mod rules;
pub mod shrink;
pub mod status;
pub mod text_arena;
pub mod urls;

pub(crate) use carriers::CarrierTable;
pub use carriers::{Carrier, CarrierIndex};
pub use catalogue::{Catalogue, CatalogueCounts};
pub use combined::{SharedSnapshot, Snapshot};
pub use data_file::{DataFile, FileIdentity, Loaded, load};
pub use data_set::DataSet;
pub use directories::DirectoryIndex;
pub use file_details::{FileDetails, FileVersion};
pub use health::MirrorHealth;
pub use hosts::{Host, HostIndex};
pub use load_error::LoadError;
pub use masks::{CarrierWord, Places};
pub use repositories::Repository;
pub use rules::Rules;
pub use urls::{ProtocolSet, Url};
