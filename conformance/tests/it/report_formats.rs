//! Each format of a report as the command writes it, read again.

use std::{
    fs,
    process::Stdio,
    time::{Duration, SystemTime},
};

use conformance_suite::{
    ledger::Ledger,
    report::{Document, Ending, Format, Heading, Run},
    verdict::{Outcome, Unrun},
};
use serde_json::{Value, json};

use crate::{
    command::{command, run, run_at},
    engines::{Fate, Faulty, Part, judge, serve},
    reports::{FAILING, Scratch, assert_fits, faulty, schema},
    snapshots::steady,
};

/// What one format says of that engine, and how the command exited.
async fn report(format: &str) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let request = format!("{format}={}", scratch.path("report"));
    let server = faulty().await;
    let (code, _, err) = run_at(server.url(), &["RT-07", "--report", &request]).await;
    assert_eq!(err, "");
    (code, scratch.text("report"))
}

fn case<'d>(document: &'d Value, id: &str) -> &'d Value {
    let mut cases = document["cases"].as_array().unwrap().iter();
    cases.find(|it| it["id"] == id).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_what_its_schema_describes() {
    let (code, text) = report("json").await;
    assert_eq!(code, Some(1));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_fits(&schema(None), &document);
    assert_eq!(document["exit_code"], 1);
    assert_eq!(document["options"]["selection"], json!(["RT-07"]));
    let failing = case(&document, FAILING);
    assert_eq!(failing["verdict"], "failed");
    assert_eq!(
        failing["failure"]["mismatches"],
        json!([{
            "path": "error.code",
            "expected": "\"trigger_type_not_found\"",
            "received": "\"<not>,found:100%\"",
        }])
    );
    let transcript = failing["transcript"].as_array().unwrap();
    let received = |it: &&Value| it["direction"] == "received";
    let received: Vec<&Value> = transcript.iter().filter(received).collect();
    assert!(
        received
            .iter()
            .any(|it| it["text"].as_str().unwrap().contains("<not>,found:100%")),
        "{received:?}"
    );
    let again = document["again"].as_str().unwrap();
    assert!(again.contains(FAILING), "{again}");
    let cases = document["cases"].as_array().unwrap();
    let with = |verdict: &str| cases.iter().filter(|it| it["verdict"] == verdict).count();
    for verdict in ["passed", "failed", "differs", "observed", "untestable"] {
        assert_eq!(document["counts"][verdict], with(verdict), "{verdict}");
    }
    let clauses = document["clauses"].as_array().unwrap();
    let clause = clauses.iter().find(|it| it["id"] == "RT-07").unwrap();
    assert_eq!(clause["verdict"], "failed");
}

#[test]
fn the_schema_refuses_what_it_does_not_describe() {
    let (_, text, _) = run(&["run", FAILING, "--report", "json=-"]);
    let sound: Value = serde_json::from_str(&text).unwrap();
    let schema = schema(None);
    assert_fits(&schema, &sound);
    for (pointer, value) in [
        ("/surplus", json!(1)),
        ("/cases/0/surplus", json!(1)),
        ("/clauses/0/verdict", json!("passed in part")),
        ("/cases/0/verdict", json!("unheard of")),
        ("/started", json!("yesterday")),
        ("/exit_code", json!(7)),
    ] {
        let mut wrong = sound.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        assert!(!schema.is_valid(&wrong), "{pointer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_keeps_every_transcript() {
    let server = faulty().await;
    for (arguments, kept) in [(vec![], false), (vec!["--verbose"], true)] {
        let all = [&["RT-07", "--report", "json=-"], &arguments[..]].concat();
        let (_, out, _) = run_at(server.url(), &all).await;
        let document: Value = serde_json::from_str(&out).unwrap();
        let cases = document["cases"].as_array().unwrap();
        let passed = cases.iter().filter(|it| it["verdict"] == "passed");
        for case in passed {
            assert_eq!(case["transcript"].is_array(), kept, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jsonl_has_a_line_for_each_event() {
    let (code, text) = report("jsonl").await;
    assert_eq!(code, Some(1));
    let schema = schema(Some("line"));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        assert_fits(&schema, line);
    }
    let (first, last) = (lines.first().unwrap(), lines.last().unwrap());
    assert_eq!(first["event"], "started");
    assert_eq!(last["event"], "finished");
    let cases: Vec<&Value> = lines.iter().filter(|it| it["event"] == "case").collect();
    assert_eq!(cases.len(), lines.len() - 2);
    assert_eq!(first["cases"], cases.len());
    let failed = cases.iter().filter(|it| it["verdict"] == "failed");
    assert_eq!(last["counts"]["failed"], failed.count());
    assert_eq!(last["exit_code"], 1);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn jsonl_of_an_interrupted_run_has_what_had_ended() {
    use std::io::{BufRead, BufReader};
    let server = serve(Faulty::outgoing(|frame| {
        match frame["error"]["code"] == "duplicate_trigger_id" {
            true => Fate::Drop,
            false => Fate::Keep,
        }
    }))
    .await;
    let url = server.url();
    let interrupted = tokio::task::spawn_blocking(move || {
        let arguments = ["run", "RT-07", "RT-10", "--url", &url];
        let patient = ["--patience-ms", "600000", "--report", "jsonl=-"];
        let mut child = command(&[&arguments[..], &patient].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut read = Vec::new();
        // Each line is there as soon as its event: no case is waited for but the first.
        for line in lines.by_ref().take(2) {
            read.push(line.unwrap());
        }
        let kill = format!("kill -INT {}", child.id());
        let mut shell = std::process::Command::new("sh");
        assert!(shell.args(["-c", &kill]).status().unwrap().success());
        read.extend(lines.map(Result::unwrap));
        (child.wait().unwrap(), read)
    });
    let (status, read) = interrupted.await.unwrap();
    assert_eq!(status.code(), Some(130));
    let schema = schema(Some("line"));
    let lines: Vec<Value> = read
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.iter().for_each(|line| assert_fits(&schema, line));
    assert_eq!(lines[1]["event"], "case");
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "finished");
    assert_eq!(last["interrupted"], true);
    assert_eq!(last["exit_code"], 130);
    assert!(lines[0]["cases"].as_u64().unwrap() > lines.len() as u64 - 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn junit_has_a_suite_for_each_document_and_an_entry_for_each_case() {
    let (code, text) = report("junit").await;
    assert_eq!(code, Some(1));
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let names: Vec<&str> = report
        .test_suites
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert!(names.contains(&"Register Trigger"), "{names:?}");
    let cases: Vec<_> = report
        .test_suites
        .iter()
        .flat_map(|it| &it.test_cases)
        .collect();
    assert_eq!(cases.len(), report.tests);
    let failing = cases.iter().find(|it| it.name.as_str() == FAILING).unwrap();
    let quick_junit::TestCaseStatus::NonSuccess {
        kind,
        message,
        description,
        ..
    } = &failing.status
    else {
        panic!("{failing:?}");
    };
    assert_eq!(*kind, quick_junit::NonSuccessKind::Failure);
    let message = message.as_ref().unwrap();
    assert!(
        message.as_str().starts_with("at step 3: expected "),
        "{message:?}"
    );
    let description = description.as_ref().unwrap();
    assert!(
        description
            .as_str()
            .contains("received  \"<not>,found:100%\"")
    );
    let transcript = failing.system_out.as_ref().unwrap();
    assert!(
        transcript
            .as_str()
            .contains("worker → {\"type\":\"registertrigger\"")
    );
    assert!(report.skipped > 0, "what does not decide is skipped");
    let property = |name: &str| {
        let properties = &report.test_suites[0].properties;
        let found = properties.iter().find(|it| it.name.as_str() == name);
        found.unwrap().value.as_str().to_owned()
    };
    assert!(property("target").starts_with("ws://127.0.0.1:"));
    assert_eq!(property("suite_version"), env!("CARGO_PKG_VERSION"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tap_has_a_plan_its_points_and_diagnostics() {
    let (code, text) = report("tap").await;
    assert_eq!(code, Some(1));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan = lines.next().unwrap().strip_prefix("1..").unwrap();
    let is_point = |line: &&str| line.starts_with("ok ") || line.starts_with("not ok ");
    let points: Vec<&str> = text.lines().filter(is_point).collect();
    assert_eq!(plan, points.len().to_string());
    for (index, point) in points.iter().enumerate() {
        let rest = point
            .trim_start_matches("not ")
            .strip_prefix("ok ")
            .unwrap();
        assert!(rest.starts_with(&format!("{} - ", index + 1)), "{point}");
    }
    let failing = |line: &&&str| line.starts_with("not ok ") && !line.contains(" # TODO ");
    let failing: Vec<&&str> = points.iter().filter(failing).collect();
    let failing = failing.iter().find(|it| it.contains(FAILING)).unwrap();
    // Every value of a diagnostic is JSON, and so YAML.
    let (_, after) = text.split_once(**failing).unwrap();
    let (block, _) = after.trim_start().split_once("\n  ...\n").unwrap();
    for line in block.lines().skip(1) {
        let value = match line.trim_start().strip_prefix("- ") {
            Some(item) => item,
            None => line.split_once(':').unwrap().1.trim_start(),
        };
        if !value.is_empty() {
            serde_json::from_str::<Value>(value).unwrap_or_else(|it| panic!("{line}: {it}"));
        }
    }
    let received = r#"{"expected":"\"trigger_type_not_found\"","path":"error.code","received":"\"<not>,found:100%\""}"#;
    assert!(block.contains(received), "{block}");
}

#[test]
fn tap_skips_what_cannot_be_exercised() {
    let server = tokio::runtime::Runtime::new().unwrap();
    let engine = server.block_on(faulty());
    let select = "document-hmac-function-is-registered";
    let (code, out, _) = run(&["run", "--url", &engine.url(), select, "--report", "tap=-"]);
    assert_eq!(code, Some(5), "{out}");
    assert!(
        out.contains("\nok 1 - document-hmac-function-is-registered: "),
        "{out}"
    );
    assert!(
        out.contains(" # SKIP untestable: needs an engine that was started with"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn markdown_has_the_clauses_and_the_failures() {
    let (code, text) = report("markdown").await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains("| RT-07 | Unknown trigger type | ❌ failed |\n"),
        "{text}"
    );
    assert!(!text.contains("| RF-14 |"), "what was not selected: {text}");
    let summary = format!("<details><summary><b>{FAILING}</b> (RT-07, RT-13): ");
    assert!(text.contains(&summary), "{text}");
    assert!(text.contains("received  \"<not>,found:100%\""), "{text}");
    assert!(
        text.contains("\nAgain: `conformance run --url ws://"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn github_gets_annotations_and_a_summary() {
    let scratch = Scratch::new();
    fs::write(scratch.0.join("summary"), "before\n").unwrap();
    let server = faulty().await;
    let (url, path) = (server.url(), scratch.path("summary"));
    let annotated = move |asked: bool, summary: bool| {
        let mut command = command(&["run", "--url", &url, FAILING]);
        match asked {
            true => command.args(["--report", "github"]),
            // In a workflow it is not waited for that somebody asks.
            false => command.env("GITHUB_ACTIONS", "true"),
        };
        if summary {
            command.env("GITHUB_STEP_SUMMARY", &path);
        }
        command.output().unwrap()
    };
    let outputs = tokio::task::spawn_blocking(move || {
        [
            annotated(true, false),
            annotated(true, true),
            annotated(false, true),
        ]
    });
    for output in outputs.await.unwrap() {
        assert_eq!(output.status.code(), Some(1));
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(
            out.starts_with("target: "),
            "beside what people read: {out}"
        );
        let is_annotation = |line: &&str| line.starts_with("::");
        let annotations: Vec<&str> = out.lines().filter(is_annotation).collect();
        assert_eq!(annotations.len(), 1, "{out}");
        let begin = format!("::error title={FAILING} (RT-07%2C RT-13)::");
        assert!(annotations[0].starts_with(&begin), "{out}");
        let end = "%0Aerror.code: expected \"trigger_type_not_found\", \
                   received \"<not>,found:100%25\"";
        assert!(annotations[0].ends_with(end), "{out}");
    }
    let summary = scratch.text("summary");
    assert!(summary.starts_with("before\n## Conformance: "), "{summary}");
    assert_eq!(summary.matches("## Conformance: ").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_badge_counts_the_clauses() {
    let (_, text) = report("badge").await;
    let badge: Value = serde_json::from_str(&text).unwrap();
    let message = badge["message"].as_str().unwrap();
    let (passed, all) = message
        .strip_suffix(" clauses")
        .unwrap()
        .split_once('/')
        .unwrap();
    assert_eq!(all, "31");
    assert!(passed.parse::<u8>().unwrap() < 31);
    assert_eq!(badge["color"], "red");
    assert_eq!(badge["schemaVersion"], 1);
    assert_eq!(badge["label"], "iii conformance");
    assert_eq!(badge.as_object().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn html_is_one_page_with_everything_in_it() {
    let (code, page) = report("html").await;
    assert_eq!(code, Some(1));
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    for wanted in [
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "content=\"default-src 'none'; style-src 'sha256-",
        "<article id=\"RT-07\" data-verdict=\"failed\" data-level=\"must text ",
        "&quot;trigger_type_not_found&quot;",
        "&quot;&lt;not&gt;,found:100%&quot;",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(wanted), "{wanted} in {page}");
    }
    let failing = format!(
        "<details class=\"case\" id=\"case-{FAILING}\" data-verdict=\"failed\" \
         data-level=\"must\" open>"
    );
    assert!(page.contains(&failing));
    // Whatever is linked to is there, and nothing is fetched.
    for link in page.split("href=\"").skip(1) {
        let target = link.split('"').next().unwrap().strip_prefix('#').unwrap();
        assert!(page.contains(&format!(" id=\"{target}\"")), "{target}");
    }
    assert!(!page.contains(" src="));
}

#[tokio::test]
async fn what_people_read_of_a_failing_run() {
    let wrong = Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"] = json!({"code": "not_found", "message": "\u{1b}[31mno\u{1b}[0m"});
        }
        Fate::Keep
    });
    let outcomes = judge(wrong, Part::Clause("RT-07")).await.into_iter();
    let mut outcomes: Vec<Outcome> = outcomes
        .filter(|it| it.case == FAILING)
        .map(steady)
        .collect();
    outcomes[0].took = Duration::from_millis(12);
    let mut ledger = Ledger::embedded().unwrap();
    ledger
        .clauses
        .retain(|it| outcomes[0].clauses.contains(&it.id));
    let run = Run {
        ledger: &ledger,
        outcomes: &outcomes,
        complete: false,
        gone: None,
        restarts: Vec::new(),
        cut_short: None,
        unrun: Unrun::default(),
        strict: false,
        left_out: 0,
        stale: &[],
        again: "conformance run --url ws://127.0.0.1:49134",
        again_behind: "",
        took: Duration::from_millis(1_234),
    };
    let heading = Heading {
        target: "ws://127.0.0.1:49134".to_owned(),
        target_name: None,
        embedded: false,
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        strict: false,
        selection: vec!["RT-07".to_owned()],
        levels: Vec::new(),
        shard: None,
        profile: None,
        slow: false,
        histories: Some(12),
        variables: Vec::new(),
        http_url: None,
        seed: None,
        verbose: false,
    };
    let ending = Ending {
        exit_code: 1,
        ..Ending::default()
    };
    let document = Document::of(&heading, &run, &ending);
    for format in [Format::Junit, Format::Tap, Format::Markdown, Format::Github] {
        let mut report = Vec::new();
        format.write(&document, &mut report).unwrap();
        insta::assert_snapshot!(format.name(), String::from_utf8(report).unwrap());
    }
}
