//! The attempts of a choice by rules: one that leaves no mirror is made again without the rule, or refused.

use super::super::select::Observer;
use super::super::{Choice, MirrorRequest, Prepared, Scratch, select_hosts};
use super::applied::{AppliedRules, Restricting};
use crate::mirrorlist::Refusal;
use crate::rules::entry::Otherwise;
use crate::snapshot::rules::audience::RuledClient;
use crate::snapshot::rules::mirrors::MirrorStage;
use crate::snapshot::{Rules, Snapshot};

/// Chooses the hosts for a request by rules. A rule that leaves no mirror is set aside, or the request is refused.
pub(in super::super) fn choose_by_rules<'a>(
    snapshot: &'a Snapshot,
    rules: &'a Rules,
    request: &MirrorRequest<'a>,
    prepared: Prepared<'a>,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<Choice<'a>, Refusal<'a>> {
    let stage = snapshot.mirror_rules(request.now);
    let client = ruled_client(snapshot, rules, stage, &prepared);
    let mut set_aside = Vec::new();
    loop {
        let found = rules.find(
            snapshot.catalogue(),
            client,
            prepared.target.directory,
            request.now,
            &set_aside,
        );
        let mut applied = AppliedRules::new(snapshot, rules, stage, client, &prepared, found);
        applied.set_aside.extend(&set_aside);
        let Some(restricting) = applied.restricting() else {
            return select_hosts(snapshot, request, prepared, Some(Box::new(applied)), scratch, observer);
        };
        for with_repository in [true, false] {
            let mut applied = applied.clone();
            if !with_repository && applied.repository_protocols.take().is_none() {
                break;
            }
            let applied = Some(Box::new(applied));
            let chosen = select_hosts(snapshot, request, prepared.clone(), applied, scratch, observer);
            match chosen {
                Ok(choice) if choice.urls(snapshot.catalogue()).next().is_none() => {}
                Err(Refusal::NoWebMirror) => {}
                chosen => return chosen,
            }
            observer.started_over();
        }
        match restricting {
            Restricting::Client(rule) if rule.otherwise == Otherwise::None => {
                return Err(applied.refusal(snapshot.catalogue(), prepared.target.directory, rule.rule));
            }
            Restricting::Client(rule) => set_aside.push(rule.rule),
            Restricting::Repository => {
                applied.repository_protocols = None;
                return select_hosts(snapshot, request, prepared, Some(Box::new(applied)), scratch, observer);
            }
        }
    }
}

fn ruled_client(
    snapshot: &Snapshot,
    rules: &Rules,
    stage: Option<&MirrorStage>,
    prepared: &Prepared<'_>,
) -> RuledClient {
    let address = prepared.location.address;
    let announced = rules
        .ask_for_as(stage)
        .then(|| snapshot.autonomous_systems().lookup(address));
    RuledClient {
        address,
        asn: announced.flatten().map(|(_, asn)| asn),
        country: prepared.location.country_code(),
    }
}
