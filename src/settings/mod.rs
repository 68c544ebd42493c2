//! Settings of both programs: texts from flags, variables and a file become checked values, or an error that names the setting,
//! its origin and what is expected. Every other room imports the types of its settings from here; this one imports only from
//! [`crate::geo`], and the paths of the data files from [`crate::snapshot`].
//!
//! - `setting`: a setting as one typed value, and the macro that makes a checked struct of a list of them
//! - `parsers`: one parser per kind of value; `values`: the types of values
//! - `server`: the settings of `mirrorlist-server`, a struct per concern, those of `choice` in a file of their own; `raw`: the layers
//!   that their texts come from (flag over variable over file over default); `server_command`: its commands, `server_flags` theirs
//! - `generator`: the settings of `generate-mirrorlist-cache`, which are flags; `generator_command`: its commands. `DB_URL` is read in
//!   [`crate::generate`]. `probe`: those of its command of that name
//! - `command_line`: definitions of settings to flags, for both; `server_grammar` and `generator_grammar`: the commands, for clap;
//!   `help`: examples and exit codes below their flags ([`exit_codes`]); `pages` and `settings_file`: man pages, completions and
//!   default settings for packages
//!
//! A new setting is a row in `server` or `generator`; flag, variable, file key, check and documents follow. A row in a struct of one
//! concern that is handed down as a whole, like [`PublicSettings`], needs nothing else; another one is handed on in
//! `ServerConfig::check`.

mod choice;
mod command_line;
pub mod exit_codes;
mod generator;
mod generator_command;
mod generator_grammar;
mod help;
mod origins;
mod pages;
mod parsers;
mod probe;
mod raw;
mod server;
mod server_command;
mod server_flags;
mod server_grammar;
mod setting;
mod settings_file;
mod values;

pub use choice::ChoiceSettings;
pub use generator::{GeneratorConfig, generator_flags};
pub use generator_command::GeneratorCommand;
pub use origins::AllowedOrigins;
pub use probe::{Patterns, ProbeConfig, probe_flags};
pub use server::{
    AdminConfig, DataPaths, Deadlines, HealthSettings, LoggingSettings, PublicSettings, ReadinessLimits, ServerConfig,
    server_settings,
};
pub use server_command::{CheckFormat, ServerCommand};
pub use server_flags::CompareOptions;
pub use setting::{ConfigError, Definition};
pub use values::{
    AccessLogTarget, AdminAddress, AllowedHosts, AsOrder, CacheCompareSettings, HostOrder, LogFormat, Share,
    TrustedProxies, WatchSettings,
};
pub(crate) use values::{LEVELS, host_name};
