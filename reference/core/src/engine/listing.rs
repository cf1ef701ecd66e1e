//! Lists as results, which are bounded as the answers of endpoints are (D-28).

use std::io;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::{RawValue, to_raw_value};

use super::Engine;
use crate::{Code, Failure};

impl Engine {
    /// A list as a result: an object with the entries in a field of this name. Nothing is kept of
    /// them before it is known that they have room.
    ///
    /// # Errors
    ///
    /// If it would be larger than a list may be.
    pub(super) fn listing<E>(
        &self,
        name: &'static str,
        entries: impl Fn() -> E,
    ) -> Result<Box<RawValue>, Failure>
    where
        E: Iterator<Item: Serialize>,
    {
        let list = List { name, entries };
        // Strings, numbers and raw JSON: only its size can be wrong.
        serde_json::to_writer(Room(self.settings.list_bytes_max), &list)
            .map_err(|_| self.list_too_large())?;
        to_raw_value(&list).map_err(|_| self.list_too_large())
    }

    /// Whether a list may have so many entries, of this many bytes at least.
    ///
    /// # Errors
    ///
    /// If it would be larger than a list may be.
    pub(super) fn check_list(&self, entries: usize, entry_bytes_min: usize) -> Result<(), Failure> {
        match entries.saturating_mul(entry_bytes_min) > self.settings.list_bytes_max {
            true => Err(self.list_too_large()),
            false => Ok(()),
        }
    }

    fn list_too_large(&self) -> Failure {
        let bytes_max = self.settings.list_bytes_max;
        let message = format!("The list would be larger than {bytes_max} bytes");
        Failure::new(Code::ResponseTooLarge, message)
    }
}

/// Entries that are made one at a time, as they are written.
struct List<F> {
    name: &'static str,
    entries: F,
}

struct Entries<'f, F>(&'f F);

impl<E: Iterator<Item: Serialize>, F: Fn() -> E> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.name, &Entries(&self.entries))?;
        object.end()
    }
}

impl<E: Iterator<Item: Serialize>, F: Fn() -> E> Serialize for Entries<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// So many bytes can still be written; none of them is kept.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.0.checked_sub(bytes.len());
        self.0 = left.ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Settings;

    /// Whether a list of a thousand times nine bytes and a comma has room, and how often an entry
    /// was made.
    fn listed(list_bytes_max: usize) -> (bool, usize) {
        let engine = Engine::new(Settings {
            list_bytes_max,
            ..Settings::default()
        });
        let made = Cell::new(0);
        let list = engine.listing("all", || {
            (0..1_000).map(|_| {
                made.set(made.get() + 1);
                "seven-l"
            })
        });
        if let Err(failure) = &list {
            assert_eq!(failure.code(), Code::ResponseTooLarge);
        }
        (list.is_ok(), made.get())
    }

    #[test]
    fn a_list_that_is_too_large_is_looked_at_no_further_than_shows_that() {
        let bytes = r#"{"all":[]}"#.len() + 10_000 - 1;
        assert_eq!(listed(bytes), (true, 2_000));
        assert_eq!(listed(bytes - 1), (false, 1_000));
        assert_eq!(listed(100), (false, 10));
    }

    #[test]
    fn so_many_entries_of_so_many_bytes_have_room() {
        let engine = Engine::new(Settings {
            list_bytes_max: 999,
            ..Settings::default()
        });
        assert!(engine.check_list(111, 9).is_ok());
        assert!(engine.check_list(1_000, 1).is_err());
        assert!(engine.check_list(usize::MAX, 2).is_err());
    }
}
