//! Histories at random.

use proptest::{
    collection::vec,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::step::{Answer, History, Nonsense, SESSIONS, Served, Step, TriggerStep, Turn, Type};

/// A history without what an engine does not serve.
pub(super) fn fitting(mut history: History, has: impl Fn(&str) -> bool) -> History {
    let of_worker = has("registertriggertype");
    for turn in &mut history {
        turn.retain(|step| match step {
            Step::UnregisterFunction { .. } => has("unregisterfunction"),
            Step::UnregisterTrigger { .. } => has("unregistertrigger"),
            Step::RegisterType { .. } | Step::UnregisterType { .. } => of_worker,
            Step::RegisterTrigger(step) => {
                of_worker || !matches!(step.trigger_type, Type::OfWorker(_))
            }
            Step::Call { .. } | Step::Tell { .. } | Step::AnswerHeld { .. } => {
                has("invokefunction")
            }
            _ => true,
        });
    }
    history.retain(|turn| !turn.is_empty());
    history
}

/// Steps that are sent without waiting in between, at most.
const TURN_STEPS_MAX: usize = 4;

/// The history of a seed.
pub(super) fn history(seed: u64, steps_max: usize) -> Option<History> {
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *byte = value;
    }
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let tree = vec(turn(), 1..=steps_max.max(1)).new_tree(&mut runner);
    tree.ok().map(|it| it.current())
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        7 => plain().prop_map(|step| vec![step]),
        2 => alone().prop_map(|step| vec![step]),
        2 => vec(plain(), 2..=TURN_STEPS_MAX),
    ]
}

/// Some more often than others, so that they meet.
fn few() -> impl Strategy<Value = usize> {
    prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)]
}

fn sessions() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0_usize), 2 => Just(1), 2 => Just(SESSIONS - 1)]
}

/// A session, and the number of what it registers: each has what it mostly registers itself, since
/// little is certain of what several have had a hand in.
fn owned() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![
        3 => few().prop_map(|number| (number % SESSIONS, number)),
        2 => (sessions(), few()),
    ]
}

fn of_kind(session: usize, function: usize, served: Served) -> Step {
    Step::RegisterFunction {
        session,
        function,
        served,
    }
}

/// Steps that can be taken beside others.
fn plain() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => owned()
            .prop_map(|(session, function)| of_kind(session, function, Served::ByWorker)),
        2 => (owned(), prop_oneof![Just(Served::OverHttp), Just(Served::WithoutVariable)])
            .prop_map(|((session, function), served)| of_kind(session, function, served)),
        3 => owned()
            .prop_map(|(session, function)| Step::UnregisterFunction { session, function }),
        9 => trigger().prop_map(Step::RegisterTrigger),
        3 => owned()
            .prop_map(|(session, trigger)| Step::UnregisterTrigger { session, trigger }),
        4 => owned()
            .prop_map(|(session, trigger_type)| Step::RegisterType { session, trigger_type }),
        2 => owned()
            .prop_map(|(session, trigger_type)| Step::UnregisterType { session, trigger_type }),
        4 => (sessions(), few()).prop_map(|(session, function)| Step::Call {
            session,
            function,
            answer: Answer::Result,
        }),
        1 => (sessions(), few(), any::<bool>())
            .prop_map(|(session, function, with_id)| Step::Tell { session, function, with_id }),
    ]
}

/// Steps beside which nothing happens: it would not be certain what they mean.
fn alone() -> impl Strategy<Value = Step> {
    let abruptly = || prop::bool::weighted(0.3);
    let nonsense = prop_oneof![
        Just(Nonsense::NoJson),
        Just(Nonsense::UnknownType),
        Just(Nonsense::FunctionWithoutId),
        Just(Nonsense::TriggerWithoutFunction),
    ];
    prop_oneof![
        3 => (sessions(), abruptly())
            .prop_map(|(session, abruptly)| Step::Leave { session, abruptly }),
        3 => (sessions(), few(), answer(abruptly()))
            .prop_map(|(session, function, answer)| Step::Call { session, function, answer }),
        1 => any::<bool>().prop_map(|twice| Step::AnswerHeld { twice }),
        2 => (sessions(), nonsense).prop_map(|(session, kind)| Step::Nonsense { session, kind }),
    ]
}

fn answer(abruptly: impl Strategy<Value = bool>) -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Error),
        Just(Answer::Twice),
        Just(Answer::BehindAStranger),
        Just(Answer::Held),
        abruptly.prop_map(|abruptly| Answer::Leaves { abruptly }),
    ]
}

fn trigger() -> impl Strategy<Value = TriggerStep> {
    let trigger_type = prop_oneof![
        1 => Just(Type::Http),
        1 => Just(Type::Cron),
        1 => Just(Type::Queue),
        3 => few().prop_map(Type::OfWorker),
    ];
    let acceptable = prop::bool::weighted(0.8);
    ((sessions(), few()), trigger_type, few(), acceptable).prop_map(
        |((session, trigger), trigger_type, function, acceptable)| TriggerStep {
            session,
            trigger,
            trigger_type,
            function,
            acceptable,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_one_history_and_another_seed_another() {
        let of = |seed| history(seed, 40).unwrap();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert!(of(7).len() <= 40);
    }
}
