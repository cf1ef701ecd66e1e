//! Frames: what is read and written again reads the same, and what is not is told why.

use reference_core::wire::Message;

/// The input is the text of a frame.
pub fn target(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match Message::decode(text) {
        Ok(message) => {
            let written = message.encode();
            let again = Message::decode(&written)
                .unwrap_or_else(|error| panic!("{error}: was written as {written}"));
            assert_eq!(format!("{again:?}"), format!("{message:?}"));
            assert_eq!(again.encode(), written);
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
