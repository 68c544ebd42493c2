//! The rules that took part in an answer.

use serde::Serialize;

use crate::mirrorlist::Refusal;
use crate::mirrorlist::choose::Choice;
use crate::snapshot::Snapshot;
use crate::snapshot::rules::rule::Rule;

/// A rule that took part in an answer, or that would have but for its end.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedRule<'a> {
    /// Its name.
    pub name: &'a str,
    /// The table of the file that it is in: `clients`, `mirrors` or `repositories`.
    pub kind: &'static str,
    /// What it did, each as `KEY: NAME`. `otherwise` means that it left no mirror, `ended` that its time is over.
    pub effects: Vec<String>,
    /// The operators' note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<&'a str>,
}

impl<'a> ExplainedRule<'a> {
    fn new(rule: &'a Rule, effects: Vec<String>) -> Self {
        Self {
            name: &rule.name,
            kind: rule.kind.name(),
            effects,
            comment: rule.comment.as_deref(),
        }
    }
}

/// The rules that took part in a choice; `None` if there are no rules at all.
pub(super) fn explained_rules<'a>(
    snapshot: &'a Snapshot,
    choice: &Result<Choice<'a>, Refusal<'a>>,
) -> Option<Vec<ExplainedRule<'a>>> {
    let rules = snapshot.rules()?;
    let explained = match choice {
        Ok(choice) => {
            let effects = choice
                .rules
                .as_ref()
                .map(|rules| rules.effects(&choice.selection.hosts));
            let effects = effects.unwrap_or_default().into_iter();
            effects
                .map(|(rule, effects)| ExplainedRule::new(rule, effects))
                .collect()
        }
        Err(Refusal::NoMirrorLeft { rule }) => {
            let rule = rules.rule(*rule);
            vec![ExplainedRule::new(rule, vec![format!("otherwise: {}", rule.name)])]
        }
        Err(_) => Vec::new(),
    };
    Some(explained)
}
