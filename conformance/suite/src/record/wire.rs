//! Reading WebSocket frames off a stream of bytes that goes on unchanged.
//!
//! A WebSocket library would answer pings and closes itself, and the engine's own answers would
//! no longer be its own. So bytes are passed on as they are, and a copy of them is read here.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// Beyond this a message is passed on, but no longer recorded.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What a side has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A whole message; text need not be UTF-8.
    Message { text: bool, payload: Vec<u8> },
    /// A Close frame, with its code if it has one.
    Close(Option<u16>),
    /// Bytes that are no WebSocket frames, or more than is read: nothing after them is known.
    Unreadable,
}

/// One direction of a connection, after the handshake.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    /// The message that has begun, whose last fragment is still to come.
    begun: Option<(bool, Vec<u8>)>,
    lost: bool,
}

impl Reader {
    /// What is complete with these bytes. Pings and pongs are left out.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Said> {
        let mut said = Vec::new();
        if self.lost {
            return said;
        }
        self.buffer.extend_from_slice(bytes);
        loop {
            match self.frame() {
                Ok(Some((header, payload))) => said.extend(self.complete(&header, payload)),
                Ok(None) => return said,
                Err(()) => {
                    self.lost = true;
                    said.push(Said::Unreadable);
                    return said;
                }
            }
        }
    }

    /// Takes the next whole frame out of the buffer, with its mask undone.
    fn frame(&mut self) -> Result<Option<(FrameHeader, Vec<u8>)>, ()> {
        let mut cursor = Cursor::new(self.buffer.as_slice());
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|_| ())? else {
            return Ok(None);
        };
        let begin = usize::try_from(cursor.position()).map_err(|_| ())?;
        let length = usize::try_from(length).map_err(|_| ())?;
        let held = self.begun.as_ref().map_or(0, |(_, held)| held.len());
        if length.saturating_add(held) > MESSAGE_BYTES_MAX {
            return Err(());
        }
        let end = begin + length;
        let Some(payload) = self.buffer.get(begin..end) else {
            return Ok(None);
        };
        let mask = header.mask.unwrap_or_default();
        let payload = payload.iter().zip(mask.iter().cycle());
        let payload = payload.map(|(byte, mask)| byte ^ mask).collect();
        self.buffer.drain(..end);
        Ok(Some((header, payload)))
    }

    fn complete(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Option<Said> {
        let (text, payload) = match header.opcode {
            OpCode::Data(Data::Continue) => {
                let (text, mut held) = self.begun.take()?;
                held.extend(payload);
                (text, held)
            }
            OpCode::Data(kind) => (kind == Data::Text, payload),
            OpCode::Control(Control::Close) => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                return Some(Said::Close(code));
            }
            OpCode::Control(_) => return None,
        };
        if !header.is_final {
            self.begun = Some((text, payload));
            return None;
        }
        Some(Said::Message { text, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &[u8]) -> Said {
        let payload = payload.to_vec();
        Said::Message {
            text: true,
            payload,
        }
    }

    #[test]
    fn frames_are_read_however_they_arrive() {
        // A masked text in two fragments with a ping between them, an unmasked binary, a Close.
        let bytes = [
            &[0x01, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2][..],
            &[0x89, 0x01, b'p'],
            &[0x80, 0x01, b'c'],
            &[0x82, 0x01, 0xff],
            &[0x88, 0x02, 0x03, 0xe8],
        ]
        .concat();
        let said = [
            text(b"abc"),
            Said::Message {
                text: false,
                payload: vec![0xff],
            },
            Said::Close(Some(1000)),
        ];
        assert_eq!(Reader::default().read(&bytes), said);
        let mut slowly = Reader::default();
        let read: Vec<Said> = bytes.iter().flat_map(|it| slowly.read(&[*it])).collect();
        assert_eq!(read, said);
    }

    #[test]
    fn what_are_no_frames_is_said_once() {
        let mut reader = Reader::default();
        assert_eq!(reader.read(&[0x8f, 0x00, 0x81, 0x00]), [Said::Unreadable]);
        assert_eq!(reader.read(&[0x81, 0x00]), []);
        // A message that claims to be larger than what is read.
        let mut reader = Reader::default();
        let huge = [0x82, 0x7f, 0, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(reader.read(&huge), [Said::Unreadable]);
    }
}
