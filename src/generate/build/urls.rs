//! The base URLs of each host and category that can stand in an answer.

use std::collections::HashMap;

use super::hosts::Hosts;
use crate::cache::url::BaseUrl;
use crate::generate::read::ids::HostCategoryId;
use crate::generate::read::rows::{HostCategoryRow, UrlRow};
use crate::generate::warnings::{RowWarnings, WarningKind};

/// The URLs that go to the cache.
#[derive(Debug, Default)]
pub(crate) struct HostUrls {
    /// Their ids, ascending.
    pub(crate) by_host_category: HashMap<HostCategoryId, Vec<i64>>,
    /// Their ids and texts, by id.
    pub(crate) texts: Vec<(i64, Box<str>)>,
}

impl HostUrls {
    /// Sorts out the URLs. `rows` are in the order of their ids.
    pub(crate) fn new(
        rows: &[UrlRow],
        host_categories: &[HostCategoryRow],
        hosts: &Hosts,
        warnings: &mut RowWarnings,
    ) -> Self {
        let owners: HashMap<_, _> = host_categories.iter().map(|row| (row.id, row.host)).collect();
        let mut urls = Self::default();
        for row in rows {
            let described = format_args!("host_category_url {}", row.id);
            let Some(owner) = owners.get(&row.host_category) else {
                warnings.orphan(described, format_args!("host_category {}", row.host_category));
                continue;
            };
            // A host that does not exist is a warning already, at host_category.
            let Some(host) = owner.and_then(|id| hosts.find(id)) else {
                continue;
            };
            warnings.note_replaced(described, &row.url);
            match BaseUrl::parse(&row.url) {
                Ok(url) if host.is_known() => {
                    urls.by_host_category.entry(row.host_category).or_default().push(row.id);
                    urls.texts.push((row.id, url.as_str().into()));
                }
                Ok(_) => {}
                Err(problem) => {
                    let problem = format_args!("{host}: URL {:?} is left out: {problem}", row.url);
                    warnings.add(WarningKind::Url, problem);
                }
            }
        }
        urls
    }
}
