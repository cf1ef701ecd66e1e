//! `conformance lint`: each fault of each file, where it stands, and what it says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::command::run;

/// A folder of the test's own, which goes with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("conformance-{}", uuid::Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and tells its path.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The lines of the command about a single file, without its path.
fn lint(name: &str, text: impl AsRef<[u8]>) -> (Option<i32>, Vec<String>) {
    let folder = Folder::new();
    let path = folder.file(name, text);
    let (code, out, err) = run(&["lint", &path]);
    assert_eq!(err, "");
    let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
    let summary = lines.pop().unwrap();
    assert!(summary.starts_with("1 file: "), "{summary}");
    let own = |line: String| line.strip_prefix(&format!("{path}:")).unwrap().to_owned();
    (code, lines.into_iter().map(own).collect())
}

/// A sound case with the given lines in it, the first of which is the fourth of the file.
fn case(fields: &str, steps: &str) -> String {
    format!(
        r#"{{"id": "it", "title": "t",
"clauses": ["RF-01"], "isolates": "i",
"quote": "Functions are uniquely identified",
{fields}
"steps": [
{steps}
]}}"#
    )
}

const SOUND: &str = r#"{"on": "worker", "send": {"type": "ping"}}, {"on": "worker", "expect": {}}"#;

#[test]
fn a_sound_case_has_no_findings() {
    let quote = conformance_suite::assets::document("register-function").unwrap();
    let quote = quote.lines().find(|it| !it.is_empty()).unwrap();
    let text =
        case(r#""level": "must","#, SOUND).replace("Functions are uniquely identified", quote);
    assert_eq!(lint("it.json", text), (Some(0), Vec::new()));
}

#[test]
fn nothing_is_to_be_said_of_what_is_built_in() {
    let (code, out, err) = run(&["lint"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.ends_with(" files: 0 faults, 0 warnings\n"), "{out}");
}

#[test]
fn a_slip_of_the_pen_in_a_frame_is_a_warning() {
    for (step, warning) in [
        (
            r#"{"on": "worker", "send": {"type": "registertriger"}}"#,
            "no frame of the protocol is called `registertriger`; did you mean `registertrigger`? \
             [/steps/1/send/type]",
        ),
        (
            r#"{"on": "worker", "quiet": {"type": "unheard-of"}}"#,
            "no frame of the protocol is called `unheard-of` [/steps/1/quiet/type]",
        ),
        (
            r#"{"on": "worker", "expect": {"type": "pong", "functionid": "f"}}"#,
            "a `pong` has no field `functionid` [/steps/1/expect/functionid]",
        ),
        (
            r#"{"on": "worker", "expect_all": [
                {"type": "invocationresult", "functionid": "f"}, {"type": "pong"}]}"#,
            "a `invocationresult` has no field `functionid`; did you mean `function_id`? \
             [/steps/1/expect_all/0/functionid]",
        ),
        (
            r#"{"on": "worker", "send": {"type": "registerfunction", "descripton": "f"}}"#,
            "a `registerfunction` has no field `descripton`; did you mean `description`? \
             [/steps/1/send/descripton]",
        ),
    ] {
        let steps = format!(r#"{{"on": "worker", "alive": true}}, {step}"#);
        let text = case(r#""level": "observe","#, &steps);
        let text = text.replace("\"quote\": \"Functions are uniquely identified\",", "");
        let (code, lines) = lint("it.json", text);
        assert_eq!((code, lines.len()), (Some(0), 1), "{lines:?}");
        let told = lines
            .iter()
            .all(|it| it.ends_with(&format!("warning: {warning}")));
        assert!(told, "{lines:?}");
    }
    // What is unknown on purpose is none.
    let strange = r#"{"on": "worker", "send": {"type": "registerfunction", "x-owner": "f"}}"#;
    let text = case(r#""level": "observe","#, strange);
    let text = text.replace("\"quote\": \"Functions are uniquely identified\",", "");
    assert_eq!(lint("it.json", text), (Some(0), Vec::new()));
}

#[test]
fn faults_of_files() {
    for (name, text, lines) in [
        (
            "it.json",
            b"{\"a\": [1,\n  }".as_slice(),
            ["2:3: not JSON: expected value"].as_slice(),
        ),
        (
            "it.json",
            b"",
            &["1:1: not JSON: EOF while parsing a value"],
        ),
        (
            "it.json",
            b"{\"a\": \"\xff\"}",
            &["1:8: these bytes are not UTF-8; save the file as UTF-8"],
        ),
        (
            "it.json",
            b"\n []",
            &[r#"2:2: [] is not of the type "object""#],
        ),
    ] {
        let found = lint(name, text);
        assert_eq!(
            found,
            (Some(2), lines.iter().map(|it| (*it).to_owned()).collect())
        );
    }
}

/// Faults and doubts of a case that is sound but for the fields, or the steps, given.
#[test]
fn faults_of_cases() {
    let verbs = "connect, send, send_text, send_raw, expect, expect_all, expect_one, quiet, alive, \
                 ping, close, drop, expect_close, expect_request, no_request, request, expect_response";
    let no_verb = format!("6:1: a step needs one of {verbs} [/steps/0]");
    let table: &[(&str, &str, &[&str])] = &[
        (
            "",
            SOUND,
            &[
                r#"1:1: the field `level` is missing: How much it weighs: only `must` decides, unless the run is strict"#,
            ],
        ),
        (
            r#""level": "mst","#,
            SOUND,
            &[
                r#"4:10: "mst" must be one of "must", "text", "should", "companion", "observe" [/level]"#,
            ],
        ),
        (
            r#""level": "must", "probs": "x","#,
            SOUND,
            &["4:18: there is no field `probs` here; did you mean `probes`? [/probs]"],
        ),
        (
            r#""level": "must", "title": "u","#,
            SOUND,
            &["4:18: the field `title` occurs twice; keep one [/title]"],
        ),
        (
            r#""level": "must", "clauses": ["RT-99", "RT", "RF-01"],"#,
            SOUND,
            &[
                "4:18: the field `clauses` occurs twice; keep one [/clauses]",
                "4:30: there is no clause `RT-99` [/clauses/0]",
                r#"4:39: "RT" must be the id of a clause, such as RT-07 [/clauses/1]"#,
            ],
        ),
        (
            r#""level": "observe", "needs": ["ping", "no-such"],"#,
            SOUND,
            &[
                r#"4:39: no case probes for the feature `no-such`; add one with "probes": "no-such", or take it out [/needs/1]"#,
            ],
        ),
        (
            r#""level": "observe", "needs": ["ping"], "probes": "mine","#,
            SOUND,
            &["4:30: it probes for a feature, so it cannot need others [/needs]"],
        ),
        (
            r#""level": "observe", "sessions": ["worker", "A", "idle"],"#,
            SOUND,
            &[
                r#"4:44: "A" must be lower-case words and digits, joined with hyphens [/sessions/1]"#,
            ],
        ),
        (
            r#""level": "observe", "sessions": ["worker", "idle"],"#,
            SOUND,
            &[
                "4:44: warning: no step is on the session `idle`; take it out of `sessions` [/sessions/1]",
            ],
        ),
        (
            r#""level": "observe", "silent": ["other"],"#,
            SOUND,
            &["4:32: there is no session `other` [/silent/0]"],
        ),
        (
            r#""level": "observe", "endpoints": {"a": {}, "worker": {"raw": []}},"#,
            SOUND,
            &[
                "1:1: `worker` is both a session and an endpoint [/sessions]",
                "4:40: an endpoint needs one of answers, raw [/endpoints/a]",
            ],
        ),
        (
            r#""level": "observe", "endpoints": {"idle": {"raw": []}},"#,
            SOUND,
            &[
                r#"4:43: warning: no step tells the engine of the endpoint `idle`: send {"$endpoint": "idle"}, or take it out [/endpoints/idle]"#,
            ],
        ),
        (r#""level": "must","#, r#"{"on": "worker"}"#, &[&no_verb]),
        (
            r#""level": "must","#,
            r#"{"on": "worker", "xpect": {}}"#,
            &["6:18: there is no field `xpect` here; did you mean `expect`? [/steps/0/xpect]"],
        ),
        (
            r#""level": "must","#,
            r#"{"on": "worker", "send": {"id": {"$uniqe": 1}}, "expect": {}}"#,
            &[
                "6:1: a step has one of send and expect; keep one [/steps/0]",
                "6:33: bad template: there is no token `$uniqe` here [/steps/0/send/id]",
            ],
        ),
        (
            r#""level": "must","#,
            r#"{"on": "worker", "alive": false}, 7"#,
            &[
                "6:27: false must be true, or left out with its field [/steps/0/alive]",
                r#"6:35: 7 is not of the type "object" [/steps/1]"#,
            ],
        ),
        (
            r#""level": "must","#,
            r#"{"on": "other", "expect": {"a": {"$pattern": "("}, "b": {"$typo": 1}}}"#,
            &[
                "6:8: no session `other` is open when a step needs it [/steps/0/on]",
                "6:33: bad template: regex parse error:\\n    (\\n    ^\\nerror: unclosed group [/steps/0/expect/a]",
                "6:57: bad template: there is no token `$typo` here [/steps/0/expect/b]",
            ],
        ),
        (
            r#""level": "must","#,
            r#"{"on": "later", "connect": true}, {"on": "worker", "expect": {"id": {"$ref": "x"}, "a": {"$capture": "y"}}}"#,
            &[
                "6:8: warning: no later step is on the session `later` [/steps/0/on]",
                r#"6:69: nothing is captured as `x` up to this step; capture it with {"$capture": "x"} in an earlier one [/steps/1/expect/id]"#,
                r#"6:89: warning: what is captured as `y` is never used; compare with it in a later step ({"$ref": "y"}), or say what it is without capturing it [/steps/1/expect/a]"#,
            ],
        ),
        (
            r#""level": "must","#,
            r#"{"on": "worker", "send": {"type": "registerfunction", "id": "mine"}}, {"on": "worker", "alive": true}"#,
            &[
                "5:10: warning: it decides, and expects nothing: an engine that does nothing passes it; add a step that expects what the clause demands [/steps]",
                r#"6:61: warning: the id `mine` is the same in every run; send {"$unique": "mine"}, or mark the case `verbatim` [/steps/0/send/id]"#,
            ],
        ),
        (
            r#""level": "observe", "verbatim": true,"#,
            r#"{"on": "worker", "send": {"type": "registerfunction", "id": "mine"}}"#,
            &[],
        ),
    ];
    for (fields, steps, expected) in table {
        let text =
            case(fields, steps).replace("\"quote\": \"Functions are uniquely identified\",", "");
        let (code, lines) = lint("it.json", &text);
        assert_eq!(lines, *expected, "{text}");
        let faulty = expected.iter().any(|it| !it.contains(": warning: "));
        assert_eq!(code, Some(if faulty { 2 } else { 0 }), "{text}");
    }
}

#[test]
fn faults_of_target_files() {
    for (text, code, expected) in [
        (
            "{\"url\": \"ws://127.0.0.1:1\",\n  \"comand\": []}",
            2,
            "2:3: there is no field `comand` here; did you mean `command`? [/comand]",
        ),
        (
            "{\"$schema\": \"../spec/schema/target.json\",\n  \"name\": 7}",
            2,
            "2:11: 7 is not of the type \"string\" [/name]",
        ),
        (
            r#"{"url": "ws://a", "command": ["b"]}"#,
            2,
            "1:1: has `url` or `command`, not both",
        ),
        (
            r#"{"expected_failures": [{"case": "no-such-case", "reason": "r"}]}"#,
            0,
            "1:33: warning: the suite carries no case `no-such-case` [/expected_failures/0/case]",
        ),
    ] {
        let (exit, lines) = lint("target.json", text);
        assert_eq!(
            (exit, lines.as_slice()),
            (Some(code), [expected.to_owned()].as_slice())
        );
    }
    let (exit, lines) = lint("target.json", r#"{"expected_failures": []}"#);
    assert_eq!((exit, lines.len()), (Some(0), 0));
}

#[test]
fn names_of_files_quotes_and_ids_over_files() {
    let (code, lines) = lint("other.json", case(r#""level": "must","#, SOUND));
    assert_eq!(code, Some(2));
    assert_eq!(
        lines,
        [
            "1:8: the id is `it`, so the file must be `it.json` [/id]",
            "3:10: the quote is in no document: Functions are uniquely identified [/quote]",
        ]
    );
    let text = case(r#""level": "observe", "needs": ["ping"],"#, SOUND);
    let text = text.replace("\"quote\": \"Functions are uniquely identified\",", "");
    let folder = Folder::new();
    let one = folder.file("it.json", &text);
    let below = folder.path().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("it.json"), &text).unwrap();
    let (code, out, _) = run(&["lint", &folder.path().display().to_string()]);
    assert_eq!(code, Some(2));
    let below = below.join("it.json").display().to_string();
    let expected = format!(
        "{one}:1:8: the id `it` is that of `{below}` already; choose another [/id]\n2 files: 1 \
         fault, 0 warnings\n"
    );
    assert_eq!(out, expected);
}

#[test]
fn json_says_the_same() {
    let folder = Folder::new();
    let path = folder.file("it.json", "[]");
    let (code, out, _) = run(&["lint", "--format", "json", &path]);
    assert_eq!(code, Some(2));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        report,
        serde_json::json!({
            "files": 1, "faults": 1, "warnings": 0,
            "findings": [{
                "path": path, "line": 1, "column": 1, "pointer": "", "severity": "fault",
                "message": "[] is not of the type \"object\"",
            }],
        })
    );
}

#[test]
fn what_is_not_there_cannot_be_looked_at() {
    let folder = Folder::new();
    for (path, mention) in [
        ("no/such/path".to_owned(), "no/such/path"),
        (
            folder.path().display().to_string(),
            "there is no .json file",
        ),
    ] {
        let (code, out, err) = run(&["lint", &path]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.contains(mention), "{err}");
    }
}
