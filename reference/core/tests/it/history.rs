//! Random histories: what may happen next, and to whom.

use proptest::{prelude::*, sample::select, strategy::Union};
use proptest_state_machine::ReferenceStateMachine;

pub const SLOTS: usize = 4;
const FUNCTIONS: [&str; 3] = ["f", "g", "h"];
const TRIGGERS: [&str; 3] = ["t", "u", "t@v"];
/// The first is the engine's own.
const TYPES: [&str; 4] = ["http", "blob", "file", "none"];

/// A place for a session: at most one at a time is in it.
pub type Slot = usize;

#[derive(Clone, Debug)]
pub enum Transition {
    Connect(Slot),
    Disconnect(Slot),
    Reattach {
        newer: Slot,
        older: Slot,
        right_token: bool,
    },
    RegisterFunction {
        by: Slot,
        id: &'static str,
        variable_is_missing: bool,
    },
    UnregisterFunction {
        by: Slot,
        id: &'static str,
    },
    RegisterTrigger {
        by: Slot,
        id: &'static str,
        trigger_type: &'static str,
        function: &'static str,
        config_is_good: bool,
    },
    UnregisterTrigger {
        by: Slot,
        id: &'static str,
    },
    RegisterType {
        by: Slot,
        id: &'static str,
    },
    UnregisterType {
        by: Slot,
        id: &'static str,
    },
    /// Answers the trigger announced so many before the last; without `by`, from its provider.
    AnswerTrigger {
        nth_last: usize,
        by: Option<Slot>,
        accept: bool,
    },
    Invoke {
        by: Slot,
        function: &'static str,
        wish: Wish,
    },
    /// Answers the call made so many before the last; without `by`, from its worker.
    AnswerCall {
        nth_last: usize,
        by: Option<Slot>,
        outcome: Outcome,
    },
    Ping(Slot),
    BadFrame(Slot, &'static str),
    /// So many seconds pass.
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
pub enum Wish {
    Answer(&'static str),
    NoId,
    Void,
}

#[derive(Clone, Copy, Debug)]
pub enum Outcome {
    Result,
    Error,
    Neither,
}

/// What the generator has to know: who is there.
#[derive(Clone, Debug, Default)]
pub struct Slots([bool; SLOTS]);

impl Slots {
    fn taken(&self, taken: bool) -> Vec<Slot> {
        (0..SLOTS).filter(|slot| self.0[*slot] == taken).collect()
    }
}

impl Transition {
    /// The sessions that must be there for it.
    fn needs(&self) -> Vec<Slot> {
        match *self {
            Self::Connect(_) | Self::Wait(_) => vec![],
            Self::Reattach { newer, .. } => vec![newer],
            Self::AnswerTrigger { by, .. } | Self::AnswerCall { by, .. } => {
                by.into_iter().collect()
            }
            Self::Disconnect(by)
            | Self::Ping(by)
            | Self::BadFrame(by, _)
            | Self::RegisterFunction { by, .. }
            | Self::UnregisterFunction { by, .. }
            | Self::RegisterTrigger { by, .. }
            | Self::UnregisterTrigger { by, .. }
            | Self::RegisterType { by, .. }
            | Self::UnregisterType { by, .. }
            | Self::Invoke { by, .. } => vec![by],
        }
    }
}

impl ReferenceStateMachine for Slots {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Transition> {
        let (free, live) = (state.taken(false), state.taken(true));
        let mut weighted = Vec::new();
        if !free.is_empty() {
            weighted.push((4, select(free).prop_map(Transition::Connect).boxed()));
        }
        if !live.is_empty() {
            weighted.push((42, registrations(&live)));
            weighted.push((32, calls_and_answers(&live)));
            weighted.push((8, the_rest(&live)));
        }
        Union::new_weighted(weighted).boxed()
    }

    fn preconditions(state: &Self, transition: &Transition) -> bool {
        match transition {
            Transition::Connect(slot) => !state.0[*slot],
            other => other.needs().into_iter().all(|slot| state.0[slot]),
        }
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        match *transition {
            Transition::Connect(slot) => state.0[slot] = true,
            Transition::Disconnect(slot) => state.0[slot] = false,
            Transition::Reattach {
                newer,
                older,
                right_token: true,
            } if newer != older => {
                state.0[older] = false;
            }
            _ => {}
        }
        state
    }
}

fn registrations(live: &[Slot]) -> BoxedStrategy<Transition> {
    use Transition as T;
    let by = || select(live.to_vec());
    let function = || select(&FUNCTIONS[..]);
    let trigger = || select(&TRIGGERS[..]);
    let provided = || select(&TYPES[..3]);
    let bad = prop::bool::weighted(0.15);
    let good = prop::bool::weighted(0.8);
    prop_oneof![
        10 => (by(), function(), bad).prop_map(|(by, id, variable_is_missing)| {
            T::RegisterFunction { by, id, variable_is_missing }
        }),
        3 => (by(), function()).prop_map(|(by, id)| T::UnregisterFunction { by, id }),
        14 => (by(), trigger(), select(&TYPES[..]), function(), good).prop_map(
            |(by, id, trigger_type, function, config_is_good)| {
                T::RegisterTrigger { by, id, trigger_type, function, config_is_good }
            }
        ),
        6 => (by(), trigger()).prop_map(|(by, id)| T::UnregisterTrigger { by, id }),
        7 => (by(), provided()).prop_map(|(by, id)| T::RegisterType { by, id }),
        2 => (by(), provided()).prop_map(|(by, id)| T::UnregisterType { by, id }),
    ]
    .boxed()
}

fn calls_and_answers(live: &[Slot]) -> BoxedStrategy<Transition> {
    use Transition as T;
    let by = || select(live.to_vec());
    let perhaps = || prop_oneof![3 => Just(None), 1 => by().prop_map(Some)];
    let wish = prop_oneof![
        4 => select(&["c", "d"][..]).prop_map(Wish::Answer),
        1 => Just(Wish::NoId),
        1 => Just(Wish::Void),
    ];
    let outcome = select(&[Outcome::Result, Outcome::Error, Outcome::Neither][..]);
    let accept = prop::bool::weighted(0.7);
    prop_oneof![
        12 => (0..4_usize, perhaps(), accept).prop_map(|(nth_last, by, accept)| {
            T::AnswerTrigger { nth_last, by, accept }
        }),
        10 => (by(), select(&FUNCTIONS[..]), wish).prop_map(|(by, function, wish)| {
            T::Invoke { by, function, wish }
        }),
        10 => (0..5_usize, perhaps(), outcome).prop_map(|(nth_last, by, outcome)| {
            T::AnswerCall { nth_last, by, outcome }
        }),
    ]
    .boxed()
}

fn the_rest(live: &[Slot]) -> BoxedStrategy<Transition> {
    use Transition as T;
    let by = || select(live.to_vec());
    let bad_frame = select(&["", "[]", "{}", r#"{"type":"registertrigger","id":"t"}"#][..]);
    prop_oneof![
        4 => select(&[1, 4, 10, 31][..]).prop_map(T::Wait),
        1 => by().prop_map(T::Disconnect),
        1 => (by(), 0..SLOTS, any::<bool>()).prop_map(|(newer, older, right_token)| {
            T::Reattach { newer, older, right_token }
        }),
        1 => by().prop_map(T::Ping),
        1 => (by(), bad_frame).prop_map(|(by, text)| T::BadFrame(by, text)),
    ]
    .boxed()
}
