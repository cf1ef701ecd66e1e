//! Colour and closed pipes: what the environment, the command line and the stream ask for.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    process::Stdio,
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::{
    command::command,
    engines::{Fate, Faulty, serve},
};

const RUN: [&str; 2] = ["run", "RT-07"];
const ESCAPE: &str = "\u{1b}[";

/// What is printed through a pipe.
fn piped(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = command(&[&RUN, arguments].concat());
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// What is printed on a terminal, standard error included.
fn on_a_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let path = ptsname(&terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let ours = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut command = command(&[&RUN, arguments].concat());
    command.envs(variables.iter().copied());
    command.stdout(ours.try_clone().unwrap()).stderr(ours);
    let mut child = command.spawn().unwrap();
    // The command holds the terminal open until it is dropped.
    drop(command);
    let mut shown = Vec::new();
    // Once nobody has the terminal open any more, reading from it is an error on Linux.
    let _ = File::from(terminal).read_to_end(&mut shown);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.contains(" passed, "), "{shown}");
    shown
}

#[test]
fn colour_through_a_pipe_has_to_be_asked_for() {
    assert!(!piped(&[], &[]).contains(ESCAPE));
    assert!(piped(&["--color", "always"], &[]).contains(ESCAPE));
    assert!(piped(&[], &[("CLICOLOR_FORCE", "1")]).contains(ESCAPE));
    assert!(!piped(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]).contains(ESCAPE));
    assert!(!piped(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains(ESCAPE));
    assert!(piped(&["--color", "always"], &[("NO_COLOR", "1")]).contains(ESCAPE));
}

#[test]
fn colour_on_a_terminal_can_be_refused() {
    let capable = ("TERM", "xterm-256color");
    let green = "\u{1b}[32m";
    assert!(on_a_terminal(&[], &[capable]).contains(green));
    assert!(!on_a_terminal(&["--color", "never"], &[capable]).contains(green));
    assert!(!on_a_terminal(&[], &[capable, ("NO_COLOR", "1")]).contains(green));
    let dumb = on_a_terminal(&[], &[("TERM", "dumb")]);
    assert!(
        !dumb.contains('\u{1b}'),
        "not even to wipe a counter out: {dumb}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_reading_changes_no_exit_code() {
    let server = serve(Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"]["code"] = "not_found".into();
        }
        Fate::Keep
    }))
    .await;
    let url = server.url();
    let run = move |arguments: &[&str]| {
        let mut child = command(&[&RUN, &["--url", &url], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let runs = tokio::task::spawn_blocking(move || {
        for report in ["json=-", "jsonl=-", "html=-", "github"] {
            let (code, err) = run(&["--report", report]);
            assert_eq!(code, Some(1), "{report}: {err}");
            assert!(!err.contains("warning") && !err.contains("error:"), "{err}");
        }
        assert_eq!(run(&[]), (Some(1), String::new()));
    });
    runs.await.unwrap();
}
