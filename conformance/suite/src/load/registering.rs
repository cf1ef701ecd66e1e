//! Many registrations of one session.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{LoadError, peer::Peer};

/// How many registrations of triggers are without an answer at once.
const AT_ONCE: usize = 256;

const QUEUES: usize = 1_000;

/// What is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Functions, which nothing answers.
    Function,
    /// Triggers for a path each.
    Http,
    /// Triggers for New Year, so that none fires under the load.
    Cron,
    /// Triggers for a thousand queues.
    Queue,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Function, Self::Http, Self::Cron, Self::Queue];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Function => "functions",
            Self::Http => "http triggers",
            Self::Cron => "cron triggers",
            Self::Queue => "queue triggers",
        }
    }

    /// The type and the config of its triggers, as the documents have them.
    fn trigger(self, run: &str, number: usize) -> Option<(&'static str, String)> {
        Some(match self {
            Self::Function => return None,
            Self::Http => (
                "http",
                format!(r#"{{"path":"/{run}-{number}","method":"GET"}}"#),
            ),
            Self::Cron => (
                "cron",
                r#"{"schedule":"0 0 1 1 *","timezone":"UTC"}"#.to_owned(),
            ),
            Self::Queue => (
                "queue",
                format!(
                    r#"{{"queue_name":"{}","batch_size":10,"visibility_timeout":30}}"#,
                    queue(run, number)
                ),
            ),
        })
    }
}

/// A session that registers.
#[derive(Debug)]
pub struct Registrations {
    pub(super) peer: Peer,
    pub(super) run: String,
    pub(super) kind: Kind,
    /// How many are there.
    pub(super) begun: usize,
}

/// How registering so many went.
#[derive(Clone, Copy, Debug)]
pub struct Registering {
    /// How many were registered.
    pub registered: usize,
    /// How long it took.
    pub took: Duration,
}

impl Registering {
    /// Registrations a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let registered = self.registered as f64;
        registered / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Registrations {
    /// Connects, and registers what triggers are for.
    ///
    /// # Errors
    ///
    /// When there is no session to be had.
    pub async fn open(
        url: &str,
        hello: bool,
        kind: Kind,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let mut peer = Peer::connect(url, hello, patience).await?;
        let run = format!("bench-{}", Uuid::new_v4().simple());
        peer.register_function(&run).await?;
        peer.fence().await?;
        Ok(Self {
            peer,
            run,
            kind,
            begun: 0,
        })
    }

    /// Registers so many more.
    ///
    /// # Errors
    ///
    /// When one is refused, or not answered.
    pub async fn register(&mut self, count: usize) -> Result<Registering, LoadError> {
        let began = Instant::now();
        match self.kind {
            Kind::Function => self.register_functions(count).await?,
            Kind::Http | Kind::Cron | Kind::Queue => self.register_triggers(count).await?,
        }
        Ok(Registering {
            registered: count,
            took: began.elapsed(),
        })
    }

    async fn register_functions(&mut self, count: usize) -> Result<(), LoadError> {
        for _ in 0..count {
            let label = self.label();
            self.peer.register_function(&label).await?;
        }
        self.peer.fence().await
    }

    async fn register_triggers(&mut self, count: usize) -> Result<(), LoadError> {
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            while sent < count && sent - answered < AT_ONCE {
                let label = self.label();
                let Some((trigger_type, config)) = self.kind.trigger(&self.run, self.begun) else {
                    return Ok(());
                };
                self.peer
                    .register_trigger(&label, trigger_type, &self.run, &config)
                    .await?;
                sent += 1;
            }
            self.peer.trigger_registered("a trigger", &self.run).await?;
            answered += 1;
        }
        Ok(())
    }

    /// Takes so many of the latest back.
    ///
    /// # Errors
    ///
    /// When the engine ends the session, or does not answer.
    pub async fn unregister(&mut self, count: usize) -> Result<(), LoadError> {
        let what = match self.kind {
            Kind::Function => "function",
            Kind::Http | Kind::Cron | Kind::Queue => "trigger",
        };
        for _ in 0..count.min(self.begun) {
            let label = format!("{}-{}", self.run, self.begun);
            self.peer.unregister(what, &label).await?;
            self.begun -= 1;
        }
        self.peer.fence().await
    }

    fn label(&mut self) -> String {
        self.begun += 1;
        format!("{}-{}", self.run, self.begun)
    }

    /// The queue of the trigger with this number.
    pub(super) fn queue(&self, number: usize) -> String {
        queue(&self.run, number)
    }

    /// Ends the session, and with it its registrations.
    pub async fn close(self) {
        self.peer.close().await;
    }
}

fn queue(run: &str, number: usize) -> String {
    format!("{run}-{}", number % QUEUES)
}
