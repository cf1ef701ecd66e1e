//! What the lines of a transcript say that happened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    notes::{Event, Noted},
    script::Scene,
    wire::Said,
};
use crate::{
    case::RawOpcode,
    frame::Frame,
    session::HELLO,
    transcript::{CONNECTED_AGAIN, Direction, ENTRY_BYTES_MAX, Entry, Whole},
};

/// What became of the session of a name.
#[derive(Clone, Copy, Debug)]
enum Known {
    Open(usize),
    /// The suite has ended it: what it sends after that is another one's.
    Left,
    /// The engine has: what the suite sends after that reaches nobody.
    Ended,
}

/// What happened so far.
#[derive(Default)]
struct Scenes {
    /// A ping that is not answered yet is none.
    scenes: Vec<Option<Scene>>,
    sessions: BTreeMap<String, Known>,
    opened: usize,
    /// The pings of each session that are not answered yet, as places among the scenes: those of
    /// the protocol, and those of WebSocket.
    pings: BTreeMap<usize, [VecDeque<Option<usize>>; 2]>,
    /// The names of endpoints and of requests.
    http: BTreeSet<String>,
}

impl Scenes {
    fn open(&mut self, name: &str) -> usize {
        let session = self.opened;
        self.opened += 1;
        self.sessions.insert(name.to_owned(), Known::Open(session));
        self.note(session, Event::Connected);
        session
    }

    /// The session that sends under a name; a new one if the suite has ended the last.
    fn sending(&mut self, name: &str) -> Option<usize> {
        match self.sessions.get(name) {
            Some(Known::Open(session)) => Some(*session),
            Some(Known::Ended) => None,
            Some(Known::Left) | None => Some(self.open(name)),
        }
    }

    /// The session that something of the engine's arrives on, if it is still looked at.
    fn receiving(&mut self, name: &str) -> Option<usize> {
        match self.sessions.get(name) {
            Some(Known::Open(session)) => Some(*session),
            Some(Known::Ended | Known::Left) => None,
            None => Some(self.open(name)),
        }
    }

    fn end(&mut self, name: &str, known: Known, event: Event) {
        match self.sessions.get(name).copied() {
            Some(Known::Open(session)) => self.note(session, event),
            Some(Known::Left | Known::Ended) => return,
            // Nothing was said on it.
            None => {}
        }
        self.sessions.insert(name.to_owned(), known);
    }

    fn add(&mut self, scene: Scene) {
        self.scenes.push(Some(scene));
    }

    fn note(&mut self, session: usize, event: Event) {
        self.add(Scene::Session(Noted { session, event }));
    }

    fn sent(&mut self, name: &str, said: Said) {
        if let Some(session) = self.sending(name) {
            if let Some(ping) = ping(&said) {
                let place = ping.is_bare.then_some(self.scenes.len());
                self.pinged(session, Ping::PROTOCOL, place);
            }
            self.note(session, Event::FromClient(said));
        }
    }

    fn received(&mut self, name: &str, frame: &Frame) {
        let Some(session) = self.receiving(name) else {
            return;
        };
        if frame.kind() == "pong" && self.ponged(session, Ping::PROTOCOL, Scene::Fence(session)) {
            return;
        }
        self.note(session, Event::FromEngine(message(&frame.text)));
    }

    fn pinged(&mut self, session: usize, kind: usize, place: Option<usize>) {
        let pings = self.pings.entry(session).or_default().get_mut(kind);
        pings.into_iter().for_each(|it| it.push_back(place));
    }

    /// Whether a pong stands for nothing more, now that its ping has become a step that waits.
    fn ponged(&mut self, session: usize, kind: usize, step: Scene) -> bool {
        let pings = self.pings.get_mut(&session).and_then(|it| it.get_mut(kind));
        let place = pings.and_then(VecDeque::pop_front).flatten();
        let scene = place.and_then(|it| self.scenes.get_mut(it));
        scene.map(|it| *it = Some(step)).is_some()
    }
}

/// A `ping` frame.
struct Ping {
    /// Whether it is that of a fence.
    is_bare: bool,
}

impl Ping {
    const PROTOCOL: usize = 0;
    const WEB_SOCKET: usize = 1;
}

fn ping(said: &Said) -> Option<Ping> {
    let Said::Message {
        text: true,
        payload,
    } = said
    else {
        return None;
    };
    let frame = Frame::read(std::str::from_utf8(payload).ok()?).ok()?;
    (frame.kind() == "ping").then(|| Ping {
        is_bare: frame.value.as_object().is_some_and(|it| it.len() == 1),
    })
}

/// What was said, in order. Sessions introduce themselves again by themselves.
pub(super) fn scenes(entries: &[Entry]) -> Result<Vec<Scene>, &'static str> {
    let mut scenes = Scenes::default();
    for entry in entries {
        let name = entry.session.as_str();
        match &entry.whole {
            Some(whole) => of_whole(&mut scenes, name, whole)?,
            None if scenes.http.contains(name) => {
                let answer = Frame::read(&entry.text).ok();
                let answer = answer.filter(|_| entry.direction == Direction::Received);
                let answer = answer.map(|it| Scene::Answered(name.to_owned(), it));
                answer.into_iter().for_each(|it| scenes.add(it));
            }
            None => of_text(&mut scenes, entry)?,
        }
    }
    Ok(scenes.scenes.into_iter().flatten().collect())
}

fn of_whole(scenes: &mut Scenes, name: &str, whole: &Whole) -> Result<(), &'static str> {
    let own = name.to_owned();
    let scene = match whole {
        Whole::Frame(raw) => {
            let payload = hex::decode(&raw.hex).map_err(|_| "bytes in it are no hexadecimal")?;
            let text = raw.opcode == RawOpcode::Text;
            scenes.sent(name, Said::Message { text, payload });
            return Ok(());
        }
        Whole::Endpoint(served) => Scene::Serve(own, served.clone()),
        Whole::Request(requested) => Scene::Ask(own, requested.clone()),
        Whole::Received(request) => {
            let frame = Frame::read(&request.to_string());
            Scene::Asked(own, frame.map_err(|_| "a request in it cannot be read")?)
        }
    };
    scenes.http.insert(name.to_owned());
    scenes.add(scene);
    Ok(())
}

fn of_text(scenes: &mut Scenes, entry: &Entry) -> Result<(), &'static str> {
    let (name, text) = (entry.session.as_str(), entry.text.as_str());
    let is_cut = text.len() >= ENTRY_BYTES_MAX;
    match (entry.direction, parenthesised(text)) {
        (Direction::Note, _) if text == CONNECTED_AGAIN => {
            scenes.open(name);
        }
        (Direction::Note, _) if text.starts_with("connection dropped") => {
            scenes.end(name, Known::Left, Event::ClientGone);
        }
        (Direction::Note, _) if text.starts_with("connection lost") => {
            scenes.end(name, Known::Ended, Event::FromEngine(Said::Unreadable));
        }
        (Direction::Note, _) => {}
        (Direction::Sent, _) if is_cut => return Err("a frame that was sent is cut short in it"),
        (Direction::Sent, None) if text == HELLO => {
            scenes.sending(name);
        }
        (Direction::Sent, None) if is_request(text) => return Err(HTTP),
        (Direction::Sent, None) => scenes.sent(name, message(text)),
        (Direction::Sent, Some(what)) => match close(what) {
            Some(code) => {
                let event = Event::FromClient(Said::Close(code));
                scenes.end(name, Known::Left, event);
            }
            None if what.starts_with("WebSocket ping") => {
                if let Some(session) = scenes.sending(name) {
                    let place = scenes.scenes.len();
                    scenes.pinged(session, Ping::WEB_SOCKET, Some(place));
                    scenes.scenes.push(None);
                }
            }
            None => return Err("it does not show all bytes that were sent"),
        },
        (Direction::Received, Some(what)) => match close(what) {
            Some(code) => {
                let event = Event::FromEngine(Said::Close(code));
                scenes.end(name, Known::Ended, event);
            }
            None if what.starts_with("WebSocket pong") => {
                if let Some(session) = scenes.receiving(name) {
                    scenes.ponged(session, Ping::WEB_SOCKET, Scene::Ping(session));
                }
            }
            None => {}
        },
        (Direction::Received, None) if text.contains(" ‹endpoint›") => return Err(HTTP),
        // What is no frame, or not known to its end, cannot be expected.
        (Direction::Received, None) => {
            if let Some(frame) = Frame::read(text).ok().filter(|_| !is_cut) {
                scenes.received(name, &frame);
            }
        }
    }
    Ok(())
}

const HTTP: &str = "it has HTTP requests of which it does not show all";

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
    use std::time::Duration;

    use super::*;

    fn entries(lines: &[(&str, Direction, &str)]) -> Vec<Entry> {
        let entry = |(session, direction, text): &(&str, Direction, &str)| Entry {
            at: Duration::ZERO,
            session: (*session).to_owned(),
            direction: *direction,
            text: (*text).to_owned(),
            whole: None,
        };
        lines.iter().map(entry).collect()
    }

    #[test]
    fn a_session_of_the_same_name_is_another_one_after_the_end() {
        use Direction::{Note, Received, Sent};
        let frame = r#"{"type":"registerfunction","id":"f"}"#;
        let noted = scenes(&entries(&[
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
        let event = |scene: &Scene| match scene {
            Scene::Session(noted) => (noted.session, noted.event.clone()),
            other => panic!("{other:?}"),
        };
        let events: Vec<(usize, Event)> = noted.iter().map(event).collect();
        let (sent, greeting) = (message(frame), message(r#"{"type":"workerregistered"}"#));
        assert_eq!(
            events,
            [
                (0, Event::Connected),
                (0, Event::FromEngine(greeting)),
                (0, Event::FromClient(Said::Close(Some(1000)))),
                (1, Event::Connected),
                (1, Event::FromClient(sent.clone())),
                (1, Event::ClientGone),
                (2, Event::Connected),
                (2, Event::FromClient(sent)),
            ]
        );
    }

    #[test]
    fn what_does_not_show_all_is_refused() {
        let long = "x".repeat(ENTRY_BYTES_MAX);
        for line in [
            ("w", Direction::Sent, "(2 bytes: 00ff)"),
            (
                "client",
                Direction::Sent,
                "GET http://127.0.0.1:3111/orders | ",
            ),
            (
                "hook",
                Direction::Received,
                "POST ‹endpoint› | host: h | {}",
            ),
            ("w", Direction::Sent, &long),
        ] {
            assert!(scenes(&entries(&[line])).is_err(), "{line:?}");
        }
    }

    #[test]
    fn pings_that_were_answered_are_waited_for_again() {
        use Direction::{Received, Sent};
        let (ping, pong) = (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#);
        let found = scenes(&entries(&[
            ("w", Sent, ping),
            ("w", Sent, "(WebSocket ping `fence 1`)"),
            ("w", Received, "(WebSocket pong `fence 1`)"),
            ("w", Received, pong),
            ("w", Sent, r#"{"type":"ping","id":"p"}"#),
            ("w", Received, pong),
            ("w", Sent, ping),
        ]));
        let found = found.unwrap();
        let shapes: Vec<String> = found
            .iter()
            .map(|it| match it {
                Scene::Fence(_) => "fence".to_owned(),
                Scene::Ping(_) => "ping".to_owned(),
                scene => match scene.frame() {
                    Some((true, frame)) => format!("sends {}", frame.text),
                    Some((false, frame)) => format!("gets {}", frame.text),
                    None => "connects".to_owned(),
                },
            })
            .collect();
        let named = r#"sends {"type":"ping","id":"p"}"#.to_owned();
        let expected = [
            "connects".to_owned(),
            "fence".to_owned(),
            "ping".to_owned(),
            named,
            format!("gets {pong}"),
            format!("sends {ping}"),
        ];
        assert_eq!(shapes, expected);
    }

    #[test]
    fn what_is_sent_or_arrives_after_the_end_is_no_new_session() {
        use Direction::{Note, Received, Sent};
        let frame = r#"{"type":"registerfunction","id":"f"}"#;
        let late = r#"{"type":"invokefunction","invocation_id":"i"}"#;
        let opened = |lines: &[(&str, Direction, &str)]| {
            let found = scenes(&entries(lines)).unwrap();
            let opened = |it: &&Scene| matches!(it, Scene::Session(noted) if noted.event == Event::Connected);
            found.iter().filter(opened).count()
        };
        let ended = [("w", Received, "(Close 1008)"), ("w", Sent, frame)];
        assert_eq!(opened(&[&[("w", Sent, frame)][..], &ended].concat()), 1);
        let left = [("w", Sent, "(Close 1000)"), ("w", Received, late)];
        assert_eq!(opened(&[&[("w", Sent, frame)][..], &left].concat()), 1);
        let again = [("w", Note, CONNECTED_AGAIN), ("w", Received, late)];
        assert_eq!(opened(&[&left[..], &again].concat()), 1);
        assert_eq!(
            opened(&[&[("w", Sent, frame)][..], &left, &again].concat()),
            2
        );
    }
}
