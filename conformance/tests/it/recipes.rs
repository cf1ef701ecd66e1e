//! The gate in CI that others copy, run as they run it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::targets::{Folder, engine, wrong};

fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/recipes")
        .join(name)
}

/// Runs the script in a folder, with a few of the cases; the exit code and what was printed.
async fn gate(folder: &Folder, variables: &[(&str, &str)], engine: &[String]) -> (i32, String) {
    let mut gate = Command::new("bash");
    gate.arg(recipe("gate.sh").canonicalize().unwrap())
        .args(engine)
        .current_dir(folder.path(""))
        .env("GATE_CONFORMANCE", env!("CARGO_BIN_EXE_conformance"))
        .env("GATE_OPTIONS", "RT-07 RF-05")
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_STEP_SUMMARY")
        .envs(variables.iter().copied());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONFORMANCE_")) {
        gate.env_remove(name);
    }
    let run = move || gate.output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8(printed).unwrap();
    (output.status.code().unwrap(), printed)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_starts_an_engine_and_keeps_the_reports() {
    let folder = Folder::new();
    let (code, out) = gate(&folder, &[], &engine()).await;
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("(started for this run)"), "{out}");
    assert!(out.ends_with("reports: conformance-reports\n"), "{out}");
    let report = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    let whole = report("conformance-reports/report.json");
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert!(!whole["cases"].as_array().unwrap().is_empty());
    assert!(report("conformance-reports/junit.xml").contains("<testsuites"));
    assert!(report("conformance-reports/report.html").contains("</html>"));
    assert!(report("conformance-reports/summary.md").contains("RT-07"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_is_shut_by_what_is_not_known() {
    let server = wrong().await;
    let folder = Folder::new();
    let target = json!({"url": server.url(), "env": true});
    folder.write("conformance.json", &target);
    let summary = folder.path("summary-of-the-step.md");
    let on_github = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", summary.as_str()),
    ];
    let (code, out) = gate(&folder, &on_github, &[]).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("::error title="), "{out}");
    assert!(fs::read_to_string(&summary).unwrap().contains("RT-07"));

    let known = "conformance-expected.json";
    let update = "RT-07 RF-05 --update-expected";
    let written = [("GATE_EXPECTED", known), ("GATE_OPTIONS", update)];
    let (code, out) = gate(&folder, &written, &[]).await;
    assert_eq!(code, 1, "{out}");
    let (code, out) = gate(&folder, &[], &[]).await;
    assert_eq!(code, 0, "{out}");
    let stale = json!([{"case": "bearer-token-is-sent", "reason": "known"}]);
    folder.write(known, &stale);
    let only = [("GATE_OPTIONS", "RF-05")];
    let (code, out) = gate(&folder, &only, &[]).await;
    assert_eq!(code, 6, "{out}");
}

#[tokio::test]
async fn a_gate_without_its_files_is_shut() {
    let folder = Folder::new();
    let (code, out) = gate(&folder, &[], &[]).await;
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("cannot read `conformance.json`"), "{out}");
    let named = [("GATE_EXPECTED", "none.json")];
    let (code, out) = gate(&folder, &named, &engine()).await;
    assert_eq!(code, 2, "{out}");
    assert!(out.contains("cannot read `none.json`"), "{out}");
}

/// Whether it is YAML is checked by a tool that reads YAML.
#[test]
fn the_workflow_runs_the_script_with_variables_that_it_has() {
    let workflow = fs::read_to_string(recipe("conformance.yml")).unwrap();
    let script = fs::read_to_string(recipe("gate.sh")).unwrap();
    let words = || workflow.split_whitespace();
    let run = words().filter(|it| it.ends_with("/fixtures/recipes/gate.sh"));
    assert_eq!(run.count(), 1);
    let set: Vec<&str> = words()
        .filter_map(|it| it.strip_suffix(':'))
        .filter(|it| it.starts_with("GATE_"))
        .collect();
    assert!(!set.is_empty());
    for name in set {
        assert!(script.contains(&format!("${{{name}:-")), "{name}");
    }
}
