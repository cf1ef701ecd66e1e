//! Reading case files, and refusing those that could not mean what they say.

use std::{collections::BTreeMap, fs, io, path::Path};

use wildmatch::WildMatch;

use super::{Action, AlternativeKind, Case};
use crate::{
    assets,
    ledger::Ledger,
    template::{TemplateError, Use, check},
};

/// All cases of a run, in order of their ids.
#[derive(Clone, Debug)]
pub struct Cases(Vec<Case>);

/// Why a case file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// It could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not JSON of the case format.
    #[error("`{path}` is not a case: {source}")]
    Format {
        /// The file.
        path: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It is well formed, but could not be judged.
    #[error("`{path}`: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Cases {
    /// The cases that the suite carries.
    ///
    /// # Errors
    ///
    /// A [`CaseError`] that names the file; for the cases that were built in, a test sees that
    /// there is none.
    pub fn embedded(ledger: &Ledger) -> Result<Self, CaseError> {
        Self::read(
            assets::cases()
                .into_iter()
                .map(|file| (file.path.to_owned(), file.text.to_owned())),
            ledger,
        )
    }

    /// The cases of a folder, and of the folders in it.
    ///
    /// # Errors
    ///
    /// A [`CaseError`] that names the file.
    pub fn from_folder(folder: &Path, ledger: &Ledger) -> Result<Self, CaseError> {
        let mut files = BTreeMap::new();
        collect(folder, &mut files)?;
        Self::read(files, ledger)
    }

    fn read(
        files: impl IntoIterator<Item = (String, String)>,
        ledger: &Ledger,
    ) -> Result<Self, CaseError> {
        let mut cases: BTreeMap<String, (String, Case)> = BTreeMap::new();
        for (path, text) in files {
            let case: Case = match serde_json::from_str(&text) {
                Ok(case) => case,
                Err(source) => return Err(CaseError::Format { path, source }),
            };
            if let Err(problem) = check_case(&case, &path, ledger) {
                return Err(CaseError::Content { path, problem });
            }
            if let Some((other, _)) = cases.get(&case.id) {
                let problem = format!("the id `{}` is that of `{other}` already", case.id);
                return Err(CaseError::Content { path, problem });
            }
            cases.insert(case.id.clone(), (path, case));
        }
        let cases: Vec<Case> = cases.into_values().map(|(_, case)| case).collect();
        for case in &cases {
            let provided =
                |feature: &&String| !cases.iter().any(|it| it.probes.as_ref() == Some(feature));
            if let Some(feature) = case.needs.iter().find(provided) {
                return Err(CaseError::Content {
                    path: format!("{}.json", case.id),
                    problem: format!("no case probes for the feature `{feature}` that it needs"),
                });
            }
        }
        Ok(Self(cases))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Case> {
        self.0.iter()
    }

    /// The case of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Case> {
        self.0.iter().find(|case| case.id == id)
    }

    /// Those that a selector names, and the probes that they need: a whole id, the beginning of
    /// one, a clause's id, or a pattern with `*`. No selector at all selects everything.
    #[must_use]
    pub fn select(&self, selectors: &[String]) -> Vec<Case> {
        let chosen = |case: &Case| {
            selectors.is_empty() || selectors.iter().any(|selector| selects(selector, case))
        };
        let needed: Vec<&String> = self
            .0
            .iter()
            .filter(|it| chosen(it))
            .flat_map(|it| &it.needs)
            .collect();
        let probed = |case: &Case| case.probes.as_ref().is_some_and(|it| needed.contains(&it));
        self.0
            .iter()
            .filter(|it| chosen(it) || probed(it))
            .cloned()
            .collect()
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<String, String>) -> Result<(), CaseError> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |source| CaseError::Io { path, source }
    };
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|it| it == "json") {
            let text = fs::read_to_string(&path).map_err(at(&path))?;
            files.insert(path.display().to_string(), text);
        }
    }
    Ok(())
}

fn selects(selector: &str, case: &Case) -> bool {
    if case
        .clauses
        .iter()
        .any(|it| it.eq_ignore_ascii_case(selector))
    {
        return true;
    }
    if selector.contains('*') {
        WildMatch::new(selector).matches(&case.id)
    } else {
        case.id.starts_with(selector)
    }
}

fn check_case(case: &Case, path: &str, ledger: &Ledger) -> Result<(), String> {
    if Path::new(path).file_stem().and_then(|it| it.to_str()) != Some(&case.id) {
        return Err(format!(
            "the id is `{}`, so the file must be `{0}.json`",
            case.id
        ));
    }
    if case.clauses.is_empty() {
        return Err("it names no clause".to_owned());
    }
    for id in &case.clauses {
        if ledger.clause(id).is_none() {
            return Err(format!("there is no clause `{id}`"));
        }
    }
    if let Some(quote) = &case.quote {
        let mut documents = ledger
            .clauses
            .iter()
            .filter_map(|it| it.document.as_deref());
        if !documents.any(|name| assets::document(name).is_some_and(|it| it.contains(quote))) {
            return Err(format!("the quote is in no document: {quote}"));
        }
    }
    if case.probes.is_some() && !case.needs.is_empty() {
        return Err("it probes for a feature, so it cannot need others".to_owned());
    }
    for (name, endpoint) in &case.endpoints {
        for template in endpoint.templates() {
            check(template, Use::Send).map_err(|error| format!("endpoint `{name}`: {error}"))?;
        }
    }
    check_steps(case)
}

/// Whether each step's session or endpoint is there, and its templates have a meaning.
fn check_steps(case: &Case) -> Result<(), String> {
    let mut open: Vec<&str> = case.sessions.iter().map(String::as_str).collect();
    if let Some(name) = open.iter().find(|it| case.endpoints.contains_key(**it)) {
        return Err(format!("`{name}` is both a session and an endpoint"));
    }
    let mut asked: Vec<&str> = Vec::new();
    for step in &case.steps {
        let on = step.on.as_str();
        let (is_open, is_endpoint) = (open.contains(&on), case.endpoints.contains_key(on));
        let problem = match &step.action {
            Action::Request(_) if is_open || is_endpoint || asked.contains(&on) => {
                Some(format!("`{on}` is the name of something else already"))
            }
            Action::Request(request) => {
                asked.push(on);
                request.check().err()
            }
            Action::ExpectResponse(_) => (!asked.contains(&on))
                .then(|| format!("no request `{on}` was sent when a step waits for its answer")),
            action if action.is_of_endpoint() => {
                (!is_endpoint).then(|| format!("there is no endpoint `{on}`"))
            }
            Action::Connect if is_open => Some(format!("session `{on}` is open already")),
            Action::Connect if is_endpoint => {
                Some(format!("`{on}` is both a session and an endpoint"))
            }
            Action::Connect => {
                open.push(on);
                None
            }
            _ => (!is_open).then(|| format!("no session `{on}` is open when a step needs it")),
        };
        if let Some(problem) = problem {
            return Err(problem);
        }
        check_templates(&step.action).map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn check_templates(action: &Action) -> Result<(), TemplateError> {
    match action {
        Action::Send(template) | Action::SendText(template) => check(template, Use::Send),
        Action::Expect(template)
        | Action::Quiet(template)
        | Action::ExpectRequest(template)
        | Action::ExpectResponse(template) => check(template, Use::Compare),
        Action::Request(request) => request.templates().try_for_each(|it| check(it, Use::Send)),
        Action::ExpectAll(templates) => templates.iter().try_for_each(|it| check(it, Use::Compare)),
        Action::ExpectOne(alternatives) => alternatives.iter().try_for_each(|it| match &it.kind {
            AlternativeKind::Expect(template) | AlternativeKind::Quiet(template) => {
                check(template, Use::Compare)
            }
            AlternativeKind::Close(_) => Ok(()),
        }),
        Action::Connect
        | Action::SendRaw(_)
        | Action::Alive
        | Action::Ping
        | Action::Close(_)
        | Action::Drop
        | Action::ExpectClose(_)
        | Action::NoRequest => Ok(()),
    }
}
