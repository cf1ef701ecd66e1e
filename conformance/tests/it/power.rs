//! `conformance power`, and the catalogue of engines behind it.

use std::collections::BTreeSet;

use ::engines::{Sight, faults, odd, trivial};
use conformance_suite::ledger::{Kind, Ledger};
use serde_json::Value;

use crate::command::command;

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(arguments).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), out)
}

#[test]
fn every_clause_that_is_demanded_is_broken_in_three_ways() {
    let (all, ledger) = (faults::all(), Ledger::embedded().unwrap());
    assert!(all.len() >= 120, "{}", all.len());
    for clause in ledger.clauses.iter().filter(|it| it.kind != Kind::Decided) {
        let breaking = all
            .iter()
            .filter(|it| it.breaks.contains(&clause.id.as_str()));
        let (in_all, plain) = (
            breaking.clone().count(),
            breaking.filter(|it| it.sight == Sight::Plain).count(),
        );
        assert!(
            in_all >= 3 && (plain >= 1 || clause.kind == Kind::Companion),
            "{}: {in_all}, {plain}",
            clause.id
        );
    }
    for fault in &all {
        let known = |clause: &&&str| ledger.clause(clause).is_some();
        assert!(!fault.breaks.is_empty(), "{}", fault.id);
        assert_eq!(
            fault.breaks.iter().filter(known).count(),
            fault.breaks.len(),
            "{}",
            fault.id
        );
    }
}

#[test]
fn names_are_names_and_titles_are_no_sentences() {
    let mut engines: Vec<(&str, &str)> = Vec::new();
    engines.extend(faults::all().iter().map(|it| (it.id, it.title)));
    engines.extend(trivial::all().iter().map(|it| (it.id, it.title)));
    engines.extend(odd::all().iter().map(|it| (it.id, it.title)));
    let mut ids = BTreeSet::new();
    for (id, title) in engines {
        assert!(ids.insert(id), "{id} is there twice");
        let named = id
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        assert!(named, "{id}");
        assert!(
            title.starts_with(char::is_uppercase) && !title.ends_with('.'),
            "{id}: {title}"
        );
    }
    assert!(odd::all().len() >= 20);
}

#[test]
fn what_is_found_is_said_and_exits_0() {
    let names = [
        "closing",
        "unknown-fields",
        "trigger-result-dropped",
        "success-with-null-error",
    ];
    let mut arguments = vec!["power"];
    arguments.extend(names);
    let (code, out) = run(&arguments);
    assert_eq!(code, Some(0), "{out}");
    for line in [
        "faulty engines: 2 of 2 found",
        "for the right reason: 2 of 2 (100.0 %)",
        "trivial engines: 0 false passes with 1",
        "odd but correct engines: 0 false failures with 1",
    ] {
        assert!(out.lines().any(|it| it == line), "{out}");
    }
    let (code, out) = run(&["power", "success-with-null-error", "--format", "json"]);
    assert_eq!(code, Some(0), "{out}");
    let power: Value = serde_json::from_str(&out).unwrap();
    let kills = power["faults"].as_array().unwrap();
    assert!(kills.iter().all(|it| it["right_reason"] == true), "{out}");
}

#[test]
fn engines_are_listed_and_a_name_that_is_none_exits_2() {
    let (code, out) = run(&["power", "--list"]);
    assert_eq!(code, Some(0));
    let listed = faults::all().len() + trivial::all().len() + odd::all().len();
    assert_eq!(out.lines().count(), listed);
    let (code, _) = run(&["power", "no-such-engine"]);
    assert_eq!(code, Some(2));
}
