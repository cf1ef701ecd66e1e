//! What becomes of WebSocket frames on their way between an engine and a worker: oddities and
//! faults below the level of messages.

/// How many bytes of a message each fragment has.
const FRAGMENT_BYTES: usize = 11;
const PING: [u8; 2] = [0x89, 0];
const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const MASKED: u8 = 0x80;
const CLOSE: u8 = 8;
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();
const PONG: u8 = 10;

/// What becomes of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Nothing.
    Straight,
    /// Text messages are cut into fragments, as RFC 6455, section 5.4, allows, with a ping between
    /// the first two of each.
    InFragments,
    /// Pongs of the engine are lost.
    WithoutPongs,
    /// Pongs of the engine have no payload.
    WithEmptyPongs,
    /// Pongs of the engine have the payload of its first.
    WithStalePongs,
    /// Close frames of the engine are lost.
    WithoutCloses,
    /// Close frames of workers that say that they are going away (1001) are lost.
    WithoutGoingAway,
    /// A connection is reset at the first frame of its worker.
    Reset,
    /// With the first frame of any worker the engine is gone, and all its connections with it.
    Crash,
}

/// The bytes of one connection in one direction. What a worker sends is masked, which tells the
/// directions apart.
#[derive(Debug)]
pub struct Passage {
    wire: Wire,
    behind_the_handshake: bool,
    bytes: Vec<u8>,
    first_pong: Option<Vec<u8>>,
    broken: bool,
}

impl Passage {
    /// Of a connection that begins.
    #[must_use]
    pub fn new(wire: Wire) -> Self {
        Self {
            wire,
            behind_the_handshake: false,
            bytes: Vec::new(),
            first_pong: None,
            broken: false,
        }
    }

    /// Whether the connection is to be reset now.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Takes some, gives what is complete.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.bytes.extend_from_slice(bytes);
        let mut passed = Vec::new();
        if !self.behind_the_handshake {
            let end = self.bytes.windows(4).position(|it| it == b"\r\n\r\n");
            let Some(end) = end else {
                return passed;
            };
            passed.extend(self.bytes.drain(..end + 4));
            self.behind_the_handshake = true;
        }
        while let Some((head, message)) = frame(&self.bytes) {
            let first = self.bytes.first().copied().unwrap_or_default();
            let whole: Vec<u8> = self.bytes.drain(..head + message).collect();
            let payload = whole.get(head..).unwrap_or_default();
            let masked = whole.get(1).is_some_and(|it| it & MASKED != 0);
            match self.wire {
                Wire::WithoutGoingAway if masked && first == FIN | CLOSE => {
                    if unmasked(&whole, head) != GOING_AWAY {
                        passed.extend_from_slice(&whole);
                    }
                }
                Wire::Reset | Wire::Crash if masked => self.broken = true,
                _ if masked => passed.extend_from_slice(&whole),
                Wire::InFragments if first == FIN | TEXT && payload.len() > FRAGMENT_BYTES => {
                    cut(payload, &mut passed);
                }
                Wire::WithoutPongs if first == FIN | PONG => {}
                Wire::WithEmptyPongs if first == FIN | PONG => passed.extend([FIN | PONG, 0]),
                Wire::WithStalePongs if first == FIN | PONG => {
                    passed.extend_from_slice(self.first_pong.get_or_insert(whole));
                }
                Wire::WithoutCloses if first == FIN | CLOSE => {}
                _ => passed.extend_from_slice(&whole),
            }
        }
        passed
    }
}

/// How long the head and the payload of the first frame are, if it is all there.
fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let length = usize::from(bytes.get(1)? & !MASKED);
    let mask = if bytes.get(1)? & MASKED == 0 { 0 } else { 4 };
    let (head, payload) = match length {
        126 => (4 + mask, number(bytes.get(2..4)?)),
        127 => (10 + mask, number(bytes.get(2..10)?)),
        short => (2 + mask, short),
    };
    (bytes.len() >= head + payload).then_some((head, payload))
}

/// The first two bytes of a payload, which are the code in a Close frame.
fn unmasked(whole: &[u8], head: usize) -> [u8; 2] {
    let byte = |index: usize| {
        let key = whole.get(head - 4 + index).copied().unwrap_or_default();
        whole.get(head + index).copied().unwrap_or_default() ^ key
    };
    [byte(0), byte(1)]
}

fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |all, byte| (all << 8) | usize::from(*byte))
}

fn cut(payload: &[u8], passed: &mut Vec<u8>) {
    let last = payload.len().div_ceil(FRAGMENT_BYTES) - 1;
    for (index, piece) in payload.chunks(FRAGMENT_BYTES).enumerate() {
        let opcode = if index == 0 { TEXT } else { 0 };
        let fin = if index == last { FIN } else { 0 };
        passed.extend([fin | opcode, piece.len() as u8]);
        passed.extend_from_slice(piece);
        if index == 0 {
            passed.extend(PING);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_fragments() {
        let mut fragments = Passage::new(Wire::InFragments);
        assert_eq!(fragments.pass(b"HTTP/1.1 101 x\r\n\r"), b"");
        assert_eq!(
            fragments.pass(b"\n\x81\x0dhello, "),
            b"HTTP/1.1 101 x\r\n\r\n"
        );
        let rest = fragments.pass(b"worker\x8a\x00\x81");
        assert_eq!(rest, b"\x01\x0bhello, work\x89\x00\x80\x02er\x8a\x00");
        assert_eq!(fragments.pass(b"\x01a"), b"\x81\x01a");
    }

    #[test]
    fn a_kind_of_frame_is_lost_and_no_other() {
        for (wire, left) in [
            (Wire::WithoutPongs, b"\x81\x01a\x88\x00".as_slice()),
            (Wire::WithoutCloses, b"\x81\x01a\x8a\x01b".as_slice()),
        ] {
            let mut passage = Passage::new(wire);
            assert_eq!(passage.pass(b"HTTP/1.1 101 x\r\n\r\n").len(), 18);
            assert_eq!(passage.pass(b"\x81\x01a\x8a\x01b\x88\x00"), left);
        }
    }

    #[test]
    fn pongs_are_of_no_ping_or_of_the_first() {
        for (wire, second) in [
            (Wire::WithEmptyPongs, b"\x8a\x00".as_slice()),
            (Wire::WithStalePongs, b"\x8a\x01a"),
        ] {
            let mut passage = Passage::new(wire);
            assert_eq!(passage.pass(b"HTTP/1.1 101 x\r\n\r\n").len(), 18);
            passage.pass(b"\x8a\x01a");
            assert_eq!(
                passage.pass(b"\x81\x01a\x8a\x02bc"),
                [b"\x81\x01a", second].concat()
            );
        }
    }

    #[test]
    fn the_first_frame_of_a_worker_breaks_its_connection() {
        let mut passage = Passage::new(Wire::Reset);
        assert_eq!(passage.pass(b"GET / HTTP/1.1\r\n\r\n\x81").len(), 18);
        assert!(!passage.is_broken());
        assert_eq!(passage.pass(b"\x81\x01\x02\x03\x04a"), b"");
        assert!(passage.is_broken());
    }

    #[test]
    fn who_goes_away_is_not_heard() {
        let mut passage = Passage::new(Wire::WithoutGoingAway);
        let mask = [1, 2, 3, 4];
        let close = |code: u16| {
            let [high, low] = code.to_be_bytes();
            let mut frame = vec![FIN | CLOSE, MASKED | 2];
            frame.extend(mask);
            frame.extend([high ^ mask[0], low ^ mask[1]]);
            frame
        };
        assert_eq!(passage.pass(b"GET / HTTP/1.1\r\n\r\n").len(), 18);
        assert_eq!(passage.pass(&close(1001)), b"");
        assert_eq!(passage.pass(&close(1000)), close(1000));
    }
}
