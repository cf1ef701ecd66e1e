//! How much of what an engine has sent is held in memory: by one session, and by all of them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// More than this is not held by one session. The largest lists that engines send take less.
pub(crate) const OWN_BYTES_MAX: usize = 128 << 20;
/// More than this is not held of one request or answer over HTTP: each case that runs may have one.
pub(crate) const BODY_MEMORY_MAX: usize = 16 << 20;
/// More than this is not held by all sessions together, of which a run has a hundred at once.
const ALL_BYTES_MAX: usize = 384 << 20;
/// A session that holds less than this is not the one that fills the memory.
const BLAMELESS_BYTES: usize = 1 << 20;

/// What a byte of a frame takes: the text, and a copy of it in the fields.
const OF_A_BYTE: usize = 3;
/// What a value, and a field's name, take beside their text.
const OF_A_VALUE: usize = 64;
/// What an object takes, however small it is.
const OF_AN_OBJECT: usize = 700;

static ALL: AtomicUsize = AtomicUsize::new(0);

/// The share of one session, which is given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(AtomicUsize);

impl Held {
    /// Takes so many bytes more; whether there is room for them.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let own = self.0.load(Ordering::Relaxed).saturating_add(bytes);
        let all = ALL.load(Ordering::Relaxed).saturating_add(bytes);
        if own > OWN_BYTES_MAX || (all > ALL_BYTES_MAX && own > BLAMELESS_BYTES) {
            return false;
        }
        self.0.fetch_add(bytes, Ordering::Relaxed);
        ALL.fetch_add(bytes, Ordering::Relaxed);
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        ALL.fetch_sub(*self.0.get_mut(), Ordering::Relaxed);
    }
}

/// About what a frame takes once it is read, which may be a hundred times its text.
pub(crate) fn in_memory(text: impl AsRef<[u8]>) -> usize {
    let text = text.as_ref();
    let of = |byte: &u8| match byte {
        b'{' => OF_AN_OBJECT,
        b'[' | b',' | b':' => OF_A_VALUE,
        _ => 0,
    };
    let beside: usize = text.iter().map(of).sum();
    OF_AN_OBJECT + text.len() * OF_A_BYTE + beside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_holds_is_bounded_and_given_back() {
        let held = Held::default();
        assert!(held.add(OWN_BYTES_MAX / 2));
        assert!(!held.add(OWN_BYTES_MAX));
        // What was refused is not counted.
        assert!(held.add(OWN_BYTES_MAX / 2));
        assert!(!held.add(1));
    }

    #[test]
    fn small_objects_take_far_more_than_their_text() {
        let sparse = format!(r#""{}""#, "x".repeat(7_998));
        let dense = format!("[{}]", r#"{"":0},"#.repeat(1_000));
        assert!(in_memory(&sparse) < 40_000, "{}", in_memory(&sparse));
        assert!(in_memory(&dense) > 700_000, "{}", in_memory(&dense));
    }
}
