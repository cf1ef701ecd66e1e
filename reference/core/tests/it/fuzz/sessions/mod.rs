//! Whole histories of an engine: sessions, calls, triggers, endpoints, requests, queues and time.
//!
//! The input is a script of lines. A line begins with a letter, which says what happens, and the
//! digits behind it say who and what, by their remainders; what a line leaves out is 0, and what
//! has no meaning at the moment is passed over. With `s` for a session's place, of which there
//! are four:
//!
//! - `cs` connects, `xs` leaves; `rsko` has the one at `s` take over from the one at `o`, with `k` odd
//!   by a wrong token
//! - `js…` sends the rest as it is, `bs…` as bytes; `usk` sends what no transport hands over, `vs`
//!   does not read
//! - `fsnk…` registers function `n` of kind `k`, and the rest is its format; `Fsn` unregisters it
//! - `tsnyfc…` registers trigger `n` of type `y` for function `f` with config `c`, or with the rest;
//!   `Tsn` unregisters it
//! - `ysy` registers a type, `Ysy` unregisters it; `pnk` answers the `n`th last trigger that was
//!   asked for
//! - `isfk…` calls a function in the manner `k`, with the rest
//! - `ank…` answers the `n`th last call with the rest, `k` odd with an error; `Asn…` has another
//!   session do it
//! - `hnk…` ends the `n`th last request to an endpoint, with the rest as a body
//! - `gm…` asks for a target by method `m`, up to a tab; after it come headers and a body, with
//!   tabs between. `Gn` gives the `n`th last request up
//! - `wt` lets time pass, `Wt` sets the wall clock
//! - `e` in the first line enforces formats, `z` in the last stops the engine
//!
//! In the end either the engine is stopped or everybody leaves, and nothing may be left.

mod watch;

use std::time::Duration;

use reference_core::{HttpOutcome, Input, Overflow, QueueLimits, SessionId, Settings, Unreadable};
use serde_json::json;

use self::watch::Watch;

/// So many lines of a script count.
const LINES_MAX: usize = 100;
const FUNCTIONS: [&str; 8] = [
    "f",
    "g",
    "orders.create",
    "engine::functions::list",
    "enqueue",
    "engine::queue::stats",
    "engine::queue::peek",
    "engine::workers::register",
];
const TRIGGERS: [&str; 4] = ["t", "u", "t@v", "é"];
const TYPES: [&str; 6] = ["http", "cron", "queue", "blob", "file", "none"];
const CONFIGS: [[&str; 3]; 3] = [
    [
        r#"{"path":"/"}"#,
        r#"{"path":"/a/:id","method":"POST"}"#,
        r#"{"path":"/a/b"}"#,
    ],
    [
        r#"{"schedule":"* * * * * *"}"#,
        r#"{"schedule":"*/5 * * * *","timezone":"Europe/Berlin"}"#,
        r#"{"schedule":"0 9 * * 1"}"#,
    ],
    [
        r#"{"queue_name":"q"}"#,
        r#"{"queue_name":"q","batch_size":2,"visibility_timeout":5}"#,
        r#"{"queue_name":"q::dead_letter"}"#,
    ],
];
const METHODS: [&str; 6] = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "BREW"];
const SECONDS: [u64; 8] = [0, 1, 5, 31, 61, 601, 3_600, 40_000_000];

pub fn target(input: &[u8]) {
    let enforce_formats = input.starts_with(b"e\n");
    let mut watch = Watch::new(Settings {
        requests_max: 3,
        requests_per_session_max: 2,
        call_bytes_per_worker_max: 4_096,
        queues: QueueLimits {
            attempts_max: 2,
            ..QueueLimits::default()
        },
        enforce_formats,
        ..Settings::default()
    });
    for line in input.split(|byte| *byte == b'\n').take(LINES_MAX) {
        Line(line).happen(&mut watch);
    }
    let last = input.rsplit(|byte| *byte == b'\n').next();
    match last {
        Some(b"z") => watch.stop(),
        _ => watch.leave(),
    }
}

struct Line<'a>(&'a [u8]);

impl<'a> Line<'a> {
    /// The digit at a place behind the letter, or what stands for one.
    fn digit(&self, place: usize) -> usize {
        let byte = self.0.get(place + 1).copied().unwrap_or(b'0');
        usize::from(byte.wrapping_sub(b'0'))
    }

    fn one_of<T: Copy>(&self, place: usize, of: &[T]) -> T {
        of[self.digit(place) % of.len()]
    }

    /// What is behind the letter and so many digits.
    fn rest(&self, digits: usize) -> &'a [u8] {
        self.0.get(digits + 1..).unwrap_or_default()
    }

    /// Likewise, if it is text that is not empty.
    fn text(&self, digits: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.rest(digits)).ok();
        text.filter(|text| !text.is_empty())
    }

    fn happen(&self, watch: &mut Watch) {
        let place = self.digit(0);
        match self.0.first() {
            Some(b'c') => watch.connect(place),
            Some(b'x') => watch.disconnect(place),
            Some(b'r') => watch.reattach(place, self.digit(2), self.digit(1).is_multiple_of(2)),
            Some(b'w') => watch.wait(Duration::from_secs(self.one_of(0, &SECONDS))),
            Some(b'W') => watch.set_wall_clock(self.one_of(0, &SECONDS)),
            Some(b'a') => self.answer(watch, place, None),
            Some(b'A') => self.answer(watch, self.digit(1), Some(place)),
            Some(b'h') => self.end_request(watch, place),
            Some(b'g') => self.ask(watch),
            Some(b'G') => watch.abandon(place),
            Some(b'p') => watch.answer_trigger(place, self.digit(1).is_multiple_of(2)),
            Some(_) => {
                if let Some(session) = watch.session(place) {
                    self.sent(watch, session);
                }
            }
            None => {}
        }
    }

    /// What a session does alone.
    fn sent(&self, watch: &mut Watch, session: SessionId) {
        let function = self.one_of(1, &FUNCTIONS);
        let trigger = self.one_of(1, &TRIGGERS);
        let trigger_type = self.one_of(1, &TYPES);
        let frame = match self.0.first() {
            Some(b'j') => {
                return match std::str::from_utf8(self.rest(1)) {
                    Ok(frame) => watch.send(session, frame),
                    Err(_) => watch.input(Input::Unreadable {
                        session,
                        reason: Unreadable::NotUtf8,
                    }),
                };
            }
            Some(b'b') => {
                let frame = self.rest(1);
                return watch.input(Input::Binary { session, frame });
            }
            Some(b'u') => {
                let reason = self.one_of(
                    1,
                    &[
                        Unreadable::BadFraming { problem: "odd" },
                        Unreadable::TooLarge { bytes_max: 9 },
                    ],
                );
                return watch.input(Input::Unreadable { session, reason });
            }
            Some(b'v') => {
                return watch.input(Input::Overflowed {
                    session,
                    with: Overflow::Unread,
                });
            }
            Some(b'f') => self.function(function),
            Some(b'F') => json!({"type": "unregisterfunction", "id": function}).to_string(),
            Some(b't') => self.trigger(trigger),
            Some(b'T') => json!({"type": "unregistertrigger", "id": trigger}).to_string(),
            Some(b'y') => json!({"type": "registertriggertype", "id": trigger_type}).to_string(),
            Some(b'Y') => json!({"type": "unregistertriggertype", "id": trigger_type}).to_string(),
            Some(b'i') => self.call(function),
            _ => return,
        };
        watch.send(session, &frame);
    }

    fn function(&self, id: &str) -> String {
        let auth = |auth: &str| {
            format!(r#","invocation":{{"url":"http://127.0.0.1:9/h","timeout_ms":7000{auth}}}"#)
        };
        let of_kind = match self.digit(2) % 6 {
            0 | 1 => String::new(),
            2 => auth(""),
            3 => auth(r#","auth":{"type":"bearer","token_key":"TOKEN"}"#),
            4 => auth(r#","method":"GET","auth":{"type":"hmac","secret_key":"TOKEN"}"#),
            _ => auth(r#","auth":{"type":"api_key","header":"x","value_key":"DENIED"}"#),
        };
        let format = self.text(3).map_or(String::new(), |format| {
            format!(r#","request_format":{format},"response_format":{format}"#)
        });
        format!(r#"{{"type":"registerfunction","id":"{id}"{of_kind}{format}}}"#)
    }

    fn trigger(&self, id: &str) -> String {
        let kind = self.digit(2) % TYPES.len();
        let (trigger_type, function) = (TYPES[kind], self.one_of(3, &FUNCTIONS));
        let known = CONFIGS
            .get(kind)
            .map_or("{}", |of_type| self.one_of(4, of_type));
        let config = self.text(5).unwrap_or(known);
        format!(
            r#"{{"type":"registertrigger","id":"{id}","trigger_type":"{trigger_type}","function_id":"{function}","config":{config}}}"#
        )
    }

    fn call(&self, function: &str) -> String {
        let manner = match self.digit(2) % 6 {
            0 => r#","invocation_id":"c""#,
            1 => r#","invocation_id":"d","traceparent":"00-a","metadata":1"#,
            2 => "",
            3 => r#","invocation_id":"c","action":{"type":"void"}"#,
            4 => r#","invocation_id":"c","action":{"type":"enqueue","queue":"q"}"#,
            _ => r#","action":{"type":"enqueue"}"#,
        };
        let data = self.text(3).unwrap_or(r#"{"queue_name":"q","data":1}"#);
        format!(r#"{{"type":"invokefunction","function_id":"{function}"{manner},"data":{data}}}"#)
    }

    fn answer(&self, watch: &mut Watch, nth_last: usize, by: Option<usize>) {
        let failed = self.digit(1) % 2 == 1 && by.is_none();
        let field = if failed { "error" } else { "result" };
        let value = self.text(2).unwrap_or(r#"{"code":"c"}"#);
        watch.answer_call(nth_last, by, &format!(r#","{field}":{value}}}"#));
    }

    fn end_request(&self, watch: &mut Watch, nth_last: usize) {
        let body = self.rest(2);
        let statuses = [200, 204, 302, 404, 500];
        let outcome = match self.digit(1) % 7 {
            5 => HttpOutcome::TooLarge { bytes_max: 9 },
            6 => HttpOutcome::Failed { problem: "reset" },
            nth => HttpOutcome::Answer {
                status: statuses[nth],
                body,
            },
        };
        watch.end_request(nth_last, outcome);
    }

    fn ask(&self, watch: &mut Watch) {
        let mut parts = self.rest(1).split(|byte| *byte == b'\t');
        let target = parts.next().and_then(|it| std::str::from_utf8(it).ok());
        let Some(target) = target else { return };
        let mut parts: Vec<&[u8]> = parts.collect();
        let body = parts.pop().unwrap_or_default();
        let headers = parts.iter().filter_map(|part| {
            let colon = part.iter().position(|byte| *byte == b':')?;
            let name = std::str::from_utf8(&part[..colon]).ok()?;
            Some((name, &part[colon + 1..]))
        });
        let headers: Vec<(&str, &[u8])> = headers.collect();
        watch.ask(self.one_of(0, &METHODS), target, &headers, body);
    }
}
