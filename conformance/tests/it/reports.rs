//! The reports of `conformance run`: where they go, when, and what they have in common.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use conformance_suite::assets;
use jsonschema::Validator;
use reference::Server;
use serde_json::{Value, json};

use crate::{
    command::{command, run},
    engines::{Fate, Faulty, serve},
};

pub(crate) const FAILING: &str = "trigger-of-unknown-type-is-refused";

/// A folder of a test's own, gone when the test has ended.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance-reports-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Wrong about one code: a case that decides fails, and others pass.
pub(crate) async fn faulty() -> Server {
    serve(Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"]["code"] = "<not>,found:100%".into();
        }
        Fate::Keep
    }))
    .await
}

/// The schema of a report, or of one of its parts.
pub(crate) fn schema(part: Option<&str>) -> Validator {
    let asset = assets::schemas()
        .into_iter()
        .find(|it| it.path == "report.json");
    let mut schema: Value = serde_json::from_str(asset.unwrap().text).unwrap();
    if let Some(part) = part {
        schema = json!({ "$ref": format!("#/$defs/{part}"), "$defs": schema["$defs"] });
    }
    jsonschema::draft202012::new(&schema).unwrap()
}

pub(crate) fn assert_fits(schema: &Validator, instance: &Value) {
    let faults = schema.iter_errors(instance);
    let faults: Vec<String> = faults
        .map(|it| format!("{}: {it}", it.instance_path()))
        .collect();
    assert_eq!(faults, [""; 0]);
}

#[test]
fn a_report_on_standard_output_has_it_to_itself() {
    let (code, out, err) = run(&["run", "RT-07", "--report", "json=-"]);
    assert_eq!(code, Some(0));
    serde_json::from_str::<Value>(&out).unwrap();
    assert!(err.starts_with("target: "), "{err}");
    assert!(err.contains(" passed, "), "{err}");
}

#[test]
fn several_reports_are_written_and_the_environment_can_ask_for_them() {
    let scratch = Scratch::new();
    let [json, tap] = ["json", "tap"].map(|it| format!("{it}={}", scratch.path(it)));
    let (code, ..) = run(&["run", "RT-07", "--report", &json, "--report", &tap]);
    assert_eq!(code, Some(0));
    let of_environment = scratch.path("badge");
    let output = command(&["run", "RT-07"])
        .env("CONFORMANCE_REPORT", format!("badge={of_environment},"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_str::<Value>(&scratch.text("json")).unwrap();
    serde_json::from_str::<Value>(&scratch.text("badge")).unwrap();
    assert!(scratch.text("tap").starts_with("TAP version 14\n"));
}

#[test]
fn reports_that_cannot_be_written_exit_2_before_the_run() {
    let scratch = Scratch::new();
    let missing = scratch.path("no-such-folder/report");
    let twice = format!("json={}", scratch.path("twice"));
    for (arguments, mention) in [
        (vec![format!("json={missing}")], missing.as_str()),
        (
            vec!["xml=-".to_owned()],
            "there is no format `xml`; there are json, jsonl",
        ),
        (vec!["json".to_owned()], "json needs a path"),
        (vec!["json=".to_owned()], "json needs a path"),
        (vec!["github=here".to_owned()], "github takes no path"),
        (vec![twice.clone(), twice.clone()], "both go to `"),
        (
            vec!["json=-".to_owned(), "tap=-".to_owned()],
            "both go to standard output",
        ),
        (
            vec!["github".to_owned(), "tap=-".to_owned()],
            "both go to standard output",
        ),
    ] {
        let reports = arguments.iter().flat_map(|it| ["--report", it]);
        let all: Vec<&str> = ["run", "RT-07"].into_iter().chain(reports).collect();
        let (code, out, err) = run(&all);
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
        assert!(err.contains(mention), "{arguments:?}: {err}");
        assert_eq!(out, "", "{arguments:?}");
    }
    let output = command(&["run", "RT-07", "--report", "github"])
        .env("GITHUB_STEP_SUMMARY", &missing)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("which GITHUB_STEP_SUMMARY names"), "{err}");
}

#[test]
fn a_run_that_did_not_take_place_says_so_in_every_format() {
    for (format, mention) in [
        ("json", "\"problem\": \"cannot connect to ws://127.0.0.1:9"),
        ("jsonl", "\"problem\":\"cannot connect to ws://127.0.0.1:9"),
        (
            "junit",
            "<error message=\"cannot connect to ws://127.0.0.1:9",
        ),
        ("tap", "\nBail out! cannot connect to ws://127.0.0.1:9"),
        (
            "markdown",
            "**The run did not take place:** cannot connect to ws",
        ),
        ("badge", "\"message\":\"unreachable\""),
        (
            "html",
            "The run did not take place: cannot connect to ws://127.0.0.1:9",
        ),
    ] {
        let request = format!("{format}=-");
        // Nothing listens on the discard port of the loopback interface.
        let (code, out, _) = run(&["run", "--url", "ws://127.0.0.1:9", "--report", &request]);
        assert_eq!(code, Some(3), "{format}: {out}");
        assert!(out.contains(mention), "{format}: {out}");
        if format == "json" {
            assert_fits(&schema(None), &serde_json::from_str(&out).unwrap());
        }
        if format == "jsonl" {
            let lines = out.lines().map(|line| serde_json::from_str(line).unwrap());
            let lines: Vec<Value> = lines.collect();
            assert_eq!(lines.len(), 2);
            lines
                .iter()
                .for_each(|line| assert_fits(&schema(Some("line")), line));
        }
    }
    let (code, out, _) = run(&["run", "--url", "ws://127.0.0.1:9", "--report", "github"]);
    assert_eq!(code, Some(3));
    assert!(
        out.contains("::error title=The run did not take place::cannot connect"),
        "{out}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_report_that_fails_later_is_told_and_changes_no_exit_code() {
    assert!(Path::new("/dev/full").exists());
    let (code, out, err) = run(&["run", "RT-07", "--report", "json=/dev/full"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(" passed, "), "{out}");
    assert!(
        err.contains("warning: cannot write the json report to `/dev/full`: "),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1, "{err}");
}
