//! `conformance replay` of whole runs: what was said in each case is said again, and the same
//! engine answers as it did.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use conformance_suite::{
    case::{Case, Cases},
    endpoint::Callback,
    histories,
    ledger::Ledger,
    mapping::ConfigKeys,
    record::Transcripts,
    runner::{self, Context, Pace, Target},
    verdict::{Outcome, Status},
};
use reference::{Server, core::HeaderText};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    command::run,
    embedded,
    engines::{Faulty, serve},
    lint::Folder,
    reports::{assert_fits, schema},
};

/// The transcripts of a report as case files of a folder, under ids of their own: the cases that
/// probe are there as well.
fn unpack(report: &Path, folder: &Folder) -> BTreeMap<String, String> {
    let text = fs::read_to_string(report).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_fits(&schema(None), &told);
    let transcripts = Transcripts::read(report).unwrap().unwrap();
    let (mut originals, mut silent) = (BTreeMap::new(), Vec::new());
    for case in told["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        if case["transcript"] == json!([]) {
            silent.push(id.to_owned());
            continue;
        }
        let recording = transcripts.recording(Some(id));
        let recording = recording.unwrap_or_else(|it| panic!("{it}"));
        let mut file = serde_json::to_value(&recording).unwrap();
        assert_eq!(steps_of(&file), wholes_of(case), "{id}");
        let again = format!("again-{id}");
        file["id"] = again.as_str().into();
        folder.file(&format!("{again}.json"), file.to_string());
        originals.insert(again, id.to_owned());
    }
    // Random histories keep what was said in the one that failed.
    assert_eq!(silent, [histories::ID]);
    originals
}

/// How often a case does what no text shows: sends bytes, makes requests, and expects them.
fn steps_of(case: &Value) -> [usize; 3] {
    let steps = case["steps"].as_array().unwrap();
    [
        &["send_raw", "send_text"][..],
        &["request"],
        &["expect_request"],
    ]
    .map(|verbs| {
        let is_one = |step: &&Value| verbs.iter().any(|verb| step.get(verb).is_some());
        steps.iter().filter(is_one).count()
    })
}

/// How often it was done in the case of a report.
fn wholes_of(case: &Value) -> [usize; 3] {
    let lines = case["transcript"].as_array().unwrap();
    ["frame", "request", "received"].map(|kind| {
        let is_one = |line: &&Value| line["whole"].get(kind).is_some();
        lines.iter().filter(is_one).count()
    })
}

/// Plays them beside each other, as far as the cases could be that they come from.
async fn play(
    server: &Server,
    folder: &Folder,
    originals: &BTreeMap<String, String>,
) -> Vec<Outcome> {
    let ledger = Ledger::embedded().unwrap();
    let suite = Cases::embedded(&ledger).unwrap();
    let cases = Cases::from_folder(folder.path(), &ledger);
    let cases = cases.unwrap_or_else(|it| panic!("{it}"));
    let beside = |case: &Case| {
        let original = originals.get(&case.id).and_then(|id| suite.get(id));
        Case {
            verbatim: original.is_some_and(|it| it.verbatim),
            alone: original.is_some_and(|it| it.alone),
            ..case.clone()
        }
    };
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
    let context = Arc::new(Context::new(target, Pace::default()).unwrap());
    let (events, _) = mpsc::unbounded_channel();
    let cases = cases.iter().map(beside).collect();
    let mut outcomes = runner::run(&context, cases, None, &events).await;
    outcomes.retain(|it| originals.contains_key(&it.case));
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_said_in_a_run_can_be_said_again() {
    let folder = Folder::new();
    let report = folder.path().join("report");
    let argument = format!("json={}", report.display());
    let said =
        tokio::task::spawn_blocking(move || run(&["run", "--verbose", "--report", &argument]));
    let (code, out, err) = said.await.unwrap();
    assert_eq!(code, Some(0), "{out}{err}");
    let originals = unpack(&report, &folder);
    assert!(originals.len() > 600, "{}", originals.len());
    let server = embedded::start().await.unwrap();
    let outcomes = play(&server, &folder, &originals).await;
    server.shutdown().await;
    assert_eq!(outcomes.len(), originals.len());
    let otherwise = outcomes.iter().filter(|it| it.status != Status::Passed);
    let otherwise: Vec<String> = otherwise
        .map(|it| format!("{}: {:?}", it.case, it.status))
        .collect();
    assert!(otherwise.is_empty(), "{}: {otherwise:#?}", otherwise.len());
}

/// What a command says of an engine; its exit code, and its output.
async fn aimed(server: &Server, arguments: &[&str]) -> (Option<i32>, String) {
    let (url, http_url) = (server.url(), server.http_url().unwrap());
    let mut all: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let target = ["--url", &url, "--http-url", &http_url, "--env"];
    all.extend(target.map(str::to_owned));
    let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, out, err) = tokio::task::spawn_blocking(run).await.unwrap();
    (code, format!("{out}{err}"))
}

/// A case fails against a machine; what was said is the same there another time, and another
/// thing, in these places, against the reference.
async fn fails_there_and_differs_here(machine: Faulty, case: &str, places: &[&str]) {
    let folder = Folder::new();
    let path = folder.path().join("report.json").display().to_string();
    let there = serve(machine).await;
    let report = format!("json={path}");
    let (code, said) = aimed(&there, &["run", "--strict", case, "--report", &report]).await;
    assert_eq!(code, Some(1), "{said}");
    let replay = ["replay", &path, "--case", case];
    let (code, said) = aimed(&there, &replay).await;
    assert_eq!(code, Some(0), "{said}");
    let same = format!("the same as then  {case}\n");
    assert!(said.contains(&same), "{said}");
    there.shutdown().await;

    let here = embedded::start().await.unwrap();
    let (code, said) = aimed(&here, &replay).await;
    assert_eq!(code, Some(1), "{said}");
    let otherwise = format!("otherwise than then  {case}\n");
    assert!(said.contains(&otherwise), "{said}");
    for place in places {
        assert!(said.contains(place), "{place} in {said}");
    }
    here.shutdown().await;
    // Nor does a report say what the engine's variables are, but for the lines of the transcript.
    let told = fs::read_to_string(&path).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let mut cases = told["cases"].as_array().unwrap().iter();
    let told = cases.find(|it| it["id"] == case).unwrap();
    let lines = told["transcript"].as_array().unwrap();
    let wholes: Vec<String> = lines.iter().map(|it| it["whole"].to_string()).collect();
    assert!(wholes.iter().any(|it| it != "null"), "{wholes:?}");
    for value in embedded::variables().values().filter(|it| it.len() >= 8) {
        assert!(!wholes.iter().any(|it| it.contains(value)), "{wholes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_endpoints_are_awaited_and_compared() {
    let other_body = Faulty::requests(|request| {
        request.body = r#"{"other":1}"#.to_owned();
        true
    });
    let case = "http-request-carries-the-data-as-json";
    let other_body = fails_there_and_differs_here(other_body, case, &["body.other"]);
    let no_token = Faulty::requests(|request| {
        let is_token = |name: &str| name.eq_ignore_ascii_case("authorization");
        request.headers.retain(|(name, _)| !is_token(name));
        let other = HeaderText::Plain("1".into());
        request.headers.push(("x-other".to_owned(), other));
        true
    });
    let case = "bearer-token-is-sent-on-every-call";
    let no_token = fails_there_and_differs_here(no_token, case, &["headers.x-other"]);
    tokio::join!(other_body, no_token);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_variables_is_not_replayed_without_them() {
    let folder = Folder::new();
    let path = folder.path().join("report.json").display().to_string();
    let report = format!("json={path}");
    let case = "bearer-token-is-sent-on-every-call";
    let server = embedded::start().await.unwrap();
    let (code, said) = aimed(&server, &["run", case, "--verbose", "--report", &report]).await;
    assert_eq!(code, Some(0), "{said}");
    let url = server.url();
    let replay = move || run(&["replay", &path, "--case", case, "--url", &url]);
    let (_, out, err) = tokio::task::spawn_blocking(replay).await.unwrap();
    assert!(out.contains(&format!("untestable  {case}: ")), "{out}{err}");
    assert!(out.contains("CONFORMANCE_TOKEN"), "{out}{err}");
    assert!(!out.contains("otherwise than then"), "{out}{err}");
    server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_http_triggers_are_made_and_their_answers_compared() {
    let other_status = Faulty::incoming(|frame| {
        if let Some(status) = frame.pointer_mut("/result/status_code") {
            *status = 418.into();
        }
        true
    });
    let case = "http-answer-has-the-functions-status-headers-and-body";
    fails_there_and_differs_here(
        other_status,
        case,
        &[
            "an answer to the request `",
            "expected  418\n              received  201",
        ],
    )
    .await;
}
