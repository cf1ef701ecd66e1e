//! The triggers of the engine's own types: what arms them, and how they fire (RT-03 to RT-06).

mod cron;
mod http;
mod queue;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    Engine, Output, Settings,
    calls::{Order, Origin, Outcome},
    triggers::TriggerKey,
};
use crate::{
    Builtin, Deadline, DeadlineReason, Failure, Now, TriggerConfig,
    cron::Agenda,
    http::Routes,
    queue::{Queues, Subscriber},
    wire::InvokeFunction,
};

/// What triggers wait for.
#[derive(Debug)]
pub(super) struct Firing {
    routes: Routes<TriggerKey>,
    agenda: Agenda<TriggerKey>,
    queues: Queues,
    /// Who waits for messages on behalf of a function: nobody is handed any while it is gone.
    subscribers: HashMap<Arc<str>, BTreeSet<Subscriber>>,
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
    patience: Option<Duration>,
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
        key: &TriggerKey,
        config: TriggerConfig,
        function_id: &str,
        out: &mut Output<'_, '_>,
    ) -> Result<(), Failure> {
        match config {
            TriggerConfig::Http(config) => self.add_route(key, &config, out),
            TriggerConfig::Cron(config) => {
                let wall = out.now().wall;
                self.firing.agenda.insert(key.clone(), config, wall);
                Ok(())
            }
            TriggerConfig::Queue(config) => self.subscribe(key, &config, function_id),
        }
    }

    /// Has a trigger fire no more. A call that it has made goes on.
    pub(super) fn disarm(&mut self, key: &TriggerKey, builtin: Builtin, function_id: &str) {
        match builtin {
            Builtin::Http => {
                self.firing.routes.remove(key);
            }
            Builtin::Cron => {
                self.firing.agenda.remove(key);
            }
            Builtin::Queue => self.unsubscribe(&Subscriber::Trigger(key.clone()), function_id),
        }
    }

    /// Calls the function of a trigger, whether or not it is there (D-06).
    fn fire(&mut self, key: &TriggerKey, shot: Shot<'_>, out: &mut Output<'_, '_>) {
        let (session, id) = key;
        let trigger = self.sessions.get(*session).map(|it| &it.triggers);
        let Some(trigger) = trigger.and_then(|triggers| triggers.get(id)) else {
            // A trigger that is gone is disarmed; whoever waits is told all the same.
            let failure = Failure::function_not_found("");
            let outcome = Outcome::Failure(&failure);
            return self.conclude(Uuid::nil(), shot.origin, "", outcome, out);
        };
        let function_id = Arc::clone(&trigger.function_id);
        let frame = InvokeFunction {
            invocation_id: None,
            function_id: (&*function_id).into(),
            data: shot.data,
            metadata: None,
            traceparent: shot.traceparent.map(Into::into),
            baggage: shot.baggage.map(Into::into),
            action: None,
        };
        let order = Order {
            session: *session,
            origin: shot.origin,
            frame: &frame,
            patience: shot.patience,
        };
        self.call(order, out);
    }
}
