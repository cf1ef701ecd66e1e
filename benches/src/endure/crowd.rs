//! Sessions that call, and workers that answer, for as little of a processor as they can: one
//! thread goes round them all. It keeps their sockets full of frames that were made once, discards
//! what comes back, and looks at calls no more than answering takes.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    address::Address,
    figures::count,
    peer::{Peer, invoke, on_the_wire, result},
    system::{Aside, Priority, aside},
};

const CALLERS: usize = 32;
const WORKERS: usize = 4;
/// How many calls are written at once.
const BURST: usize = 512;
/// How many calls a caller that waits for answers has under way, at least.
const WINDOW: usize = 128;
/// What lies between two rounds: meanwhile sockets fill on one side and drain on the other.
const ROUND_EVERY: Duration = Duration::from_millis(2);
const SCRAP_BYTES: usize = 256 << 10;
/// What stands before the id of a call.
const ID_KEY: &[u8] = br#""invocation_id":""#;
const ID_BYTES: usize = 36;

/// When the crowd calls.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As fast as it is answered.
    AsAnswered,
    /// So often a second together, or as fast as the engine reads if that is slower.
    CallsPerSecond(f64),
}

/// Callers, and the workers that they call. Their connections end with it.
#[derive(Debug)]
pub(crate) struct Crowd {
    orders: Sender<Pace>,
    going_round: Aside<()>,
}

impl Crowd {
    /// Connects all of them. Nobody calls yet.
    pub(crate) async fn gather(address: Address, function: &str) -> Outcome<Self> {
        let (mut workers, mut callers) = (Vec::new(), Vec::new());
        for _ in 0..WORKERS {
            let worker = Peer::worker(address, function).await?;
            workers.push(Worker::new(worker.into_tcp().into_std()?));
        }
        for _ in 0..CALLERS {
            let caller = Peer::connect(address).await?;
            callers.push(Caller::new(caller.into_tcp().into_std()?));
        }
        let call = on_the_wire(&invoke("c", function, "null"));
        let (orders, ordered) = channel();
        let going_round = aside("crowd", Priority::Low, move || async move {
            Ok(go_round(&mut workers, &mut callers, &call, &ordered)?)
        })?;
        Ok(Self {
            orders,
            going_round,
        })
    }

    /// Has them call from now on.
    pub(crate) fn call(&self, pace: Pace) {
        // Nobody listens only if the thread has failed, which is told when all go.
        let _ = self.orders.send(pace);
    }

    /// Ends all their connections.
    pub(crate) async fn go(self) -> Outcome {
        drop(self.orders);
        self.going_round.ended().await
    }
}

/// Goes on until there are no more orders to come.
fn go_round(
    workers: &mut [Worker],
    callers: &mut [Caller],
    call: &[u8],
    orders: &Receiver<Pace>,
) -> io::Result<()> {
    let Ok(mut pace) = orders.recv() else {
        return Ok(());
    };
    let burst = call.repeat(BURST);
    let (mut scrap, mut began) = (vec![0; SCRAP_BYTES], Instant::now());
    loop {
        for worker in &mut *workers {
            worker.answer(&mut scrap)?;
        }
        for caller in &mut *callers {
            let calls = match pace {
                Pace::AsAnswered => {
                    caller.count_answers(&mut scrap)?;
                    count(caller.answered + WINDOW)
                }
                Pace::CallsPerSecond(rate) => {
                    discard(&caller.tcp, &mut scrap)?;
                    rate * began.elapsed().as_secs_f64() / count(CALLERS)
                }
            };
            while count(caller.written / call.len()) < calls && caller.write(&burst)? {}
        }
        match orders.recv_timeout(ROUND_EVERY) {
            Ok(other) => (pace, began) = (other, Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

struct Caller {
    tcp: TcpStream,
    /// Bytes.
    written: usize,
    answered: usize,
    frames: Frames,
}

impl Caller {
    fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            written: 0,
            answered: 0,
            frames: Frames::default(),
        }
    }

    /// Writes what is left of a burst, as far as there is room; whether there was for all.
    fn write(&mut self, burst: &[u8]) -> io::Result<bool> {
        let rest = burst.get(self.written % burst.len()..).unwrap_or_default();
        let written = unless_blocked(self.tcp.write(rest))?.unwrap_or_default();
        self.written += written;
        Ok(written == rest.len())
    }

    fn count_answers(&mut self, scrap: &mut [u8]) -> io::Result<()> {
        while let Some(bytes) = read(&self.tcp, scrap)? {
            self.frames.take(bytes, |_| self.answered += 1);
        }
        Ok(())
    }
}

/// Answers each call with null.
struct Worker {
    tcp: TcpStream,
    frames: Frames,
    /// An answer, in which the id is written over the one that is there.
    answer: Vec<u8>,
    id_at: usize,
    unwritten: Vec<u8>,
}

impl Worker {
    fn new(tcp: TcpStream) -> Self {
        let blank = "0".repeat(ID_BYTES);
        let answer = on_the_wire(&result(&blank, "null"));
        Self {
            tcp,
            frames: Frames::default(),
            id_at: find(&answer, blank.as_bytes()).unwrap_or_default(),
            answer,
            unwritten: Vec::new(),
        }
    }

    /// Reads calls and writes answers, as far as there is room for them.
    fn answer(&mut self, scrap: &mut [u8]) -> io::Result<()> {
        loop {
            while !self.unwritten.is_empty() {
                let Some(written) = unless_blocked(self.tcp.write(&self.unwritten))? else {
                    return Ok(());
                };
                self.unwritten.drain(..written);
            }
            let Some(bytes) = read(&self.tcp, scrap)? else {
                return Ok(());
            };
            self.frames.take(bytes, |frame| {
                let Some(id) = id_of(frame) else { return };
                let from = self.unwritten.len() + self.id_at;
                self.unwritten.extend_from_slice(&self.answer);
                if let Some(place) = self.unwritten.get_mut(from..from + ID_BYTES) {
                    place.copy_from_slice(id);
                }
            });
        }
    }
}

fn discard(tcp: &TcpStream, scrap: &mut [u8]) -> io::Result<()> {
    while read(tcp, scrap)?.is_some() {}
    Ok(())
}

/// What has come, if anything has.
fn read<'s>(mut tcp: &TcpStream, scrap: &'s mut [u8]) -> io::Result<Option<&'s [u8]>> {
    match unless_blocked(tcp.read(scrap))? {
        Some(0) => Err(ErrorKind::UnexpectedEof.into()),
        Some(bytes) => Ok(scrap.get(..bytes)),
        None => Ok(None),
    }
}

fn unless_blocked<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn id_of(frame: &[u8]) -> Option<&[u8]> {
    let from = find(frame, ID_KEY)? + ID_KEY.len();
    frame.get(from..from + ID_BYTES)
}

/// Takes bytes apart that an engine has sent.
#[derive(Debug, Default)]
struct Frames {
    /// The beginning of a frame whose end has still to come.
    part: Vec<u8>,
}

impl Frames {
    /// Hands on the payload of each frame that is whole.
    fn take(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        self.part.extend_from_slice(bytes);
        let mut rest = self.part.as_slice();
        while let Some((payload, after)) = first_frame(rest) {
            each(payload);
            rest = after;
        }
        let done = self.part.len() - rest.len();
        self.part.drain(..done);
    }
}

/// The payload of an unmasked frame of less than 64 KiB, and what comes after it.
fn first_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, length) = match bytes.get(1)? {
        126 => {
            let (high, low) = (bytes.get(2)?, bytes.get(3)?);
            (4, usize::from(u16::from_be_bytes([*high, *low])))
        }
        short => (2, usize::from(*short)),
    };
    bytes.get(header..)?.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_come() {
        let long = "y".repeat(300);
        let mut bytes = vec![0x81, 2, b'a', b'b', 0x81, 0, 0x81, 126, 1, 44];
        bytes.extend(long.as_bytes());
        for piece in [1, 3, 5, bytes.len()] {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            for part in bytes.chunks(piece) {
                frames.take(part, |it| {
                    seen.push(String::from_utf8_lossy(it).into_owned())
                });
            }
            assert_eq!(seen, ["ab", "", &long], "{piece}");
        }
    }

    #[test]
    fn the_id_of_a_call_is_found() {
        let id = "7a8e3c52-31a0-4c6f-8f5e-1f1f1d8f7a10";
        assert_eq!(id_of(invoke(id, "f", "1").as_bytes()), Some(id.as_bytes()));
        assert_eq!(id_of(b"{}"), None);
    }
}
