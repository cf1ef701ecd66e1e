//! The engine's own pages (D-32).

use super::*;

/// Status, content type and body.
fn page(lab: &mut Lab, method: &'static str, target: &str) -> (u16, String, String) {
    let exchange = lab.request(asked(method, target));
    let answer = lab.answer_to(exchange).expect("an answer");
    let header = answer
        .headers
        .iter()
        .find(|(name, _)| name == "content-type");
    let content_type = header.map(|(_, value)| value.clone()).unwrap_or_default();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    (answer.status, content_type, body)
}

fn metric(lab: &mut Lab, name: &str) -> Option<u64> {
    let (status, content_type, body) = page(lab, "GET", "/metrics");
    assert_eq!(status, 200);
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    let value = body
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.map(|value| value.parse().unwrap())
}

#[test]
fn an_engine_that_answers_is_healthy() {
    let mut lab = Lab::new();
    let healthy = (
        200,
        "text/plain; charset=utf-8".to_owned(),
        "ok\n".to_owned(),
    );
    for method in ["GET", "HEAD"] {
        assert_eq!(page(&mut lab, method, "/healthz?verbose"), healthy);
        assert_eq!(page(&mut lab, method, "/metrics").0, 200);
    }
    for (method, target) in [
        ("POST", "/healthz"),
        ("GET", "/healthz/"),
        ("PUT", "/metrics"),
    ] {
        let exchange = lab.request(asked(method, target));
        assert_eq!(failed(&lab, exchange), (404, "route_not_found".to_owned()));
    }
}

#[test]
fn a_trigger_takes_the_place_of_a_page() {
    let (mut lab, worker) = served();
    for (id, path) in [("health", "/healthz"), ("metrics", "/metrics")] {
        route(&mut lab, worker, id, "GET", path, "f");
        assert_eq!(served_by(&mut lab, &[worker], path), json!("f"));
    }
}

#[test]
fn what_there_is_is_counted() {
    let (mut lab, worker) = served();
    lab.function(worker, "g");
    let provider = lab.connect();
    lab.trigger_type(provider, "weather");
    let config = json!({"queue_name": "mail"});
    lab.ask(worker, register_trigger("q", "queue", "f", config));
    let enqueue = |invocation_id: &str, data: Value| {
        json!({
            "type": "invokefunction", "invocation_id": invocation_id,
            "function_id": "enqueue", "data": data,
        })
    };
    lab.send(
        provider,
        enqueue("e", json!({"queue_name": "letters", "data": 7})),
    );
    lab.send(provider, invoke("1", "g"));
    lab.send(provider, invoke("2", "no-such-function"));
    for (name, count) in [
        ("sessions", 2),
        ("functions", 2),
        ("triggers", 2),
        ("trigger_types", 1),
        ("calls_in_flight", 1),
        ("queue_messages", 1),
        ("calls_total", 3),
        ("calls_failed_total{code=\"function_not_found\"}", 1),
    ] {
        assert_eq!(
            metric(&mut lab, &format!("reference_{name}")),
            Some(count),
            "{name}"
        );
    }
    assert!(metric(&mut lab, "reference_queue_bytes") > Some(1));
    lab.disconnect(worker);
    for (name, count) in [
        ("sessions", 1),
        ("functions", 0),
        ("triggers", 0),
        ("calls_in_flight", 0),
        ("calls_failed_total{code=\"invocation_stopped\"}", 1),
    ] {
        assert_eq!(
            metric(&mut lab, &format!("reference_{name}")),
            Some(count),
            "{name}"
        );
    }
}

#[test]
fn each_metric_says_what_it_is() {
    let body = page(&mut Lab::new(), "GET", "/metrics").2;
    let mut lines = body.lines();
    while let Some(help) = lines.next() {
        let name = help
            .strip_prefix("# HELP ")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        assert_eq!(lines.next(), Some(&*format!("# TYPE {name} {kind}")));
        if name != "reference_calls_failed_total" {
            assert_eq!(lines.next(), Some(&*format!("{name} 0")));
        }
    }
}
