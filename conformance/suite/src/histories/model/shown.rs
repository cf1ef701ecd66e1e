//! What an engine shows of what it has: its lists (CO-17), and what it tells the providers of
//! triggers that go (CO-08).

use super::{
    super::step::{NUMBERS, Type},
    Model, Presence,
};

/// An item of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::histories) struct Listed {
    pub(in crate::histories) number: usize,
    /// A trigger's type and function.
    pub(in crate::histories) of: Option<(Type, usize)>,
    /// Whether nobody knows what is listed of this number.
    pub(in crate::histories) is_open: bool,
}

impl Listed {
    pub(in crate::histories) fn certain(number: usize) -> Self {
        Self {
            number,
            of: None,
            is_open: false,
        }
    }
}

impl Model {
    /// The sessions that are told that a session's trigger is unregistered: its provider (CO-08).
    /// None if that is open.
    pub(in crate::histories) fn told_of_unregistered(
        &self,
        session: usize,
        trigger: usize,
    ) -> Option<Vec<usize>> {
        if self.uncertain.triggers.contains(&trigger) {
            return None;
        }
        let own = self.sessions.get(session)?.triggers.get(&trigger);
        let Some((Type::OfWorker(of_type), _)) = own else {
            return Some(Vec::new());
        };
        match self.of_worker(*of_type) {
            Presence::Either => None,
            Presence::Absent => Some(Vec::new()),
            Presence::Present => Some(self.provider(*of_type).into_iter().collect()),
        }
    }

    /// Likewise of all triggers of a session that ends, with the trigger. What it provides itself
    /// nobody is told of.
    pub(in crate::histories) fn told_of_ended(
        &self,
        session: usize,
    ) -> Vec<(usize, Option<Vec<usize>>)> {
        let own = self.sessions.get(session).map(|it| it.triggers.keys());
        let told = own.into_iter().flatten().map(|trigger| {
            let mut told = self.told_of_unregistered(session, *trigger);
            if let Some(told) = &mut told {
                told.retain(|it| *it != session);
            }
            (*trigger, told)
        });
        told.collect()
    }

    pub(in crate::histories) fn is_uncertain_trigger(&self, trigger: usize) -> bool {
        self.uncertain.triggers.contains(&trigger)
    }

    /// What the list of functions has.
    pub(in crate::histories) fn listed_functions(&self) -> Vec<Listed> {
        listed(|number| self.function(number))
    }

    /// What the list of trigger types has, of workers' types.
    pub(in crate::histories) fn listed_types(&self) -> Vec<Listed> {
        listed(|number| self.of_worker(number))
    }

    /// What the list of triggers has.
    pub(in crate::histories) fn listed_triggers(&self) -> Vec<Listed> {
        let all = self.sessions.iter().flat_map(|it| &it.triggers);
        let listed = all.map(|(number, of)| Listed {
            of: Some(*of),
            ..Listed::certain(*number)
        });
        let open = self.uncertain.triggers.iter().map(|number| Listed {
            is_open: true,
            ..Listed::certain(*number)
        });
        listed.chain(open).collect()
    }
}

fn listed(presence: impl Fn(usize) -> Presence) -> Vec<Listed> {
    let all = (0..NUMBERS).filter_map(|number| match presence(number) {
        Presence::Present => Some(Listed::certain(number)),
        Presence::Either => Some(Listed {
            is_open: true,
            ..Listed::certain(number)
        }),
        Presence::Absent => None,
    });
    all.collect()
}
