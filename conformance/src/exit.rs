//! How a command ends, and what it says when it cannot do what it was asked to.

use std::io;

/// How a command ends. Formats and verbosity never change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Conforms = 0,
    DoesNotConform = 1,
    Usage = 2,
    Unreachable = 3,
    NothingRan = 4,
    OnlyUntestable = 5,
    StaleExpectation = 6,
    OurFault = 70,
    Interrupted = 130,
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(exit: Exit, message: impl ToString) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::OurFault, format!("cannot write the report: {error}"))
    }
}
