//! The steps that ask the engine over HTTP.

use serde_json::Value;
use tokio::time::timeout_at;

use super::exec::{CaseRun, Fault};
use crate::{
    case::Request,
    exchange::{Asked, Exchange},
};

impl CaseRun<'_> {
    pub(super) fn request(&mut self, on: &str, request: &Request) -> Result<(), Fault> {
        let Some(base) = &self.context.target.http_url else {
            return Err(Fault::new("an address for http triggers", "none is known"));
        };
        let text = |template: &Value| -> Result<String, Fault> {
            let filled = self.scope.fill(template)?;
            Ok(filled
                .as_str()
                .map_or_else(|| filled.to_string(), str::to_owned))
        };
        let mut headers = Vec::new();
        for (name, template) in &request.headers {
            headers.push((name.clone(), text(template)?));
        }
        let body = match (&request.json, &request.text, &request.hex) {
            (Some(template), ..) => {
                let named =
                    |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
                if !headers.iter().any(named) {
                    headers.push(("content-type".to_owned(), "application/json".to_owned()));
                }
                self.scope.frame_text(template)?.into_bytes()
            }
            (None, Some(text), _) => text.clone().into_bytes(),
            // Checked when the case was read.
            (None, None, Some(hex)) => hex::decode(hex).unwrap_or_default(),
            (None, None, None) => Vec::new(),
        };
        let asked = Asked {
            method: request.method.clone(),
            base: base.clone(),
            target: text(&request.target)?,
            headers,
            body,
        };
        let client = self.context.http.clone();
        let exchange = Exchange::begin(client, asked, on, &self.transcript);
        self.exchanges.insert(on.to_owned(), exchange);
        Ok(())
    }

    pub(super) async fn expect_response(
        &mut self,
        on: &str,
        template: &Value,
    ) -> Result<(), Fault> {
        let expected = format!("an answer to the request `{on}`");
        let (deadline, patience_ms) = self.deadline();
        let Some(mut exchange) = self.exchanges.remove(on) else {
            return Err(Fault::new(expected, "the case has taken it already"));
        };
        let frame = match timeout_at(deadline, exchange.answer()).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(problem)) => return Err(Fault::new(expected, problem)),
            Err(_) => {
                let problem = format!("none arrived within {patience_ms} ms");
                return Err(Fault::new(expected, problem));
            }
        };
        let mismatches = self.scope.compare(template, &frame)?;
        if mismatches.is_empty() {
            return Ok(());
        }
        Err(Fault::differs(expected, mismatches))
    }
}
