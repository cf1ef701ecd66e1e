//! Holding frames to `spec/schema`.

use std::{collections::BTreeMap, sync::OnceLock};

use jsonschema::{Registry, Validator};
use serde_json::Value;

use crate::{
    assets,
    transcript::{Direction, Entry},
};

/// What an engine may send, by frame type; where a frame looks different towards an engine, the
/// schema is the one of the engine's own.
const FROM_ENGINE: [(&str, &str); 11] = [
    ("error", "error.json"),
    (
        "functionregistrationresult",
        "functionregistrationresult.json",
    ),
    ("invocationresult", "invocationresult.json"),
    ("invokefunction", "invokefunction.to-worker.json"),
    ("ping", "ping.json"),
    ("pong", "pong.json"),
    ("registertrigger", "registertrigger.json"),
    (
        "triggerregistrationresult",
        "triggerregistrationresult.json",
    ),
    (
        "triggertyperegistrationresult",
        "triggertyperegistrationresult.json",
    ),
    ("unregistertrigger", "unregistertrigger.to-provider.json"),
    ("workerregistered", "workerregistered.json"),
];

/// Of one case's faults no more are told.
const FAULTS_MAX: usize = 20;
/// What is longer is told without the value that is wrong.
const FAULT_BYTES_MAX: usize = 1_000;

/// The schemas of what an engine sends.
#[derive(Debug)]
pub struct FrameSchemas(BTreeMap<&'static str, Validator>);

impl FrameSchemas {
    /// Those that the suite carries.
    ///
    /// # Errors
    ///
    /// Which schema cannot be used, and why; a test sees that all can.
    pub fn embedded() -> Result<&'static Self, String> {
        // Compiling them takes longer than most cases do, and `power` runs hundreds of suites.
        static SCHEMAS: OnceLock<Result<FrameSchemas, String>> = OnceLock::new();
        SCHEMAS
            .get_or_init(Self::compile)
            .as_ref()
            .map_err(Clone::clone)
    }

    fn compile() -> Result<Self, String> {
        let family = Family::embedded()?;
        let schemas = FROM_ENGINE
            .into_iter()
            .map(|(kind, file)| Ok((kind, family.validator(file)?)));
        Ok(Self(schemas.collect::<Result<_, String>>()?))
    }

    /// What is wrong with the frames that the engine sent, each with the frame's type: the first
    /// of it, if it is much.
    pub(crate) fn faults(&self, transcript: &[Entry]) -> Vec<String> {
        let received = transcript
            .iter()
            .filter(|entry| entry.direction == Direction::Received);
        let mut faults = Vec::new();
        for fault in received
            .filter_map(|entry| serde_json::from_str(&entry.text).ok())
            .flat_map(|frame: Value| self.faults_of(&frame))
        {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
            if faults.len() == FAULTS_MAX {
                break;
            }
        }
        faults
    }

    fn faults_of(&self, frame: &Value) -> Vec<String> {
        let kind = frame
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(schema) = self.0.get(kind) else {
            return Vec::new();
        };
        // Nearly all are, and this is much the shorter way to know.
        if schema.is_valid(frame) {
            return Vec::new();
        }
        schema
            .iter_errors(frame)
            .take(FAULTS_MAX)
            .map(|error| {
                let what = match error.to_string() {
                    long if long.len() > FAULT_BYTES_MAX => error.masked().to_string(),
                    what => what,
                };
                let mut place = error.instance_path().to_string();
                place.truncate(place.floor_char_boundary(FAULT_BYTES_MAX));
                format!("`{kind}`: {what} at `{place}`")
            })
            .collect()
    }
}

/// A validator for one file of `spec/schema`; nothing is fetched from anywhere.
///
/// # Errors
///
/// Why the file cannot be used.
pub fn validator(file: &str) -> Result<Validator, String> {
    Family::embedded()?.validator(file)
}

/// The files of `spec/schema`, which refer to one another.
struct Family {
    schemas: BTreeMap<&'static str, Value>,
    registry: Registry<'static>,
}

impl Family {
    fn embedded() -> Result<Self, String> {
        let mut schemas = BTreeMap::new();
        let mut registry = Registry::new();
        for asset in assets::schemas() {
            let schema: Value = serde_json::from_str(asset.text)
                .map_err(|error| format!("{}: {error}", asset.path))?;
            let id = schema.get("$id").and_then(Value::as_str);
            let id = id.unwrap_or(asset.path).to_owned();
            registry = registry
                .add(id, schema.clone())
                .map_err(|error| error.to_string())?;
            schemas.insert(asset.path, schema);
        }
        let registry = registry.prepare().map_err(|error| error.to_string())?;
        Ok(Self { schemas, registry })
    }

    fn validator(&self, file: &str) -> Result<Validator, String> {
        let schema = self.schemas.get(file);
        let schema = schema.ok_or_else(|| format!("there is no schema `{file}`"))?;
        jsonschema::options()
            .with_registry(&self.registry)
            .build(schema)
            .map_err(|error| format!("{file}: {error}"))
    }
}
