//! Registering triggers: the answers, and the checks behind them (RT-01, RT-02, RT-07 to RT-16).

use crate::{
    Fault,
    frames::{code, is_refusal, is_result, is_success, set, unset},
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "trigger-result-dropped",
            "Answers no registration of a trigger",
            &["RT-02", "RT-15", "RT-16"],
            || {
                sending(|sent| {
                    if is_result(&sent.frame) {
                        sent.copies = 0;
                    }
                })
            },
        ),
        Fault::new(
            "success-with-null-error",
            "Says `error: null` where it means none",
            &["RT-15", "RF-12"],
            || {
                sending(|sent| {
                    if is_success(&sent.frame) {
                        set(&mut sent.frame, "", "error", serde_json::Value::Null);
                    }
                })
            },
        ),
        Fault::new(
            "unknown-type-accepted",
            "Registers triggers of types that nobody has registered",
            &["RT-07", "RT-13", "RT-16"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame)
                        && code(&sent.frame) == Some("trigger_type_not_found")
                    {
                        unset(&mut sent.frame, "", "error");
                    }
                })
            },
        ),
    ]
}
