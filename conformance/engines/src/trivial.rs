//! Engines that do next to nothing.

use reference::core::{CloseCode, Deadline, Effect, Input, Machine, SessionId, World};
use serde_json::{Value, json};

use crate::{
    Other, Wire,
    frames::{error, is, set},
    with::sending,
};

/// What the WebSocket layer does for any engine.
const TRANSPORT: [&str; 2] = ["close-frame-is-answered", "websocket-ping-is-answered"];
const GREETING: &str = "session-is-greeted-with-a-worker-id";
/// Nobody replies where nobody asked to be told.
const SILENCE: [&str; 3] = [
    "call-of-an-unknown-function-without-an-id-gets-no-reply",
    "worker-metadata-gets-no-reply",
    "worker-metadata-without-action-gets-no-reply",
];

/// All of them.
#[must_use]
pub fn all() -> Vec<Other> {
    vec![
        Other::new("mute", "Takes everything and says nothing", || {
            simple(|_, _| {})
        })
        .passing(TRANSPORT),
        Other::new("echo", "Sends every frame back", || simple(echo))
            .passing(TRANSPORT)
            .passing(SILENCE)
            .passing([
                "engine-speaks-invocations",
                "refusal-is-not-a-registrationrejected",
                "void-call-of-an-unknown-function-gets-no-reply",
            ]),
        Other::new(
            "closing",
            "Closes each session as soon as it is open",
            || {
                simple(|input, effects| {
                    if let Input::Connected { session } = input {
                        close(effects, session);
                    }
                })
            },
        ),
        Other::new("greeting", "Greets, and closes at the first frame", || {
            simple(|input, effects| match input {
                Input::Connected { session } => greet(effects, session),
                Input::Text { session, .. } => close(effects, session),
                _ => {}
            })
        })
        .passing([GREETING]),
        Other::altered(
            "resetting",
            "Resets each connection at its first frame",
            || sending(|_| {}),
        )
        .on(Wire::Reset)
        .passing([GREETING]),
        Other::altered(
            "crashing",
            "Accepts, and is gone at the first frame",
            || sending(|_| {}),
        )
        .on(Wire::Crash),
        Other::new(
            "garbage",
            "Answers every frame with what is no JSON",
            || {
                simple(|input, effects| match input {
                    Input::Connected { session } | Input::Text { session, .. } => {
                        say(effects, session, "]}{[".to_owned());
                    }
                    _ => {}
                })
            },
        )
        .passing(TRANSPORT),
        Other::new(
            "yes",
            "Answers every registration with success, and every call with null",
            || simple(|input, effects| answer(input, effects, None)),
        )
        // Most are registrations that are right, and it registers them.
        .passing(include_str!("yes.txt").lines()),
        Other::new(
            "no",
            "Answers every registration and every call with one error",
            || {
                let refused = error("invalid_config", "no");
                simple(move |input, effects| answer(input, effects, Some(&refused)))
            },
        )
        .passing(TRANSPORT)
        .passing(SILENCE)
        .passing([
            GREETING,
            "answers-come-in-the-order-of-the-requests",
            "each-ping-frame-is-answered",
            "engine-speaks-invocations",
            "ping-frame-is-answered",
            "refusal-has-code-and-message",
            "refusal-is-not-a-registrationrejected",
            "result-repeats-an-unusual-id",
            "two-sessions-have-different-worker-ids",
        ]),
        Other::altered("twice", "Says everything twice", || {
            sending(|sent| sent.copies = 2)
        })
        .passing(TRANSPORT)
        // What is asked twice may be answered twice, what is not asked can be said again, a probe
        // only asks whether anything is said at all, and no request to an endpoint is made twice.
        .passing(include_str!("twice.txt").lines()),
    ]
}

struct Simple<F>(F);

fn simple<F: FnMut(Input<'_>, &mut Vec<Effect>)>(handle: F) -> Simple<F> {
    Simple(handle)
}

impl<F: FnMut(Input<'_>, &mut Vec<Effect>)> Machine for Simple<F> {
    fn handle(&mut self, input: Input<'_>, _: &mut World<'_>, effects: &mut Vec<Effect>) {
        (self.0)(input, effects);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        None
    }
}

fn say(effects: &mut Vec<Effect>, session: SessionId, frame: String) {
    effects.push(Effect::Send { session, frame });
}

fn echo(input: Input<'_>, effects: &mut Vec<Effect>) {
    if let Input::Text { session, frame } = input {
        say(effects, session, frame.to_owned());
    }
}

fn greet(effects: &mut Vec<Effect>, session: SessionId) {
    let worker_id = uuid::Uuid::from_u64_pair(1, session.0).to_string();
    let frame = json!({"type": "workerregistered", "worker_id": worker_id});
    say(effects, session, frame.to_string());
}

fn close(effects: &mut Vec<Effect>, session: SessionId) {
    effects.push(Effect::Close {
        session,
        code: CloseCode::Normal,
        reason: "",
    });
}

/// Answers without looking at more than what is to be answered.
fn answer(input: Input<'_>, effects: &mut Vec<Effect>, error: Option<&Value>) {
    let (session, text) = match input {
        Input::Connected { session } => return greet(effects, session),
        Input::Text { session, frame } => (session, frame),
        _ => return,
    };
    let Ok(frame) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let field = |name: &str| frame.get(name).cloned().unwrap_or_default();
    let mut reply = if is(&frame, "registertrigger") {
        json!({
            "type": "triggerregistrationresult", "id": field("id"),
            "trigger_type": field("trigger_type"), "function_id": field("function_id"),
        })
    } else if is(&frame, "invokefunction") && frame.get("invocation_id").is_some() {
        json!({
            "type": "invocationresult", "invocation_id": field("invocation_id"),
            "function_id": field("function_id"),
        })
    } else if is(&frame, "ping") {
        return say(effects, session, json!({"type": "pong"}).to_string());
    } else {
        return;
    };
    match error {
        Some(error) => set(&mut reply, "", "error", error.clone()),
        None if is(&frame, "invokefunction") => set(&mut reply, "", "result", Value::Null),
        None => {}
    }
    say(effects, session, reply.to_string());
}
