//! The suite as tests, one a case: `cargo test` judges the embedded reference, and
//! `CONFORMANCE_URL=ws://… cargo test -p conformance` another engine. For the reference every
//! level decides; for others only what the documents demand. What cannot be exercised is
//! reported as ignored.

#![allow(clippy::expect_used, reason = "tests")]

#[path = "../src/embedded.rs"]
mod embedded;

use std::{collections::BTreeMap, env, process::ExitCode, sync::Arc, time::Duration};

use conformance_suite::{
    case::Cases,
    endpoint::Callback,
    environment::Environment,
    histories,
    ledger::Ledger,
    mapping::ConfigKeys,
    report::{self, Run},
    runner::{self, Context, Features, Pace, Target},
    verdict::{Outcome, Status, Unrun},
};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, RwLock, mpsc},
};

/// What every test needs, for as long as any runs.
struct Suite {
    runtime: Runtime,
    context: Arc<Context>,
    features: Features,
    ledger: Ledger,
    strict: bool,
    /// Held by a case with the documents' own ids, of which one may run at a time.
    verbatim: Mutex<()>,
    /// Held whole by a case beside which nothing may run.
    everything: RwLock<()>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Runtime::new().expect("a runtime");
    let ledger = Ledger::embedded().expect("a ledger");
    let cases = Cases::embedded(&ledger).expect("cases");
    let url = env::var("CONFORMANCE_URL").ok();
    let variables = match url {
        Some(_) => variables_of_environment(),
        None => embedded::variables(),
    };
    let server = match url {
        Some(_) => None,
        None => Some(runtime.block_on(embedded::start()).expect("a server")),
    };
    let Some(target_url) = url.clone().or(server.as_ref().map(|it| it.url())) else {
        return ExitCode::FAILURE;
    };
    let target = Target {
        url: target_url,
        variables,
        hello: true,
        callback: Callback::default(),
        http_url: match url {
            Some(_) => env::var("CONFORMANCE_HTTP_URL").ok(),
            None => server.as_ref().and_then(|it| it.http_url()),
        },
        config_keys: ConfigKeys::default(),
        not_applicable: Vec::new(),
        expendable: url.is_none(),
    };
    let context = Arc::new(Context::new(target, Pace::default()).expect("a context"));
    let probes: Vec<_> = cases
        .iter()
        .filter(|case| case.probes.is_some())
        .map(|case| Arc::new(case.clone()))
        .collect();
    let (events, _) = mpsc::unbounded_channel();
    let (features, _) = runtime.block_on(Features::probe(&context, &probes, &events));
    let suite = Arc::new(Suite {
        runtime,
        context,
        features,
        ledger,
        strict: url.is_none(),
        verbatim: Mutex::new(()),
        everything: RwLock::new(()),
    });
    let trials = trials(&suite, &cases);
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Some(server) = server {
        suite.runtime.block_on(server.shutdown());
    }
    conclusion.exit_code()
}

fn variables_of_environment() -> BTreeMap<String, String> {
    let promises = env::var("CONFORMANCE_VARIABLES").unwrap_or_default();
    let environment = Environment::embedded().expect("an environment");
    let promises = promises.split(',').filter(|it| !it.is_empty());
    promises
        .map(|it| environment.promise(it))
        .collect::<Result<_, String>>()
        .expect("CONFORMANCE_VARIABLES")
}

fn trials(suite: &Arc<Suite>, cases: &Cases) -> Vec<Trial> {
    let of_cases = cases.iter().cloned().map(|case| {
        let untestable = runner::obstacle(&suite.context, &case, &suite.features).is_some();
        let is_slow = case.is_slow();
        let (suite, name) = (Arc::clone(suite), case.id.clone());
        Trial::test(name, move || {
            let outcome = suite.runtime.block_on(async {
                let (_shared, _alone) = match case.alone {
                    true => (None, Some(suite.everything.write().await)),
                    false => (Some(suite.everything.read().await), None),
                };
                let _verbatim = match case.verbatim {
                    true => Some(suite.verbatim.lock().await),
                    false => None,
                };
                runner::run_case(&suite.context, &case, &suite.features).await
            });
            suite.judge(&outcome)
        })
        .with_ignored_flag(untestable || is_slow)
    });
    let wandering = {
        let suite = Arc::clone(suite);
        Trial::test(histories::ID, move || {
            let plan = histories::Plan {
                histories: 40,
                steps_max: 60,
                shrink_time_max: Duration::from_secs(15),
                seed: histories::random_seed(),
                strict: suite.strict,
            };
            let run = async {
                let _shared = suite.everything.read().await;
                histories::run(&suite.context, &suite.features, plan).await
            };
            suite.judge(&suite.runtime.block_on(run))
        })
    };
    of_cases.chain([wandering]).collect()
}

impl Suite {
    /// A failing test shows what `conformance run` would.
    fn judge(&self, outcome: &Outcome) -> Result<(), Failed> {
        let sound = outcome.malformed.is_empty() || !self.strict;
        if sound && !outcome.decides_against(self.strict) && !self.missed(outcome) {
            return Ok(());
        }
        let run = Run {
            ledger: &self.ledger,
            outcomes: std::slice::from_ref(outcome),
            complete: false,
            gone: None,
            restarts: Vec::new(),
            cut_short: None,
            unrun: Unrun::default(),
            strict: self.strict,
            left_out: 0,
            stale: &[],
            again: "cargo test -p conformance --test suite --",
            again_behind: "",
            took: outcome.took,
        };
        let mut text = Vec::new();
        report::failures(&run, &mut text).map_err(|error| error.to_string())?;
        if let Status::Untestable(reason) = &outcome.status {
            text.extend_from_slice(reason.as_bytes());
        }
        Err(String::from_utf8_lossy(&text).into_owned().into())
    }

    /// Against the reference everything can be exercised.
    fn missed(&self, outcome: &Outcome) -> bool {
        self.strict && matches!(outcome.status, Status::Untestable(_))
    }
}
