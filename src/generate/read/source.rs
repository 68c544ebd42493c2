//! The database that runs read, and how long it may be silent. How `DB_URL` is read is in [`super::database`].

use super::database::{Database, Environment};
use super::silence::SilenceLimits;
use crate::settings::{ConfigError, GeneratorConfig};

/// The database that runs read.
#[derive(Debug, Clone)]
pub struct DatabaseSource {
    /// How to reach it.
    pub database: Database,
    /// How long it may be silent.
    pub silence: SilenceLimits,
}

impl DatabaseSource {
    /// Finds the database that the environment or the configuration file names.
    ///
    /// # Errors
    /// There is no usable `DB_URL`. The text never has the password.
    pub fn find(config: &GeneratorConfig, environment: &Environment) -> Result<Self, ConfigError> {
        Ok(Self {
            database: Database::find(&config.config_file, environment)?,
            silence: SilenceLimits::default(),
        })
    }
}
