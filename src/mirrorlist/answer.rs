//! One request from start to end: status, body, and the figures that the access log and the metrics record. Chooses nothing
//! itself: see [`super::choose()`].

use std::collections::BTreeSet;

use super::Endpoint;
use super::choose::{AnswerForm, Choice, MirrorRequest, Scratch, Tier, choose};
use super::format::Format;
use super::refusal::Refusal;
use super::render::buffer::ResponseBuffer;
use super::render::links::{Header, redirect_headers};
use super::render::{Body, Content, json, metalink, metalink4, text};
use super::target::Asked;
use crate::geo::CountryCode;
use crate::snapshot::rules::rule::{Rule, RuleIndex};
use crate::snapshot::{Catalogue, Snapshot};

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The kind of the body.
    pub content: Content,
    /// The Location of a redirect.
    pub location: Option<String>,
    /// Further headers, of redirects.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Body,
    /// The repository for the access log; `None` for paths and refusals.
    pub repository: Option<AnsweredRepository<'a>>,
    /// The choice in figures; `None` for refusals.
    pub listed: Option<Listed>,
}

/// The fields of the access log for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredRepository<'a> {
    /// The client's country.
    pub country: Option<CountryCode>,
    /// The prefix as asked for, before redirects.
    pub repo: &'a str,
    /// The architecture, `source` for sources.
    pub arch: &'a str,
}

/// A choice in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The client's country.
    pub country: Option<CountryCode>,
    /// The tier of the first host.
    pub first_tier: Option<Tier>,
    /// How many hosts were chosen, those included that have no URL of a protocol that was asked for.
    pub hosts: usize,
    /// Whether a host comes last because it has no good URL.
    pub demotes: bool,
}

/// The random generator and the memory of a worker, kept between requests.
pub struct Answerer {
    scratch: Scratch,
    buffer: ResponseBuffer,
}

impl Answerer {
    /// An answerer whose random order follows from this seed.
    pub fn seeded(seed: u64) -> Self {
        let (scratch, buffer) = (Scratch::seeded(seed), ResponseBuffer::default());
        Self { scratch, buffer }
    }
}

/// Answers a request. `date` is the current time as HTTP writes it (RFC 9110, 5.6.7).
pub fn answer<'a>(
    snapshot: &'a Snapshot,
    request: &MirrorRequest<'a>,
    date: &str,
    answerer: &mut Answerer,
) -> Answer<'a> {
    let catalogue = snapshot.catalogue();
    let Answerer { scratch, buffer } = answerer;
    let refused = |refusal| {
        refuse(
            Some(catalogue),
            Some(request.endpoint),
            request.query.format,
            &refusal,
            date,
        )
    };
    let choice = match choose(snapshot, request, scratch, &mut ()) {
        Ok(choice) => choice,
        Err(refusal) => {
            count_refusing_rules(snapshot, &refusal);
            return refused(refusal);
        }
    };
    if let Some(rules) = &choice.rules {
        rules.took_part(&choice.selection.hosts).for_each(Rule::hit);
    }
    let format = request
        .query
        .format
        .and_then(|format| format.at(Some(request.endpoint)));
    match (format, choice.form) {
        (None | Some(Format::Metalink4), AnswerForm::Mirrorlist) => Answer {
            body: Body::whole(text::mirrorlist(catalogue, request.query, &choice, buffer)),
            ..chosen(catalogue, Content::Mirrorlist, &choice)
        },
        (None, AnswerForm::Metalink(details)) => Answer {
            body: Body::whole(metalink::metalink(catalogue, &choice, details, date, buffer)),
            ..chosen(catalogue, Content::Metalink, &choice)
        },
        (None | Some(Format::Metalink4), AnswerForm::Redirect(url)) => {
            let url = text::redirect_url(catalogue, &choice.target, url);
            Answer {
                body: Body::whole(format!("{url}\n")),
                ..redirect(catalogue, Content::Mirrorlist, &choice, url)
            }
        }
        (Some(Format::Metalink4), AnswerForm::Metalink(details)) => {
            match metalink4::metalink(catalogue, &choice, details, request.now, buffer) {
                Some(body) => Answer {
                    body: Body::whole(body),
                    ..chosen(catalogue, Content::Metalink4, &choice)
                },
                None => refused(Refusal::NoMirror),
            }
        }
        (Some(Format::Json), form) => Answer {
            body: Body::whole(json::answer(snapshot, &choice)),
            ..match form {
                AnswerForm::Redirect(url) => {
                    let url = text::redirect_url(catalogue, &choice.target, url);
                    redirect(catalogue, Content::Json, &choice, url)
                }
                AnswerForm::Mirrorlist | AnswerForm::Metalink(_) => chosen(catalogue, Content::Json, &choice),
            }
        },
    }
}

/// A redirect, but for its body.
fn redirect<'a>(catalogue: &Catalogue, content: Content, choice: &Choice<'a>, url: String) -> Answer<'a> {
    Answer {
        status: 302,
        headers: redirect_headers(catalogue, choice, &url),
        location: Some(url),
        ..chosen(catalogue, content, choice)
    }
}

fn count_refusing_rules(snapshot: &Snapshot, refusal: &Refusal<'_>) {
    if let (Some(rules), Refusal::NoMirrorLeft { effects }) = (snapshot.rules(), refusal) {
        let took_part = effects.iter().filter(|effect| effect.takes_part());
        let counted: BTreeSet<RuleIndex> = took_part.map(|effect| effect.rule).collect();
        counted.into_iter().for_each(|rule| rules.rule(rule).hit());
    }
}

/// An answer with mirrors, but for its body.
fn chosen<'a>(catalogue: &Catalogue, content: Content, choice: &Choice<'a>) -> Answer<'a> {
    let country = choice.location.country_code();
    let hosts = &choice.selection.hosts;
    Answer {
        status: 200,
        content,
        location: None,
        headers: Vec::new(),
        body: Body::default(),
        repository: match choice.target.asked {
            Asked::Repository { asked: repo, arch, .. } => Some(AnsweredRepository { country, repo, arch }),
            Asked::Path(_) => None,
        },
        listed: Some(Listed {
            country,
            first_tier: hosts.first().map(|host| host.tier()),
            hosts: hosts.len(),
            demotes: choice.demotes(catalogue),
        }),
    }
}

/// The answer to a request that gets no mirrors: a text, at the metalink endpoint a metalink whose only content is a comment, or a
/// refusal in the format that was asked for. The catalogue is for refusals that list all repositories.
pub fn refuse<'a>(
    catalogue: Option<&Catalogue>,
    endpoint: Option<Endpoint>,
    format: Option<Format>,
    refusal: &Refusal<'_>,
    date: &str,
) -> Answer<'a> {
    let catalogue = catalogue.filter(|_| matches!(refusal, Refusal::UnknownRepository { .. }));
    let (content, body) = match (format.and_then(|format| format.at(endpoint)), endpoint) {
        (Some(Format::Json), _) => (Content::Json, json::refusal(refusal)),
        (Some(Format::Metalink4), _) => (Content::Metalink4, metalink4::refusal(refusal)),
        (None, Some(Endpoint::Metalink)) => (Content::Metalink, metalink::refusal(catalogue, refusal, date)),
        (None, Some(Endpoint::Mirrorlist) | None) => (Content::ErrorText, text::refusal(catalogue, refusal)),
    };
    Answer {
        status: refusal.status(),
        content,
        location: None,
        headers: Vec::new(),
        body,
        repository: None,
        listed: None,
    }
}
