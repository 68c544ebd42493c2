//! Random rules for random worlds, as text for the server and as values for the oracle.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::random_world::{AS_NUMBERS, COUNTRIES, NETBLOCKS, PROTOCOLS};

/// The time of all questions: 2001-09-09T01:46:40Z.
pub(crate) const NOW: u64 = 1_000_000_000;

/// The ends that rules have, and whether they hold at [`NOW`].
const ENDS: [(Option<&str>, bool); 4] = [
    (None, true),
    (Some("2001-09-09T01:46:40Z"), false),
    (Some("2001-09-09T03:46:41+02:00"), true),
    (Some("2001-09-08"), false),
];

/// Patterns, and whether they match the directory of [`crate::random_world`].
const PATTERNS: [(&str, bool); 5] = [
    ("pub/linux/*", true),
    ("linux-1", false),
    ("linux-[23]", false),
    ("*/os", false),
    ("*repodata", true),
];

#[derive(Debug, Clone)]
pub(crate) struct Audience {
    pub(crate) networks: Vec<&'static str>,
    pub(crate) as_numbers: Vec<i64>,
    pub(crate) countries: Vec<&'static str>,
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) end: (Option<&'static str>, bool),
    pub(crate) audience: Audience,
    pub(crate) pattern: Option<(&'static str, bool)>,
    pub(crate) only: Vec<usize>,
    pub(crate) prefer: Vec<usize>,
    pub(crate) never: (Vec<usize>, Vec<&'static str>),
    pub(crate) protocols: Vec<&'static str>,
    pub(crate) minimum: Option<usize>,
    pub(crate) maximum: Option<usize>,
    pub(crate) refuses: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    pub(crate) end: (Option<&'static str>, bool),
    pub(crate) host: usize,
    pub(crate) countries: Vec<&'static str>,
    pub(crate) networks: Vec<&'static str>,
    pub(crate) out: bool,
    pub(crate) never_for: Option<Audience>,
}

#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) end: (Option<&'static str>, bool),
    pub(crate) pattern: (&'static str, bool),
    pub(crate) https_at_least: Option<usize>,
    pub(crate) protocols: Vec<&'static str>,
    pub(crate) minimum: Option<usize>,
    pub(crate) maximum: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) clients: Vec<Client>,
    pub(crate) mirrors: Vec<Mirror>,
    pub(crate) repositories: Vec<Repository>,
}

fn end() -> impl Strategy<Value = (Option<&'static str>, bool)> {
    prop_oneof![3 => Just(ENDS[0]), 1 => select(&ENDS[..])]
}

fn audience() -> impl Strategy<Value = Audience> {
    const NETWORKS: [&str; 4] = ["0.0.0.0/0", "192.0.2.0/24", "192.0.2.128/25", "2001:db8::/48"];
    let lists = (
        subsequence(&NETWORKS[..], 0..=2),
        subsequence(&AS_NUMBERS[..], 0..=1),
        subsequence(&COUNTRIES[..], 0..=2),
    );
    lists
        .prop_map(|(networks, as_numbers, countries)| Audience {
            networks,
            as_numbers,
            countries,
        })
        .prop_filter("no clients", |audience| {
            !(audience.networks.is_empty() && audience.as_numbers.is_empty() && audience.countries.is_empty())
        })
}

/// Some places of hosts; the last ones of small worlds are unknown hosts.
fn hosts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(0..8_usize, 1..4)]
}

fn protocols() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![3 => Just(Vec::new()), 1 => subsequence(&PROTOCOLS[..], 1..=2)]
}

fn client() -> impl Strategy<Value = Client> {
    let countries = prop_oneof![2 => Just(Vec::new()), 1 => subsequence(&COUNTRIES[..], 1..=3)];
    let selection = (hosts(), hosts(), (hosts(), countries));
    let numbers = (prop::option::of(0..6_usize), prop::option::of(1..8_usize));
    let heads = (end(), audience(), prop::option::of(select(&PATTERNS[..])));
    (heads, selection, protocols(), numbers, any::<bool>())
        .prop_map(
            |((end, audience, pattern), (only, prefer, never), protocols, (minimum, maximum), refuses)| Client {
                end,
                audience,
                pattern,
                only,
                prefer,
                never,
                protocols,
                minimum,
                maximum,
                refuses,
            },
        )
        .prop_filter("no effect", |client| {
            client.restricts() || !client.prefer.is_empty() || client.minimum.is_some() || client.maximum.is_some()
        })
}

impl Client {
    pub(crate) fn restricts(&self) -> bool {
        !(self.only.is_empty() && self.never.0.is_empty() && self.never.1.is_empty() && self.protocols.is_empty())
    }
}

fn mirror() -> impl Strategy<Value = Mirror> {
    const PLACES: [&str; 5] = ["DE", "US", "JP", "ZZ", "*"];
    let countries = prop_oneof![1 => Just(Vec::new()), 1 => subsequence(&PLACES[..], 1..=2)];
    let out = prop_oneof![4 => Just(false), 1 => Just(true)];
    let networks = subsequence(&NETBLOCKS[..], 0..=2);
    (
        end(),
        0..8_usize,
        countries,
        networks,
        out,
        prop::option::of(audience()),
    )
        .prop_map(|(end, host, countries, networks, out, never_for)| Mirror {
            end,
            host,
            countries,
            networks,
            out,
            never_for,
        })
        .prop_filter("no effect", |mirror| {
            mirror.out || mirror.never_for.is_some() || !(mirror.countries.is_empty() && mirror.networks.is_empty())
        })
}

fn repository() -> impl Strategy<Value = Repository> {
    let numbers = (
        prop::option::of(1..4_usize),
        prop::option::of(0..6_usize),
        prop::option::of(1..8_usize),
    );
    (end(), select(&PATTERNS[..]), protocols(), numbers)
        .prop_map(
            |(end, pattern, protocols, (https_at_least, minimum, maximum))| Repository {
                end,
                pattern,
                https_at_least,
                protocols,
                minimum,
                maximum,
            },
        )
        .prop_filter("no effect", |rule| {
            rule.https_at_least.is_some()
                || !rule.protocols.is_empty()
                || rule.minimum.is_some()
                || rule.maximum.is_some()
        })
}

pub(crate) fn rules() -> impl Strategy<Value = Rules> {
    let clients = prop::collection::vec(client(), 0..4);
    let mirrors = prop::collection::vec(mirror(), 0..4);
    let repositories = prop::collection::vec(repository(), 0..3);
    (clients, mirrors, repositories).prop_map(|(clients, mirrors, repositories)| Rules {
        clients,
        mirrors,
        repositories,
    })
}

impl Rules {
    /// The file.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (number, rule) in self.clients.iter().enumerate() {
            writeln!(text, "[[clients]]\nname = \"client {number}\"").unwrap();
            until(&mut text, rule.end.0);
            write_audience(&mut text, &rule.audience, "\n");
            if let Some((pattern, _)) = rule.pattern {
                writeln!(text, "repositories = [{pattern:?}]").unwrap();
            }
            list(&mut text, "only", &rule.only);
            list(&mut text, "prefer", &rule.prefer);
            if !(rule.never.0.is_empty() && rule.never.1.is_empty()) {
                let hosts = rule.never.0.iter().map(|host| format!("\"{host}\""));
                let countries = rule.never.1.iter().map(|country| format!("{country:?}"));
                let all: Vec<String> = hosts.chain(countries).collect();
                writeln!(text, "never = [{}]", all.join(", ")).unwrap();
            }
            list(&mut text, "protocols", &rule.protocols);
            number_of(&mut text, "minimum", rule.minimum);
            number_of(&mut text, "maximum", rule.maximum);
            if rule.restricts() {
                let otherwise = if rule.refuses { "none" } else { "all" };
                writeln!(text, "otherwise = {otherwise:?}").unwrap();
            }
        }
        for (number, rule) in self.mirrors.iter().enumerate() {
            writeln!(text, "[[mirrors]]\nname = \"mirror {number}\"\nhost = {}", rule.host).unwrap();
            until(&mut text, rule.end.0);
            list(&mut text, "countries", &rule.countries);
            list(&mut text, "networks", &rule.networks);
            writeln!(text, "out = {}", rule.out).unwrap();
            if let Some(audience) = &rule.never_for {
                let mut inline = String::new();
                write_audience(&mut inline, audience, ", ");
                writeln!(text, "never_for = {{ {} }}", inline.trim_end_matches(", ")).unwrap();
            }
        }
        for (number, rule) in self.repositories.iter().enumerate() {
            writeln!(
                text,
                "[[repositories]]\nname = \"repository {number}\"\nmatch = {:?}",
                rule.pattern.0
            )
            .unwrap();
            until(&mut text, rule.end.0);
            number_of(&mut text, "https_at_least", rule.https_at_least);
            list(&mut text, "protocols", &rule.protocols);
            number_of(&mut text, "minimum", rule.minimum);
            number_of(&mut text, "maximum", rule.maximum);
        }
        text
    }
}

fn until(text: &mut String, end: Option<&str>) {
    if let Some(end) = end {
        writeln!(text, "until = {end}").unwrap();
    }
}

fn list<T: std::fmt::Debug>(text: &mut String, key: &str, values: &[T]) {
    if !values.is_empty() {
        writeln!(text, "{key} = {values:?}").unwrap();
    }
}

fn number_of(text: &mut String, key: &str, number: Option<usize>) {
    if let Some(number) = number {
        writeln!(text, "{key} = {number}").unwrap();
    }
}

fn write_audience(text: &mut String, audience: &Audience, end: &str) {
    for (key, values) in [
        (
            "networks",
            (!audience.networks.is_empty()).then(|| format!("{:?}", audience.networks)),
        ),
        (
            "as",
            (!audience.as_numbers.is_empty()).then(|| format!("{:?}", audience.as_numbers)),
        ),
        (
            "countries",
            (!audience.countries.is_empty()).then(|| format!("{:?}", audience.countries)),
        ),
    ] {
        if let Some(values) = values {
            write!(text, "{key} = {values}{end}").unwrap();
        }
    }
}
