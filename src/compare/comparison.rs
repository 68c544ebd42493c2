//! Compares two answers. Lists of URLs are [`urls`]'s.

use std::collections::HashMap;

use super::answer::{AnswerContent, Mirrorlist, ParsedAnswer};
use super::classes::Class;
use super::difference::{Difference, decoded, encodes, shown};
use super::metalink::{Metalink, MetalinkUrl, Version};
use super::own::{OwnAnswer, protocol_of};
use super::{comment, urls};
use crate::mirrorlist::{Endpoint, MirrorQuery};

/// Compares this server's answer with another one's; each class comes at most once.
pub fn compare(own: &OwnAnswer<'_>, other: &ParsedAnswer) -> Vec<Difference> {
    let mut found = compare_all(own, other);
    let mut seen = Vec::new();
    found.retain(|difference| {
        let new = !seen.contains(&difference.class);
        seen.push(difference.class);
        new
    });
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
            let detail = format!("here {}, there {}: {}", here.kind(), there.kind(), start(there));
            found.push(Difference::new(Class::Refusal, detail));
        }
    }
    found
}

/// The beginning of what an answer says.
fn start(content: &AnswerContent) -> String {
    shown(match content {
        AnswerContent::Mirrorlist(list) => &list.comment,
        AnswerContent::Metalink(metalink) => &metalink.name,
        AnswerContent::Redirect(location) => location,
        AnswerContent::Refusal(text) => text,
    })
}

/// Another status. The request tells whether it is on purpose: mirrorlist-server 3 answers some requests with 500.
fn status(own: &OwnAnswer<'_>, other: &ParsedAnswer) -> Difference {
    let (here, there) = (own.answer.status, other.status);
    let query = MirrorQuery::parse(own.request().query());
    let class = match (here, there) {
        (400, 500) => Class::InvalidAddress,
        // mirrorlist-server 3 answers 500 if a repository's directory is not in the cache.
        (404, 500) if query.repo.is_some() => Class::UnknownDirectory,
        (200 | 302, 400 | 404 | 500) if encodes(own) => Class::Decoding,
        _ => Class::Status,
    };
    let detail = format!("here {here}, there {there}: {}", start(&other.content));
    Difference::new(class, detail)
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
    found.extend(
        comment::compare(&here.comment, &there.comment, chosen_otherwise).map(|difference| {
            match encodes(own) && decoded(&here.comment) == decoded(&there.comment) {
                true => Difference::here_there(Class::Decoding, &here.comment, &there.comment),
                false => difference,
            }
        }),
    );
    if here.created != there.created {
        let [here, there] = [here, there].map(|list| list.created.as_deref().unwrap_or("nothing"));
        found.push(Difference::here_there(Class::Created, here, there));
    }
}

fn redirect(own: &OwnAnswer<'_>, here: &str, there: &str) -> Option<Difference> {
    let is_web = |url: &&String| matches!(protocol_of(url), "https" | "http");
    let firsts = own.groups.iter().map(|group| {
        let of_host = |(id, urls): &(i64, Vec<String>)| Some((*id, urls.iter().find(is_web)?.clone()));
        group.hosts.iter().filter_map(of_host).collect::<Vec<(i64, String)>>()
    });
    let nearest = firsts.into_iter().find(|hosts| !hosts.is_empty()).unwrap_or_default();
    if nearest.iter().any(|(_, url)| url == there) {
        return None;
    }
    let candidates = own.candidates();
    let host = candidates
        .iter()
        .find(|candidate| candidate.urls.iter().any(|url| url == there));
    let class = match host {
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
    if words(here) == words(there) {
        return None;
    }
    let reason = |text: &str| REASONS.iter().find(|reason| text.contains(*reason));
    let (here_reason, there_reason) = (reason(here), reason(there));
    let class = match (here_reason, there_reason) {
        (None, None) => Class::RefusalWords,
        (Some(_), Some(there)) if there.contains("invalid") && here_reason != there_reason && encodes(own) => {
            Class::Decoding
        }
        (Some(here), Some(there)) if here != there => Class::Refusal,
        _ if decoded(&words(here)) == decoded(&words(there)) => Class::Decoding,
        // Two hyphens can't stand in a comment of XML.
        _ if own.request().endpoint() == Some(Endpoint::Metalink)
            && words(here).replace("- ", "-") == words(there).replace("- ", "-") =>
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
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("# repo="));
        lines.map(str::to_owned).collect()
    };
    let (ours, theirs) = (lines(here), lines(there));
    let only = |a: &[String], b: &[String]| a.iter().find(|line| !b.contains(line)).cloned();
    match (only(&ours, &theirs), only(&theirs, &ours)) {
        (None, None) => Difference::here_there(Class::RefusalText, here, there),
        (only_here, only_there) => {
            let named = |line: Option<String>| line.map_or_else(|| "none more".to_owned(), |line| shown(&line));
            let detail = format!("only here: {}, only there: {}", named(only_here), named(only_there));
            Difference::new(Class::Repositories, detail)
        }
    }
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
    let mut text = |class, here: &Option<String>, there: &Option<String>| {
        if here != there {
            let [here, there] = [here, there].map(|text| text.as_deref().unwrap_or("nothing"));
            found.push(Difference::here_there(class, here, there));
        }
    };
    text(Class::Time, &here.timestamp, &there.timestamp);
    text(Class::Size, &here.size, &there.size);
    if here.hashes != there.hashes {
        let class = match lower(there).hashes == here.hashes {
            true => Class::HashCase,
            false => Class::Hash,
        };
        let mut kinds = here.hashes.keys().chain(there.hashes.keys());
        let kind = kinds.find(|kind| here.hashes.get(*kind) != there.hashes.get(*kind));
        let of = |version: &Version| {
            let hash = kind.and_then(|kind| version.hashes.get(kind));
            hash.map_or("nothing", |hash| hash).to_owned()
        };
        let detail = Difference::here_there(class, &of(here), &of(there)).detail;
        found.push(Difference::new(
            class,
            format!("{}: {detail}", kind.map_or("", |kind| kind)),
        ));
    }
}

fn lower(version: &Version) -> Version {
    let lower = |(kind, hash): (&String, &String)| (kind.clone(), hash.to_ascii_lowercase());
    Version {
        hashes: version.hashes.iter().map(lower).collect(),
        ..version.clone()
    }
}

fn alternates(here: &[Version], there: &[Version]) -> Option<Difference> {
    if here == there {
        return None;
    }
    let lower: Vec<Version> = there.iter().map(lower).collect();
    let dated: Vec<&Version> = lower.iter().filter(|version| version.timestamp.is_some()).collect();
    let class = if lower == here {
        Class::HashCase
    } else if dated.iter().copied().eq(here) {
        Class::UndatedAlternates
    } else {
        Class::Alternates
    };
    let count = |versions: &[Version]| versions.len();
    let detail = match here.iter().zip(there).find(|(a, b)| a != b) {
        Some((a, b)) => format!("here {a:?}, there {b:?}"),
        None => format!("here {}, there {}", count(here), count(there)),
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
            let [ours, theirs] = [ours, theirs].map(|value| value.map_or("nothing", |value| value));
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
            let preference = shown(text.map_or("nothing", |text| text));
            let detail = format!("there {}: preference {preference}", shown(&url.url));
            return Some(Difference::new(Class::Preference, detail));
        }
        before = Some((host, number));
    }
    None
}
