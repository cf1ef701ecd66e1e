//! The regular expressions of `$pattern`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use regex::Regex;

use super::TemplateError;

/// Compiled ones. They stand in case files as they are, so there are no more of them than cases
/// have been read; to compile one takes longer than all else about a frame.
static COMPILED: Mutex<BTreeMap<String, Regex>> = Mutex::new(BTreeMap::new());

/// Matches a whole text.
pub(super) fn whole(pattern: &str) -> Result<Regex, TemplateError> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = compiled.get(pattern) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(&format!("^(?:{pattern})$"))
        .map_err(|error| TemplateError(error.to_string()))?;
    compiled.insert(pattern.to_owned(), regex.clone());
    Ok(regex)
}
