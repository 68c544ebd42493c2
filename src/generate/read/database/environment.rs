//! The variables that the generator reads, taken once, and the parameters of a connection that `DB_URL` and they set.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use super::parameters::{Given, PARAMETERS};
use super::parse::Assignments;
use crate::settings::ConfigError;

/// The variables of a process that are about the database.
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
    /// If it is not UTF-8.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.0.get(name).map(|value| value.to_str()) {
            Some(None) => Err(ConfigError::new(format!("{name} is not a text in UTF-8"))),
            text => Ok(text.flatten()),
        }
    }

    /// Whether variables of libpq name a database: then no `DB_URL` is needed.
    pub fn names_a_database(&self) -> bool {
        ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGSERVICE"]
            .iter()
            .any(|name| self.0.get(*name).is_some_and(|value| !value.is_empty()))
    }

    /// The user's folder: `HOME`, else that of the operating system's list of users.
    pub(super) fn home(&self) -> Option<PathBuf> {
        let home = self.0.get("HOME").map(PathBuf::from).filter(|home| home != "");
        home.or_else(|| std::env::home_dir().filter(|home| home != ""))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.map(|(name, value)| (name.to_owned(), value.into())).into())
    }
}

/// All parameters that are set. `DB_URL` counts before the environment.
pub(super) struct GivenParameters(BTreeMap<&'static str, Given>);

impl GivenParameters {
    /// Puts both together.
    ///
    /// # Errors
    /// The first parameter or variable with a value that can't be honoured.
    pub(super) fn new(assigned: Assignments, environment: &Environment) -> Result<Self, ConfigError> {
        let mut settings = BTreeMap::new();
        for (parameter, value) in assigned {
            let origin = format!("DB_URL: {}", parameter.name);
            settings.insert(parameter.name, Given { value, origin });
        }
        let mut add = |name, value: &str, variable: &str| {
            let (value, origin) = (value.to_owned(), variable.to_owned());
            settings.entry(name).or_insert(Given { value, origin });
        };
        for parameter in PARAMETERS {
            if let Some(variable) = parameter.variable
                && let Some(value) = environment.text(variable)?
            {
                add(parameter.name, value, variable);
            }
        }
        // libpq reads the older variable where the newer one is not set.
        if matches!(environment.text("PGREQUIRESSL")?, Some(value) if value.starts_with('1')) {
            add("sslmode", "require", "PGREQUIRESSL");
        }
        for parameter in PARAMETERS {
            if let Some(given) = settings.get(parameter.name) {
                parameter.treatment.check(given)?;
            }
        }
        // Messages show these values.
        for name in ["host", "user", "dbname"] {
            let swallowed = |given: &&Given| given.value.to_ascii_lowercase().contains("password=");
            if let Some(given) = settings.get(name).filter(swallowed) {
                return Err(
                    given.mistake("it has password= in it; parameters are separated by & in a URL and else by spaces")
                );
            }
        }
        Ok(Self(settings))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// The value of a parameter, if it is set and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let given = self.get(name)?;
        (!given.value.is_empty()).then_some(&given.value)
    }

    /// The value of a parameter as a number; libpq lets spaces stand around it.
    ///
    /// # Errors
    /// If it is none.
    pub(super) fn number(&self, name: &str) -> Result<Option<i32>, ConfigError> {
        let read = |given: &Given| {
            let number = given.value.trim().parse();
            number.map_err(|_| given.mistake("expected a whole number"))
        };
        self.get(name).map(read).transpose()
    }
}
