//! Looking for histories that an engine gets wrong.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    Plan,
    drive::{Deviation, Driven, Manner, Observed},
    generate,
    lists::List,
    saved, shrink,
    step::{Answer, History, SESSIONS, Step, in_words},
};
use crate::{
    runner::{Context, Features},
    transcript::{Entry, Transcript},
    verdict::Failure,
};

/// What does not come while a history is made smaller is not waited for as long as otherwise.
const SHRINK_PATIENCE_PART: u32 = 6;
const SHRINK_PATIENCE_MIN: Duration = Duration::from_millis(150);
/// How often a history that was made smaller is driven again.
const CONFIRMATIONS: u32 = 3;
/// How many times the usual patience one that went wrong otherwise is driven with once more.
const UNHURRIED: u32 = 4;

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Histories, of those that were made at random.
    pub histories: u64,
    /// Steps.
    pub operations: u64,
    /// Sessions that were opened for them.
    pub sessions: u64,
    /// Turns of several steps, which are sent without waiting in between.
    pub at_once: u64,
    /// Steps by kind.
    pub kinds: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// The history of which so many steps were taken.
    fn add(&mut self, history: &History, steps: usize) {
        self.histories += 1;
        self.sessions += SESSIONS as u64;
        let mut left = steps;
        for turn in history {
            if left == 0 {
                break;
            }
            self.at_once += u64::from(turn.len() > 1);
            for step in turn.iter().take(left) {
                self.operations += 1;
                *self.kinds.entry(step.kind()).or_default() += 1;
                self.sessions += u64::from(matches!(
                    step,
                    Step::Leave { .. }
                        | Step::Call {
                            answer: Answer::Leaves { .. },
                            ..
                        }
                ));
            }
            left = left.saturating_sub(turn.len());
        }
    }
}

/// A history that went wrong, as it was found.
#[derive(Debug)]
pub struct WrongHistory {
    seed: u64,
    history: History,
    deviation: Deviation,
    transcript: Arc<[Entry]>,
}

impl WrongHistory {
    /// The clause that it breaks.
    #[must_use]
    pub fn clause(&self) -> &'static str {
        self.deviation.clause
    }
}

/// A history that goes wrong, as short as it was made.
#[derive(Debug)]
pub struct Finding {
    /// The seed whose first history it comes from.
    pub seed: u64,
    /// The clause that it breaks.
    pub clause: &'static str,
    /// The steps in words.
    pub steps: Vec<String>,
    /// How many steps there were at first.
    pub steps_at_first: usize,
    /// How many there are now.
    pub steps_left: usize,
    /// The step at which it shows, counted from 1.
    pub step: usize,
    /// What was to happen there.
    pub expected: String,
    /// What happened instead.
    pub problem: String,
    /// What was said on the wire.
    pub transcript: Arc<[Entry]>,
    /// How often it went wrong when it was driven again, of how often.
    pub confirmed: (u32, u32),
    pub(super) history: History,
    strict: bool,
    /// What the engine serves of that which histories are made of.
    needs: Vec<&'static str>,
    /// The session that was sent what is not its own.
    witness: Option<usize>,
    /// The lists that show it, if it shows in those.
    lists: Vec<List>,
}

impl Finding {
    /// What reports show of it; `seed` is the one to be said again.
    #[must_use]
    pub fn failure(&self, seed: u64) -> Failure {
        Failure {
            step: Some(self.step),
            expected: self.expected.clone(),
            problem: format!("{} (--seed {seed})", self.problem),
            mismatches: Vec::new(),
            history: self.steps.clone(),
            is_the_cases: false,
        }
    }

    /// The history as a case file; `quote` has the words that it judges.
    #[must_use]
    pub fn case(&self, id: &str, level: &str, quote: Option<&str>) -> Value {
        let mut case = saved::case(&self.history, self.strict, self.witness, &self.lists);
        if let Some(case) = case.as_object_mut() {
            case.insert("id".to_owned(), id.into());
            case.insert("level".to_owned(), level.into());
            case.insert("clauses".to_owned(), vec![self.clause].into());
            let mut needs = self.needs.clone();
            needs.extend(self.lists.iter().map(|it| it.feature()));
            case.insert("needs".to_owned(), needs.into());
            if let Some(quote) = quote {
                case.insert("quote".to_owned(), quote.into());
            }
        }
        case
    }
}

/// Drives an engine through histories, one after another.
#[derive(Debug)]
pub struct Explorer<'c> {
    manner: Manner<'c>,
    plan: Plan,
    /// Which history is next.
    pub(super) seed: u64,
    attempts: u64,
    /// What was done.
    pub counts: Counts,
}

impl<'c> Explorer<'c> {
    /// Histories from the seed of the plan on: each has a seed of its own, one after another.
    #[must_use]
    pub fn new(context: &'c Context, features: &'c Features, plan: Plan) -> Self {
        let manner = Manner {
            context,
            features,
            strict: plan.strict,
            patience: context.pace.patience,
        };
        Self {
            manner,
            plan,
            seed: plan.seed,
            attempts: 0,
            counts: Counts::default(),
        }
    }

    /// Drives the engine through the next history; what went wrong, if anything did.
    pub async fn next(&mut self) -> Option<WrongHistory> {
        let seed = self.seed;
        let history = self.next_history()?;
        let history = self.fitting(history);
        self.attempt(seed, &history).await.err().map(|it| *it)
    }

    pub(super) fn next_history(&mut self) -> Option<History> {
        let seed = self.seed;
        self.seed = seed.wrapping_add(1);
        generate::history(seed, self.plan.steps_max)
    }

    /// The history without what the engine does not serve.
    pub(super) fn fitting(&self, history: History) -> History {
        generate::fitting(history, |feature| self.manner.features.has(feature))
    }

    /// Drives the engine through a history, which counts; what was seen of it.
    pub(super) async fn attempt(
        &mut self,
        seed: u64,
        history: &History,
    ) -> Result<Vec<Observed>, Box<WrongHistory>> {
        let transcript = Transcript::default();
        let driven = self.drive(self.manner, history, &transcript).await;
        let steps = match &driven.outcome {
            Ok(()) => history.iter().map(Vec::len).sum(),
            Err(deviation) => deviation.step + 1,
        };
        self.counts.add(history, steps);
        match driven.outcome {
            Ok(()) => Ok(driven.observed),
            Err(deviation) => Err(Box::new(WrongHistory {
                seed,
                history: history.clone(),
                deviation,
                transcript: transcript.entries(),
            })),
        }
    }

    /// Drives the engine through a history that does not count; what was seen of it, if nothing
    /// went wrong.
    pub(super) async fn try_out(&mut self, history: &History) -> Option<Vec<Observed>> {
        let driven = self
            .drive(self.manner, history, &Transcript::default())
            .await;
        driven.outcome.ok().map(|()| driven.observed)
    }

    /// Makes a history that went wrong as short as it can be, and sees how often it does.
    pub async fn shrink(&mut self, wrong: WrongHistory) -> Finding {
        let patience = self.manner.patience;
        let hasty = (patience / SHRINK_PATIENCE_PART)
            .max(SHRINK_PATIENCE_MIN)
            .min(patience);
        let at_first = wrong.history.iter().map(Vec::len).sum();
        let seed = wrong.seed;
        let (shrunk, confirmed) = if self.plan.shrink_time_max.is_zero() {
            (wrong, (1, 1))
        } else {
            let original = wrong.clone_of();
            let mut shrunk = self.smaller(wrong, hasty).await;
            let mut confirmed = self.confirm(&mut shrunk).await;
            // What an engine is only late with is no fault: it may need the time that it is given.
            if confirmed.0 == 0 && hasty < patience {
                shrunk = self.smaller(original, patience).await;
                confirmed = self.confirm(&mut shrunk).await;
            }
            (shrunk, confirmed)
        };
        let WrongHistory {
            history,
            deviation,
            transcript,
            ..
        } = shrunk;
        Finding {
            seed,
            clause: deviation.clause,
            steps: in_words(&history),
            steps_at_first: at_first,
            steps_left: history.iter().map(Vec::len).sum(),
            step: deviation.step + 1,
            expected: deviation.expected,
            problem: deviation.problem,
            transcript,
            confirmed,
            history,
            strict: self.plan.strict,
            needs: super::served(self.manner.features),
            witness: deviation.witness,
            lists: match deviation.clause {
                "CO-17" => List::served(self.manner.features),
                _ => Vec::new(),
            },
        }
    }

    async fn smaller(&mut self, mut wrong: WrongHistory, patience: Duration) -> WrongHistory {
        let manner = Manner {
            patience,
            ..self.manner
        };
        let deadline = Instant::now() + self.plan.shrink_time_max;
        cut(&mut wrong);
        'smaller: loop {
            for history in shrink::simpler(&wrong.history) {
                if Instant::now() > deadline || self.manner.context.gone().is_some() {
                    return wrong;
                }
                let same = |it: &Deviation| it.clause == wrong.deviation.clause;
                let mut transcript = Transcript::default();
                let mut driven = self.drive(manner, &history, &transcript).await;
                // Something that is only late may come before it, and hide it.
                let hidden = driven.outcome.as_ref().is_err_and(|it| !same(it));
                if hidden && manner.patience < self.manner.patience {
                    transcript = Transcript::default();
                    driven = self.drive(self.manner, &history, &transcript).await;
                }
                if let Some(deviation) = driven.outcome.err().filter(same) {
                    wrong.history = history;
                    wrong.deviation = deviation;
                    wrong.transcript = transcript.entries();
                    cut(&mut wrong);
                    continue 'smaller;
                }
            }
            return wrong;
        }
    }

    /// How often it goes wrong again, by the same clause.
    async fn confirm(&mut self, wrong: &mut WrongHistory) -> (u32, u32) {
        let clause = wrong.deviation.clause;
        let unhurried = Manner {
            patience: self.manner.patience * UNHURRIED,
            ..self.manner
        };
        let mut failed = 0;
        for _ in 0..CONFIRMATIONS {
            // Something that is only late may come before it, and hide it.
            for manner in [self.manner, unhurried] {
                if self.manner.context.gone().is_some() {
                    return (failed, CONFIRMATIONS);
                }
                let transcript = Transcript::default();
                let driven = self.drive(manner, &wrong.history, &transcript).await;
                let Err(deviation) = driven.outcome else {
                    break;
                };
                if deviation.clause == clause {
                    failed += 1;
                    wrong.deviation = deviation;
                    wrong.transcript = transcript.entries();
                    break;
                }
            }
        }
        (failed, CONFIRMATIONS)
    }

    async fn drive(
        &mut self,
        manner: Manner<'_>,
        history: &History,
        transcript: &Transcript,
    ) -> Driven {
        self.attempts += 1;
        manner.drive(history, self.attempts, transcript).await
    }
}

impl WrongHistory {
    fn clone_of(&self) -> Self {
        Self {
            seed: self.seed,
            history: self.history.clone(),
            deviation: self.deviation.clone(),
            transcript: self.transcript.clone(),
        }
    }
}

/// What comes after the turn at which it shows has no part in it.
fn cut(wrong: &mut WrongHistory) {
    wrong.history.truncate(wrong.deviation.turn + 1);
}
