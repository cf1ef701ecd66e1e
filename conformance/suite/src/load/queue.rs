//! Messages through a queue, one after another.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Figures, LoadError, Served,
    peer::{Heard, Peer},
};

/// A session that puts messages into a queue, and whose function is called for each of them.
#[derive(Debug)]
pub struct Messages {
    peer: Peer,
    name: String,
}

impl Messages {
    /// Connects, and registers a function and a trigger for a queue of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub async fn open(url: &str, hello: bool, patience: Duration) -> Result<Self, LoadError> {
        let name = format!("bench-{}", Uuid::new_v4().simple());
        let mut peer = Peer::connect(url, hello, patience).await?;
        peer.register_function(&name).await?;
        let config = format!(r#"{{"queue_name":"{name}","batch_size":1}}"#);
        peer.register_trigger(&name, "queue", &name, &config)
            .await?;
        peer.trigger_registered("a queue trigger", &name).await?;
        Ok(Self { peer, name })
    }

    /// Passes so many messages through the queue. Each is enqueued in the same breath as the one
    /// before it is acknowledged, and its latency ends when the function is called for it.
    ///
    /// # Errors
    ///
    /// When the engine ends the session, or does not call the function in time.
    pub async fn pass(&mut self, messages: usize) -> Result<Served, LoadError> {
        let mut latencies = Vec::with_capacity(messages);
        let began = Instant::now();
        for _ in 0..messages {
            let sent = Instant::now();
            self.peer.enqueue(&self.name).await?;
            self.called().await?;
            latencies.push(sent.elapsed());
        }
        self.peer.fence().await?;
        Ok(Served {
            took: began.elapsed(),
            answered: latencies.len(),
            lost: 0,
            latencies: Figures::from(latencies),
        })
    }

    /// Waits for the next call, and answers it with what is sent next.
    async fn called(&mut self) -> Result<(), LoadError> {
        let deadline = self.peer.deadline();
        loop {
            let frame = (self.peer.hear("the call of a queue trigger", deadline)).await?;
            if let Some(call) = Heard::read(&frame)
                && self.peer.answer(&call, Some("null")).await?
            {
                return Ok(());
            }
        }
    }

    /// Ends the session.
    pub async fn close(self) {
        self.peer.close().await;
    }
}
