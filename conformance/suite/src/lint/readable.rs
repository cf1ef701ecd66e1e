//! A case as far as it can be read: what is wrong with one field hides nothing of the others.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    case::{Case, Endpoint, EnvironmentNeeds, Level, Problem, Step},
    template::{Use, faults},
};

/// What could be read of a case.
pub(super) struct Readable {
    pub(super) case: Case,
    /// For each step that could be read, where it stands in the file.
    steps: Vec<usize>,
    /// What the steps that could not be read were on.
    unreadable: Vec<String>,
    /// What is wrong with the templates of those, in the file.
    pub(super) problems: Vec<Problem>,
}

impl Readable {
    /// `id` stands in for an id that is none.
    pub(super) fn of(value: &Value, id: &str) -> Self {
        let (mut steps, mut places, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let mut problems = Vec::new();
        for (index, step) in items(value, "steps").enumerate() {
            match read::<Step>(step) {
                Some(step) => {
                    steps.push(step);
                    places.push(index);
                }
                None => {
                    unreadable.extend(step.get("on").and_then(read));
                    problems.extend(template_problems(index, step));
                }
            }
        }
        let endpoints = value.get("endpoints").and_then(Value::as_object);
        let endpoints = endpoints.into_iter().flatten();
        let case = Case {
            schema: None,
            id: field(value, "id").unwrap_or_else(|| id.to_owned()),
            title: String::new(),
            clauses: items(value, "clauses")
                .map(|it| read(it).unwrap_or_default())
                .collect(),
            level: field(value, "level").unwrap_or(Level::Observe),
            quote: field(value, "quote"),
            isolates: String::new(),
            probes: field(value, "probes"),
            needs: items(value, "needs")
                .map(|it| read(it).unwrap_or_default())
                .collect(),
            environment: EnvironmentNeeds::default(),
            verbatim: field(value, "verbatim").unwrap_or_default(),
            alone: false,
            clock_s: 0,
            endpoints: endpoints
                .map(|(name, it)| {
                    let endpoint = read(it).unwrap_or(Endpoint::Raw(Vec::new()));
                    (name.clone(), endpoint)
                })
                .collect(),
            sessions: match value.get("sessions") {
                Some(_) => items(value, "sessions").filter_map(read).collect(),
                None => vec!["worker".to_owned()],
            },
            silent: items(value, "silent").filter_map(read).collect(),
            steps,
        };
        Self {
            case,
            steps: places,
            unreadable,
            problems,
        }
    }

    /// A problem of the case as one of the file, unless it follows from what could not be read.
    pub(super) fn in_file(&self, problem: Problem) -> Option<Problem> {
        let Some((index, below)) = problem
            .pointer
            .strip_prefix("/steps/")
            .and_then(|it| it.split_once('/'))
        else {
            return Some(problem);
        };
        let index: usize = index.parse().ok()?;
        let on = &self.case.steps.get(index)?.on;
        if below == "on" && self.unreadable.contains(on) {
            return None;
        }
        let pointer = format!("/steps/{}/{below}", self.steps.get(index)?);
        Some(Problem { pointer, ..problem })
    }
}

fn template_problems(index: usize, step: &Value) -> Vec<Problem> {
    let verbs = [
        ("send", Use::Send),
        ("send_text", Use::Send),
        ("expect", Use::Compare),
        ("quiet", Use::Compare),
        ("expect_request", Use::Compare),
        ("expect_response", Use::Compare),
        ("expect_all", Use::Compare),
    ];
    let mut found = Vec::new();
    for (verb, used) in verbs {
        for (below, error) in step
            .get(verb)
            .map(|it| faults(it, used))
            .into_iter()
            .flatten()
        {
            let pointer = format!("/steps/{index}/{verb}{below}");
            found.push(Problem::new(pointer, error.to_string()));
        }
    }
    found
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn field<T: DeserializeOwned>(value: &Value, name: &str) -> Option<T> {
    value.get(name).and_then(read)
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
