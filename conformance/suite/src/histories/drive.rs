//! Driving an engine through a history over real sockets, and holding what is seen against the
//! models that explain it.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::select_all;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    awaited::{Awaited, Held},
    explain::{Taken, explain},
    judge::{Seen, Told, Wrong},
    model::Model,
    parts::Part,
    step::{History, SESSIONS, Step, Turn},
};
use crate::{
    runner::{Context, Features, describe_stop},
    session::{Session, Stop},
    transcript::{Direction, Transcript},
};

/// Where an engine left what the model allows.
#[derive(Clone, Debug)]
pub(super) struct Deviation {
    /// The turn, counted from 0.
    pub(super) turn: usize,
    /// The step, counted from 0 over all turns.
    pub(super) step: usize,
    pub(super) clause: &'static str,
    pub(super) expected: String,
    pub(super) problem: String,
    /// The session that was sent what is not its own.
    pub(super) witness: Option<usize>,
}

/// What came of driving an engine through a history.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) outcome: Result<(), Deviation>,
    /// What was seen of the steps that were taken, but for those of which there is nothing to be
    /// seen.
    pub(super) observed: Vec<Observed>,
}

/// What was seen of a step.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) step: Step,
    pub(super) seen: Seen,
}

/// How histories are driven.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner<'c> {
    pub(super) context: &'c Context,
    pub(super) features: &'c Features,
    pub(super) strict: bool,
    pub(super) patience: Duration,
}

impl Manner<'_> {
    /// Drives an engine through a history on fresh sessions; `attempt` keeps its ids apart from
    /// those of others.
    pub(super) async fn drive(
        self,
        history: &History,
        attempt: u64,
        transcript: &Transcript,
    ) -> Driven {
        let mut drive = Drive {
            manner: self,
            suffix: format!("{}-{attempt}", self.context.run),
            models: BTreeSet::from([Model::new(SESSIONS, self.strict)]),
            sessions: Vec::new(),
            transcript,
            awaited: Vec::new(),
            held: Vec::new(),
            numbered: 0,
            forgiven: BTreeSet::new(),
            ended: Vec::new(),
            withdrawn: Vec::new(),
            observed: Vec::new(),
        };
        let outcome = drive.play(history).await;
        let deadline = drive.deadline();
        for session in &mut drive.sessions {
            // The history has been judged; the cases judge how an engine closes.
            let _ = session.close(1000, deadline).await;
        }
        Driven {
            outcome,
            observed: drive.observed,
        }
    }
}

pub(super) struct Drive<'c> {
    pub(super) manner: Manner<'c>,
    suffix: String,
    /// All that explain what was seen so far.
    pub(super) models: BTreeSet<Model>,
    pub(super) sessions: Vec<Session>,
    transcript: &'c Transcript,
    pub(super) awaited: Vec<Awaited>,
    pub(super) held: Vec<Held>,
    /// How many calls and registrations have a number.
    pub(super) numbered: u64,
    /// Calls of which it is open whether and how they are answered.
    pub(super) forgiven: BTreeSet<String>,
    /// The sessions that have ended in this turn, and whether the engine is known to know it.
    pub(super) ended: Vec<(usize, bool)>,
    /// The triggers of which a session was told in this turn that they are unregistered, while
    /// nobody unregisters them.
    pub(super) withdrawn: Vec<(usize, usize)>,
    observed: Vec<Observed>,
}

impl Drive<'_> {
    async fn play(&mut self, history: &[Turn]) -> Result<(), Deviation> {
        let at = |turn: usize, step: usize, wrong: Wrong| Deviation {
            turn,
            step,
            clause: wrong.clause,
            expected: wrong.expected,
            problem: wrong.problem,
            witness: wrong.witness,
        };
        for index in 0..SESSIONS {
            let session = self.connect(index).await;
            self.sessions.push(session.map_err(|it| at(0, 0, it))?);
        }
        let mut before = 0;
        for (index, turn) in history.iter().enumerate() {
            let done = self.turn(turn).await;
            done.map_err(|(step, wrong)| at(index, before + step, wrong))?;
            before += turn.len();
        }
        let (turn, step) = (history.len().saturating_sub(1), before.saturating_sub(1));
        self.finish().await.map_err(|it| at(turn, step, it))
    }

    /// What is left is answered, and nothing more comes.
    async fn finish(&mut self) -> Result<(), Wrong> {
        while !self.held.is_empty() {
            let late = [Step::AnswerHeld { twice: false }];
            self.turn(&late).await.map_err(|(_, wrong)| wrong)?;
        }
        self.settle(&(0..SESSIONS).collect::<Vec<_>>()).await?;
        self.judge_lists().await
    }

    /// Takes steps without waiting in between, and then sees what has become of them.
    async fn turn(&mut self, steps: &[Step]) -> Result<(), (usize, Wrong)> {
        let at_first = |wrong| (0, wrong);
        self.awaited.clear();
        for (index, step) in steps.iter().enumerate() {
            if let Step::Leave { session, abruptly } = step {
                let left = self.leave(*session, *abruptly).await;
                left.map_err(|wrong| (index, wrong))?;
                continue;
            }
            self.take_step(*step).await;
        }
        self.until_answered().await.map_err(at_first)?;
        let acting = self.to_be_fenced(steps);
        self.settle(&acting).await.map_err(at_first)?;
        self.late_answer_came().map_err(at_first)?;
        self.forgive_unanswered();
        self.mark_loose();
        let taken: Vec<Taken> = self.awaited.drain(..).map(Taken::from).collect();
        self.observed.extend(taken.iter().map(|it| Observed {
            step: it.step,
            seen: it.seen.clone(),
        }));
        self.models = explain(&self.models, &taken)?;
        self.loosen_held(&taken);
        self.judge_withdrawn().map_err(at_first)?;
        self.end_sessions();
        Ok(())
    }

    /// Waits for the answers that have to come, and plays the parts of workers and providers
    /// meanwhile.
    async fn until_answered(&mut self) -> Result<(), Wrong> {
        let deadline = self.deadline();
        loop {
            self.serve().await?;
            let strict = self.manner.strict;
            if self.awaited.iter().all(|it| it.is_done(strict)) {
                return Ok(());
            }
            let waits = self.sessions.iter_mut();
            let waits = waits.map(|it| Box::pin(it.more(deadline)));
            let (outcome, index, _) = select_all(waits).await;
            match outcome {
                Ok(()) => {}
                // What is missing is judged with all else.
                Err(Stop::Patience) => return self.serve().await.map(|_| ()),
                Err(stop) => {
                    self.serve().await?;
                    return Err(self.lost(index, stop));
                }
            }
        }
    }

    /// Handles everything that has arrived; the sessions that were answered on.
    pub(super) async fn serve(&mut self) -> Result<Vec<usize>, Wrong> {
        let mut answered = Vec::new();
        for index in 0..self.sessions.len() {
            let frames = match self.sessions.get_mut(index) {
                Some(session) => session.take_kept(),
                None => Vec::new(),
            };
            for frame in frames {
                for part in self.received(index, &frame)? {
                    match part {
                        Part::Say(session, frame) => {
                            self.send(session, &frame).await;
                            answered.push(session);
                        }
                        Part::Fence(session) => Box::pin(self.fence(session)).await?,
                        Part::Leave(session, abruptly) => {
                            // Boxed, since leaving may come to serving again.
                            Box::pin(self.leave(session, abruptly)).await?;
                        }
                    }
                }
            }
        }
        answered.sort_unstable();
        answered.dedup();
        Ok(answered)
    }

    /// The result of a late answer is that of its worker.
    fn late_answer_came(&mut self) -> Result<(), Wrong> {
        for awaited in &self.awaited {
            let Some(held) = &awaited.of_held else {
                continue;
            };
            let open = held.caller.is_none() || held.may_end();
            if !open && awaited.seen.told != Told::Success {
                let got = match awaited.seen.text.as_str() {
                    "" => "nothing of the kind arrived".to_owned(),
                    text => format!("got {text}"),
                };
                let expected = "the worker's late result reaches the caller";
                return Err(Wrong::new("RF-13", expected, got));
            }
        }
        Ok(())
    }

    /// A call that reached no worker, and was not answered where nothing demands it, may be
    /// answered whenever the engine likes.
    fn forgive_unanswered(&mut self) {
        let calls = self.awaited.iter().filter(|it| {
            matches!(it.step, Step::Call { .. })
                && it.seen.asked.is_empty()
                && it.seen.told == Told::Nothing
        });
        self.forgiven.extend(calls.map(|it| it.id.clone()));
    }

    /// What becomes of a call whose function is unregistered before it is answered is open.
    fn loosen_held(&mut self, taken: &[Taken]) {
        for held in &mut self.held {
            held.loose |= taken.iter().any(|it| {
                matches!(it.step, Step::UnregisterFunction { function, .. }
                    if function == held.function)
            });
        }
    }

    /// Tells readers of the transcript of what is not seen on the wire.
    pub(super) fn note_loss(&self, index: usize) {
        let (name, what) = (
            session_name(index),
            "connection dropped without a Close frame",
        );
        self.transcript.add(&name, Direction::Note, what);
    }

    pub(super) fn lost(&self, index: usize, stop: Stop) -> Wrong {
        self.stopped("RT-16", &format!("session {index} still answers"), stop)
    }

    pub(super) async fn send(&mut self, session: usize, frame: &Value) {
        let text = crate::template::frame_in_reading_order(frame);
        self.send_text(session, &text).await;
    }

    pub(super) async fn send_text(&mut self, session: usize, text: &str) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.send_text(text).await;
        }
    }

    pub(super) async fn connect(&self, index: usize) -> Result<Session, Wrong> {
        let context = self.manner.context;
        let (target, presence) = (&context.target, &context.presence);
        let name = session_name(index);
        let patience = context.pace.patience;
        let begun = Instant::now();
        let opened =
            Session::connect(&target.url, &name, target.hello, patience, self.transcript).await;
        presence.attempted(begun, &opened);
        match &opened {
            Ok(_) => presence.opened(super::ID),
            Err(_) => drop(presence.find_out(context, super::ID).await),
        }
        opened.map_err(|error| Wrong::new("RT-16", "a session", error.to_string()))
    }

    pub(super) fn stopped(&self, clause: &'static str, expected: &str, stop: Stop) -> Wrong {
        let patience_ms = self.manner.patience.as_millis();
        Wrong::new(clause, expected, describe_stop(stop, patience_ms))
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.manner.patience
    }

    pub(super) fn name(&self, kind: &str, index: usize) -> String {
        format!("{kind}-{index}-{}", self.suffix)
    }

    /// Whether an id is one of this history's.
    pub(super) fn is_own(&self, id: &str) -> bool {
        id.ends_with(&self.suffix)
    }
}

fn session_name(index: usize) -> String {
    format!("session-{index}")
}
