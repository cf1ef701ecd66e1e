//! A report that is read back, as far as two of them can be compared.

use std::{collections::BTreeSet, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::report::{
    document::{Document, FORMAT_VERSION},
    plain::VALUE_CHARACTERS,
    printable,
};

/// What a run came to: a saved report of the format `json`, or one that was never written.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    /// Where it was read from, for people; none if its run has just ended.
    #[serde(skip)]
    pub(super) file: Option<String>,
    pub(super) suite_version: String,
    pub(super) target: String,
    #[serde(default)]
    pub(super) target_name: Option<String>,
    #[serde(default)]
    pub(super) embedded: bool,
    pub(super) started: String,
    pub(super) options: SavedOptions,
    #[serde(default)]
    pub(super) interrupted: bool,
    #[serde(default)]
    problem: Option<String>,
    pub(super) clauses: Vec<SavedClause>,
    pub(super) cases: Vec<SavedCase>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SavedOptions {
    pub(super) strict: bool,
    pub(super) seed: Option<String>,
    pub(super) selection: Vec<String>,
    pub(super) levels: Vec<String>,
    pub(super) shard: Option<String>,
    pub(super) profile: Option<String>,
    pub(super) slow: bool,
    pub(super) histories: Option<u32>,
    pub(super) variables: BTreeSet<String>,
    pub(super) http_url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SavedClause {
    pub(super) id: String,
    pub(super) title: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct SavedCase {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) level: String,
    pub(super) clauses: Vec<String>,
    /// As text, since another suite may have verdicts that this one does not know.
    pub(super) verdict: String,
    pub(super) reason: Option<String>,
    pub(super) failure: Option<SavedFailure>,
    #[serde(default)]
    pub(super) remarks: Vec<String>,
    #[serde(default)]
    pub(super) branches: Vec<String>,
    #[serde(default)]
    pub(super) malformed: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedFailure {
    pub(super) step: Option<usize>,
    pub(super) expected: String,
    pub(super) problem: String,
    pub(super) mismatches: Vec<SavedMismatch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SavedMismatch {
    pub(super) path: String,
    pub(super) expected: String,
    pub(super) received: String,
}

/// Why a file cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// It could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is something else than a report of the format `json`.
    #[error(
        "`{path}` is no report of a run: {problem}; `conformance run --report json={path}` writes one"
    )]
    NoReport {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is a report of another version of the format.
    #[error(
        "`{path}` is of version {version} of the report format, and this suite reads version \
         {FORMAT_VERSION}: write the report anew with this suite, or compare it with the one \
         that has written it"
    )]
    Version {
        /// The file.
        path: String,
        /// Its version, as it stands there.
        version: String,
    },
    /// Its run has judged nothing.
    #[error("there is nothing to compare in `{path}`: {problem}")]
    Nothing {
        /// The file.
        path: String,
        /// Why.
        problem: String,
    },
}

impl Saved {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A [`SavedError`] that says what the file is instead.
    pub fn read(path: &Path) -> Result<Self, SavedError> {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, shown),
            Err(source) => Err(SavedError::Io {
                path: shown,
                source,
            }),
        }
    }

    /// A run that has just ended.
    ///
    /// # Errors
    ///
    /// If the document cannot be read back; a test sees that it can.
    pub fn of(document: &Document<'_>) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(document)?)
    }

    /// The seed of its random histories, or of its order.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.options.seed.as_ref()?.parse().ok()
    }

    /// Whether the cases that take a minute were run.
    #[must_use]
    pub fn slow(&self) -> bool {
        self.options.slow
    }

    /// How many random histories there were to be, if it is known.
    #[must_use]
    pub fn histories(&self) -> Option<u32> {
        self.options.histories
    }

    /// Whether it has the case of this id.
    #[must_use]
    pub fn has(&self, case: &str) -> bool {
        self.cases.iter().any(|it| it.id == case)
    }

    /// Leaves out the cases whose ids are not to be compared.
    pub fn retain(&mut self, compared: impl Fn(&str) -> bool) {
        self.cases.retain(|it| compared(&it.id));
    }

    /// Whether it has a case of which the suite itself could not make anything.
    #[must_use]
    pub fn has_harness_errors(&self) -> bool {
        self.cases.iter().any(|it| it.verdict == "harness_error")
    }

    fn parse(text: &str, path: String) -> Result<Self, SavedError> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                let problem = match is_lines(text) {
                    true => "it is of the format jsonl".to_owned(),
                    false => format!("it is no JSON: {error}"),
                };
                return Err(SavedError::NoReport { path, problem });
            }
        };
        match value.get("format_version") {
            Some(version) if version.as_u64() == Some(FORMAT_VERSION.into()) => {}
            Some(version) => {
                let version = printable(&version.to_string(), VALUE_CHARACTERS);
                return Err(SavedError::Version { path, version });
            }
            None => {
                let problem = "it has no `format_version`".to_owned();
                return Err(SavedError::NoReport { path, problem });
            }
        }
        match serde_json::from_value::<Self>(value) {
            Ok(saved) => saved.checked(path),
            Err(error) => {
                let problem = printable(&error.to_string(), VALUE_CHARACTERS);
                Err(SavedError::NoReport { path, problem })
            }
        }
    }

    fn checked(mut self, path: String) -> Result<Self, SavedError> {
        if let Some(why) = &self.problem {
            let why = printable(why, VALUE_CHARACTERS);
            let problem = format!("its run did not take place: {why}");
            return Err(SavedError::Nothing { path, problem });
        }
        if self.cases.is_empty() {
            let problem = "it has no case".to_owned();
            return Err(SavedError::Nothing { path, problem });
        }
        let mut ids = BTreeSet::new();
        if let Some(twice) = self.cases.iter().find(|it| !ids.insert(&it.id)) {
            let id = printable(&twice.id, VALUE_CHARACTERS);
            let problem = format!("the case `{id}` is in it twice");
            return Err(SavedError::NoReport { path, problem });
        }
        self.file = Some(path);
        Ok(self)
    }
}

/// Whether it is a report of lines.
fn is_lines(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let first: Value = serde_json::from_str(first).unwrap_or_default();
    first.get("event").is_some()
}
