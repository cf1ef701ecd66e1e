//! Steps that were taken, while their outcome is awaited.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    drive::Drive,
    explain::Taken,
    judge::{Seen, Told},
    step::{Answer, Step, Type},
};

/// A step that was taken, while its outcome is awaited.
pub(super) struct Awaited {
    pub(super) step: Step,
    /// Where its answer comes.
    pub(super) session: usize,
    /// The id of what it registers, or of the call.
    pub(super) id: String,
    /// The payload of a call.
    pub(super) data: Value,
    pub(super) seen: Seen,
    /// The call that a late answer ends.
    pub(super) of_held: Option<Held>,
}

/// A call that its worker has not answered.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// None once its session has ended.
    pub(super) caller: Option<usize>,
    pub(super) worker: usize,
    pub(super) function: usize,
    pub(super) invocation_id: String,
    pub(super) data: Value,
    /// The frame with which the worker answers.
    pub(super) answer: Value,
    /// Whether something has happened meanwhile that leaves its end open.
    pub(super) loose: bool,
    pub(super) since: Instant,
}

/// A call that is held for longer may have ended by itself (D-15).
const HELD_TIME_MAX: Duration = Duration::from_secs(20);

impl Drive<'_> {
    /// What comes between the steps of one turn may leave the outcome of some of them open.
    pub(super) fn mark_loose(&mut self) {
        let steps: Vec<Step> = self.awaited.iter().map(|it| it.step).collect();
        for (index, awaited) in self.awaited.iter_mut().enumerate() {
            let others = steps.iter().enumerate();
            let mut others = others.filter(|(it, _)| *it != index).map(|(_, it)| it);
            awaited.seen.loose |= match &awaited.step {
                // The provider's answer takes time.
                Step::RegisterTrigger(own) => match own.trigger_type {
                    Type::OfWorker(own_type) => others.any(|it| match it {
                        Step::RegisterTrigger(it) => it.trigger == own.trigger,
                        Step::UnregisterTrigger { trigger, .. } => *trigger == own.trigger,
                        Step::RegisterType { trigger_type, .. }
                        | Step::UnregisterType { trigger_type, .. } => *trigger_type == own_type,
                        Step::UnregisterFunction { function, .. } => *function == own.function,
                        _ => false,
                    }),
                    Type::Http | Type::Cron | Type::Queue => others.any(|it| {
                        // One that takes time may have the id meanwhile.
                        matches!(it, Step::RegisterTrigger(it) if it.trigger == own.trigger
                            && matches!(it.trigger_type, Type::OfWorker(_)))
                    }),
                },
                Step::UnregisterTrigger { trigger, .. } => others.any(|it| match it {
                    Step::RegisterTrigger(it) => it.trigger == *trigger,
                    Step::RegisterType { .. } | Step::UnregisterType { .. } => true,
                    _ => false,
                }),
                Step::Call { function, .. } => others.any(
                    |it| matches!(it, Step::UnregisterFunction { function: it, .. } if it == function),
                ),
                _ => false,
            };
            if steps.len() > 1 {
                awaited.seen.returned = None;
            }
        }
    }
}

impl Held {
    /// Whether it may end otherwise than by its worker's answer.
    pub(super) fn may_end(&self) -> bool {
        self.loose || self.since.elapsed() > HELD_TIME_MAX
    }
}

impl Awaited {
    /// Whether nothing more has to come.
    pub(super) fn is_done(&self, strict: bool) -> bool {
        let told = self.seen.told != Told::Nothing;
        let asked = !self.seen.asked.is_empty();
        match &self.step {
            Step::RegisterTrigger(_) => told,
            Step::Call { answer, .. } => match answer {
                Answer::Held => told || asked,
                Answer::Leaves { .. } => {
                    let itself = self.seen.asked.contains(&self.session);
                    told || (asked && (itself || !strict))
                }
                _ => told,
            },
            Step::AnswerHeld { .. } => {
                let awaited = self.of_held.as_ref();
                told || awaited.is_none_or(|it| it.caller.is_none() || it.loose)
            }
            _ => true,
        }
    }
}

impl From<Awaited> for Taken {
    fn from(awaited: Awaited) -> Self {
        let kind = match &awaited.step {
            Step::RegisterFunction { .. } => "function",
            Step::RegisterTrigger(it) => match it.trigger_type {
                Type::Http => "http",
                Type::Cron => "cron",
                Type::Queue => "queue",
                Type::OfWorker(_) => "worker",
            },
            Step::RegisterType { .. } => "type",
            Step::Nonsense { .. } => "nonsense",
            Step::Call { .. } | Step::Tell { .. } | Step::AnswerHeld { .. } => "call",
            Step::UnregisterTrigger { .. } => "unregistered trigger",
            Step::UnregisterFunction { .. } | Step::UnregisterType { .. } | Step::Leave { .. } => {
                "nothing"
            }
        };
        let mut key = match awaited.step {
            // Whose trigger it was, its provider is not told.
            Step::UnregisterTrigger { trigger, .. } => format!("{kind} {trigger}"),
            _ => format!("{kind} {} {}", awaited.session, awaited.id),
        };
        if let Step::RegisterTrigger(step) = &awaited.step {
            key += &format!(" {:?} {}", step.trigger_type, step.function);
        }
        Self {
            step: awaited.step,
            seen: awaited.seen,
            key,
        }
    }
}
