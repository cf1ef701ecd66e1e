//! What is wrong with case files and target files, all of it, and where it stands.

mod doubts;
mod frames;
mod places;
mod readable;
mod shape;
mod targets;

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use serde_json::Value;

use self::{
    frames::Frames,
    places::{Places, Position, position},
    readable::Readable,
    shape::Shape,
};
use crate::{
    assets,
    case::{Case, problems},
    ledger::Ledger,
};

/// A file that is to be looked at.
#[derive(Clone, Debug)]
pub struct File {
    /// How it is called in findings; its name has to be the case's id.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A runner refuses the file, or cannot run the case to its end.
    Fault,
    /// It is allowed, and hardly meant.
    Warning,
}

/// Something that was found in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Where in the file's JSON.
    pub pointer: String,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Knows what files may hold.
#[derive(Debug)]
pub struct Linter<'l> {
    ledger: &'l Ledger,
    shapes: Shapes,
    /// The features that the cases of the suite probe for.
    carried_probes: Vec<String>,
}

impl<'l> Linter<'l> {
    /// Reads the schemas.
    ///
    /// # Errors
    ///
    /// If what the suite carries with it cannot be used; a test sees that it can.
    pub fn new(ledger: &'l Ledger) -> Result<Self, String> {
        Ok(Self {
            ledger,
            shapes: Shapes {
                case: Shape::embedded("case.json")?,
                target: Shape::embedded("target.json")?,
                frames: Frames::embedded(),
            },
            carried_probes: carried_probes(),
        })
    }

    /// Everything that there is to say of files, in their order and from top to bottom.
    #[must_use]
    pub fn lint(&self, files: &[File]) -> Vec<Finding> {
        let mut read: Vec<Reading<'_>> = files
            .iter()
            .map(|file| Reading::of(file, &self.shapes, self.ledger))
            .collect();
        ids_over_files(&mut read);
        self.needs_over_files(&mut read);
        let mut findings = Vec::new();
        for mut reading in read {
            let order = |it: &Finding| (it.line, it.column, it.severity, it.message.clone());
            reading.findings.sort_by_key(order);
            findings.extend(reading.findings);
        }
        findings
    }

    fn needs_over_files(&self, read: &mut [Reading<'_>]) {
        let given: Vec<String> = read
            .iter()
            .filter_map(|it| it.case.as_ref()?.probes.clone())
            .collect();
        for reading in read {
            let needs = reading.case.as_ref().map(|it| it.needs.clone());
            for (index, need) in needs.into_iter().flatten().enumerate() {
                let probed = given.contains(&need) || self.carried_probes.contains(&need);
                if !probed {
                    let message = format!(
                        "no case probes for the feature `{need}`; add one with \"probes\": \
                         \"{need}\", or take it out"
                    );
                    reading.add(&format!("/needs/{index}"), Severity::Fault, message);
                }
            }
        }
    }
}

#[derive(Debug)]
struct Shapes {
    case: Shape,
    target: Shape,
    frames: Frames,
}

/// What is known of one file.
struct Reading<'f> {
    path: &'f str,
    places: Option<Places<'f>>,
    case: Option<Case>,
    findings: Vec<Finding>,
}

impl<'f> Reading<'f> {
    fn of(file: &'f File, shapes: &Shapes, ledger: &Ledger) -> Self {
        let mut reading = Self {
            path: &file.path,
            places: None,
            case: None,
            findings: Vec::new(),
        };
        match std::str::from_utf8(&file.bytes) {
            Ok(text) => reading.read(text, shapes, ledger),
            Err(error) => {
                let text = String::from_utf8_lossy(&file.bytes);
                let at = position(&text, error.valid_up_to());
                let message = "these bytes are not UTF-8; save the file as UTF-8";
                reading.add_at("", at, Severity::Fault, message.to_owned());
            }
        }
        reading
    }

    fn read(&mut self, text: &'f str, shapes: &Shapes, ledger: &Ledger) {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => {
                let at = Position {
                    line: error.line().max(1),
                    column: error.column().max(1),
                };
                let told = error.to_string();
                let told = told.split(" at line ").next().unwrap_or(&told);
                return self.add_at("", at, Severity::Fault, format!("not JSON: {told}"));
            }
        };
        let places = Places::of(text);
        for twice in places.twice() {
            let message = format!("the field `{}` occurs twice; keep one", twice.name);
            self.add_at(&twice.pointer, twice.at, Severity::Fault, message);
        }
        let is_target = targets::is_target(&value);
        let shape = match is_target {
            true => &shapes.target,
            false => &shapes.case,
        };
        let faults = shape.faults(&value);
        for fault in &faults {
            let at = match fault.of_name {
                true => places.name(&fault.pointer),
                false => places.value(&fault.pointer),
            };
            self.add_at(&fault.pointer, at, Severity::Fault, fault.message.clone());
        }
        self.places = Some(places);
        if is_target {
            // What has a fault of shape is not read further.
            let problems = faults.is_empty().then(|| targets::problems(text));
            for (pointer, severity, message) in problems.into_iter().flatten() {
                self.add(&pointer, severity, message);
            }
        } else if value.is_object() {
            self.judge(text, &value, &faults, shapes, ledger);
        }
    }

    /// What the schema cannot say.
    fn judge(
        &mut self,
        text: &str,
        value: &Value,
        faults: &[shape::Fault],
        shapes: &Shapes,
        ledger: &Ledger,
    ) {
        let stem = Path::new(self.path).file_stem().and_then(|it| it.to_str());
        let readable = Readable::of(value, stem.unwrap_or_default());
        let told = |pointer: &str| faults.iter().any(|it| it.pointer == pointer);
        let found = problems(&readable.case, self.path, ledger).into_iter();
        let found = found.chain(doubts::dangling(&readable.case));
        let found: Vec<_> = found
            .filter_map(|it| readable.in_file(it))
            .chain(readable.problems.iter().cloned())
            // Clauses that are left out are the schema's to miss.
            .filter(|it| it.pointer != "/clauses" || value.get("clauses").is_some())
            .filter(|it| !told(&it.pointer))
            .collect();
        for problem in found {
            self.add(&problem.pointer, Severity::Fault, problem.message);
        }
        if faults.is_empty() {
            // The schema and the reader agree; should they not, the reader counts.
            if let Err(error) = serde_json::from_str::<Case>(text)
                && self.findings.is_empty()
            {
                let at = Position {
                    line: error.line().max(1),
                    column: error.column().max(1),
                };
                self.add_at("", at, Severity::Fault, error.to_string());
            }
            let doubts = doubts::doubts(&readable.case);
            let doubts = doubts
                .into_iter()
                .chain(shapes.frames.doubts(&readable.case));
            // What is left out is not in the file.
            for doubt in doubts.filter(|it| value.pointer(&it.pointer).is_some()) {
                self.add(&doubt.pointer, Severity::Warning, doubt.message);
            }
        }
        self.case = Some(readable.case);
    }

    fn add(&mut self, pointer: &str, severity: Severity, message: String) {
        let at = match &self.places {
            Some(places) => places.value(pointer),
            None => Position { line: 1, column: 1 },
        };
        self.add_at(pointer, at, severity, message);
    }

    fn add_at(&mut self, pointer: &str, at: Position, severity: Severity, message: String) {
        self.findings.push(Finding {
            path: self.path.to_owned(),
            line: at.line,
            column: at.column,
            pointer: pointer.to_owned(),
            severity,
            message,
        });
    }
}

fn ids_over_files(read: &mut [Reading<'_>]) {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for reading in read {
        let Some(id) = reading.case.as_ref().map(|it| it.id.clone()) else {
            continue;
        };
        if let Some(other) = known.get(&id) {
            let message = format!("the id `{id}` is that of `{other}` already; choose another");
            reading.add("/id", Severity::Fault, message);
        } else {
            known.insert(id, reading.path.to_owned());
        }
    }
}

fn carried_probes() -> Vec<String> {
    assets::cases()
        .into_iter()
        .filter_map(|file| {
            let case: Value = serde_json::from_str(file.text).ok()?;
            Some(case.get("probes")?.as_str()?.to_owned())
        })
        .collect()
}
