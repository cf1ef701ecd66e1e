//! Cases: declarative tests, one behaviour a file. The format is described in
//! `spec/schema/case.json`; what it means is here and in `spec/cases.md`.

mod endpoint;
mod load;
mod step;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::ledger::Kind;

pub(crate) use self::load::{Problem, problems, templates};
pub use self::{
    endpoint::{Answer, Endpoint, RawPart, Repeat},
    load::{CaseError, Cases},
    step::{Action, Alternative, AlternativeKind, RawFrame, RawOpcode, Request, Step, Yes},
};

/// How much a case weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The documents demand it: an engine that differs does not conform.
    Must,
    /// The documents give a text literally: judged apart from the code beside it.
    Text,
    /// The documents suggest it without demanding it.
    Should,
    /// A message that the documents name without giving its shape.
    Companion,
    /// The documents are silent: the reference has decided, others are only observed.
    Observe,
}

impl Level {
    /// Whether a case of this level that does not pass makes the run fail.
    #[must_use]
    pub fn decides(self, strict: bool) -> bool {
        strict || self == Self::Must
    }

    /// Whether a case of this level says something of a clause of this kind. A case that only
    /// observes may name a documented clause beside the decision that it is about.
    #[must_use]
    pub fn says_of(self, kind: Kind) -> bool {
        match self {
            Self::Must | Self::Text | Self::Should => true,
            Self::Companion => kind != Kind::Documented,
            Self::Observe => kind == Kind::Decided,
        }
    }

    /// Its name in case files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Text => "text",
            Self::Should => "should",
            Self::Companion => "companion",
            Self::Observe => "observe",
        }
    }
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Where its schema is, for editors.
    #[serde(rename = "$schema", default)]
    pub schema: Option<String>,
    /// Words joined with hyphens; never reused for another behaviour.
    pub id: String,
    /// The behaviour, as a sentence.
    pub title: String,
    /// The clauses that it judges.
    pub clauses: Vec<String>,
    /// How much it weighs.
    pub level: Level,
    /// The words of the document that it judges; absent where the documents have none.
    #[serde(default)]
    pub quote: Option<String>,
    /// Why nothing but the clause can make it fail.
    pub isolates: String,
    /// The feature of an engine that it probes for; other cases may need it.
    #[serde(default)]
    pub probes: Option<String>,
    /// Features without which it cannot be run.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What it assumes of the environment that the engine was started in.
    #[serde(default)]
    pub environment: EnvironmentNeeds,
    /// Whether its ids are the document's own, so that no other such case may run beside it.
    #[serde(default)]
    pub verbatim: bool,
    /// Whether it tries to change what all sessions share, so that nothing may run beside it, and
    /// that it is run only against an engine which may be spoilt.
    #[serde(default)]
    pub alone: bool,
    /// How many seconds of the engine's clock have to pass before it can pass.
    #[serde(default)]
    pub clock_s: u32,
    /// The HTTP endpoints that the suite serves while the case runs, by name.
    #[serde(default)]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// The sessions that are open at the start.
    #[serde(default = "one_worker")]
    pub sessions: Vec<String>,
    /// The sessions that do not introduce themselves.
    #[serde(default)]
    pub silent: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Environment variables that an engine must, or must not, have been started with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentNeeds {
    /// Must have a value.
    pub set: Vec<String>,
    /// Must not exist.
    pub unset: Vec<String>,
}

/// A case whose clock takes longer is left out unless it is asked for, in seconds.
const CLOCK_S_MAX: u32 = 5;

impl Case {
    /// Whether it takes so long that it has to be asked for.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.clock_s > CLOCK_S_MAX
    }

    /// Whether a selector names it: a whole id, the beginning of one, a clause's id, or a pattern
    /// with `*`.
    #[must_use]
    pub fn is_named_by(&self, selector: &str) -> bool {
        let mut clauses = self.clauses.iter();
        if clauses.any(|it| it.eq_ignore_ascii_case(selector)) {
            return true;
        }
        match selector.contains('*') {
            true => WildMatch::new(selector).matches(&self.id),
            false => self.id.starts_with(selector),
        }
    }

    /// Whether it makes requests for http triggers.
    #[must_use]
    pub fn makes_requests(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.action, Action::Request(_)))
    }
}

fn one_worker() -> Vec<String> {
    vec!["worker".to_owned()]
}
