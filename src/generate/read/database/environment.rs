//! The variables that the generator reads, taken once; and parameters of a connection with the place that each comes from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::parameters::{PARAMETERS, Parameter};
use crate::settings::ConfigError;

/// The variables of a process that say something about the database.
#[derive(Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    pub fn of_process() -> Self {
        let named = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let wanted = named.filter(|(name, _)| name == "DB_URL" || name == "HOME" || name.starts_with("PG"));
        Self(wanted.collect())
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// If it is no text in UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => match value.to_str() {
                Some(value) => Ok(Some(value)),
                None => Err(ConfigError::new(format!("{name} is not a text in UTF-8"))),
            },
        }
    }

    /// Whether variables of libpq name a database: then no `DB_URL` is needed.
    pub fn names_a_database(&self) -> bool {
        ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGSERVICE"]
            .iter()
            .any(|name| self.0.get(*name).is_some_and(|value| !value.is_empty()))
    }

    /// The user's folder: `HOME`, else that of the operating system's list of users.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        match self.0.get("HOME").filter(|home| !home.is_empty()) {
            Some(home) => Some(home.into()),
            None => std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
        }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    }
}

/// A parameter that is set somewhere.
pub(crate) struct Given {
    pub(crate) value: String,
    /// As in `DB_URL: sslmode` or `PGSSLMODE`.
    origin: String,
}

impl Given {
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    /// What is wrong with it. The text names the parameter or the variable, never the value.
    pub(crate) fn mistake(&self, text: &str) -> ConfigError {
        ConfigError::new(format!("{}: {text}", self.origin))
    }
}

/// Parameters whose values are in messages.
const SHOWN: [&str; 3] = ["host", "user", "dbname"];

/// All parameters that are set: those of `DB_URL`, and below them those of the environment.
pub(crate) struct Settings(BTreeMap<&'static str, Given>);

impl Settings {
    /// Puts both together. What can't be honoured is refused here.
    ///
    /// # Errors
    /// The first parameter or variable with a value that can't be honoured.
    pub(crate) fn new(
        given: Vec<(&'static Parameter, String)>,
        environment: &Environment,
    ) -> Result<Self, ConfigError> {
        let mut settings = BTreeMap::new();
        for (parameter, value) in given {
            let origin = format!("DB_URL: {}", parameter.name);
            settings.insert(parameter.name, Given { value, origin });
        }
        for parameter in PARAMETERS {
            let Some(variable) = parameter.variable else { continue };
            let Some(value) = environment.text(variable)? else {
                continue;
            };
            settings.entry(parameter.name).or_insert_with(|| Given {
                value: value.to_owned(),
                origin: variable.to_owned(),
            });
        }
        // libpq reads the older variable where the newer one is not set.
        if environment
            .text("PGREQUIRESSL")?
            .is_some_and(|value| value.starts_with('1'))
        {
            settings.entry("sslmode").or_insert_with(|| Given {
                value: "require".to_owned(),
                origin: "PGREQUIRESSL".to_owned(),
            });
        }
        for parameter in PARAMETERS {
            if let Some(given) = settings.get(parameter.name) {
                parameter.treatment.check(given)?;
            }
        }
        for name in SHOWN {
            let swallowed = |given: &&Given| given.value.to_ascii_lowercase().contains("password=");
            if let Some(given) = settings.get(name).filter(swallowed) {
                return Err(
                    given.mistake("it has password= in it; parameters are separated by & in a URL and else by spaces")
                );
            }
        }
        Ok(Self(settings))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// The value of a parameter, if it is set and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let given = self.get(name)?;
        (!given.value.is_empty()).then_some(&given.value)
    }

    /// The value of a parameter as a number; libpq lets spaces stand around it.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i32>, ConfigError> {
        let Some(given) = self.get(name) else { return Ok(None) };
        match given.value.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(given.mistake("expected a whole number")),
        }
    }
}
