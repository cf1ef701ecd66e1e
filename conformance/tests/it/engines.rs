//! Engines that are wrong on purpose: the reference behind a machine that alters what comes
//! out of it, or what goes in.

use std::{sync::Arc, time::Duration};

use ::engines::{Alter, Altered, BoxedMachine, Fault, Heard, Other, Sent, faults, odd};
use conformance_suite::{
    case::Cases,
    endpoint::Callback,
    histories,
    ledger::Ledger,
    mapping::ConfigKeys,
    runner::{self, Context, Pace, Target},
    verdict::Outcome,
};
use reference::{Options, Server, core::HttpRequest};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::embedded;

/// What becomes of a frame that the engine is about to send.
pub(crate) enum Fate {
    Keep,
    Drop,
}

type Outgoing = Box<dyn FnMut(&mut Value) -> Fate + Send>;
type Incoming = Box<dyn FnMut(&mut Value) -> bool + Send>;
type Requests = Box<dyn FnMut(&mut HttpRequest) -> bool + Send>;

/// The reference with a fault of a test's own around it.
pub(crate) struct Faulty(Closures);

struct Closures {
    outgoing: Outgoing,
    incoming: Incoming,
    requests: Requests,
}

impl Faulty {
    /// Alters the frames that the engine sends.
    pub(crate) fn outgoing(alter: impl FnMut(&mut Value) -> Fate + Send + 'static) -> Self {
        Self(Closures {
            outgoing: Box::new(alter),
            incoming: Box::new(|_| true),
            requests: Box::new(|_| true),
        })
    }

    /// Alters the frames that the engine gets; `false` keeps one from it.
    pub(crate) fn incoming(alter: impl FnMut(&mut Value) -> bool + Send + 'static) -> Self {
        Self(Closures {
            outgoing: Box::new(|_| Fate::Keep),
            incoming: Box::new(alter),
            requests: Box::new(|_| true),
        })
    }

    /// Alters the frames that the engine gets as well.
    pub(crate) fn and_incoming(
        mut self,
        alter: impl FnMut(&mut Value) -> bool + Send + 'static,
    ) -> Self {
        self.0.incoming = Box::new(alter);
        self
    }

    /// Alters the requests that the engine makes; `false` keeps one from being made.
    pub(crate) fn requests(alter: impl FnMut(&mut HttpRequest) -> bool + Send + 'static) -> Self {
        Self(Closures {
            outgoing: Box::new(|_| Fate::Keep),
            incoming: Box::new(|_| true),
            requests: Box::new(alter),
        })
    }
}

impl Alter for Closures {
    fn hears(&mut self, heard: &mut Heard) {
        heard.keep = (self.incoming)(&mut heard.frame);
    }

    fn sends(&mut self, sent: &mut Sent) {
        sent.copies = match (self.outgoing)(&mut sent.frame) {
            Fate::Keep => 1,
            Fate::Drop => 0,
        };
    }

    fn requests(&mut self, request: &mut HttpRequest) -> bool {
        (self.requests)(request)
    }
}

impl From<Faulty> for BoxedMachine {
    fn from(faulty: Faulty) -> Self {
        Box::new(Altered::new(faulty.0))
    }
}

/// The engine of the catalogue that has a fault.
pub(crate) fn fault(id: &str) -> Fault {
    let mut all = faults::all().into_iter();
    all.find(|it| it.id == id)
        .expect("a fault of the catalogue")
}

/// The odd engine of the catalogue that is called so.
pub(crate) fn odd_engine(id: &str) -> Other {
    let mut all = odd::all().into_iter();
    all.find(|it| it.id == id)
        .expect("an engine of the catalogue")
}

/// The reference, served with what the documents' examples need of the environment.
pub(crate) async fn serve(machine: impl Into<BoxedMachine>) -> Server {
    let options = Options {
        machine: machine.into(),
        ..embedded::options()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

/// What of the suite is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'p> {
    /// The cases that judge a clause.
    Clause(&'p str),
    /// Random histories, and the probes that they need.
    Histories,
}

/// What the suite says of a machine.
pub(crate) async fn judge(machine: impl Into<BoxedMachine>, part: Part<'_>) -> Vec<Outcome> {
    let plan = histories::Plan {
        histories: 20,
        steps_max: 40,
        shrink_time_max: Duration::from_secs(15),
        seed: 7,
        strict: matches!(part, Part::Histories),
    };
    let wandering = matches!(part, Part::Histories);
    run(machine, part, wandering.then_some(plan)).await
}

/// What random histories of a seed say of a machine, held to the documents alone.
pub(crate) async fn wander(machine: impl Into<BoxedMachine>, seed: u64) -> Vec<Outcome> {
    let plan = histories::Plan {
        histories: 10,
        steps_max: 40,
        shrink_time_max: Duration::from_secs(15),
        seed,
        strict: false,
    };
    run(machine, Part::Histories, Some(plan)).await
}

async fn run(
    machine: impl Into<BoxedMachine>,
    part: Part<'_>,
    plan: Option<histories::Plan>,
) -> Vec<Outcome> {
    let server = serve(machine).await;
    let target = Target {
        url: server.url(),
        variables: embedded::variables(),
        hello: true,
        callback: Callback::default(),
        http_url: server.http_url(),
        config_keys: ConfigKeys::default(),
        not_applicable: Vec::new(),
        expendable: true,
    };
    // A fault shows as a frame that does not come: what is waited for in vain is the time of
    // these tests. It has to be long enough for a busy machine all the same.
    let pace = Pace {
        jobs: 32,
        patience: Duration::from_millis(700),
        ..Pace::default()
    };
    let context = Arc::new(Context::new(target, pace).unwrap());
    let ledger = Ledger::embedded().unwrap();
    let cases = Cases::embedded(&ledger).unwrap();
    let mut selected = match part {
        Part::Clause(clause) => cases.select(&[clause.to_owned()]),
        Part::Histories => cases
            .iter()
            .filter(|it| it.probes.is_some() && it.clock_s == 0)
            .cloned()
            .collect(),
    };
    // What takes a minute is not for tests that are run all the time.
    selected.retain(|case| !case.is_slow());
    let (events, _) = mpsc::unbounded_channel();
    runner::run(&context, selected, plan, &events).await
}
