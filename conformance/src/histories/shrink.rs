//! Making a history that goes wrong as short and as simple as it can be.

use super::step::{Answer, History, Step, TriggerStep, Type};

/// What there is to try of a history, the most promising first. Each is shorter or simpler than
/// it is, so that trying comes to an end.
pub(super) fn simpler(history: &History) -> Vec<History> {
    let mut tries = Vec::new();
    without_turns(history, &mut tries);
    for (from, to) in [(2, 1), (2, 0), (1, 0)] {
        for of in [Of::Session, Of::Function, Of::Trigger, Of::Type] {
            let renamed: History = history
                .iter()
                .map(|turn| {
                    turn.iter()
                        .map(|step| of.renamed(*step, from, to))
                        .collect()
                })
                .collect();
            if renamed != *history {
                tries.push(renamed);
            }
        }
    }
    for (at, turn) in history.iter().enumerate() {
        if turn.len() > 1 {
            for left_out in 0..turn.len() {
                let mut shorter = history.clone();
                remove(&mut shorter, at, left_out);
                tries.push(shorter);
            }
            let mut apart = history.clone();
            apart.splice(at..=at, turn.iter().map(|step| vec![*step]));
            tries.push(apart);
        }
        for (index, step) in turn.iter().enumerate() {
            for simple in simpler_steps(step) {
                let mut changed = history.clone();
                replace(&mut changed, at, index, simple);
                tries.push(changed);
            }
        }
    }
    tries
}

/// What is known by a number.
#[derive(Clone, Copy)]
enum Of {
    Session,
    Function,
    Trigger,
    Type,
}

impl Of {
    fn renamed(self, mut step: Step, from: usize, to: usize) -> Step {
        let number = match (self, &mut step) {
            (
                Self::Session,
                Step::RegisterFunction { session, .. }
                | Step::RegisterWithoutVariable { session, .. }
                | Step::UnregisterFunction { session, .. }
                | Step::RegisterTrigger(TriggerStep { session, .. })
                | Step::UnregisterTrigger { session, .. }
                | Step::RegisterType { session, .. }
                | Step::UnregisterType { session, .. }
                | Step::Call { session, .. }
                | Step::Tell { session, .. }
                | Step::Leave { session, .. }
                | Step::Nonsense { session, .. },
            ) => session,
            (
                Self::Function,
                Step::RegisterFunction { function, .. }
                | Step::RegisterWithoutVariable { function, .. }
                | Step::UnregisterFunction { function, .. }
                | Step::RegisterTrigger(TriggerStep { function, .. })
                | Step::Call { function, .. }
                | Step::Tell { function, .. },
            ) => function,
            (
                Self::Trigger,
                Step::RegisterTrigger(TriggerStep { trigger, .. })
                | Step::UnregisterTrigger { trigger, .. },
            ) => trigger,
            (
                Self::Type,
                Step::RegisterType { trigger_type, .. } | Step::UnregisterType { trigger_type, .. },
            ) => trigger_type,
            (
                Self::Type,
                Step::RegisterTrigger(TriggerStep {
                    trigger_type: Type::OfWorker(id),
                    ..
                }),
            ) => id,
            _ => return step,
        };
        if *number == from {
            *number = to;
        }
        step
    }
}

fn without_turns(history: &History, tries: &mut Vec<History>) {
    let mut size = history.len() / 2;
    while size > 0 {
        for from in (0..history.len()).step_by(size) {
            let kept = history.iter().enumerate();
            let kept = kept.filter(|(at, _)| !(from..from + size).contains(at));
            let shorter: History = kept.map(|(_, turn)| turn.clone()).collect();
            if !shorter.is_empty() {
                tries.push(shorter);
            }
        }
        size /= 2;
    }
}

fn remove(history: &mut History, at: usize, index: usize) {
    if let Some(turn) = history.get_mut(at) {
        turn.remove(index);
    }
}

fn replace(history: &mut History, at: usize, index: usize, step: Step) {
    let turn = history.get_mut(at);
    if let Some(own) = turn.and_then(|it| it.get_mut(index)) {
        *own = step;
    }
}

fn simpler_steps(step: &Step) -> Vec<Step> {
    let mut simpler = Vec::new();
    match *step {
        Step::RegisterTrigger(trigger) => {
            let mut say = |changed: TriggerStep| simpler.push(Step::RegisterTrigger(changed));
            if trigger.trigger_type != Type::Cron {
                say(TriggerStep {
                    trigger_type: Type::Cron,
                    ..trigger
                });
            }
            if !trigger.acceptable {
                say(TriggerStep {
                    acceptable: true,
                    ..trigger
                });
            }
        }
        Step::Call {
            session,
            function,
            answer,
        } => {
            let instead: &[Answer] = match answer {
                Answer::Result => &[],
                Answer::Leaves { abruptly: true } => {
                    &[Answer::Result, Answer::Leaves { abruptly: false }]
                }
                _ => &[Answer::Result],
            };
            let calls = instead.iter().map(|answer| Step::Call {
                session,
                function,
                answer: *answer,
            });
            simpler.extend(calls);
        }
        Step::Tell {
            session, function, ..
        } => simpler.push(Step::Call {
            session,
            function,
            answer: Answer::Result,
        }),
        Step::RegisterWithoutVariable { session, function } => {
            simpler.push(Step::RegisterFunction { session, function });
        }
        Step::Leave {
            session,
            abruptly: true,
        } => simpler.push(Step::Leave {
            session,
            abruptly: false,
        }),
        Step::AnswerHeld { twice: true } => simpler.push(Step::AnswerHeld { twice: false }),
        _ => {}
    }
    simpler
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It comes to an end, since each try is shorter, simpler or of smaller numbers.
    fn shrunk(mut history: History, wrong: impl Fn(&History) -> bool) -> History {
        while let Some(next) = simpler(&history).into_iter().find(|it| wrong(it)) {
            history = next;
        }
        history
    }

    #[test]
    fn what_does_not_matter_goes() {
        let call = |function| Step::Call {
            session: 1,
            function,
            answer: Answer::Twice,
        };
        let leave = Step::Leave {
            session: 0,
            abruptly: true,
        };
        let history = vec![
            vec![leave],
            vec![call(0), call(1), call(2)],
            vec![leave],
            vec![call(2), call(0)],
        ];
        let calls_of_1_and_0 = |history: &History| {
            let steps: Vec<Step> = history.iter().flatten().copied().collect();
            let is = |step: &Step, wanted: usize| matches!(step, Step::Call { function, .. } if *function == wanted);
            let first = steps.iter().position(|it| is(it, 1));
            first.is_some_and(|first| steps.iter().skip(first).any(|it| is(it, 0)))
        };
        let plain_of = |session, function| Step::Call {
            session,
            function,
            answer: Answer::Result,
        };
        assert_eq!(
            shrunk(history, calls_of_1_and_0),
            [vec![plain_of(0, 1)], vec![plain_of(0, 0)]]
        );
    }
}
