//! What holds in every case, whatever it is about: nothing is answered twice.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    transcript::{Direction, Entry},
    verdict::Failure,
};

/// What answers what.
const ANSWERS: [(&str, &str); 5] = [
    ("functionregistrationresult", "registerfunction"),
    ("invocationresult", "invokefunction"),
    ("pong", "ping"),
    ("triggerregistrationresult", "registertrigger"),
    ("triggertyperegistrationresult", "registertriggertype"),
];

/// An answer that a session was given more often than it had asked, or a call that it was handed
/// more than once (RT-02, RF-13). Frames are counted by their `type` and the id that they answer.
pub(super) fn said_twice(transcript: &[Entry]) -> Option<Failure> {
    let mut frames: BTreeMap<Frame<'_>, usize> = BTreeMap::new();
    let read: Vec<Option<Value>> = transcript.iter().map(read).collect();
    for (entry, value) in transcript.iter().zip(&read) {
        let Some(value) = value else {
            continue;
        };
        let kind = text(value, "type").unwrap_or_default();
        let id = match kind {
            "ping" | "pong" => Some(""),
            "invokefunction" | "invocationresult" => text(value, "invocation_id"),
            _ => text(value, "id"),
        };
        if let Some(id) = id {
            let frame = Frame {
                session: &entry.session,
                received: entry.direction == Direction::Received,
                kind,
                id,
            };
            *frames.entry(frame).or_default() += 1;
        }
    }
    let (frame, times) = frames
        .iter()
        .find(|(frame, times)| frame.received && **times > frame.allowed(&frames))?;
    Some(Failure {
        step: None,
        expected: "nothing is answered twice".to_owned(),
        problem: format!(
            "`{}` was sent {times} `{}` frames for `{}`",
            frame.session, frame.kind, frame.id
        ),
        mismatches: Vec::new(),
        history: Vec::new(),
        is_the_cases: false,
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Frame<'t> {
    session: &'t str,
    received: bool,
    kind: &'t str,
    id: &'t str,
}

impl Frame<'_> {
    /// How often it may have been received.
    fn allowed(&self, frames: &BTreeMap<Frame<'_>, usize>) -> usize {
        if self.kind == "invokefunction" {
            return 1;
        }
        let Some((_, request)) = ANSWERS.iter().find(|(answer, _)| *answer == self.kind) else {
            return usize::MAX;
        };
        let asked = Frame {
            received: false,
            kind: request,
            ..*self
        };
        // What was sent as bytes may have been read otherwise than it is here.
        frames.get(&asked).copied().unwrap_or_default().max(1)
    }
}

fn text<'v>(frame: &'v Value, field: &str) -> Option<&'v str> {
    frame.get(field)?.as_str()
}

fn read(entry: &Entry) -> Option<Value> {
    match entry.direction {
        Direction::Note => None,
        Direction::Sent | Direction::Received => serde_json::from_str(&entry.text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn said(lines: &[(&str, Direction, &str)]) -> Option<String> {
        let entry = |(session, direction, text): &(&str, Direction, &str)| Entry {
            at: Duration::ZERO,
            session: (*session).to_owned(),
            direction: *direction,
            text: (*text).to_owned(),
            whole: None,
        };
        let transcript: Vec<Entry> = lines.iter().map(entry).collect();
        said_twice(&transcript).map(|failure| failure.problem)
    }

    const RESULT: &str = r#"{"type":"triggerregistrationresult","id":"t"}"#;
    const REQUEST: &str = r#"{"type":"registertrigger","id":"t"}"#;

    #[test]
    fn an_answer_a_question() {
        use Direction::{Received, Sent};
        let twice = "`w` was sent 2 `triggerregistrationresult` frames for `t`";
        for (lines, expected) in [
            (vec![("w", Sent, REQUEST), ("w", Received, RESULT)], None),
            (
                vec![
                    ("w", Sent, REQUEST),
                    ("w", Received, RESULT),
                    ("w", Sent, REQUEST),
                    ("w", Received, RESULT),
                ],
                None,
            ),
            (
                vec![
                    ("w", Sent, REQUEST),
                    ("w", Received, RESULT),
                    ("w", Received, RESULT),
                ],
                Some(twice),
            ),
            // Nobody knows how an engine has read what is no JSON here.
            (vec![("w", Sent, "{"), ("w", Received, RESULT)], None),
            // Another session's.
            (
                vec![
                    ("w", Sent, REQUEST),
                    ("w", Received, RESULT),
                    ("v", Received, RESULT),
                ],
                None,
            ),
        ] {
            assert_eq!(said(&lines).as_deref(), expected, "{lines:?}");
        }
        let call = r#"{"type":"invokefunction","invocation_id":"i"}"#;
        assert!(said(&[("w", Received, call), ("w", Received, call)]).is_some());
        assert!(said(&[("w", Sent, call), ("w", Sent, call)]).is_none());
        let pong = r#"{"type":"pong"}"#;
        assert!(
            said(&[
                ("w", Sent, r#"{"type":"ping"}"#),
                ("w", Received, pong),
                ("w", Received, pong)
            ])
            .is_some()
        );
    }
}
