//! `conformance diff`: what it finds different, what it does not, and how it says so.

use std::fs;
#[cfg(unix)]
use std::process::{Command, Stdio};

use conformance_suite::schema::validator;
use reference::Server;
use serde_json::{Value, json};

use crate::{
    command::{command, run},
    embedded,
    engines::{Fate, Faulty, serve},
    reports::{FAILING, Scratch, assert_fits, faulty},
};

/// Runs it beside the engines that live in a test.
async fn diff(arguments: Vec<String>) -> (Option<i32>, String, String) {
    let run = move || {
        let arguments = arguments.iter().map(String::as_str);
        run(&["diff"].into_iter().chain(arguments).collect::<Vec<_>>())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn owned(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|it| (*it).to_owned()).collect()
}

/// A report of the cases of a clause, as the reference passes them.
fn report(scratch: &Scratch) -> Value {
    let path = scratch.path("made.json");
    let (code, _, err) = run(&["run", "RT-07", "--report", &format!("json={path}")]);
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&scratch.text("made.json")).unwrap()
}

fn save(scratch: &Scratch, name: &str, report: &Value) -> String {
    let path = scratch.path(name);
    fs::write(&path, report.to_string()).unwrap();
    path
}

fn case<'r>(report: &'r mut Value, id: &str) -> &'r mut Value {
    let cases = report["cases"].as_array_mut().unwrap();
    cases.iter_mut().find(|it| it["id"] == id).unwrap()
}

fn failure(received: &str) -> Value {
    json!({"step": 2, "expected": "a result", "problem": "it arrived, but it differs",
        "history": [], "mismatches": [
            {"path": "error.code", "expected": "\"wanted\"", "received": received}]})
}

/// Two reports with one difference of each kind, and what is no difference.
fn two(scratch: &Scratch) -> (String, String) {
    let mut a = report(scratch);
    let mut b = a.clone();
    let ids: Vec<String> = a["cases"].as_array().unwrap().iter().map(id_of).collect();
    assert!(ids.len() > 7, "{ids:?}");
    // Another verdict, the same failure under another verdict, another failure.
    *case(&mut b, FAILING) = {
        let mut case = case(&mut a, FAILING).clone();
        case["verdict"] = "failed".into();
        case["failure"] = failure("\"other\"");
        case
    };
    let others: Vec<&String> = ids.iter().filter(|it| *it != FAILING).collect();
    let [judged, otherwise, branch, remark, malformed, lone, ..] = others[..] else {
        panic!("{ids:?}")
    };
    for (report, verdict) in [(&mut a, "observed"), (&mut b, "failed")] {
        let observed = case(report, judged);
        observed["verdict"] = verdict.into();
        // The id of a run, and of the engine's making.
        let run = ["0a1b2c", "3d4e5f"][usize::from(verdict == "failed")];
        observed["failure"] = failure(&format!("\"t-{run}-89abcdef\""));
    }
    for (report, received) in [(&mut a, "\"one\""), (&mut b, "\"two\"")] {
        let failed = case(report, otherwise);
        failed["verdict"] = "differs".into();
        failed["failure"] = failure(received);
    }
    case(&mut a, branch)["branches"] = json!(["refused"]);
    case(&mut b, branch)["branches"] = json!(["ignored"]);
    case(&mut a, remark)["remarks"] = json!(["signed by one scheme"]);
    case(&mut b, malformed)["malformed"] = json!(["`pong`: a fault at `/x`"]);
    for case in b["cases"].as_array_mut().unwrap() {
        case["duration_ms"] = json!(12_345.0);
    }
    b["cases"]
        .as_array_mut()
        .unwrap()
        .retain(|it| it["id"] != **lone);
    b["options"]["strict"] = true.into();
    b["options"]["variables"] = json!([]);
    b["suite_version"] = "99.0.0".into();
    (save(scratch, "a.json", &a), save(scratch, "b.json", &b))
}

fn id_of(case: &Value) -> String {
    case["id"].as_str().unwrap().to_owned()
}

#[test]
fn two_reports_are_compared_case_by_case() {
    let scratch = Scratch::new();
    let (a, b) = two(&scratch);
    let (code, out, err) = run(&["diff", &a, &b]);
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(
        out.starts_with("A  the embedded reference at ws://"),
        "{out}"
    );
    for told in [
        format!("(report {b} of "),
        "version of the suite: A 0.1.0; B 99.0.0".to_owned(),
        "what decides: A what the documents demand; B every level".to_owned(),
        "promised variables that the other has not: A API_KEY_ENV_VAR ".to_owned(),
        format!("  {FAILING} (must): "),
        "    A  passed      as the case states\n    B  failed      error.code: expected \
         \"wanted\", received \"other\"\n"
            .to_owned(),
        "A  differs     error.code: expected \"wanted\", received \"one\"".to_owned(),
        "B  differs     error.code: expected \"wanted\", received \"two\"".to_owned(),
        "of what is allowed: refused".to_owned(),
        "of what is allowed: ignored".to_owned(),
        "seen: signed by one scheme".to_owned(),
        "seen: nothing".to_owned(),
        "frames that are not what spec/schema describes: `pong`: a fault at `/x`".to_owned(),
        "\nThe same, and judged otherwise (counted as the same)\n".to_owned(),
        ": A observed, B failed\n".to_owned(),
        "\nOnly in A\n".to_owned(),
        " 5 different, 1 only in A, 0 only in B\n5 cases of ".to_owned(),
    ] {
        assert!(out.contains(&told), "{told} in {out}");
    }
    // How long something took is not told.
    assert!(!out.contains("12345"), "{out}");
}

#[test]
fn what_differs_stands_by_clause_in_the_order_of_the_ledger() {
    let scratch = Scratch::new();
    let mut a = report(&scratch);
    let clauses = ["D-01", "RT-16", "RF-02"];
    let ids: Vec<String> = a["cases"].as_array().unwrap().iter().map(id_of).collect();
    for (clause, id) in clauses.iter().zip(&ids) {
        case(&mut a, id)["clauses"] = json!([clause]);
    }
    let mut b = a.clone();
    for id in &ids[..3] {
        case(&mut b, id)["branches"] = json!(["another"]);
    }
    let (a, b) = (save(&scratch, "a.json", &a), save(&scratch, "b.json", &b));
    let (code, out, _) = run(&["diff", &a, &b]);
    assert_eq!(code, Some(1), "{out}");
    let place = |clause: &str| out.find(&format!("\n{clause} ")).expect(clause);
    assert!(place("RF-02") < place("RT-16"), "{out}");
    assert!(place("RT-16") < place("D-01"), "{out}");
}

#[test]
fn the_json_of_a_comparison_is_what_its_schema_describes() {
    let scratch = Scratch::new();
    let (a, b) = two(&scratch);
    let (code, out, _) = run(&["diff", &a, &b, "--format", "json"]);
    assert_eq!(code, Some(1));
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_fits(&validator("diff.json").unwrap(), &document);
    assert_eq!(document["counts"]["different"], 5);
    assert_eq!(document["counts"]["judged_otherwise"], 1);
    assert_eq!(document["only_in_a"].as_array().unwrap().len(), 1);
    let of_case = |it: &&Value| it["id"] == FAILING;
    let different = document["different"].as_array().unwrap();
    let failing = different.iter().find(of_case).unwrap();
    assert_eq!(failing["aspects"], json!(["verdict"]));
    assert_eq!(
        failing["b"]["failure"]["mismatches"][0]["received"],
        "\"other\""
    );
    let (code, out, _) = run(&["diff", &a, &b, "--format", "markdown"]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains(&format!("| RT-07 | {FAILING} (must)<br>")),
        "{out}"
    );
}

#[test]
fn a_report_differs_in_nothing_from_itself() {
    let scratch = Scratch::new();
    let (a, _) = two(&scratch);
    let (code, out, err) = run(&["diff", &a, &a]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains(" same, 0 different, 0 only in A, 0 only in B\nnothing differs in "));
    assert!(!out.contains("conditions"), "{out}");
}

#[test]
fn files_that_are_no_reports_exit_2_and_say_what_to_do() {
    let scratch = Scratch::new();
    let mut of_report = report(&scratch);
    let good = save(&scratch, "good.json", &of_report);
    let missing = scratch.path("missing.json");
    let lines = scratch.path("lines.json");
    let (code, ..) = run(&["run", "RT-07", "--report", &format!("jsonl={lines}")]);
    assert_eq!(code, Some(0));
    let none = scratch.path("none.json");
    let request = format!("json={none}");
    run(&["run", "--url", "ws://127.0.0.1:9", "--report", &request]);
    let text = scratch.path("text.json");
    fs::write(&text, "hello").unwrap();
    let comparison = scratch.path("comparison.json");
    let (_, out, _) = run(&["diff", &good, &good, "--format", "json"]);
    fs::write(&comparison, out).unwrap();
    of_report["format_version"] = 2.into();
    let newer = save(&scratch, "newer.json", &of_report);
    for (bad, told) in [
        (&missing, "cannot read `"),
        (&lines, "it is of the format jsonl"),
        (&none, "its run did not take place: cannot connect"),
        (&text, "it is no JSON"),
        (&comparison, "is no report of a run: missing field"),
        (
            &newer,
            "is of version 2 of the report format, and this suite reads version 1",
        ),
    ] {
        let (code, out, err) = run(&["diff", &good, bad]);
        assert_eq!(code, Some(2), "{bad}: {err}");
        assert!(
            err.contains(told) && err.contains(bad.as_str()),
            "{told}: {err}"
        );
        assert_eq!(out, "");
    }
    for (arguments, told) in [
        (vec![], "there is nothing to compare"),
        (vec![&*good, &good, &good], "more than two sides"),
        (
            vec![&*good, &good, "--against", "ws://127.0.0.1:9"],
            "more than two sides",
        ),
        (
            vec![&*good, "--against-env"],
            "need --against or --against-target",
        ),
        (
            vec!["--against", &good, "--against-env"],
            "is a report, and",
        ),
        (
            vec![&*good, &good, "RT-07"],
            "two reports are compared as they are; `RT-07`",
        ),
        (
            vec!["--url", "ws://127.0.0.1:9", "no-such-case"],
            "`no-such-case`",
        ),
        (vec!["--url", "http://127.0.0.1:9"], "must begin with ws://"),
    ] {
        let all: Vec<&str> = ["diff"].into_iter().chain(arguments).collect();
        let (code, _, err) = run(&all);
        assert_eq!(code, Some(2), "{all:?}: {err}");
        assert!(err.contains(told), "{told}: {err}");
    }
}

#[test]
fn an_engine_that_cannot_be_reached_exits_3() {
    // Nothing listens on the discard port of the loopback interface.
    for side in ["--url", "--against"] {
        let (code, out, err) = run(&["diff", side, "ws://127.0.0.1:9", "RT-07"]);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
        assert!(err.contains("cannot connect to ws://127.0.0.1:9"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_compared_with_the_reference() {
    let server = faulty().await;
    let (code, out, err) = diff(owned(&["--url", &server.url(), FAILING])).await;
    assert_eq!((code, err.as_str()), (Some(1), ""), "{out}");
    assert!(out.starts_with(&format!("A  {}\n", server.url())), "{out}");
    assert!(
        out.contains("\nB  the embedded reference at ws://"),
        "{out}"
    );
    assert!(out.contains("RT-07 Unknown trigger type"), "{out}");
    let told = "A  failed      error.code: expected \"trigger_type_not_found\", received \
                \"<not>,found:100%\"\n    B  passed      as the case states";
    assert!(out.contains(told), "{out}");
    assert!(
        out.ends_with(" 1 different, 0 only in A, 0 only in B\n1 case of 1 differs\n"),
        "{out}"
    );
    // The engine that is named as the other one is B.
    let (code, out, _) = diff(owned(&["--against", &server.url(), FAILING])).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.starts_with("A  the embedded reference at ws://"),
        "{out}"
    );
    assert!(out.contains("B  failed      error.code"), "{out}");
}

/// An engine that answers to duplicate functions with nothing, which is only observed.
async fn silent_where_the_documents_are() -> Server {
    serve(Faulty::outgoing(|frame| {
        match frame["type"] == "functionregistrationresult" {
            true => Fate::Drop,
            false => Fate::Keep,
        }
    }))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn observations_are_told_as_well() {
    let server = silent_where_the_documents_are().await;
    let arguments = [
        "--url",
        &server.url(),
        "--level",
        "observe",
        "duplicate-is-refused-with-its-code-and-text",
    ];
    let (code, out, err) = diff(owned(&arguments)).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("A  observed    "), "{out}");
    assert!(out.contains("B  passed      as the reference"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_that_are_the_same_differ_in_nothing() {
    let (one, two) = (
        embedded::start().await.unwrap(),
        embedded::start().await.unwrap(),
    );
    let http = |server: &Server| server.http_url().unwrap();
    let arguments = owned(&[
        "--url",
        &one.url(),
        "--http-url",
        &http(&one),
        "--env",
        "--against",
        &two.url(),
        "--against-http-url",
        &http(&two),
        "--against-env",
    ]);
    let (code, out, err) = diff(arguments).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(" same, 0 different, "), "{out}");
}

/// Says no errors, names functions by ids of its own making, and tells the time.
async fn wrong_in_many_ways() -> Server {
    let began = std::time::Instant::now();
    serve(Faulty::outgoing(move |frame| {
        if frame.get("error").is_some() {
            return Fate::Drop;
        }
        if frame["type"] == "triggerregistrationresult" {
            frame["function_id"] = uuid::Uuid::new_v4().to_string().into();
        }
        if frame["type"] == "invocationresult" {
            frame["result"] = format!("after {} ms", began.elapsed().as_millis()).into();
        }
        Fate::Keep
    }))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_the_same_kind_are_the_same_in_every_run() {
    let (one, two) = (wrong_in_many_ways().await, wrong_in_many_ways().await);
    let arguments = [
        "--url",
        &one.url(),
        "--against",
        &two.url(),
        "RT-02",
        "RT-07",
        "RF-13",
    ];
    let (code, out, err) = diff(owned(&arguments)).await;
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let url = one.url();
    let (code, out, _) = diff(owned(&["--url", &url, "RT-02", "RT-07", "RF-13"])).await;
    assert_eq!(code, Some(1), "they are faults: {out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_report_and_an_engine_can_be_compared() {
    let scratch = Scratch::new();
    let saved = scratch.path("before.json");
    let (code, ..) = run(&["run", FAILING, "--report", &format!("json={saved}")]);
    assert_eq!(code, Some(0));
    let server = faulty().await;
    for arguments in [
        [saved.as_str(), "--url", &server.url(), FAILING],
        [saved.as_str(), "--against", &server.url(), FAILING],
    ] {
        let (code, out, err) = diff(owned(&arguments)).await;
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(out.contains("A  passed "), "{out}");
        assert!(out.contains("B  failed "), "{out}");
    }
    let url = server.url();
    let (code, out, _) = diff(owned(&["--url", &url, "--against", &saved, FAILING])).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("A  failed "), "{out}");
    // What a target file says of an engine is told beside its address.
    let file = scratch.path("target.json");
    fs::write(&file, json!({"name": "mine", "url": url}).to_string()).unwrap();
    let (code, out, _) = diff(owned(&[&saved, "--against-target", &file, FAILING])).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(&format!("\nB  mine at {url}\n")), "{out}");
    let (code, out, _) = diff(owned(&[&saved])).await;
    assert_eq!(code, Some(0), "the reference is the other one: {out}");
    assert!(
        out.ends_with(
            "\n1 same, 0 different, 0 only in A, 0 only in B\nnothing differs in 1 case\n"
        ),
        "what the report has is run, and nothing else: {out}"
    );
}

#[test]
fn what_a_report_says_cannot_leave_its_place() {
    const HOSTILE: &str = "\u{1b}[31m</td>|*x*| ```\n# A\u{202e}\u{0}";
    let scratch = Scratch::new();
    let mut a = report(&scratch);
    a["target"] = HOSTILE.into();
    a["target_name"] = HOSTILE.into();
    a["embedded"] = false.into();
    a["suite_version"] = HOSTILE.into();
    let mut b = a.clone();
    b["options"]["selection"] = json!([HOSTILE]);
    let last = a["cases"].as_array().unwrap().len() - 1;
    a["cases"][last]["id"] = HOSTILE.into();
    for (report, text) in [(&mut a, "one"), (&mut b, HOSTILE)] {
        let failing = case(report, FAILING);
        for field in ["title", "level", "verdict", "reason"] {
            failing[field] = HOSTILE.into();
        }
        failing["clauses"] = json!([HOSTILE]);
        failing["branches"] = json!([text]);
        failing["failure"] = failure(text);
        failing["failure"]["mismatches"][0]["path"] = text.into();
    }
    let mut none = a.clone();
    none["problem"] = HOSTILE.into();
    let mut twice = a.clone();
    twice["cases"][0]["id"] = HOSTILE.into();
    let mut newer = a.clone();
    newer["format_version"] = HOSTILE.into();
    for bad in [none, twice, newer] {
        let (code, _, err) = run(&["diff", &save(&scratch, "bad.json", &bad), "x.json"]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("\\u{202e}"), "{err}");
        assert!(!err.contains(['\u{1b}', '\u{202e}', '\u{0}']), "{err}");
    }
    let (a, b) = (save(&scratch, "a.json", &a), save(&scratch, "b.json", &b));
    for format in ["human", "markdown"] {
        let (code, out, err) = run(&["diff", &a, &b, "--format", format, "--color", "always"]);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(out.contains("\\u{202e}"), "{out}");
        assert!(!out.contains(['\u{202e}', '\u{0}']), "{out}");
        assert!(!out.contains("\u{1b}[31m<"), "{out}");
        assert!(!out.lines().any(|line| line.starts_with("# A")), "{out}");
        if format == "markdown" {
            let rows = out.lines().filter(|line| line.starts_with("| "));
            let cells = |row: &str| row.replace("\\|", "").matches('|').count();
            assert!(rows.map(cells).all(|count| count == 5), "{out}");
            let mut rows = out.lines().filter(|line| line.starts_with("| "));
            assert!(!rows.any(|row| row.contains("</td>")), "{out}");
        }
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_comparison_exits_130_and_says_nothing_of_the_engines() {
    let (said, heard) = std::sync::mpsc::channel();
    let machine = Faulty::incoming(move |_| {
        // The run that nobody waits for any more may still say something.
        let _ = said.send(());
        false
    });
    let server = serve(machine).await;
    let url = server.url();
    let interrupted = tokio::task::spawn_blocking(move || {
        let child = crate::command::command(&["diff", "--url", &url, "--patience-ms", "60000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        heard.recv().unwrap();
        let kill = format!("kill -INT {}", child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(killed.success());
        child.wait_with_output().unwrap()
    });
    let output = interrupted.await.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert_eq!(
        (err.as_ref(), output.stdout.len()),
        ("error: interrupted\n", 0)
    );
}

#[test]
fn the_other_side_may_be_named_by_a_variable() {
    let scratch = Scratch::new();
    let report = report(&scratch);
    let (one, other) = (
        save(&scratch, "one.json", &report),
        save(&scratch, "other.json", &report),
    );
    let output = command(&["diff", &one])
        .env("CONFORMANCE_AGAINST", &other)
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.contains(&other), "{out}");
}
