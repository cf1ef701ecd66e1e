//! A session that calls.

use std::time::Duration;

use crate::{
    Outcome,
    address::Address,
    engine::PATIENCE,
    peer::{Heard, Peer, invoke},
};

/// How a call has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this JSON.
    Result(String),
    /// With an error of this code.
    Error(String),
}

impl Answer {
    pub(crate) fn is_error(&self, code: &str) -> bool {
        matches!(self, Self::Error(it) if it == code)
    }
}

/// A session that calls.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) peer: Peer,
    begun: usize,
}

impl Caller {
    pub(crate) async fn connect(address: Address) -> Outcome<Self> {
        let peer = Peer::connect(address).await?;
        Ok(Self { peer, begun: 0 })
    }

    /// Calls, and waits for the answer.
    pub(crate) async fn call(&mut self, function: &str, data: &str) -> Outcome<Answer> {
        self.begin(function, data).await?;
        self.answer(PATIENCE).await
    }

    /// Calls, and does not wait.
    pub(crate) async fn begin(&mut self, function: &str, data: &str) -> Outcome {
        self.begun += 1;
        let id = format!("c-{}", self.begun);
        self.peer.send(invoke(&id, function, data)).await
    }

    /// The next answer to any of its calls.
    pub(crate) async fn answer(&mut self, patience: Duration) -> Outcome<Answer> {
        loop {
            let frame = self.peer.hear_within("the answer to a call", patience);
            let frame = frame.await?;
            let heard = Heard::read(&frame)?;
            if heard.kind == "invocationresult" {
                return Ok(match heard.code() {
                    Some(code) => Answer::Error(code.to_owned()),
                    None => {
                        let result = heard.result.map_or("null", |it| it.get());
                        Answer::Result(result.to_owned())
                    }
                });
            }
        }
    }
}
