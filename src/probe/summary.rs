//! The summary of a round for people: hosts by country and category, and the URLs that are bad.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::plan::WatchedRepository;
use crate::health::{HealthFile, UrlHealth, Verdict};

/// At most so many bad URLs are listed.
const LISTED: usize = 20;

/// The columns of the table.
const COLUMNS: [Verdict; 4] = [Verdict::Good, Verdict::Dead, Verdict::Stale, Verdict::Missing];

/// A round in words.
pub(super) struct RoundSummary<'a> {
    pub(super) file: &'a HealthFile,
    /// For the categories of the file's directories.
    pub(super) repositories: &'a [WatchedRepository],
}

/// Hosts by a country or a category, and by verdict.
type Rows<'a> = BTreeMap<&'a str, BTreeMap<i64, Vec<(bool, Verdict)>>>;

impl fmt::Display for RoundSummary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: BTreeSet<i64> = self.file.urls.iter().map(|url| url.host_id).collect();
        writeln!(f, "{} hosts with {} URLs were asked", hosts.len(), self.file.urls.len())?;
        table(f, "country", &self.by_country())?;
        table(f, "category", &self.by_category())?;
        self.bad_urls(f)
    }
}

impl RoundSummary<'_> {
    fn by_country(&self) -> Rows<'_> {
        let mut rows = Rows::new();
        for url in &self.file.urls {
            let country = url.country.as_deref().unwrap_or("unknown");
            let repositories = url.repositories.iter().map(|repository| repository.standing.verdict);
            add(&mut rows, country, url, repositories);
        }
        rows
    }

    fn by_category(&self) -> Rows<'_> {
        let categories: BTreeMap<&str, &str> = self
            .repositories
            .iter()
            .map(|repository| (repository.directory.as_str(), repository.category.as_str()))
            .collect();
        let mut rows = Rows::new();
        for url in &self.file.urls {
            for repository in &url.repositories {
                if let Some(category) = categories.get(repository.directory.as_str()) {
                    add(&mut rows, category, url, [repository.standing.verdict]);
                }
            }
        }
        rows
    }

    fn bad_urls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.file.urls.iter().flat_map(bad).collect();
        if lines.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nbad URLs")?;
        for line in lines.iter().take(LISTED) {
            writeln!(f, "  {line}")?;
        }
        match lines.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more"),
        }
    }
}

fn add<'a>(rows: &mut Rows<'a>, row: &'a str, url: &UrlHealth, repositories: impl IntoIterator<Item = Verdict>) {
    let is_dead = url.standing.verdict == Verdict::Dead;
    let of_host = rows.entry(row).or_default().entry(url.host_id).or_default();
    of_host.extend(repositories.into_iter().map(|verdict| (is_dead, verdict)));
}

/// The lines for what is bad at a URL. Of a dead one the repositories are not known.
fn bad(url: &UrlHealth) -> Vec<String> {
    if url.standing.verdict.is_bad() {
        return vec![format!("dead     {}: {}", url.url, url.last_answer)];
    }
    let bad = url
        .repositories
        .iter()
        .filter(|repository| repository.standing.verdict.is_bad());
    bad.map(|repository| {
        let verdict = repository.standing.verdict.name();
        format!(
            "{verdict:8} {} {}: {}",
            url.url, repository.directory, repository.last_answer
        )
    })
    .collect()
}

/// The column of a host: dead if all its URLs are; else the worst of what it lacks.
fn column(verdicts: &[(bool, Verdict)]) -> Verdict {
    let alive = || {
        verdicts
            .iter()
            .filter(|(is_dead, _)| !is_dead)
            .map(|(_, verdict)| *verdict)
    };
    if alive().next().is_none() {
        return Verdict::Dead;
    }
    let worst = [Verdict::Stale, Verdict::Missing];
    worst
        .into_iter()
        .find(|bad| alive().any(|verdict| verdict == *bad))
        .unwrap_or(Verdict::Good)
}

fn table(f: &mut fmt::Formatter<'_>, title: &str, rows: &Rows<'_>) -> fmt::Result {
    let width = rows
        .keys()
        .map(|name| name.chars().count())
        .chain([title.len()])
        .max()
        .unwrap_or(0);
    write!(f, "\n{title:width$}")?;
    for verdict in COLUMNS {
        write!(f, "  {:>7}", verdict.name())?;
    }
    writeln!(f)?;
    for (name, hosts) in rows {
        write!(f, "{name:width$}")?;
        for verdict in COLUMNS {
            let number = hosts.values().filter(|verdicts| column(verdicts) == verdict).count();
            write!(f, "  {number:>7}")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::{RepositoryHealth, Standing};

    fn standing(verdict: Verdict) -> Standing {
        Standing {
            verdict,
            ..Standing::default()
        }
    }

    fn url(host_id: i64, country: &str, verdict: Verdict, of_repository: Verdict) -> UrlHealth {
        UrlHealth {
            url: format!("http://{host_id}.example"),
            host_id,
            country: Some(country.to_owned()),
            standing: standing(verdict),
            last_answer: "an answer".to_owned(),
            repositories: vec![RepositoryHealth {
                directory: "pub/linux/1/os".to_owned(),
                standing: standing(of_repository),
                last_answer: "404 Not Found".to_owned(),
                ..RepositoryHealth::default()
            }],
            ..UrlHealth::default()
        }
    }

    #[test]
    fn hosts_are_counted_and_bad_urls_listed() {
        let mut urls = vec![
            url(1, "DE", Verdict::Good, Verdict::Good),
            // A host with one URL that works is no dead host.
            url(2, "DE", Verdict::Dead, Verdict::Missing),
            url(2, "DE", Verdict::Moved, Verdict::Stale),
            url(3, "FR", Verdict::Good, Verdict::Missing),
        ];
        urls.extend((4..30).map(|id| url(id, "US", Verdict::Dead, Verdict::Good)));
        let summary = RoundSummary {
            file: &HealthFile {
                urls,
                ..HealthFile::default()
            },
            repositories: &[WatchedRepository {
                directory: "pub/linux/1/os".to_owned(),
                category: "pub/linux".to_owned(),
                versions: Box::default(),
            }],
        };
        let text = summary.to_string();
        let start = "29 hosts with 30 URLs were asked\n
country     good     dead    stale  missing
DE             1        0        1        0
FR             0        0        0        1
US             0       26        0        0

category      good     dead    stale  missing
pub/linux        1       26        1        1

bad URLs
  dead     http://2.example: an answer
  stale    http://2.example pub/linux/1/os: 404 Not Found
  missing  http://3.example pub/linux/1/os: 404 Not Found
  dead     http://4.example: an answer\n";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("\n  and 9 more\n"), "{text}");
    }
}
