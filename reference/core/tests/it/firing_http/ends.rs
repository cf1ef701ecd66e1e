//! Requests whose function an endpoint serves, and requests that end before their calls.

use super::*;

/// A lab whose `f` is at an endpoint, by GET of `/f`, for a registrar of its own.
pub(super) fn at_an_endpoint() -> (Lab, SessionId, SessionId) {
    let mut lab = Lab::new();
    let (worker, registrar) = (lab.connect(), lab.connect());
    lab.quietly(
        worker,
        http_function("f", json!({"url": URL, "timeout_ms": 2000})),
    );
    route(&mut lab, registrar, "t", "GET", "/f", "f");
    (lab, worker, registrar)
}

#[test]
fn an_endpoint_answers_like_a_worker() {
    let (mut lab, _, registrar) = at_an_endpoint();
    let exchange = lab.request(Asked {
        headers: vec![("traceparent".to_owned(), "00-trace".to_owned())],
        ..asked("GET", "/f?x=1")
    });
    let request = &lab.requests[0];
    assert_eq!(parse(&request.body)["query_params"], json!({"x": "1"}));
    let trace = (
        "traceparent".to_owned(),
        HeaderText::Plain("00-trace".to_owned()),
    );
    assert!(request.headers.contains(&trace));
    assert_eq!(
        request.session, registrar,
        "it counts as the trigger's session's"
    );
    lab.end_request(Ended::Answer(200, r#"{"status_code":202}"#.to_owned()));
    assert_eq!(lab.answer_to(exchange).unwrap().status, 202);

    let exchange = lab.request(asked("GET", "/f"));
    lab.end_request(Ended::Failed("refused".to_owned()));
    assert_eq!(
        failed(&lab, exchange),
        (502, "http_request_failed".to_owned())
    );

    let exchange = lab.request(asked("GET", "/f"));
    lab.advance(seconds(2));
    assert_eq!(failed(&lab, exchange), (504, "timeout".to_owned()));
    assert!(lab.requests.is_empty());
}

#[test]
fn an_endpoint_goes_on_although_everybody_has_left() {
    let (mut lab, worker, registrar) = at_an_endpoint();
    let exchange = lab.request(asked("GET", "/f"));
    lab.disconnect(worker);
    lab.disconnect(registrar);
    lab.end_request(Ended::Answer(200, "7".to_owned()));
    assert_eq!(answered(&lab, exchange), (200, json!(7)));
}

#[test]
fn too_many_requests_are_503() {
    let (mut lab, ..) = at_an_endpoint();
    for _ in 0..256 {
        lab.request(asked("GET", "/f"));
    }
    let exchange = lab.request(asked("GET", "/f"));
    assert_eq!(
        failed(&lab, exchange),
        (503, "too_many_requests".to_owned())
    );
}

#[test]
fn an_abandoned_request_is_forgotten() {
    let (mut lab, worker) = served();
    let exchange = lab.request(asked("GET", "/f"));
    let call = lab.only_frame(worker);
    lab.input(Step::HttpAbandoned(exchange));
    lab.events();
    lab.send(worker, answer(&call, json!(1)));
    assert_eq!(lab.next_deadline(), None, "nothing is left of it");
    assert!(matches!(
        &lab.events()[..],
        [EventKind::AnswerDropped { .. }]
    ));
    assert_eq!(lab.answer_to(exchange), None);
    // Neither twice, nor after its answer, nor one that never was.
    lab.input(Step::HttpAbandoned(exchange));
    let exchange = lab.request(asked("GET", "/none"));
    lab.input(Step::HttpAbandoned(exchange));
    lab.input(Step::HttpAbandoned(ExchangeId(99)));

    let (mut lab, ..) = at_an_endpoint();
    let exchange = lab.request(asked("GET", "/f"));
    lab.input(Step::HttpAbandoned(exchange));
    assert!(lab.requests.is_empty(), "cancelled");
    for _ in 0..256 {
        lab.request(asked("GET", "/f"));
    }
    assert_eq!(lab.requests.len(), 256, "it takes no room any more");
}

#[test]
fn stopping_answers_the_requests_that_are_under_way() {
    let (mut lab, worker, _) = at_an_endpoint();
    lab.function(worker, "g");
    route(&mut lab, worker, "g", "GET", "/g", "g");
    let exchanges = ["/f", "/g"].map(|path| lab.request(asked("GET", path)));
    lab.input(Step::Shutdown);
    for exchange in exchanges {
        assert_eq!(
            failed(&lab, exchange),
            (502, "invocation_stopped".to_owned())
        );
    }
    assert!(lab.requests.is_empty());
    let exchange = lab.request(asked("GET", "/f"));
    assert_eq!(failed(&lab, exchange), (404, "route_not_found".to_owned()));
    assert_eq!(lab.next_deadline(), None);
}
