//! Making a history that goes wrong as short and as simple as it can be.

use super::step::{Answer, History, Served, Step, TriggerStep, Turn, Type};

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
        }
        for (index, step) in turn.iter().enumerate() {
            for simple in simpler_steps(step) {
                let mut changed = history.clone();
                replace(&mut changed, at, index, simple);
                tries.push(changed);
            }
        }
    }
    // Last, since they are many.
    for (at, turn) in history.iter().enumerate().filter(|(_, it)| it.len() > 1) {
        let apart = apart(turn).into_iter().map(|turns| {
            let mut apart = history.clone();
            apart.splice(at..=at, turns);
            apart
        });
        tries.extend(apart);
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

/// The steps of a turn one after another, in each order; also with the calls left unanswered, which
/// are answered in the end.
fn apart(turn: &[Step]) -> Vec<Vec<Turn>> {
    let left_unanswered = |step: &Step| match *step {
        Step::Call {
            session, function, ..
        } => Step::Call {
            session,
            function,
            answer: Answer::Held,
        },
        step => step,
    };
    let orders = orders(turn);
    let plain = orders.iter().cloned();
    let held = orders
        .iter()
        .map(|order| order.iter().map(left_unanswered).collect());
    let held = held.filter(|order| !orders.contains(order));
    let all = plain.chain(held);
    all.map(|order| order.into_iter().map(|step| vec![step]).collect())
        .collect()
}

fn orders(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut orders = Vec::new();
    for (index, first) in steps.iter().enumerate() {
        let mut others = steps.to_vec();
        others.remove(index);
        for mut order in self::orders(&others) {
            order.insert(0, *first);
            orders.push(order);
        }
    }
    orders
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
        Step::RegisterFunction {
            session,
            function,
            served,
        } if served != Served::ByWorker => simpler.push(Step::RegisterFunction {
            session,
            function,
            served: Served::ByWorker,
        }),
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

    #[test]
    fn a_turn_is_taken_apart_in_whatever_order_still_goes_wrong() {
        let leave = Step::Leave {
            session: 0,
            abruptly: false,
        };
        let call = Step::Call {
            session: 0,
            function: 0,
            answer: Answer::Result,
        };
        let leaves_first = |history: &History| {
            let steps: Vec<Step> = history.iter().flatten().copied().collect();
            matches!(steps.as_slice(), [Step::Leave { .. }, Step::Call { .. }])
        };
        let wrong = |it: &History| leaves_first(it) || *it == [vec![call, leave]];
        assert_eq!(
            shrunk(vec![vec![call, leave]], wrong),
            [vec![leave], vec![call]]
        );
    }

    #[test]
    fn what_takes_calls_in_flight_is_taken_apart_as_unanswered_calls() {
        let call = |session, answer| Step::Call {
            session,
            function: 0,
            answer,
        };
        let in_flight = |history: &History| {
            let held = |it: &Step| {
                matches!(
                    it,
                    Step::Call {
                        answer: Answer::Held,
                        ..
                    }
                )
            };
            let first = history.first();
            first.is_some_and(|it| it.len() == 2)
                || first.is_some_and(|it| it.iter().any(held))
                    && history.iter().flatten().count() == 2
        };
        let both = vec![vec![call(0, Answer::Result), call(1, Answer::Result)]];
        let shrunk = shrunk(both, in_flight);
        assert_eq!(
            shrunk,
            [vec![call(0, Answer::Held)], vec![call(0, Answer::Result)]]
        );
    }

    #[test]
    fn an_unregistered_function_is_renamed_with_its_registration() {
        let history = vec![
            vec![Step::RegisterFunction {
                session: 0,
                function: 2,
                served: Served::OverHttp,
            }],
            vec![Step::UnregisterFunction {
                session: 0,
                function: 2,
            }],
        ];
        let unregisters_its_own = |history: &History| {
            let steps: Vec<Step> = history.iter().flatten().copied().collect();
            matches!(steps.as_slice(), [
                Step::RegisterFunction { function: own, .. },
                Step::UnregisterFunction { function, .. },
            ] if own == function)
        };
        let expected = vec![
            vec![Step::RegisterFunction {
                session: 0,
                function: 0,
                served: Served::ByWorker,
            }],
            vec![Step::UnregisterFunction {
                session: 0,
                function: 0,
            }],
        ];
        assert_eq!(shrunk(history, unregisters_its_own), expected);
    }
}
