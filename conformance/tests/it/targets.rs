//! Targets of every kind, as people and scripts give them to the `conformance` command.

use std::{fs, path::PathBuf};

use reference::Server;
use serde_json::{Value, json};

use crate::{
    command::{command, run, run_at},
    embedded,
    engines::{Fate, Faulty, serve},
};

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("conformance-{}", uuid::Uuid::new_v4());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, content: &Value) -> String {
        let path = self.0.join(name);
        fs::write(&path, content.to_string()).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Not a test: the engine that other tests start, as a process of its own.
#[tokio::test]
#[ignore = "it is an engine"]
async fn an_engine() {
    let address = |name| format!("127.0.0.1:{}", std::env::var(name).unwrap());
    let options = reference::Options {
        http: Some(address("HTTP_PORT").parse().unwrap()),
        ..reference::Options::default()
    };
    let _server = Server::bind(address("PORT"), options).await.unwrap();
    std::future::pending::<()>().await;
}

/// The words that start it.
pub(crate) fn engine() -> [String; 4] {
    let own = std::env::current_exe().unwrap().display().to_string();
    let script =
        r#"PORT={port} HTTP_PORT={http_port} exec "$0" --ignored --exact targets::an_engine"#;
    ["sh".to_owned(), "-c".to_owned(), script.to_owned(), own]
}

#[cfg(unix)]
#[test]
fn an_engine_is_started_judged_and_ended() {
    let engine = engine();
    let words = ["run", "RF-05", "RT-04", "document-bearer", "--"];
    let all: Vec<&str> = words
        .into_iter()
        .chain(engine.iter().map(String::as_str))
        .collect();
    let (code, out, err) = run(&all);
    assert_eq!(code, Some(0), "{out}{err}");
    // It has the environment that the cases assume, and both addresses.
    assert!(out.contains("(started for this run)"), "{out}");
    assert!(out.ends_with(" 0 failed, 0 skipped\n"), "{out}");
    let port = out.split("127.0.0.1:").nth(1).unwrap();
    let port: u16 = port.split(' ').next().unwrap().parse().unwrap();
    std::net::TcpListener::bind(("127.0.0.1", port)).expect("nothing listens there any more");
}

#[cfg(unix)]
#[test]
fn an_engine_that_does_not_come_up_is_told_with_its_last_words() {
    let script = "echo first; echo 'no such option {port}' >&2; exit 7";
    let (code, _, err) = run(&["run", "--", "sh", "-c", script]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("exit status: 7"), "{err}");
    assert!(err.contains("  | no such option"), "{err}");
    let (code, _, err) = run(&[
        "run",
        "--start-time-s",
        "1",
        "--",
        "sh",
        "-c",
        "sleep 600 #{port}",
    ]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("does not listen after 1 s"), "{err}");
    let (code, _, err) = run(&["run", "--", "no-such-engine", "{port}"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("cannot start `no-such-engine`"), "{err}");
    let (code, _, err) = run(&["run", "--", "engine"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("{port}"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_file_says_what_the_command_line_does_not() {
    let server = embedded::start().await.unwrap();
    let folder = Folder::new();
    let file = folder.write(
        "target.json",
        &json!({
            "name": "mine",
            "url": server.url(),
            "http_url": server.http_url(),
            "env": true,
            "strict": true,
            "not_applicable": [{"case": "cron-sunday-is-0-and-7", "reason": "it has no Sundays"}],
        }),
    );
    let select = ["RF-06", "RT-04", "cron-sunday-is-0-and-7"];
    let arguments = [&["run", "--target", &file], &select[..]].concat();
    let run_it = move |arguments: Vec<String>| {
        run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let owned: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let (code, out, err) = tokio::task::spawn_blocking(move || run_it(owned))
        .await
        .unwrap();
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("target: mine at ws://"), "{out}");
    assert!(
        out.contains("1 case not applicable, as the target says"),
        "{out}"
    );
    assert!(out.contains("it has no Sundays"), "{out}");
}

#[test]
fn a_target_file_that_cannot_be_used_is_told_with_its_place() {
    let folder = Folder::new();
    let path = folder.path("target.json");
    for (text, told) in [
        ("{\n  \"url\": 7\n}", "target.json:2:"),
        (
            "{\n\n  \"ulr\": \"ws://127.0.0.1:1\"\n}",
            "unknown field `ulr`",
        ),
        (
            r#"{"url":"ws://127.0.0.1:1","command":["x"]}"#,
            "a `url` and a `command`",
        ),
        (
            r#"{"expected_failures":[{"case":"x","reason":" "}]}"#,
            "`x` needs a reason",
        ),
        (
            r#"{"command":["x {port}"],"http_url":"http://127.0.0.1:1"}"#,
            "an `http_url` and a `command`",
        ),
        (
            r#"{"config_keys":{"http":{"pth":"p"}}}"#,
            "no key `pth`, but path, method",
        ),
        (r#"{"config_keys":{"htp":{}}}"#, "no type `htp`"),
        (r#"{"url":"http://127.0.0.1:1"}"#, "must begin with ws://"),
    ] {
        fs::write(&path, text).unwrap();
        let (code, _, err) = run(&["run", "--target", &path]);
        assert_eq!(code, Some(2), "{text}: {err}");
        assert!(err.contains(told), "{text}: {err}");
    }
    let (code, _, err) = run(&["run", "--target", &folder.path("none.json")]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("none.json"), "{err}");
}

/// An engine that has one code wrong, which one case sees at level must.
pub(crate) async fn wrong() -> Server {
    serve(Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"]["code"] = "not_found".into();
        }
        Fate::Keep
    }))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn expected_failures_excuse_themselves_and_nothing_else() {
    let server = wrong().await;
    let folder = Folder::new();
    let list = folder.path("expected.json");
    let expected = ["RT-07", "--expected", &list];
    // Written by the run that finds them.
    let updating = [&expected[..], &["--update-expected"]].concat();
    let (code, out, _) = run_at(server.url(), &updating).await;
    assert_eq!(code, Some(1), "{out}");
    let written: Value = serde_json::from_str(&fs::read_to_string(&list).unwrap()).unwrap();
    let cases = written.as_array().unwrap();
    assert!(!cases.is_empty());
    assert!(
        cases
            .iter()
            .all(|it| !it["reason"].as_str().unwrap().is_empty())
    );
    let (code, out, err) = run_at(server.url(), &expected).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("failed as expected"), "{out}");
    assert!(out.contains("RT-07  expected failure"), "{out}");
    // One of them less: that one fails.
    fs::write(&list, Value::from(cases[1..].to_vec()).to_string()).unwrap();
    let (code, out, _) = run_at(server.url(), &expected).await;
    assert_eq!(code, Some(1), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reasons_of_a_list_say_what_was_seen_and_are_the_same_each_time() {
    let server = wrong().await;
    let folder = Folder::new();
    let mut lists = Vec::new();
    for name in ["one.json", "other.json"] {
        let list = folder.path(name);
        let updating = ["RT-07", "--expected", &list, "--update-expected"];
        let (code, out, _) = run_at(server.url(), &updating).await;
        assert_eq!(code, Some(1), "{out}");
        lists.push(fs::read_to_string(&list).unwrap());
    }
    assert_eq!(lists[0], lists[1]);
    let seen = "error.code: expected \\\"trigger_type_not_found\\\", received \\\"not_found\\\"";
    assert!(lists[0].contains(seen), "{}", lists[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_not_written_from_a_run_that_stopped_at_the_first_failure() {
    let server = wrong().await;
    let folder = Folder::new();
    let list = folder.path("expected.json");
    let updating = ["--expected", &list, "--update-expected", "--fail-fast"];
    let (code, out, err) = run_at(server.url(), &updating).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(
        err.contains("stays as it was, since --fail-fast has stopped the run"),
        "{err}"
    );
    assert!(!fs::exists(&list).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_of_somebody_elses_is_not_spoilt_unless_it_is_asked_for() {
    // It lets a worker take the engine's own trigger types.
    let server = serve(Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "duplicate_trigger_type_id" {
            return Fate::Drop;
        }
        Fate::Keep
    }))
    .await;
    let taken = "built-in-types-cannot-be-taken";
    let (code, out, err) = run_at(server.url(), &["D-05", "--verbose"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("may not be the same afterwards"), "{out}");
    assert!(!out.contains(&format!("differs {taken}")), "{out}");
    let (_, out, _) = run_at(server.url(), &[taken, "--verbose"]).await;
    assert!(out.contains(&format!("differs {taken}")), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_that_are_stale_exit_6() {
    let server = embedded::start().await.unwrap();
    let folder = Folder::new();
    for (case, told) in [
        (
            "trigger-of-unknown-type-is-refused",
            "is expected to fail, and passes",
        ),
        ("no-such-case", "there is no such case"),
    ] {
        let list = folder.write("list.json", &json!([{"case": case, "reason": "known"}]));
        let (code, out, err) = run_at(server.url(), &["RT-07", "--expected", &list]).await;
        assert_eq!(code, Some(6), "{out}{err}");
        assert!(out.contains(told), "{out}");
    }
    // A case that was not run says nothing of its expectation.
    let elsewhere = json!([{"case": "hmac-secret-is-not-sent", "reason": "known"}]);
    let list = folder.write("list.json", &elsewhere);
    let (code, out, err) = run_at(server.url(), &["RT-07", "--expected", &list]).await;
    assert_eq!(code, Some(0), "{out}{err}");
}

/// Which registrations of triggers an engine answers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Answers {
    All,
    /// Those that fail; nor has it the function `enqueue`.
    Failures,
    None,
}

/// An engine whose triggers take other names than the documents', and none of theirs.
pub(crate) async fn with_names_of_its_own(answers: Answers) -> Server {
    let machine = Faulty::outgoing(move |frame| {
        if frame["type"] == "triggerregistrationresult" {
            let failed = frame.get("error").is_some();
            if answers == Answers::None || answers == Answers::Failures && !failed {
                return Fate::Drop;
            }
            let kind = match frame["trigger_type"].as_str() {
                Some("queue") => "durable:subscriber",
                Some("no-queue") => "queue",
                _ => return Fate::Keep,
            };
            frame["trigger_type"] = kind.into();
        }
        Fate::Keep
    });
    serve(machine.and_incoming(move |frame| {
        if frame["type"] != "registertrigger" {
            return answers != Answers::Failures || frame["function_id"] != "enqueue";
        }
        let (kind, keys): (_, &[_]) = match frame["trigger_type"].as_str() {
            Some("http") => ("http", &[("path", "api_path"), ("method", "http_method")]),
            Some("cron") => ("cron", &[("schedule", "expression")]),
            Some("durable:subscriber") => ("queue", &[("queue_name", "topic")]),
            Some("queue") => ("no-queue", &[]),
            _ => return true,
        };
        frame["trigger_type"] = kind.into();
        if let Some(config) = frame["config"].as_object_mut() {
            for (theirs, own) in keys {
                config.remove(*theirs);
                let six = |it: &Value| it.as_str().is_some_and(|it| it.split(' ').count() == 6);
                if let Some(value) = config.remove(*own)
                    && (kind != "cron" || six(&value))
                {
                    config.insert((*theirs).to_owned(), value);
                } else {
                    // What it does not know must not leave it to its defaults.
                    config.insert((*theirs).to_owned(), 7.into());
                }
            }
        }
        true
    }))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_reached_by_a_mapping_of_keys_never_conforms() {
    let server = with_names_of_its_own(Answers::All).await;
    let folder = Folder::new();
    let (code, out, _) = run_at(server.url(), &["http-trigger-takes-path-and-method"]).await;
    assert_eq!(code, Some(1), "{out}");
    let keys = json!({"config_keys": {"http": {"path": "api_path", "method": "http_method"}}});
    let file = folder.write("target.json", &keys);
    let (code, out, err) = run_at(
        server.url(),
        &["http-trigger-takes-path-and-method", "--target", &file],
    )
    .await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("RT-04  passed in part"), "{out}");
    assert!(out.contains("which is no conformance"), "{out}");
    assert!(out.contains("0 passed, 0 failed"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_type_of_another_name_is_mapped_there_and_back() {
    let server = with_names_of_its_own(Answers::All).await;
    let folder = Folder::new();
    let registered = "queue-trigger-takes-all-fields";
    let (code, out, _) = run_at(server.url(), &[registered]).await;
    assert_eq!(code, Some(1), "{out}");
    let keys = json!({"type": "durable:subscriber", "queue_name": "topic"});
    let file = folder.write("target.json", &json!({"config_keys": {"queue": keys}}));
    // A success and a refusal, both of which name the type, and what comes after a success.
    let select = [
        registered,
        "queue-batch-size-of-zero-is-refused",
        "queue-trigger-calls-its-function",
    ];
    let arguments = [&select[..], &["--target", &file, "--verbose"]].concat();
    let (code, out, err) = run_at(server.url(), &arguments).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("RT-06  passed in part"), "{out}");
    assert!(
        out.contains("cases passed with other names than the documents'"),
        "{out}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_can_be_cut_short_repeated_ordered_and_divided() {
    let server = wrong().await;
    let (code, out, _) = run_at(server.url(), &["RT-07", "--fail-fast", "--jobs", "1"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains(" 1 failed, "), "{out}");
    let stopped = " not run: --fail-fast stopped the run at the first failure\n";
    assert!(out.contains(stopped), "{out}");
    let sound = embedded::start().await.unwrap();
    let (code, out, err) = run_at(
        sound.url(),
        &["RT-07", "--repeat", "3", "--shuffle", "--seed", "7"],
    )
    .await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("time 3 of 3"), "{out}");
    let (code, out, _) = run_at(server.url(), &["RT-07", "--repeat", "3"]).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("time 1 of 3"), "{out}");
    // What an earlier run has left in a queue is not handed to a later one.
    let leaves_a_message = "unregistered-queue-trigger-gets-no-message";
    let args = [leaves_a_message, "--repeat", "3", "--strict"];
    let (code, out, err) = run_at(sound.url(), &args).await;
    assert_eq!(code, Some(0), "{out}{err}");
    // Each case is in one part.
    let mut passed = 0;
    for part in ["1/3", "2/3", "3/3"] {
        let select = ["RT-07", "--shard", part, "--level", "must,text"];
        let (code, out, err) = run_at(sound.url(), &select).await;
        assert_eq!(code, Some(0), "{out}{err}");
        let last = out.lines().last().unwrap();
        passed += last.split(' ').next().unwrap().parse::<usize>().unwrap();
    }
    let (_, out, _) = run_at(sound.url(), &["RT-07", "--level", "must,text"]).await;
    let last = out.lines().last().unwrap();
    let all: usize = last.split(' ').next().unwrap().parse().unwrap();
    let probes = (passed - all) / 2;
    assert_eq!(passed - all, probes * 2, "the probes belong to each part");
    let (code, _, err) = run_at(sound.url(), &["--shard", "4/3"]).await;
    assert_eq!(code, Some(2), "{err}");
}

/// The flags of `run`, as its help shows them, each with what is said of it.
fn flags() -> Vec<(String, String)> {
    let (code, help, _) = run(&["run", "--help"]);
    assert_eq!(code, Some(0));
    let mut flags: Vec<(String, String)> = Vec::new();
    for line in help.lines().map(str::trim_start) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_flag = words.first().is_some_and(|it| it.starts_with('-'));
        let long = words.iter().find_map(|it| it.strip_prefix("--"));
        match (is_flag, long, flags.last_mut()) {
            (true, Some(long), _) => {
                let name = long.split(['[', '=']).next().unwrap();
                flags.push((name.to_owned(), line.to_owned()));
            }
            (_, _, Some((_, about))) => *about += line,
            _ => {}
        }
    }
    flags.retain(|(name, _)| !["help", "version"].contains(&name.as_str()));
    assert!(flags.len() > 25, "{flags:?}");
    flags
}

/// Where a target file says what a flag says; none if it has no place there.
fn place(flag: &str) -> Option<String> {
    let is_at_top = |name: &str| {
        let schema = conformance_suite::assets::schemas();
        let schema = schema.iter().find(|it| it.path == "target.json").unwrap();
        let schema: Value = serde_json::from_str(schema.text).unwrap();
        let top = schema["properties"].get(name).is_some();
        let in_run = schema["properties"]["run"]["properties"]
            .get(name)
            .is_some();
        (top || in_run).then(|| name.to_owned())
    };
    match flag {
        // The file itself, an act, and a matter of the terminal.
        "target" | "update-expected" | "color" => None,
        "no-hello" => is_at_top("hello"),
        "variable" => is_at_top("variables"),
        flag => is_at_top(&flag.replace('-', "_")),
    }
}

#[test]
fn every_flag_of_run_has_a_variable_and_a_place_in_the_target_file() {
    for (flag, about) in flags() {
        assert!(
            about.contains("CONFORMANCE_") && about.contains("[env:"),
            "--{flag}: {about}"
        );
        let excused = ["target", "update-expected", "color"].contains(&flag.as_str());
        assert_eq!(place(&flag).is_none(), excused, "--{flag} in target.json");
    }
}

#[test]
fn what_stands_in_run_of_a_target_file_counts_for_less_than_all_else() {
    let folder = Folder::new();
    let report = folder.path("report.json");
    let run_of_file = json!({
        "level": ["must", "text"], "repeat": 2, "seed": 7, "shard": "1/2", "shuffle": true,
        "verbose": true, "report": [format!("json={report}")], "start_time_s": 9,
        "fail_fast": true,
    });
    let file = folder.write("target.json", &json!({"strict": true, "run": run_of_file}));
    let options = || {
        let text = fs::read_to_string(&report).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        document["options"].clone()
    };
    let (code, out, err) = run(&["run", "RT-07", "--target", &file]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("time 2 of 2"), "{out}");
    let told = options();
    for (option, value) in [
        ("levels", json!(["must", "text"])),
        ("seed", json!("7")),
        ("shard", json!("1/2")),
        ("verbose", json!(true)),
        ("strict", json!(true)),
    ] {
        assert_eq!(told[option], value, "{option}");
    }
    let output = command(&["run", "RT-07", "--target", &file, "--repeat", "1"])
        .envs([
            ("CONFORMANCE_SHARD", "2/2"),
            ("CONFORMANCE_REPEAT", "3"),
            ("CONFORMANCE_STRICT", "0"),
        ])
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(!out.contains("time "), "{out}");
    assert_eq!(options()["shard"], "2/2");
    assert_eq!(options()["strict"], false);
}

#[test]
fn each_key_of_run_is_a_flag_and_what_is_none_is_refused() {
    let names: Vec<String> = flags().into_iter().map(|(flag, _)| flag).collect();
    for key in conformance_suite::target_file::RUN_KEYS {
        assert!(names.contains(&key.replace('_', "-")), "{key}");
    }
    let folder = Folder::new();
    for (key, value, told) in [
        ("fast", json!(true), "`run` has no `fast`; it has cases, "),
        ("seed", json!({}), "`run.seed` is neither"),
        ("seed", json!("x"), "invalid value 'x' for '--seed <N>'"),
    ] {
        let file = folder.write("target.json", &json!({"run": {key: value}}));
        let (code, _, err) = run(&["run", "RT-07", "--target", &file]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(told), "{err}");
    }
}
