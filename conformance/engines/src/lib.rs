//! Engines to prove the suite against. A suite that passes the reference has shown little; it is
//! worth its verdicts when it fails engines that are wrong, and only those.
//!
//! - [`faults`]: each wrong in one way, the reference with something around its pure core.
//! - [`trivial`]: engines that do next to nothing. No case may pass for want of an answer.
//! - [`odd`]: engines that do all that the documents demand, and everything else otherwise.

mod altered;
mod frames;
mod http;
mod wire;
mod with;

pub mod faults;
pub mod odd;
pub mod trivial;

use std::fmt;

use reference::core::Machine;

pub use self::{
    altered::{Alter, Altered, Asked, Binary, Heard, Sent},
    http::{Manner, Message, Rerouted, Written},
    wire::{Passage, Wire},
};

/// A machine for a server to run.
pub type BoxedMachine = Box<dyn Machine + Send>;

/// How much a suite has to be asked to see a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// It breaks what the documents demand.
    Plain,
    /// It breaks a text, a suggestion or a companion message: seen under `--strict`.
    Strict,
}

/// An engine that is wrong in one way.
pub struct Fault {
    /// Its name, in small letters and hyphens.
    pub id: &'static str,
    /// What it does, in a sentence without an end.
    pub title: &'static str,
    /// The clauses that it breaks, the one that it is about first.
    pub breaks: &'static [&'static str],
    /// How much it takes to see it.
    pub sight: Sight,
    /// What becomes of its frames on their way.
    pub wire: Wire,
    make: Box<dyn Fn() -> BoxedMachine + Send + Sync>,
}

impl Fault {
    fn new<A: Alter + 'static>(
        id: &'static str,
        title: &'static str,
        breaks: &'static [&'static str],
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Self::of_machine(id, title, breaks, move || Altered::new(make()))
    }

    fn of_machine<M: Machine + Send + 'static>(
        id: &'static str,
        title: &'static str,
        breaks: &'static [&'static str],
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            title,
            breaks,
            sight: Sight::Plain,
            wire: Wire::Straight,
            make: Box::new(move || Box::new(make())),
        }
    }

    /// The same fault, in what only `--strict` holds an engine to.
    fn strict(self) -> Self {
        Self {
            sight: Sight::Strict,
            ..self
        }
    }

    /// The fault is on the way of its frames.
    fn on(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    /// A new engine with the fault.
    #[must_use]
    pub fn machine(&self) -> BoxedMachine {
        (self.make)()
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fault").field(&self.id).finish()
    }
}

/// An engine without a fault of its own: a trivial one, or an odd one.
pub struct Other {
    /// Its name, in small letters and hyphens.
    pub id: &'static str,
    /// What it does, in a sentence without an end.
    pub title: &'static str,
    /// The cases that pass against a trivial engine and should: in these it does what is right.
    pub rightly: Vec<&'static str>,
    /// What becomes of its frames on their way.
    pub wire: Wire,
    /// How it writes HTTP.
    pub manner: Manner,
    make: Box<dyn Fn() -> BoxedMachine + Send + Sync>,
}

impl Other {
    fn new<M: Machine + Send + 'static>(
        id: &'static str,
        title: &'static str,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        Self {
            id,
            title,
            rightly: Vec::new(),
            wire: Wire::Straight,
            manner: Manner::Usual,
            make: Box::new(move || Box::new(make())),
        }
    }

    fn passing(mut self, rightly: impl IntoIterator<Item = &'static str>) -> Self {
        self.rightly.extend(rightly);
        self
    }

    fn on(self, wire: Wire) -> Self {
        Self { wire, ..self }
    }

    fn writing(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    fn altered<A: Alter + 'static>(
        id: &'static str,
        title: &'static str,
        make: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Self::new(id, title, move || Altered::new(make()))
    }

    /// A new engine of the kind.
    #[must_use]
    pub fn machine(&self) -> BoxedMachine {
        (self.make)()
    }
}

impl fmt::Debug for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Other").field(&self.id).finish()
    }
}
