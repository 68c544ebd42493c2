//! Categories and prefixes of repositories that the current cache has and the new one lacks as a whole: most likely a mistake in
//! the database, however small a part of the cache they are.
//!
//! A cache names no categories; it shows the topdir of each. Categories that share a topdir count as one.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use crate::cache::summary::{CacheSummary, Topdirs, prefix_of};
use crate::snapshot::Catalogue;

/// Served by the current cache and not by the new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Gone {
    /// Topdirs of categories of which no host carries a directory any more.
    pub(crate) categories: Vec<String>,
    /// Prefixes of which no repository is left, and that are neither disabled nor redirected.
    pub(crate) repositories: Vec<String>,
}

/// A message names at most this many of each, and this many characters of each name.
const NAMED: usize = 5;
const CHARACTERS: usize = 100;

impl Gone {
    /// Compares the current cache with a new one.
    pub(crate) fn between(current: &CacheSummary, new: &Catalogue) -> Self {
        let topdirs = topdirs_of(new);
        let known: HashSet<&str> = new.repositories().map(|(key, _)| prefix_of(key)).collect();
        // As a server looks for it.
        let answers = |prefix: &str| {
            let asked = new.repository_redirect(prefix).unwrap_or(prefix);
            known.contains(asked) || new.is_disabled(asked) || new.is_disabled(prefix)
        };
        let unanswered = current.prefixes.iter().filter(|prefix| !answers(prefix));
        Self {
            categories: current.topdirs.difference(&topdirs).cloned().collect(),
            repositories: unanswered.cloned().collect(),
        }
    }

    /// A message that names some of it; `None` if nothing is gone.
    pub(crate) fn describe(&self) -> Option<String> {
        let list = |what, names: &[String]| (!names.is_empty()).then(|| format!("the {what} {}", some_of(names)));
        let categories = list("categories (by topdir)", &self.categories);
        let repositories = list("repositories", &self.repositories);
        let lists: Vec<String> = categories.into_iter().chain(repositories).collect();
        (!lists.is_empty()).then(|| {
            format!(
                "lacks what the current file serves and the database does not disable: {} (--report has all)",
                lists.join(" and ")
            )
        })
    }
}

fn some_of(names: &[String]) -> String {
    let cut = |name: &String| format!("{:?}", name.chars().take(CHARACTERS).collect::<String>());
    let named = names.iter().take(NAMED).map(cut).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn topdirs_of(catalogue: &Catalogue) -> BTreeSet<String> {
    let mut topdirs = Topdirs::default();
    for directory in catalogue.directories() {
        let mut carriers = catalogue.carriers(directory);
        if carriers.any(|(_, carrier)| !carrier.urls.is_empty()) {
            topdirs.add(catalogue.directory_name(directory), catalogue.subpath(directory));
        }
    }
    topdirs.found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_some_of_what_is_gone() {
        assert_eq!(Gone::default().describe(), None);
        let gone = Gone {
            categories: vec![String::new()],
            repositories: (1..=7).map(|number| format!("linux-{number}")).collect(),
        };
        let said = gone.describe().unwrap();
        let begin = "categories (by topdir) \"\" and the repositories \"linux-1\", ";
        assert!(
            said.contains(begin) && said.contains("\"linux-5\" and 2 more"),
            "{said}"
        );
    }
}
