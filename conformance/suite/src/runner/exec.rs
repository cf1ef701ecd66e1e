//! Performing the steps of one case.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Context, Features};
use crate::{
    case::{Action, Case, RawOpcode, Step},
    endpoint::Endpoint,
    exchange::Exchange,
    session::{CLOSE_WITHOUT_A_CODE, ConnectError, Session, Stop, describe_unread},
    template::{Mismatch, Scope, TemplateError},
    transcript::{Direction, Transcript, beginning},
    verdict::Failure,
};

/// How long a session of a case that has been judged is given to close.
const CLOSE_TIME_MAX: Duration = Duration::from_millis(500);

/// A case while it runs.
pub(super) struct CaseRun<'c> {
    pub(super) context: &'c Context,
    pub(super) case: &'c Case,
    features: &'c Features,
    pub(super) scope: Scope,
    sessions: BTreeMap<String, Session>,
    /// The sessions that the case has closed, and with what code the engine did.
    closed: BTreeMap<String, Option<u16>>,
    pub(super) endpoints: BTreeMap<String, Endpoint>,
    /// The HTTP requests that were sent and whose answers were not yet taken.
    pub(super) exchanges: BTreeMap<String, Exchange>,
    pub(super) transcript: Transcript,
    /// The labels of the alternatives that came true.
    pub(super) branches: Vec<String>,
    /// What was seen where nothing is prescribed.
    pub(super) remarks: Vec<String>,
    /// Whether a trigger was registered under other names than the documents'.
    pub(super) mapped: bool,
    /// What takes back the registrations of a case with ids that others use as well.
    undo: Vec<(String, String)>,
    /// Whether it has opened a session.
    pub(super) began: bool,
    /// Whether a connection has ended that the engine had not closed, or could not be had.
    pub(super) lost: bool,
}

/// Why a step failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) expected: String,
    pub(super) problem: String,
    pub(super) mismatches: Vec<Mismatch>,
    /// Whether the case is at fault, and not the engine.
    pub(super) is_the_cases: bool,
}

impl Fault {
    pub(super) fn new(expected: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            problem: problem.into(),
            mismatches: Vec::new(),
            is_the_cases: false,
        }
    }

    /// Something arrived, and is not what was expected.
    pub(super) fn differs(expected: impl Into<String>, mismatches: Vec<Mismatch>) -> Self {
        Self {
            mismatches,
            ..Self::new(expected, "it arrived, but it differs")
        }
    }

    pub(super) fn of_case(problem: impl fmt::Display) -> Self {
        Self {
            is_the_cases: true,
            ..Self::new(
                "a case that can be run",
                format!("the case is at fault: {problem}"),
            )
        }
    }

    pub(super) fn stopped(expected: impl Into<String>, stop: Stop, patience_ms: u128) -> Self {
        Self::new(expected, describe(stop, patience_ms))
    }
}

impl From<TemplateError> for Fault {
    fn from(error: TemplateError) -> Self {
        Self::of_case(error)
    }
}

pub(crate) fn describe(stop: Stop, patience_ms: u128) -> String {
    match stop {
        Stop::Patience => format!("nothing of the kind arrived within {patience_ms} ms"),
        Stop::Ended(Some(CLOSE_WITHOUT_A_CODE)) => {
            "the engine ended the connection with a Close frame that has no code".to_owned()
        }
        Stop::Ended(Some(code)) => format!("the engine ended the connection with code {code}"),
        Stop::Flooded => "the engine sent far more than anybody had asked for".to_owned(),
        Stop::Unread(time) => describe_unread(time),
        Stop::Ended(None) => "the connection ended without a Close frame".to_owned(),
    }
}

impl<'c> CaseRun<'c> {
    pub(super) fn new(
        context: &'c Context,
        case: &'c Case,
        features: &'c Features,
        transcript: Transcript,
    ) -> Self {
        Self {
            context,
            case,
            features,
            scope: Scope::new(format!("{}-{}", context.run, short(&case.id))),
            sessions: BTreeMap::new(),
            closed: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            transcript,
            branches: Vec::new(),
            remarks: Vec::new(),
            mapped: false,
            undo: Vec::new(),
            began: false,
            lost: false,
        }
    }

    pub(super) async fn perform(&mut self) -> Result<(), Failure> {
        let at = |step: Option<usize>| {
            move |fault: Fault| Failure {
                step,
                expected: fault.expected,
                problem: beginning(fault.problem),
                mismatches: fault.mismatches,
                history: Vec::new(),
                is_the_cases: fault.is_the_cases,
            }
        };
        let case = self.case;
        self.serve_endpoints().await.map_err(at(None))?;
        for name in &case.sessions {
            self.connect(name).await.map_err(at(None))?;
        }
        for (index, step) in case.steps.iter().enumerate() {
            self.step(step).await.map_err(at(Some(index + 1)))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), Fault> {
        let on = &step.on;
        match &step.action {
            Action::Connect => self.connect(on).await,
            Action::Send(template) => self.send(on, template).await,
            Action::SendText(template) => {
                let filled = self.scope.fill(template)?;
                let text = filled.as_str().unwrap_or_default();
                self.session(on)?.send_text(text).await;
                Ok(())
            }
            Action::SendRaw(raw) => {
                let payload =
                    hex::decode(&raw.hex).map_err(|it| Fault::of_case(format!("bad hex: {it}")))?;
                let as_text = raw.opcode == RawOpcode::Text;
                self.session(on)?.send_bytes(payload, as_text).await;
                Ok(())
            }
            Action::Expect(template) => self.expect(on, template).await,
            Action::ExpectAll(templates) => self.expect_all(on, templates).await,
            Action::ExpectOne(alternatives) => self.expect_one(on, alternatives).await,
            Action::Quiet(template) => self.quiet(on, template).await,
            Action::Alive => self.fence(on, "the session still answers").await,
            Action::Ping => self.ping(on).await,
            Action::Close(code) => self.close(on, *code).await,
            Action::Drop => {
                self.sessions.remove(on);
                self.transcript.add(
                    on,
                    Direction::Note,
                    "connection dropped without a Close frame",
                );
                Ok(())
            }
            Action::ExpectClose(codes) => self.expect_close(on, codes).await,
            Action::ExpectRequest(template) => self.expect_request(on, template).await,
            Action::NoRequest => self.no_request(on).await,
            Action::Request(request) => self.request(on, request),
            Action::ExpectResponse(template) => self.expect_response(on, template).await,
        }
    }

    async fn connect(&mut self, name: &str) -> Result<(), Fault> {
        let mut opened = self.open(name).await;
        // A case that has not begun is not held to blame for an engine that is being restarted.
        if opened.is_err() && !self.began {
            let presence = &self.context.presence;
            if presence
                .find_out(self.context, &self.case.id)
                .await
                .is_none()
            {
                opened = self.open(name).await;
            }
        }
        self.lost |= opened.is_err();
        let mut session = opened
            .map_err(|error| Fault::new(format!("a session for `{name}`"), error.to_string()))?;
        self.began = true;
        self.context.presence.opened(&self.case.id);
        session.restore_names(&self.context.target.config_keys);
        self.closed.remove(name);
        self.sessions.insert(name.to_owned(), session);
        Ok(())
    }

    async fn open(&self, name: &str) -> Result<Session, ConnectError> {
        let target = &self.context.target;
        let patience = self.context.pace.patience;
        let hello = target.hello && !self.case.silent.iter().any(|it| it == name);
        let begun = Instant::now();
        let opened = Session::connect(&target.url, name, hello, patience, &self.transcript).await;
        self.context.presence.attempted(begun, &opened);
        opened
    }

    async fn send(&mut self, on: &str, template: &Value) -> Result<(), Fault> {
        let mut text = self.scope.frame_text(template)?;
        if let Some(mapped) = self.context.target.config_keys.apply(&text) {
            self.mapped = true;
            text = mapped;
        }
        if self.case.verbatim
            && let Some(undo) = undo(&text)
        {
            self.undo.push((on.to_owned(), undo));
        }
        self.session(on)?.send_text(&text).await;
        Ok(())
    }

    pub(super) async fn fence(&mut self, on: &str, expected: &str) -> Result<(), Fault> {
        let in_protocol = self.features.has("ping");
        self.fence_by(on, in_protocol, expected).await
    }

    async fn ping(&mut self, on: &str) -> Result<(), Fault> {
        self.fence_by(on, false, "the answer to a WebSocket ping")
            .await
    }

    async fn fence_by(&mut self, on: &str, in_protocol: bool, expected: &str) -> Result<(), Fault> {
        let (deadline, patience_ms) = self.deadline();
        let session = self.session(on)?;
        session.fence(in_protocol, deadline).await.map_err(|stop| {
            let asked = if in_protocol {
                "a `ping` frame"
            } else {
                "a WebSocket ping"
            };
            let stopped = describe(stop, patience_ms);
            Fault::new(expected, format!("{asked} was not answered: {stopped}"))
        })
    }

    async fn close(&mut self, on: &str, code: u16) -> Result<(), Fault> {
        let (deadline, patience_ms) = self.deadline();
        let session = self.session(on)?;
        let closed = session.close(code, deadline).await;
        let lost = session.was_lost();
        self.lost |= lost;
        let code = closed
            .map_err(|stop| Fault::stopped("the end of the connection", stop, patience_ms))?;
        self.sessions.remove(on);
        self.closed.insert(on.to_owned(), code);
        Ok(())
    }

    async fn expect_close(&mut self, on: &str, codes: &[u16]) -> Result<(), Fault> {
        let expected = format!("the engine closes the session with {}", one_of(codes));
        let (deadline, patience_ms) = self.deadline();
        let ended = match self.closed.remove(on) {
            Some(code) => Ok(code),
            None => self.session(on)?.ended(deadline).await,
        };
        match ended {
            Ok(Some(code)) if codes.contains(&code) => Ok(()),
            Ok(code) => Err(Fault::stopped(expected, Stop::Ended(code), patience_ms)),
            Err(stop) => Err(Fault::stopped(expected, stop, patience_ms)),
        }
    }

    pub(super) fn session(&mut self, name: &str) -> Result<&mut Session, Fault> {
        self.sessions.get_mut(name).ok_or_else(|| {
            Fault::new(
                format!("an open session `{name}`"),
                "the case has closed it",
            )
        })
    }

    /// When patience ends, and how many milliseconds it lasts.
    pub(super) fn deadline(&self) -> (Instant, u128) {
        let clock = Duration::from_secs(self.case.clock_s.into());
        let clock = clock.mul_f64(self.context.pace.clock_scale);
        let patience = self.context.pace.patience + clock;
        (Instant::now() + patience, patience.as_millis())
    }

    /// Leaves nothing behind: an engine that does not forget what ended sessions registered
    /// must not make other cases fail.
    pub(super) async fn clean_up(&mut self) {
        self.exchanges.clear();
        let undo = std::mem::take(&mut self.undo);
        for (session, frame) in undo.iter().rev() {
            if let Some(session) = self.sessions.get_mut(session) {
                session.send_text(frame).await;
            }
        }
        let deadline = Instant::now() + self.context.pace.patience.min(CLOSE_TIME_MAX);
        for session in self.sessions.values_mut() {
            // The case has been judged; an engine that does not close fails the case about it.
            let _ = session.close(1000, deadline).await;
            self.lost |= session.was_lost();
        }
    }
}

/// How a case ends that has not noticed that the engine is gone.
pub(super) fn cut_off() -> Failure {
    Failure {
        step: None,
        expected: "an engine that is there until the case has ended".to_owned(),
        problem: "it went away while the case was running".to_owned(),
        mismatches: Vec::new(),
        history: Vec::new(),
        is_the_cases: false,
    }
}

/// The frame that takes a registration back, if a frame is one.
fn undo(text: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(text).ok()?;
    let kind = match frame.get("type")?.as_str()? {
        "registerfunction" => "unregisterfunction",
        "registertrigger" => "unregistertrigger",
        "registertriggertype" => "unregistertriggertype",
        _ => return None,
    };
    Some(json!({ "type": kind, "id": frame.get("id")? }).to_string())
}

pub(super) fn one_of(codes: &[u16]) -> String {
    let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
    codes.join(" or ")
}

/// A few letters of a case's id, so that the ids of a run differ from case to case.
fn short(id: &str) -> String {
    let hash = id.bytes().fold(0xcbf2_9ce4_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    format!("{hash:08x}")
}
