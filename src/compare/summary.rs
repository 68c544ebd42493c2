//! The summary of a comparison for the operator: how many answers differ, in which ways, an example of each, and why.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::classes::{Class, Difference};
use super::requests::RequestTarget;

/// The counts of a comparison.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) compared: usize,
    same: usize,
    /// Requests whose answers differ on purpose only.
    intended: usize,
    /// Requests whose answers differ otherwise, too.
    unexplained: usize,
    classes: BTreeMap<Class, Seen>,
}

struct Seen {
    requests: usize,
    /// The number of the request that is the example.
    first: usize,
    example: String,
}

impl Tally {
    /// Counts what differs in the answers to the request with this number.
    pub(super) fn add(&mut self, number: usize, request: &RequestTarget, differences: &[Difference]) {
        self.compared += 1;
        match differences {
            [] => self.same += 1,
            all if all.iter().all(|difference| difference.class.is_intended()) => self.intended += 1,
            _ => self.unexplained += 1,
        }
        for Difference { class, detail } in differences {
            let example = || format!("{}\n         {detail}", request.target());
            let seen = self.classes.entry(*class).or_insert_with(|| Seen {
                requests: 0,
                first: number,
                example: example(),
            });
            seen.requests += 1;
            // Answers come in any order; the example is that of the first request.
            if number < seen.first {
                seen.first = number;
                seen.example = example();
            }
        }
    }

    /// Whether all that differs is on purpose.
    pub(super) fn is_explained(&self) -> bool {
        self.unexplained == 0
    }

    /// The summary of a comparison that took so long. `caches` is a line about the times of the two caches.
    pub(super) fn summary(&self, against: &str, duration: Duration, caches: &str) -> String {
        let seconds = duration.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let rate = self.compared as f64 / seconds.max(1e-3);
        let counts = format!(
            "{} requests compared with {against} in {seconds:.1} s, {rate:.0} a second\n{caches}\
             {:>8} answers are the same\n{:>8} differ on purpose\n{:>8} differ without an explanation\n",
            self.compared, self.same, self.intended, self.unexplained
        );
        counts + &self.classes("without an explanation", false) + &self.classes("on purpose", true)
    }

    /// The classes that are on purpose, or the others, the most frequent one first; nothing if there are none.
    fn classes(&self, title: &str, intended: bool) -> String {
        let classes = self.classes.iter().filter(|(class, _)| class.is_intended() == intended);
        let mut classes: Vec<_> = classes.map(|(class, seen)| (class.info(), seen)).collect();
        classes.sort_by_key(|(_, seen)| Reverse(seen.requests));
        let Some(width) = classes.iter().map(|(info, _)| info.key.len()).max() else {
            return String::new();
        };
        let rows = classes.iter().map(|(info, seen)| {
            let why = info.intended.map(|reason| format!("         why: {reason}\n"));
            format!(
                "{:>8} {:width$}  {}\n{}         {}\n",
                seen.requests,
                info.key,
                info.title,
                why.unwrap_or_default(),
                seen.example
            )
        });
        format!("\n{title}:\n{}", rows.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> RequestTarget {
        RequestTarget::parse(&format!("/mirrorlist?repo={number}&arch=a&ip=192.0.2.1"), None).unwrap()
    }

    #[test]
    fn a_summary_counts_requests_and_shows_the_first_of_each_class() {
        let mut tally = Tally::default();
        tally.add(0, &request(0), &[]);
        assert!(tally.is_explained());
        tally.add(2, &request(2), &[Difference::new(Class::Escaping, "b")]);
        assert!(tally.is_explained());
        let differences = [Difference::new(Class::Escaping, "a"), Difference::new(Class::Hash, "h")];
        tally.add(1, &request(1), &differences);
        assert!(!tally.is_explained());
        assert_eq!(
            tally.summary("http://other", Duration::from_secs(2), ""),
            "3 requests compared with http://other in 2.0 s, 2 a second\n\
             \x20      1 answers are the same\n\
             \x20      1 differ on purpose\n\
             \x20      1 differ without an explanation\n\
             \n\
             without an explanation:\n\
             \x20      1 hash  another hash of the file\n\
             \x20        /mirrorlist?repo=1&arch=a&ip=192.0.2.1\n\
             \x20        h\n\
             \n\
             on purpose:\n\
             \x20      2 escaping  XML that is not well-formed\n\
             \x20        why: XML is escaped, comments included.\n\
             \x20        /mirrorlist?repo=1&arch=a&ip=192.0.2.1\n\
             \x20        a\n"
        );
    }
}
