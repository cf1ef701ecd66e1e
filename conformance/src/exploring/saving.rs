//! What is found, as a case file that shows it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use conformance_suite::{
    case::{Case, Cases},
    histories::Finding,
    ledger::Ledger,
    runner::{self, Context},
    target_file::TargetFile,
    verdict::Status,
};

use super::{Side, level};
use crate::{
    embedded,
    engine::Engine,
    exit::{Exit, Problem},
    settings::{Aim, Settings},
};

/// Told before anything is looked for.
pub(super) fn openable(folder: &Path) -> Result<(), Problem> {
    fs::create_dir_all(folder).map_err(|error| {
        let message = format!("--save: cannot make `{}`: {error}", folder.display());
        Problem::new(Exit::Usage, message)
    })
}

/// Writes the case of a finding into the folder.
pub(super) fn save(finding: &Finding, folder: &Path, ledger: &Ledger) -> Result<PathBuf, Problem> {
    let clause = finding.clause.to_ascii_lowercase();
    let id = format!("explored-{clause}-{}", finding.seed);
    let of = ledger.clause(finding.clause);
    let quote = of.and_then(|it| it.quote.as_deref());
    let case = finding.case(&id, level(ledger, finding).name(), quote);
    let text =
        serde_json::to_string_pretty(&case).map_err(|error| Problem::new(Exit::OurFault, error))?;
    let path = folder.join(format!("{id}.json"));
    fs::write(&path, text + "\n").map_err(|error| {
        let message = format!("cannot write `{}`: {error}", path.display());
        Problem::new(Exit::Usage, message)
    })?;
    Ok(path)
}

/// Plays a saved case: it has to fail where it was found, and to pass with the reference. What is
/// wrong with it, if something is.
pub(super) async fn doubt(
    path: &Path,
    ledger: &Ledger,
    side: &Side<'_>,
) -> Result<Option<String>, Problem> {
    let ours = |error: String| Problem::new(Exit::OurFault, error);
    let cases = Cases::from_file(path, ledger).map_err(|it| ours(it.to_string()))?;
    let id = path.file_stem().and_then(|it| it.to_str());
    let case = id.and_then(|it| cases.get(it));
    let case = case.ok_or_else(|| ours("the case is lost".to_owned()))?;
    let there = runner::run_case(&side.context, case, &side.features).await;
    if !matches!(there.status, Status::Failed(_)) {
        let doubt = "the case does not show it, since it depends on what a case cannot say";
        return Ok(Some(doubt.to_owned()));
    }
    let settings = Settings {
        aim: Aim::Embedded,
        file: TargetFile::default(),
        ..side.settings.clone()
    };
    Ok(
        match passes_with_the_reference(case, &cases, &settings).await? {
            true => None,
            false => Some("the reference does not pass the case either".to_owned()),
        },
    )
}

async fn passes_with_the_reference(
    case: &Case,
    cases: &Cases,
    settings: &Settings,
) -> Result<bool, Problem> {
    let ours = |error: String| Problem::new(Exit::OurFault, error);
    let server = embedded::start().await.map_err(|it| ours(it.to_string()))?;
    let engine = Engine::Embedded(server);
    let context = Context::new(engine.target(settings), settings.pace).map_err(ours)?;
    let probes = cases.iter().filter(|it| it.probes.is_some());
    let needed = probes.filter(|it| it.probes.as_ref().is_some_and(|it| case.needs.contains(it)));
    let needed: Vec<Arc<Case>> = needed.cloned().map(Arc::new).collect();
    let (events, _) = tokio::sync::mpsc::unbounded_channel();
    let (context, features, _) = runner::acquainted(&Arc::new(context), &needed, &events).await;
    let outcome = runner::run_case(&context, case, &features).await;
    engine.end().await;
    Ok(outcome.status == Status::Passed)
}
