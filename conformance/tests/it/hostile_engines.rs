//! Engines that mean harm cannot hang the command, crash it, fill memory, or put anything on a
//! terminal but what can be seen there.

mod ports;
mod recording;
mod server;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::Stdio,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::server::{Manner, engine};
use crate::{command::command, targets::Folder};

/// Long after any of these commands has ended, on the slowest of machines.
const TIME_MAX: Duration = Duration::from_secs(180);
/// What comes at all comes within this, also beside engines that send without end.
const PATIENCE_MS: u64 = 1_000;
/// How often the memory of a command is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Far less than an engine offers, and somewhat more than the suite takes by its own bounds.
const MEMORY_BYTES_MAX: u64 = 1 << 30;

/// How a command has ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command to its end. It has to come to one, in bounded memory, and to say nothing but
/// what can be seen.
fn watched(arguments: &[String]) -> Ended {
    watched_with(arguments, |_| ())
}

/// Likewise; somebody hears the first line when it is there.
fn watched_with(arguments: &[String], hear: impl FnOnce(&str) + Send + 'static) -> Ended {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut child = command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (done, ended) = mpsc::channel::<()>();
    let out = thread::spawn(move || {
        let (mut out, mut text) = (BufReader::new(out), String::new());
        out.read_line(&mut text).unwrap();
        hear(&text);
        out.read_to_string(&mut text).unwrap();
        drop(done);
        text
    });
    let err = thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).unwrap();
        text
    });
    let (began, mut peak) = (Instant::now(), 0);
    while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        peak = memory_peak(child.id()).unwrap_or(peak);
        if peak > MEMORY_BYTES_MAX || began.elapsed() > TIME_MAX {
            child.kill().unwrap();
            panic!("{arguments:?}: {peak} bytes after {:?}", began.elapsed());
        }
    }
    let code = child.wait().unwrap().code();
    let (out, err) = (out.join().unwrap(), err.join().unwrap());
    for text in [&out, &err] {
        let unseen = text.chars().find(|c| *c != '\n' && is_unseen(*c));
        assert_eq!(unseen, None, "{arguments:?}: {text}");
        assert!(text.len() < 1 << 20, "{arguments:?}: {} bytes", text.len());
    }
    assert!(!err.contains("panicked"), "{arguments:?}: {err}");
    Ended { code, out, err }
}

/// The most that a process has had in memory so far, where the system tells: Linux does.
fn memory_peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// Controls, and what turns text around or ends lines beside them.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Runs a command against an engine of this manner.
async fn at(manner: Manner, arguments: &[&str]) -> Ended {
    aimed(&["--url", &engine(manner).await], arguments).await
}

/// Runs a command against what these flags name.
async fn aimed(target: &[&str], arguments: &[&str]) -> Ended {
    let patience = PATIENCE_MS.to_string();
    let all = [arguments, target, &["--patience-ms", &patience]].concat();
    let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    tokio::task::spawn_blocking(move || watched(&all))
        .await
        .unwrap()
}

const RUN: [&str; 6] = [
    "run",
    "duplicate-trigger-id-is-refused",
    "ping-frame-is-answered",
    "close-frame-is-answered",
    "--histories",
    "0",
];
const EXPLORE: [&str; 5] = ["explore", "--budget", "300ms", "--seed", "7"];
const INIT: [&str; 3] = ["init", "--output", "-"];
const BENCH: [&str; 9] = [
    "bench",
    "--rounds",
    "1",
    "--calls",
    "20",
    "--depth",
    "4",
    "--registrations",
    "20",
];

/// Runs each command against an engine of its own; they end with these codes.
async fn come_to(manner: Manner, [run, explore, init, bench]: [i32; 4]) {
    let ended = tokio::join!(
        at(manner, &RUN),
        at(manner, &EXPLORE),
        at(manner, &INIT),
        at(manner, &BENCH),
    );
    for (ended, code) in [
        (ended.0, run),
        (ended.1, explore),
        (ended.2, init),
        (ended.3, bench),
    ] {
        let (own, told) = (ended.code, ended.out + &ended.err);
        assert_eq!(own, Some(code), "{manner:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_not_listened_to_for_ever() {
    come_to(Manner::EndlessFrames, [1, 5, 0, 3]).await;
    come_to(Manner::EndlessPings, [1, 5, 0, 3]).await;
    come_to(Manner::EndlessMessage, [1, 5, 0, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_nobody_asked_for_do_not_put_off_the_end_of_patience() {
    for (measure, awaited) in [
        ("registrations", "the result of a registration"),
        ("throughput", "the answer to a call"),
    ] {
        let bench = [&BENCH[..], &["--measure", measure]].concat();
        let ended = at(Manner::EndlessFramesAndPongs, &bench).await;
        assert_eq!(ended.code, Some(3), "{}{}", ended.out, ended.err);
        let told = format!("{awaited} did not come within {} s", PATIENCE_MS / 1_000);
        assert!(ended.err.contains(&told), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_of_any_size_and_shape_take_bounded_memory() {
    come_to(Manner::HugeFrame, [1, 5, 0, 3]).await;
    come_to(Manner::DenseFrames(7 << 20), [1, 5, 0, 3]).await;
    come_to(Manner::DeepFrames, [1, 5, 0, 3]).await;
    let ended = at(Manner::DenseFrames(100 << 10), &RUN).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_faults_is_told_in_few_words() {
    let run = ["run", "function*", "--histories", "0"];
    let ended = at(Manner::ManyFaults, &run).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    let kind = "`functionregistrationresult`";
    assert!(
        (5..100).contains(&ended.out.matches(kind).count()),
        "{}",
        ended.out
    );
    assert!(ended.out.contains(" more\n"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_is_no_utf_8_ends_a_session_and_nothing_else() {
    come_to(Manner::NoUtf8, [1, 5, 0, 3]).await;
    let ended = at(Manner::NoUtf8, &RUN).await;
    assert!(ended.out.contains("invalid utf-8"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_not_closed_is_given_up() {
    come_to(Manner::NeverCloses, [1, 1, 0, 3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_come_to_its_end_is_given_up() {
    come_to(Manner::NoHandshake, [3; 4]).await;
    come_to(Manner::EndlessHandshake, [3; 4]).await;
    come_to(Manner::RefusesInWords, [3; 4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_stops_reading_is_not_written_to_for_ever() {
    come_to(Manner::StopsReading, [1, 5, 0, 3]).await;
    // More than the systems on both sides hold for whoever does not read.
    let folder = Folder::new();
    let much = json!({"on": "worker", "send_text": "x".repeat(6 << 20)});
    let alive = json!({"on": "worker", "alive": true});
    let path = folder.write("much.json", &case("much", &[&much, &alive]));
    let cases = path.strip_suffix("/much.json").unwrap();
    let unread = "the engine has not read what it was sent for 5 s";
    let run = ["run", "--cases", cases, "--histories", "0", "--strict"];
    let payload = ["--payload", "1000000", "--calls", "40", "--depth", "40"];
    let bench = [&["bench", "--measure", "throughput"], &payload[..]].concat();
    let (run, bench) = tokio::join!(
        at(Manner::StopsReading, &run),
        at(Manner::ReadsOneCall, &bench)
    );
    assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
    assert!(run.out.contains(unread), "{}", run.out);
    assert_eq!(bench.code, Some(3), "{}{}", bench.out, bench.err);
    assert!(bench.err.contains(unread), "{}", bench.err);
}

fn case(id: &str, steps: &[&Value]) -> Value {
    json!({
        "id": id,
        "title": "A session of much text",
        "clauses": ["D-10"],
        "level": "observe",
        "isolates": "Nothing else is sent.",
        "steps": steps,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_act_on_a_reader_are_shown_and_do_nothing() {
    come_to(Manner::Words, [1, 1, 0, 3]).await;
    let folder = Folder::new();
    let (page, summary) = (folder.path("page"), folder.path("summary"));
    let (html, markdown) = (format!("html={page}"), format!("markdown={summary}"));
    let reports = ["--verbose", "--report", &html, "--report", &markdown];
    let ended = at(Manner::Words, &[&RUN[..], &reports].concat()).await;
    let ping = "../fixtures/cases/session/ping-frame-is-answered.json";
    let replayed = at(Manner::WordsForTypes, &["replay", ping]).await;
    assert!(replayed.out.contains("\\u{1b}]0;owned"), "{}", replayed.out);
    // They are there, as what they are.
    assert!(ended.out.contains("\\u{9b}31m\\u{85}"), "{}", ended.out);
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains("<script>alert(1)") && !page.contains("<b onclick"));
    for text in [page, fs::read_to_string(summary).unwrap()] {
        let unseen = text.chars().find(|c| *c != '\n' && is_unseen(*c));
        assert_eq!(unseen, None, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn the_last_words_of_an_engine_are_shown_and_do_nothing() {
    let words =
        r"printf '\033]0;owned\007\033[2J\302\233\177\342\200\256\377\r\nplain' >&2; exit 1";
    let run = ["run", "--", "sh", "-c", &format!("{words} #{{port}}")].map(str::to_owned);
    let Ended { code, err, .. } = watched(&run);
    assert_eq!(code, Some(3), "{err}");
    let shown =
        "  | \\u{1b}]0;owned\\u{7}\\u{1b}[2J\\u{9b}\\u{7f}\\u{202e}\u{fffd}\\r\n  | plain\n";
    assert!(err.ends_with(shown), "{err}");
    // A line without end, and an end without a word.
    let endless = ["run", "--start-time-s", "1", "--", "sh", "-c", ENDLESS].map(str::to_owned);
    let Ended { code, err, .. } = watched(&endless);
    assert_eq!(code, Some(3), "{err}");
}

#[cfg(unix)]
const ENDLESS: &str = "exec cat /dev/zero # {port}";
