//! `conformance init`: a target file, from what a running engine shows of itself.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use conformance_suite::{
    discover::{Asked, discover},
    environment::Environment,
};

use crate::{
    again::quoted,
    cli::InitArgs,
    commands::unless_closed,
    exit::{Exit, Problem},
};

/// Looks, says what it finds on standard error, and writes the file.
pub(crate) async fn init(args: &InitArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let asked = asked(args)?;
    let to_stdout = args.output == Path::new("-");
    if !to_stdout && args.output.exists() && !args.force {
        return Err(cannot_write(
            &args.output,
            "it exists already; --force writes it anew",
        ));
    }
    let environment =
        Environment::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let mut say = |line: String| {
        // If standard error is gone, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{line}");
    };
    let found = discover(&asked, &environment, &mut say).await;
    let found = found.map_err(|error| Problem::new(Exit::Unreachable, error))?;
    let text = serde_json::to_string_pretty(&found);
    let text = text.map_err(|error| Problem::new(Exit::OurFault, error))?;
    if to_stdout {
        unless_closed(writeln!(out, "{text}"))?;
        unless_closed(out.flush())?;
        say("conformance run --target FILE".to_owned());
        return Ok(Exit::Conforms);
    }
    write(args, &text).map_err(|error| cannot_write(&args.output, error))?;
    let file = quoted(&args.output.display().to_string());
    unless_closed(writeln!(out, "conformance run --target {file}"))?;
    Ok(Exit::Conforms)
}

fn asked(args: &InitArgs) -> Result<Asked, Problem> {
    let usage = |problem: String| Problem::new(Exit::Usage, problem);
    if !args.url.starts_with("ws://") {
        let message = format!("--url: `{}` must begin with ws://", args.url);
        return Err(usage(message));
    }
    let http_url = args.http_url.as_deref();
    if let Some(url) = http_url.filter(|url| !url.starts_with("http://")) {
        return Err(usage(format!(
            "--http-url: `{url}` must begin with http://"
        )));
    }
    Ok(Asked {
        url: args.url.clone(),
        http_url: http_url.map(|url| url.trim_end_matches('/').to_owned()),
        patience: Duration::from_millis(args.patience_ms),
    })
}

fn write(args: &InitArgs, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    match args.force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    writeln!(options.open(&args.output)?, "{text}")
}

fn cannot_write(output: &Path, why: impl ToString) -> Problem {
    let message = format!(
        "--output: cannot write `{}`: {}",
        output.display(),
        why.to_string()
    );
    Problem::new(Exit::Usage, message)
}
