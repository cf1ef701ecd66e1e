//! Two engines through the same histories: what one of them gets wrong, and what they do
//! differently where either is right.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    drive::Observed,
    explorer::{Explorer, Finding, WrongHistory},
    judge::{Seen, Told},
    shrink,
    step::{Answer, History, Step, in_words},
};
use crate::report::printable;

/// How long a history that shows a difference is made shorter.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(5);
/// How often a difference has to show again.
const CONFIRMATIONS: u32 = 2;
/// How much is told of an engine's own words.
const CODE_CHARACTERS_MAX: usize = 80;

/// Something that two engines do differently, and may.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The seed of the history that showed it first.
    pub seed: u64,
    /// The kind of step at which it shows.
    pub step: &'static str,
    /// What comes of that step with the first engine.
    pub first: String,
    /// What comes of it with the second.
    pub second: String,
    /// The steps in words.
    pub steps: Vec<String>,
}

/// One of two engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The one that is explored.
    First,
    /// The one that it is compared with.
    Second,
}

/// A step and what came of it with each engine.
type Kind = (&'static str, String, String);

/// Drives two engines through the same histories.
#[derive(Debug)]
pub struct Comparison<'c> {
    /// The first engine.
    pub first: Explorer<'c>,
    /// The second.
    pub second: Explorer<'c>,
    /// What they do differently and may, each kind once.
    pub differences: Vec<Difference>,
    known: BTreeSet<Kind>,
}

impl<'c> Comparison<'c> {
    /// Both explorers have to be of the same plan.
    #[must_use]
    pub fn new(first: Explorer<'c>, second: Explorer<'c>) -> Self {
        Self {
            first,
            second,
            differences: Vec::new(),
            known: BTreeSet::new(),
        }
    }

    /// Drives both through the next history; what went wrong with one of them. Every other history
    /// is such that nothing in it depends on who is faster: what is seen of those is compared.
    pub async fn next(&mut self) -> Option<(Which, WrongHistory)> {
        let seed = self.first.seed;
        let is_calm = seed % 2 == 1;
        let history = self.first.next_history()?;
        self.second.next_history()?;
        let history = self.second.fitting(self.first.fitting(history));
        let history = if is_calm { calm(&history) } else { history };
        let first = match self.first.attempt(seed, &history).await {
            Ok(observed) => observed,
            Err(wrong) => return Some((Which::First, *wrong)),
        };
        let second = match self.second.attempt(seed, &history).await {
            Ok(observed) => observed,
            Err(wrong) => return Some((Which::Second, *wrong)),
        };
        if is_calm {
            self.compare(seed, &history, &first, &second).await;
        }
        None
    }

    /// Makes a history short that one of them got wrong, and sees whether the other gets it wrong
    /// as well.
    pub async fn shrink(&mut self, which: Which, wrong: WrongHistory) -> (Finding, bool) {
        let (own, other) = match which {
            Which::First => (&mut self.first, &mut self.second),
            Which::Second => (&mut self.second, &mut self.first),
        };
        let finding = own.shrink(wrong).await;
        let both = other.try_out(&finding.history).await.is_none();
        (finding, both)
    }

    async fn compare(
        &mut self,
        seed: u64,
        history: &History,
        first: &[Observed],
        second: &[Observed],
    ) {
        for kind in kinds(first, second) {
            if self.known.contains(&kind) {
                continue;
            }
            let Some(shown) = self.shown(history, &kind).await else {
                continue;
            };
            self.known.insert(kind.clone());
            let (step, first, second) = kind;
            self.differences.push(Difference {
                seed,
                step,
                first,
                second,
                steps: in_words(&shown),
            });
        }
    }

    /// A short history that shows a difference each time.
    async fn shown(&mut self, history: &History, kind: &Kind) -> Option<History> {
        let deadline = Instant::now() + SHRINK_TIME_MAX;
        let mut shown = history.clone();
        'shorter: loop {
            for shorter in shrink::simpler(&shown) {
                if Instant::now() > deadline {
                    break 'shorter;
                }
                if self.shows(&shorter, kind).await {
                    shown = shorter;
                    continue 'shorter;
                }
            }
            break;
        }
        for _ in 0..CONFIRMATIONS {
            if !self.shows(&shown, kind).await {
                return None;
            }
        }
        Some(shown)
    }

    async fn shows(&mut self, history: &History, kind: &Kind) -> bool {
        let first = self.first.try_out(history).await;
        let second = self.second.try_out(history).await;
        match (first, second) {
            (Some(first), Some(second)) => kinds(&first, &second).contains(kind),
            _ => false,
        }
    }
}

/// The history step by step, and without anything that an engine notices when it can.
fn calm(history: &History) -> History {
    let steps = history.iter().flatten().map(|step| match *step {
        Step::Leave { session, .. } => Step::Leave {
            session,
            abruptly: false,
        },
        Step::Call {
            session,
            function,
            answer: Answer::Leaves { .. },
        } => Step::Call {
            session,
            function,
            answer: Answer::Leaves { abruptly: false },
        },
        step => step,
    });
    steps.map(|step| vec![step]).collect()
}

fn kinds(first: &[Observed], second: &[Observed]) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (first, second) in first.iter().zip(second) {
        let (own, other) = (in_short(&first.seen), in_short(&second.seen));
        if own != other {
            kinds.push((first.step.kind(), own, other));
        }
    }
    kinds
}

/// What was seen of a step, without whom it was and what was said in which words.
fn in_short(seen: &Seen) -> String {
    let told = match &seen.told {
        Told::Nothing => "no answer".to_owned(),
        Told::Success => "success".to_owned(),
        Told::Strangers => "the answer of another session".to_owned(),
        Told::Other => "another result".to_owned(),
        Told::Error(Some(code)) => {
            format!("the error `{}`", printable(code, CODE_CHARACTERS_MAX))
        }
        Told::Error(None) => "an error without a code".to_owned(),
    };
    let mut words = vec![told];
    let mut say = |count: usize, what: &str| match count {
        0 => {}
        1 => words.push(format!("{what} one session")),
        many => words.push(format!("{what} {many} sessions")),
    };
    say(seen.asked.len(), "handed to");
    say(seen.withdrawn.len(), "told to");
    match seen.returned.as_ref().map_or(0, Vec::len) {
        0 => {}
        some => words.push(format!(
            "the provider is asked for {some} triggers that stand"
        )),
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Step = Step::Call {
        session: 0,
        function: 0,
        answer: Answer::Result,
    };

    fn observed(told: Told, asked: &[usize]) -> Observed {
        Observed {
            step: CALL,
            seen: Seen {
                told,
                asked: asked.to_vec(),
                ..Seen::default()
            },
        }
    }

    #[test]
    fn which_session_it_was_is_no_difference() {
        let first = [observed(Told::Success, &[0])];
        let second = [observed(Told::Success, &[1])];
        assert_eq!(kinds(&first, &second), []);
        let none = [observed(Told::Nothing, &[])];
        assert_eq!(
            kinds(&first, &none),
            [(
                "call",
                "success, handed to one session".to_owned(),
                "no answer".to_owned()
            )]
        );
    }

    #[test]
    fn a_calm_history_has_one_step_at_a_time_and_no_losses() {
        let lost = Step::Leave {
            session: 0,
            abruptly: true,
        };
        let left = Step::Leave {
            session: 0,
            abruptly: false,
        };
        assert_eq!(
            calm(&vec![vec![CALL, CALL], vec![lost]]),
            [vec![CALL], vec![CALL], vec![left]]
        );
    }
}
