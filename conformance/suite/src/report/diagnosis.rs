//! What is wrong with an engine as a whole, where every case would only say the same.

use std::io::{self, Write};

use super::{Run, style::BAD};
use crate::transcript::{Direction, Entry};

/// So many cases have to say the same.
const CASES_MIN: usize = 4;

/// What is wrong with an engine as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Diagnosis {
    /// It has sent nothing, and ended the connections.
    EndsSessions,
    /// It has sent nothing, and kept the connections open.
    SaysNothing,
    /// It has sent what it got, and nothing else.
    Echoes,
}

impl Run<'_> {
    /// What is wrong with the engine as a whole, if anything is.
    pub(super) fn diagnosis(&self) -> Option<Diagnosis> {
        let (mut spoke, mut failed, mut said, mut ended, mut original) = (0, 0, 0, 0, 0);
        for outcome in self.outcomes {
            let sent = texts(&outcome.transcript, Direction::Sent);
            if sent.is_empty() {
                continue;
            }
            spoke += 1;
            failed += usize::from(outcome.decides_against(self.strict));
            let received = texts(&outcome.transcript, Direction::Received);
            // Frames that were no JSON are noted otherwise than they were sent.
            original += usize::from(received.iter().any(|it| !sent.contains(it)));
            said += usize::from(!received.is_empty());
            ended += usize::from(outcome.was_cut_off());
        }
        if failed == 0 || spoke < CASES_MIN || original * 10 > spoke || self.gone.is_some() {
            return None;
        }
        let most = |count: usize| count * 2 > spoke;
        match said {
            0 if most(ended) => Some(Diagnosis::EndsSessions),
            0 => Some(Diagnosis::SaysNothing),
            said if most(said) => Some(Diagnosis::Echoes),
            _ => None,
        }
    }
}

/// Says it in a few lines.
pub(super) fn write(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(diagnosis) = run.diagnosis() else {
        return Ok(());
    };
    let (headline, advice) = match diagnosis {
        Diagnosis::EndsSessions => (
            "THE ENGINE ENDS EVERY SESSION",
            "it takes connections and ends them without a frame: see its log; is this the \
             port and the path for workers, and does it want credentials or another greeting?",
        ),
        Diagnosis::SaysNothing => (
            "THE ENGINE NEVER SENT A FRAME",
            "it takes sessions and answers nothing: is this the port for workers, and does it \
             read text frames that hold one JSON object with a `type`?",
        ),
        Diagnosis::Echoes => (
            "THE ENGINE SENDS BACK WHAT IT GETS",
            "every frame came back as it was, and no other was sent: this is an echo server, \
             or the frames of workers go to the wrong place",
        ),
    };
    writeln!(out, "\n{BAD}{headline}{BAD:#}: {advice}")
}

/// The frames of a transcript; what is no text stands there in brackets.
fn texts(transcript: &[Entry], direction: Direction) -> Vec<&str> {
    let texts = transcript.iter().filter(|it| it.direction == direction);
    let texts = texts.map(|it| it.text.as_str());
    texts.filter(|it| !it.starts_with('(')).collect()
}
