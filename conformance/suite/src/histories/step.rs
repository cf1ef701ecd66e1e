//! What a history is made of.

use std::fmt;

/// How many sessions a history has.
pub(super) const SESSIONS: usize = 3;

/// How many functions, triggers and types there are at most, of each.
pub(super) const NUMBERS: usize = 3;

/// Turns, one after another.
pub(crate) type History = Vec<Turn>;

/// Steps that are sent without waiting in between: on one session in their order, on several at
/// once.
pub(crate) type Turn = Vec<Step>;

/// One step. Sessions, functions, triggers and types are small numbers, so that they collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    RegisterFunction {
        session: usize,
        function: usize,
        served: Served,
    },
    UnregisterFunction {
        session: usize,
        function: usize,
    },
    RegisterTrigger(TriggerStep),
    UnregisterTrigger {
        session: usize,
        trigger: usize,
    },
    RegisterType {
        session: usize,
        trigger_type: usize,
    },
    UnregisterType {
        session: usize,
        trigger_type: usize,
    },
    Call {
        session: usize,
        function: usize,
        answer: Answer,
    },
    /// A call without a reply.
    Tell {
        session: usize,
        function: usize,
        with_id: bool,
    },
    /// The oldest call that was left unanswered is answered.
    AnswerHeld {
        twice: bool,
    },
    Leave {
        session: usize,
        abruptly: bool,
    },
    Nonsense {
        session: usize,
        kind: Nonsense,
    },
}

/// How a function is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Served {
    ByWorker,
    /// By an HTTP endpoint, at which nobody listens.
    OverHttp,
    /// Likewise, with a credential in an environment variable that does not exist.
    WithoutVariable,
}

/// A trigger's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TriggerStep {
    pub(crate) session: usize,
    pub(crate) trigger: usize,
    pub(crate) trigger_type: Type,
    pub(crate) function: usize,
    /// Whether the config, or the provider, is such that the trigger can be registered.
    pub(crate) acceptable: bool,
}

/// The type of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Type {
    Http,
    Cron,
    Queue,
    OfWorker(usize),
}

/// What a worker does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Result,
    Error,
    Twice,
    /// Another session answers first.
    BehindAStranger,
    /// Nothing until a later step.
    Held,
    /// It ends its session instead.
    Leaves {
        abruptly: bool,
    },
}

/// What is no frame that an engine can follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonsense {
    NoJson,
    UnknownType,
    FunctionWithoutId,
    TriggerWithoutFunction,
}

impl Nonsense {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoJson => "{\"type\":",
            Self::UnknownType => r#"{"type":"no_such_type"}"#,
            Self::FunctionWithoutId => r#"{"type":"registerfunction"}"#,
            Self::TriggerWithoutFunction => {
                r#"{"type":"registertrigger","id":"incomplete","trigger_type":"cron","config":{"schedule":"0 9 * * *"}}"#
            }
        }
    }
}

impl Step {
    /// Who takes it.
    pub(super) fn session(&self) -> Option<usize> {
        match self {
            Self::RegisterFunction { session, .. }
            | Self::UnregisterFunction { session, .. }
            | Self::RegisterTrigger(TriggerStep { session, .. })
            | Self::UnregisterTrigger { session, .. }
            | Self::RegisterType { session, .. }
            | Self::UnregisterType { session, .. }
            | Self::Call { session, .. }
            | Self::Tell { session, .. }
            | Self::Leave { session, .. }
            | Self::Nonsense { session, .. } => Some(*session),
            Self::AnswerHeld { .. } => None,
        }
    }

    /// What kind of step it is, for counts.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::RegisterFunction { served, .. } => match served {
                Served::ByWorker => "register a function",
                Served::OverHttp => "register an HTTP function",
                Served::WithoutVariable => "register one without its variable",
            },
            Self::UnregisterFunction { .. } => "unregister a function",
            Self::RegisterTrigger(step) => match (step.trigger_type, step.acceptable) {
                (Type::OfWorker(_), true) => "register a trigger of a worker's type",
                (Type::OfWorker(_), false) => "register a trigger that is refused",
                (_, true) => "register a trigger",
                (_, false) => "register a trigger with a bad config",
            },
            Self::UnregisterTrigger { .. } => "unregister a trigger",
            Self::RegisterType { .. } => "register a type",
            Self::UnregisterType { .. } => "unregister a type",
            Self::Call { answer, .. } => match answer {
                Answer::Result => "call",
                Answer::Error => "call, answered with an error",
                Answer::Twice => "call, answered twice",
                Answer::BehindAStranger => "call, answered by a stranger",
                Answer::Held => "call, left unanswered",
                Answer::Leaves { abruptly: false } => "call, and the worker leaves",
                Answer::Leaves { abruptly: true } => "call, and the worker is lost",
            },
            Self::Tell { .. } => "call without a reply",
            Self::AnswerHeld { .. } => "late answer",
            Self::Leave {
                abruptly: false, ..
            } => "leave",
            Self::Leave { abruptly: true, .. } => "get lost",
            Self::Nonsense { .. } => "nonsense",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(session) = self.session() {
            write!(f, "session {session} ")?;
        }
        match self {
            Self::RegisterFunction {
                function, served, ..
            } => {
                write!(f, "registers function {function}")?;
                f.write_str(match served {
                    Served::ByWorker => "",
                    Served::OverHttp => " at an HTTP endpoint where nobody listens",
                    Served::WithoutVariable => " with a variable that does not exist",
                })
            }
            Self::UnregisterFunction { function, .. } => {
                write!(f, "unregisters function {function}")
            }
            Self::RegisterTrigger(step) => {
                let (trigger, function) = (step.trigger, step.function);
                let trigger_type = step.trigger_type;
                write!(
                    f,
                    "registers trigger {trigger} of {trigger_type} for function {function}"
                )?;
                match (step.acceptable, step.trigger_type) {
                    (true, _) => Ok(()),
                    (false, Type::OfWorker(_)) => write!(f, ", which its provider refuses"),
                    (false, _) => write!(f, " with a config that is wrong"),
                }
            }
            Self::UnregisterTrigger { trigger, .. } => write!(f, "unregisters trigger {trigger}"),
            Self::RegisterType { trigger_type, .. } => write!(f, "registers type {trigger_type}"),
            Self::UnregisterType { trigger_type, .. } => {
                write!(f, "unregisters type {trigger_type}")
            }
            Self::Call {
                function, answer, ..
            } => {
                write!(f, "calls function {function}")?;
                f.write_str(match answer {
                    Answer::Result => "",
                    Answer::Error => ", whose worker answers with an error",
                    Answer::Twice => ", whose worker answers twice",
                    Answer::BehindAStranger => ", and another session answers before its worker",
                    Answer::Held => ", whose worker does not answer yet",
                    Answer::Leaves { abruptly: false } => {
                        ", whose worker closes its session instead"
                    }
                    Answer::Leaves { abruptly: true } => ", whose worker loses its connection",
                })
            }
            Self::Tell { function, .. } => write!(f, "calls function {function} without a reply"),
            Self::AnswerHeld { twice } => {
                let often = if *twice { ", twice" } else { "" };
                write!(f, "the oldest call that was left is answered{often}")
            }
            Self::Leave {
                abruptly: false, ..
            } => f.write_str("closes, and comes back as a new session"),
            Self::Leave { abruptly: true, .. } => {
                f.write_str("loses its connection, and comes back as a new session")
            }
            Self::Nonsense { kind, .. } => write!(f, "sends {}", kind.text()),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => f.write_str("type http"),
            Self::Cron => f.write_str("type cron"),
            Self::Queue => f.write_str("type queue"),
            Self::OfWorker(id) => write!(f, "type {id}"),
        }
    }
}

/// A history in words, a line a step; what is sent without waiting says so.
pub(super) fn in_words(history: &[Turn]) -> Vec<String> {
    let mut lines = Vec::new();
    for turn in history {
        for (index, step) in turn.iter().enumerate() {
            let at_once = if index > 0 { "at once, " } else { "" };
            lines.push(format!("{:>3}  {at_once}{step}", lines.len() + 1));
        }
    }
    lines
}
