//! `conformance record`: a case from what a client and an engine say to each other.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use conformance_suite::{
    ledger::Ledger,
    record::{RecordError, Recorder},
};

use crate::{
    cli::RecordArgs,
    commands::unless_closed,
    exit::{Exit, Problem},
    interrupt::Interrupt,
};

/// Listens, passes on, and saves what was said.
pub(crate) async fn record(args: &RecordArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let ledger = Ledger::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let clause = args.clause.to_ascii_uppercase();
    if ledger.clause(&clause).is_none() {
        let message = format!("--clause: there is no clause `{}`", args.clause);
        return Err(Problem::new(Exit::Usage, message));
    }
    let id = id_of(&args.output)?;
    let mut interrupt =
        Interrupt::install().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let started = Recorder::start(&args.url, args.listen).await;
    let mut recorder = started.map_err(|error| match &error {
        RecordError::Unreachable(..) => Problem::new(Exit::Unreachable, error),
        _ => Problem::new(Exit::Usage, error),
    })?;
    unless_closed(writeln!(
        out,
        "recording: clients of {} connect to ws://{} (Ctrl-C ends)",
        args.url,
        recorder.address()
    ))?;
    unless_closed(out.flush())?;
    let full = recorder.full();
    let tell_when_full = async {
        let message = full.await;
        // If standard error is gone, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "warning: {message}");
        std::future::pending().await
    };
    tokio::select! {
        () = recorder.over(args.sessions.into()) => {}
        () = interrupt.wait() => {}
        () = tell_when_full => {}
    }
    let Some(recording) = recorder.recording(id, &clause) else {
        return Err(Problem::new(
            Exit::NothingRan,
            "nothing was said; no file was written",
        ));
    };
    let written = serde_json::to_string_pretty(&recording);
    let text = written.map_err(|error| Problem::new(Exit::OurFault, error))?;
    // Hours of work may stand in a file of that name.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.output)
        .and_then(|mut file| writeln!(file, "{text}"))
        .map_err(|error| cannot_write(&args.output, error))?;
    let (path, steps) = (args.output.display(), recording.steps());
    unless_closed(writeln!(out, "saved: {path}, {steps} steps"))?;
    Ok(Exit::Conforms)
}

/// The id of the case, which is the file's name. Whether the file can be written is seen now, and
/// not when everything has been said.
fn id_of(output: &Path) -> Result<&str, Problem> {
    let name = output.file_name().and_then(|it| it.to_str());
    let id = name.and_then(|it| it.strip_suffix(".json"));
    let words = |id: &&str| {
        let word = |it: &str| {
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            !it.is_empty() && it.chars().all(fits)
        };
        id.split('-').all(word)
    };
    let Some(id) = id.filter(words) else {
        let message = format!(
            "--output: the name of `{}` must be lower-case words joined with hyphens, and .json: \
             it becomes the id of the case",
            output.display()
        );
        return Err(Problem::new(Exit::Usage, message));
    };
    let folder = output.parent().filter(|it| !it.as_os_str().is_empty());
    if output.exists() {
        return Err(cannot_write(output, "it exists already"));
    }
    if folder.is_some_and(|it| !it.is_dir()) {
        return Err(cannot_write(output, "there is no such folder"));
    }
    Ok(id)
}

fn cannot_write(output: &Path, why: impl ToString) -> Problem {
    let message = format!(
        "--output: cannot write `{}`: {}",
        output.display(),
        why.to_string()
    );
    Problem::new(Exit::Usage, message)
}
