//! Random inputs to the pure core, with a clock that jumps and peers that fail, and what must
//! hold all the while: each call is answered once and in time, nothing is sent to a session that has ended,
//! and nothing is registered without a session.

mod dice;
mod steps;
mod world;

pub(crate) use self::dice::Dice;

use std::time::Duration;

use reference_core::Machine;

use self::{steps::step, world::World};

/// How many steps one engine takes before all ends and another one begins.
const EPOCH_STEPS: u64 = 100_000;
/// How often it is looked whether the engine's lists are what they have to be.
const LISTS_EVERY: u64 = 5_000;
/// Longer than anything that the engine waits for: the slowest endpoint, and ten attempts at
/// messages.
const LONG_ENOUGH: Duration = Duration::from_secs(3_600);

/// What a simulation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Inputs that the engines were given, ticks in the end included.
    pub(crate) inputs: u64,
    pub(crate) counts: Counts,
    /// Of all that the engines have sent, in order: the same for the same seed.
    pub(crate) digest: u64,
    /// What did not hold, and after how many steps.
    pub(crate) violation: Option<(u64, String)>,
}

/// How often what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sessions: u64,
    pub(crate) calls: u64,
    pub(crate) answers: u64,
    pub(crate) requests_in: u64,
    pub(crate) requests_out: u64,
    pub(crate) faults: u64,
}

/// Takes so many steps, with a new engine now and again; stops where something does not hold.
pub(crate) fn simulate<M: Machine>(steps: u64, seed: u64, machine: impl Fn() -> M) -> Report {
    let mut report = Report::default();
    let mut dice = Dice::new(seed);
    let mut done = 0;
    while done < steps && report.violation.is_none() {
        let mut world = World::new(machine(), report.digest);
        let epoch = EPOCH_STEPS.min(steps - done);
        for _ in 0..epoch {
            step(&mut world, &mut dice);
            done += 1;
            if done % LISTS_EVERY == 0 {
                world.nothing_is_overdue();
                world.compare_lists();
            }
            if world.violation.is_some() {
                break;
            }
        }
        if world.violation.is_none() {
            finish(&mut world, &mut dice);
        }
        report.inputs += world.inputs;
        report.counts.add(world.counts);
        report.digest = world.digest();
        report.violation = world.violation.map(|what| (done, what));
    }
    report
}

/// Ends everything, in one way or the other.
fn finish<M: Machine>(world: &mut World<M>, dice: &mut Dice) {
    if dice.chance(30) {
        world.shut_down();
        return world.nothing_is_owed("after the engine has stopped");
    }
    // Sessions that only listen; whoever served them says nothing more.
    world.unregister_triggers();
    world.wait(LONG_ENOUGH);
    world.nothing_is_owed("after a long time");
    world.disconnect_all();
    world.wait(LONG_ENOUGH);
    world.nothing_is_left();
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.calls += other.calls;
        self.answers += other.answers;
        self.requests_in += other.requests_in;
        self.requests_out += other.requests_out;
        self.faults += other.faults;
    }
}

#[cfg(test)]
mod tests {
    use reference_core::{Deadline, Effect, Engine, Input, Machine, World};

    use super::simulate;

    const STEPS: u64 = 20_000;

    #[test]
    fn the_engine_holds_and_the_same_seed_does_the_same() {
        let report = simulate(STEPS, 7, Engine::default);
        assert_eq!(report.violation, None);
        assert!(report.counts.answers > 1_000, "{report:?}");
        assert!(report.counts.requests_in > 100, "{report:?}");
        assert!(report.counts.requests_out > 100, "{report:?}");
        assert_eq!(simulate(STEPS, 7, Engine::default), report);
        assert_ne!(simulate(STEPS, 8, Engine::default).digest, report.digest);
    }

    /// An engine that does one thing wrong now and again.
    struct Wrong {
        engine: Engine,
        what: Fault,
        seen: u64,
    }

    #[derive(Clone, Copy, Debug)]
    enum Fault {
        LosesAnswers,
        AnswersTwice,
        SendsToTheDead,
        ForgetsEnds,
        LosesResponses,
        KeepsRequests,
        DropsFunctions,
        DropsTriggers,
        DropsTypes,
    }

    impl Wrong {
        /// Every so often.
        fn now(&mut self) -> bool {
            self.seen += 1;
            self.seen.is_multiple_of(20)
        }
    }

    impl Wrong {
        /// A frame that takes back what this one has registered.
        fn drops(&mut self, input: Input<'_>) -> Option<String> {
            let what = match self.what {
                Fault::DropsFunctions => "function",
                Fault::DropsTriggers => "trigger",
                Fault::DropsTypes => "triggertype",
                _ => return None,
            };
            let Input::Text { frame, .. } = input else {
                return None;
            };
            let registers = format!(r#"{{"type":"register{what}","#);
            let rest = frame.strip_prefix(&registers)?;
            self.now()
                .then(|| format!(r#"{{"type":"unregister{what}",{rest}"#))
        }
    }

    impl Machine for Wrong {
        fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
            if let (Fault::ForgetsEnds, Input::Disconnected { .. }) = (self.what, input)
                && self.now()
            {
                return;
            }
            let mut own = Vec::new();
            self.engine.handle(input, world, &mut own);
            if let Some(frame) = self.drops(input)
                && let Input::Text { session, .. } = input
            {
                let frame = &frame;
                let silent = &mut Vec::new();
                self.engine
                    .handle(Input::Text { session, frame }, world, silent);
            }
            for effect in own {
                let is_answer = |frame: &str| frame.contains(r#""type":"invocationresult""#);
                match (&effect, self.what) {
                    (Effect::Send { frame, .. }, Fault::LosesAnswers)
                        if is_answer(frame) && self.now() => {}
                    (Effect::Send { frame, .. }, Fault::AnswersTwice)
                        if is_answer(frame) && self.now() =>
                    {
                        effects.extend([effect.clone(), effect]);
                    }
                    (Effect::Respond { .. }, Fault::LosesResponses) if self.now() => {}
                    (Effect::CancelRequest { .. }, Fault::KeepsRequests) if self.now() => {}
                    _ => effects.push(effect),
                }
            }
            if let (Fault::SendsToTheDead, Input::Disconnected { session }) = (self.what, input) {
                let frame = r#"{"type":"pong"}"#.to_owned();
                effects.push(Effect::Send { session, frame });
            }
        }

        fn next_deadline(&self) -> Option<Deadline> {
            self.engine.next_deadline()
        }
    }

    #[test]
    fn an_engine_that_does_something_wrong_is_found() {
        for what in [
            Fault::LosesAnswers,
            Fault::AnswersTwice,
            Fault::SendsToTheDead,
            Fault::ForgetsEnds,
            Fault::LosesResponses,
            Fault::KeepsRequests,
            Fault::DropsFunctions,
            Fault::DropsTriggers,
            Fault::DropsTypes,
        ] {
            let wrong = || Wrong {
                engine: Engine::default(),
                what,
                seen: 0,
            };
            let report = simulate(STEPS, 1, wrong);
            assert!(report.violation.is_some(), "{what:?}");
        }
    }
}
