//! Alterations that several faults are made of.

use serde_json::Value;

use crate::{
    Alter, Heard, Sent,
    frames::{alter, code, is, is_refusal, refusal, set, unset},
    with::{hearing, sending},
};

/// Alters what goes in and what comes out, by what it has seen of both.
pub(super) struct Remembering<S> {
    state: S,
    hears: fn(&mut S, &mut Heard),
    sends: fn(&mut S, &mut Sent),
}

/// Begins with nothing seen.
pub(super) fn remembering<S: Default + Send>(
    hears: fn(&mut S, &mut Heard),
    sends: fn(&mut S, &mut Sent),
) -> Remembering<S> {
    Remembering {
        state: S::default(),
        hears,
        sends,
    }
}

impl<S: Send> Alter for Remembering<S> {
    fn hears(&mut self, heard: &mut Heard) {
        (self.hears)(&mut self.state, heard);
    }

    fn sends(&mut self, sent: &mut Sent) {
        (self.sends)(&mut self.state, sent);
    }
}

/// Says of some refused registrations that they have succeeded.
pub(super) fn accepting(which: fn(&Value) -> bool) -> impl Alter {
    sending(move |sent| {
        if is_refusal(&sent.frame) && which(&sent.frame) {
            unset(&mut sent.frame, "", "error");
        }
    })
}

/// Says of refused registrations with a code that they have succeeded.
pub(super) fn accepting_code(accepted: &'static str) -> impl Alter {
    sending(move |sent| {
        if is_refusal(&sent.frame) && code(&sent.frame) == Some(accepted) {
            unset(&mut sent.frame, "", "error");
        }
    })
}

/// Refuses some registrations of triggers, whatever the engine would have said.
pub(super) fn refusing(which: fn(&Value) -> bool, code: &'static str) -> impl Alter {
    hearing(move |heard| {
        if is(&heard.frame, "registertrigger") && which(&heard.frame) {
            refuse(heard, code);
        }
    })
}

/// Refuses the registration of a trigger in the engine's place.
pub(super) fn refuse(heard: &mut Heard, code: &str) {
    let refused = refusal(&heard.frame, code, "refused");
    heard.said.push((heard.from, refused));
    heard.keep = false;
}

/// Gives refusals with a code another one.
pub(super) fn recoding(from: &'static str, to: &'static str) -> impl Alter {
    sending(move |sent| {
        if is_refusal(&sent.frame) && code(&sent.frame) == Some(from) {
            alter(&mut sent.frame, "/error/code", |_| to.to_owned());
        }
    })
}

/// Alters the message of refusals with a code.
pub(super) fn rewording(of: &'static str, how: fn(&str) -> String) -> impl Alter {
    sending(move |sent| {
        if is_refusal(&sent.frame) && code(&sent.frame) == Some(of) {
            alter(&mut sent.frame, "/error/message", how);
        }
    })
}

/// Alters registrations of triggers before the engine reads them.
pub(super) fn misreading(how: impl Fn(&mut Value) + Send) -> impl Alter {
    hearing(move |heard| {
        if is(&heard.frame, "registertrigger") {
            how(&mut heard.frame);
        }
    })
}

/// Sends some frames never.
pub(super) fn dropping(which: fn(&Value) -> bool) -> impl Alter {
    sending(move |sent| {
        if which(&sent.frame) {
            sent.copies = 0;
        }
    })
}

/// Does not see some frames.
pub(super) fn ignoring(which: fn(&Value) -> bool) -> impl Alter {
    hearing(move |heard| heard.keep = !which(&heard.frame))
}

/// The frame that unregisters a trigger, from the one that has registered it.
pub(super) fn unregistration(trigger: &Value) -> Value {
    let mut unregister = trigger.clone();
    set(&mut unregister, "", "type", "unregistertrigger");
    unregister
}
