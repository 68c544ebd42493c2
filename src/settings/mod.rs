//! Settings of both programs: texts from flags, variables and a file become checked values, or an error that says which setting
//! is wrong, where it was set and what is expected. Every other room imports the types of its settings from here.
//!
//! - [`setting`]: a setting as one typed value; [`parsers`]: one parser per kind of value; [`values`]: the types of values
//! - [`server`]: the settings of `mirrorlist-server`, checked into structs, one per concern; [`raw`]: the layers below them
//!   (flag over variable over file over default); [`server_command`]: its command line
//! - [`generator`]: the flags of `generate-mirrorlist-cache`, checked; `DB_URL` is parsed in [`crate::generate`]
//! - [`command_line`]: flags of tables, for both
//!
//! A new setting has three places:
//!
//! 1. its row in the table of [`server`] or [`generator`], from which flag, `--help`, variable, file key and the documentation
//!    follow. If its kind of value is new, the row names a new parser.
//! 2. its field in a checked struct, filled by `get` a few lines below the struct
//! 3. its use. Then `UPDATE_README=1 cargo test --test readme` writes its row of README.md or docs/generator.md.

mod command_line;
mod error;
mod generator;
mod parsers;
mod raw;
mod server;
mod server_command;
mod setting;
mod values;

pub use error::ConfigError;
pub use generator::{GeneratorCommand, GeneratorConfig, generator_flags};
pub use server::{
    AdminConfig, Deadlines, LoggingSettings, PublicSettings, ReadinessLimits, ServerConfig, server_settings,
};
pub use server_command::{CompareOptions, ServerCommand};
pub use setting::Definition;
pub use values::{
    AccessLogTarget, AdminAddress, AllowedHosts, CacheCompareSettings, LogFormat, Previous, ReloadLimits, Share,
    TrustedProxies, WatchSettings,
};
pub(crate) use values::{LEVELS, host_name};
