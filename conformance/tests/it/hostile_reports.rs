//! What an engine sends cannot leave its place in a report. Here every text of an outcome is
//! hostile, also those that an engine has no hand in.

use std::time::{Duration, SystemTime};

use conformance_suite::{
    case::Level,
    expectation::Stale,
    ledger::Ledger,
    report::{self, Document, Ending, Format, Heading, Run, Style},
    runner::Restart,
    template::Mismatch,
    transcript::{Direction, Entry},
    verdict::{Failure, Outcome, Status, Unrun},
};
use serde_json::Value;

/// What would end a tag, an attribute, a fence, a command, a point or a section of CDATA, and
/// what is not seen.
const HOSTILE: &str = "</script><script>alert(1)</script>\"'><b>&amp;]]>-->\u{202e}\u{0}\u{1b}[31m\
                       ```\n::error::x\r\nnot ok 1 # TODO \\# |x|\u{2028}\u{fffe}";

fn outcome(text: &str) -> Outcome {
    let owned = || text.to_owned();
    let entry = |direction| Entry {
        at: Duration::ZERO,
        session: owned(),
        direction,
        text: owned(),
        whole: None,
    };
    Outcome {
        case: owned(),
        title: owned(),
        clauses: vec!["RT-07".to_owned()],
        level: Level::Must,
        quote: None,
        status: Status::Failed(Box::new(Failure {
            step: Some(1),
            expected: owned(),
            problem: owned(),
            mismatches: vec![Mismatch {
                path: owned(),
                expected: owned(),
                received: owned(),
            }],
            history: vec![owned()],
            is_the_cases: false,
        })),
        expected: None,
        mapped: false,
        branches: vec![owned()],
        remarks: vec![owned()],
        malformed: vec![owned()],
        transcript: [entry(Direction::Received), entry(Direction::Note)].into(),
        took: Duration::ZERO,
    }
}

/// In a format, or for a terminal.
fn rendered(format: impl Into<Option<Format>>, text: &str) -> String {
    let mut untestable = outcome(text);
    untestable.status = Status::Untestable(text.to_owned());
    let mut differs = outcome(text);
    differs.level = Level::Should;
    let outcomes = [outcome(text), untestable, differs];
    let heading = Heading {
        target: text.to_owned(),
        target_name: Some(text.to_owned()),
        embedded: false,
        started: SystemTime::UNIX_EPOCH,
        strict: false,
        selection: vec![text.to_owned()],
        levels: vec![text.to_owned()],
        shard: Some(text.to_owned()),
        profile: Some(text.to_owned()),
        slow: false,
        histories: None,
        variables: vec![text.to_owned()],
        http_url: Some(text.to_owned()),
        seed: Some(u64::MAX),
        verbose: false,
    };
    let run = Run {
        ledger: &Ledger::embedded().unwrap(),
        outcomes: &outcomes,
        complete: false,
        gone: None,
        restarts: vec![Restart {
            beside: vec![text.to_owned()],
        }],
        cut_short: None,
        unrun: Unrun::default(),
        strict: false,
        left_out: 0,
        stale: &[Stale::Unknown(text.to_owned())],
        again: text,
        again_behind: text,
        took: Duration::ZERO,
    };
    let ending = Ending::default();
    let mut out = Vec::new();
    match format.into() {
        Some(format) => {
            let document = Document::of(&heading, &run, &ending);
            format.write(&document, &mut out).unwrap();
        }
        None => report::human(&run, Style { verbose: true }, &mut out).unwrap(),
    }
    String::from_utf8(out).unwrap()
}

/// What is not seen, or changes how other text is.
fn unseen(text: &str) -> Option<char> {
    text.chars().find(|c| {
        (c.is_control() && *c != '\n') || ['\u{202e}', '\u{2028}', '\u{fffe}'].contains(c)
    })
}

/// The names of the tags, in order.
fn tags(page: &str) -> Vec<String> {
    let name = |it: &str| {
        let end = it.find(|c: char| !c.is_ascii_alphanumeric() && !"/!".contains(c));
        it.split_at(end.unwrap_or(it.len())).0.to_owned()
    };
    page.split('<').skip(1).map(name).collect()
}

#[test]
fn nothing_invisible_is_left_in_what_people_read() {
    for format in [
        Format::Junit,
        Format::Tap,
        Format::Markdown,
        Format::Github,
        Format::Html,
    ] {
        let text = rendered(format, HOSTILE);
        assert_eq!(unseen(&text), None, "{}: {text}", format.name());
        assert!(text.contains("\\u{202e}"), "{}: {text}", format.name());
    }
}

/// The escapes of a text, and all that is beside them.
fn escapes(text: &str) -> (Vec<&str>, String) {
    let (mut found, mut beside) = (Vec::new(), String::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        let (escape, behind) = after.split_at(after.find('m').unwrap() + 1);
        found.push(escape);
        beside += before;
        rest = behind;
    }
    (found, beside + rest)
}

#[test]
fn a_terminal_gets_the_same_escapes_whatever_the_text() {
    let (calm, hostile) = (rendered(None, "calm\nin\nlines"), rendered(None, HOSTILE));
    let ((calm_escapes, calm), (escapes, text)) = (escapes(&calm), escapes(&hostile));
    assert!(!escapes.is_empty());
    assert_eq!(calm_escapes, escapes, "{text}");
    assert_eq!(calm.lines().count(), text.lines().count(), "{text}");
    assert_eq!(unseen(&text), None, "{text}");
    assert!(text.contains("\\u{202e}\\u{0}\\u{1b}[31m"), "{text}");
}

#[test]
fn a_page_has_the_same_tags_whatever_the_text() {
    let (calm, hostile) = (
        rendered(Format::Html, "calm"),
        rendered(Format::Html, HOSTILE),
    );
    assert_eq!(tags(&calm), tags(&hostile));
    assert_eq!(hostile.matches("<script").count(), 1);
    assert_eq!(hostile.matches("\"").count(), calm.matches("\"").count());
    assert!(hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;'&gt;"));
}

#[test]
fn what_a_page_allows_is_what_it_holds() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let page = rendered(Format::Html, HOSTILE);
    for element in ["style", "script"] {
        let (_, after) = page.split_once(&format!("<{element}>")).unwrap();
        let (text, _) = after.split_once(&format!("</{element}>")).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let allowed = format!("{element}-src 'sha256-{}'", BASE64_STANDARD.encode(digest));
        assert!(page.contains(&allowed), "{allowed}");
    }
}

#[test]
fn junit_stays_well_formed() {
    let report = quick_junit::Report::deserialize_from_str(&rendered(Format::Junit, HOSTILE));
    let report = report.unwrap();
    assert_eq!((report.tests, report.failures, report.skipped), (4, 2, 2));
    let case = &report.test_suites[0].test_cases[0];
    assert!(
        case.name.as_str().starts_with("</script><script>"),
        "{case:?}"
    );
}

#[test]
fn tap_keeps_its_points() {
    let text = rendered(Format::Tap, HOSTILE);
    let is_point = |line: &&str| line.starts_with("ok ") || line.starts_with("not ok ");
    let points: Vec<&str> = text.lines().filter(is_point).collect();
    assert_eq!(points.len(), 4, "{text}");
    // A directive begins with a `#` that nothing escapes.
    assert!(
        !points[0]
            .replace("\\\\", "")
            .replace("\\#", "")
            .contains('#'),
        "{text}"
    );
    assert_eq!(
        points[1]
            .replace("\\\\", "")
            .replace("\\#", "")
            .matches('#')
            .count(),
        1
    );
}

#[test]
fn github_gets_one_command_for_each() {
    let text = rendered(Format::Github, HOSTILE);
    assert_eq!(text.lines().count(), 3, "{text}");
    for line in text.lines() {
        let title = line.strip_prefix("::error title=").unwrap();
        let (title, _) = title.split_once("::").unwrap();
        assert!(!title.contains([':', ',']), "{title}");
    }
}

#[test]
fn markdown_keeps_its_blocks() {
    let (calm, text) = (
        rendered(Format::Markdown, "calm"),
        rendered(Format::Markdown, HOSTILE),
    );
    let shape = |text: &str| {
        let begins = |line: &str| line.chars().take_while(|c| "<#|-`".contains(*c)).count() > 0;
        text.lines().filter(|line| begins(line)).count()
    };
    assert_eq!(shape(&calm), shape(&text), "{text}");
    assert_eq!(text.lines().count(), calm.lines().count(), "{text}");
    let fences: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("```"))
        .collect();
    assert_eq!(fences, ["````text", "````"], "{text}");
    // Outside of the block there are no tags but in spans of code.
    let (before, after) = text.split_once("````text\n").unwrap();
    let (_, after) = after.split_once("\n````\n").unwrap();
    let outside = before.lines().chain(after.lines());
    let with_span = ["Target ````", "Again: ````", "- ````"];
    let has_none = |line: &&str| !with_span.iter().any(|it| line.starts_with(it));
    let mut outside = outside.filter(has_none);
    assert!(!outside.any(|line| line.contains("<script")), "{text}");
}

#[test]
fn json_gives_the_text_as_it_came() {
    let document: Value = serde_json::from_str(&rendered(Format::Json, HOSTILE)).unwrap();
    assert_eq!(document["cases"][0]["title"], HOSTILE);
    assert_eq!(document["cases"][0]["transcript"][0]["text"], HOSTILE);
    assert_eq!(document["options"]["seed"], "18446744073709551615");
}
