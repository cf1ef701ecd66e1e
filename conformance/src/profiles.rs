//! The profile of a run: which one was asked for, and what it leaves of the cases.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use conformance_suite::{
    case::{Case, Cases},
    profile::{self, Profile},
    target_file::TargetFile,
};

use crate::{
    cli::Selection,
    commands::wants_histories,
    exit::{Exit, Problem},
};

/// All that can be asked for: those of the suite, and those of the target file.
pub(crate) fn all(file: &TargetFile) -> Result<BTreeMap<String, Profile>, Problem> {
    let mut profiles = profile::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    profiles.extend(profile::named(file.profiles.clone()));
    Ok(profiles)
}

/// The one that the command line, its environment variable or the target file asks for.
pub(crate) fn chosen(selection: &Selection, file: &TargetFile) -> Result<Option<Profile>, Problem> {
    let Some(name) = selection.profile.as_ref().or(file.profile.as_ref()) else {
        return Ok(None);
    };
    let mut profiles = all(file)?;
    match profiles.remove(name) {
        Some(profile) => Ok(Some(profile)),
        None => Err(unknown(name, &profiles)),
    }
}

/// What a profile leaves of cases that the command line has selected.
pub(crate) fn narrowed(
    profile: Option<&Profile>,
    selection: &Selection,
    known: &Cases,
    cases: Vec<Case>,
) -> Result<Vec<Case>, Problem> {
    let Some(profile) = profile else {
        return Ok(cases);
    };
    let name = &profile.name;
    // Cases of another folder need not be those that a profile of the suite names.
    let unknown = profile.unknown(known);
    if let Some(selector) = unknown.filter(|_| selection.source.cases.is_none()) {
        let message = format!("the profile `{name}`: no case and no clause is called `{selector}`");
        return Err(Problem::new(Exit::Usage, message));
    }
    let histories = wants_histories(selection);
    // Those that probe come along with others.
    let judges = |cases: &[Case]| cases.iter().any(|it| it.probes.is_none());
    let judged = judges(&cases);
    let cases = profile.narrow(cases, histories);
    let nothing = cases.is_empty() || (judged && !judges(&cases));
    if nothing && !(histories && profile.wants_histories()) {
        let message = format!("the profile `{name}` has none of the cases that are selected");
        return Err(Problem::new(Exit::NothingRan, message));
    }
    Ok(cases)
}

/// For people, before a run.
pub(crate) fn describe(profile: &Profile) -> String {
    let Profile { name, title, .. } = profile;
    match profile.is_whole() {
        true => format!("profile: {name}: {title}"),
        false => format!("profile: {name}, a part of the suite: {title}"),
    }
}

/// The profiles, each on a line.
pub(crate) fn list(file: &TargetFile, out: &mut dyn Write) -> Result<io::Result<()>, Problem> {
    let profiles = all(file)?;
    let width = profiles.keys().map(String::len).max().unwrap_or_default();
    let mut lines = profiles.values();
    Ok(lines.try_for_each(|it| writeln!(out, "{:<width$}  {}", it.name, it.title)))
}

fn unknown(name: &str, profiles: &BTreeMap<String, Profile>) -> Problem {
    const LIKENESS_MIN: f64 = 0.8;
    let likeness = |known: &&String| strsim::jaro_winkler(name, known);
    let nearest = profiles
        .keys()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|known| likeness(known) > LIKENESS_MIN);
    let hint = nearest.map_or(String::new(), |known| format!(" (did you mean `{known}`?)"));
    let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let message = format!(
        "no profile is called `{name}`{hint}; there are {}",
        known.join(", ")
    );
    Problem::new(Exit::Usage, message)
}
