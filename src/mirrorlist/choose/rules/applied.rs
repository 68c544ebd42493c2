//! The rules that count for a request: what they take out, put first and list.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use super::super::Prepared;
use super::super::rank::RankedHost;
use crate::cache::url::Protocol;
use crate::snapshot::rules::audience::RuledClient;
use crate::snapshot::rules::carrier_bits::CarrierBits;
use crate::snapshot::rules::clients::CompiledClient;
use crate::snapshot::rules::mirrors::{MirrorStage, ShunnedMirror};
use crate::snapshot::rules::rule::RuleIndex;
use crate::snapshot::rules::{CompiledRepository, FoundRules};
use crate::snapshot::{CarrierIndex, CarrierWord, ProtocolSet, Rules, Snapshot};

/// The rules that count for a request.
#[derive(Clone)]
pub struct AppliedRules<'a> {
    pub(super) rules: &'a Rules,
    /// What the rules about mirrors say now.
    pub stage: Option<&'a MirrorStage>,
    pub(super) client: Option<&'a CompiledClient>,
    pub(super) repository: Option<&'a CompiledRepository>,
    /// The protocols that the repository's rule allows, unless the rule about the client has its own.
    pub(super) repository_protocols: Option<ProtocolSet>,
    /// The hosts in countries that the rule about the client leaves out.
    never_in: Option<Cow<'a, CarrierBits>>,
    shunned: Vec<&'a ShunnedMirror>,
    /// Rules that would count but for their end.
    pub(super) ended: Vec<RuleIndex>,
    /// Rules that left no mirror.
    pub(super) set_aside: Vec<RuleIndex>,
    /// The mirrors that rules about mirrors took out, each with the rule.
    pub(super) left_out: Vec<(CarrierIndex, RuleIndex)>,
}

impl<'a> AppliedRules<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        rules: &'a Rules,
        stage: Option<&'a MirrorStage>,
        client: RuledClient,
        prepared: &Prepared<'_>,
        found: FoundRules<'a>,
    ) -> Self {
        let mut applied = Self {
            rules,
            stage,
            client: found.client,
            repository: found.repository,
            repository_protocols: None,
            never_in: found
                .client
                .and_then(|client| Some(client.never_in.as_ref()?.carriers(stage))),
            shunned: stage.map(|stage| stage.shunned(client).collect()).unwrap_or_default(),
            ended: found.ended,
            set_aside: found.in_vain,
            left_out: Vec::new(),
        };
        if let Some(repository) = applied.repository
            && applied.client.is_none_or(|client| client.protocols.is_none())
        {
            let is_https = repository
                .https_at_least
                .is_some_and(|least| applied.have_https(snapshot, prepared, least));
            applied.repository_protocols = match is_https {
                true => Some(https()),
                false => repository.protocols,
            };
        }
        applied
    }

    /// Whether so many public hosts of the directory have an https URL.
    fn have_https(&self, snapshot: &Snapshot, prepared: &Prepared<'_>, least: usize) -> bool {
        let out = self.stage.map(MirrorStage::out);
        let carriers = snapshot.catalogue().carriers(prepared.target.directory);
        let with_https = carriers.filter(|(index, carrier)| {
            carrier.in_public_list()
                && carrier.protocols.contains(Protocol::Https)
                && out.is_none_or(|out| !out.contains(*index))
        });
        with_https.take(least).count() == least
    }

    pub(super) fn restricting(&self) -> Option<Restricting<'a>> {
        match self.client.filter(|client| client.restricts()) {
            Some(client) => Some(Restricting::Client(client)),
            None => self.repository_protocols.map(|_| Restricting::Repository),
        }
    }

    /// The protocols that are listed; `None`: no rule says so.
    pub(in super::super) fn protocols(&self) -> Option<ProtocolSet> {
        let of_client = self.client.and_then(|client| client.protocols);
        of_client.or(self.repository_protocols)
    }

    /// When fewer hosts than this are in the nearer tiers, the global tier is added.
    pub(in super::super) fn minimum(&self, setting: usize) -> usize {
        if self.client.is_some_and(|client| client.only.is_some()) {
            // These hosts are candidates wherever they are.
            return usize::MAX;
        }
        let of_client = self.client.and_then(|client| client.minimum);
        let of_repository = || self.repository.and_then(|repository| repository.minimum);
        of_client.or_else(of_repository).unwrap_or(setting)
    }

    /// At most so many hosts are listed; `None`: no rule says so.
    pub(in super::super) fn maximum(&self) -> Option<NonZeroUsize> {
        let of_client = self.client.and_then(|client| client.maximum);
        of_client.or_else(|| self.repository.and_then(|repository| repository.maximum))
    }

    /// Takes hosts out of a word that rules leave out, and puts in all hosts that are the only ones.
    pub(in super::super) fn restrict(&mut self, word: &mut CarrierWord) {
        let first = word.first();
        if let Some(stage) = self.stage {
            let out = stage.out().window(first) & word.carriers;
            for (_, index) in word.indexes(out) {
                self.left_out.extend(stage.remover(index).map(|rule| (index, rule)));
            }
            word.withdraw(out);
        }
        for shunned in &self.shunned {
            let gone = shunned.carriers.window(first) & word.carriers;
            self.left_out
                .extend(word.indexes(gone).map(|(_, index)| (index, shunned.rule)));
            word.withdraw(gone);
        }
        let Some(client) = self.client else { return };
        for never in client.never.iter().chain(self.never_in.as_deref()) {
            word.withdraw(never.window(first));
        }
        if let Some(only) = &client.only {
            word.withdraw(!only.window(first));
            word.public = word.carriers;
            word.restricted = 0;
        }
        if let Some(prefer) = &client.prefer {
            word.restricted &= !prefer.window(first);
        }
    }

    /// Whether a host is left for the choice.
    pub(in super::super) fn keeps(&mut self, index: CarrierIndex) -> bool {
        if let Some(rule) = self.remover(index) {
            self.left_out.push((index, rule));
            return false;
        }
        self.client_key_against(index).is_none()
    }

    /// The rule about a mirror that takes it out.
    pub(super) fn remover(&self, index: CarrierIndex) -> Option<RuleIndex> {
        let is_out = |stage: &&MirrorStage| stage.out().contains(index);
        let out = self.stage.filter(is_out).and_then(|stage| stage.remover(index));
        out.or_else(|| {
            let shunned = self.shunned.iter().find(|shunned| shunned.carriers.contains(index));
            shunned.map(|shunned| shunned.rule)
        })
    }

    /// The key of the rule about the client that leaves a host out.
    pub(super) fn client_key_against(&self, index: CarrierIndex) -> Option<&'static str> {
        let client = self.client?;
        let mut never = client.never.iter().chain(self.never_in.as_deref());
        if never.any(|never| never.contains(index)) {
            return Some("never");
        }
        let is_other = client.only.as_ref().is_some_and(|only| !only.contains(index));
        is_other.then_some("only")
    }

    /// Whether the rule about the client names a host, so that the countries it is limited to don't matter.
    pub(super) fn names(&self, index: CarrierIndex) -> bool {
        let Some(client) = self.client else { return false };
        let named = [client.only.as_ref(), client.prefer.as_ref()];
        named.into_iter().flatten().any(|carriers| carriers.contains(index))
    }

    /// Puts preferred hosts before others.
    pub(in super::super) fn rank(&self, hosts: &mut [RankedHost]) {
        let Some(prefer) = self.client.and_then(|client| client.prefer.as_ref()) else {
            return;
        };
        for host in hosts {
            if !prefer.contains(host.carrier()) {
                *host = host.after_preferred();
            }
        }
    }

    /// Whether a rule puts hosts before all others.
    pub fn prefers(&self) -> bool {
        self.client.is_some_and(|client| client.prefer.is_some())
    }
}

/// A rule that can leave no mirror.
pub(super) enum Restricting<'a> {
    Client(&'a CompiledClient),
    /// The repository's rule alone.
    Repository,
}

pub(super) fn https() -> ProtocolSet {
    let mut https = ProtocolSet::default();
    https.insert(Protocol::Https);
    https
}
