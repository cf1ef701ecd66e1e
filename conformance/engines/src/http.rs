//! How an engine writes HTTP: its requests to the endpoints of functions, and its answers to
//! requests for http triggers. All of it is allowed by RFC 9112, and says the same.

use std::net::SocketAddr;

use reference::core::{
    Deadline, Effect, EndpointUrl, HeaderText, HttpRequest, Input, Machine, World,
};

use crate::BoxedMachine;

/// How long the chunks of a body are, one after another and again from the first.
const CHUNK_BYTES: [usize; 4] = [1, 7, 2, 64];
const EXTENSION: &str = ";ours=\"a; b\"";
/// How much of a message comes a byte at a time, and how long the pieces of the rest are.
const SINGLE_BYTES: usize = 400;
const PIECE_BYTES: usize = 509;

/// How the messages of an engine are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As the reference writes them.
    Usual,
    /// Bodies come in chunks, some with an extension, and with a trailer.
    Chunked,
    /// The names of headers are in another case.
    InAnotherCase,
    /// Headers come in the opposite order.
    Backwards,
    /// Bytes come one by one.
    InPieces,
    /// Answers have reason phrases of the engine's own, and last until the connection ends.
    UntilTheEnd,
}

/// One message of an engine, until it has come whole.
#[derive(Debug)]
pub struct Message {
    manner: Manner,
    /// Whether it answers `HEAD`: then it has no body, whatever its headers say.
    headless: bool,
    bytes: Vec<u8>,
}

/// A message that has come whole, as it goes on.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// The host that it names, if it is a request.
    pub host: Option<String>,
    /// What is sent, piece by piece.
    pub pieces: Vec<Vec<u8>>,
}

impl Message {
    /// A request of the engine's.
    #[must_use]
    pub fn request(manner: Manner) -> Self {
        Self {
            manner,
            headless: false,
            bytes: Vec::new(),
        }
    }

    /// An answer of the engine's, after which its connection ends.
    #[must_use]
    pub fn answer(manner: Manner, asked: &[u8]) -> Self {
        Self {
            headless: asked.starts_with(b"HEAD "),
            ..Self::request(manner)
        }
    }

    /// Takes some bytes; the message, if it is whole with them.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Written> {
        self.bytes.extend_from_slice(bytes);
        let end = self.bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(self.bytes.get(..end)?).into_owned();
        let mut head = Head::read(&head);
        let length = match self.headless {
            true => 0,
            false => head.value("content-length").map_or(0, number),
        };
        let body = self.bytes.get(end + 4..end + 4 + length)?;
        let host = head.value("host").map(str::to_owned);
        let body = head.write_as(self.manner, self.headless, body);
        let mut whole = head.text().into_bytes();
        whole.extend(body);
        let pieces = match self.manner {
            Manner::InPieces => pieces(&whole),
            _ => vec![whole],
        };
        Some(Written { host, pieces })
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_default()
}

fn pieces(whole: &[u8]) -> Vec<Vec<u8>> {
    let (single, rest) = whole.split_at(whole.len().min(SINGLE_BYTES));
    let (single, rest) = (single.chunks(1), rest.chunks(PIECE_BYTES));
    single.chain(rest).map(<[u8]>::to_vec).collect()
}

/// The first line of a message, and its headers.
struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn read(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(header).collect();
        Self { first, headers }
    }

    fn is_answer(&self) -> bool {
        self.first.starts_with("HTTP/")
    }

    fn value(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(it, _)| it.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    fn remove(&mut self, name: &str) {
        self.headers
            .retain(|(it, _)| !it.eq_ignore_ascii_case(name));
    }

    /// Changes the head; the body that goes with it.
    fn write_as(&mut self, manner: Manner, headless: bool, body: &[u8]) -> Vec<u8> {
        if self.is_answer() && self.value("connection").is_none() {
            self.add("connection", "close");
        }
        let framed = !headless && self.value("content-length").is_some();
        match manner {
            Manner::Usual | Manner::InPieces => {}
            Manner::Chunked if framed => {
                self.remove("content-length");
                self.add("transfer-encoding", "chunked");
                return chunked(body);
            }
            Manner::Chunked => {}
            Manner::InAnotherCase => {
                for (index, (name, _)) in self.headers.iter_mut().enumerate() {
                    *name = in_another_case(name, index);
                }
            }
            Manner::Backwards => self.headers.reverse(),
            Manner::UntilTheEnd if self.is_answer() => {
                self.remove("content-length");
                let mut words = self.first.splitn(3, ' ');
                if let (Some(version), Some(status)) = (words.next(), words.next()) {
                    self.first = format!("{version} {status} As it is");
                }
            }
            Manner::UntilTheEnd => {}
        }
        body.to_vec()
    }

    fn text(&self) -> String {
        let headers = self.headers.iter();
        let headers: String = headers
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!("{}\r\n{headers}\r\n", self.first)
    }
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let (mut written, mut left) = (Vec::new(), body);
    for (index, bytes) in CHUNK_BYTES.iter().cycle().enumerate() {
        if left.is_empty() {
            break;
        }
        let (chunk, rest) = left.split_at(left.len().min(*bytes));
        let extension = if index % 5 == 1 { EXTENSION } else { "" };
        written.extend(format!("{:X}{extension}\r\n", chunk.len()).bytes());
        written.extend_from_slice(chunk);
        written.extend(b"\r\n");
        left = rest;
    }
    written.extend(b"0\r\nX-Trailer: behind the body\r\n\r\n");
    written
}

/// `X-III-SIGNATURE`, and `X-Iii-Signature` for every other header.
fn in_another_case(name: &str, index: usize) -> String {
    if index.is_multiple_of(2) {
        return name.to_ascii_uppercase();
    }
    let mut at_start = true;
    let letters = name.chars().map(|letter| {
        let begins = std::mem::replace(&mut at_start, letter == '-');
        match begins {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        }
    });
    letters.collect()
}

/// An engine whose requests to this machine go by way of a relay, each on a connection of its own.
/// Which endpoint it is for is in its `Host`, as if there were no relay.
pub struct Rerouted {
    machine: BoxedMachine,
    relay: SocketAddr,
}

impl Rerouted {
    /// Takes the requests of an engine to a relay.
    #[must_use]
    pub fn new(machine: BoxedMachine, relay: SocketAddr) -> Self {
        Self { machine, relay }
    }

    fn reroute(&self, request: &mut HttpRequest) {
        let mut url = request.url.expose().clone();
        let here = self.relay.ip().to_string();
        if url.scheme() != "http" || url.host_str() != Some(&here) {
            return;
        }
        let host = match url.port() {
            Some(port) => format!("{here}:{port}"),
            None => here,
        };
        if url.set_port(Some(self.relay.port())).is_ok()
            && let Ok(relayed) = EndpointUrl::new(url.as_str())
        {
            request.url = relayed;
            for (name, value) in [("host", host), ("connection", "close".to_owned())] {
                let value = HeaderText::Plain(value);
                request.headers.push((name.to_owned(), value));
            }
        }
    }
}

impl Machine for Rerouted {
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        let before = effects.len();
        self.machine.handle(input, world, effects);
        for effect in effects.iter_mut().skip(before) {
            if let Effect::Request(request) = effect {
                self.reroute(request);
            }
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.machine.next_deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &str =
        "POST /x HTTP/1.1\r\nx-a: 1\r\nhost: h:1\r\ncontent-length: 9\r\n\r\n123456789";
    const ANSWER: &str = "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nok";

    fn request(manner: Manner) -> String {
        text(Message::request(manner).take(REQUEST.as_bytes()).unwrap())
    }

    fn answer(manner: Manner, asked: &str, given: &str) -> String {
        let mut message = Message::answer(manner, asked.as_bytes());
        text(message.take(given.as_bytes()).unwrap())
    }

    fn text(written: Written) -> String {
        String::from_utf8(written.pieces.concat()).unwrap()
    }

    #[test]
    fn requests() {
        assert_eq!(request(Manner::Usual), REQUEST);
        assert_eq!(request(Manner::UntilTheEnd), REQUEST);
        assert_eq!(request(Manner::InPieces), REQUEST);
        assert_eq!(
            request(Manner::Chunked),
            "POST /x HTTP/1.1\r\nx-a: 1\r\nhost: h:1\r\ntransfer-encoding: chunked\r\n\r\n\
             1\r\n1\r\n7;ours=\"a; b\"\r\n2345678\r\n1\r\n9\r\n0\r\nX-Trailer: behind the body\r\n\r\n"
        );
        assert_eq!(
            request(Manner::InAnotherCase),
            "POST /x HTTP/1.1\r\nX-A: 1\r\nHost: h:1\r\nCONTENT-LENGTH: 9\r\n\r\n123456789"
        );
        assert_eq!(
            request(Manner::Backwards),
            "POST /x HTTP/1.1\r\ncontent-length: 9\r\nhost: h:1\r\nx-a: 1\r\n\r\n123456789"
        );
    }

    #[test]
    fn answers() {
        assert_eq!(
            answer(Manner::UntilTheEnd, "GET / HTTP/1.1", ANSWER),
            "HTTP/1.1 200 As it is\r\nx-a: 1\r\nconnection: close\r\n\r\nok"
        );
        let headless = ANSWER.strip_suffix("ok").unwrap();
        let whole = answer(Manner::Chunked, "HEAD / HTTP/1.1", headless);
        assert!(whole.contains("content-length: 2"), "{whole}");
        let none = "HTTP/1.1 204 No Content\r\n\r\n";
        let whole = answer(Manner::Chunked, "GET / HTTP/1.1", none);
        assert!(!whole.contains("chunked"), "{whole}");
    }

    #[test]
    fn a_message_is_written_once_it_is_whole() {
        let mut message = Message::request(Manner::InPieces);
        let (most, last) = REQUEST.split_at(REQUEST.len() - 1);
        assert_eq!(message.take(most.as_bytes()), None);
        let written = message.take(last.as_bytes()).unwrap();
        assert_eq!(written.host.as_deref(), Some("h:1"));
        assert_eq!(written.pieces.len(), REQUEST.len());
    }
}
