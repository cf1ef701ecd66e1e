//! `conformance bench`, as people type it: what it measures is the machine's, that it does is not.

use serde_json::Value;

use crate::{
    command::run,
    embedded,
    engines::{fault, serve},
    targets::engine,
};

/// As little as can be measured.
const LITTLE: [&str; 9] = [
    "bench",
    "--rounds",
    "2",
    "--calls",
    "40",
    "--depth",
    "8",
    "--registrations",
    "100",
];

/// Runs the command beside an engine that lives in this test.
async fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let all: Vec<String> = [&LITTLE, arguments]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_measured_beside_the_floor() {
    let (code, out, err) = bench(&[]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    for (measure, figures) in [
        ("one call after another", 3),
        ("8 calls at once", 2),
        ("one http request after another", 3),
        ("registering functions", 2),
        ("registering http triggers", 2),
        ("registering cron triggers", 2),
        ("registering queue triggers", 2),
    ] {
        let (_, behind) = out
            .split_once(measure)
            .unwrap_or_else(|| panic!("{measure}: {out}"));
        let lines = behind.lines().skip(1).take_while(|it| !it.is_empty());
        assert_eq!(lines.count(), figures, "{measure}: {out}");
    }
    // Two rounds of 40 calls, 160 at once and 40 requests.
    assert!(out.ends_with("\n480 calls, 0 lost\n"), "{out}");
    assert!(err.contains("round 2 of 2"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_engines_are_measured_turn_about_and_every_reading_is_kept() {
    let (one, other) = (
        embedded::start().await.unwrap(),
        embedded::start().await.unwrap(),
    );
    let (url, http_url) = (one.url(), one.http_url().unwrap());
    let (against, against_http_url) = (other.url(), other.http_url().unwrap());
    let (code, out, err) = bench(&[
        "--url",
        &url,
        "--http-url",
        &http_url,
        "--against",
        &against,
        "--against-http-url",
        &against_http_url,
        "--format",
        "json",
    ])
    .await;
    assert_eq!(code, Some(0), "{out}{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&document["against"], &document["lost"]),
        (&against.into(), &0.into())
    );
    let readings = document["readings"].as_array().unwrap();
    for reading in readings {
        for side in ["target", "against"] {
            let rounds = reading[side].as_array().unwrap();
            let measured = rounds.iter().all(|it| it.as_f64().unwrap() > 0.0);
            assert!(measured && rounds.len() == 2, "{reading:#}");
        }
    }
    let has_floor = |reading: &&Value| reading["floor"].as_array().is_some_and(|it| it.len() == 2);
    let with_floor = readings.iter().filter(has_floor).count();
    assert_eq!((readings.len(), with_floor), (16, 6), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_calls_are_counted_and_fail_the_command() {
    let server = serve(fault("calls-in-flight-block-others").machine()).await;
    let measure = ["--measure", "throughput", "--patience-ms", "300"];
    let (code, out, err) = bench(&[&["--url", &*server.url()][..], &measure].concat()).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with("320 calls, ") && !last.ends_with(", 0 lost"),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_measured_says_why() {
    let server = serve(fault("http-never-fires").machine()).await;
    let url = server.url();
    let (code, out, err) = bench(&["--url", &url, "RT-07"]).await;
    assert_eq!(code, Some(2), "{out}{err}");
    let refusing = serve(fault("trigger-result-dropped").machine()).await;
    let measure = ["--measure", "registrations", "--patience-ms", "300"];
    let (code, _, err) = bench(&[&["--url", &*refusing.url()][..], &measure].concat()).await;
    assert_eq!(code, Some(3), "{err}");
    assert!(
        err.contains("the result of a registration did not come"),
        "{err}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn an_engine_that_is_started_is_asked_what_it_takes() {
    let engine = engine();
    let words = ["--measure", "memory", "--format", "json", "--"];
    let all = [&LITTLE, &words[..]].concat();
    let all: Vec<&str> = all
        .into_iter()
        .chain(engine.iter().map(String::as_str))
        .collect();
    let (code, out, err) = run(&all);
    assert_eq!(code, Some(0), "{out}{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let taken: Vec<f64> = document["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["target"][0].as_f64().unwrap())
        .collect();
    assert!(
        matches!(*taken, [idle, full, _] if full > idle && idle > 0.0),
        "{out}"
    );
}
