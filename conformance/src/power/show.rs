//! How the power of the suite is shown.

use std::io::{self, Write};

use conformance_suite::ledger::Ledger;

use super::{Chosen, Kill, Misjudged, Power, Wrong};

pub(super) fn list(chosen: &Chosen, out: &mut dyn Write) -> io::Result<()> {
    for fault in &chosen.faults {
        let breaks = fault.breaks.join(" ");
        writeln!(out, "faulty   {:44} {} ({breaks})", fault.id, fault.title)?;
    }
    for (kind, others) in [("trivial", &chosen.trivial), ("odd", &chosen.odd)] {
        for other in others {
            writeln!(out, "{kind:8} {:44} {}", other.id, other.title)?;
        }
    }
    Ok(())
}

pub(super) fn human(power: &Power, ledger: &Ledger, out: &mut dyn Write) -> io::Result<()> {
    for kill in &power.faults {
        let how = match (kill.killed, kill.right_reason) {
            (false, _) => "SURVIVED",
            (true, false) => "elsewhere",
            (true, true) => "killed",
        };
        writeln!(out, "{how:9} {:44} {}", kill.fault, breaks_and_kills(kill))?;
    }
    matrix(power, ledger, out)?;
    for (what, engines) in [("passes", &power.trivial), ("fails", &power.odd)] {
        for engine in engines.iter().filter(|it| !it.cases.is_empty()) {
            writeln!(out, "\n{} {what}:", engine.engine)?;
            wrong(&engine.cases, out)?;
        }
    }
    if let Some(untouched) = &power.untouched {
        for (what, ids) in [
            (
                "clauses that fewer than three faults make fail",
                &untouched.clauses,
            ),
            ("cases that no fault makes fail", &untouched.cases),
        ] {
            if !ids.is_empty() {
                writeln!(out, "\n{what}: {}", ids.join(" "))?;
            }
        }
    }
    if !power.flaky.is_empty() {
        writeln!(out, "\nflaky:")?;
        wrong(&power.flaky, out)?;
    }
    writeln!(out)?;
    for line in figures(power) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

pub(super) fn markdown(power: &Power, out: &mut dyn Write) -> io::Result<()> {
    for line in figures(power) {
        writeln!(out, "- {line}")?;
    }
    Ok(())
}

fn wrong(cases: &[Wrong], out: &mut dyn Write) -> io::Result<()> {
    for wrong in cases {
        match &wrong.why {
            Some(why) => writeln!(out, "  {}: {why}", wrong.case)?,
            None => writeln!(out, "  {}", wrong.case)?,
        }
    }
    Ok(())
}

fn breaks_and_kills(kill: &Kill) -> String {
    const SHOWN: usize = 8;
    let level = if kill.strict { " under --strict" } else { "" };
    let more = match kill.clauses.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let clauses: Vec<&str> = kill
        .clauses
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect();
    format!(
        "breaks {}; {} cases fail{level}: {}{more}",
        kill.breaks.join(" "),
        kill.by.len(),
        clauses.join(" ")
    )
}

/// A line a clause: how many faults break it, and how many of them a case of that very clause
/// has found.
fn matrix(power: &Power, ledger: &Ledger, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nclause  faults  found by a case of the clause")?;
    for clause in &ledger.clauses {
        let breaking = power
            .faults
            .iter()
            .filter(|it| it.breaks.contains(&clause.id.as_str()));
        let (mut all, mut found) = (0, 0);
        for kill in breaking {
            all += 1;
            found += usize::from(kill.clauses.contains(&clause.id));
        }
        if all > 0 {
            writeln!(out, "{:6}  {all:6}  {found:6}", clause.id)?;
        }
    }
    Ok(())
}

fn figures(power: &Power) -> Vec<String> {
    let killed = power.faults.iter().filter(|it| it.killed).count();
    let right = power.faults.iter().filter(|it| it.right_reason).count();
    let faults = power.faults.len();
    let percent = (right * 1000).checked_div(faults).unwrap_or(1000);
    let mut lines = vec![
        format!("faulty engines: {killed} of {faults} found"),
        format!(
            "for the right reason: {right} of {faults} ({}.{} %)",
            percent / 10,
            percent % 10
        ),
    ];
    for (kind, engines, what) in [
        ("trivial", &power.trivial, "false passes"),
        ("odd but correct", &power.odd, "false failures"),
    ] {
        let cases: usize = engines.iter().map(|it: &Misjudged| it.cases.len()).sum();
        lines.push(format!(
            "{kind} engines: {cases} {what} with {}",
            engines.len()
        ));
    }
    if let Some(untouched) = &power.untouched {
        lines.push(format!(
            "out of reach of every fault: {} clauses, {} cases",
            untouched.clauses.len(),
            untouched.cases.len()
        ));
    }
    let (alone, among) = (&power.alone, &power.among_others);
    if alone.runs > 0 {
        lines.push(format!(
            "flakes: {} of {} runs against the reference alone, {} of {} beside other engines",
            alone.flakes, alone.runs, among.flakes, among.runs
        ));
    }
    lines
}
