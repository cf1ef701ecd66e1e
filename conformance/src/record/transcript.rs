//! The transcript of a case as a recording: what its sessions sent is sent again, and what they
//! were sent is expected.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Recording,
    proxy::{Event, Noted},
    wire::Said,
};
use crate::{
    frame::Frame,
    session::HELLO,
    transcript::{Direction, ENTRY_BYTES_MAX, Entry},
};

/// Why a transcript cannot be played again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The file could not be read.
    #[error("cannot read `{0}`: {1}")]
    Io(String, std::io::Error),
    /// It is no report.
    #[error("`{0}` is no report of a run: {1}")]
    Format(String, serde_json::Error),
    /// The report has no transcript of that case.
    #[error("`{path}` has no transcript of {wanted}; --case takes one of: {there}")]
    NotThere {
        /// The report.
        path: String,
        /// What was asked for.
        wanted: String,
        /// The cases that have a transcript.
        there: String,
    },
    /// It does not show all that was sent.
    #[error("the transcript of `{0}` cannot be played again: {1}")]
    Incomplete(String, &'static str),
}

/// The transcripts of a report.
#[derive(Debug, Deserialize)]
pub struct Transcripts {
    #[serde(skip)]
    path: String,
    cases: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    id: String,
    clauses: Vec<String>,
    transcript: Option<Vec<Line>>,
}

#[derive(Debug, Deserialize)]
struct Line {
    session: String,
    direction: String,
    text: String,
}

impl Transcripts {
    /// The transcripts of the file, if it is a report and no case.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is neither.
    pub fn read(path: &Path) -> Result<Option<Self>, TranscriptError> {
        let shown = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return Err(TranscriptError::Io(shown, error)),
        };
        let value: Result<Value, _> = serde_json::from_str(&text);
        // What is no JSON is for the reader of cases to complain of.
        if !value.is_ok_and(|it| it.get("format_version").is_some()) {
            return Ok(None);
        }
        match serde_json::from_str::<Self>(&text) {
            Ok(read) => Ok(Some(Self {
                path: shown,
                ..read
            })),
            Err(error) => Err(TranscriptError::Format(shown, error)),
        }
    }

    /// The transcript of a case, as a case; that of the only one that has one if none is named.
    ///
    /// # Errors
    ///
    /// If there is no such transcript, or it does not show all that was sent.
    pub fn recording(&self, case: Option<&str>) -> Result<Recording, TranscriptError> {
        let told = self.cases.iter().filter(|it| it.transcript.is_some());
        let told: Vec<&Told> = told.collect();
        let found = match (case, told.as_slice()) {
            (Some(id), all) => all.iter().find(|it| it.id == id),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(told) = found else {
            let there: Vec<&str> = told.iter().map(|it| it.id.as_str()).collect();
            return Err(TranscriptError::NotThere {
                path: self.path.clone(),
                wanted: case.map_or("one case alone".to_owned(), |it| format!("`{it}`")),
                there: there.join(", "),
            });
        };
        let entries = told.transcript.iter().flatten().map(Line::entry);
        let notes = notes(&entries.collect::<Vec<_>>());
        let incomplete = |why| TranscriptError::Incomplete(told.id.clone(), why);
        let notes = notes.map_err(incomplete)?;
        let clause = told.clauses.first().map_or("RT-16", String::as_str);
        let recording = Recording::of(&notes, &told.id, clause);
        recording.ok_or_else(|| incomplete("nothing was said"))
    }
}

impl Line {
    fn entry(&self) -> Entry {
        Entry {
            at: Duration::ZERO,
            session: self.session.clone(),
            direction: match self.direction.as_str() {
                "sent" => Direction::Sent,
                "received" => Direction::Received,
                _ => Direction::Note,
            },
            text: self.text.clone(),
        }
    }
}

/// The sessions of one name, the newest of which may be open.
#[derive(Default)]
struct Sessions {
    open: BTreeMap<String, usize>,
    opened: usize,
    notes: Vec<Noted>,
}

impl Sessions {
    /// The open session of a name; a new one if there is none.
    fn of(&mut self, name: &str) -> usize {
        if let Some(session) = self.open.get(name) {
            return *session;
        }
        let session = self.opened;
        self.opened += 1;
        self.open.insert(name.to_owned(), session);
        self.note(session, Event::Connected);
        session
    }

    fn end(&mut self, name: &str, event: Event) {
        if let Some(session) = self.open.remove(name) {
            self.note(session, event);
        }
    }

    fn note(&mut self, session: usize, event: Event) {
        self.notes.push(Noted { session, event });
    }
}

/// What was said, in order. Sessions introduce themselves again by themselves.
fn notes(entries: &[Entry]) -> Result<Vec<Noted>, &'static str> {
    let mut sessions = Sessions::default();
    for entry in entries {
        let (name, text) = (entry.session.as_str(), entry.text.as_str());
        if text.len() >= ENTRY_BYTES_MAX {
            return Err("a frame in it is cut short");
        }
        match (entry.direction, parenthesised(text)) {
            (Direction::Note, _) if text.starts_with("connection dropped") => {
                sessions.end(name, Event::ClientGone);
            }
            (Direction::Note, _) => {}
            (Direction::Sent, None) if text == HELLO => {
                sessions.of(name);
            }
            (Direction::Sent, None) if is_request(text) => return Err(HTTP),
            (Direction::Sent, None) => {
                let session = sessions.of(name);
                sessions.note(session, Event::FromClient(message(text)));
            }
            (Direction::Received, None) => {
                if Frame::read(text).is_err() {
                    return Err(HTTP);
                }
                let session = sessions.of(name);
                sessions.note(session, Event::FromEngine(message(text)));
            }
            (direction, Some(what)) => match (direction, close(what)) {
                (Direction::Sent, Some(code)) => {
                    sessions.end(name, Event::FromClient(Said::Close(code)));
                }
                (_, Some(code)) => sessions.end(name, Event::FromEngine(Said::Close(code))),
                (_, None) if what.starts_with("WebSocket p") => {}
                (Direction::Sent, None) => return Err("it does not show all bytes that were sent"),
                (_, None) => {}
            },
        }
    }
    Ok(sessions.notes)
}

const HTTP: &str = "it has HTTP requests, or what is no frame";

/// Whether it is how a transcript shows an HTTP request of the suite's.
fn is_request(text: &str) -> bool {
    let words = text.split_once(' ');
    words.is_some_and(|(_, url)| url.starts_with("http://"))
}

fn message(text: &str) -> Said {
    Said::Message {
        text: true,
        payload: text.as_bytes().to_vec(),
    }
}

/// What is no text of a frame stands in a transcript in brackets.
fn parenthesised(text: &str) -> Option<&str> {
    text.strip_prefix('(')?.strip_suffix(')')
}

/// The code of a Close frame, if it is one.
fn close(what: &str) -> Option<Option<u16>> {
    let rest = what.strip_prefix("Close")?;
    Some(rest.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(lines: &[(&str, Direction, &str)]) -> Vec<Entry> {
        let entry = |(session, direction, text): &(&str, Direction, &str)| Entry {
            at: Duration::ZERO,
            session: (*session).to_owned(),
            direction: *direction,
            text: (*text).to_owned(),
        };
        lines.iter().map(entry).collect()
    }

    #[test]
    fn a_session_of_the_same_name_is_another_one_after_the_end() {
        use Direction::{Note, Received, Sent};
        let frame = r#"{"type":"registerfunction","id":"f"}"#;
        let noted = notes(&entries(&[
            ("w", Sent, HELLO),
            ("w", Received, r#"{"type":"workerregistered"}"#),
            ("w", Sent, "(WebSocket ping `fence 1`)"),
            ("w", Sent, "(Close 1000)"),
            ("w", Received, "(Close 1000)"),
            ("w", Sent, frame),
            ("w", Note, "connection dropped without a Close frame"),
            ("w", Sent, frame),
        ]));
        let noted = noted.unwrap();
        let events: Vec<(usize, &Event)> = noted.iter().map(|it| (it.session, &it.event)).collect();
        let (sent, greeting) = (message(frame), message(r#"{"type":"workerregistered"}"#));
        assert_eq!(
            events,
            [
                (0, &Event::Connected),
                (0, &Event::FromEngine(greeting)),
                (0, &Event::FromClient(Said::Close(Some(1000)))),
                (1, &Event::Connected),
                (1, &Event::FromClient(sent.clone())),
                (1, &Event::ClientGone),
                (2, &Event::Connected),
                (2, &Event::FromClient(sent)),
            ]
        );
    }

    #[test]
    fn what_does_not_show_all_is_refused() {
        for lines in [
            [("w", Direction::Sent, "(2 bytes: 00ff)")],
            [(
                "client",
                Direction::Sent,
                "GET http://127.0.0.1:3111/orders | ",
            )],
            [("hook", Direction::Received, "POST /hook HTTP/1.1")],
        ] {
            assert!(notes(&entries(&lines)).is_err(), "{lines:?}");
        }
    }
}
