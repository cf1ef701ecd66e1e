//! The ledger: every clause, with what it weighs and how much of it the suite exercises.

use serde::Deserialize;

use crate::assets;

/// `spec/requirements.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Ledger {
    /// Every clause, in order.
    pub clauses: Vec<Clause>,
}

/// One clause.
#[derive(Clone, Debug, Deserialize)]
pub struct Clause {
    /// Such as `RT-07`; never reused.
    pub id: String,
    /// Who says it.
    pub kind: Kind,
    /// The document, if one says it.
    #[serde(default)]
    pub document: Option<String>,
    /// The heading in the document.
    #[serde(default)]
    pub section: Option<String>,
    /// A few words.
    pub title: String,
    /// What it demands, as a sentence.
    pub statement: String,
    /// The document's own words.
    #[serde(default)]
    pub quote: Option<String>,
    /// How much of it cases exercise.
    pub coverage: Coverage,
    /// What is left out, where not all is exercised.
    #[serde(default)]
    pub later: Option<String>,
}

/// Who says a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The documents.
    Documented,
    /// The public protocol: the documents name the message without its shape.
    Companion,
    /// The reference, where the documents are silent.
    Decided,
}

/// How much of a clause cases exercise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// All of it.
    Full,
    /// Its registration, not what it does afterwards.
    Registration,
    /// Nothing.
    None,
}

impl Ledger {
    /// The ledger that the suite carries.
    ///
    /// # Errors
    ///
    /// Where and why it cannot be read; for the one that was built in, a test sees that it can.
    pub fn embedded() -> Result<Self, serde_json::Error> {
        serde_json::from_str(assets::LEDGER)
    }

    /// The clause of this id.
    #[must_use]
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == id)
    }
}
