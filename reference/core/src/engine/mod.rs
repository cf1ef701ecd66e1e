//! The engine itself: its tables, and the dispatch of inputs to the rules.

mod builtin;
mod calls;
mod firing;
mod functions;
mod listing;
mod output;
mod owed;
mod pages;
mod queue_functions;
mod registration;
mod room;
mod sessions;
mod trigger_types;
mod triggers;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

pub(crate) use self::firing::Armed;
use self::{
    calls::Calls,
    firing::Firing,
    functions::Functions,
    output::Output,
    pages::Tally,
    sessions::Sessions,
    trigger_types::{Asked, TriggerTypes, WaitingFor},
};
use crate::{
    CloseCode, Effect, EventKind, Failure, Input, Machine, Overflow, QueueLimits, SessionId,
    Unreadable, World,
    shares::Shares,
    timers::Timers,
    wire::{ErrorFrame, Message, Pong},
};

/// How many time-outs, and how many schedules, one tick sees to: whatever comes in meanwhile waits
/// for them.
const DUE_MAX: usize = 256;

/// What can be set about an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a worker may take to answer a call (D-15).
    pub call_timeout: Duration,
    /// How large the calls that one worker has still to answer are together, in bytes, 512 for
    /// each included (D-28). A call that is larger is sent alone.
    pub call_bytes_per_worker_max: usize,
    /// How large the calls of one session are that workers have still to answer, its triggers'
    /// included; likewise.
    pub call_bytes_per_caller_max: usize,
    /// How large all calls are that workers have still to answer; likewise.
    pub call_bytes_max: usize,
    /// How many requests to endpoints are made at once (D-28).
    pub requests_max: usize,
    /// How many of them for one calling session.
    pub requests_per_session_max: usize,
    /// How large their bodies are together, in bytes (D-28). A body that is larger is sent alone.
    pub request_bytes_max: usize,
    /// How large the bodies of one calling session's are together, in bytes; likewise.
    pub request_bytes_per_session_max: usize,
    /// How large the result of one of the engine's own lists is, in bytes (D-28).
    pub list_bytes_max: usize,
    /// How large all registrations are together, in bytes (D-28).
    pub registration_bytes_max: usize,
    /// How large those of one session are.
    pub registration_bytes_per_session_max: usize,
    /// How long a provider may take to answer a trigger's registration (D-10).
    pub trigger_registration_timeout: Duration,
    /// What queues may hold (D-13).
    pub queues: QueueLimits,
    /// Whether payloads and results are held to the formats of functions (D-14).
    pub enforce_formats: bool,
    /// Whether each call is reported as it begins and as it ends, and not only one that fails.
    pub report_calls: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(30),
            call_bytes_per_worker_max: 48 << 20,
            call_bytes_per_caller_max: 128 << 20,
            call_bytes_max: 512 << 20,
            requests_max: 1_024,
            requests_per_session_max: 256,
            request_bytes_max: 64 << 20,
            request_bytes_per_session_max: 16 << 20,
            list_bytes_max: 16 << 20,
            registration_bytes_max: 4 << 30,
            registration_bytes_per_session_max: 2 << 30,
            trigger_registration_timeout: Duration::from_secs(10),
            queues: QueueLimits::default(),
            enforce_formats: false,
            report_calls: false,
        }
    }
}

/// When the engine wants an [`Input::Tick`], and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// On the monotonic clock of [`crate::Now`].
    pub at: Duration,
    /// What happens then.
    pub reason: DeadlineReason,
    /// Whether it depends on the wall clock, which may be set meanwhile: then the engine wants
    /// to be told the time now and again before it, too.
    pub watches_wall_clock: bool,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineReason {
    /// A call ends `timeout` (D-15).
    CallTimeout,
    /// A call that has ended counts with its worker no more, which has never answered it (D-28).
    LateAnswer,
    /// A trigger's registration ends `trigger_registration_timeout` (D-10), or would have.
    TriggerRegistrationTimeout,
    /// A provider is told of more triggers that have gone (D-28).
    Withdrawals,
    /// A schedule is due (D-12).
    CronFiring,
    /// A function could not be called for messages; it is tried again (D-13).
    QueueRetry,
}

/// What a timer of the engine's acts on.
#[derive(Clone, Debug)]
enum Due {
    Call(Uuid),
    LateAnswer(SessionId, Uuid),
    TriggerRegistration(WaitingFor),
    AskedInVain(SessionId, Asked),
    Withdrawals(SessionId),
    Resume(Arc<str>),
    ResumeCaller(SessionId, Arc<str>),
    ResumeQueue(Arc<str>, Arc<str>),
}

/// The reference engine.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    sessions: Sessions,
    functions: Functions,
    trigger_types: TriggerTypes,
    /// How large the registrations are.
    registered: Shares,
    calls: Calls,
    firing: Firing,
    timers: Timers<Due>,
    tally: Tally,
}

impl Engine {
    /// An engine without sessions; `http`, `cron` and `queue` are registered (D-05).
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            sessions: Sessions::default(),
            functions: Functions::default(),
            trigger_types: TriggerTypes::default(),
            registered: Shares::new(
                settings.registration_bytes_max,
                settings.registration_bytes_per_session_max,
            ),
            calls: Calls::new(&settings),
            firing: Firing::new(&settings),
            timers: Timers::default(),
            tally: Tally::default(),
        }
    }

    fn text(&mut self, session: SessionId, frame: &str, out: &mut Output<'_, '_>) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.is_worker = true;
        }
        match Message::decode(frame) {
            Ok(message) => self.message(session, message, out),
            Err(error) => self.bad_frame(session, error.to_string(), out),
        }
    }

    fn message(&mut self, session: SessionId, message: Message<'_>, out: &mut Output<'_, '_>) {
        match message {
            Message::RegisterFunction(frame) => self.register_function(session, &frame, out),
            Message::UnregisterFunction(frame) => self.unregister_function(session, &frame.id, out),
            Message::RegisterTrigger(frame) => self.register_trigger(session, &frame, out),
            Message::UnregisterTrigger(frame) => self.unregister_trigger(session, &frame.id, out),
            Message::TriggerRegistrationResult(frame) => self.provider_answer(session, frame, out),
            Message::RegisterTriggerType(frame) => self.register_trigger_type(session, &frame, out),
            Message::UnregisterTriggerType(frame) => {
                self.unregister_trigger_type(session, &frame.id, out);
            }
            Message::InvokeFunction(frame) => self.invoke(session, &frame, out),
            Message::InvocationResult(frame) => self.worker_answer(session, &frame, out),
            Message::RegisterService(frame) => self.register_service(session, &frame, out),
            Message::Reattach(frame) => self.reattach(session, &frame, out),
            Message::Ping(_) => self.send(session, &Pong {}, out),
            Message::Pong(_) => {}
            // An answer to an `error` could be answered in turn, for ever.
            Message::Error(_) => {}
            Message::WorkerRegistered(_)
            | Message::FunctionRegistrationResult(_)
            | Message::TriggerTypeRegistrationResult(_) => {
                let kind = message.kind();
                let problem = format!("`{kind}` frames are sent by the engine, not to it");
                self.bad_frame(session, problem, out);
            }
        }
    }

    /// Telemetry is discarded (CO-18), anything else is answered (D-08).
    fn binary(&mut self, session: SessionId, frame: &[u8], out: &mut Output<'_, '_>) {
        const TELEMETRY: [&[u8]; 3] = [b"OTLP", b"MTRC", b"LOGS"];
        if !TELEMETRY.iter().any(|magic| frame.starts_with(magic)) {
            let problem = "a frame must be sent as text, got a binary one".to_owned();
            self.bad_frame(session, problem, out);
        }
    }

    fn unreadable(&mut self, session: SessionId, reason: Unreadable<'_>, out: &mut Output<'_, '_>) {
        let (problem, code, text) = match reason {
            Unreadable::NotUtf8 => (
                "malformed frame: a text frame must be UTF-8".to_owned(),
                CloseCode::InvalidPayload,
                "a text frame must be UTF-8",
            ),
            Unreadable::BadFraming { problem } => (
                format!("not the WebSocket protocol: {problem}"),
                CloseCode::Protocol,
                "not the WebSocket protocol",
            ),
            Unreadable::TooLarge { bytes_max } => (
                format!("a frame must not be larger than {bytes_max} bytes"),
                CloseCode::TooLarge,
                "frame too large",
            ),
        };
        self.bad_frame(session, problem, out);
        self.close(session, code, text, out);
    }

    fn bad_frame(&self, session: SessionId, problem: String, out: &mut Output<'_, '_>) {
        let failure = Failure::invalid_message(problem);
        let error = Some(failure.to_raw());
        self.send(session, &ErrorFrame { error }, out);
        let message = failure.message().to_owned();
        self.report(session, EventKind::BadFrame { message }, out);
    }

    /// Does a portion of what is due; the rest is at the next tick, for which it is time at once.
    fn tick(&mut self, out: &mut Output<'_, '_>) {
        for _ in 0..DUE_MAX {
            let Some(due) = self.timers.pop_due(out.now().monotonic) else {
                break;
            };
            match due {
                Due::Call(id) => self.call_timed_out(id, out),
                Due::LateAnswer(worker, id) => self.forget_late_call(worker, id),
                Due::TriggerRegistration(waiting) => self.provider_timed_out(&waiting, out),
                Due::AskedInVain(provider, asked) => self.asked_in_vain(provider, asked, out),
                Due::Withdrawals(provider) => self.withdraw_more(provider, out),
                Due::Resume(function_id) => self.resume(&function_id),
                Due::ResumeCaller(session, function_id) => {
                    self.resume_caller(session, function_id);
                }
                Due::ResumeQueue(queue, function_id) => self.resume_queue(queue, function_id),
            }
        }
        self.fire_schedules(out);
    }
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Machine for Engine {
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        let out = &mut Output::new(world, effects);
        self.firing.see(out.now());
        match input {
            Input::Connected { session } => self.connected(session, out),
            Input::RequestEnded { call, outcome } => self.request_ended(call, outcome, out),
            Input::HttpRequest { exchange, request } => self.http_request(exchange, request, out),
            Input::HttpAbandoned { exchange } => self.abandon(exchange, out),
            Input::Tick => self.tick(out),
            Input::Shutdown => self.shut_down(out),
            // What is still under way from a session that the engine has closed.
            Input::Text { session, .. }
            | Input::Binary { session, .. }
            | Input::Unreadable { session, .. }
            | Input::Overflowed { session, .. }
            | Input::Disconnected { session }
                if !self.sessions.is_live(session) => {}
            Input::Text { session, frame } => self.text(session, frame, out),
            Input::Binary { session, frame } => self.binary(session, frame, out),
            Input::Unreadable { session, reason } => self.unreadable(session, reason, out),
            Input::Overflowed { session, with } => {
                let reason = match with {
                    Overflow::Unread => "it reads too slowly",
                    Overflow::Unfinished => "there is no room for its message",
                };
                self.close(session, CloseCode::TryAgainLater, reason, out);
            }
            Input::Disconnected { session } => {
                self.end_session(session, "the worker disconnected", out);
            }
        }
        self.hand_out(out);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let schedule = self.firing.next_deadline();
        let timer = self.timers.earliest().map(|(at, due)| Deadline {
            at,
            reason: match due {
                Due::Call(_) => DeadlineReason::CallTimeout,
                Due::LateAnswer(..) => DeadlineReason::LateAnswer,
                Due::TriggerRegistration(_) | Due::AskedInVain(..) => {
                    DeadlineReason::TriggerRegistrationTimeout
                }
                Due::Withdrawals(_) => DeadlineReason::Withdrawals,
                Due::Resume(_) | Due::ResumeCaller(..) | Due::ResumeQueue(..) => {
                    DeadlineReason::QueueRetry
                }
            },
            watches_wall_clock: schedule.is_some(),
        });
        let earlier = |it: &Deadline| it.at;
        timer.into_iter().chain(schedule).min_by_key(earlier)
    }
}
