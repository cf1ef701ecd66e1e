//! A suite is software too: it finds what is wrong, says which clause is broken, and holds nothing
//! against what is merely done otherwise. `conformance power` measures the same over all engines
//! of the catalogue.

use conformance_suite::{
    histories,
    verdict::{Outcome, Status},
};

use crate::engines::{Part, fault, judge, odd_engine, wander};

fn failed_musts(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes
        .iter()
        .filter(|it| it.decides_against(false))
        .map(|it| it.case.as_str())
        .collect()
}

#[tokio::test]
async fn a_fault_fails_its_own_clause_and_leaves_others_alone() {
    for (id, clause, spared) in [
        ("success-with-null-error", "RT-15", "RT-07"),
        ("bearer-token-without-its-scheme", "RF-05", "RF-07"),
    ] {
        let guilty = judge(fault(id).machine(), Part::Clause(clause)).await;
        assert_ne!(failed_musts(&guilty), [""; 0], "{id}: {clause} holds");
        let innocent = judge(fault(id).machine(), Part::Clause(spared)).await;
        assert_eq!(failed_musts(&innocent), [""; 0], "{id}: {spared}");
    }
}

#[tokio::test]
async fn one_wrong_character_in_a_text_differs_without_deciding() {
    let machine = fault("unknown-type-text-with-a-stop").machine();
    let outcomes = judge(machine, Part::Clause("RT-07")).await;
    assert_eq!(failed_musts(&outcomes), [""; 0]);
    assert!(
        outcomes.iter().any(|it| it.decides_against(true)),
        "under --strict"
    );
}

#[tokio::test]
async fn what_leaks_between_sessions_is_found_by_a_case_and_by_random_histories() {
    let engine = odd_engine("ids-for-all");
    let outcomes = judge(engine.machine(), Part::Clause("RT-11")).await;
    // The documents do not say it plainly enough to fail an engine for it.
    assert_eq!(failed_musts(&outcomes), [""; 0]);
    assert!(outcomes.iter().any(|it| it.decides_against(true)));
    let outcomes = judge(engine.machine(), Part::Histories).await;
    let wandered = outcomes.iter().find(|it| it.case == histories::ID).unwrap();
    let Status::Failed(failure) = &wandered.status else {
        panic!("random histories pass: {:?}", wandered.status);
    };
    // Two sessions, a function and two triggers: shrunk to what it takes.
    let history = failure.history.join("\n");
    assert_eq!(history.matches("registers trigger").count(), 2, "{history}");
    assert_eq!(wandered.clauses, ["RT-11"]);
}

#[tokio::test]
async fn histories_hold_nothing_against_an_engine_that_decided_otherwise() {
    let engine = odd_engine("ids-for-all");
    for seed in 0..20 {
        let outcomes = wander(engine.machine(), seed).await;
        assert_eq!(failed_musts(&outcomes), [""; 0], "seed {seed}");
    }
}

#[tokio::test]
async fn other_schemes_of_signing_conform_and_are_named() {
    for (id, remark) in [
        (
            "signs-the-body",
            "signed by a signature of the body, in `x-hub-signature-256`",
        ),
        (
            "signs-as-standard-webhooks",
            "signed by Standard Webhooks, in `webhook-signature`",
        ),
        (
            "signs-a-time-and-the-body",
            "signed by a signature of a time and the body, in `webhook-proof`",
        ),
    ] {
        let outcomes = judge(odd_engine(id).machine(), Part::Clause("RF-06")).await;
        assert_eq!(failed_musts(&outcomes), [""; 0], "{id}");
        let named = |it: &&Outcome| it.remarks.contains(&remark.to_owned());
        let signed = outcomes
            .iter()
            .find(named)
            .expect("the report names the scheme");
        assert_eq!(signed.status, Status::Passed);
    }
}
