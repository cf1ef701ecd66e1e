//! What two runs were told that is not the same, where it may be why something differs.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Saved;

pub(super) const SEED: &str = "seed";

/// Something that was not the same.
#[derive(Debug, Serialize)]
pub(super) struct Condition {
    pub(super) what: &'static str,
    pub(super) a: String,
    pub(super) b: String,
}

pub(super) fn differing(a: &Saved, b: &Saved) -> Vec<Condition> {
    let ((a_also, b_also), (of_a, of_b)) = (
        only(&a.options.variables, &b.options.variables),
        (told(a), told(b)),
    );
    let told = of_a.into_iter().zip(of_b);
    let mut conditions: Vec<Condition> = told
        .filter(|((_, a), (_, b))| a != b)
        .map(|((what, a), (_, b))| Condition { what, a, b })
        .collect();
    if a_also != b_also {
        conditions.push(Condition {
            what: "promised variables that the other has not",
            a: a_also,
            b: b_also,
        });
    }
    conditions
}

/// What a run was told, in words, always in the same order.
fn told(saved: &Saved) -> Vec<(&'static str, String)> {
    let options = &saved.options;
    let list = |names: &[String]| match names {
        [] => "all".to_owned(),
        names => names.join(" "),
    };
    let words = |which: bool, yes: &str, no: &str| match which {
        true => yes.to_owned(),
        false => no.to_owned(),
    };
    let or = |text: Option<String>, otherwise: &str| text.unwrap_or_else(|| otherwise.to_owned());
    vec![
        ("version of the suite", saved.suite_version.clone()),
        (
            "what decides",
            words(options.strict, "every level", "what the documents demand"),
        ),
        ("profile", or(options.profile.clone(), "none")),
        ("selected cases", list(&options.selection)),
        ("selected levels", list(&options.levels)),
        ("part of the cases", or(options.shard.clone(), "all")),
        (
            "cases that take a minute",
            words(options.slow, "run", "left out"),
        ),
        (
            "random histories",
            or(options.histories.map(|it| it.to_string()), "not known"),
        ),
        (SEED, or(options.seed.clone(), "none")),
        (
            "address of http triggers",
            words(options.http_url.is_some(), "known", "not known"),
        ),
        (
            "end of the run",
            words(saved.interrupted, "interrupted", "whole"),
        ),
    ]
}

/// What each has beside the other.
fn only(a: &BTreeSet<String>, b: &BTreeSet<String>) -> (String, String) {
    let beside = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
        let names: Vec<&str> = one.difference(other).map(String::as_str).collect();
        match names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(" "),
        }
    };
    (beside(a, b), beside(b, a))
}
