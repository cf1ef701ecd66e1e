//! Two runs side by side: what the one engine does otherwise than the other, case by case. As
//! JSON it is described in `spec/schema/diff.json`.

mod alike;
mod conditions;
mod human;
mod lines;
mod markdown;
mod saved;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

pub use self::saved::{Saved, SavedError};
use self::{
    alike::{Aspect, differing},
    conditions::Condition,
    saved::{SavedCase, SavedFailure},
};

use crate::histories;

/// Changes when a reader of the format before would be wrong about the next one.
const DIFF_FORMAT_VERSION: u32 = 1;

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffFormat {
    /// For a terminal.
    Human,
    /// One JSON document.
    Json,
    /// For a page or a comment.
    Markdown,
}

/// What differs between two runs.
#[derive(Debug, Serialize)]
pub struct Comparison<'r> {
    format_version: u32,
    suite_version: &'static str,
    a: Side<'r>,
    b: Side<'r>,
    /// What the runs were told that is not the same.
    conditions: Vec<Condition>,
    counts: Counts,
    /// By clause, in the order of the ledger.
    different: Vec<Different<'r>>,
    /// The same behaviour under another verdict.
    judged_otherwise: Vec<Judged<'r>>,
    only_in_a: Vec<Lone<'r>>,
    only_in_b: Vec<Lone<'r>>,
}

#[derive(Debug, Serialize)]
struct Side<'r> {
    file: Option<&'r str>,
    target: &'r str,
    target_name: Option<&'r str>,
    embedded: bool,
    started: &'r str,
    suite_version: &'r str,
    cases: usize,
}

#[derive(Debug, Serialize)]
struct Counts {
    same: usize,
    different: usize,
    judged_otherwise: usize,
    only_in_a: usize,
    only_in_b: usize,
}

#[derive(Debug, Serialize)]
struct Named<'r> {
    id: &'r str,
    title: &'r str,
    level: &'r str,
    clauses: &'r [String],
    /// The title of the first clause, if it is known.
    clause_title: Option<&'r str>,
}

#[derive(Debug, Serialize)]
struct Different<'r> {
    #[serde(flatten)]
    case: Named<'r>,
    aspects: Vec<Aspect>,
    a: Seen<'r>,
    b: Seen<'r>,
}

/// What one of the engines did.
#[derive(Debug, Serialize)]
struct Seen<'r> {
    verdict: &'r str,
    reason: Option<&'r str>,
    failure: Option<&'r SavedFailure>,
    branches: &'r [String],
    remarks: &'r [String],
    malformed: &'r [String],
}

#[derive(Debug, Serialize)]
struct Judged<'r> {
    #[serde(flatten)]
    case: Named<'r>,
    a: &'r str,
    b: &'r str,
}

#[derive(Debug, Serialize)]
struct Lone<'r> {
    #[serde(flatten)]
    case: Named<'r>,
    verdict: &'r str,
}

/// Compares what two runs came to.
#[must_use]
pub fn compare<'r>(a: &'r Saved, b: &'r Saved) -> Comparison<'r> {
    let order = Order::of([a, b]);
    let of_b: BTreeMap<&str, &SavedCase> = by_id(b);
    let of_a: BTreeMap<&str, &SavedCase> = by_id(a);
    let (mut different, mut judged_otherwise, mut same) = (Vec::new(), Vec::new(), 0);
    for case in order.sorted(&a.cases) {
        let Some(other) = of_b.get(case.id.as_str()) else {
            continue;
        };
        let aspects = differing(case, other);
        if !aspects.is_empty() {
            different.push(Different {
                case: order.named(case),
                aspects,
                a: Seen::of(case),
                b: Seen::of(other),
            });
            continue;
        }
        same += 1;
        if case.verdict != other.verdict {
            judged_otherwise.push(Judged {
                case: order.named(case),
                a: &case.verdict,
                b: &other.verdict,
            });
        }
    }
    let lone = |of: &'r Saved, others: &BTreeMap<&str, &SavedCase>| -> Vec<Lone<'r>> {
        let sorted = order.sorted(&of.cases).into_iter();
        let alone = sorted.filter(|it| !others.contains_key(it.id.as_str()));
        let lone = |it: &'r SavedCase| Lone {
            case: order.named(it),
            verdict: &it.verdict,
        };
        alone.map(lone).collect()
    };
    let (only_in_a, only_in_b) = (lone(a, &of_b), lone(b, &of_a));
    let wandered = different.iter().any(|it| it.case.id == histories::ID);
    let mut conditions = conditions::differing(a, b);
    // Nothing else depends on it.
    conditions.retain(|it| wandered || it.what != conditions::SEED);
    Comparison {
        format_version: DIFF_FORMAT_VERSION,
        suite_version: env!("CARGO_PKG_VERSION"),
        a: Side::of(a),
        b: Side::of(b),
        conditions,
        counts: Counts {
            same,
            different: different.len(),
            judged_otherwise: judged_otherwise.len(),
            only_in_a: only_in_a.len(),
            only_in_b: only_in_b.len(),
        },
        different,
        judged_otherwise,
        only_in_a,
        only_in_b,
    }
}

impl Comparison<'_> {
    /// Whether anything differs. Of a case that is in one of them only, nothing says that it
    /// does not.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.counts.different + self.counts.only_in_a + self.counts.only_in_b > 0
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to.
    pub fn write(&self, format: DiffFormat, out: &mut dyn Write) -> io::Result<()> {
        match format {
            DiffFormat::Human => human::write(self, out),
            DiffFormat::Json => {
                serde_json::to_writer_pretty(&mut *out, self)?;
                writeln!(out)
            }
            DiffFormat::Markdown => markdown::write(self, out),
        }
    }

    /// What may be why something differs.
    fn reasons(&self) -> &[Condition] {
        match self.differs() || self.counts.judged_otherwise > 0 {
            true => &self.conditions,
            false => &[],
        }
    }

    /// The last line of what people read.
    fn verdict(&self) -> String {
        let counts = &self.counts;
        let all = counts.same + counts.different + counts.only_in_a + counts.only_in_b;
        match (counts.different, self.differs()) {
            (_, false) if all == 1 => "nothing differs in 1 case".to_owned(),
            (_, false) => format!("nothing differs in {all} cases"),
            (0, true) => format!(
                "nothing differs in what both have: {} of {all} cases",
                counts.same
            ),
            (1, true) => format!("1 case of {all} differs"),
            (different, true) => format!("{different} cases of {all} differ"),
        }
    }
}

impl<'r> Side<'r> {
    fn of(saved: &'r Saved) -> Self {
        Self {
            file: saved.file.as_deref(),
            target: &saved.target,
            target_name: saved.target_name.as_deref(),
            embedded: saved.embedded,
            started: &saved.started,
            suite_version: &saved.suite_version,
            cases: saved.cases.len(),
        }
    }

    /// For people, and not yet fit for a terminal.
    fn describe(&self) -> String {
        let at = match (self.embedded, self.target_name) {
            (true, _) => format!("the embedded reference at {}", self.target),
            (false, Some(name)) => format!("{name} at {}", self.target),
            (false, None) => self.target.to_owned(),
        };
        match self.file {
            Some(file) => format!("{at} (report {file} of {})", self.started),
            None => at,
        }
    }
}

impl Counts {
    fn describe(&self) -> String {
        format!(
            "{} same, {} different, {} only in A, {} only in B",
            self.same, self.different, self.only_in_a, self.only_in_b
        )
    }
}

impl Named<'_> {
    /// What it stands under.
    fn clause(&self) -> &str {
        self.clauses.first().map_or("", String::as_str)
    }
}

impl<'r> Seen<'r> {
    fn of(case: &'r SavedCase) -> Self {
        Self {
            verdict: &case.verdict,
            reason: case.reason.as_deref(),
            failure: case.failure.as_ref(),
            branches: &case.branches,
            remarks: &case.remarks,
            malformed: &case.malformed,
        }
    }
}

/// A verdict as people read it.
fn in_words(verdict: &str) -> String {
    verdict.replace('_', " ")
}

fn by_id(saved: &Saved) -> BTreeMap<&str, &SavedCase> {
    saved.cases.iter().map(|it| (it.id.as_str(), it)).collect()
}

/// The clauses in the order of the ledger: that of A, and what only B has behind them.
struct Order<'r>(BTreeMap<&'r str, (usize, &'r str)>);

impl<'r> Order<'r> {
    fn of(both: [&'r Saved; 2]) -> Self {
        let mut places = BTreeMap::new();
        for clause in both.into_iter().flat_map(|it| &it.clauses) {
            let place = places.len();
            let known = places.entry(clause.id.as_str());
            known.or_insert((place, clause.title.as_str()));
        }
        Self(places)
    }

    fn sorted(&self, cases: &'r [SavedCase]) -> Vec<&'r SavedCase> {
        let place = |it: &&SavedCase| self.clause(it).map_or(usize::MAX, |(place, _)| *place);
        let mut sorted: Vec<&SavedCase> = cases.iter().collect();
        sorted.sort_by(|a, b| (place(a), &a.id).cmp(&(place(b), &b.id)));
        sorted
    }

    fn named(&self, case: &'r SavedCase) -> Named<'r> {
        Named {
            id: &case.id,
            title: &case.title,
            level: &case.level,
            clauses: &case.clauses,
            clause_title: self.clause(case).map(|(_, title)| *title),
        }
    }

    fn clause(&self, case: &SavedCase) -> Option<&(usize, &'r str)> {
        self.0.get(case.clauses.first()?.as_str())
    }
}
