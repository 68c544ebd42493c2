//! One request, start to end: what to answer, with which status, and what the access log says of it.

use std::net::IpAddr;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use super::Endpoint;
use super::body::{Body, Content};
use super::locate::{ClientLocation, locate};
use super::protocols::ProtocolFilter;
use super::query::MirrorQuery;
use super::refusal::Refusal;
use super::render::{metalink, text};
use super::select::{Selection, Tier, Wishes, Workspace, select};
use super::target::{Asked, Target, resolve};
use crate::geo::CountryCode;
use crate::page::Page;
use crate::snapshot::{Catalogue, Snapshot};

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What the body is.
    pub content: Content,
    /// Where to go instead, for a redirect.
    pub location: Option<String>,
    /// The body.
    pub body: Body,
    /// The repository that was answered for, as the access log names it; none for paths and refusals.
    pub repository: Option<AnsweredRepository<'a>>,
    /// What was chosen; none for refusals.
    pub listed: Option<Listed>,
}

/// What the access log says of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnsweredRepository<'a> {
    /// The client's country.
    pub country: Option<CountryCode>,
    /// The prefix as asked for, before redirects.
    pub repo: &'a str,
    /// The architecture, `source` for sources.
    pub arch: &'a str,
}

/// What was chosen for an answer, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The client's country.
    pub country: Option<CountryCode>,
    /// The tier of the first host.
    pub first_tier: Option<Tier>,
    /// How many hosts were chosen, those included that have no URL of a protocol that was asked for.
    pub hosts: usize,
}

/// What a worker keeps from request to request: its generator and memory to work in.
pub struct Answerer {
    rng: Xoshiro256PlusPlus,
    workspace: Workspace,
    page: Page,
    key: String,
}

impl Answerer {
    /// An answerer whose shuffles follow from this seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
            workspace: Workspace::default(),
            page: Page::default(),
            key: String::new(),
        }
    }
}

/// The circumstances of a request that don't come from its query.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What kind of answer is asked for.
    pub endpoint: Endpoint,
    /// The client's address.
    pub address: IpAddr,
    /// With fewer listed hosts than this, hosts from all over the world are added.
    pub minimum: usize,
    /// The present time as HTTP writes it (RFC 9110, 5.6.7).
    pub date: &'a str,
}

/// Answers a request.
pub fn answer<'a>(
    snapshot: &'a Snapshot,
    circumstances: &Circumstances<'_>,
    query: &'a MirrorQuery<'_>,
    answerer: &mut Answerer,
) -> Answer<'a> {
    let catalogue = snapshot.catalogue();
    match resolve(catalogue, circumstances.endpoint, query, &mut answerer.key) {
        Ok(target) => answer_for(snapshot, circumstances, query, &target, answerer),
        Err(refusal) => refuse(
            Some(catalogue),
            Some(circumstances.endpoint),
            &refusal,
            circumstances.date,
        ),
    }
}

fn answer_for<'a>(
    snapshot: &'a Snapshot,
    circumstances: &Circumstances<'_>,
    query: &'a MirrorQuery<'_>,
    target: &Target<'a>,
    answerer: &mut Answerer,
) -> Answer<'a> {
    let catalogue = snapshot.catalogue();
    let endpoint = circumstances.endpoint;
    let location = locate(snapshot, circumstances.address);
    let protocols = ProtocolFilter::new(query.protocol.as_deref(), endpoint);
    let wishes = Wishes {
        countries: query.country.as_deref(),
        protocols,
        prefer_network: query.prefer_network,
        minimum: circumstances.minimum,
        names_countries: endpoint == Endpoint::Mirrorlist && !query.redirect,
    };
    let Answerer {
        rng, workspace, page, ..
    } = answerer;
    let mut choose = || select(snapshot, target.directory, &location, &wishes, rng, workspace);
    let refused = |refusal| refuse(Some(catalogue), Some(endpoint), &refusal, circumstances.date);
    match endpoint {
        Endpoint::Mirrorlist if query.redirect => {
            let selection = choose();
            match text::redirect_target(catalogue, target, &selection, protocols) {
                Some(url) => Answer {
                    status: 302,
                    body: Body::whole(format!("{url}\n")),
                    location: Some(url),
                    ..found(Content::Mirrorlist, target, &location, &selection)
                },
                None => refused(Refusal::NoWebMirror),
            }
        }
        Endpoint::Mirrorlist => {
            let selection = choose();
            Answer {
                body: Body::whole(text::mirrorlist(catalogue, query, target, &selection, protocols, page)),
                ..found(Content::Mirrorlist, target, &location, &selection)
            }
        }
        Endpoint::Metalink => {
            let file = target.file.as_deref().unwrap_or_default();
            let Some(details) = catalogue.file_details(target.directory, file) else {
                return refused(Refusal::NoFileDetails {
                    directory: catalogue.directory_name(target.directory).into(),
                    file: file.into(),
                });
            };
            let selection = choose();
            Answer {
                body: Body::whole(metalink::metalink(
                    catalogue,
                    target,
                    details,
                    &selection,
                    protocols,
                    circumstances.date,
                    page,
                )),
                ..found(Content::Metalink, target, &location, &selection)
            }
        }
    }
}

/// An answer with mirrors, but for its body.
fn found<'a>(
    content: Content,
    target: &Target<'a>,
    location: &ClientLocation,
    selection: &Selection<'_>,
) -> Answer<'a> {
    let country = location.country_code();
    Answer {
        status: 200,
        content,
        location: None,
        body: Body::default(),
        repository: match target.asked {
            Asked::Repository { asked, arch, .. } => Some(AnsweredRepository {
                country,
                repo: asked,
                arch,
            }),
            Asked::Path(_) => None,
        },
        listed: Some(Listed {
            country,
            first_tier: selection.places.first().map(|place| place.tier()),
            hosts: selection.places.len(),
        }),
    }
}

/// The answer to a request that gets no mirrors: a text, or on the metalink endpoint a metalink that holds it as a comment.
/// The catalogue is needed where the refusal lists repositories.
pub fn refuse<'a>(
    catalogue: Option<&Catalogue>,
    endpoint: Option<Endpoint>,
    refusal: &Refusal<'_>,
    date: &str,
) -> Answer<'a> {
    let lists_repositories = matches!(refusal, Refusal::UnknownRepository { .. });
    let catalogue = catalogue.filter(|_| lists_repositories);
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
