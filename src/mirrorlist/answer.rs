//! One request from start to end: status, body, and the figures that the access log and the metrics record. Chooses nothing
//! itself: see [`super::choose()`].

use super::Endpoint;
use super::choose::{AnswerForm, Choice, MirrorRequest, Scratch, Tier, choose};
use super::refusal::Refusal;
use super::render::buffer::ResponseBuffer;
use super::render::{Body, Content, metalink, text};
use super::target::Asked;
use crate::geo::CountryCode;
use crate::snapshot::rules::rule::Rule;
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
    let choice = match choose(snapshot, request, scratch, &mut ()) {
        Ok(choice) => choice,
        Err(refusal) => {
            count_refusing_rule(snapshot, &refusal);
            return refuse(Some(catalogue), Some(request.endpoint), &refusal, date);
        }
    };
    if let Some(rules) = &choice.rules {
        rules.took_part(&choice.selection.hosts).for_each(Rule::hit);
    }
    match choice.form {
        AnswerForm::Mirrorlist => Answer {
            body: Body::whole(text::mirrorlist(catalogue, request.query, &choice, buffer)),
            ..chosen(catalogue, Content::Mirrorlist, &choice)
        },
        AnswerForm::Redirect(url) => {
            let url = text::redirect_url(catalogue, &choice.target, url);
            Answer {
                status: 302,
                body: Body::whole(format!("{url}\n")),
                location: Some(url),
                ..chosen(catalogue, Content::Mirrorlist, &choice)
            }
        }
        AnswerForm::Metalink(details) => Answer {
            body: Body::whole(metalink::metalink(catalogue, &choice, details, date, buffer)),
            ..chosen(catalogue, Content::Metalink, &choice)
        },
    }
}

fn count_refusing_rule(snapshot: &Snapshot, refusal: &Refusal<'_>) {
    if let (Some(rules), Refusal::NoMirrorLeft { rule }) = (snapshot.rules(), refusal) {
        rules.rule(*rule).hit();
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

/// The answer to a request that gets no mirrors: a text, or at the metalink endpoint a metalink whose only content is a comment.
/// The catalogue is for refusals that list all repositories.
pub fn refuse<'a>(
    catalogue: Option<&Catalogue>,
    endpoint: Option<Endpoint>,
    refusal: &Refusal<'_>,
    date: &str,
) -> Answer<'a> {
    let catalogue = catalogue.filter(|_| matches!(refusal, Refusal::UnknownRepository { .. }));
    let (content, body) = match endpoint {
        Some(Endpoint::Metalink) => (Content::Metalink, metalink::refusal(catalogue, refusal, date)),
        Some(Endpoint::Mirrorlist) | None => (Content::ErrorText, text::refusal(catalogue, refusal)),
    };
    Answer {
        status: refusal.status(),
        content,
        location: None,
        body,
        repository: None,
        listed: None,
    }
}
