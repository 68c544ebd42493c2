//! Compares two answers. Lists of URLs are [`urls`]'s.

use std::collections::{HashMap, HashSet};

use super::answer::{AnswerContent, Mirrorlist, ParsedAnswer};
use super::classes::{Class, Difference, decoded, shown};
use super::metalink::{Metalink, MetalinkUrl, Version};
use super::own::{OwnAnswer, protocol_of};
use super::{comment, urls};
use crate::mirrorlist::render::text::words;
use crate::mirrorlist::{Endpoint, MirrorQuery, Refusal};

/// Compares this server's answer with another one's; each class comes at most once.
pub(super) fn compare(own: &OwnAnswer<'_>, other: &ParsedAnswer) -> Vec<Difference> {
    let mut found = compare_all(own, other);
    let mut seen = HashSet::new();
    found.retain(|difference| seen.insert(difference.class));
    found
}

fn compare_all(own: &OwnAnswer<'_>, other: &ParsedAnswer) -> Vec<Difference> {
    let here = &own.answer;
    if here.status != other.status {
        return vec![status(own, other)];
    }
    let mut found = Vec::new();
    if let Some(flaw) = &other.flaw {
        found.push(Difference::new(Class::Escaping, format!("there: {}", shown(flaw))));
    }
    if here.media_type != other.media_type {
        let refused = matches!(here.content, AnswerContent::Refusal(_));
        let class = match other.media_type {
            None if refused => Class::RefusalType,
            _ => Class::ContentType,
        };
        let [here, there] = [here, other].map(|answer| answer.media_type.as_deref().unwrap_or_default());
        found.push(Difference::here_there(class, here, there));
    }
    match (&here.content, &other.content) {
        (AnswerContent::Mirrorlist(here), AnswerContent::Mirrorlist(there)) => mirrorlist(own, here, there, &mut found),
        (AnswerContent::Metalink(here), AnswerContent::Metalink(there)) => metalink(own, here, there, &mut found),
        (AnswerContent::Redirect(here), AnswerContent::Redirect(there)) => found.extend(redirect(own, here, there)),
        (AnswerContent::Refusal(here), AnswerContent::Refusal(there)) => found.extend(refusal(own, here, there)),
        (here, there) => {
            let ((here, _), (there, start)) = (described(here), described(there));
            let detail = format!("here {here}, there {there}: {start}");
            found.push(Difference::new(Class::Refusal, detail));
        }
    }
    found
}

/// The kind of an answer, and the beginning of what it says.
fn described(content: &AnswerContent) -> (&'static str, String) {
    let (kind, text) = match content {
        AnswerContent::Mirrorlist(list) => ("a mirrorlist", &list.comment),
        AnswerContent::Metalink(metalink) => ("a metalink", &metalink.name),
        AnswerContent::Redirect(location) => ("a redirect", location),
        AnswerContent::Refusal(text) => ("a refusal", text),
    };
    (kind, shown(text))
}

/// Another status. The request tells whether it is on purpose: mirrorlist-server 3 answers some requests with 500.
fn status(own: &OwnAnswer<'_>, other: &ParsedAnswer) -> Difference {
    let (here, there) = (own.answer.status, other.status);
    let query = MirrorQuery::parse(own.request.query());
    let class = match (here, there) {
        (400, 500) => Class::InvalidAddress,
        (404, 302) if is_refused_as_absent(&own.answer) => Class::AbsentFile,
        // mirrorlist-server 3 answers 500 if a repository's directory is not in the cache.
        (404, 500) if query.repo.is_some() => Class::UnknownDirectory,
        (200 | 302, 400 | 404 | 500) if own.is_encoded() => Class::Decoding,
        _ => Class::Status,
    };
    let (_, start) = described(&other.content);
    Difference::new(class, format!("here {here}, there {there}: {start}"))
}

fn is_refused_as_absent(answer: &ParsedAnswer) -> bool {
    matches!(&answer.content, AnswerContent::Refusal(text) if text.trim() == words(&Refusal::NoSuchFile))
}

fn mirrorlist(own: &OwnAnswer<'_>, here: &Mirrorlist, there: &Mirrorlist, found: &mut Vec<Difference>) {
    let listed: Vec<&str> = there.urls.iter().map(String::as_str).collect();
    let differing = urls::compare(own, &listed);
    let chosen_otherwise = differing.iter().any(|difference| {
        matches!(
            difference.class,
            Class::Minimum | Class::ProtocolAsked | Class::CountryLimit | Class::CountryFallsThrough
        )
    });
    found.extend(differing);
    if let Some(mut difference) = comment::compare(&here.comment, &there.comment, chosen_otherwise) {
        if own.is_encoded() && decoded(&here.comment) == decoded(&there.comment) {
            difference.class = Class::Decoding;
        }
        found.push(difference);
    }
    found.extend(optional(Class::Created, here.created.as_ref(), there.created.as_ref()));
}

/// The difference between two texts that can be missing.
fn optional(class: Class, here: Option<&String>, there: Option<&String>) -> Option<Difference> {
    let [ours, theirs] = [here, there].map(|text| text.map_or("nothing", String::as_str));
    (here != there).then(|| Difference::here_there(class, ours, theirs))
}

fn redirect(own: &OwnAnswer<'_>, here: &str, there: &str) -> Option<Difference> {
    let is_web = |url: &&String| matches!(protocol_of(url), "https" | "http");
    let mut groups = own.groups.iter().map(|group| {
        let hosts = group.hosts.iter();
        let firsts = hosts.filter_map(|(id, urls)| Some((*id, urls.iter().find(is_web)?)));
        firsts.collect::<Vec<_>>()
    });
    let nearest = groups.find(|hosts| !hosts.is_empty()).unwrap_or_default();
    if nearest.iter().any(|(_, url)| *url == there) {
        return None;
    }
    let class = match own.candidate(there) {
        Some(host) if nearest.iter().any(|(id, _)| *id == host.host_id) => Class::ProtocolOrder,
        Some(host) if urls::is_beyond_limit(own, host) => Class::CountryLimit,
        _ if nearest.iter().any(|(_, url)| decoded(url) == decoded(there)) => Class::Decoding,
        _ => Class::Redirect,
    };
    Some(Difference::here_there(class, here, there))
}

/// Texts that identify refusals, whatever else is in them.
const REASONS: [&str; 6] = [
    "must be specified",
    "repo disabled",
    "error: invalid repo or arch",
    "error: invalid path",
    "not found or has not metalink",
    "Cannot parse client IP address",
];

fn refusal(own: &OwnAnswer<'_>, here: &str, there: &str) -> Option<Difference> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (ours, theirs) = (words(here), words(there));
    if ours == theirs {
        return None;
    }
    let reason = |text: &str| REASONS.iter().find(|reason| text.contains(*reason));
    let (here_reason, there_reason) = (reason(here), reason(there));
    let class = match (here_reason, there_reason) {
        (None, None) => Class::RefusalWords,
        (Some(_), Some(there)) if there.contains("invalid") && here_reason != there_reason && own.is_encoded() => {
            Class::Decoding
        }
        (Some(here), Some(there)) if here != there => Class::Refusal,
        _ if decoded(&ours) == decoded(&theirs) => Class::Decoding,
        // Two hyphens can't stand in a comment of XML.
        _ if own.request.endpoint() == Some(Endpoint::Metalink)
            && ours.replace("- ", "-") == theirs.replace("- ", "-") =>
        {
            Class::Escaping
        }
        (Some(_), Some(_)) => return Some(repositories(here, there)),
        _ => Class::RefusalText,
    };
    Some(Difference::here_there(class, here, there))
}

/// The same refusal with another list of repositories, or another text.
fn repositories(here: &str, there: &str) -> Difference {
    let only = |a: &str, b: &str| {
        let known: HashSet<&str> = b.lines().collect();
        let mut lines = a.lines().filter(|line| line.starts_with("# repo="));
        lines.find(|line| !known.contains(line)).map(shown)
    };
    let only = [only(here, there), only(there, here)];
    if only == [None, None] {
        return Difference::here_there(Class::RefusalText, here, there);
    }
    let [here, there] = only.map(|line| line.unwrap_or_else(|| "none more".to_owned()));
    Difference::new(Class::Repositories, format!("only here: {here}, only there: {there}"))
}

fn metalink(own: &OwnAnswer<'_>, here: &Metalink, there: &Metalink, found: &mut Vec<Difference>) {
    if here.name != there.name {
        let class = match decoded(&here.name) == decoded(&there.name) {
            true => Class::Decoding,
            false => Class::FileName,
        };
        found.push(Difference::here_there(class, &here.name, &there.name));
    }
    version(&here.current, &there.current, found);
    found.extend(alternates(&here.alternates, &there.alternates));
    if here.max_connections != there.max_connections {
        let detail = format!(
            "maxconnections: {:?}, there {:?}",
            here.max_connections, there.max_connections
        );
        found.push(Difference::new(Class::UrlAttributes, detail));
    }
    let listed: Vec<&str> = there.urls.iter().map(|url| url.url.as_str()).collect();
    found.extend(urls::compare(own, &listed));
    let ours: HashMap<&str, &MetalinkUrl> = here.urls.iter().map(|url| (url.url.as_str(), url)).collect();
    for url in &there.urls {
        if let Some(ours) = ours.get(url.url.as_str()) {
            attributes(ours, url, found);
        }
    }
    found.extend(preferences(own, &there.urls));
}

fn version(here: &Version, there: &Version, found: &mut Vec<Difference>) {
    found.extend(optional(Class::Time, here.timestamp.as_ref(), there.timestamp.as_ref()));
    found.extend(optional(Class::Size, here.size.as_ref(), there.size.as_ref()));
    let mut kinds = here.hashes.keys().chain(there.hashes.keys());
    if let Some(kind) = kinds.find(|kind| here.hashes.get(*kind) != there.hashes.get(*kind)) {
        let class = match lower(there).hashes == here.hashes {
            true => Class::HashCase,
            false => Class::Hash,
        };
        let hash = |version: &Version| shown(version.hashes.get(kind).map_or("nothing", String::as_str));
        let detail = format!("{kind}: here {}, there {}", hash(here), hash(there));
        found.push(Difference::new(class, detail));
    }
}

fn lower(version: &Version) -> Version {
    let mut lower = version.clone();
    lower.hashes.values_mut().for_each(|hash| hash.make_ascii_lowercase());
    lower
}

fn alternates(here: &[Version], there: &[Version]) -> Option<Difference> {
    if here == there {
        return None;
    }
    let lower: Vec<Version> = there.iter().map(lower).collect();
    let dated = lower.iter().filter(|version| version.timestamp.is_some());
    let class = if lower == here {
        Class::HashCase
    } else if dated.eq(here) {
        Class::UndatedAlternates
    } else {
        Class::Alternates
    };
    let detail = match here.iter().zip(there).find(|(a, b)| a != b) {
        Some((a, b)) => format!("here {a:?}, there {b:?}"),
        None => format!("here {}, there {}", here.len(), there.len()),
    };
    Some(Difference::new(class, detail))
}

fn attributes(here: &MetalinkUrl, there: &MetalinkUrl, found: &mut Vec<Difference>) {
    for (name, class) in [
        ("location", Class::Location),
        ("mm0:private", Class::Private),
        ("protocol", Class::UrlAttributes),
        ("type", Class::UrlAttributes),
    ] {
        let [ours, theirs] = [here, there].map(|url| url.attributes.get(name));
        if ours != theirs {
            let [ours, theirs] = [ours, theirs].map(|value| value.map_or("nothing", String::as_str));
            let name = name.trim_start_matches("mm0:");
            let detail = format!("{}: {name}: here {ours:?}, there {theirs:?}", here.url);
            found.push(Difference::new(class, detail));
        }
    }
}

/// Preferences fall from 100 and are never below 1; all URLs of a host have the same.
fn preferences(own: &OwnAnswer<'_>, urls: &[MetalinkUrl]) -> Option<Difference> {
    let listed = own.listed();
    let mut before: Option<(Option<i64>, u32)> = None;
    for url in urls {
        let host = listed.get(url.url.as_str()).map(|place| place.host);
        // No preference is 0, so an unreadable one is wrong, too.
        let text = url.attributes.get("preference");
        let number: u32 = text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let right = match before {
            None => number == 100,
            Some((same, preference)) if host.is_some() && same == host => number == preference,
            Some((_, preference)) => (1..=preference).contains(&number),
        };
        if !right {
            let preference = shown(text.map_or("nothing", String::as_str));
            let detail = format!("there {}: preference {preference}", shown(&url.url));
            return Some(Difference::new(Class::Preference, detail));
        }
        before = Some((host, number));
    }
    None
}
