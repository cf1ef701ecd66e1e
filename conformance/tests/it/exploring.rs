//! Exploring: what it finds in engines that are wrong, and that it finds nothing in others.

#![allow(clippy::print_stdout, reason = "it tells what it measures")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::engines::{BoxedMachine, Fault, Sight, faults, odd};
use conformance::{
    case::{Case, Cases},
    endpoint::Callback,
    histories::{self, Explorer, Finding, Plan},
    ledger::Ledger,
    mapping::ConfigKeys,
    runner::{self, Context, Pace, Target},
};
use reference::{Options, Server};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{command::run, embedded, targets::Folder};

/// How long, or how far, an engine is explored.
#[derive(Clone, Copy)]
struct Look {
    seed: u64,
    strict: bool,
    histories: u64,
    budget: Duration,
}

async fn serve(machine: BoxedMachine) -> Server {
    let options = Options {
        machine,
        ..embedded::options()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

fn fault(id: &str) -> Fault {
    faults::all().into_iter().find(|it| it.id == id).unwrap()
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

/// Faults of scope, uniqueness, unregistering, ends of sessions, leaks and routes: of what an
/// engine remembers, and not of what a single frame says.
const OF_STATE: &[&str] = &[
    "registration-held-back",
    "third-function-ignored",
    "unregistering-ignored-once-called",
    "unregistered-function-still-called",
    "id-of-an-unregistered-function-taken",
    "id-taken-after-two-unregistrations",
    "unregistering-takes-all",
    "unregistering-takes-the-latest",
    "function-goes-with-a-refused-trigger",
    "function-goes-with-its-trigger",
    "function-goes-with-a-failure",
    "function-goes-with-its-caller",
    "duplicate-takes-the-first-along",
    "duplicate-counted",
    "duplicate-blocks-its-id",
    "duplicate-blocks-its-session",
    "duplicate-closes-its-session",
    "duplicate-untold",
    "ids-of-the-whole-engine",
    "ids-of-ended-sessions",
    "anyone-may-unregister",
    "calls-twice",
    "second-void-call-kept",
    "calls-shown-to-the-caller",
    "calls-to-the-latest-worker",
    "calls-to-the-first-owner",
    "calls-with-the-data-of-the-first",
    "function-called-once",
    "calls-in-flight-block-others",
    "functions-seen-by-their-session-only",
    "functions-seen-by-other-sessions-only",
    "functions-unseen-by-providers",
    "results-twice",
    "results-to-the-worker",
    "results-to-the-latest-caller",
    "results-in-the-order-of-calls",
    "results-of-the-first-call",
    "duplicate-accepted",
    "trigger-ids-unique-per-type",
    "trigger-ids-unique-per-function",
    "duplicate-of-the-newest-alone",
    "third-of-an-id-accepted",
    "identical-duplicate-accepted",
    "trigger-ids-unique-in-the-engine",
    "functions-of-other-sessions-unknown",
    "ends-of-sessions-unnoticed",
    "refused-ids-are-taken",
    "ids-refused-for-their-config-are-taken",
    "function-checked-once",
    "unknown-function-remembered",
    "one-trigger-a-function",
    "unregistertrigger-ignored",
    "unregistertrigger-once-a-session",
    "unregistering-one-frees-all-ids",
    "freed-id-never-checked-again",
    "type-unknown-to-its-provider",
    "one-type-a-session",
    "type-unknown-once-it-was-asked-for",
    "withdrawn-type-stays",
    "withdrawn-type-never-returns",
    "second-provider-not-told",
    "function-unchecked-for-provided-types",
    "duplicate-unchecked-for-provided-types",
    "duplicate-handed-to-its-provider",
    "each-provider-asked",
    "providers-refusal-taken-for-success",
    "id-refused-by-a-provider-is-taken",
];

/// Measures: `cargo test -p conformance --test it -- --ignored --nocapture measured`. The variable
/// FAULT narrows it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it measures, for minutes"]
async fn measured() {
    let mut steps = Vec::new();
    let mut missed = Vec::new();
    let wanted = std::env::var("FAULT").unwrap_or_default();
    for id in OF_STATE.iter().filter(|it| it.contains(&wanted)) {
        let fault = fault(id);
        let strict = fault.sight == Sight::Strict;
        let look = Look {
            seed: 7,
            strict,
            histories: u64::MAX,
            budget: Duration::from_secs(30),
        };
        let server = serve(fault.machine()).await;
        let Some((finding, found_in)) = explore(&server, look).await else {
            println!("{id}: MISSED ({}: {:?})", fault.title, fault.breaks);
            missed.push(*id);
            continue;
        };
        let replayed = replayed(&server, &finding).await;
        println!(
            "{id}: {} in {found_in:.1?}, {} steps, {:?}, {replayed:?}\n{}\n     {}\n     {}",
            finding.clause,
            finding.steps_left,
            finding.confirmed,
            finding.steps.join("\n"),
            finding.expected,
            finding.problem,
        );
        steps.push(finding.steps_left);
    }
    steps.sort_unstable();
    println!(
        "found {} of {}, median {:?} steps; missed {missed:?}",
        steps.len(),
        steps.len() + missed.len(),
        steps.get(steps.len() / 2)
    );
}

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
    assert_eq!(replayed, [Some(0), Some(1), Some(0)], "{id}:\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_state_are_found_made_short_and_saved() {
    tokio::join!(
        is_found("duplicate-takes-the-first-along", 7, 4),
        is_found("unregistering-takes-all", 7, 6),
        is_found("anyone-may-unregister", 7, 5),
        is_found("withdrawn-type-stays", 7, 5),
        is_found("ends-of-sessions-unnoticed", 7, 4),
    );
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

/// Runs the command against an engine that lives in this test.
async fn command(server: &Server, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut all = vec!["explore".to_owned(), "--url".to_owned(), server.url()];
    all.extend(arguments.iter().map(|it| (*it).to_owned()));
    let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_line_finds_it_again_and_the_case_is_saved() {
    let server = serve(fault("duplicate-takes-the-first-along").machine()).await;
    let folder = Folder::new();
    let cases = folder.path("cases");
    let looking = ["--seed", "7", "--operations", "20000", "--save", &cases];
    let (code, out, err) = command(&server, &looking).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert_eq!(err, "", "nothing is counted off a terminal");
    assert!(out.contains("history, shrunk\n      1  session"), "{out}");
    assert!(out.contains("failed 3 of 3 times"), "{out}");
    let saved: Vec<_> = std::fs::read_dir(&cases).unwrap().collect();
    assert_eq!(saved.len(), 1, "{out}");
    let again = out.lines().last().unwrap();
    let words = again.strip_prefix("again: conformance explore --url ");
    let seed = words.unwrap().split(' ').next_back().unwrap();
    let (code, out, _) = command(&server, &["--seed", seed, "--operations", "1"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(" in 1 histories of "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keep_going_each_clause_is_found_once() {
    let server = serve(fault("codes-in-capitals").machine()).await;
    let looking = ["--seed", "7", "--operations", "400", "--keep-going"];
    let (code, out, err) = command(&server, &looking).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let again = out.lines().filter(|it| it.starts_with("again: ")).count();
    let (_, found) = out.split_once("): found: ").unwrap();
    let clauses: Vec<&str> = found.lines().next().unwrap().split(", ").collect();
    let distinct: std::collections::BTreeSet<&&str> = clauses.iter().collect();
    assert!(clauses.len() > 1, "{found}");
    assert_eq!((again, distinct.len()), (clauses.len(), clauses.len()));
}

#[test]
fn nothing_is_found_in_the_reference_and_the_steps_are_counted() {
    for strict in [&["--strict"][..], &[]] {
        let mut arguments = vec!["explore", "--seed", "3", "--operations", "500", "--verbose"];
        arguments.extend(strict);
        let (code, out, err) = run(&arguments);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(out.contains("  call, left unanswered\n"), "{out}");
        let last = out.lines().last().unwrap();
        assert!(last.ends_with("/s): nothing was found"), "{last}");
    }
}

#[test]
fn what_cannot_be_explored() {
    for (arguments, code) in [
        (&["explore", "RT-07"][..], 2),
        (&["explore", "--budget", "soon"], 2),
        (&["explore", "--url", "http://127.0.0.1:1"], 2),
        (
            &[
                "explore",
                "--url",
                "ws://127.0.0.1:1",
                "--patience-ms",
                "200",
            ],
            3,
        ),
    ] {
        let (got, out, err) = run(arguments);
        assert_eq!(got, Some(code), "{arguments:?}: {out}{err}");
    }
}
