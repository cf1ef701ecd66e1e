//! GitHub's workflow commands: an annotation for everything that fails the run.

use std::io::{self, Write};

use super::{document::Document, plain, shown};

pub(super) fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    if let Some(problem) = document.result.problem {
        annotate("The run did not take place", &shown(problem), out)?;
    }
    if let Some(gone) = &document.result.engine_gone {
        annotate("The engine went away", &shown(&gone.describe()), out)?;
    }
    for restart in &document.result.engine_restarts {
        annotate("The engine was away", &shown(&restart.text), out)?;
    }
    for case in document.cases.iter().filter(|it| it.counts_as_failed()) {
        let title = format!("{} ({})", shown(case.id), case.clauses.join(", "));
        let mut lines = vec![shown(case.title), plain::headline(case)];
        if let Some(failure) = &case.failure {
            lines.extend(failure.mismatches.iter().map(|it| {
                let value = |text| super::printable(text, plain::VALUE_CHARACTERS);
                let (expected, received) = (value(it.expected), value(it.received));
                format!(
                    "{}: expected {expected}, received {received}",
                    value(it.place())
                )
            }));
        }
        annotate(&title, &lines.join("\n"), out)?;
    }
    for stale in document.result.stale_expectations {
        annotate("Stale expectation", &shown(&stale.describe()), out)?;
    }
    Ok(())
}

fn annotate(title: &str, message: &str, out: &mut dyn Write) -> io::Result<()> {
    let message = data(message);
    // A property ends at a comma or a colon, which the value of a command does not.
    let title = data(title).replace(':', "%3A").replace(',', "%2C");
    writeln!(out, "::error title={title}::{message}")
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::annotate;

    #[test]
    fn a_command_cannot_be_ended_by_what_it_carries() {
        let mut out = Vec::new();
        annotate("a,b: 100%::x", "100%\r\n::stop-commands::x", &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "::error title=a%2Cb%3A 100%25%3A%3Ax::100%25%0D%0A::stop-commands::x\n"
        );
    }
}
