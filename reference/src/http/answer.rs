//! A request, and its one answer.

use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
    },
    http::request::Parts,
};
use reference_core::{Code, HttpAnswer, HttpTriggerRequest};
use tokio::time::timeout;

use super::{
    Front,
    body::{self, NotRead, Outgoing, Whole},
    pace::Turn,
};
use crate::{access::Refused, hub::Exchange};

/// Has a request answered. What is refused here ends its connection, since the rest of the
/// request may still be on its way.
pub(super) async fn to(
    request: Request<Incoming>,
    turn: Turn,
    front: &Front,
) -> Response<Outgoing> {
    let (head, body) = request.into_parts();
    let (answer, last) = match ask(&head, body, front).await {
        Ok(answer) => (answer, false),
        Err(refusal) => (refusal, true),
    };
    turn.answer();
    let headless = head.method == Method::HEAD;
    let mut response = response(answer, headless, turn, front);
    if last {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn ask(head: &Parts, body: Incoming, front: &Front) -> Result<HttpAnswer, HttpAnswer> {
    front
        .gate
        .admit(&head.uri, &head.headers)
        .map_err(|refused| forbidden(&refused))?;
    let target = target(head, front)?;
    let body = read(body, front).await?;
    let headers: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let request = HttpTriggerRequest {
        method: head.method.as_str(),
        target,
        headers: &headers,
        body: &body.bytes,
    };
    let exchange = Exchange::begin(&front.hub, request);
    drop(body);
    let answer = match exchange {
        Some(exchange) => exchange.answer().await,
        None => None,
    };
    answer.ok_or_else(|| {
        let message = "The engine is stopping";
        refusal(503, Code::InvocationStopped, message)
    })
}

/// The path and the query of a request that can be handed on.
fn target<'a>(head: &'a Parts, front: &Front) -> Result<&'a str, HttpAnswer> {
    if head.method == Method::CONNECT {
        let message = "The engine is no proxy: CONNECT is not served";
        return Err(refusal(501, Code::BadRequest, message));
    }
    // RFC 9112, section 3.2.
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && head.version == Version::HTTP_11) {
        let message = "A request must have one Host header";
        return Err(HttpAnswer::bad_request(message));
    }
    if listed(head, &UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket")) {
        let message = "This port is for http triggers. \
                       Workers connect over WebSocket to the address that --listen names";
        return Err(HttpAnswer::bad_request(message));
    }
    // RFC 9112, section 6.1: `chunked` is the last coding, and is there once.
    let mut codings = listed(head, &TRANSFER_ENCODING);
    let first_is_chunked = codings
        .next()
        .is_none_or(|coding| coding.eq_ignore_ascii_case("chunked"));
    if !first_is_chunked || codings.next().is_some() {
        let message = "Of transfer codings only 'chunked' is read";
        return Err(refusal(501, Code::BadRequest, message));
    }
    let target = head.uri.path_and_query().map(|target| target.as_str());
    let target = target.ok_or_else(|| HttpAnswer::bad_request("A request must have a path"))?;
    let bytes_max = front.limits.target_bytes_max;
    if target.len() > bytes_max {
        let message = format!(
            "The path and the query must not be longer than {bytes_max} bytes, got {}",
            target.len()
        );
        return Err(refusal(414, Code::BadRequest, &message));
    }
    Ok(target)
}

/// The members of a header that is a list.
fn listed<'a>(head: &'a Parts, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = head.headers.get_all(name).iter();
    values
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(str::trim)
}

async fn read(body: Incoming, front: &Front) -> Result<Whole, HttpAnswer> {
    let limits = &front.limits;
    let reading = body::read(body, limits.body_bytes_max, &front.bodies);
    let Ok(read) = timeout(limits.body_time_max, reading).await else {
        let ms = limits.body_time_max.as_millis();
        let message = format!("The body did not come within {ms} ms");
        return Err(refusal(408, Code::BadRequest, &message));
    };
    read.map_err(|why| match why {
        NotRead::TooLarge => HttpAnswer::payload_too_large(limits.body_bytes_max),
        NotRead::BudgetSpent => {
            let bytes_max = front.bodies.bytes_max();
            let message = format!(
                "With this one, the bodies that are being read would be larger \
                 than {bytes_max} bytes together"
            );
            refusal(503, Code::TooManyRequests, &message)
        }
        NotRead::Broken => HttpAnswer::bad_request("The body is not what its headers announce"),
    })
}

fn forbidden(refused: &Refused) -> HttpAnswer {
    refused.log();
    let code = match refused {
        Refused::Token => Code::Unauthorized,
        Refused::Full => Code::TooManyRequests,
        Refused::Host(_) | Refused::Origin(_) => Code::Forbidden,
    };
    let mut answer = refusal(refused.status().as_u16(), code, refused.message());
    if *refused == Refused::Token {
        let challenge = ("www-authenticate".to_owned(), "Bearer".to_owned());
        answer.headers.push(challenge);
    }
    answer
}

/// The engine's own answer to what it does not take in.
fn refusal(status: u16, code: Code, message: &str) -> HttpAnswer {
    let error = serde_json::json!({"error": {"code": code.as_str(), "message": message}});
    HttpAnswer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: error.to_string().into(),
    }
}

fn response(answer: HttpAnswer, headless: bool, turn: Turn, front: &Front) -> Response<Outgoing> {
    let sent = if headless { 0 } else { answer.body.len() };
    let part = front.answers.take(sent);
    if part.is_none() {
        let bytes_max = front.answers.bytes_max();
        let message = format!(
            "With this one, the answers that are being sent would be larger \
             than {bytes_max} bytes together"
        );
        // Small enough to be sent beside the others.
        return written(refusal(503, Code::TooManyRequests, &message), headless)
            .map(|body| Outgoing::new(body, None, turn));
    }
    written(answer, headless).map(|body| Outgoing::new(body, part, turn))
}

/// An answer as it is sent. That to `HEAD` has the length of the body that it has not.
fn written(answer: HttpAnswer, headless: bool) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    let (Ok(status), Some(headers)) = (
        StatusCode::from_u16(answer.status),
        answer
            .headers
            .iter()
            .map(header)
            .collect::<Option<Vec<_>>>(),
    ) else {
        // No answer of the engine's is like that.
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    };
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    // RFC 9110, section 8.6.
    if !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        let length = HeaderValue::from(answer.body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    if !headless {
        *response.body_mut() = answer.body;
    }
    response
}

fn header((name, value): &(String, String)) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
    Some((name, value))
}
