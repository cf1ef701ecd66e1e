//! `conformance lint`: what is wrong with case files.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use conformance_suite::{
    assets,
    ledger::Ledger,
    lint::{File, Finding, Linter, Severity},
    report::printable,
};
use serde_json::json;

use crate::{
    cli::{LintArgs, LintFormat},
    commands::unless_closed,
    exit::{Exit, Problem},
};

/// Says all that is wrong with the files, or with the cases that are built in if none is named.
pub(crate) fn lint(args: &LintArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let ledger = Ledger::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let files = files(&args.paths)?;
    let linter = Linter::new(&ledger).map_err(|error| Problem::new(Exit::OurFault, error))?;
    let findings = linter.lint(&files);
    let written = match args.format {
        LintFormat::Human => human(&files, &findings, out),
        LintFormat::Json => as_json(&files, &findings, out),
    };
    unless_closed(written)?;
    Ok(match count(&findings, Severity::Fault) {
        0 => Exit::Conforms,
        _ => Exit::Usage,
    })
}

fn human(files: &[File], findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let Finding {
            path,
            line,
            column,
            pointer,
            severity,
            message,
        } = finding;
        let warning = match severity {
            Severity::Fault => "",
            Severity::Warning => "warning: ",
        };
        let place = match pointer.as_str() {
            "" => String::new(),
            pointer => format!(" [{}]", printable(pointer, usize::MAX)),
        };
        // A finding is a line, whatever it quotes.
        let message = printable(message, usize::MAX);
        writeln!(out, "{path}:{line}:{column}: {warning}{message}{place}")?;
    }
    writeln!(
        out,
        "{}: {}, {}",
        counted(files.len(), "file"),
        counted(count(findings, Severity::Fault), "fault"),
        counted(count(findings, Severity::Warning), "warning")
    )
}

fn as_json(files: &[File], findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let report = json!({
        "files": files.len(),
        "faults": count(findings, Severity::Fault),
        "warnings": count(findings, Severity::Warning),
        "findings": findings,
    });
    writeln!(out, "{report:#}")
}

fn count(findings: &[Finding], severity: Severity) -> usize {
    findings.iter().filter(|it| it.severity == severity).count()
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

fn files(paths: &[PathBuf]) -> Result<Vec<File>, Problem> {
    if paths.is_empty() {
        let carried = assets::cases().into_iter().map(|file| File {
            path: format!("fixtures/cases/{}", file.path),
            bytes: file.text.into(),
        });
        return Ok(carried.collect());
    }
    let mut files = Vec::new();
    for path in paths {
        let before = files.len();
        collect(path, &mut files)
            .map_err(|(path, error)| Problem::new(Exit::Usage, format!("`{path}`: {error}")))?;
        if files.len() == before {
            let message = format!("there is no .json file in `{}`", path.display());
            return Err(Problem::new(Exit::Usage, message));
        }
    }
    Ok(files)
}

/// The file, or every `.json` file in the folder and those in it, in order of their paths.
fn collect(path: &Path, files: &mut Vec<File>) -> Result<(), (String, io::Error)> {
    let at = |error| (path.display().to_string(), error);
    if path.is_dir() {
        let entries: Result<Vec<_>, _> = fs::read_dir(path).map_err(at)?.collect();
        let mut paths: Vec<PathBuf> = entries
            .map_err(at)?
            .iter()
            .map(fs::DirEntry::path)
            .collect();
        paths.sort_unstable();
        for path in paths {
            if path.is_dir() || path.extension().is_some_and(|it| it == "json") {
                collect(&path, files)?;
            }
        }
        return Ok(());
    }
    files.push(File {
        path: path.display().to_string(),
        bytes: fs::read(path).map_err(at)?,
    });
    Ok(())
}
