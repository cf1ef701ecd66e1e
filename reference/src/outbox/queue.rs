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

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: VecDeque<Vec<u8>>,
    /// The last piece, which small frames are added to.
    open: Vec<u8>,
    /// How much of the first piece has been written.
    written: usize,
    /// How many bytes have not been written, including those that are out in a [`Batch`].
    bytes: usize,
    /// A queue of no pieces, to be used again.
    spare: VecDeque<Vec<u8>>,
}

/// What has been taken to be written.
#[derive(Debug)]
pub(super) struct Batch {
    pieces: VecDeque<Vec<u8>>,
    written: usize,
    /// How many bytes were written of it.
    bytes: usize,
    /// A piece that has been written, to be used again.
    spare: Vec<u8>,
}

impl Queue {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits but what is out in a batch.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.open.is_empty()
    }

    pub(super) fn push_text(&mut self, text: String) {
        self.push_header(OpCode::Data(Data::Text), text.len());
        if text.len() < LARGE_BYTES {
            self.push_raw(text.as_bytes());
        } else {
            self.bytes += text.len();
            self.end_piece();
            self.pieces.push_back(text.into_bytes());
        }
    }

    pub(super) fn push_ping(&mut self) {
        self.push_header(OpCode::Control(Control::Ping), 0);
    }

    pub(super) fn push_raw(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        if self.open.len() + bytes.len() > PIECE_BYTES {
            self.end_piece();
        }
        self.open.extend_from_slice(bytes);
    }

    fn push_header(&mut self, opcode: OpCode, payload_bytes: usize) {
        let header = FrameHeader {
            opcode,
            ..FrameHeader::default()
        };
        let length = payload_bytes as u64;
        self.bytes += header.len(length);
        // A vector takes all that is written to it.
        let _ = header.format(length, &mut self.open);
    }

    fn end_piece(&mut self) {
        if !self.open.is_empty() {
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
            spare: Vec::new(),
        }
    }

    /// Takes back what could not be written; it goes before what has come meanwhile.
    pub(super) fn give_back(&mut self, batch: Batch) {
        let mut pieces = batch.pieces;
        self.bytes = self.bytes.saturating_sub(batch.bytes);
        if self.open.capacity() == 0 {
            self.open = batch.spare;
        }
        if !pieces.is_empty() {
            self.written = batch.written;
            pieces.append(&mut self.pieces);
            mem::swap(&mut self.pieces, &mut pieces);
        }
        self.spare = pieces;
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
            *slice = IoSlice::new(piece.get(mem::take(&mut skip)..).unwrap_or_default());
            count += 1;
        }
        count
    }

    /// Takes off what has been written.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.written += bytes;
        while let Some(first) = self.pieces.front()
            && first.len() <= self.written
        {
            self.written -= first.len();
            if let Some(mut piece) = self.pieces.pop_front()
                && piece.capacity() <= PIECE_BYTES
            {
                piece.clear();
                self.spare = piece;
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
        let all: Vec<u8> = self.pieces.iter().flatten().copied().collect();
        let mut rest = Cursor::new(all.as_slice());
        let (_, length) = FrameHeader::parse(&mut rest).unwrap()?;
        let start = rest.position() as usize;
        let end = start + length as usize;
        self.pieces = VecDeque::from([all[end..].to_vec()]);
        self.pieces.retain(|piece| !piece.is_empty());
        Some(String::from_utf8(all[start..end].to_vec()).unwrap())
    }
}
