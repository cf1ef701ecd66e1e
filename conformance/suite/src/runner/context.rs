//! What the cases of a run share: the engine, and what they meet it with.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{Gone, Pace, Presence, Restart};
use crate::{
    endpoint::{Callback, Endpoints, EndpointsError},
    exchange,
    expectation::Expectation,
    mapping::ConfigKeys,
    schema::FrameSchemas,
    session::{ConnectError, Session},
    transcript::Transcript,
};

/// The engine under test, as far as the suite knows it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where workers connect.
    pub url: String,
    /// Environment variables that it was started with, as far as cases need them, and their
    /// values.
    pub variables: BTreeMap<String, String>,
    /// Whether the suite's sessions say hello on connecting (CO-16).
    pub hello: bool,
    /// How it reaches the endpoints of the suite.
    pub callback: Callback,
    /// Where it serves http triggers, without a slash at its end.
    pub http_url: Option<String>,
    /// How its trigger types and the keys of their configs are called.
    pub config_keys: ConfigKeys,
    /// Cases that have no meaning for it, with the reason.
    pub not_applicable: Vec<Expectation>,
    /// Whether it may be left otherwise than it was found: cases that try to change what all
    /// sessions share are run only then.
    pub expendable: bool,
}

/// Everything that cases share while they run.
#[derive(Debug)]
pub struct Context {
    /// The engine.
    pub target: Target,
    /// How to run.
    pub pace: Pace,
    /// Distinguishes the ids of this run.
    pub run: String,
    pub(crate) schemas: &'static FrameSchemas,
    /// Opened for the first case that has any.
    endpoints: Arc<OnceCell<Endpoints>>,
    pub(crate) http: exchange::Client,
    pub(crate) presence: Arc<Presence>,
}

impl Context {
    /// A context for one run.
    ///
    /// # Errors
    ///
    /// If the frame schemas that the suite carries cannot be used; a test sees that they can.
    pub fn new(target: Target, pace: Pace) -> Result<Self, String> {
        Ok(Self {
            target,
            pace,
            run: run_id(),
            schemas: FrameSchemas::embedded()?,
            endpoints: Arc::default(),
            http: exchange::client(),
            presence: Arc::new(Presence::new(pace.patience)),
        })
    }

    /// The context for another run against the same engine, in which may be left what the last
    /// one has sent: its messages in queues, above all.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            run: run_id(),
            ..self.at_pace(self.pace)
        }
    }

    pub(super) fn at_pace(&self, pace: Pace) -> Self {
        Self {
            target: self.target.clone(),
            pace,
            run: self.run.clone(),
            schemas: self.schemas,
            endpoints: Arc::clone(&self.endpoints),
            http: self.http.clone(),
            presence: Arc::clone(&self.presence),
        }
    }

    /// Whether the engine has gone away during the run.
    #[must_use]
    pub fn gone(&self) -> Option<Arc<Gone>> {
        self.presence.gone()
    }

    /// Likewise, when it is known in case that it is just being found out.
    pub async fn found_out(&self) -> Option<Arc<Gone>> {
        self.presence.settled().await
    }

    /// Every time that the engine was away during the run and came back.
    #[must_use]
    pub fn restarts(&self) -> Vec<Restart> {
        self.presence.restarts()
    }

    /// The engine's process, which the suite had started, has ended: if nobody listens any more
    /// the engine is gone.
    pub async fn process_ended(&self, how: String) {
        self.presence.process_ended(how);
        self.presence.find_out(self, "").await;
    }

    /// The servers behind the endpoints of the cases.
    ///
    /// # Errors
    ///
    /// When the suite cannot listen where the target is to call it.
    pub async fn endpoints(&self) -> Result<&Endpoints, EndpointsError> {
        let open = || Endpoints::open(&self.target.callback);
        self.endpoints.get_or_try_init(open).await
    }

    /// Whether the engine has reached any endpoint of the cases.
    pub(crate) fn endpoints_were_reached(&self) -> bool {
        self.endpoints.get().is_some_and(Endpoints::were_reached)
    }

    /// Opens a session that is not part of a case, to see whether there is an engine at all.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn reach(&self) -> Result<(), ConnectError> {
        let patience = self.pace.patience;
        self.visit(patience, patience).await
    }

    /// Likewise, without waiting for the end of the session.
    pub(crate) async fn look(&self, patience: Duration) -> Result<(), ConnectError> {
        self.visit(patience, Duration::ZERO).await
    }

    async fn visit(&self, patience: Duration, close_time: Duration) -> Result<(), ConnectError> {
        let transcript = Transcript::default();
        let mut session =
            Session::connect(&self.target.url, "probe", false, patience, &transcript).await?;
        let deadline = tokio::time::Instant::now() + close_time;
        // Whether it also closes in good order is for the cases to judge.
        let _ = session.close(1000, deadline).await;
        Ok(())
    }
}

fn run_id() -> String {
    let id = Uuid::new_v4().simple().to_string();
    id.chars().take(6).collect()
}
