//! The `conformance` command as people and scripts run it: what it prints, how it exits.

use std::process::{Command, Output, Stdio};

use crate::{
    embedded,
    engines::{Fate, Faulty, serve},
    targets::Folder,
};

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONFORMANCE_")) {
        command.env_remove(name);
    }
    for name in [
        "CI",
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

/// The exit code, standard output and standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Runs it against an engine that lives in this test.
pub(crate) async fn run_at(url: String, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut all = vec!["run".to_owned(), "--url".to_owned(), url];
    all.extend(arguments.iter().map(|it| (*it).to_owned()));
    let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[test]
fn without_arguments_the_embedded_reference_is_judged_and_conforms() {
    let (code, out, err) = run(&[]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("target: the embedded reference at ws://127.0.0.1:"),
        "{out}"
    );
    for clause in ["RF-01", "RF-15", "RT-01", "RT-16"] {
        assert_eq!(out.matches(clause).count(), 1, "{clause} in {out}");
    }
    let last = out.lines().last().unwrap();
    let numbers: Vec<usize> = last
        .split(", ")
        .map(|part| part.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(numbers[0] > 100, "{last}");
    assert_eq!(numbers[1], 0, "{last}");
    assert_eq!(numbers[2], 0, "{last}");
    assert_eq!(err, "");
    assert!(!out.contains('\u{1b}'), "colour off a terminal");
}

/// What differs from run to run is left out: the port, the time.
fn steady(line: &str) -> &str {
    let end = ["127.0.0.1:", ", in "]
        .iter()
        .filter_map(|it| line.find(it))
        .min();
    line.get(..end.unwrap_or(line.len())).unwrap()
}

#[test]
fn the_readme_shows_what_is_printed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (_, after) = readme.split_once("```text\ntarget: ").unwrap();
    let shown = format!("target: {}", after.split_once("```").unwrap().0);
    let (_, out, _) = run(&[]);
    let shown: Vec<&str> = shown.lines().map(steady).collect();
    let printed: Vec<&str> = out.lines().map(steady).collect();
    assert_eq!(shown, printed);
}

#[test]
fn strict_the_reference_conforms_as_well() {
    let (code, out, err) = run(&["run", "--strict"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn cases_can_be_selected_by_id_beginning_pattern_and_clause() {
    for select in [
        "trigger-of-unknown-type-is-refused",
        "trigger-of-unknown-type",
        "*unknown-type*refused",
        "rt-07",
    ] {
        let (code, out, err) = run(&["list", select]);
        assert_eq!(code, Some(0), "{err}");
        assert!(
            out.contains("trigger-of-unknown-type-is-refused "),
            "{select}: {out}"
        );
        assert!(!out.contains("ping-frame-is-answered"), "{select}: {out}");
    }
    let (code, out, _) = run(&["run", "RT-07"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("not selected"), "{out}");
}

#[test]
fn explain_shows_clauses_and_cases() {
    let (code, out, _) = run(&["explain", "rt-10"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("\"code\": \"duplicate_trigger_id\""), "{out}");
    let (code, out, _) = run(&["explain", "trigger-of-unknown-type-is-refused"]);
    assert_eq!(code, Some(0));
    assert!(
        out.contains("worker → {\"type\":\"registertrigger\""),
        "{out}"
    );
}

#[test]
fn wrong_command_lines_exit_2_and_say_what_is_wrong() {
    for (arguments, mention) in [
        (vec!["run", "--jobs", "0"], "--jobs"),
        (vec!["explain", "RT-99"], "RT-99"),
        (vec!["run", "--cases", "no/such/folder"], "no/such/folder"),
        (vec!["list", "--unknown"], "--unknown"),
        (vec!["run", "no-such-case"], "no-such-case"),
        (
            vec!["run", "trigger-of-unknown-typ-is-refused"],
            "did you mean `trigger-of-unknown-type-is-refused`?",
        ),
        (
            vec!["run", "--url", "http://127.0.0.1:9"],
            "must begin with ws://",
        ),
        (
            vec!["run", "--url", "wss://127.0.0.1:9"],
            "wss:// is not supported",
        ),
    ] {
        let (code, _, err) = run(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
        assert!(err.contains(mention), "{arguments:?}: {err}");
    }
}

#[test]
fn a_target_that_cannot_be_reached_exits_3() {
    // Nothing listens on the discard port of the loopback interface.
    let (code, _, err) = run(&["run", "--url", "ws://127.0.0.1:9"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("cannot connect to ws://127.0.0.1:9"), "{err}");
}

#[test]
fn a_selection_of_nothing_exits_4() {
    let empty = std::env::temp_dir().join(format!("no-cases-{}", std::process::id()));
    std::fs::create_dir_all(&empty).unwrap();
    let (code, _, err) = run(&["run", "--cases", empty.to_str().unwrap()]);
    std::fs::remove_dir(&empty).unwrap();
    assert_eq!(code, Some(4), "{err}");
    let (code, _, err) = run(&["run", "random-histories", "--histories", "0"]);
    assert_eq!(code, Some(4), "{err}");
}

#[test]
fn own_cases_are_run_with_the_probes_that_they_need() {
    let folder = Folder::new();
    let case = r#"{"id":"own","title":"t","clauses":["CO-02"],"level":"observe","isolates":"i",
        "needs":["invokefunction"],"steps":[{"on":"worker","alive":true}]}"#;
    std::fs::write(folder.path("own.json"), case).unwrap();
    let (code, out, err) = run(&["run", "--cases", &folder.path(""), "--histories", "0"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("\n3 passed, 0 failed, "), "{out}");
}

#[test]
fn a_fault_of_the_suites_own_exits_70() {
    let folder = Folder::new();
    let case = r#"{"id":"own","title":"t","clauses":["CO-02"],"level":"observe","isolates":"i",
        "steps":[{"on":"worker","send":{"type":"ping","id":{"$ref":"nothing"}}}]}"#;
    std::fs::write(folder.path("own.json"), case).unwrap();
    let (code, out, err) = run(&["run", "own", "--cases", &folder.path("")]);
    assert_eq!(code, Some(70), "{out}{err}");
    assert!(out.contains("1 case could not be run, by a fault"), "{out}");
}

#[test]
fn a_case_that_cannot_be_meant_exits_2_and_says_where() {
    let folder = std::env::temp_dir().join(format!("bad-cases-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let case = r#"{"id":"bad","title":"t","clauses":["RT-07"],"level":"must","isolates":"i",
        "steps":[{"on":"worker","expect":{"type":"x","id":{"$pattern":"("}}}]}"#;
    std::fs::write(folder.join("bad.json"), case).unwrap();
    let (code, _, err) = run(&["run", "--cases", folder.to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("bad.json`: bad template: regex parse error"),
        "{err}"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_reports_what_had_ended_and_exits_130() {
    let server = serve(Faulty::outgoing(|_| Fate::Drop)).await;
    let url = server.url();
    let interrupted = tokio::task::spawn_blocking(move || {
        let mut child = command(&["run", "--url", &url, "--patience-ms", "60000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The first line comes before the first case.
        let mut first = [0; 7];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        assert_eq!(&first, b"target:");
        let kill = format!("kill -INT {}", child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(killed.success());
        child.wait_with_output().unwrap()
    });
    let output = interrupted.await.unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(130), "{out}{err}");
    assert!(out.contains(" passed, "), "{out}");
    assert!(out.contains("RT-07  not run "), "{out}");
    assert!(
        out.contains(" cases not run: the run was interrupted\n"),
        "{out}"
    );
    assert!(
        err.contains("interrupted") && !err.contains("panicked"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_exercised_is_named_and_exits_5() {
    let server = embedded::start().await.unwrap();
    let select = "document-hmac-function-is-registered";
    let (code, out, err) = run_at(server.url(), &[select]).await;
    assert_eq!(code, Some(5), "{out}{err}");
    assert!(out.contains("the variable WEBHOOK_SECRET"), "{out}");
    assert!(out.contains("say so with --env"), "{out}");
    for promise in [&["--env"][..], &["--variable", "WEBHOOK_SECRET"]] {
        let all: Vec<&str> = [&[select], promise].concat();
        let (code, out, err) = run_at(server.url(), &all).await;
        assert_eq!(code, Some(0), "{out}{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_promised_with_their_values() {
    let server = embedded::start().await.unwrap();
    let select = "bearer-token-is-sent";
    let (code, out, _) = run_at(
        server.url(),
        &[select, "--variable", "CONFORMANCE_TOKEN=another"],
    )
    .await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("Bearer another"), "{out}");
    let again = "--variable CONFORMANCE_TOKEN=another";
    assert!(out.contains(again), "{out}");
    let (code, _, err) = run_at(server.url(), &[select, "--variable", "MY_TOKEN"]).await;
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("`MY_TOKEN` is none of the variables"), "{err}");
}

#[test]
fn the_environment_is_printed_for_a_shell() {
    let (code, script, _) = run(&["env"]);
    assert_eq!(code, Some(0));
    let wanted = embedded::variables();
    assert!(wanted.len() >= 8);
    // What a shell makes of it is what the cases assume.
    let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let shown = names.iter().map(|it| format!("printf '%s\\0' \"${it}\"; "));
    let shown: String = shown.collect();
    let output = Command::new("sh")
        .env("LAMBDA_TOKEN", "set")
        .args([
            "-c",
            &format!("{script}\n{shown} printf '%s' \"${{LAMBDA_TOKEN-unset}}\""),
        ])
        .output()
        .unwrap();
    let values = String::from_utf8(output.stdout).unwrap();
    let mut expected: Vec<&str> = wanted.values().map(String::as_str).collect();
    expected.push("unset");
    assert_eq!(values.split('\0').collect::<Vec<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_address_that_cannot_be_used_is_told() {
    let server = embedded::start().await.unwrap();
    let (code, _, err) = run_at(server.url(), &["RF-14", "--callback-bind", "0.0.0.0:0"]).await;
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--callback-host"), "{err}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run_at(server.url(), &["RF-14", "--callback-bind", &taken]).await;
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains(&taken), "{err}");
    let named = [
        "RF-14",
        "--callback-bind",
        "0.0.0.0:0",
        "--callback-host",
        "localhost",
    ];
    let (code, out, err) = run_at(server.url(), &named).await;
    assert_eq!(code, Some(0), "{out}{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_conform_exits_1_and_the_last_words_tell_how_to_go_on() {
    let server = serve(Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"]["code"] = "not_found".into();
        }
        Fate::Keep
    }))
    .await;
    let (code, out, err) = run_at(server.url(), &["RT-07"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let again = format!("again: conformance run --url {} ", server.url());
    assert!(out.contains(&again), "{out}");
    assert!(out.contains("received  \"not_found\""), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_differs_decides_only_under_strict() {
    let server = serve(Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"]["message"] = "no such type".into();
        }
        Fate::Keep
    }))
    .await;
    let (code, out, _) = run_at(server.url(), &["RT-07"]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("would fail under --strict"), "{out}");
    let (code, out, _) = run_at(server.url(), &["RT-07", "--strict"]).await;
    assert_eq!(code, Some(1), "{out}");
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let mut child = command(&["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn every_shell_gets_a_script_that_completes() {
    for (shell, mention) in [
        ("bash", "complete -F _conformance"),
        ("elvish", "edit:completion:arg-completer[conformance]"),
        ("fish", "complete -c conformance"),
        ("powershell", "Register-ArgumentCompleter"),
        ("zsh", "#compdef conformance"),
    ] {
        let (code, script, err) = run(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}: {err}");
        assert!(script.contains(mention), "{shell}: {script}");
    }
    let (code, _, err) = run(&["completions", "cmd"]);
    assert_eq!(code, Some(2), "{err}");
}

#[cfg(unix)]
#[test]
fn what_bash_gets_is_bash_and_knows_the_cases() {
    let (_, script, _) = run(&["completions", "bash"]);
    let folder = Folder::new();
    let path = folder.path("conformance.bash");
    std::fs::write(&path, script).unwrap();
    let checked = Command::new("bash").args(["-n", &path]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let ask = r#". "$0"; COMP_WORDS=(conformance "$@"); COMP_CWORD=2
        _conformance conformance "$2" "$1"; printf '%s\n' "${COMPREPLY[@]}""#;
    for (words, wanted) in [
        (
            ["explain", "trigger-of-unk"],
            "trigger-of-unknown-type-is-refused",
        ),
        (
            ["run", "trigger-of-unk"],
            "trigger-of-unknown-type-is-refused",
        ),
        (["init", "--o"], "--output"),
    ] {
        let mut shell = Command::new("bash");
        let output = shell.args(["-c", ask, &path]).args(words).output().unwrap();
        let replies = String::from_utf8(output.stdout).unwrap();
        assert!(
            replies.lines().any(|it| it == wanted),
            "{words:?}: {replies}"
        );
    }
}
