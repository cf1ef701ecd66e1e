//! What the model and the judge allow after what.

use super::{
    explain::{Taken, explain},
    judge::{REFUSED, Seen, Told},
    model::Model,
    step::{Answer, SESSIONS, Served, Step, TriggerStep, Type},
};

const STRICTLY: bool = true;
const BY_THE_DOCUMENTS: bool = false;

fn function(session: usize, served: Served) -> Step {
    Step::RegisterFunction {
        session,
        function: 0,
        served,
    }
}

fn worker(session: usize) -> Step {
    function(session, Served::ByWorker)
}

fn unregister(session: usize) -> Step {
    Step::UnregisterFunction {
        session,
        function: 0,
    }
}

fn trigger(session: usize, trigger_type: Type) -> Step {
    Step::RegisterTrigger(TriggerStep {
        session,
        trigger: 0,
        trigger_type,
        function: 0,
        acceptable: true,
    })
}

fn provider(session: usize) -> Step {
    Step::RegisterType {
        session,
        trigger_type: 0,
    }
}

fn call(session: usize) -> Step {
    Step::Call {
        session,
        function: 0,
        answer: Answer::Result,
    }
}

fn nothing() -> Seen {
    Seen::default()
}

fn success() -> Seen {
    Seen {
        told: Told::Success,
        ..nothing()
    }
}

fn error(code: &str) -> Seen {
    Seen {
        told: Told::Error(Some(code.to_owned())),
        ..nothing()
    }
}

fn handed_to(sessions: &[usize], seen: Seen) -> Seen {
    Seen {
        asked: sessions.to_vec(),
        ..seen
    }
}

/// The clause that the last step breaks; those before it have to be right.
fn broken(strict: bool, steps: &[(Step, Seen)]) -> Option<&'static str> {
    let mut model = Model::new(SESSIONS, strict);
    let (last, before) = steps.split_last().unwrap();
    for (step, seen) in before {
        model = model.after(step, seen).unwrap();
    }
    let (step, seen) = last;
    model.after(step, seen).err().map(|it| it.clause)
}

#[test]
fn a_trigger_needs_its_function_and_its_type() {
    let cron = trigger(1, Type::Cron);
    for strict in [STRICTLY, BY_THE_DOCUMENTS] {
        let none = [(cron, error("function_not_found"))];
        assert_eq!(broken(strict, &none), None);
        assert_eq!(broken(strict, &[(cron, success())]), Some("RT-08"));
        assert_eq!(broken(strict, &[(cron, nothing())]), Some("RT-02"));
        let there = [(worker(0), nothing()), (cron, success())];
        assert_eq!(broken(strict, &there), None);
        let denied = [(worker(0), nothing()), (cron, error("function_not_found"))];
        assert_eq!(broken(strict, &denied), Some("RT-12"));
        let unknown = [
            (worker(0), nothing()),
            (trigger(1, Type::OfWorker(0)), success()),
        ];
        assert_eq!(broken(strict, &unknown), Some("RT-07"));
    }
}

#[test]
fn of_several_faults_the_documents_allow_any() {
    let of_nothing = trigger(0, Type::OfWorker(0));
    let second = [(of_nothing, error("function_not_found"))];
    assert_eq!(broken(BY_THE_DOCUMENTS, &second), None);
    assert_eq!(broken(STRICTLY, &second), Some("D-04"));
}

#[test]
fn the_clause_is_that_of_a_fault_that_is_certain() {
    let type_is_open = [
        (provider(1), nothing()),
        (provider(0), nothing()),
        (worker(0), nothing()),
        (trigger(0, Type::Cron), success()),
        (trigger(0, Type::OfWorker(0)), success()),
    ];
    assert_eq!(broken(BY_THE_DOCUMENTS, &type_is_open), Some("RT-10"));
}

#[test]
fn trigger_ids_are_a_sessions_own() {
    let taken = [(worker(0), nothing()), (trigger(0, Type::Cron), success())];
    for strict in [STRICTLY, BY_THE_DOCUMENTS] {
        let again = |session, seen| {
            let mut steps = taken.to_vec();
            steps.push((trigger(session, Type::Queue), seen));
            broken(strict, &steps)
        };
        assert_eq!(again(0, success()), Some("RT-10"));
        assert_eq!(again(0, error("duplicate_trigger_id")), None);
        assert_eq!(again(1, success()), None);
        let elsewhere = again(1, error("duplicate_trigger_id"));
        assert_eq!(elsewhere, strict.then_some("RT-11"), "strict: {strict}");
    }
}

#[test]
fn a_call_reaches_one_session_that_serves_the_function() {
    for strict in [STRICTLY, BY_THE_DOCUMENTS] {
        let after = |seen| broken(strict, &[(worker(0), nothing()), (call(1), seen)]);
        assert_eq!(after(handed_to(&[0], success())), None);
        assert_eq!(after(handed_to(&[2], success())), Some("RF-13"));
        assert_eq!(after(handed_to(&[0, 0], success())), Some("RF-13"));
        assert_eq!(after(handed_to(&[0], nothing())), Some("RF-13"));
        assert_eq!(after(error("function_not_found")), Some("RF-02"));
        let gone = [
            (worker(0), nothing()),
            (unregister(0), nothing()),
            (call(1), handed_to(&[0], success())),
        ];
        assert_eq!(broken(strict, &gone), Some("RF-02"));
    }
}

#[test]
fn what_two_sessions_registered_the_documents_leave_open() {
    let both = |seen| {
        [
            (worker(0), nothing()),
            (worker(1), nothing()),
            (unregister(1), nothing()),
            (call(2), seen),
        ]
    };
    let gone = both(error("function_not_found"));
    assert_eq!(broken(BY_THE_DOCUMENTS, &gone), None);
    assert_eq!(broken(STRICTLY, &gone), Some("RF-02"));
    let there = both(handed_to(&[0], success()));
    assert_eq!(broken(STRICTLY, &there), None);
}

#[test]
fn an_id_is_one_whether_a_worker_or_an_endpoint_serves_it() {
    let duplicate = error("duplicate_function_id");
    for (first, second) in [
        (Served::ByWorker, Served::OverHttp),
        (Served::OverHttp, Served::ByWorker),
    ] {
        let again = |seen| [(function(0, first), nothing()), (function(0, second), seen)];
        assert_eq!(broken(STRICTLY, &again(duplicate.clone())), None);
        assert_eq!(broken(STRICTLY, &again(nothing())), Some("D-01"));
        assert_eq!(broken(BY_THE_DOCUMENTS, &again(nothing())), None);
    }
    // The first one stays, and nobody listens at its endpoint.
    let called = |seen| {
        [
            (function(0, Served::OverHttp), nothing()),
            (worker(0), duplicate.clone()),
            (call(1), seen),
        ]
    };
    let reached = handed_to(&[0], success());
    assert_eq!(broken(BY_THE_DOCUMENTS, &called(reached)), Some("RF-13"));
    assert_eq!(broken(BY_THE_DOCUMENTS, &called(success())), Some("RF-14"));
    assert_eq!(broken(BY_THE_DOCUMENTS, &called(error("x"))), None);
    assert_eq!(broken(STRICTLY, &called(error("x"))), Some("D-11"));
    let denied = called(error("function_not_found"));
    assert_eq!(broken(BY_THE_DOCUMENTS, &denied), Some("RF-02"));
    let refused = [(
        function(0, Served::WithoutVariable),
        error("missing_env_var"),
    )];
    assert_eq!(broken(STRICTLY, &refused), None);
}

#[test]
fn only_a_types_provider_is_asked_for_its_triggers() {
    let asked = |sessions: &[usize], seen| {
        let steps = [
            (worker(0), nothing()),
            (provider(1), nothing()),
            (trigger(0, Type::OfWorker(0)), handed_to(sessions, seen)),
        ];
        broken(BY_THE_DOCUMENTS, &steps)
    };
    assert_eq!(asked(&[1], success()), None);
    assert_eq!(asked(&[], success()), Some("RT-13"));
    assert_eq!(asked(&[1, 2], success()), Some("RT-13"));
    assert_eq!(asked(&[1], error(REFUSED)), Some("RT-15"));
}

#[test]
fn its_provider_is_told_of_a_trigger_that_goes() {
    let unregistered = Step::UnregisterTrigger {
        session: 0,
        trigger: 0,
    };
    let told = |sessions: &[usize]| Seen {
        withdrawn: sessions.to_vec(),
        ..nothing()
    };
    let after = |strict, seen| {
        let steps = [
            (worker(0), nothing()),
            (provider(1), nothing()),
            (trigger(0, Type::OfWorker(0)), handed_to(&[1], success())),
            (unregistered, seen),
        ];
        broken(strict, &steps)
    };
    assert_eq!(after(STRICTLY, told(&[1])), None);
    assert_eq!(after(STRICTLY, told(&[])), Some("CO-08"));
    assert_eq!(after(STRICTLY, told(&[1, 2])), Some("CO-08"));
    assert_eq!(after(BY_THE_DOCUMENTS, told(&[])), None);
    assert_eq!(
        broken(STRICTLY, &[(unregistered, told(&[1]))]),
        Some("CO-08")
    );
}

#[test]
fn a_session_takes_all_that_is_its_own_along() {
    for noticed in [true, false] {
        let mut model = Model::new(SESSIONS, STRICTLY);
        for (step, seen) in [
            (worker(0), nothing()),
            (provider(0), nothing()),
            (worker(1), nothing()),
        ] {
            model = model.after(&step, &seen).unwrap();
        }
        model.end_session(0, noticed);
        let unknown = error("trigger_type_not_found");
        assert!(
            model
                .after(&trigger(1, Type::OfWorker(0)), &unknown)
                .is_ok()
        );
        let late = handed_to(&[0], success());
        assert_eq!(model.after(&call(2), &late).is_ok(), !noticed);
        assert!(model.after(&call(2), &handed_to(&[1], success())).is_ok());
    }
}

#[test]
fn some_order_has_to_explain_what_was_sent_at_once() {
    let taken = |step: Step, seen: Seen, key: &str| Taken {
        step,
        seen,
        key: key.to_owned(),
    };
    let start = || [Model::new(SESSIONS, STRICTLY)].into();
    let explained = |first: &Seen, second: &Seen| {
        let steps = [
            taken(worker(0), nothing(), "function"),
            taken(call(1), first.clone(), "one"),
            taken(call(2), second.clone(), "two"),
        ];
        explain(&start(), &steps).map_err(|(step, wrong)| (step, wrong.clause))
    };
    let (there, not_yet) = (handed_to(&[0], success()), error("function_not_found"));
    for (first, second) in [
        (&there, &there),
        (&there, &not_yet),
        (&not_yet, &there),
        (&not_yet, &not_yet),
    ] {
        assert_eq!(explained(first, second).unwrap().len(), 1);
    }
    let elsewhere = handed_to(&[2], success());
    assert_eq!(explained(&there, &elsewhere).unwrap_err(), (2, "RF-13"));
}

#[test]
fn on_one_session_the_order_is_that_of_sending_by_decision_only() {
    let backwards = [
        Taken {
            step: worker(0),
            seen: nothing(),
            key: "function".to_owned(),
        },
        Taken {
            step: call(0),
            seen: error("function_not_found"),
            key: "call".to_owned(),
        },
    ];
    for strict in [STRICTLY, BY_THE_DOCUMENTS] {
        let models = [Model::new(SESSIONS, strict)].into();
        assert_eq!(explain(&models, &backwards).is_err(), strict);
    }
}
