//! Requests for http triggers (RT-04).

use super::{Armed, Engine, Origin, Output, Shot};
use crate::{
    Effect, EventKind, ExchangeId, Failure, HttpAnswer, HttpConfig, HttpTriggerRequest,
    http::Unmatched,
};

impl Engine {
    pub(super) fn add_route(
        &mut self,
        trigger: Armed,
        config: &HttpConfig,
        out: &mut Output<'_, '_>,
    ) -> Result<(), Failure> {
        let (session, id) = (trigger.session, trigger.id.to_string());
        let routes = &mut self.firing.routes;
        let inserted = routes.insert(&config.path, &config.method, trigger)?;
        if inserted.shadowed_by.is_some() {
            let shadowed = EventKind::RouteShadowed {
                id,
                method: config.method.clone(),
                path: config.path.clone(),
            };
            self.report(session, shadowed, out);
        }
        Ok(())
    }

    /// The function's answer becomes that of the request; all others are the engine's own.
    pub(in crate::engine) fn http_request(
        &mut self,
        exchange: ExchangeId,
        request: HttpTriggerRequest<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let routed = match self.firing.routes.find(request.path(), request.method) {
            Ok(matched) => request
                .payload(&matched)
                .map(|payload| (matched.key.clone(), payload))
                .map_err(|failure| HttpAnswer::of_failure(&failure)),
            Err(Unmatched::NotFound) if let Some(page) = self.page(&request) => Err(page),
            Err(why) => Err(HttpAnswer::of_unmatched(&request, &why)),
        };
        match routed {
            Ok((trigger, payload)) => {
                let baggage = values(&request, "baggage").join(",");
                let shot = Shot {
                    origin: Origin::Http(exchange),
                    data: &payload,
                    traceparent: only(&values(&request, "traceparent")),
                    baggage: Some(&*baggage).filter(|it| !it.is_empty()),
                };
                self.fire(&trigger, shot, out);
            }
            Err(answer) => out.push(Effect::Respond {
                exchange,
                answer: Box::new(answer),
            }),
        }
    }
}

/// The values of a header, in their order. One that is no UTF-8 cannot be passed on.
fn values<'a>(request: &HttpTriggerRequest<'a>, name: &str) -> Vec<&'a str> {
    let headers = request.headers.iter();
    headers
        .filter(|(it, _)| it.eq_ignore_ascii_case(name))
        .filter_map(|(_, value)| std::str::from_utf8(value).ok())
        .collect()
}

/// Of a header that must come once, as W3C Trace Context has it.
fn only<'a>(values: &[&'a str]) -> Option<&'a str> {
    match values {
        [value] => Some(value),
        _ => None,
    }
}
