//! Reading case files, and refusing those that could not mean what they say.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::Value;

use super::{Action, AlternativeKind, Case};
use crate::{
    assets,
    ledger::Ledger,
    template::{Use, check, escaped, faults},
};

/// Something in a case that a runner refuses, and where: a JSON pointer into its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) pointer: String,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

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

    /// The cases of a folder, and of the folders in it, with those that the suite carries which
    /// probe for the features that they need and do not probe for themselves.
    ///
    /// # Errors
    ///
    /// A [`CaseError`] that names the file.
    pub fn from_folder(folder: &Path, ledger: &Ledger) -> Result<Self, CaseError> {
        let mut files = BTreeMap::new();
        collect(folder, &mut files)?;
        let mut cases = Self::parse(files, ledger)?;
        let needed = |probe: &Case| {
            let feature = probe.probes.as_ref();
            let probed = cases.iter().any(|it| it.probes.as_ref() == feature);
            let needs = |it: &Case| it.needs.iter().any(|it| Some(it) == feature);
            // A fence is a ping, if there is one.
            let fences = !cases.is_empty() && feature.is_some_and(|it| it == "ping");
            let wanted = cases.iter().any(needs) || fences;
            let named = cases.iter().any(|it| it.id == probe.id);
            feature.is_some() && wanted && !probed && !named
        };
        let carried = Self::embedded(ledger)?.0;
        let probes: Vec<Case> = carried.into_iter().filter(needed).collect();
        cases.extend(probes);
        Self::complete(cases)
    }

    /// The case of a file, wherever it is, beside the cases of the suite that probe for features.
    ///
    /// # Errors
    ///
    /// A [`CaseError`] that names the file.
    pub fn from_file(file: &Path, ledger: &Ledger) -> Result<Self, CaseError> {
        let path = file.display().to_string();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(source) => return Err(CaseError::Io { path, source }),
        };
        Self::from_text(&path, text, ledger)
    }

    /// Likewise of a text, as if it stood in the file of that path.
    ///
    /// # Errors
    ///
    /// A [`CaseError`] that names the path.
    pub fn from_text(path: &str, text: String, ledger: &Ledger) -> Result<Self, CaseError> {
        let own = Path::new(path).file_stem().and_then(|it| it.to_str());
        let embedded = Self::embedded(ledger)?;
        let is_probe = |asset: &assets::Asset| {
            let id = Path::new(asset.path).file_stem().and_then(|it| it.to_str());
            id != own
                && embedded
                    .iter()
                    .any(|it| it.probes.is_some() && Some(&*it.id) == id)
        };
        let probes = assets::cases().into_iter().filter(is_probe);
        let probes = probes.map(|it| (it.path.to_owned(), it.text.to_owned()));
        Self::read(probes.chain([(path.to_owned(), text)]), ledger)
    }

    fn read(
        files: impl IntoIterator<Item = (String, String)>,
        ledger: &Ledger,
    ) -> Result<Self, CaseError> {
        Self::complete(Self::parse(files, ledger)?)
    }

    fn parse(
        files: impl IntoIterator<Item = (String, String)>,
        ledger: &Ledger,
    ) -> Result<Vec<Case>, CaseError> {
        let mut cases: BTreeMap<String, (String, Case)> = BTreeMap::new();
        for (path, text) in files {
            let case: Case = match serde_json::from_str(&text) {
                Ok(case) => case,
                Err(source) => return Err(CaseError::Format { path, source }),
            };
            if let Some(Problem { message, .. }) = problems(&case, &path, ledger).into_iter().next()
            {
                return Err(CaseError::Content {
                    path,
                    problem: message,
                });
            }
            if let Some((other, _)) = cases.get(&case.id) {
                let problem = format!("the id `{}` is that of `{other}` already", case.id);
                return Err(CaseError::Content { path, problem });
            }
            cases.insert(case.id.clone(), (path, case));
        }
        Ok(cases.into_values().map(|(_, case)| case).collect())
    }

    /// Sorted by their ids, if there is a probe for all that they need.
    fn complete(mut cases: Vec<Case>) -> Result<Self, CaseError> {
        cases.sort_by(|a, b| a.id.cmp(&b.id));
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
            selectors.is_empty() || selectors.iter().any(|selector| case.is_named_by(selector))
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

/// Everything in a case that a runner refuses, in the order in which it is looked for.
pub(crate) fn problems(case: &Case, path: &str, ledger: &Ledger) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut refuse = |pointer: &str, message: String| found.push(Problem::new(pointer, message));
    if Path::new(path).file_stem().and_then(|it| it.to_str()) != Some(&case.id) {
        let message = format!("the id is `{}`, so the file must be `{0}.json`", case.id);
        refuse("/id", message);
    }
    if case.clauses.is_empty() {
        refuse("/clauses", "it names no clause".to_owned());
    }
    for (index, id) in case.clauses.iter().enumerate() {
        if ledger.clause(id).is_none() {
            let pointer = format!("/clauses/{index}");
            refuse(&pointer, format!("there is no clause `{id}`"));
        }
    }
    if let Some(quote) = &case.quote {
        let mut documents = ledger
            .clauses
            .iter()
            .filter_map(|it| it.document.as_deref());
        if !documents.any(|name| assets::document(name).is_some_and(|it| it.contains(quote))) {
            refuse("/quote", format!("the quote is in no document: {quote}"));
        }
    }
    if case.probes.is_some() && !case.needs.is_empty() {
        let message = "it probes for a feature, so it cannot need others";
        refuse("/needs", message.to_owned());
    }
    for (name, endpoint) in &case.endpoints {
        for template in endpoint.templates() {
            if let Err(error) = check(template, Use::Send) {
                let pointer = format!("/endpoints/{}", escaped(name));
                refuse(&pointer, format!("endpoint `{name}`: {error}"));
            }
        }
    }
    check_steps(case, &mut found);
    found
}

/// Whether each step's session or endpoint is there, and its templates have a meaning.
fn check_steps(case: &Case, found: &mut Vec<Problem>) {
    let mut open: Vec<&str> = case.sessions.iter().map(String::as_str).collect();
    if let Some(name) = open.iter().find(|it| case.endpoints.contains_key(**it)) {
        let message = format!("`{name}` is both a session and an endpoint");
        found.push(Problem::new("/sessions", message));
    }
    for (index, name) in case.silent.iter().enumerate() {
        let opens = |step: &super::Step| step.on == *name && matches!(step.action, Action::Connect);
        if !case.sessions.contains(name) && !case.steps.iter().any(opens) {
            let message = format!("there is no session `{name}`");
            found.push(Problem::new(format!("/silent/{index}"), message));
        }
    }
    let (mut asked, mut closed) = (Vec::<&str>::new(), Vec::<&str>::new());
    for (index, step) in case.steps.iter().enumerate() {
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
            Action::Close(_) | Action::Drop if is_open => {
                open.retain(|it| *it != on);
                if let Action::Close(_) = step.action {
                    closed.push(on);
                }
                None
            }
            Action::ExpectClose(_) if !is_open && closed.contains(&on) => {
                closed.retain(|it| *it != on);
                None
            }
            _ => (!is_open).then(|| format!("no session `{on}` is open when a step needs it")),
        };
        found.extend(problem.map(|it| Problem::new(format!("/steps/{index}/on"), it)));
        for (below, template, used) in templates(&step.action) {
            let faults = faults(template, used).into_iter();
            found.extend(faults.map(|(deeper, error)| {
                Problem::new(format!("/steps/{index}/{below}{deeper}"), error.to_string())
            }));
        }
    }
}

/// The templates of a step: where each stands below the step, and what it is used for.
pub(crate) fn templates(action: &Action) -> Vec<(String, &Value, Use)> {
    let one = |verb: &str, template, used| vec![(verb.to_owned(), template, used)];
    match action {
        Action::Send(template) => one("send", template, Use::Send),
        Action::SendText(template) => one("send_text", template, Use::Send),
        Action::Expect(template) => one("expect", template, Use::Compare),
        Action::Quiet(template) => one("quiet", template, Use::Compare),
        Action::ExpectRequest(template) => one("expect_request", template, Use::Compare),
        Action::ExpectResponse(template) => one("expect_response", template, Use::Compare),
        Action::Request(request) => request
            .templates()
            .map(|template| ("request".to_owned(), template, Use::Send))
            .collect(),
        Action::ExpectAll(templates) => templates
            .iter()
            .enumerate()
            .map(|(index, it)| (format!("expect_all/{index}"), it, Use::Compare))
            .collect(),
        Action::ExpectOne(alternatives) => alternatives
            .iter()
            .enumerate()
            .filter_map(|(index, it)| {
                let (verb, template) = match &it.kind {
                    AlternativeKind::Expect(template) => ("expect", template),
                    AlternativeKind::Quiet(template) => ("quiet", template),
                    AlternativeKind::Close(_) => return None,
                };
                let below = format!("expect_one/{index}/{verb}");
                Some((below, template, Use::Compare))
            })
            .collect(),
        Action::Connect
        | Action::SendRaw(_)
        | Action::Alive
        | Action::Ping
        | Action::Close(_)
        | Action::Drop
        | Action::ExpectClose(_)
        | Action::NoRequest => Vec::new(),
    }
}
