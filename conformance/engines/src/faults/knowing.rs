//! Alterations of what goes in and of what comes out that know of each other.

use reference::core::{HttpRequest, SessionId};

use crate::{Alter, Heard, Sent};

/// Hooks around a state that they share.
pub(super) struct Knowing<S> {
    state: S,
    hears: fn(&mut S, &mut Heard),
    sends: fn(&mut S, &mut Sent),
    requests: fn(&mut S, &mut HttpRequest) -> bool,
    notices_end: fn(&mut S, SessionId) -> bool,
}

/// Hooks that do nothing yet, around a state that is as it begins.
pub(super) fn knowing<S: Default>() -> Knowing<S> {
    Knowing {
        state: S::default(),
        hears: |_, _| {},
        sends: |_, _| {},
        requests: |_, _| true,
        notices_end: |_, _| true,
    }
}

impl<S> Knowing<S> {
    pub(super) fn hearing(self, hears: fn(&mut S, &mut Heard)) -> Self {
        Self { hears, ..self }
    }

    pub(super) fn sending(self, sends: fn(&mut S, &mut Sent)) -> Self {
        Self { sends, ..self }
    }

    pub(super) fn requesting(self, requests: fn(&mut S, &mut HttpRequest) -> bool) -> Self {
        Self { requests, ..self }
    }

    pub(super) fn noticing_ends(self, notices_end: fn(&mut S, SessionId) -> bool) -> Self {
        Self {
            notices_end,
            ..self
        }
    }
}

impl<S: Send> Alter for Knowing<S> {
    fn hears(&mut self, heard: &mut Heard) {
        (self.hears)(&mut self.state, heard);
    }

    fn sends(&mut self, sent: &mut Sent) {
        (self.sends)(&mut self.state, sent);
    }

    fn requests(&mut self, request: &mut HttpRequest) -> bool {
        (self.requests)(&mut self.state, request)
    }

    fn notices_end(&mut self, session: SessionId) -> bool {
        (self.notices_end)(&mut self.state, session)
    }
}
