//! `conformance explore`, as people type it.

use std::collections::BTreeSet;

use reference::Server;

use crate::{
    command::{run, run_at},
    engines::{fault, odd_engine, serve},
    targets::Folder,
};

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
    let confirmed = out.contains("(conformance replay ") && !out.contains("unconfirmed");
    assert!(confirmed, "{out}");
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
    let distinct: BTreeSet<&&str> = clauses.iter().collect();
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

#[tokio::test(flavor = "multi_thread")]
async fn the_transcripts_of_a_report_are_played_again() {
    let server = serve(fault("duplicate-takes-the-first-along").machine()).await;
    let folder = Folder::new();
    let report = folder.path("report.json");
    let format = format!("json={report}");
    let (code, out, _) = run_at(
        server.url(),
        &[
            "random-histories",
            "duplicate-trigger-id-is-refused",
            "--histories",
            "400",
            "--seed",
            "7",
            "--verbose",
            "--report",
            &format,
        ],
    )
    .await;
    assert_eq!(code, Some(1), "{out}");
    let play = async |arguments: &[&str]| {
        let mut all = vec!["replay".to_owned(), report.clone()];
        all.extend(arguments.iter().map(|it| (*it).to_owned()));
        let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let url = server.url();
    let of_histories = ["--case", "random-histories"];
    let there = play(&[&of_histories[..], &["--url", &url]].concat()).await;
    assert_eq!(there.0, Some(0), "{}{}", there.1, there.2);
    assert!(there.1.contains("the same as then  random-histories\n"));
    let (code, out, _) = play(&of_histories).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.contains("otherwise than then  random-histories\n"),
        "{out}"
    );
    // What passed is played as well, and several are not played at once.
    let (code, out, err) = play(&["--case", "duplicate-trigger-id-is-refused"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, _, err) = play(&[]).await;
    assert_eq!(code, Some(2));
    assert!(err.contains("random-histories"), "{err}");
}

/// Runs the command against two engines that live in this test.
async fn against(
    first: &Server,
    second: &Server,
    operations: &str,
) -> (Option<i32>, String, String) {
    let url = second.url();
    let looking = ["--against", &url, "--seed", "7", "--operations", operations];
    command(first, &looking).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_that_do_the_same_have_no_differences() {
    let engine = || serve(odd_engine("own-texts").machine());
    let (code, out, err) = against(&engine().await, &engine().await, "1500").await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains("either may"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_engines_the_one_that_is_wrong_is_named() {
    let right = serve(odd_engine("own-texts").machine()).await;
    let wrong = serve(fault("duplicate-takes-the-first-along").machine()).await;
    for (first, second) in [(&right, &wrong), (&wrong, &right)] {
        let (code, out, err) = against(first, second, "20000").await;
        assert_eq!(code, Some(1), "{out}{err}");
        let named = format!(
            "  wrong     {}, and the other engine gets it right\n",
            wrong.url()
        );
        assert!(out.contains(&named), "{out}");
        let again = out.lines().last().unwrap();
        assert!(
            again.ends_with(&format!("--against {}", second.url())),
            "{out}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_either_may_do_is_shown_and_decides_nothing() {
    let first = serve(odd_engine("own-texts").machine()).await;
    let second = serve(odd_engine("own-refusals").machine()).await;
    let (code, out, err) = against(&first, &second, "1500").await;
    assert_eq!(code, Some(0), "{out}{err}");
    let shown = format!(
        "  {}: the error `duplicate_function_id`\n  {}: no answer\n",
        first.url(),
        second.url()
    );
    let of_functions = out.matches("either may: register a function (").count();
    assert!(out.contains(&shown), "{out}");
    assert_eq!(of_functions, 1, "{out}");
}
