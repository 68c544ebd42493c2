//! The URLs of a cache's hosts that clients of a family of addresses can't reach, as far as the health files know.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::super::carriers::CarrierIndex;
use super::super::catalogue::Catalogue;
use super::super::hosts::HostIndex;
use super::table::{FastMap, JudgedUrls, UrlPlace, url_mask};
use crate::health::{AddressFamily, HealthFile, UrlHealth, Verdict};

/// The unreachable URLs of both families.
#[derive(Default)]
pub(super) struct FamilyTable {
    ipv4: UrlMasks,
    ipv6: UrlMasks,
}

/// A mask of URLs for each carrier that has such a URL.
type UrlMasks = FastMap<CarrierIndex, u64>;

/// What the files say of a carrier's URLs, as masks.
#[derive(Default)]
struct TriedUrls {
    tried: u64,
    works: u64,
}

impl FamilyTable {
    pub(super) fn new(catalogue: &Catalogue, urls: &JudgedUrls<'_>, files: &[&HealthFile]) -> Self {
        let of = |family| unreachable_urls(catalogue, urls, files, family);
        Self {
            ipv4: of(AddressFamily::Ipv4),
            ipv6: of(AddressFamily::Ipv6),
        }
    }

    pub(super) fn unreachable(&self, family: AddressFamily) -> Option<UnreachableUrls<'_>> {
        let masks = match family {
            AddressFamily::Ipv4 => &self.ipv4,
            AddressFamily::Ipv6 => &self.ipv6,
        };
        (!masks.is_empty()).then_some(UnreachableUrls(masks))
    }
}

/// The URLs that clients of one family can't reach.
#[derive(Clone, Copy)]
pub struct UnreachableUrls<'a>(&'a UrlMasks);

impl UnreachableUrls<'_> {
    /// Those of a carrier, as a mask: bit N stands for its URL number N.
    pub fn of(&self, carrier: CarrierIndex) -> u64 {
        self.0.get(&carrier).copied().unwrap_or_default()
    }
}

fn unreachable_urls(
    catalogue: &Catalogue,
    urls: &JudgedUrls<'_>,
    files: &[&HealthFile],
    family: AddressFamily,
) -> UrlMasks {
    let mut carriers = FastMap::<CarrierIndex, TriedUrls>::default();
    for file in files.iter().filter(|file| knows(catalogue, urls, file, family)) {
        for url in file.urls.iter().filter(|url| is_tried(url)) {
            for (carrier, bit) in urls.of(&url.url) {
                let tried = carriers.entry(*carrier).or_default();
                tried.tried |= url_mask(*bit);
                if works(url, family) {
                    tried.works |= url_mask(*bit);
                }
            }
        }
    }
    let masks = carriers.into_iter().map(|(carrier, TriedUrls { tried, works })| {
        // URLs that are never tried, those of ftp and rsync, are at the same addresses as the others.
        let unreachable = if works == 0 { u64::MAX } else { tried & !works };
        (carrier, unreachable)
    });
    masks.filter(|(_, unreachable)| *unreachable != 0).collect()
}

fn works(url: &UrlHealth, family: AddressFamily) -> bool {
    url.families.iter().any(|name| name == family.name())
}

/// Whether a file says which families of a URL work: it names one, or the URL is dead. One round without an answer is no verdict.
fn is_tried(url: &UrlHealth) -> bool {
    url.standing.verdict == Verdict::Dead || AddressFamily::ALL.into_iter().any(|family| works(url, family))
}

/// So many hosts that work by one family, and none by the other, are no accident.
const MANY: usize = 5;

/// Whether a file knows anything of a family. A probe without IPv6 finds no mirror that works by it.
fn knows(catalogue: &Catalogue, urls: &JudgedUrls<'_>, file: &HealthFile, family: AddressFamily) -> bool {
    let working = |family| {
        let working = file.urls.iter().filter(move |url| works(url, family));
        let host = |(carrier, _): &UrlPlace| catalogue.carrier(*carrier).host;
        working.flat_map(move |url| urls.of(&url.url)).map(host)
    };
    if working(family).next().is_some() {
        return true;
    }
    let by_other: HashSet<HostIndex, FixedState> = working(family.other()).collect();
    by_other.len() < MANY
}
