//! Calls from one session to a function of another.

use std::time::Duration;

use tokio::{task::JoinHandle, time::Instant};
use uuid::Uuid;

use super::{
    Figures, LoadError,
    peer::{ANSWER_CHARACTERS_MAX, Heard, Peer},
};
use crate::report::printable;

/// How often it is tried whether the function is there.
const TRIES_MAX: u128 = 1_000;
/// The part of an invocation id that counts.
const COUNTED: u128 = (1 << 64) - 1;

/// A caller, and a worker that answers with what it is sent.
#[derive(Debug)]
pub struct Calls {
    caller: Peer,
    worker: JoinHandle<()>,
    function: String,
    /// What the ids of its calls begin with.
    run: Uuid,
    begun: u128,
    data: String,
}

/// What came of many calls.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// From sending a call to reading its answer.
    pub latencies: Figures,
    /// From the first call to the last answer.
    pub took: Duration,
    /// Calls that were answered.
    pub answered: usize,
    /// Calls that were not answered in time, or with an error.
    pub lost: usize,
}

impl Served {
    /// Answered calls a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let answered = self.answered as f64;
        answered / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Calls {
    /// Connects both, and waits until the function can be called. Its payloads are strings of so many bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub async fn open(
        url: &str,
        hello: bool,
        payload_bytes: usize,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        Self::open_for(url, hello, "", payload_bytes, patience).await
    }

    /// The same for a function that the engine calls by requests to an endpoint.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub async fn over_http(
        url: &str,
        hello: bool,
        endpoint: &str,
        payload_bytes: usize,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let invocation = format!(r#","invocation":{{"url":"{endpoint}"}}"#);
        Self::open_for(url, hello, &invocation, payload_bytes, patience).await
    }

    /// With more fields for the function's registration.
    async fn open_for(
        url: &str,
        hello: bool,
        fields: &str,
        payload_bytes: usize,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let run = Uuid::from_u128(Uuid::new_v4().as_u128() & !COUNTED);
        let function = format!("bench-{}", run.simple());
        // The worker first: a relay passes on what its second connection says to its first.
        let mut worker = Peer::connect(url, hello, patience).await?;
        worker
            .send(format!(
                r#"{{"type":"registerfunction","id":"{function}"{fields}}}"#
            ))
            .await?;
        worker.fence().await?;
        let worker = tokio::spawn(async move { while worker.serve(None).await.is_ok() {} });
        let caller = Peer::connect(url, hello, patience).await?;
        let mut calls = Self {
            caller,
            worker,
            function,
            run,
            begun: 0,
            data: "x".repeat(payload_bytes),
        };
        calls.until_served().await?;
        Ok(calls)
    }

    /// Makes so many calls, of which at most `at_once` are without an answer.
    ///
    /// # Errors
    ///
    /// When the engine ends a session; calls without an answer are no error, but counted.
    pub async fn make(&mut self, calls: usize, at_once: usize) -> Result<Served, LoadError> {
        let first = self.begun;
        let mut sent: Vec<Instant> = Vec::with_capacity(calls);
        let mut latencies = Vec::with_capacity(calls);
        let (mut lost, mut ended) = (0, 0);
        let began = Instant::now();
        let mut deadline = self.caller.deadline();
        while ended < calls {
            while sent.len() < calls && sent.len() - ended < at_once {
                sent.push(Instant::now());
                self.call().await?;
            }
            let frame = match self.caller.hear("the answer to a call", deadline).await {
                Err(LoadError::Silent { .. }) => break,
                frame => frame?,
            };
            let Some((number, refusal)) = self.answered(&frame, first) else {
                continue;
            };
            ended += 1;
            deadline = self.caller.deadline();
            match (refusal, sent.get(number)) {
                (None, Some(at)) => latencies.push(at.elapsed()),
                (Some(_), _) | (None, None) => lost += 1,
            }
        }
        Ok(Served {
            took: began.elapsed(),
            answered: latencies.len(),
            lost: lost + (calls - ended),
            latencies: latencies.into(),
        })
    }

    async fn call(&mut self) -> Result<(), LoadError> {
        let id = Uuid::from_u128(self.run.as_u128() | self.begun);
        self.begun += 1;
        let (function, data) = (&self.function, &self.data);
        self.caller
            .send(format!(
                r#"{{"type":"invokefunction","invocation_id":"{id}","function_id":"{function}","data":"{data}"}}"#
            ))
            .await
    }

    /// Which of the calls since the first a frame answers, and whether it says why it failed.
    fn answered(&self, frame: &str, first: u128) -> Option<(usize, Option<String>)> {
        let heard = Heard::read(frame).filter(|it| it.kind == "invocationresult")?;
        let id = Uuid::parse_str(heard.invocation_id?).ok()?.as_u128();
        let number = (id & COUNTED).checked_sub(first)?;
        let number = usize::try_from(number).ok()?;
        let is_ours = id & !COUNTED == self.run.as_u128();
        is_ours.then(|| (number, heard.refusal().map(str::to_owned)))
    }

    /// Another session's registration may still be under way.
    async fn until_served(&mut self) -> Result<(), LoadError> {
        let deadline = self.caller.deadline();
        let mut answer = String::new();
        while self.begun < TRIES_MAX && Instant::now() < deadline {
            let first = self.begun;
            self.call().await?;
            let answered_by = self.caller.deadline();
            loop {
                let frame = self
                    .caller
                    .hear("the answer to a call", answered_by)
                    .await?;
                match self.answered(&frame, first) {
                    Some((_, None)) => return Ok(()),
                    Some((_, Some(refusal))) => {
                        answer = printable(&refusal, ANSWER_CHARACTERS_MAX);
                        break;
                    }
                    None => {}
                }
            }
        }
        Err(LoadError::Refused {
            what: "a call of a function that was registered",
            answer,
        })
    }

    /// Ends both sessions.
    pub async fn close(self) {
        self.worker.abort();
        let _ = self.worker.await;
        self.caller.close().await;
    }
}
