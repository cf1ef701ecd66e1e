//! One page that needs nothing else: no resource of another origin, and no script but its own,
//! without which it shows the same. Text is escaped where it is written, and what is not seen or
//! changes how other text is seen stands as an escape.

use std::io::{self, Write};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use super::{
    document::{CaseReport, ClauseReport, Document, FailureReport},
    plain, printable,
    serial::{key, timestamp},
    shown,
};
use crate::verdict::CaseVerdict;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

const FRAME_CHARACTERS: usize = 4_000;
const LEVELS: [&str; 5] = ["must", "text", "should", "companion", "observe"];

pub(super) fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Conformance of " (shown(document.heading.target)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (heading(document))
                (filters(document))
                main {
                    (cases(document, "Failures", |it| it.counts_as_failed()))
                    (clauses(document))
                    (cases(document, "Cases", |it| !it.counts_as_failed()))
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())
}

/// What a policy allows: exactly this text.
fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", BASE64_STANDARD.encode(digest))
}

fn heading(document: &Document<'_>) -> Markup {
    let (heading, result) = (&document.heading, &document.result);
    let all: usize = result.clause_counts.iter().map(|it| it.1).sum();
    let passed = document.clauses_with(&["passed"]);
    let what = match (heading.embedded, heading.target_name) {
        (true, _) => "the embedded reference",
        (false, Some(name)) => name,
        (false, None) => "an engine",
    };
    html! {
        header {
            h1 { "Conformance: " (passed) " of " (all) " clauses passed" }
            p { "Of " (shown(what)) " at " code { (shown(heading.target)) } }
            @if let Some(problem) = result.problem {
                p.problem { "The run did not take place: " (shown(problem)) }
            }
            @if result.interrupted {
                p.problem { "The run was interrupted; this is what had ended by then." }
            }
            @if let Some(gone) = &result.engine_gone {
                p.problem { "The run was stopped: " (gone.describe()) }
                @if let Some(again) = &gone.again {
                    p { "One at a time: " code { (shown(again)) } }
                }
            }
            @for restart in &result.engine_restarts {
                p.problem { "The engine was away and came back: " (shown(&restart.text)) }
                @if let Some(again) = &restart.again {
                    p { "One at a time: " code { (shown(again)) } }
                }
            }
            @if result.not_run > 0 {
                p.problem { (result.not_run) " selected cases were not run." }
            }
            @for stale in result.stale_expectations {
                p.problem { "Stale expectation: " (shown(&stale.describe())) }
            }
            @for (what, counts) in [("Clauses", &result.clause_counts), ("Cases", &result.counts)] {
                p {
                    (what) ": "
                    @for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
                        span class={ "verdict " (key(name)) } { (count) " " (name) } " "
                    }
                }
            }
            dl {
                (field("started", &timestamp(heading.started)))
                (field("took", &format!("{:.2} s", result.duration_ms.as_secs_f64())))
                (field("suite", heading.suite_version))
                (field("exit code", &result.exit_code.to_string()))
                (field("decides", if heading.options.strict { "every level (strict)" } else { "what the documents demand" }))
                (field("selected", &match heading.options.selection {
                    [] => "everything".to_owned(),
                    selection => selection.join(" "),
                }))
                @if let Some(seed) = &heading.options.seed { (field("seed", seed)) }
                @if let Some(again) = &result.again { (field("failures again", again)) }
            }
        }
    }
}

fn field(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } dd { (shown(value)) } } }
}

/// Hidden until the script, which makes them work, has run.
fn filters(document: &Document<'_>) -> Markup {
    let mut verdicts: Vec<&str> = Vec::new();
    let of_clauses = document.result.clauses.iter().map(|it| it.verdict);
    for verdict in of_clauses.chain(document.cases.iter().map(|it| it.verdict.name())) {
        if !verdicts.contains(&verdict) {
            verdicts.push(verdict);
        }
    }
    html! {
        form #filters hidden {
            label { "Search " input type="search" name="search" autocomplete="off"; }
            label { "Verdict "
                select name="verdict" {
                    option value="" { "all" }
                    @for verdict in verdicts { option value=(key(verdict)) { (verdict) } }
                }
            }
            label { "Level "
                select name="level" {
                    option value="" { "all" }
                    @for level in LEVELS { option value=(level) { (level) } }
                }
            }
            output name="shown" {}
        }
    }
}

/// The clauses by document and section, in the order of the ledger.
fn clauses(document: &Document<'_>) -> Markup {
    let clauses = &document.result.clauses;
    let by_heading = clauses.chunk_by(|a, b| a.heading() == b.heading());
    html! {
        @for part in by_heading {
            section {
                @if let Some(first) = part.first() { h2 { (first.heading()) } }
                @for section in part.chunk_by(|a, b| a.section == b.section) {
                    section {
                        @if let Some(name) = section.first().and_then(|it| it.section) {
                            h3 { (shown(name)) }
                        }
                        @for clause in section { (clause_card(document, clause)) }
                    }
                }
            }
        }
    }
}

fn clause_card(document: &Document<'_>, clause: &ClauseReport<'_>) -> Markup {
    let judges = |case: &&CaseReport<'_>| case.clauses.iter().any(|it| it == clause.id);
    let judging: Vec<&CaseReport<'_>> = document.cases.iter().filter(judges).collect();
    let has = |level: &&str| judging.iter().any(|case| case.level == *level);
    let levels: Vec<&str> = LEVELS.into_iter().filter(|level| has(level)).collect();
    html! {
        article #(clause.id) data-verdict=(key(clause.verdict)) data-level=(levels.join(" ")) {
            h4 { (clause.id) " " (prose(clause.title)) " " (verdict(clause.verdict)) }
            p { (prose(clause.statement)) }
            @if let Some(quote) = clause.quote { (quotation(quote)) }
            @if let Some(reason) = &clause.reason { p.reason { (prose(reason)) } }
            @if !judging.is_empty() {
                details {
                    summary { (judging.len()) @if judging.len() == 1 { " case" } @else { " cases" } }
                    ul {
                        @for case in &judging {
                            li {
                                a href={ "#case-" (shown(case.id)) } { (shown(case.id)) }
                                " " (verdict(case.verdict.name()))
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Some of the cases, those first that have failed, and last those that passed.
fn cases(document: &Document<'_>, name: &str, are: fn(&CaseReport<'_>) -> bool) -> Markup {
    let mut cases: Vec<&CaseReport<'_>> = document.cases.iter().filter(|it| are(it)).collect();
    cases.sort_by_key(|it| (it.failure.is_none(), it.verdict == CaseVerdict::Passed));
    html! {
        @if !cases.is_empty() {
            section {
                h2 { (name) }
                @for case in cases { (case_card(case)) }
            }
        }
    }
}

fn case_card(case: &CaseReport<'_>) -> Markup {
    let name = case.verdict.name();
    html! {
        details.case #{ "case-" (shown(case.id)) } data-verdict=(key(name)) data-level=(case.level)
            open[case.counts_as_failed()] {
            summary { b { (shown(case.id)) } " " (verdict(name)) " " (prose(case.title)) }
            dl {
                (field("level", case.level))
                div {
                    dt { "clauses" }
                    dd { @for id in case.clauses { a href={ "#" (shown(id)) } { (shown(id)) } " " } }
                }
                (field("took", &format!("{:.3} s", case.duration_ms.as_secs_f64())))
                @if !case.branches.is_empty() { (field("took the branch", &case.branches.join(", "))) }
            }
            @if let Some(quote) = case.quote { (quotation(quote)) }
            @if let Some(reason) = case.reason { p.reason { (prose(reason)) } }
            @for remark in case.remarks { p { (prose(remark)) } }
            @if let Some(failure) = &case.failure { (failure_of(failure)) }
            @for fault in case.malformed { p.reason { "Not what its schema describes: " (prose(fault)) } }
            (transcript(case))
        }
    }
}

fn failure_of(failure: &FailureReport<'_>) -> Markup {
    let value = |text| printable(text, FRAME_CHARACTERS);
    html! {
        dl.failure {
            @if let Some(step) = failure.step { (field("at step", &step.to_string())) }
            (field("expected", failure.expected))
            (field("received", failure.problem))
        }
        @for mismatch in &failure.mismatches {
            div.mismatch {
                code { (value(mismatch.place())) }
                dl {
                    div.wanted { dt { "expected" } dd { code { (value(mismatch.expected)) } } }
                    div.found { dt { "received" } dd { code { (value(mismatch.received)) } } }
                }
            }
        }
        @if !failure.history.is_empty() {
            p { "The history, shrunk:" }
            ol { @for step in failure.history { li { code { (value(step)) } } } }
        }
    }
}

fn transcript(case: &CaseReport<'_>) -> Markup {
    let lines = plain::transcript(case, plain::LINES_MAX, FRAME_CHARACTERS);
    html! {
        @if !lines.is_empty() {
            details {
                summary { "Transcript" }
                pre.transcript { @for line in lines { (line) "\n" } }
            }
        }
    }
}

fn verdict(name: &str) -> Markup {
    html! { span class={ "verdict " (key(name)) } { (name) } }
}

fn quotation(quote: &str) -> Markup {
    let lines: Vec<String> = quote.lines().map(shown).collect();
    html! { blockquote { pre { (lines.join("\n")) } } }
}

/// Text in which backticks set off what is code.
fn prose(text: &str) -> Markup {
    let shown = shown(text);
    let closed = shown.matches('`').count().is_multiple_of(2);
    html! {
        @if closed {
            @for (index, part) in shown.split('`').enumerate() {
                @if index % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else { (shown) }
    }
}
