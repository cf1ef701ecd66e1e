//! What sessions share: so much in all, and so much of it for any one of them (D-28).

use std::collections::HashMap;

use crate::SessionId;

/// Something that sessions take parts of and give back: a number of things, or of bytes.
#[derive(Debug)]
pub struct Shares {
    max: usize,
    per_session_max: usize,
    taken: usize,
    /// Without sessions that have given everything back.
    by_session: HashMap<SessionId, usize>,
}

/// Which bound does not allow more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// What one session may take.
    Session {
        /// The bound.
        max: usize,
    },
    /// What all may take together.
    All {
        /// The bound.
        max: usize,
    },
}

impl Shares {
    /// Nothing is taken at first.
    #[must_use]
    pub fn new(max: usize, per_session_max: usize) -> Self {
        Self {
            max,
            per_session_max,
            taken: 0,
            by_session: HashMap::new(),
        }
    }

    /// The most that one session can take when nothing is taken.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.max.min(self.per_session_max)
    }

    /// Takes a part for a session.
    ///
    /// # Errors
    ///
    /// The bound that it would cross; then nothing is taken.
    pub fn take(&mut self, session: SessionId, size: usize) -> Result<(), Exhausted> {
        let own = self.by_session.get(&session).copied().unwrap_or_default();
        let fits = |taken: usize, max: usize| taken.checked_add(size).is_some_and(|it| it <= max);
        if !fits(own, self.per_session_max) {
            let max = self.per_session_max;
            return Err(Exhausted::Session { max });
        }
        if !fits(self.taken, self.max) {
            return Err(Exhausted::All { max: self.max });
        }
        if size > 0 {
            self.taken += size;
            self.by_session.insert(session, own + size);
        }
        Ok(())
    }

    /// Gives back what was taken for a session, or a part of that.
    pub fn give_back(&mut self, session: SessionId, size: usize) {
        let Some(own) = self.by_session.get_mut(&session) else {
            return;
        };
        let size = size.min(*own);
        *own -= size;
        self.taken -= size;
        if *own == 0 {
            self.by_session.remove(&session);
        }
    }

    /// How much is taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);
    const C: SessionId = SessionId(3);

    #[test]
    fn a_session_takes_its_share_and_all_take_what_there_is() {
        let mut shares = Shares::new(5, 3);
        assert_eq!(shares.take(A, 2), Ok(()));
        assert_eq!(shares.take(A, 2), Err(Exhausted::Session { max: 3 }));
        assert_eq!(shares.take(A, 1), Ok(()));
        assert_eq!(shares.take(B, 3), Err(Exhausted::All { max: 5 }));
        assert_eq!(shares.take(B, 2), Ok(()));
        assert_eq!(shares.take(C, 1), Err(Exhausted::All { max: 5 }));
        assert_eq!(
            shares.take(C, usize::MAX),
            Err(Exhausted::Session { max: 3 })
        );
        assert_eq!(shares.taken(), 5);
        shares.give_back(A, 1);
        assert_eq!(shares.take(C, 1), Ok(()));
    }

    #[test]
    fn what_is_given_back_leaves_nothing_behind() {
        let mut shares = Shares::new(5, 3);
        assert_eq!(shares.take(A, 3), Ok(()));
        assert_eq!(shares.take(B, 0), Ok(()));
        shares.give_back(A, 1);
        shares.give_back(A, 7);
        shares.give_back(C, 1);
        assert_eq!(shares.taken(), 0);
        assert!(shares.by_session.is_empty());
    }
}
