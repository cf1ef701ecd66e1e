//! Whose turn it is, and for how long: sessions that send without end are read from by turns, and
//! those that send a frame now and then wait for a round of them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How many frames a turn takes at most. They are handled under one lock, and what they have caused
/// is written together; with more of them, whoever waits for it begins too late (`benches/README.md`).
const TURN_FRAMES_MAX: usize = 32;
/// Likewise, however many sessions have more to be read.
const TURN_FRAMES_MIN: usize = 8;
/// How many frames of all sessions together lie between two turns of one.
const ROUND_FRAMES: usize = 512;

/// The sessions that have more to be read than their last turn took.
#[derive(Debug, Default)]
pub(crate) struct Crowd(AtomicUsize);

/// The turns of one session.
#[derive(Debug)]
pub(crate) struct Turn<'c> {
    crowd: &'c Crowd,
    is_among_them: bool,
}

impl<'c> Turn<'c> {
    pub(crate) fn new(crowd: &'c Crowd) -> Self {
        Self {
            crowd,
            is_among_them: false,
        }
    }

    /// How many frames it takes at most.
    pub(crate) fn frames(&self) -> usize {
        let share = ROUND_FRAMES / self.crowd.0.load(Relaxed).max(1);
        share.clamp(TURN_FRAMES_MIN, TURN_FRAMES_MAX)
    }

    /// It is over, and there may be more to be read.
    pub(crate) fn end(&mut self, may_have_more: bool) {
        match (self.is_among_them, may_have_more) {
            (false, true) => _ = self.crowd.0.fetch_add(1, Relaxed),
            (true, false) => _ = self.crowd.0.fetch_sub(1, Relaxed),
            _ => {}
        }
        self.is_among_them = may_have_more;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.end(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_shorter_in_a_crowd() {
        let crowd = Crowd::default();
        let mut turns: Vec<Turn<'_>> = (0..100).map(|_| Turn::new(&crowd)).collect();
        assert_eq!(turns[0].frames(), 32);
        turns[..32].iter_mut().for_each(|it| it.end(true));
        assert_eq!(turns[0].frames(), 16);
        turns.iter_mut().for_each(|it| it.end(true));
        assert_eq!(turns[0].frames(), 8);
        // Whoever ends, or has had all of its own, makes room.
        turns.drain(64..);
        turns[..32].iter_mut().for_each(|it| it.end(false));
        assert_eq!(turns[0].frames(), 16);
        turns.truncate(1);
        assert_eq!(turns[0].frames(), 32);
    }
}
