//! Profiles: parts of the suite, and how much of it, under a name. Those that the suite carries
//! are data (`fixtures/profiles.json`, described in `spec/schema/profiles.json`); a target file
//! may have its own.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    assets,
    case::{Case, Cases, Level},
    histories,
};

/// A part of the suite with a name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Under which it is asked for.
    #[serde(skip)]
    pub name: String,
    /// What it is, as a sentence without its full stop.
    pub title: String,
    /// Case ids, beginnings of ids, patterns with `*`, or clauses; everything if there is none.
    #[serde(default)]
    pub select: Vec<String>,
    /// Of these only the cases of some levels.
    #[serde(default)]
    pub level: Vec<Level>,
    /// Of these only the cases that do without some means.
    #[serde(default)]
    pub without: Vec<Means>,
    /// Whether the cases that take a minute are run as well.
    #[serde(default)]
    pub slow: bool,
    /// How many random histories there are, if it says so.
    #[serde(default)]
    pub histories: Option<u32>,
}

/// What a case may need beside a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// Endpoints of the suite's own, which the engine calls.
    Endpoints,
    /// The address at which the engine serves http triggers.
    Http,
    /// Time: that of the engine's clock.
    Clock,
}

impl Means {
    fn is_needed_by(self, case: &Case) -> bool {
        match self {
            Self::Endpoints => !case.endpoints.is_empty(),
            Self::Http => case.makes_requests(),
            Self::Clock => case.clock_s > 0,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where its schema is, for editors.
    #[serde(rename = "$schema")]
    _schema: String,
    profiles: BTreeMap<String, Profile>,
}

/// The profiles that the suite carries, by name.
///
/// # Errors
///
/// If they cannot be read; a test sees that they can.
pub fn embedded() -> Result<BTreeMap<String, Profile>, serde_json::Error> {
    let file: File = serde_json::from_str(assets::PROFILES)?;
    Ok(named(file.profiles))
}

/// Tells profiles their names.
#[must_use]
pub fn named(profiles: BTreeMap<String, Profile>) -> BTreeMap<String, Profile> {
    let named = |(name, profile): (String, Profile)| {
        let profile = Profile {
            name: name.clone(),
            ..profile
        };
        (name, profile)
    };
    profiles.into_iter().map(named).collect()
}

impl Profile {
    /// Whether it leaves no case out but, it may be, those that take a minute.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.select.is_empty() && self.level.is_empty() && self.without.is_empty()
    }

    /// Whether random histories belong to it.
    #[must_use]
    pub fn wants_histories(&self) -> bool {
        self.select.is_empty() || self.select.iter().any(|it| it == histories::ID)
    }

    /// What it selects that is none of these cases.
    #[must_use]
    pub fn unknown<'p>(&'p self, cases: &Cases) -> Option<&'p str> {
        let is_unknown = |selector: &&String| {
            *selector != histories::ID && cases.select(std::slice::from_ref(*selector)).is_empty()
        };
        self.select.iter().find(is_unknown).map(String::as_str)
    }

    /// Of some cases those that belong to it, and those that probe for what they need; all that
    /// probe if there are random histories beside them.
    #[must_use]
    pub fn narrow(&self, cases: Vec<Case>, histories: bool) -> Vec<Case> {
        let excluded = |case: &Case| self.without.iter().any(|it| it.is_needed_by(case));
        let out_of_reach: Vec<String> = cases
            .iter()
            .filter(|it| excluded(it))
            .filter_map(|it| it.probes.clone())
            .collect();
        let belongs = |case: &Case| {
            let of_level = self.level.is_empty() || self.level.contains(&case.level);
            (of_level || case.probes.is_some())
                && (self.select.is_empty() || self.select.iter().any(|it| case.is_named_by(it)))
                && !case.needs.iter().any(|it| out_of_reach.contains(it))
        };
        let needed: Vec<String> = cases
            .iter()
            .filter(|it| belongs(it))
            .flat_map(|it| it.needs.clone())
            .collect();
        let probes = |case: &Case| match &case.probes {
            Some(feature) => needed.contains(feature) || (histories && self.wants_histories()),
            None => false,
        };
        cases
            .into_iter()
            .filter(|it| !excluded(it) && (belongs(it) || probes(it)))
            .collect()
    }

    /// What is wrong with a profile of a target file.
    ///
    /// # Errors
    ///
    /// For a person, with the profile's name.
    pub fn check(&self) -> Result<(), String> {
        let is_word = |it: &str| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            !it.is_empty() && it.chars().all(plain)
        };
        let name = &self.name;
        if !name.split('-').all(is_word) {
            return Err(format!(
                "`profiles`: `{name}` is no name: it must be small letters and digits, with \
                 hyphens between"
            ));
        }
        match self.title.trim() {
            "" => Err(format!("`profiles.{name}` needs a title")),
            _ => Ok(()),
        }
    }
}
