//! The command that does it again.

use std::path::PathBuf;

use conformance_suite::{
    histories,
    verdict::{Outcome, Status},
};

use crate::cli::RunArgs;

/// The run that aims at the same target in the same way, up to the cases.
pub(crate) fn again(args: &RunArgs, plan: Option<histories::Plan>, outcomes: &[Outcome]) -> String {
    let wandered_off = outcomes
        .iter()
        .any(|it| it.case == histories::ID && matches!(it.status, Status::Failed(_)));
    let seed = plan.filter(|_| wandered_off || args.shuffle);
    command_of("run", args, seed.map(|it| it.seed))
}

/// A command that aims at the same target in the same way.
pub(crate) fn command_of(name: &str, args: &RunArgs, seed: Option<u64>) -> String {
    let mut words = vec![format!("conformance {name}")];
    let mut say = |flag: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("{flag} {}", quoted(&value))));
    };
    let target = &args.target;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|it| it.display().to_string());
    say("--target", path(&target.target));
    say("--url", target.url.clone());
    say("--http-url", target.http_url.clone());
    for promise in &target.variable {
        say("--variable", Some(promise.clone()));
    }
    say(
        "--callback-bind",
        target.callback_bind.map(|it| it.to_string()),
    );
    say("--callback-host", target.callback_host.clone());
    say("--expected", path(&args.expected));
    say("--cases", path(&args.selection.source.cases));
    say("--profile", args.selection.profile.clone());
    say(
        "--time-scale",
        args.pace.time_scale.map(|it| it.to_string()),
    );
    say("--seed", seed.map(|it| it.to_string()));
    for (flag, said) in [
        ("--env", target.env),
        ("--no-hello", target.no_hello),
        ("--strict", args.strict),
        ("--slow", args.slow),
        ("--shuffle", args.shuffle),
    ] {
        words.extend(said.then(|| flag.to_owned()));
    }
    words.join(" ")
}

/// What starts the engine again, to be put behind the cases.
pub(crate) fn command_again(args: &RunArgs) -> String {
    let words = args.target.command.iter().map(|it| quoted(it));
    match args.target.command.is_empty() {
        true => String::new(),
        false => format!(" -- {}", words.collect::<Vec<_>>().join(" ")),
    }
}

/// As a word of a shell's.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:=/{}".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
