//! The summary of a comparison for the operator: how many answers differ, in which ways, an example of each, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::classes::Class;
use super::difference::Difference;
use super::requests::RequestTarget;

/// The counts of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    compared: usize,
    same: usize,
    /// Requests whose answers differ on purpose only.
    intended: usize,
    /// Requests whose answers differ otherwise, too.
    unexplained: usize,
    classes: BTreeMap<Class, Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    requests: usize,
    /// The number of the request that is the example.
    first: usize,
    example: String,
}

impl Tally {
    /// Counts what differs in the answers to the request with this number.
    pub fn add(&mut self, number: usize, request: &RequestTarget, differences: &[Difference]) {
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

    /// How many requests were compared.
    pub fn compared(&self) -> usize {
        self.compared
    }

    /// Whether all that differs is on purpose.
    pub fn is_explained(&self) -> bool {
        self.unexplained == 0
    }
}

/// A comparison at its end.
pub struct Summary<'a> {
    /// The other server.
    pub against: &'a str,
    /// The counts.
    pub tally: &'a Tally,
    /// How long it took.
    pub duration: Duration,
    /// A line about the times of the two caches.
    pub caches: &'a str,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = self.tally;
        let seconds = self.duration.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let rate = tally.compared as f64 / seconds.max(1e-3);
        writeln!(
            f,
            "{} requests compared with {} in {seconds:.1} s, {rate:.0} a second",
            tally.compared, self.against
        )?;
        f.write_str(self.caches)?;
        writeln!(f, "{:>8} answers are the same", tally.same)?;
        writeln!(f, "{:>8} differ on purpose", tally.intended)?;
        writeln!(f, "{:>8} differ without an explanation", tally.unexplained)?;
        self.classes(f, "without an explanation", |class| !class.is_intended())?;
        self.classes(f, "on purpose", Class::is_intended)
    }
}

impl Summary<'_> {
    fn classes(&self, f: &mut fmt::Formatter<'_>, title: &str, takes: impl Fn(Class) -> bool) -> fmt::Result {
        let mut classes: Vec<(&Class, &Seen)> = self.tally.classes.iter().filter(|(class, _)| takes(**class)).collect();
        if classes.is_empty() {
            return Ok(());
        }
        // The most frequent one first.
        classes.sort_by_key(|(class, seen)| (std::cmp::Reverse(seen.requests), **class));
        let width = classes
            .iter()
            .map(|(class, _)| class.info().key.len())
            .max()
            .unwrap_or(0);
        writeln!(f, "\n{title}:")?;
        for (class, seen) in classes {
            let info = class.info();
            writeln!(f, "{:>8} {:width$}  {}", seen.requests, info.key, info.title)?;
            if let Some(reason) = info.intended {
                writeln!(f, "         why: {reason}")?;
            }
            writeln!(f, "         {}", seen.example)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize) -> RequestTarget {
        RequestTarget::parse(&format!("/mirrorlist?repo={number}&arch=a&ip=192.0.2.1"), None).unwrap()
    }

    fn summary(tally: &Tally) -> String {
        let summary = Summary {
            against: "http://other",
            tally,
            duration: Duration::from_secs(2),
            caches: "",
        };
        summary.to_string()
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
            summary(&tally),
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
