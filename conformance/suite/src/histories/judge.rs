//! What was seen of a step, held against what the model allows.

use super::{
    model::{Allowed, Model, Presence},
    step::{Served, Step, TriggerStep, Type},
};
use crate::frame::Frame;

/// Why a step went wrong.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) clause: &'static str,
    pub(super) expected: String,
    pub(super) problem: String,
    /// The session that was sent what is not its own.
    pub(super) witness: Option<usize>,
}

impl Wrong {
    pub(super) fn new(
        clause: &'static str,
        expected: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            clause,
            expected: expected.into(),
            problem: problem.into(),
            witness: None,
        }
    }

    /// A frame that a session should not have been sent.
    pub(super) fn stray(
        clause: &'static str,
        expected: impl Into<String>,
        session: usize,
        frame: &Frame,
    ) -> Self {
        Self {
            witness: Some(session),
            ..Self::new(clause, expected, format!("got {}", frame.text))
        }
    }
}

/// What became of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Told {
    #[default]
    Nothing,
    /// Success; of a call, the result of its worker.
    Success,
    /// The result that another session gave.
    Strangers,
    /// Some other result.
    Other,
    Error(Option<String>),
}

/// All that was seen of a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// The sessions that were sent it, as the function's worker or the type's provider.
    pub(super) asked: Vec<usize>,
    pub(super) told: Told,
    /// What told it.
    pub(super) text: String,
    /// Whether steps beside it make its outcome a matter of their order.
    pub(super) loose: bool,
    /// The sessions that were told that the trigger is unregistered, as its type's provider.
    pub(super) withdrawn: Vec<usize>,
    /// The triggers that a type's new provider was asked for, by id and function.
    pub(super) returned: Option<Vec<(usize, usize)>>,
}

impl Seen {
    pub(super) fn got(&self) -> String {
        match self.text.is_empty() {
            true => "nothing of the kind arrived".to_owned(),
            false => format!("got {}", self.text),
        }
    }
}

impl Model {
    /// The model after a step.
    pub(super) fn after(&self, step: &Step, seen: &Seen) -> Result<Self, Wrong> {
        let mut model = self.clone();
        match step {
            Step::RegisterFunction {
                session,
                function,
                served: Served::WithoutVariable,
            } => {
                let codes: &[&str] = match self.has_function(*session, *function) {
                    Presence::Absent => &["missing_env_var"],
                    _ => &["missing_env_var", "duplicate_function_id"],
                };
                self.refusal(REFUSED_VARIABLE, Presence::Present, codes, seen)?;
            }
            Step::RegisterFunction {
                session,
                function,
                served,
            } => {
                let has = self.has_function(*session, *function);
                self.refusal(REFUSED_FUNCTION, has, &["duplicate_function_id"], seen)?;
                model.register_function(*session, *function, *served);
            }
            Step::UnregisterFunction { session, function } => {
                model.unregister_function(*session, *function);
            }
            Step::RegisterTrigger(step) => self.trigger_after(step, seen, &mut model)?,
            Step::UnregisterTrigger { session, trigger } => {
                self.withdrawn(*session, *trigger, seen)?;
                model.unregister_trigger(*session, *trigger);
            }
            Step::RegisterType {
                session,
                trigger_type,
            } => {
                let has = self.of_worker(*trigger_type);
                self.refusal(REFUSED_TYPE, has, &["duplicate_trigger_type_id"], seen)?;
                self.returned(*trigger_type, has, seen)?;
                model.register_type(*session, *trigger_type);
            }
            Step::UnregisterType {
                session,
                trigger_type,
            } => model.unregister_type(*session, *trigger_type),
            Step::Call {
                session,
                function,
                answer,
            } => self.call(*session, *function, *answer, seen)?,
            Step::Tell { function, .. } => self.void_call(*function, seen)?,
            Step::Nonsense { .. } => self.nonsense(seen)?,
            // Judged where they are driven: nothing is left to be decided about them.
            Step::AnswerHeld { .. } | Step::Leave { .. } => {}
        }
        Ok(model)
    }

    /// What the reference says of a registration that has no result: all of it is decided.
    fn refusal(
        &self,
        (clause, what): (&'static str, &str),
        refused: Presence,
        codes: &[&str],
        seen: &Seen,
    ) -> Result<(), Wrong> {
        if !self.is_strict() || seen.loose {
            return Ok(());
        }
        let fits = match &seen.told {
            Told::Error(Some(code)) => {
                refused != Presence::Absent && codes.contains(&code.as_str())
            }
            Told::Nothing => refused != Presence::Present,
            _ => false,
        };
        match fits {
            true => Ok(()),
            false => {
                let expected = match refused {
                    Presence::Absent => format!("no answer, since nothing is wrong with {what}"),
                    _ => format!("the refusal of {what}: {}", codes.join(" or ")),
                };
                Err(Wrong::new(clause, expected, seen.got()))
            }
        }
    }

    /// A new provider is asked for the triggers that stand (D-17).
    fn returned(&self, trigger_type: usize, has: Presence, seen: &Seen) -> Result<(), Wrong> {
        let (Some(standing), Some(returned)) = (self.standing(trigger_type), &seen.returned) else {
            return Ok(());
        };
        let mut expected = match has {
            Presence::Absent => standing,
            Presence::Present => Vec::new(),
            Presence::Either => return Ok(()),
        };
        let mut returned = returned.clone();
        expected.sort_unstable();
        returned.sort_unstable();
        if returned == expected {
            return Ok(());
        }
        let list = |them: &[(usize, usize)]| {
            let them = them
                .iter()
                .map(|(id, function)| format!("{id} for function {function}"));
            match them.collect::<Vec<_>>().join(", ") {
                none if none.is_empty() => "none".to_owned(),
                some => some,
            }
        };
        Err(Wrong::new(
            "D-17",
            format!(
                "type {trigger_type}'s provider is asked for the triggers that stand: {}",
                list(&expected)
            ),
            format!("it was asked for: {}", list(&returned)),
        ))
    }

    /// The provider of a trigger's type is told that the trigger goes (CO-08).
    fn withdrawn(&self, session: usize, trigger: usize, seen: &Seen) -> Result<(), Wrong> {
        let told = self.told_of_unregistered(session, trigger);
        match told {
            Some(told) if self.is_strict() && !seen.loose && told != seen.withdrawn => {
                Err(not_told(trigger, &told, &seen.withdrawn))
            }
            _ => Ok(()),
        }
    }

    fn nonsense(&self, seen: &Seen) -> Result<(), Wrong> {
        let invalid = Told::Error(Some("invalid_message".to_owned()));
        match !self.is_strict() || seen.told == invalid {
            true => Ok(()),
            false => {
                let expected = "an `error` frame with the code `invalid_message`";
                Err(Wrong::new("D-08", expected, seen.got()))
            }
        }
    }

    fn trigger_after(
        &self,
        step: &TriggerStep,
        seen: &Seen,
        model: &mut Self,
    ) -> Result<(), Wrong> {
        if seen.loose {
            if seen.told == Told::Success {
                model.trigger_registered(step);
            }
            model.lose_track_of_trigger(step.trigger);
            return Ok(());
        }
        let allowed = self.trigger(step);
        self.right_provider(step, &allowed, seen)?;
        let refused_by_provider = !seen.asked.is_empty() && !step.acceptable;
        let accepted = allowed.acceptance && !refused_by_provider;
        match &seen.told {
            Told::Success if accepted => {
                model.trigger_registered(step);
                Ok(())
            }
            Told::Error(Some(code)) if code == REFUSED && refused_by_provider => Ok(()),
            Told::Error(Some(code)) if allowed.codes.contains(&code.as_str()) => Ok(()),
            told => {
                let code = match told {
                    Told::Error(code) => code.as_deref(),
                    _ => None,
                };
                let clause = match told {
                    Told::Nothing => "RT-02",
                    _ => guilty_clause(&allowed, code),
                };
                let expected = describe(step, &allowed, accepted, refused_by_provider);
                Err(Wrong::new(clause, expected, seen.got()))
            }
        }
    }

    /// Only the provider of a type is asked for its triggers, and it is asked before a trigger is
    /// accepted.
    fn right_provider(
        &self,
        step: &TriggerStep,
        allowed: &Allowed,
        seen: &Seen,
    ) -> Result<(), Wrong> {
        let provider = match step.trigger_type {
            Type::OfWorker(id) => self.provider(id),
            Type::Http | Type::Cron | Type::Queue => None,
        };
        let of_built_in = !matches!(step.trigger_type, Type::OfWorker(_));
        let expected = match provider {
            Some(_) if !allowed.acceptance => {
                "nobody is asked for a trigger that is wrong".to_owned()
            }
            Some(provider) => format!("the provider, session {provider}, is asked for the trigger"),
            None => "nobody is asked for the trigger".to_owned(),
        };
        let strangers = match provider {
            Some(provider) => seen.asked.iter().any(|it| *it != provider),
            None => of_built_in && !seen.asked.is_empty(),
        };
        let twice = seen.asked.len() > 1;
        let unasked = provider.is_some()
            && allowed.codes.is_empty()
            && seen.asked.is_empty()
            && !matches!(seen.told, Told::Error(_));
        // What is wrong without the provider is none of its business.
        let needless = self.is_strict() && !allowed.acceptance && !seen.asked.is_empty();
        if strangers || twice || unasked || needless {
            let clause = if needless { "CO-05" } else { "RT-13" };
            let problem = match seen.asked.as_slice() {
                [] => "it was not".to_owned(),
                asked => format!("sessions {asked:?} were asked"),
            };
            return Err(Wrong::new(clause, expected, problem));
        }
        Ok(())
    }
}

const REFUSED_FUNCTION: (&str, &str) = ("D-01", "a function");
const REFUSED_VARIABLE: (&str, &str) = ("D-01", "a function whose variable does not exist");
const REFUSED_TYPE: (&str, &str) = ("D-17", "a trigger type");

/// The code with which the workers of histories fail.
pub(super) const WORKERS_CODE: &str = "out_of_stock";
/// The code with which the providers of histories refuse.
pub(super) const REFUSED: &str = "refused";

/// Others than the provider were told that a trigger goes, or it was not.
pub(super) fn not_told(trigger: usize, to_be_told: &[usize], told: &[usize]) -> Wrong {
    let whom = |them: &[usize]| match them {
        [] => "nobody".to_owned(),
        them => format!("sessions {them:?}"),
    };
    Wrong::new(
        "CO-08",
        format!(
            "{} told that trigger {trigger} is unregistered",
            match to_be_told {
                [provider] => format!("its provider, session {provider}, is"),
                them => format!("{} is", whom(them)),
            }
        ),
        format!("{} was told", whom(told)),
    )
}

fn describe(
    step: &TriggerStep,
    allowed: &Allowed,
    accepted: bool,
    refused_by_provider: bool,
) -> String {
    let mut expected = Vec::new();
    if accepted {
        expected.push("success".to_owned());
    }
    if refused_by_provider {
        expected.push("the provider's error `refused`".to_owned());
    }
    let codes = allowed
        .codes
        .iter()
        .map(|code| format!("the error `{code}`"));
    expected.extend(codes);
    format!(
        "the result of trigger {}: {}",
        step.trigger,
        expected.join(" or ")
    )
}

/// The clause that a wrong result breaks: that of the fault which was told and is none, or else of
/// the first that is certain and was not told.
fn guilty_clause(allowed: &Allowed, received: Option<&str>) -> &'static str {
    match (received, allowed.faults.first()) {
        // Of several faults another one was told.
        (Some(code), _) if allowed.faults.contains(&code) => "D-04",
        (Some("trigger_type_not_found"), _) => "RT-13",
        (Some("function_not_found"), _) => "RT-12",
        (Some("duplicate_trigger_id"), _) => "RT-11",
        (_, Some(&"trigger_type_not_found")) => "RT-07",
        (_, Some(&"function_not_found")) => "RT-08",
        (_, Some(&"invalid_config")) => "RT-09",
        (_, Some(&"duplicate_trigger_id")) => "RT-10",
        _ => "RT-15",
    }
}
