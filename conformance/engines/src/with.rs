//! Alterations from closures, for what is said in a line.

use reference::core::{HttpAnswer, HttpRequest, SessionId, Variable};

use crate::{Alter, Asked, Binary, Heard, Sent};

pub(crate) struct Hearing<F>(F);
pub(crate) struct Reading<F>(F);
pub(crate) struct Taking<F>(F);
pub(crate) struct Sending<F>(F);
pub(crate) struct Writing<F>(F);
pub(crate) struct Requesting<F>(F);
pub(crate) struct BeingAsked<F>(F);
pub(crate) struct Answering<F>(F);
pub(crate) struct LookingUp<F>(F);

/// Alters frames that go in.
pub(crate) fn hearing<F: FnMut(&mut Heard) + Send>(alter: F) -> Hearing<F> {
    Hearing(alter)
}

/// Alters the text of frames that go in; `false` keeps one from the engine.
pub(crate) fn reading<F: FnMut(&mut String) -> bool + Send>(alter: F) -> Reading<F> {
    Reading(alter)
}

/// Decides what becomes of binary frames.
pub(crate) fn taking<F: FnMut(&[u8]) -> Binary + Send>(alter: F) -> Taking<F> {
    Taking(alter)
}

/// Alters frames that go out.
pub(crate) fn sending<F: FnMut(&mut Sent) + Send>(alter: F) -> Sending<F> {
    Sending(alter)
}

/// Alters the text of frames that go out.
pub(crate) fn writing<F: FnMut(&mut String) + Send>(alter: F) -> Writing<F> {
    Writing(alter)
}

/// Alters requests to endpoints; `false` keeps one from being made.
pub(crate) fn requesting<F: FnMut(&mut HttpRequest) -> bool + Send>(alter: F) -> Requesting<F> {
    Requesting(alter)
}

/// Alters requests for http triggers.
pub(crate) fn being_asked<F: FnMut(&mut Asked) + Send>(alter: F) -> BeingAsked<F> {
    BeingAsked(alter)
}

/// Alters the answers to requests for http triggers.
pub(crate) fn answering<F: FnMut(&mut HttpAnswer) + Send>(alter: F) -> Answering<F> {
    Answering(alter)
}

/// Alters what the environment is seen to hold.
pub(crate) fn looking_up<F: Fn(&str, Variable) -> Variable + Send>(alter: F) -> LookingUp<F> {
    LookingUp(alter)
}

impl<F: FnMut(&mut Heard) + Send> Alter for Hearing<F> {
    fn hears(&mut self, heard: &mut Heard) {
        (self.0)(heard);
    }
}

impl<F: FnMut(&mut String) -> bool + Send> Alter for Reading<F> {
    fn reads(&mut self, text: &mut String) -> bool {
        (self.0)(text)
    }
}

impl<F: FnMut(&[u8]) -> Binary + Send> Alter for Taking<F> {
    fn takes(&mut self, bytes: &[u8]) -> Binary {
        (self.0)(bytes)
    }
}

impl<F: FnMut(&mut Sent) + Send> Alter for Sending<F> {
    fn sends(&mut self, sent: &mut Sent) {
        (self.0)(sent);
    }
}

impl<F: FnMut(&mut String) + Send> Alter for Writing<F> {
    fn writes(&mut self, text: &mut String) {
        (self.0)(text);
    }
}

impl<F: FnMut(&mut HttpRequest) -> bool + Send> Alter for Requesting<F> {
    fn requests(&mut self, request: &mut HttpRequest) -> bool {
        (self.0)(request)
    }
}

impl<F: FnMut(&mut Asked) + Send> Alter for BeingAsked<F> {
    fn is_asked(&mut self, asked: &mut Asked) {
        (self.0)(asked);
    }
}

impl<F: FnMut(&mut HttpAnswer) + Send> Alter for Answering<F> {
    fn answers(&mut self, answer: &mut HttpAnswer) {
        (self.0)(answer);
    }
}

impl<F: Fn(&str, Variable) -> Variable + Send> Alter for LookingUp<F> {
    fn looks_up(&self, name: &str, found: Variable) -> Variable {
        (self.0)(name, found)
    }
}

/// The first, and then the second.
impl<A: Alter, B: Alter> Alter for (A, B) {
    fn reads(&mut self, text: &mut String) -> bool {
        self.0.reads(text) && self.1.reads(text)
    }

    fn takes(&mut self, bytes: &[u8]) -> Binary {
        match self.0.takes(bytes) {
            Binary::Kept => self.1.takes(bytes),
            other => other,
        }
    }

    fn hears(&mut self, heard: &mut Heard) {
        self.0.hears(heard);
        self.1.hears(heard);
    }

    fn sends(&mut self, sent: &mut Sent) {
        self.0.sends(sent);
        self.1.sends(sent);
    }

    fn writes(&mut self, text: &mut String) {
        self.0.writes(text);
        self.1.writes(text);
    }

    fn requests(&mut self, request: &mut HttpRequest) -> bool {
        self.0.requests(request) && self.1.requests(request)
    }

    fn is_asked(&mut self, asked: &mut Asked) {
        self.0.is_asked(asked);
        self.1.is_asked(asked);
    }

    fn answers(&mut self, answer: &mut HttpAnswer) {
        self.0.answers(answer);
        self.1.answers(answer);
    }

    fn looks_up(&self, name: &str, found: Variable) -> Variable {
        self.1.looks_up(name, self.0.looks_up(name, found))
    }

    fn notices_end(&mut self, session: SessionId) -> bool {
        self.0.notices_end(session) && self.1.notices_end(session)
    }
}
