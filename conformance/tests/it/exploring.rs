//! Exploring: what it finds in engines that are wrong, and that it finds nothing in others.

#![allow(clippy::print_stdout, reason = "it tells what it measures")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::engines::{Sight, odd};
use conformance_suite::{
    case::{Case, Cases},
    endpoint::Callback,
    histories::{self, Explorer, Finding, Plan},
    ledger::Ledger,
    mapping::ConfigKeys,
    runner::{self, Context, Pace, Target},
};
use reference::Server;
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    command::run,
    embedded,
    engines::{Fate, Faulty, fault, serve},
    exploring_faults::OF_STATE,
    targets::Folder,
};

/// How long, or how far, an engine is explored.
#[derive(Clone, Copy)]
struct Look {
    seed: u64,
    strict: bool,
    histories: u64,
    budget: Duration,
}

/// What is found first, and when, in an engine.
async fn explore(server: &Server, look: Look) -> Option<(Finding, Duration)> {
    let target = Target {
        url: server.url(),
        variables: embedded::variables(),
        hello: true,
        callback: Callback::default(),
        http_url: None,
        config_keys: ConfigKeys::default(),
        not_applicable: Vec::new(),
        expendable: true,
    };
    let pace = Pace {
        adapts: true,
        ..Pace::default()
    };
    let context = Arc::new(Context::new(target, pace).unwrap());
    let cases = Cases::embedded(&Ledger::embedded().unwrap()).unwrap();
    let probes = cases.iter().filter(|it| it.probes.is_some());
    let probes = probes.filter(|it| it.clock_s == 0 && !it.makes_requests());
    let probes: Vec<Arc<Case>> = probes.cloned().map(Arc::new).collect();
    let (events, _) = mpsc::unbounded_channel();
    let (context, features, _) = runner::acquainted(&context, &probes, &events).await;
    if histories::missing(&features).contains(&histories::FENCE) {
        return None;
    }
    let plan = Plan {
        histories: 0,
        steps_max: 40,
        seed: look.seed,
        shrink_time_max: look.budget,
        strict: look.strict,
    };
    let mut explorer = Explorer::new(&context, &features, plan);
    let began = Instant::now();
    while explorer.counts.histories < look.histories && began.elapsed() < look.budget {
        if let Some(wrong) = explorer.next().await {
            let found_in = began.elapsed();
            return Some((explorer.shrink(wrong).await, found_in));
        }
    }
    None
}

/// What it gets wrong is the order within a session, which is decided and not documented (D-10).
const OF_ORDER: &str = "registration-held-back";

/// Measures: `cargo test -p conformance --test it -- --ignored --nocapture exploring::measured`.
/// The variable FAULT narrows it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures nine in ten within half a minute each, which takes many minutes"]
async fn measured() {
    let mut steps = Vec::new();
    let mut missed = Vec::new();
    let mut misleading = Vec::new();
    let wanted = std::env::var("FAULT").unwrap_or_default();
    for id in OF_STATE.iter().filter(|it| it.contains(&wanted)) {
        let fault = fault(id);
        let look = Look {
            seed: 7,
            strict: fault.sight == Sight::Strict || *id == OF_ORDER,
            histories: u64::MAX,
            budget: Duration::from_secs(30),
        };
        let server = serve(fault.machine()).await;
        let Some((finding, found_in)) = explore(&server, look).await else {
            println!("{id}: MISSED ({}: {:?})", fault.title, fault.breaks);
            missed.push(*id);
            continue;
        };
        println!(
            "{id}: {} in {found_in:.1?}, {} steps, {:?}\n{}\n     {}\n     {}",
            finding.clause,
            finding.steps_left,
            finding.confirmed,
            finding.steps.join("\n"),
            finding.expected,
            finding.problem,
        );
        let replayed = replayed(&server, &finding).await;
        if replayed != AS_IT_SHOULD {
            println!("{replayed:?}: {}", finding.case("explored", "must", None));
            misleading.push(*id);
        }
        steps.push(finding.steps_left);
    }
    steps.sort_unstable();
    let (found, all) = (steps.len(), steps.len() + missed.len());
    let median = steps[found / 2];
    println!("found {found} of {all}, median {median} steps; missed {missed:?}");
    assert!(found * 10 >= all * 9, "missed {missed:?}");
    // Two beyond the shortest possible, and none is shorter than one step.
    assert!(median <= 3, "{steps:?}");
    assert!(misleading.is_empty(), "{misleading:?}");
}

/// `lint` finds no error, the case fails where it was found, and the reference passes.
const AS_IT_SHOULD: [Option<i32>; 3] = [Some(0), Some(1), Some(0)];

/// What the case of a finding comes to: in the eyes of `lint`, against the engine in which it was
/// found, and against the reference. Exit codes.
async fn replayed(server: &Server, finding: &Finding) -> [Option<i32>; 3] {
    let folder = Folder::new();
    let path = folder.write("explored.json", &finding.case("explored", "must", None));
    let url = server.url();
    tokio::task::spawn_blocking(move || {
        let lint = run(&["lint", &path]);
        let there = run(&["replay", &path, "--url", &url]);
        let here = run(&["replay", &path]);
        [lint.0, there.0, here.0]
    })
    .await
    .unwrap()
}

/// Each is found, made short, and saved as a case that fails there and nowhere else.
async fn is_found(id: &str, seed: u64, steps_max: usize) {
    let fault = fault(id);
    let look = Look {
        seed,
        strict: fault.sight == Sight::Strict,
        histories: 400,
        budget: Duration::from_secs(300),
    };
    let server = serve(fault.machine()).await;
    let found = explore(&server, look).await;
    let (finding, _) = found.unwrap_or_else(|| panic!("{id} is not found"));
    let told = finding.steps.join("\n");
    assert!(finding.steps_left <= steps_max, "{id}:\n{told}");
    assert_eq!(finding.confirmed, (3, 3), "{id}:\n{told}");
    let replayed = replayed(&server, &finding).await;
    assert_eq!(replayed, AS_IT_SHOULD, "{id}:\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_state_are_found_made_short_and_saved() {
    tokio::join!(
        is_found("duplicate-takes-the-first-along", 7, 4),
        is_found("unregistering-takes-all", 7, 6),
        is_found("anyone-may-unregister", 7, 5),
        is_found("withdrawn-type-stays", 7, 5),
        is_found("ends-of-sessions-unnoticed", 7, 4),
        is_found("results-to-the-latest-caller", 7, 4),
        is_found("identical-duplicate-accepted", 7, 4),
        is_found("calls-to-the-first-owner", 7, 4),
        is_found("each-provider-asked", 7, 6),
        is_found("worker-replaces-an-endpoint", 7, 4),
        is_found("provider-not-told-of-unregistering", 7, 5),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_held_to_what_was_registered_under_strict_alone() {
    let machine = || {
        Faulty::outgoing(|frame| {
            let list = frame.pointer_mut("/result/registered_triggers");
            if let Some(list) = list.and_then(Value::as_array_mut) {
                list.retain(|it| it.get("trigger_type") != Some(&"queue".into()));
            }
            Fate::Keep
        })
    };
    let look = |strict| Look {
        seed: 7,
        strict,
        histories: 30,
        budget: Duration::from_secs(300),
    };
    let server = serve(machine()).await;
    assert!(explore(&server, look(false)).await.is_none());
    let (finding, _) = explore(&server, look(true)).await.unwrap();
    assert_eq!(finding.clause, "CO-17");
    let told = finding.steps.join("\n");
    // A function, and a trigger of type queue.
    assert_eq!(finding.steps_left, 2, "{told}");
    assert_eq!(replayed(&server, &finding).await, AS_IT_SHOULD, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_that_are_merely_odd_are_left_in_peace() {
    let mut looks = JoinSet::new();
    for engine in odd::all() {
        for seed in [1_000, 2_000, 3_000] {
            let (id, machine) = (engine.id, engine.machine());
            looks.spawn(async move {
                let look = Look {
                    seed,
                    strict: false,
                    histories: 3,
                    budget: Duration::from_secs(60),
                };
                let server = serve(machine).await;
                let found = explore(&server, look).await;
                let told = found.map(|(it, _)| (it.clause, it.steps, it.expected, it.problem));
                assert!(told.is_none(), "{id}, seed {seed}: {told:#?}");
            });
        }
    }
    looks.join_all().await;
}
