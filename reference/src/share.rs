//! Parts of what sessions share, given back by whoever drops them (D-28).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reference_core::{Exhausted, SessionId, Shares};

/// Something bounded, in all and for each session.
#[derive(Clone, Debug)]
pub(crate) struct Bounded(Arc<Mutex<Shares>>);

/// What one session has taken of it.
#[derive(Debug)]
pub(crate) struct Share {
    of: Bounded,
    session: SessionId,
    size: usize,
}

impl Bounded {
    pub(crate) fn new(max: usize, per_session_max: usize) -> Self {
        let shares = Shares::new(max, per_session_max);
        Self(Arc::new(Mutex::new(shares)))
    }

    /// A part of a size that may be nothing, and grow.
    pub(crate) fn take(&self, session: SessionId, size: usize) -> Result<Share, Exhausted> {
        self.lock().take(session, size)?;
        Ok(Share {
            of: self.clone(),
            session,
            size,
        })
    }

    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.lock().taken()
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Takes more, or leaves it as it is.
    pub(crate) fn grow(&mut self, by: usize) -> Result<(), Exhausted> {
        self.of.lock().take(self.session, by)?;
        self.size += by;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.lock().give_back(self.session, self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let bounded = Bounded::new(3, 2);
        let mut share = bounded.take(SessionId(1), 0).unwrap();
        share.grow(2).unwrap();
        assert_eq!(share.grow(1), Err(Exhausted::Session { max: 2 }));
        let other = bounded.take(SessionId(2), 2);
        assert_eq!(other.unwrap_err(), Exhausted::All { max: 3 });
        drop(share);
        assert_eq!(bounded.taken(), 0);
        bounded.take(SessionId(2), 2).unwrap();
    }
}
