//! Whether one of many triggers fires.

use std::time::Duration;

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use tokio::time::{Instant, timeout};

use super::{
    Kind, LoadError, Registrations,
    peer::{Heard, Peer},
};
use crate::exchange;

impl Registrations {
    /// Lets the trigger that was registered last fire, and answers its call; how long that took. A
    /// schedule that is due each second is registered for it, since the others are due once a year.
    /// Functions are called by nothing, and take no time.
    ///
    /// # Errors
    ///
    /// When the function is not called in time.
    pub async fn fire(&mut self, http_url: &str) -> Result<Duration, LoadError> {
        let began = Instant::now();
        let last = self.begun;
        match self.kind {
            Kind::Function => return Ok(Duration::ZERO),
            Kind::Http => {
                let url = format!("{http_url}/{}-{last}", self.run);
                let Ok(request) = Request::get(url).body(Full::new(Bytes::new())) else {
                    return Err(LoadError::Unreachable(format!("{http_url} is no URL")));
                };
                let client = exchange::client();
                let patience = self.peer.patience;
                let asking = timeout(patience, client.request(request));
                let (answered, called) = tokio::join!(asking, called(&mut self.peer, &self.run));
                called?;
                let what = "the answer to a request for an http trigger";
                let answered = answered.map_err(|_| LoadError::Silent { what, patience })?;
                let status = answered.map(|it| it.status());
                let served = status.map_err(|error| LoadError::Unreachable(error.to_string()))?;
                if !served.is_success() {
                    return Err(LoadError::Refused {
                        what: "a request for an http trigger",
                        answer: served.to_string(),
                    });
                }
            }
            Kind::Cron => {
                let label = format!("{}-each-second", self.run);
                let (peer, config) = (&mut self.peer, r#"{"schedule":"* * * * * *"}"#);
                let sent = peer.register_trigger(&label, "cron", &self.run, config);
                sent.await?;
                peer.trigger_registered("a schedule", &label).await?;
                called(&mut self.peer, &self.run).await?;
                self.peer.unregister("trigger", &label).await?;
            }
            Kind::Queue => {
                self.peer.enqueue(&self.queue(last)).await?;
                called(&mut self.peer, &self.run).await?;
            }
        }
        Ok(began.elapsed())
    }
}

/// Answers the next call of a function, and sees to it that the answer has been read.
async fn called(peer: &mut Peer, function: &str) -> Result<(), LoadError> {
    let deadline = peer.deadline();
    loop {
        let frame = peer.hear("the call of a trigger", deadline).await?;
        let Some(call) = Heard::read(&frame) else {
            continue;
        };
        if call.function_id == function && peer.answer(&call, Some("null")).await? {
            return peer.fence().await;
        }
    }
}
