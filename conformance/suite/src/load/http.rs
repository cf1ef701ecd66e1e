//! Requests for an http trigger, one after another on one connection.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};
use uuid::Uuid;

use super::{Figures, LoadError, Served, peer::Peer};
use crate::exchange::{self, Client};

/// An empty answer.
const RESULT: &str = r#"{"status_code":200,"body":""}"#;

/// A client, and a worker whose function a trigger calls.
#[derive(Debug)]
pub struct Requests {
    client: Client,
    url: String,
    worker: Option<JoinHandle<()>>,
    patience: Duration,
}

impl Requests {
    /// Requests to whatever answers there.
    #[must_use]
    pub fn to(url: String, patience: Duration) -> Self {
        Self {
            client: exchange::client(),
            url,
            worker: None,
            patience,
        }
    }

    /// Connects a worker, and registers a function and an http trigger for it.
    ///
    /// # Errors
    ///
    /// When it cannot be.
    pub async fn open(
        url: &str,
        http_url: &str,
        hello: bool,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let id = format!("bench-{}", Uuid::new_v4().simple());
        let mut worker = Peer::connect(url, hello, patience).await?;
        worker.register_function(&id).await?;
        let config = format!(r#"{{"path":"/{id}","method":"GET"}}"#);
        worker.register_trigger(&id, "http", &id, &config).await?;
        worker.trigger_registered("an http trigger", &id).await?;
        let worker = tokio::spawn(async move { while worker.serve(Some(RESULT)).await.is_ok() {} });
        Ok(Self {
            worker: Some(worker),
            ..Self::to(format!("{http_url}/{id}"), patience)
        })
    }

    /// Makes so many requests, one after another.
    pub async fn make(&self, requests: usize) -> Served {
        let mut latencies = Vec::with_capacity(requests);
        let began = Instant::now();
        for _ in 0..requests {
            let sent = Instant::now();
            if let Ok(true) = timeout(self.patience, self.ask()).await {
                latencies.push(sent.elapsed());
            }
        }
        Served {
            took: began.elapsed(),
            answered: latencies.len(),
            lost: requests - latencies.len(),
            latencies: Figures::from(latencies),
        }
    }

    async fn ask(&self) -> bool {
        let Ok(request) = Request::get(&self.url).body(Full::new(Bytes::new())) else {
            return false;
        };
        let Ok(response) = self.client.request(request).await else {
            return false;
        };
        // Read to its end, however long it is, and not kept.
        let (status, mut body) = (response.status(), response.into_body());
        while let Some(part) = body.frame().await {
            if part.is_err() {
                return false;
            }
        }
        status.is_success()
    }

    /// Ends the worker's session.
    pub async fn close(self) {
        if let Some(worker) = self.worker {
            worker.abort();
            let _ = worker.await;
        }
    }
}
