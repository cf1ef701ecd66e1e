//! Target files: what is known of an engine, so that it need not be said on each command line.
//! Described in `spec/schema/target.json`.

use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::Path};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    expectation::Expectation,
    mapping::ConfigKeys,
    profile::{self, Profile},
};

/// An engine, and how to run the suite against it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TargetFile {
    /// Where its schema is, for editors.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// The engine's name, and its version.
    pub name: Option<String>,
    /// What a person should know before using the file.
    pub description: Option<String>,
    /// Where workers connect.
    pub url: Option<String>,
    /// Where http triggers are served.
    pub http_url: Option<String>,
    /// What starts the engine, as `-- COMMAND` does.
    pub command: Option<Vec<String>>,
    /// Where the suite listens for the engine's requests.
    pub callback_bind: Option<SocketAddr>,
    /// Under which name the engine reaches it there.
    pub callback_host: Option<String>,
    /// Whether the engine was started with what `conformance env` prints.
    pub env: bool,
    /// Variables that it was started with, and their values.
    pub variables: BTreeMap<String, String>,
    /// Whether sessions introduce themselves (CO-16).
    pub hello: Option<bool>,
    /// How the keys of trigger configs are called there.
    pub config_keys: ConfigKeys,
    /// Cases that have no meaning for this engine.
    pub not_applicable: Vec<Expectation>,
    /// Cases that are known to fail.
    pub expected_failures: Vec<Expectation>,
    /// How much more time than usual the engine is given.
    pub time_scale: Option<f64>,
    /// Whether every level decides.
    pub strict: bool,
    /// Whether the cases that take a minute are run.
    pub slow: bool,
    /// How many cases run at once; if more than one, as many again may wait for the engine's clock.
    pub jobs: Option<u16>,
    /// How long something that has to come may take, in milliseconds.
    pub patience_ms: Option<u64>,
    /// How many random histories there are.
    pub histories: Option<u32>,
    /// The profile that is run if none is asked for.
    pub profile: Option<String>,
    /// Profiles of its own, by name, beside those of the suite or in their place.
    pub profiles: BTreeMap<String, Profile>,
    /// Other flags of `run`, by their names with underscores; [`RUN_KEYS`] are those that have a
    /// place here.
    pub run: BTreeMap<String, Value>,
}

/// The flags that stand in `run`.
pub const RUN_KEYS: [&str; 11] = [
    "cases",
    "expected",
    "fail_fast",
    "level",
    "repeat",
    "report",
    "seed",
    "shard",
    "shuffle",
    "start_time_s",
    "verbose",
];

/// Why a target file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetFileError {
    /// It could not be read.
    #[error("cannot read `{path}`: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not JSON of the format; line and column are in the text.
    #[error("{path}:{line}:{column}: {problem}")]
    Format {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What is wrong there.
        problem: String,
    },
    /// It is well formed, and means nothing.
    #[error("`{path}`: {problem}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What stands in a file as it would stand on a command line, a word a value; none if it could
/// not stand there.
#[must_use]
pub fn words(value: &Value) -> Option<Vec<String>> {
    let word = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Array(values) => values.iter().map(word).collect(),
        value => word(value).map(|it| vec![it]),
    }
}

impl TargetFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A [`TargetFileError`] that says where it is wrong.
    pub fn read(path: &Path) -> Result<Self, TargetFileError> {
        let shown = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::from_text(&shown, &text),
            Err(source) => Err(TargetFileError::Io {
                path: shown,
                source,
            }),
        }
    }

    /// Reads a text, as if it stood in the file of that path.
    ///
    /// # Errors
    ///
    /// A [`TargetFileError`] that says where it is wrong.
    pub fn from_text(path: &str, text: &str) -> Result<Self, TargetFileError> {
        let file: Self = serde_json::from_str(text).map_err(|error| TargetFileError::Format {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            problem: error.to_string(),
        })?;
        file.check().map_err(|problem| TargetFileError::Content {
            path: path.to_owned(),
            problem,
        })?;
        Ok(file)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.url.is_some() && self.command.is_some() {
            return Err(
                "it has a `url` and a `command`: the suite either starts the engine or \
                        is told where it is"
                    .to_owned(),
            );
        }
        if self.http_url.is_some() && self.command.is_some() {
            return Err(
                "it has an `http_url` and a `command`: an engine that is started is told \
                        its port by {http_port}"
                    .to_owned(),
            );
        }
        self.config_keys.check()?;
        for profile in profile::named(self.profiles.clone()).values() {
            profile.check()?;
        }
        for (key, value) in &self.run {
            if !RUN_KEYS.contains(&key.as_str()) {
                let keys = RUN_KEYS.join(", ");
                return Err(format!("`run` has no `{key}`; it has {keys}"));
            }
            if words(value).is_none() {
                return Err(format!(
                    "`run.{key}` is neither a scalar nor a list of scalars"
                ));
            }
        }
        let excused = self.expected_failures.iter().chain(&self.not_applicable);
        if let Some(nameless) = excused.clone().find(|it| it.reason.trim().is_empty()) {
            return Err(format!("`{}` needs a reason", nameless.case));
        }
        let mut cases: Vec<&str> = excused.map(|it| it.case.as_str()).collect();
        cases.sort_unstable();
        if let Some([twice, _]) = cases.array_windows().find(|[a, b]| a == b) {
            return Err(format!("`{twice}` is excused twice"));
        }
        Ok(())
    }
}
