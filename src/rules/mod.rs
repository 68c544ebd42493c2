//! The operators' rules: the TOML file of the setting `rules`, read into typed and checked entries. docs/rules.md describes it.
//!
//! - [`entry`]: the three kinds of entries and their keys
//! - [`values`]: the values of keys, each with its parser
//! - [`until`]: when a rule ends
//! - `items`: lists and tables, and what to write in their place
//! - [`error`]: why a file is refused, with line and column
//!
//! Not here: which hosts of a cache a rule means ([`crate::snapshot::rules`]), and what it changes in an answer
//! ([`crate::mirrorlist`]).

pub mod entry;
pub mod error;
mod items;
pub mod until;
pub mod values;

use std::collections::HashMap;

use serde::Deserialize;
use toml::Spanned;

use entry::{ClientRule, MirrorRule, RepositoryRule};
use error::RulesError;
use values::RuleName;

/// The content of a file of rules, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesFile {
    /// What some clients get.
    pub clients: Vec<ClientRule>,
    /// What holds for a mirror.
    pub mirrors: Vec<MirrorRule>,
    /// What holds for repositories.
    pub repositories: Vec<RepositoryRule>,
}

/// The file as it is written; an entry knows its place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default, deserialize_with = "items::rules")]
    clients: Vec<Spanned<ClientRule>>,
    #[serde(default, deserialize_with = "items::rules")]
    mirrors: Vec<Spanned<MirrorRule>>,
    #[serde(default, deserialize_with = "items::rules")]
    repositories: Vec<Spanned<RepositoryRule>>,
}

impl RulesFile {
    /// Reads a file of rules.
    ///
    /// # Errors
    /// The text is not TOML, a key or value is none that a rule has, an entry does nothing, or two have one name.
    pub fn read(text: &str) -> Result<Self, RulesError> {
        let tables: Tables = toml::from_str(text).map_err(|error| RulesError::of_toml(text, &error))?;
        let mut names = HashMap::new();
        let mut check = |name: &RuleName, place: usize, problem: Option<&'static str>| {
            if let Some(problem) = problem {
                return Err(RulesError::at(
                    text,
                    place,
                    &format!("rule {:?}: {problem}", name.as_str()),
                ));
            }
            match names.insert(name.as_str().to_owned(), place) {
                None => Ok(()),
                Some(first) => {
                    let (line, _) = error::position(text, first);
                    let problem = format!(
                        "the rule in line {line} has the name {:?}, too; give each its own",
                        name.as_str()
                    );
                    Err(RulesError::at(text, place, &problem))
                }
            }
        };
        let clients = tables.clients.into_iter().map(|rule| {
            check(&rule.get_ref().name, rule.span().start, rule.get_ref().problem())?;
            Ok(rule.into_inner())
        });
        let clients = clients.collect::<Result<_, _>>()?;
        let mirrors = tables.mirrors.into_iter().map(|rule| {
            check(&rule.get_ref().name, rule.span().start, rule.get_ref().problem())?;
            Ok(rule.into_inner())
        });
        let mirrors = mirrors.collect::<Result<_, _>>()?;
        let repositories = tables.repositories.into_iter().map(|rule| {
            check(&rule.get_ref().name, rule.span().start, rule.get_ref().problem())?;
            Ok(rule.into_inner())
        });
        Ok(Self {
            clients,
            mirrors,
            repositories: repositories.collect::<Result<_, _>>()?,
        })
    }

    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.clients.len() + self.mirrors.len() + self.repositories.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
