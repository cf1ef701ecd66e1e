//! The environment variables that cases assume of the engine: what `conformance env` prints.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Deserialize;

use crate::assets;

/// Variables that an engine under test is started with, and without.
#[derive(Clone, Debug, Deserialize)]
pub struct Environment {
    /// Their values.
    pub set: BTreeMap<String, String>,
    /// Must not exist.
    pub unset: Vec<String>,
}

impl Environment {
    /// That of the cases which the suite carries.
    ///
    /// # Errors
    ///
    /// If it cannot be read; a test sees that it can.
    pub fn embedded() -> Result<Self, serde_json::Error> {
        serde_json::from_str(assets::ENVIRONMENT)
    }

    /// Reads what was promised of one variable: `NAME=VALUE`, or `NAME` for the value that
    /// `conformance env` prints.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person.
    pub fn promise(&self, text: &str) -> Result<(String, String), String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        let own = self.set.get(name);
        match value.or_else(|| own.cloned()) {
            Some(value) if !name.is_empty() => Ok((name.to_owned(), value)),
            _ => Err(format!(
                "`{text}` is none of the variables that `conformance env` prints; \
                 another one is given as NAME=VALUE"
            )),
        }
    }

    /// Writes commands for a POSIX shell.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to.
    pub fn write_shell(&self, out: &mut dyn Write) -> io::Result<()> {
        for (name, value) in &self.set {
            writeln!(out, "export {name}='{}'", value.replace('\'', r"'\''"))?;
        }
        for name in &self.unset {
            writeln!(out, "unset {name}")?;
        }
        Ok(())
    }
}
