//! Sessions that call, and workers that answer, for as little of a processor as they can: frames
//! are made once, written in bursts, and looked at no more than counting and answering take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    task::JoinSet,
    time::sleep,
};

use crate::{
    Outcome,
    address::Address,
    figures::count,
    peer::{Peer, invoke, on_the_wire, register_function, result},
    system::{Aside, aside},
};

const CALLERS: usize = 32;
const WORKERS: usize = 4;
/// How many calls are written at once.
const BURST: usize = 64;
/// How many calls a caller that waits for answers has under way.
const WINDOW: usize = 2 * BURST;
const PACE: Duration = Duration::from_millis(1);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const SCRAP_BYTES: usize = 64 << 10;
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

/// Callers, and the workers that they call.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    calling: Aside<Outcome>,
    serving: Aside<Outcome>,
}

impl Crowd {
    /// Begins to call a function.
    pub(crate) async fn start(
        address: Address,
        function: &'static str,
        pace: Pace,
    ) -> Outcome<Self> {
        let mut workers = Vec::new();
        for _ in 0..WORKERS {
            let mut worker = Peer::connect(address).await?;
            worker.send(register_function(function)).await?;
            worker.fence().await?;
            workers.push(worker.into_tcp().into_std()?);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let serving = aside(true, move || async move {
            let mut tasks = JoinSet::new();
            for worker in workers {
                let (reader, writer) = tokio::net::TcpStream::from_std(worker)?.into_split();
                tasks.spawn(serve(reader, writer, Arc::clone(&stopped)));
            }
            all(tasks).await
        })?;
        let stopped = Arc::clone(&stop);
        let calling = aside(true, move || async move {
            let mut tasks = JoinSet::new();
            for _ in 0..CALLERS {
                tasks.spawn(call(address, function, pace, Arc::clone(&stopped)));
            }
            all(tasks).await
        })?;
        Ok(Self {
            stop,
            calling,
            serving,
        })
    }

    /// Ends all their connections.
    pub(crate) async fn stop(self) -> Outcome {
        self.stop.store(true, Relaxed);
        self.calling.ended().await??;
        self.serving.ended().await?
    }
}

async fn all(mut tasks: JoinSet<Outcome>) -> Outcome {
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        sleep(LOOK_EVERY).await;
    }
}

async fn call(address: Address, function: &str, pace: Pace, stop: Arc<AtomicBool>) -> Outcome {
    let (reader, writer) = Peer::connect(address).await?.into_tcp().into_split();
    let burst = on_the_wire(&invoke("c", function, "null")).repeat(BURST);
    let calling = async {
        match pace {
            Pace::AsAnswered => call_as_answered(reader, writer, &burst).await,
            Pace::CallsPerSecond(rate) => {
                let reading = tokio::spawn(discard(reader));
                let outcome = call_at(writer, &burst, rate / count(CALLERS)).await;
                reading.abort();
                outcome
            }
        }
    };
    tokio::select! {
        outcome = calling => outcome,
        () = stopped(&stop) => Ok(()),
    }
}

async fn call_at(mut writer: OwnedWriteHalf, burst: &[u8], rate: f64) -> Outcome {
    let (began, mut written) = (Instant::now(), 0);
    loop {
        while count(written) < rate * began.elapsed().as_secs_f64() {
            writer.write_all(burst).await?;
            written += BURST;
        }
        sleep(PACE).await;
    }
}

async fn call_as_answered(
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    burst: &[u8],
) -> Outcome {
    let mut scrap = vec![0; SCRAP_BYTES];
    let (mut frames, mut under_way) = (Frames::default(), 0);
    loop {
        while under_way + BURST <= WINDOW {
            writer.write_all(burst).await?;
            under_way += BURST;
        }
        let bytes = reader.read(&mut scrap).await?;
        if bytes == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
        frames.take(scrap.get(..bytes).unwrap_or_default(), |_| under_way -= 1);
    }
}

async fn discard(mut reader: OwnedReadHalf) {
    let mut scrap = vec![0; SCRAP_BYTES];
    while let Ok(1..) = reader.read(&mut scrap).await {}
}

/// Answers each call with null.
async fn serve(
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    stop: Arc<AtomicBool>,
) -> Outcome {
    // The id is written over these.
    let blank = "0".repeat(ID_BYTES);
    let answer = on_the_wire(&result(&blank, "null"));
    let at = find(&answer, blank.as_bytes()).unwrap_or_default();
    let (mut scrap, mut frames, mut answers) =
        (vec![0; SCRAP_BYTES], Frames::default(), Vec::new());
    let serving = async {
        loop {
            match reader.read(&mut scrap).await? {
                0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                bytes => frames.take(scrap.get(..bytes).unwrap_or_default(), |frame| {
                    let Some(id) = id_of(frame) else { return };
                    let from = answers.len() + at;
                    answers.extend_from_slice(&answer);
                    if let Some(place) = answers.get_mut(from..from + ID_BYTES) {
                        place.copy_from_slice(id);
                    }
                }),
            }
            writer.write_all(&answers).await?;
            answers.clear();
        }
    };
    tokio::select! {
        outcome = serving => outcome,
        () = stopped(&stop) => Ok(()),
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
