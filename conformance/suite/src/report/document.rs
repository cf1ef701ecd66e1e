//! A run as one document: what every format but the one for people is drawn from, so that none
//! of them has a verdict of its own. As JSON it is described in `spec/schema/report.json`.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{
    Run,
    clauses::title_of,
    serial::{counts, described, milliseconds, rfc3339, snake_case, verdict_name},
    shown,
};
use crate::{
    expectation::Stale,
    ledger::{Clause, Kind},
    template::Mismatch,
    transcript::{Direction, Entry, Whole},
    verdict::{CaseVerdict, Failure, Outcome, Status, Verdict},
};

/// Changes when a reader of the format before would be wrong about the next one.
pub(super) const FORMAT_VERSION: u32 = 1;

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub struct Heading {
    /// The engine's WebSocket address; empty until it is known.
    pub target: String,
    /// The engine's name, if a target file gives one.
    pub target_name: Option<String>,
    /// Whether the target is the reference in the suite's own process.
    pub embedded: bool,
    /// When the run began.
    pub started: SystemTime,
    /// Whether every level decides.
    pub strict: bool,
    /// What was selected, as it was asked for; everything if nothing was.
    pub selection: Vec<String>,
    /// The levels that were selected; all of them if none was.
    pub levels: Vec<String>,
    /// Which part of the cases was selected, such as `1/3`, if not all of them.
    pub shard: Option<String>,
    /// The name of the profile, if one was asked for.
    pub profile: Option<String>,
    /// Whether the cases that take a minute are run.
    pub slow: bool,
    /// How many random histories there are, if it is known.
    pub histories: Option<u32>,
    /// The names of the environment variables that the engine was started with, as far as it
    /// is known.
    pub variables: Vec<String>,
    /// Where the engine serves http triggers, if it is known.
    pub http_url: Option<String>,
    /// The seed of the random histories and of the order, if they have one.
    pub seed: Option<u64>,
    /// Whether transcripts of cases that passed are kept.
    pub verbose: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// The exit code.
    pub exit_code: u8,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Why it did not take place, if it did not.
    pub problem: Option<String>,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub struct Document<'r> {
    #[serde(flatten)]
    pub(crate) heading: HeadingReport<'r>,
    #[serde(flatten)]
    pub(crate) result: ResultReport<'r>,
    pub(crate) cases: Vec<CaseReport<'r>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct HeadingReport<'r> {
    pub(crate) format_version: u32,
    pub(crate) suite_version: &'static str,
    pub(crate) target: &'r str,
    pub(crate) target_name: Option<&'r str>,
    pub(crate) embedded: bool,
    #[serde(serialize_with = "rfc3339")]
    pub(crate) started: SystemTime,
    pub(crate) options: OptionsReport<'r>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OptionsReport<'r> {
    pub(crate) strict: bool,
    /// As text, since JSON readers lose digits of numbers of 64 bits.
    pub(crate) seed: Option<String>,
    pub(crate) selection: &'r [String],
    pub(crate) levels: &'r [String],
    pub(crate) shard: Option<&'r str>,
    pub(crate) profile: Option<&'r str>,
    pub(crate) slow: bool,
    pub(crate) histories: Option<u32>,
    pub(crate) variables: &'r [String],
    pub(crate) http_url: Option<&'r str>,
    pub(crate) verbose: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct ResultReport<'r> {
    #[serde(serialize_with = "milliseconds")]
    pub(crate) duration_ms: Duration,
    pub(crate) exit_code: u8,
    pub(crate) interrupted: bool,
    pub(crate) problem: Option<&'r str>,
    pub(crate) engine_gone: Option<GoneReport<'r>>,
    pub(crate) engine_restarts: Vec<RestartReport<'r>>,
    /// Whether no case was left out.
    pub(crate) complete: bool,
    /// How many cases were selected and have not ended.
    pub(crate) not_run: usize,
    pub(crate) left_out: usize,
    #[serde(serialize_with = "counts")]
    pub(crate) counts: Vec<(&'static str, usize)>,
    /// Of the documented clauses.
    #[serde(serialize_with = "counts")]
    pub(crate) clause_counts: Vec<(&'static str, usize)>,
    #[serde(serialize_with = "described")]
    pub(crate) stale_expectations: &'r [Stale],
    /// The command that runs the failures again.
    pub(crate) again: Option<String>,
    pub(crate) clauses: Vec<ClauseReport<'r>>,
}

/// An engine that went away during the run.
#[derive(Debug, Serialize)]
pub(crate) struct GoneReport<'r> {
    pub(crate) problem: &'r str,
    /// The cases that were running.
    pub(crate) beside: &'r [String],
    /// The command that runs them one at a time.
    pub(crate) again: Option<String>,
}

/// An engine that was away during the run and came back.
#[derive(Debug, Serialize)]
pub(crate) struct RestartReport<'r> {
    #[serde(skip)]
    pub(crate) text: String,
    /// The cases that were running.
    pub(crate) beside: &'r [String],
    /// The command that runs them one at a time.
    pub(crate) again: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ClauseReport<'r> {
    pub(crate) id: &'r str,
    pub(crate) kind: &'static str,
    pub(crate) document: Option<&'r str>,
    pub(crate) section: Option<&'r str>,
    pub(crate) title: &'r str,
    pub(crate) statement: &'r str,
    pub(crate) quote: Option<&'r str>,
    #[serde(serialize_with = "snake_case")]
    pub(crate) verdict: &'static str,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CaseReport<'r> {
    pub(crate) id: &'r str,
    pub(crate) title: &'r str,
    pub(crate) level: &'static str,
    pub(crate) clauses: &'r [String],
    pub(crate) quote: Option<&'r str>,
    #[serde(serialize_with = "verdict_name")]
    pub(crate) verdict: CaseVerdict,
    pub(crate) reason: Option<&'r str>,
    pub(crate) failure: Option<FailureReport<'r>>,
    pub(crate) remarks: &'r [String],
    pub(crate) branches: &'r [String],
    pub(crate) malformed: &'r [String],
    #[serde(serialize_with = "milliseconds")]
    pub(crate) duration_ms: Duration,
    pub(crate) transcript: Option<Vec<EntryReport<'r>>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct FailureReport<'r> {
    pub(crate) step: Option<usize>,
    pub(crate) expected: &'r str,
    pub(crate) problem: &'r str,
    pub(crate) mismatches: Vec<MismatchReport<'r>>,
    pub(crate) history: &'r [String],
}

#[derive(Debug, Serialize)]
pub(crate) struct MismatchReport<'r> {
    pub(crate) path: &'r str,
    pub(crate) expected: &'r str,
    pub(crate) received: &'r str,
}

#[derive(Debug, Serialize)]
pub(crate) struct EntryReport<'r> {
    #[serde(serialize_with = "milliseconds")]
    pub(crate) at_ms: Duration,
    pub(crate) session: &'r str,
    pub(crate) direction: &'static str,
    pub(crate) text: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) whole: Option<&'r Whole>,
}

impl<'r> Document<'r> {
    /// Puts a run that has ended into its final form.
    #[must_use]
    pub fn of(heading: &'r Heading, run: &'r Run<'r>, ending: &'r Ending) -> Self {
        let case = |outcome| CaseReport::of(outcome, heading);
        Self {
            heading: HeadingReport::of(heading),
            result: ResultReport::of(run, ending),
            cases: run.outcomes.iter().map(case).collect(),
        }
    }

    /// How many documented clauses have one of these verdicts.
    pub(crate) fn clauses_with(&self, verdicts: &[&str]) -> usize {
        let counts = self.result.clause_counts.iter();
        let wanted = counts.filter(|(name, _)| verdicts.contains(name));
        wanted.map(|(_, count)| count).sum()
    }
}

impl<'r> HeadingReport<'r> {
    pub(crate) fn of(heading: &'r Heading) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            suite_version: env!("CARGO_PKG_VERSION"),
            target: &heading.target,
            target_name: heading.target_name.as_deref(),
            embedded: heading.embedded,
            started: heading.started,
            options: OptionsReport {
                strict: heading.strict,
                seed: heading.seed.map(|it| it.to_string()),
                selection: &heading.selection,
                levels: &heading.levels,
                shard: heading.shard.as_deref(),
                profile: heading.profile.as_deref(),
                slow: heading.slow,
                histories: heading.histories,
                variables: &heading.variables,
                http_url: heading.http_url.as_deref(),
                verbose: heading.verbose,
            },
        }
    }
}

impl<'r> ResultReport<'r> {
    pub(crate) fn of(run: &'r Run<'r>, ending: &'r Ending) -> Self {
        let clause = |clause| ClauseReport::of(clause, run);
        let clauses: Vec<ClauseReport<'r>> = run.ledger.clauses.iter().map(clause).collect();
        let verdict_of = |it: &Outcome| it.verdict(run.strict);
        let cases = |verdict: CaseVerdict| {
            run.outcomes
                .iter()
                .filter(move |it| verdict_of(it) == verdict)
        };
        let documented = |name: &str| {
            let of_documents = clauses.iter().filter(|it| it.document.is_some());
            of_documents.filter(|it| it.verdict == name).count()
        };
        let failed: Vec<&str> = cases(CaseVerdict::Failed)
            .map(|it| it.case.as_str())
            .collect();
        Self {
            duration_ms: run.took,
            exit_code: ending.exit_code,
            interrupted: ending.interrupted,
            problem: ending.problem.as_deref(),
            engine_gone: run.gone.as_ref().map(|gone| GoneReport {
                problem: &gone.problem,
                beside: &gone.beside,
                again: run.one_at_a_time(&gone.beside),
            }),
            engine_restarts: run
                .restarts
                .iter()
                .map(|it| RestartReport {
                    text: it.to_string(),
                    beside: &it.beside,
                    again: run.one_at_a_time(&it.beside),
                })
                .collect(),
            not_run: run.unrun.cases,
            complete: run.complete,
            left_out: run.left_out,
            counts: CaseVerdict::ALL
                .map(|it| (it.name(), cases(it).count()))
                .to_vec(),
            clause_counts: Verdict::NAMES.map(|it| (it, documented(it))).to_vec(),
            stale_expectations: run.stale,
            again: (!failed.is_empty())
                .then(|| format!("{} {}{}", run.again, failed.join(" "), run.again_behind)),
            clauses,
        }
    }
}

impl<'r> ClauseReport<'r> {
    fn of(clause: &'r Clause, run: &'r Run<'r>) -> Self {
        let verdict = run.verdict_of(clause);
        Self {
            id: &clause.id,
            kind: match clause.kind {
                Kind::Documented => "documented",
                Kind::Companion => "companion",
                Kind::Decided => "decided",
            },
            document: clause.document.as_deref(),
            section: clause.section.as_deref(),
            title: &clause.title,
            statement: &clause.statement,
            quote: clause.quote.as_deref(),
            verdict: verdict.name(),
            reason: match verdict {
                Verdict::Untestable(reason)
                | Verdict::InPart(reason)
                | Verdict::FailsAsExpected(reason) => Some(reason),
                Verdict::RegistrationOnly => clause.later.clone(),
                Verdict::Passed
                | Verdict::Failed
                | Verdict::Differs
                | Verdict::NotRun
                | Verdict::NotSelected => None,
            },
        }
    }

    /// What it stands under: a document's title, or who else says it.
    pub(crate) fn heading(&self) -> &'r str {
        match (self.document, self.kind) {
            (Some(document), _) => title_of(document),
            (None, "companion") => "Companion messages",
            (None, _) => "Where the documents are silent",
        }
    }
}

impl<'r> CaseReport<'r> {
    pub(crate) fn of(outcome: &'r Outcome, heading: &Heading) -> Self {
        let (mut failure, mut reason) = (None, outcome.expected.as_deref());
        match &outcome.status {
            Status::Passed => {}
            Status::Failed(it) => failure = Some(FailureReport::of(it)),
            Status::Untestable(it) | Status::NotApplicable(it) | Status::Broken(it) => {
                reason = Some(it);
            }
        }
        let told = heading.verbose || outcome.status != Status::Passed;
        Self {
            id: &outcome.case,
            title: &outcome.title,
            level: outcome.level.name(),
            clauses: &outcome.clauses,
            quote: outcome.quote.as_deref(),
            verdict: outcome.verdict(heading.strict),
            reason,
            failure,
            remarks: &outcome.remarks,
            branches: &outcome.branches,
            malformed: &outcome.malformed,
            duration_ms: outcome.took,
            transcript: told.then(|| outcome.transcript.iter().map(EntryReport::of).collect()),
        }
    }

    /// Whether it makes the exit code another than 0.
    pub(crate) fn counts_as_failed(&self) -> bool {
        matches!(
            self.verdict,
            CaseVerdict::Failed | CaseVerdict::UnexpectedPass | CaseVerdict::HarnessError
        )
    }
}

impl<'r> FailureReport<'r> {
    fn of(failure: &'r Failure) -> Self {
        Self {
            step: failure.step,
            expected: &failure.expected,
            problem: &failure.problem,
            mismatches: failure.mismatches.iter().map(MismatchReport::of).collect(),
            history: &failure.history,
        }
    }
}

impl GoneReport<'_> {
    /// In one line, for people.
    pub(crate) fn describe(&self) -> String {
        let first = self.problem.lines().next().unwrap_or_default();
        let beside = match self.beside {
            [] => "while no case was running".to_owned(),
            ids => format!("beside {}", ids.join(", ")),
        };
        format!(
            "the engine went away during the run, {beside}: {}",
            shown(first)
        )
    }
}

impl<'r> MismatchReport<'r> {
    fn of(mismatch: &'r Mismatch) -> Self {
        Self {
            path: &mismatch.path,
            expected: &mismatch.expected,
            received: &mismatch.received,
        }
    }

    /// Where it is, for people.
    pub(crate) fn place(&self) -> &'r str {
        match self.path {
            "" => "(the frame)",
            path => path,
        }
    }
}

impl<'r> EntryReport<'r> {
    fn of(entry: &'r Entry) -> Self {
        Self {
            at_ms: entry.at,
            session: &entry.session,
            direction: match entry.direction {
                Direction::Sent => "sent",
                Direction::Received => "received",
                Direction::Note => "note",
            },
            text: &entry.text,
            whole: entry.whole.as_ref(),
        }
    }

    /// Its direction as reports for people draw it.
    pub(crate) fn arrow(&self) -> &'static str {
        match self.direction {
            "sent" => "→",
            "received" => "←",
            _ => "·",
        }
    }
}
