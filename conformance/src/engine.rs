//! The engine of a run: embedded, somewhere else, or started for it.

use std::time::Duration;

use conformance_suite::{
    environment::Environment,
    runner::{Context, Target},
};
use reference::Server;

use crate::{
    embedded,
    exit::{Exit, Problem},
    settings::{Aim, Settings},
    spawn::Spawned,
};

pub(crate) enum Engine {
    Embedded(Server),
    Elsewhere { url: String },
    Spawned(Box<Spawned>),
}

impl Engine {
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Problem> {
        Ok(match &settings.aim {
            Aim::Embedded => {
                let started = embedded::start().await;
                Self::Embedded(started.map_err(|error| Problem::new(Exit::OurFault, error))?)
            }
            Aim::Url(url) => Self::Elsewhere { url: url.clone() },
            Aim::Command(command) => {
                let environment = Environment::embedded();
                let environment =
                    environment.map_err(|error| Problem::new(Exit::OurFault, error))?;
                Self::Spawned(Box::new(Spawned::start(command, &environment)?))
            }
        })
    }

    pub(crate) fn describe(&self, settings: &Settings) -> String {
        let name = settings.file.name.as_ref();
        let name = name.map_or_else(String::new, |name| format!("{name} at "));
        match self {
            Self::Embedded(server) => format!(
                "the embedded reference at {} (--url aims at another engine)",
                server.url()
            ),
            Self::Elsewhere { url } => format!("{name}{url}"),
            Self::Spawned(spawned) => format!("{name}{} (started for this run)", spawned.url),
        }
    }

    pub(crate) fn target(&self, settings: &Settings) -> Target {
        let (url, http_url, variables) = match self {
            Self::Embedded(server) => (server.url(), server.http_url(), embedded::variables()),
            Self::Elsewhere { url } => (
                url.clone(),
                settings.http_url.clone(),
                settings.variables.clone(),
            ),
            // It has been given what the cases assume.
            Self::Spawned(spawned) => (
                spawned.url.clone(),
                spawned.http_url.clone().or(settings.http_url.clone()),
                embedded::variables(),
            ),
        };
        Target {
            url,
            http_url,
            variables,
            hello: settings.hello,
            callback: settings.callback.clone(),
            config_keys: settings.file.config_keys.clone(),
            not_applicable: settings.file.not_applicable.clone(),
            expendable: !matches!(self, Self::Elsewhere { .. }),
        }
    }

    pub(crate) async fn until_it_listens(
        &mut self,
        context: &Context,
        patience: Duration,
    ) -> Result<(), Problem> {
        match self {
            Self::Spawned(spawned) => spawned.until_it_listens(context, patience).await,
            Self::Embedded(_) | Self::Elsewhere { .. } => {
                let reached = context.reach().await;
                reached.map_err(|error| Problem::new(Exit::Unreachable, error))
            }
        }
    }

    /// The process of an engine that was started for the run.
    pub(crate) fn process(&self) -> Option<u32> {
        match self {
            Self::Spawned(spawned) => spawned.process(),
            Self::Embedded(_) | Self::Elsewhere { .. } => None,
        }
    }

    /// How an engine that was started for the run has ended, if it has.
    pub(crate) fn has_ended(&mut self) -> Option<String> {
        match self {
            Self::Spawned(spawned) => spawned.has_ended(),
            Self::Embedded(_) | Self::Elsewhere { .. } => None,
        }
    }

    /// Waits until an engine that was started for the run has ended by itself; how.
    pub(crate) async fn ended(&mut self) -> String {
        match self {
            Self::Spawned(spawned) => spawned.ended().await,
            Self::Embedded(_) | Self::Elsewhere { .. } => std::future::pending().await,
        }
    }

    pub(crate) async fn end(self) {
        match self {
            Self::Embedded(server) => server.shutdown().await,
            Self::Spawned(spawned) => spawned.end().await,
            Self::Elsewhere { .. } => {}
        }
    }
}
