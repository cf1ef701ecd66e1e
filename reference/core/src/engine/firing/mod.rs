//! The triggers of the engine's own types: what arms them, and how they fire (RT-03 to RT-06).

mod cron;
mod http;
mod pause;
mod queue;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde_json::value::RawValue;

use super::{
    Engine, Output, Settings,
    calls::{Order, Origin},
};
use crate::{
    Builtin, Deadline, DeadlineReason, Failure, Now, SessionId, TriggerConfig,
    cron::Agenda,
    http::Routes,
    queue::{Queues, Subscriber},
    wire::InvokeFunction,
};

/// A trigger that fires, with all that firing it takes: whoever hands one out need not look it up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Armed {
    /// Whose it is.
    pub(crate) session: SessionId,
    pub(crate) id: Arc<str>,
    /// What it calls.
    pub(crate) function_id: Arc<str>,
}

/// What triggers wait for.
#[derive(Debug)]
pub(super) struct Firing {
    routes: Routes<Armed>,
    agenda: Agenda<Armed>,
    queues: Queues,
    /// Who waits for messages on behalf of a function: nobody is handed any while it is gone.
    subscribers: HashMap<Arc<str>, BTreeSet<Subscriber>>,
    /// Functions that could not be called for messages just now.
    paused: HashSet<Arc<str>>,
    /// Functions that could not be called just now on behalf of the triggers of one session.
    paused_callers: HashSet<(SessionId, Arc<str>)>,
    /// Functions that do not take the messages of a queue just now.
    paused_queues: HashSet<(Arc<str>, Arc<str>)>,
    /// When the clocks were last seen.
    seen: Now,
}

impl Firing {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            routes: Routes::default(),
            agenda: Agenda::default(),
            queues: Queues::new(settings.queues),
            subscribers: HashMap::new(),
            paused: HashSet::new(),
            paused_callers: HashSet::new(),
            paused_queues: HashSet::new(),
            seen: Now {
                monotonic: Duration::ZERO,
                wall: Duration::ZERO,
            },
        }
    }

    pub(super) fn queues(&self) -> &Queues {
        &self.queues
    }

    pub(super) fn see(&mut self, now: Now) {
        self.seen = now;
    }

    /// When the next schedule is due, as long as the wall clock is not set.
    pub(super) fn next_deadline(&self) -> Option<Deadline> {
        let wait = self.agenda.next()?.saturating_sub(self.seen.wall);
        Some(Deadline {
            at: self.seen.monotonic.saturating_add(wait),
            reason: DeadlineReason::CronFiring,
            watches_wall_clock: true,
        })
    }
}

/// How a trigger's call is made.
struct Shot<'a> {
    origin: Origin,
    data: &'a RawValue,
    traceparent: Option<&'a str>,
    baggage: Option<&'a str>,
}

impl Engine {
    /// Whether a config that its type has read can be had beside those that are there.
    pub(super) fn check_room(
        &self,
        config: &TriggerConfig,
        function_is_own: bool,
    ) -> Result<(), Failure> {
        match config {
            TriggerConfig::Http(config) => self.firing.routes.check(&config.path),
            TriggerConfig::Cron(_) => Ok(()),
            TriggerConfig::Queue(_) if function_is_own => Err(Failure::invalid_config(
                "A queue trigger cannot call a function of the engine's own",
            )),
            TriggerConfig::Queue(_) => Ok(()),
        }
    }

    /// Has a trigger fire from now on.
    ///
    /// # Errors
    ///
    /// `invalid_config`, and nothing has changed.
    pub(super) fn arm(
        &mut self,
        trigger: Armed,
        config: TriggerConfig,
        out: &mut Output<'_, '_>,
    ) -> Result<(), Failure> {
        match config {
            TriggerConfig::Http(config) => self.add_route(trigger, &config, out),
            TriggerConfig::Cron(config) => {
                let wall = out.now().wall;
                self.firing.agenda.insert(trigger, config, wall);
                Ok(())
            }
            TriggerConfig::Queue(config) => self.subscribe(trigger, &config),
        }
    }

    /// Has a trigger fire no more. A call that it has made goes on.
    pub(super) fn disarm(&mut self, trigger: Armed, builtin: Builtin) {
        match builtin {
            Builtin::Http => {
                self.firing.routes.remove(&trigger);
            }
            Builtin::Cron => {
                self.firing.agenda.remove(&trigger);
            }
            Builtin::Queue => self.unsubscribe(&Subscriber::Trigger(trigger)),
        }
    }

    /// Calls the function of a trigger, whether or not it is there (D-06).
    fn fire(&mut self, trigger: &Armed, shot: Shot<'_>, out: &mut Output<'_, '_>) {
        let frame = InvokeFunction {
            invocation_id: None,
            function_id: (&*trigger.function_id).into(),
            data: shot.data,
            metadata: None,
            traceparent: shot.traceparent.map(Into::into),
            baggage: shot.baggage.map(Into::into),
            action: None,
        };
        let order = Order {
            on_behalf_of: Some(trigger.session),
            origin: shot.origin,
            frame: &frame,
            patience: None,
        };
        self.call(order, out);
    }
}
