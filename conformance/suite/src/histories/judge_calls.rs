//! What may become of a call.

use super::{
    judge::{Seen, Told, WORKERS_CODE, Wrong},
    model::{Model, Presence},
    step::Answer,
};

impl Model {
    pub(super) fn call(
        &self,
        caller: usize,
        function: usize,
        answer: Answer,
        seen: &Seen,
    ) -> Result<(), Wrong> {
        let presence = self.function(function);
        let workers = self.workers(function);
        let over_http = self.is_served_over_http(function);
        let reached = "the call reaches one session that has registered the function, once";
        let wrong = |clause, expected: &str, problem: String| {
            Err(Wrong::new(
                clause,
                format!("function {function} is called: {expected}"),
                problem,
            ))
        };
        if seen.asked.len() > 1 {
            let problem = format!("it reached sessions {:?}", seen.asked);
            return wrong("RF-13", reached, problem);
        }
        let worker = seen.asked.first().copied();
        match (presence, worker) {
            (Presence::Absent, Some(worker)) => {
                let problem = format!("it reached session {worker}");
                let expected = "an error, since nobody has registered it";
                return wrong("RF-02", expected, problem);
            }
            (Presence::Present, Some(worker)) if !workers.contains(&worker) => {
                let problem = format!("it reached session {worker}, which has not");
                return wrong("RF-13", reached, problem);
            }
            (Presence::Present, None) if over_http => return self.http_call(function, seen),
            (Presence::Present, None) => {
                let clause = match seen.told {
                    Told::Nothing => "RF-13",
                    _ => "RF-02",
                };
                let problem = format!("it reached none; {}", seen.got());
                return wrong(clause, reached, problem);
            }
            _ => {}
        }
        if worker.is_none() {
            let code = match &seen.told {
                Told::Error(code) => code.as_deref(),
                Told::Nothing if presence != Presence::Absent => {
                    return wrong("RF-13", "an answer", seen.got());
                }
                // That a call of nothing is answered, the documents do not say.
                Told::Nothing if !self.is_strict() => return Ok(()),
                Told::Nothing => {
                    return wrong("CO-12", "the error `function_not_found`", seen.got());
                }
                _ => return wrong("RF-02", "the error `function_not_found`", seen.got()),
            };
            let open = presence != Presence::Absent || !self.is_strict();
            return match open || code == Some("function_not_found") {
                true => Ok(()),
                false => wrong("CO-12", "the error `function_not_found`", seen.got()),
            };
        }
        let (clause, expected, fits) = self.outcome_of(caller, worker, answer, &seen.told);
        match fits || seen.loose {
            true => Ok(()),
            false => wrong(clause, expected, seen.got()),
        }
    }

    /// Nobody listens at the endpoints of histories: there is no result to be had, and how long an
    /// engine tries is its own affair.
    fn http_call(&self, function: usize, seen: &Seen) -> Result<(), Wrong> {
        let (clause, fits) = match &seen.told {
            Told::Error(Some(code)) if code == "function_not_found" => ("RF-02", false),
            Told::Error(code) => (
                "D-11",
                !self.is_strict() || code.as_deref() == Some("http_request_failed"),
            ),
            Told::Nothing => ("D-11", !self.is_strict()),
            Told::Success | Told::Strangers | Told::Other => ("RF-14", false),
        };
        match fits {
            true => Ok(()),
            false => {
                let expected = format!(
                    "function {function} is called: the error `http_request_failed`, since nobody \
                     listens at its endpoint"
                );
                Err(Wrong::new(clause, expected, seen.got()))
            }
        }
    }

    /// Whether a caller was told what its worker's answer allows, and what that is.
    fn outcome_of(
        &self,
        caller: usize,
        worker: Option<usize>,
        answer: Answer,
        told: &Told,
    ) -> (&'static str, &'static str, bool) {
        let is = |code: &str| *told == Told::Error(Some(code.to_owned()));
        let strict = self.is_strict();
        match answer {
            Answer::Result | Answer::Twice => (
                "RF-13",
                "the worker's result reaches the caller",
                *told == Told::Success,
            ),
            Answer::BehindAStranger => (
                "D-15",
                "the result of the worker reaches the caller, and not that of another session",
                *told == Told::Success || (!strict && *told == Told::Strangers),
            ),
            Answer::Error => (
                if strict { "CO-11" } else { "RF-13" },
                "the worker's error reaches the caller",
                is(WORKERS_CODE) || (!strict && matches!(told, Told::Error(_))),
            ),
            Answer::Held => (
                "RF-13",
                "no answer, since the worker has given none",
                *told == Told::Nothing,
            ),
            Answer::Leaves { .. } => (
                "D-07",
                "the error `invocation_stopped`, since the worker has left",
                !strict || worker == Some(caller) || is("invocation_stopped"),
            ),
        }
    }

    pub(super) fn void_call(&self, function: usize, seen: &Seen) -> Result<(), Wrong> {
        if seen.asked.len() > 1 {
            let problem = format!("it reached sessions {:?}", seen.asked);
            return Err(Wrong::new("RF-13", "a call reaches one session", problem));
        }
        let presence = self.function(function);
        let worker = seen.asked.first();
        let stray = worker.is_some_and(|it| !self.workers(function).contains(it));
        if stray && presence != Presence::Either {
            let problem = format!("it reached session {worker:?}, which has not registered it");
            let expected = format!("a call of function {function} reaches who serves it");
            return Err(Wrong::new("RF-13", expected, problem));
        }
        if !self.is_strict() {
            return Ok(());
        }
        if seen.told != Told::Nothing {
            let expected = "no reply to a call that asks for none";
            return Err(Wrong::new("CO-10", expected, seen.got()));
        }
        let of_worker = presence == Presence::Present && !self.is_served_over_http(function);
        if of_worker && worker.is_none() {
            let expected = format!("the call of function {function} reaches its worker");
            return Err(Wrong::new("CO-10", expected, "it reached none"));
        }
        Ok(())
    }
}
