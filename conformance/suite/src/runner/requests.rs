//! The endpoints of a case, and the steps that wait for their requests.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::exec::{CaseRun, Fault};
use crate::{
    case::{self, Endpoint as Script},
    endpoint::{Answer, Behaviour, Kind, Received, how_to_prove},
    frame::Frame,
    template::{Given, Mismatch},
    transcript::Direction,
};

impl CaseRun<'_> {
    /// Gives each endpoint of the case its URL, then has it served.
    pub(super) async fn serve_endpoints(&mut self) -> Result<(), Fault> {
        let mut given = Given {
            variables: self.context.target.variables.clone(),
            ..Given::default()
        };
        let scripts = &self.case.endpoints;
        if scripts.is_empty() {
            self.scope = self.scope.clone().given(given);
            return Ok(());
        }
        let servers = self.context.endpoints().await;
        let servers = servers
            .map_err(|error| Fault::new("endpoints for the engine to call", error.to_string()))?;
        for (name, script) in scripts {
            let kind = match script {
                Script::Answers(_) => Kind::Http,
                Script::Raw(_) => Kind::Raw,
            };
            let url = servers.url(&self.scope.unique(name), kind);
            given.endpoints.insert(name.clone(), url);
        }
        self.scope = self.scope.clone().given(given);
        for (name, script) in scripts {
            let behaviour = self.behaviour(script)?;
            let segment = self.scope.unique(name);
            let variables = &self.context.target.variables;
            let endpoint = servers.serve(name, segment, behaviour, variables, &self.transcript);
            self.endpoints.insert(name.clone(), endpoint);
        }
        Ok(())
    }

    fn behaviour(&self, script: &Script) -> Result<Behaviour, Fault> {
        let answers = match script {
            Script::Answers(answers) => answers,
            Script::Raw(parts) => return Ok(Behaviour::Raw(parts.as_slice().into())),
        };
        let answers = answers.iter().map(|answer| self.answer(answer));
        answers
            .collect::<Result<_, Fault>>()
            .map(Behaviour::Answers)
    }

    fn answer(&self, answer: &case::Answer) -> Result<Answer, Fault> {
        let mut headers = Vec::new();
        for (name, template) in &answer.headers {
            let value = self.scope.fill(template)?;
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            headers.push((name.clone(), value));
        }
        let body = match (&answer.json, &answer.text) {
            (Some(template), _) => Some((self.scope.frame_text(template)?, "application/json")),
            (None, Some(text)) => Some((text.clone(), "text/plain")),
            (None, None) => None,
        };
        Ok(Answer {
            status: answer.status,
            headers,
            body,
            delay: Duration::from_millis(answer.delay_ms),
        })
    }

    pub(super) async fn expect_request(&mut self, on: &str, template: &Value) -> Result<(), Fault> {
        let expected = format!("a request to the endpoint `{on}`");
        let (deadline, patience_ms) = self.deadline();
        let Some(request) = self.take_request(on, deadline).await else {
            let mut problem = format!("none arrived within {patience_ms} ms");
            if !self.context.endpoints_were_reached() {
                problem += "; an engine on another machine needs --callback-bind and \
                     --callback-host to reach the suite, and one that refuses plain http or \
                     loopback addresses must be told to allow them";
            }
            return Err(Fault::new(expected, problem));
        };
        let frame = self.frame_of(&request)?;
        let mismatches = self.scope.compare(template, &frame)?;
        if mismatches.is_empty() {
            self.remark_on_scheme(template, &frame);
            return Ok(());
        }
        self.explain_signature(&mismatches, template, &request);
        Err(Fault::differs(expected, mismatches))
    }

    pub(super) async fn no_request(&mut self, on: &str) -> Result<(), Fault> {
        let deadline = Instant::now() + self.context.pace.quiet;
        match self.take_request(on, deadline).await {
            None => Ok(()),
            Some(request) => Err(Fault::new(
                format!("the endpoint `{on}` gets no (further) request"),
                format!("it got one: {}", request.describe()),
            )),
        }
    }

    async fn take_request(&mut self, on: &str, deadline: Instant) -> Option<Received> {
        self.endpoints.get_mut(on)?.take(deadline).await
    }

    fn frame_of(&self, request: &Received) -> Result<Frame, Fault> {
        let frame = request.frame(&self.context.target.variables);
        frame.map_err(|problem| Fault::new("a request that can be read", problem))
    }

    /// The documents leave the scheme open: the report says which the engine has.
    fn remark_on_scheme(&mut self, template: &Value, frame: &Frame) {
        let asked = template.get("signed_by").is_some();
        let proofs = frame.value.get("signed_by").and_then(Value::as_array);
        for proof in proofs.into_iter().flatten().filter(|_| asked) {
            let text = |name: &str| proof.get(name).and_then(Value::as_str).unwrap_or_default();
            let remark = format!("signed by {}, in `{}`", text("scheme"), text("header"));
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }

    fn explain_signature(&self, mismatches: &[Mismatch], template: &Value, request: &Received) {
        if !mismatches.iter().any(|it| it.path.starts_with("signed_by")) {
            return;
        }
        let wanted = template.to_string();
        for (name, value) in &self.context.target.variables {
            if wanted.contains(&format!("\"variable\":\"{name}\"")) {
                let hint = how_to_prove(request, name, value);
                self.transcript.add("suite", Direction::Note, hint);
            }
        }
    }
}
