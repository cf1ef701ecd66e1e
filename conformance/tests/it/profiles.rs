//! Profiles: those of the suite, those of target files, and what is said beside them.

use std::fs;

use conformance_suite::{
    assets,
    case::{Case, Cases, Level},
    ledger::Ledger,
    profile,
    schema::validator,
};
use serde_json::{Value, json};

use crate::{
    command::{command, run},
    reports::{Scratch, assert_fits, schema},
};

/// The cases that `list` shows, random histories among them.
fn listed(arguments: &[&str]) -> Vec<String> {
    let (code, out, err) = run(&[&["list"], arguments].concat());
    assert_eq!(code, Some(0), "{err}");
    let id = |line: &str| line.split(' ').next().unwrap().to_owned();
    out.lines().map(id).collect()
}

fn cases_of(profile: &str) -> (Vec<Case>, bool) {
    let cases = Cases::embedded(&Ledger::embedded().unwrap()).unwrap();
    let ids = listed(&["--profile", profile]);
    let of_profile = ids.iter().filter_map(|id| cases.get(id)).cloned().collect();
    (of_profile, ids.iter().any(|it| it == "random-histories"))
}

fn target(scratch: &Scratch, content: &Value) -> String {
    let path = scratch.path("target.json");
    fs::write(&path, content.to_string()).unwrap();
    path
}

/// The JSON report of a run of the embedded reference.
fn report_of(arguments: &[&str]) -> Value {
    let (code, out, err) = run(&[&["run", "--report", "json=-"], arguments].concat());
    assert_eq!(code, Some(0), "{err}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn the_profiles_of_the_suite_are_what_their_schema_describes_and_select_something() {
    let file: Value = serde_json::from_str(assets::PROFILES).unwrap();
    assert_fits(&validator("profiles.json").unwrap(), &file);
    let ledger = Ledger::embedded().unwrap();
    let cases = Cases::embedded(&ledger).unwrap();
    let profiles = profile::embedded().unwrap();
    assert!(profiles.len() > 3);
    for profile in profiles.values() {
        assert_eq!(profile.check(), Ok(()));
        assert_eq!(profile.unknown(&cases), None, "{}", profile.name);
        let narrowed = profile.narrow(cases.select(&[]), profile.wants_histories());
        let judging = narrowed.iter().filter(|it| it.probes.is_none()).count();
        assert!(judging > 50, "{}", profile.name);
        let (_, out, _) = run(&["list", "--profiles"]);
        let line = |it: &str| it.starts_with(&*profile.name) && it.ends_with(&*profile.title);
        assert!(out.lines().any(line), "{out}");
    }
}

#[test]
fn a_profile_holds_what_its_title_says() {
    let (documents, histories) = cases_of("documents");
    assert!(histories);
    let judging = documents.iter().filter(|it| it.probes.is_none());
    for case in judging {
        assert!(
            [Level::Must, Level::Text].contains(&case.level),
            "{}",
            case.id
        );
    }
    let (messages, histories) = cases_of("messages");
    assert!(histories);
    for case in &messages {
        assert!(
            !case.makes_requests() && case.endpoints.is_empty(),
            "{}",
            case.id
        );
    }
    let observes = |it: &Case| it.level == Level::Observe;
    assert!(messages.iter().any(observes));
    let (quick, _) = cases_of("quick");
    assert!(quick.iter().all(|it| it.clock_s == 0));
    let (registration, histories) = cases_of("registration");
    assert!(!histories);
    assert!(
        registration
            .iter()
            .any(|it| it.clauses.contains(&"RT-09".to_owned()))
    );
    let (full, _) = cases_of("full");
    assert_eq!(full.len() + 1, listed(&[]).len());
}

#[test]
fn what_is_needed_to_probe_for_features_belongs_to_a_profile() {
    for name in profile::embedded().unwrap().into_keys() {
        let (cases, _) = cases_of(&name);
        for case in &cases {
            for feature in &case.needs {
                let probed = cases.iter().any(|it| it.probes.as_ref() == Some(feature));
                assert!(probed, "{name}: {} needs {feature}", case.id);
            }
        }
    }
}

#[test]
fn what_is_selected_beside_a_profile_narrows_it() {
    let alone = listed(&["RT-07"]);
    let narrowed = listed(&["RT-07", "--profile", "documents"]);
    assert!(narrowed.iter().all(|it| alone.contains(it)), "{narrowed:?}");
    assert!(narrowed.len() < alone.len());
    let of_level = listed(&["--profile", "documents", "--level", "text"]);
    assert!(of_level.len() < listed(&["--profile", "documents"]).len());
    let output = command(&["list", "RT-07"])
        .env("CONFORMANCE_PROFILE", "documents")
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().count();
    assert_eq!(lines, narrowed.len());
}

#[test]
fn the_report_of_a_part_says_that_it_is_one() {
    let report = report_of(&["--profile", "registration"]);
    assert_fits(&schema(None), &report);
    assert_eq!(report["complete"], false);
    assert_eq!(report["options"]["profile"], "registration");
    let mut clauses = report["clauses"].as_array().unwrap().iter();
    assert!(clauses.any(|it| it["verdict"] == "not_selected"));
    let (_, out, _) = run(&["run", "--profile", "registration", "RT-07"]);
    assert!(
        out.contains("\nprofile: registration, a part of the suite: How functions"),
        "{out}"
    );
}

#[test]
fn a_target_file_has_profiles_and_names_one() {
    let scratch = Scratch::new();
    let content = json!({
        "histories": 7,
        "profile": "nightly",
        "profiles": {
            "nightly": {"title": "All, and one history", "histories": 1},
            "quick": {"title": "One clause", "select": ["RT-07"], "level": ["must"]},
        },
    });
    assert_fits(&validator("target.json").unwrap(), &content);
    let file = target(&scratch, &content);
    let report = report_of(&["--target", &file]);
    let options = &report["options"];
    assert_eq!(options["profile"], "nightly");
    assert_eq!(
        (&options["histories"], &options["slow"]),
        (&json!(1), &json!(false))
    );
    // It leaves nothing out but what takes a minute.
    assert_eq!(report["complete"], true);
    // What the command line says counts for more, and the file's profile hides that of the suite.
    let report = report_of(&["--target", &file, "--profile", "quick", "--histories", "2"]);
    assert_eq!(report["options"]["histories"], 2);
    assert_eq!(report["complete"], false);
    let cases = report["cases"].as_array().unwrap();
    assert!(cases.len() < 10, "{}", cases.len());
    assert!(!cases.iter().any(|it| it["id"] == "random-histories"));
    let (_, out, _) = run(&["list", "--profiles", "--target", &file]);
    assert!(
        out.contains("\nnightly       All, and one history\n"),
        "{out}"
    );
}

#[test]
fn names_that_are_wrong_exit_2_and_a_part_without_cases_exits_4() {
    let scratch = Scratch::new();
    for command in ["run", "list", "diff"] {
        let url = ["--url", "ws://127.0.0.1:9"];
        let url: &[&str] = if command == "diff" { &url } else { &[] };
        let (code, _, err) = run(&[&[command, "--profile", "quik"], url].concat());
        assert_eq!(code, Some(2), "{err}");
        let told = "no profile is called `quik` (did you mean `quick`?); there are documents, full";
        assert!(err.contains(told), "{err}");
    }
    for (profile, told) in [
        (json!({"a": {"title": " "}}), "`profiles.a` needs a title"),
        (json!({"A b": {"title": "t"}}), "`A b` is no name"),
        (
            json!({"a": {"title": "t", "levels": []}}),
            "unknown field `levels`",
        ),
        (
            json!({"a": {"title": "t", "select": ["RT-99"]}}),
            "the profile `a`: no case and no clause is called `RT-99`",
        ),
    ] {
        let file = target(&scratch, &json!({"profiles": profile}));
        let (code, _, err) = run(&["run", "--target", &file, "--profile", "a"]);
        assert_eq!(code, Some(2), "{told}: {err}");
        assert!(err.contains(told), "{err}");
    }
    let request = format!("json={}", scratch.path("none.json"));
    let ids = ["run", "--profile", "messages", "hmac-secret-is-not-sent"];
    let (code, _, err) = run(&[&ids[..], &["--report", &request]].concat());
    assert_eq!(code, Some(4), "{err}");
    assert!(
        err.contains("the profile `messages` has none of the cases"),
        "{err}"
    );
    let report: Value = serde_json::from_str(&scratch.text("none.json")).unwrap();
    assert_fits(&schema(None), &report);
}

#[test]
fn a_comparison_is_of_a_profile_as_well() {
    let scratch = Scratch::new();
    let saved = scratch.path("saved.json");
    let request = format!("json={saved}");
    let part = ["--profile", "registration", "RT-07"];
    let (code, _, err) = run(&[&["run", "--report", &request], &part[..]].concat());
    assert_eq!(code, Some(0), "{err}");
    let (code, out, err) = run(&[&["diff", &saved], &part[..]].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    // What is not selected is not compared.
    let (code, out, _) = run(&["diff", &saved, "--profile", "documents", "RT-07"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(!out.contains("Only in"), "{out}");
    let (code, _, err) = run(&["diff", &saved, "RF-06"]);
    assert_eq!(code, Some(4), "{err}");
}
