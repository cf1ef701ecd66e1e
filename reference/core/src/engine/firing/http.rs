//! Requests for http triggers (RT-04).

use super::{Engine, Origin, Output, Shot, TriggerKey};
use crate::{Effect, EventKind, ExchangeId, Failure, HttpAnswer, HttpConfig, HttpTriggerRequest};

impl Engine {
    pub(super) fn add_route(
        &mut self,
        key: &TriggerKey,
        config: &HttpConfig,
        out: &mut Output<'_, '_>,
    ) -> Result<(), Failure> {
        let routes = &mut self.firing.routes;
        let inserted = routes.insert(&config.path, &config.method, key.clone())?;
        if inserted.shadowed_by.is_some() {
            let shadowed = EventKind::RouteShadowed {
                id: key.1.to_string(),
                method: config.method.clone(),
                path: config.path.clone(),
            };
            self.report(key.0, shadowed, out);
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
            Err(why) => Err(HttpAnswer::of_unmatched(&request, &why)),
        };
        match routed {
            Ok((key, payload)) => {
                let shot = Shot {
                    origin: Origin::Http(exchange),
                    data: &payload,
                    patience: None,
                    traceparent: header(&request, "traceparent"),
                    baggage: header(&request, "baggage"),
                };
                self.fire(&key, shot, out);
            }
            Err(answer) => out.push(Effect::Respond {
                exchange,
                answer: Box::new(answer),
            }),
        }
    }
}

/// The value of a header that came once.
fn header<'a>(request: &HttpTriggerRequest<'a>, name: &str) -> Option<&'a str> {
    let mut values = request
        .headers
        .iter()
        .filter(|(it, _)| it.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) => std::str::from_utf8(value).ok(),
        _ => None,
    }
}
