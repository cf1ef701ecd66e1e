//! `list` and `explain`: what the suite would do, without doing it.

use std::io::{self, Write};

use serde_json::Value;

use super::style::{FAINT, STRONG};
use crate::{
    case::{Action, Answer, Case, Cases, Endpoint, RawOpcode, RawPart, Step},
    histories,
    ledger::{Clause, Coverage, Kind},
    template::template_for_people,
};

/// Every case on a line: id, level, clauses, title.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn list(cases: &[Case], histories: bool, out: &mut dyn Write) -> io::Result<()> {
    if histories {
        let (id, title) = (histories::ID, histories::TITLE);
        writeln!(out, "{id:<56} {:<9} {:<12} {title}", "must", "many")?;
    }
    for case in cases {
        writeln!(
            out,
            "{:<56} {:<9} {:<12} {}",
            case.id,
            case.level.name(),
            case.clauses.join(","),
            case.title
        )?;
    }
    Ok(())
}

/// What random histories are.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn explain_histories(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}", histories::ID)?;
    writeln!(out, "{}", histories::TITLE)?;
    writeln!(
        out,
        "\nSeveral sessions register and unregister functions, triggers and trigger types, call, \
         answer and\nleave, at random, one after another and at once. After each step a small \
         model, written from the\nspecification, says what may be answered; where the documents \
         leave something open, it allows\nevery answer. A history that goes wrong is made as \
         short as it can be before it is shown.\n--histories says how many, --seed which ones; \
         `conformance explore` goes on for as long as it is\ntold to."
    )
}

/// A clause: who says it, in which words, and which cases judge it.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn explain_clause(clause: &Clause, cases: &Cases, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{STRONG}{} {}{STRONG:#}", clause.id, clause.title)?;
    writeln!(out, "{}", clause.statement)?;
    let says = match clause.kind {
        Kind::Documented => "the documents (an engine that differs does not conform)",
        Kind::Companion => "the public protocol (its lack makes other clauses untestable)",
        Kind::Decided => "the reference, where the documents are silent (only observed)",
    };
    writeln!(out, "\nsaid by    {says}")?;
    if let (Some(document), Some(section)) = (&clause.document, &clause.section) {
        writeln!(out, "document   {document}, section {section}")?;
    }
    if let Some(quote) = &clause.quote {
        writeln!(out, "quote")?;
        for line in quote.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    let exercised = match clause.coverage {
        Coverage::Full => "whole",
        Coverage::Registration => "its registration only",
        Coverage::None => "no",
    };
    let later = clause
        .later
        .as_deref()
        .map_or(String::new(), |it| format!(": {it}"));
    writeln!(out, "exercised  {exercised}{later}")?;
    writeln!(out, "cases")?;
    for case in cases.iter().filter(|it| it.clauses.contains(&clause.id)) {
        writeln!(
            out,
            "    {} {FAINT}({}){FAINT:#} {}",
            case.id,
            case.level.name(),
            case.title
        )?;
    }
    Ok(())
}

/// A case: what it judges, and its steps as a transcript.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn explain_case(case: &Case, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{STRONG}{}{STRONG:#}", case.id)?;
    writeln!(out, "{}", case.title)?;
    writeln!(out, "\nlevel      {}", case.level.name())?;
    writeln!(out, "clauses    {}", case.clauses.join(", "))?;
    if let Some(quote) = &case.quote {
        writeln!(out, "quote")?;
        for line in quote.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    writeln!(out, "isolates   {}", case.isolates)?;
    for (name, list) in [
        ("needs", &case.needs),
        ("set", &case.environment.set),
        ("not set", &case.environment.unset),
        ("silent", &case.silent),
    ] {
        if !list.is_empty() {
            writeln!(out, "{name:<10} {}", list.join(", "))?;
        }
    }
    writeln!(out, "sessions   {}", case.sessions.join(", "))?;
    for (name, endpoint) in &case.endpoints {
        writeln!(out, "endpoint   {name}, which answers:")?;
        for line in answers_of(endpoint) {
            writeln!(out, "             {line}")?;
        }
    }
    writeln!(out, "steps")?;
    for (index, step) in case.steps.iter().enumerate() {
        explain_step(index + 1, step, out)?;
    }
    Ok(())
}

fn explain_step(number: usize, step: &Step, out: &mut dyn Write) -> io::Result<()> {
    if let Some(note) = &step.note {
        writeln!(out, "        {FAINT}{note}{FAINT:#}")?;
    }
    let lines = match &step.action {
        Action::Connect => vec!["· connects".to_owned()],
        Action::Send(template) => vec![format!("→ {}", template_for_people(template))],
        Action::SendText(template) => vec![format!("→ (as text) {}", unquoted(template))],
        Action::SendRaw(raw) => {
            let kind = match raw.opcode {
                RawOpcode::Text => "text",
                RawOpcode::Binary => "binary",
            };
            vec![format!("→ (a {kind} frame of the bytes {})", raw.hex)]
        }
        Action::Expect(template) => vec![format!("← {}", template_for_people(template))],
        Action::ExpectAll(templates) => several(
            "← all, in any order:",
            templates.iter().map(template_for_people),
        ),
        Action::ExpectOne(alternatives) => {
            let described = alternatives
                .iter()
                .map(|it| format!("{}: {}", it.label, it.describe()));
            several("← whichever comes:", described)
        }
        Action::Quiet(template) => {
            vec![format!("← nothing like {}", template_for_people(template))]
        }
        Action::Alive => vec!["· still answers".to_owned()],
        Action::Ping => vec!["→ (WebSocket ping), ← (its pong)".to_owned()],
        Action::Close(code) => vec![format!("→ (Close {code}), and the connection ends")],
        Action::Drop => vec!["· drops the connection without a Close frame".to_owned()],
        Action::ExpectClose(codes) => {
            let codes: Vec<String> = codes.iter().map(u16::to_string).collect();
            vec![format!("← (Close {})", codes.join(" or "))]
        }
        Action::ExpectRequest(template) => {
            vec![format!("← (request) {}", template_for_people(template))]
        }
        Action::NoRequest => vec!["← no (further) request".to_owned()],
        Action::Request(request) => {
            vec![format!(
                "→ (request) {} {}",
                request.method,
                unquoted_for_people(&request.target)
            )]
        }
        Action::ExpectResponse(template) => {
            vec![format!("← (answer) {}", template_for_people(template))]
        }
    };
    for (index, line) in lines.iter().enumerate() {
        if index == 0 {
            writeln!(out, "  {number:>4}  {} {line}", step.on)?;
        } else {
            writeln!(out, "            {line}")?;
        }
    }
    Ok(())
}

fn answers_of(endpoint: &Endpoint) -> Vec<String> {
    let of_http = |answer: &Answer| {
        let mut line = answer.status.to_string();
        for (name, value) in &answer.headers {
            line += &format!(", {name}: {}", unquoted_for_people(value));
        }
        if let Some(json) = &answer.json {
            line += &format!(", {}", template_for_people(json));
        }
        if let Some(text) = &answer.text {
            line += &format!(", the text {}", Value::from(text.as_str()));
        }
        if answer.delay_ms > 0 {
            line += &format!(", after {} ms", answer.delay_ms);
        }
        line
    };
    let of_raw = |part: &RawPart| match part {
        RawPart::Send(text) => format!("the bytes {}", Value::from(text.as_str())),
        RawPart::Repeat(repeat) => format!(
            "the bytes {}, {} times, one every {} ms",
            Value::from(repeat.text.as_str()),
            repeat.times,
            repeat.every_ms
        ),
        RawPart::Hold(_) => "nothing more, until the engine leaves".to_owned(),
        RawPart::Reset(_) => "a reset of the connection".to_owned(),
    };
    match endpoint {
        Endpoint::Answers(answers) => answers.iter().map(of_http).collect(),
        Endpoint::Raw(parts) => parts.iter().map(of_raw).collect(),
    }
}

fn unquoted_for_people(template: &Value) -> String {
    let shown = template_for_people(template);
    shown.trim_matches('"').to_owned()
}

fn several(heading: &str, items: impl Iterator<Item = impl ToString>) -> Vec<String> {
    let items = items.map(|item| item.to_string());
    std::iter::once(heading.to_owned()).chain(items).collect()
}

fn unquoted(template: &Value) -> String {
    template
        .as_str()
        .map_or_else(|| template.to_string(), str::to_owned)
}
