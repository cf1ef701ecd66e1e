//! Lists as results, which are bounded as the answers of endpoints are (D-28).

use std::io;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::Engine;
use crate::{Code, Failure};

impl Engine {
    /// A list as a result.
    ///
    /// # Errors
    ///
    /// If it would be larger than a list may be.
    pub(super) fn listing<T: Serialize>(&self, list: &T) -> Result<Box<RawValue>, Failure> {
        let bytes_max = self.settings.list_bytes_max;
        let too_large = |_| {
            let message = format!("The list would be larger than {bytes_max} bytes");
            Failure::new(Code::ResponseTooLarge, message)
        };
        // Strings, numbers and raw JSON: only its size can be wrong.
        serde_json::to_writer(Room(bytes_max), list).map_err(too_large)?;
        to_raw_value(list).map_err(too_large)
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
