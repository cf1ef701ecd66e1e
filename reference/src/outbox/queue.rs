//! Bytes that wait for a socket: small frames side by side, large ones as they are.

use std::{collections::VecDeque, io::IoSlice, mem};

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// How large a piece grows that several frames share.
const PIECE_BYTES: usize = 8 << 10;
/// From this size on, a frame is a piece of its own, and is not copied.
const LARGE_BYTES: usize = 4 << 10;

/// Of an unmasked frame (RFC 6455, section 5.2).
const HEADER_BYTES_MAX: usize = 10;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Piece>,
    /// The last piece, which small frames are added to.
    open: Piece,
    /// How much of the first piece has been written.
    written: usize,
    /// How many bytes have not been written, including those that are out in a [`Batch`].
    bytes: usize,
    /// Likewise, of answers alone; those of a piece until all of it has been written.
    answer_bytes: usize,
    /// A queue of no pieces, to be used again.
    spare: VecDeque<Piece>,
}

/// Bytes that are written one after the other.
#[derive(Debug, Default)]
struct Piece {
    bytes: Vec<u8>,
    /// How many of them are of answers to what the peer has sent.
    answer_bytes: usize,
}

/// What has been taken to be written.
#[derive(Debug)]
pub(super) struct Batch {
    pieces: VecDeque<Piece>,
    written: usize,
    /// How many bytes were written of it.
    bytes: usize,
    /// How many bytes of answers were in the pieces that were written.
    answer_bytes: usize,
    /// A piece that has been written, to be used again.
    spare: Vec<u8>,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many of them are of answers.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// Whether nothing waits but what is out in a batch.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.open.bytes.is_empty()
    }

    /// A frame that asks something of the peer.
    pub(super) fn push_text(&mut self, text: String) {
        let header = header(OpCode::Data(Data::Text));
        if text.len() < LARGE_BYTES {
            self.make_room(HEADER_BYTES_MAX + text.len());
            self.push_header(&header, text.len());
            self.push(text.as_bytes());
        } else {
            self.push_header(&header, text.len());
            self.end_piece();
            self.bytes += text.len();
            self.pieces.push_back(Piece {
                bytes: text.into_bytes(),
                answer_bytes: 0,
            });
        }
    }

    /// A frame that answers what the peer has sent.
    pub(super) fn push_answer(&mut self, text: String) {
        let bytes = text.len();
        self.push_text(text);
        self.count_answer(bytes);
    }

    pub(super) fn push_ping(&mut self) {
        self.push_header(&header(OpCode::Control(Control::Ping)), 0);
    }

    /// Bytes of the WebSocket library's own, which answer as well.
    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.push(bytes);
        self.count_answer(bytes.len());
    }

    /// Forgets all that waits, but for what is out in a batch.
    pub(super) fn clear(&mut self) {
        self.end_piece();
        for piece in mem::take(&mut self.pieces) {
            let waiting = piece.bytes.len() - mem::take(&mut self.written);
            self.bytes = self.bytes.saturating_sub(waiting);
            self.answer_bytes = self.answer_bytes.saturating_sub(piece.answer_bytes);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.open.bytes.extend_from_slice(bytes);
    }

    fn push_header(&mut self, header: &FrameHeader, payload_bytes: usize) {
        let length = payload_bytes as u64;
        self.bytes += header.len(length);
        // A vector takes all that is written to it.
        let _ = header.format(length, &mut self.open.bytes);
    }

    /// What has been pushed last is of an answer.
    fn count_answer(&mut self, bytes: usize) {
        self.answer_bytes += bytes;
        let last = match self.open.bytes.is_empty() {
            true => self.pieces.back_mut().unwrap_or(&mut self.open),
            false => &mut self.open,
        };
        last.answer_bytes += bytes;
    }

    /// Begins another piece if so many bytes would make the last one too large.
    fn make_room(&mut self, bytes: usize) {
        if !self.open.bytes.is_empty() && self.open.bytes.len() + bytes > PIECE_BYTES {
            self.end_piece();
            // Where one is full another one soon will be.
            self.open.bytes.reserve_exact(PIECE_BYTES);
        }
    }

    fn end_piece(&mut self) {
        if !self.open.bytes.is_empty() {
            self.pieces.push_back(mem::take(&mut self.open));
        }
    }

    /// Takes all that waits. It is given back before anything else is taken.
    pub(super) fn take(&mut self) -> Batch {
        self.end_piece();
        let empty = mem::take(&mut self.spare);
        Batch {
            pieces: mem::replace(&mut self.pieces, empty),
            written: mem::take(&mut self.written),
            bytes: 0,
            answer_bytes: 0,
            spare: Vec::new(),
        }
    }

    /// Takes back what could not be written, which goes before what has come meanwhile.
    pub(super) fn give_back(&mut self, batch: Batch) {
        let mut pieces = batch.pieces;
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        self.answer_bytes = self.answer_bytes.saturating_sub(batch.answer_bytes);
        if self.open.bytes.capacity() == 0 {
            self.open.bytes = batch.spare;
        }
        if !pieces.is_empty() {
            self.written = batch.written;
            pieces.append(&mut self.pieces);
            mem::swap(&mut self.pieces, &mut pieces);
        }
        self.spare = pieces;
    }
}

fn header(opcode: OpCode) -> FrameHeader {
    FrameHeader {
        opcode,
        ..FrameHeader::default()
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Fills in what is to be written next, and says how many slices that is.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        let mut skip = self.written;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(piece.bytes.get(mem::take(&mut skip)..).unwrap_or_default());
            count += 1;
        }
        count
    }

    /// Takes off what has been written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.written += bytes;
        while let Some(first) = self.pieces.front()
            && first.bytes.len() <= self.written
        {
            self.written -= first.bytes.len();
            self.answer_bytes += first.answer_bytes;
            if let Some(mut piece) = self.pieces.pop_front()
                && piece.bytes.capacity() <= PIECE_BYTES
            {
                piece.bytes.clear();
                self.spare = piece.bytes;
            }
        }
    }
}

#[cfg(test)]
impl Queue {
    /// The first text frame that waits.
    pub(super) fn pop_text(&mut self) -> Option<String> {
        use std::io::Cursor;
        self.end_piece();
        let pieces = self.pieces.iter().flat_map(|piece| &piece.bytes);
        let all: Vec<u8> = pieces.copied().collect();
        let mut rest = Cursor::new(all.as_slice());
        let (_, length) = FrameHeader::parse(&mut rest).unwrap()?;
        let start = rest.position() as usize;
        let end = start + length as usize;
        self.pieces = VecDeque::from([Piece {
            bytes: all[end..].to_vec(),
            answer_bytes: 0,
        }]);
        self.pieces.retain(|piece| !piece.bytes.is_empty());
        Some(String::from_utf8(all[start..end].to_vec()).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of so many bytes, as it goes out.
    fn framed(text: &str) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match text.len() {
            length @ ..126 => bytes.push(u8::try_from(length).unwrap()),
            length @ ..65_536 => {
                bytes.push(126);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(text.as_bytes());
        bytes
    }

    /// Writes at most so many bytes of a batch, as a socket would.
    fn write(batch: &mut Batch, room: usize, written: &mut Vec<u8>) {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = batch.slices(&mut slices);
        let offered: Vec<u8> = slices[..count].iter().flat_map(|it| it.to_vec()).collect();
        let bytes = room.min(offered.len());
        written.extend(&offered[..bytes]);
        batch.advance(bytes);
    }

    #[test]
    fn what_is_written_in_parts_is_what_was_queued_in_its_order() {
        let sizes = [
            0,
            1,
            125,
            126,
            3,
            LARGE_BYTES - 1,
            LARGE_BYTES,
            70_000,
            5_000,
            2,
        ];
        for room in [1, 7, 100, 4_096, 8_192, 1 << 20] {
            let (mut queue, mut written, mut expected) = (Queue::default(), Vec::new(), Vec::new());
            for (index, size) in sizes.iter().cycle().take(40).enumerate() {
                let text = char::from(b'a' + u8::try_from(index % 26).unwrap());
                let text: String = std::iter::repeat_n(text, *size).collect();
                expected.extend(framed(&text));
                queue.push_text(text);
                if index % 3 == 0 {
                    queue.push_ping();
                    expected.extend([0x89, 0]);
                }
                let mut batch = queue.take();
                // More comes while it is being written.
                queue.push_raw(b"raw");
                expected.extend(b"raw");
                write(&mut batch, room, &mut written);
                queue.give_back(batch);
                assert_eq!(queue.bytes(), expected.len() - written.len());
            }
            while !queue.is_empty() {
                let mut batch = queue.take();
                write(&mut batch, room.max(1_000), &mut written);
                queue.give_back(batch);
            }
            assert_eq!(queue.bytes(), 0);
            assert!(written == expected, "in parts of {room} bytes");
        }
    }

    #[test]
    fn answers_are_counted_apart_until_they_are_written() {
        let mut queue = Queue::default();
        for size in [10, LARGE_BYTES] {
            queue.push_text("x".repeat(size));
            queue.push_answer("y".repeat(size));
        }
        queue.push_raw(b"raw");
        let answers = 10 + LARGE_BYTES + 3;
        assert_eq!(queue.answer_bytes(), answers);
        let mut batch = queue.take();
        queue.push_answer("z".to_owned());
        write(&mut batch, 100, &mut Vec::new());
        queue.give_back(batch);
        assert!(queue.bytes() > queue.answer_bytes());
        assert!((answers - 10..=answers + 1).contains(&queue.answer_bytes()));
        let mut batch = queue.take();
        queue.push_answer("z".to_owned());
        while !batch.is_empty() {
            write(&mut batch, 1_000, &mut Vec::new());
        }
        queue.give_back(batch);
        assert_eq!((queue.answer_bytes(), queue.bytes()), (1, 3));
        queue.clear();
        assert_eq!((queue.answer_bytes(), queue.bytes()), (0, 0));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_large_frame_is_not_copied() {
        let mut queue = Queue::default();
        let text = "x".repeat(LARGE_BYTES);
        let place = text.as_ptr();
        queue.push_text(text);
        assert!(
            queue
                .take()
                .pieces
                .iter()
                .any(|piece| piece.bytes.as_ptr() == place)
        );
    }
}
