//! The rules that took part in an answer.

use serde::Serialize;

use crate::mirrorlist::Refusal;
use crate::mirrorlist::choose::Choice;
use crate::snapshot::rules::rule::RuleEffect;
use crate::snapshot::{Rules, Snapshot};

/// A rule that took part in an answer, or that would have but for its end.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedRule<'a> {
    /// Its name.
    pub name: &'a str,
    /// The table of the file that it is in: `clients`, `mirrors` or `repositories`.
    pub kind: &'static str,
    /// What it did, each as `KEY: NAME`. `otherwise` means that it left no mirror, `ended` that its time is over. None if it
    /// counted and changed nothing.
    pub effects: Vec<String>,
    /// The operators' note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<&'a str>,
}

/// The rules that took part in a choice or have ended; `None` if there are no rules at all.
pub(super) fn explained_rules<'a>(
    snapshot: &'a Snapshot,
    choice: &Result<Choice<'a>, Refusal<'a>>,
) -> Option<Vec<ExplainedRule<'a>>> {
    let rules = snapshot.rules()?;
    let effects = match choice {
        Ok(choice) => {
            let applied = choice.rules.as_ref();
            applied.map(|applied| applied.effects(&choice.selection.hosts))
        }
        Err(Refusal::NoMirrorLeft { effects }) => Some(effects.clone()),
        Err(_) => None,
    };
    let effects = effects.unwrap_or_default();
    let of_rules = effects.chunk_by(|a, b| a.rule == b.rule);
    Some(of_rules.filter_map(|effects| explained_rule(rules, effects)).collect())
}

/// A rule with its effects, each once.
fn explained_rule<'a>(rules: &'a Rules, effects: &[RuleEffect]) -> Option<ExplainedRule<'a>> {
    let rule = rules.rule(effects.first()?.rule);
    let mut keys: Vec<&str> = Vec::new();
    for key in effects.iter().filter_map(|effect| effect.key) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    Some(ExplainedRule {
        name: &rule.name,
        kind: rule.kind.name(),
        effects: keys.iter().map(|key| format!("{key}: {}", rule.name)).collect(),
        comment: rule.comment.as_deref(),
    })
}
