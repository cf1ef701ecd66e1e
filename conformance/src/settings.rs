//! What a run is told: by the command line, by environment variables, by a target file, in this
//! order, and by defaults.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use conformance_suite::{
    endpoint::Callback, environment::Environment, expectation::Expectation, profile::Profile,
    runner::Pace, target_file::TargetFile,
};

use crate::{
    cli::RunArgs,
    exit::{Exit, Problem},
    profiles,
};

const HISTORIES_DEFAULT: u32 = 12;

/// Where the engine is.
#[derive(Clone, Debug)]
pub(crate) enum Aim {
    Embedded,
    /// Somebody else has started it.
    Url(String),
    /// To be started.
    Command(Vec<String>),
}

/// A run, with everything that was said of it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) aim: Aim,
    pub(crate) http_url: Option<String>,
    /// What an engine that is not started here was started with.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) callback: Callback,
    pub(crate) hello: bool,
    pub(crate) pace: Pace,
    pub(crate) strict: bool,
    pub(crate) slow: bool,
    pub(crate) profile: Option<Profile>,
    pub(crate) histories: u32,
    pub(crate) expectations: Vec<Expectation>,
    /// What else the target file says.
    pub(crate) file: TargetFile,
}

impl Settings {
    /// Flags that are said or not have been filled in from the file when the command line was
    /// read.
    pub(crate) fn resolve(args: &RunArgs) -> Result<Self, Problem> {
        let file = match &args.target.target {
            Some(path) => TargetFile::read(path).map_err(usage)?,
            None => TargetFile::default(),
        };
        let aim = aim(args, &file)?;
        let profile = profiles::chosen(&args.selection, &file)?;
        let of_profile = profile.as_ref();
        let mut expectations = file.expected_failures.clone();
        if let Some(path) = &args.expected
            && (!args.update_expected || path.exists())
        {
            expectations.extend(expected(path)?);
        }
        Ok(Self {
            http_url: http_url(args, &file)?,
            variables: promised(args, &file)?,
            callback: callback(args, &file)?,
            hello: !args.target.no_hello,
            pace: pace(args, &file)?,
            strict: args.strict,
            slow: args.slow || of_profile.is_some_and(|it| it.slow),
            histories: args
                .histories
                .or(of_profile.and_then(|it| it.histories))
                .or(file.histories)
                .unwrap_or(HISTORIES_DEFAULT),
            profile,
            expectations,
            aim,
            file,
        })
    }
}

fn usage(problem: impl ToString) -> Problem {
    Problem::new(Exit::Usage, problem)
}

fn aim(args: &RunArgs, file: &TargetFile) -> Result<Aim, Problem> {
    if !args.target.command.is_empty() {
        return Ok(Aim::Command(args.target.command.clone()));
    }
    match (
        args.target.url.as_ref().or(file.url.as_ref()),
        &file.command,
    ) {
        (Some(url), _) if url.is_empty() => Err(usage(
            "--url or CONFORMANCE_URL is empty: say where the engine is, as ws://HOST:PORT, or \
             leave it out",
        )),
        (Some(url), _) if !url.starts_with("ws://") => Err(usage(format!(
            "`{url}` must begin with ws:// (wss:// is not supported)"
        ))),
        (Some(url), _) => Ok(Aim::Url(url.clone())),
        (None, Some(command)) => Ok(Aim::Command(command.clone())),
        (None, None) => Ok(Aim::Embedded),
    }
}

fn http_url(args: &RunArgs, file: &TargetFile) -> Result<Option<String>, Problem> {
    let Some(url) = args.target.http_url.as_ref().or(file.http_url.as_ref()) else {
        return Ok(None);
    };
    if url.is_empty() {
        return Err(usage(
            "--http-url or CONFORMANCE_HTTP_URL is empty: say where the engine serves http \
             triggers, as http://HOST:PORT, or leave it out",
        ));
    }
    if !url.starts_with("http://") {
        return Err(usage(format!(
            "--http-url: `{url}` must begin with http://"
        )));
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

fn callback(args: &RunArgs, file: &TargetFile) -> Result<Callback, Problem> {
    let said = args.target.callback_bind.or(file.callback_bind);
    let bind = said.unwrap_or(Callback::default().bind);
    let host = args
        .target
        .callback_host
        .as_ref()
        .or(file.callback_host.as_ref());
    if bind.ip().is_unspecified() && host.is_none() {
        return Err(usage(format!(
            "--callback-bind {bind} listens on every address of this machine: say with \
             --callback-host under which one the engine reaches it"
        )));
    }
    let host = host.cloned();
    Ok(Callback { bind, host })
}

/// What is said of the environment of an engine that somebody else has started.
fn promised(args: &RunArgs, file: &TargetFile) -> Result<BTreeMap<String, String>, Problem> {
    let environment =
        Environment::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let mut variables = BTreeMap::new();
    if args.target.env {
        variables.extend(environment.set.clone());
    }
    variables.extend(file.variables.clone());
    for text in &args.target.variable {
        let promise = environment.promise(text);
        let (name, value) = promise.map_err(|it| usage(format!("--variable: {it}")))?;
        variables.insert(name, value);
    }
    Ok(variables)
}

fn pace(args: &RunArgs, file: &TargetFile) -> Result<Pace, Problem> {
    let usual = Pace::default();
    let patience_ms = args.pace.patience_ms.or(file.patience_ms);
    let pace = Pace {
        jobs: args.pace.jobs.or(file.jobs).map_or(usual.jobs, usize::from),
        patience: patience_ms.map_or(usual.patience, Duration::from_millis),
        adapts: patience_ms.is_none(),
        ..usual
    };
    let scale = args.pace.time_scale.or(file.time_scale).unwrap_or(1.0);
    if !(0.1..=100.0).contains(&scale) {
        return Err(usage(format!(
            "time_scale must be from 0.1 to 100, got {scale}"
        )));
    }
    Ok(pace.scaled(scale))
}

fn expected(path: &Path) -> Result<Vec<Expectation>, Problem> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read `{shown}`: {error}")))?;
    let list: Vec<Expectation> = serde_json::from_str(&text).map_err(|error| {
        usage(format!(
            "{shown}:{}:{}: {error}",
            error.line(),
            error.column()
        ))
    })?;
    if let Some(nameless) = list.iter().find(|it| it.reason.trim().is_empty()) {
        return Err(usage(format!(
            "{shown}: `{}` needs a reason",
            nameless.case
        )));
    }
    Ok(list)
}
