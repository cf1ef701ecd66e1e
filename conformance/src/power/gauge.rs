//! The suite against one engine of the catalogue.

use std::{cell::RefCell, collections::BTreeSet, io, sync::Arc, time::Duration};

use conformance_suite::{
    case::{Case, Cases},
    endpoint::Callback,
    histories,
    mapping::ConfigKeys,
    runner::{self, Context, Pace, Target},
    verdict::{CaseVerdict, Outcome, Status},
};
use engines::{BoxedMachine, Fault, Manner, Other, Rerouted, Sight, Wire};
use reference::{Limits, Options, Server};
use tokio::sync::mpsc;

use super::{Kill, Misjudged, Wrong, relay::Relay};
use crate::embedded;

/// The cases that engines are put to.
pub(super) struct Gauge {
    cases: Vec<Arc<Case>>,
    /// The ids of those that no fault has made fail yet.
    untouched: RefCell<BTreeSet<String>>,
}

impl Gauge {
    pub(super) fn new(cases: &Cases) -> Self {
        let all = cases.iter().filter(|case| !case.is_slow());
        let cases: Vec<Arc<Case>> = all.cloned().map(Arc::new).collect();
        Self {
            untouched: RefCell::new(cases.iter().map(|it| it.id.clone()).collect()),
            cases,
        }
    }

    /// The cases that decide about an engine, and those that say what it has.
    fn deciding(&self, strict: bool) -> Vec<Arc<Case>> {
        let deciding = |it: &&Arc<Case>| it.level.decides(strict) || it.probes.is_some();
        self.cases.iter().filter(deciding).cloned().collect()
    }

    /// Likewise, with those that may never fail: what is left of these has been put to every
    /// fault.
    fn for_a_fault(&self, strict: bool) -> Vec<Arc<Case>> {
        let mut cases = self.deciding(strict);
        if !strict {
            let untouched = self.untouched.borrow();
            let more = self.cases.iter().filter(|it| {
                !it.level.decides(strict) && it.probes.is_none() && untouched.contains(&it.id)
            });
            cases.extend(more.cloned());
        }
        cases
    }

    /// The ids of the cases that can fail: those that probe say what an engine has.
    pub(super) fn failing(&self) -> impl Iterator<Item = &str> {
        let judging = self.cases.iter().filter(|it| it.probes.is_none());
        judging.map(|it| it.id.as_str())
    }

    pub(super) async fn kill(&self, fault: &Fault) -> Result<Kill, String> {
        let strict = fault.sight == Sight::Strict;
        let cases = self.for_a_fault(strict);
        let outcomes = self
            .run(cases, fault.machine(), fault.wire, Manner::Usual, strict)
            .await?;
        let failed: Vec<String> = outcomes
            .iter()
            .filter(|it| matches!(it.status, Status::Failed(_)))
            .map(|it| it.case.clone())
            .collect();
        self.untouched
            .borrow_mut()
            .retain(|it| !failed.contains(it));
        let guilty: Vec<&Outcome> = outcomes
            .iter()
            .filter(|it| it.decides_against(strict))
            .collect();
        let clauses: BTreeSet<&str> = guilty
            .iter()
            .flat_map(|it| it.clauses.iter().map(String::as_str))
            .collect();
        Ok(Kill {
            fault: fault.id,
            title: fault.title,
            breaks: fault.breaks,
            strict,
            killed: !guilty.is_empty(),
            right_reason: fault.breaks.iter().any(|it| clauses.contains(it)),
            by: guilty.iter().map(|it| it.case.clone()).collect(),
            failed,
            clauses: clauses.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The cases that pass against a trivial engine and should not. Those that may do not always:
    /// whether the second of two equal frames is seen is a matter of moments.
    pub(super) async fn passes(&self, engine: &Other) -> Result<Misjudged, String> {
        let outcomes = self
            .run(
                self.deciding(true),
                engine.machine(),
                engine.wire,
                engine.manner,
                true,
            )
            .await?;
        let falsely = |it: &&Outcome| {
            it.verdict(true) == CaseVerdict::Passed && !engine.rightly.contains(&it.case.as_str())
        };
        Ok(misjudged(engine, outcomes.iter().filter(falsely)))
    }

    /// The cases that fail an odd engine, of those that decide.
    pub(super) async fn failures(&self, engine: &Other) -> Result<Misjudged, String> {
        let outcomes = self
            .run(
                self.deciding(false),
                engine.machine(),
                engine.wire,
                engine.manner,
                false,
            )
            .await?;
        let failed = |it: &&Outcome| it.decides_against(false);
        Ok(misjudged(engine, outcomes.iter().filter(failed)))
    }

    /// The cases that fail the reference.
    pub(super) async fn reference(&self) -> Result<Vec<Wrong>, String> {
        let outcomes = self
            .run(
                self.deciding(true),
                embedded::options().machine,
                Wire::Straight,
                Manner::Usual,
                true,
            )
            .await?;
        let failed = |it: &&Outcome| it.verdict(true) != CaseVerdict::Passed;
        Ok(outcomes.iter().filter(failed).map(wrong).collect())
    }

    async fn run(
        &self,
        cases: Vec<Arc<Case>>,
        machine: BoxedMachine,
        wire: Wire,
        manner: Manner,
        strict: bool,
    ) -> Result<Vec<Outcome>, String> {
        let way = Way::start(machine, wire, manner).await;
        let way = way.map_err(|it| it.to_string())?;
        let outcomes = judge(cases, way.target(), strict).await;
        way.server.shutdown().await;
        outcomes
    }
}

/// An engine, and what stands between it and the suite.
struct Way {
    server: Server,
    workers: Option<Relay>,
    triggers: Option<Relay>,
    /// Serves until it is dropped.
    _endpoints: Option<Relay>,
}

impl Way {
    async fn start(machine: BoxedMachine, wire: Wire, manner: Manner) -> io::Result<Self> {
        if manner == Manner::Usual {
            let server = serve(machine).await?;
            return Self::to(server, wire).await;
        }
        let endpoints = Relay::of_endpoints(manner).await?;
        let machine = Box::new(Rerouted::new(machine, endpoints.address()));
        let server = serve(machine).await?;
        let triggers = match server.http_address() {
            Some(address) => Some(Relay::of_triggers(address, manner).await?),
            None => None,
        };
        Ok(Self {
            triggers,
            _endpoints: Some(endpoints),
            ..Self::to(server, wire).await?
        })
    }

    async fn to(server: Server, wire: Wire) -> io::Result<Self> {
        let workers = match wire {
            Wire::Straight => None,
            wire => Some(Relay::of_workers(server.address(), wire).await?),
        };
        Ok(Self {
            server,
            workers,
            triggers: None,
            _endpoints: None,
        })
    }

    fn target(&self) -> Target {
        let workers = self.workers.as_ref().map(Relay::address);
        let triggers = self.triggers.as_ref().map(Relay::address);
        Target {
            url: workers.map_or(self.server.url(), |it| format!("ws://{it}")),
            http_url: triggers.map_or(self.server.http_url(), |it| Some(format!("http://{it}"))),
            variables: embedded::variables(),
            hello: true,
            callback: Callback::default(),
            config_keys: ConfigKeys::default(),
            not_applicable: Vec::new(),
            expendable: true,
        }
    }
}

async fn judge(
    cases: Vec<Arc<Case>>,
    target: Target,
    strict: bool,
) -> Result<Vec<Outcome>, String> {
    let pace = Pace {
        adapts: true,
        ..Pace::default()
    };
    let plan = histories::Plan {
        histories: 12,
        steps_max: 40,
        shrink_time_max: Duration::ZERO,
        seed: 7,
        strict,
    };
    let context = Arc::new(Context::new(target, pace)?);
    let (events, _) = mpsc::unbounded_channel();
    Ok(runner::run(&context, cases, Some(plan), &events).await)
}

async fn serve(machine: BoxedMachine) -> io::Result<Server> {
    let options = Options {
        machine,
        limits: Limits {
            // What a faulty engine has closed need not be waited for.
            close_time_max: Duration::from_millis(200),
            ..Limits::default()
        },
        ..embedded::options()
    };
    Server::bind("127.0.0.1:0", options).await
}

fn misjudged<'o>(engine: &Other, outcomes: impl Iterator<Item = &'o Outcome>) -> Misjudged {
    Misjudged {
        engine: engine.id,
        title: engine.title,
        cases: outcomes.map(wrong).collect(),
    }
}

fn wrong(outcome: &Outcome) -> Wrong {
    let why = match &outcome.status {
        Status::Passed => None,
        Status::Failed(failure) => Some(failure.in_a_line()),
        Status::Untestable(why) | Status::NotApplicable(why) | Status::Broken(why) => {
            Some(why.clone())
        }
    };
    Wrong {
        case: outcome.case.clone(),
        why,
    }
}
