//! The engines that are loaded.

use std::{io, thread, time::Duration};

use conformance_suite::runner::Context;
use tokio::sync::oneshot;

use super::{args::BenchArgs, table::Whose};
use crate::{
    embedded,
    engine::Engine,
    exit::{Exit, Problem},
    settings::{Aim, Settings},
};

/// An engine under load.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) whose: Whose,
    pub(super) url: String,
    pub(super) http_url: Option<String>,
    pub(super) hello: bool,
    pub(super) patience: Duration,
    /// If it was started here as a process of its own.
    pub(super) process: Option<u32>,
}

/// The target of a run, for as long as it is needed.
pub(super) struct Target {
    engine: Option<Engine>,
    apart: Option<Apart>,
    pub(super) side: Side,
    pub(super) description: String,
}

impl Target {
    pub(super) async fn start(settings: &Settings, args: &BenchArgs) -> Result<Self, Problem> {
        let patience = settings.pace.patience;
        if let Aim::Embedded = settings.aim {
            let apart = Apart::start().await;
            let apart = apart.map_err(|error| Problem::new(Exit::OurFault, error))?;
            return Ok(Self {
                description: format!("the embedded reference at {}", apart.url),
                side: Side {
                    whose: Whose::Target,
                    url: apart.url.clone(),
                    http_url: apart.http_url.clone(),
                    hello: settings.hello,
                    patience,
                    process: None,
                },
                engine: None,
                apart: Some(apart),
            });
        }
        let mut engine = Engine::start(settings).await?;
        let target = engine.target(settings);
        let (url, http_url) = (target.url.clone(), target.http_url.clone());
        let context = Context::new(target, settings.pace);
        let context = context.map_err(|error| Problem::new(Exit::OurFault, error))?;
        let start_time = Duration::from_secs(args.run.target.start_time_s);
        if let Err(problem) = engine.until_it_listens(&context, start_time).await {
            engine.end().await;
            return Err(problem);
        }
        Ok(Self {
            description: engine.describe(settings),
            side: Side {
                whose: Whose::Target,
                url,
                http_url,
                hello: settings.hello,
                patience,
                process: engine.process(),
            },
            engine: Some(engine),
            apart: None,
        })
    }

    pub(super) async fn end(self) {
        if let Some(engine) = self.engine {
            engine.end().await;
        }
        drop(self.apart);
    }
}

/// The embedded reference on threads of its own, so that it does not wait for those of the load.
#[derive(Debug)]
struct Apart {
    url: String,
    http_url: Option<String>,
    _stop: oneshot::Sender<()>,
}

impl Apart {
    async fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        let (tell, told) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        thread::Builder::new().spawn(move || {
            runtime.block_on(async {
                let server = match embedded::start().await {
                    Ok(server) => server,
                    Err(error) => {
                        let _ = tell.send(Err(error));
                        return;
                    }
                };
                let _ = tell.send(Ok((server.url(), server.http_url())));
                // It ends when the other end is dropped.
                let _: Result<(), _> = stopped.await;
            });
            runtime.shutdown_background();
        })?;
        let (url, http_url) = told.await.map_err(io::Error::other)??;
        Ok(Self {
            url,
            http_url,
            _stop: stop,
        })
    }
}
