//! The configuration of the trigger types that the engine has itself: `http`, `cron` and
//! `queue` (D-05). The structure is each type's own (RT-14), so this is where it is known.

mod cron;
mod http;
mod queue;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{error::Failure, wire::kind_of};

pub use self::{cron::CronConfig, http::HttpConfig, queue::QueueConfig};

/// A trigger type that is registered when the engine starts (D-05).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// RT-04.
    Http,
    /// RT-05.
    Cron,
    /// RT-06.
    Queue,
}

impl Builtin {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Http, Self::Cron, Self::Queue];

    /// The name that a trigger gives as its `trigger_type`.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Cron => "cron",
            Self::Queue => "queue",
        }
    }

    /// What it does, for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Http => "An HTTP request to a path calls the function",
            Self::Cron => "The time of a schedule calls the function",
            Self::Queue => "Messages of a queue call the function, in batches",
        }
    }

    pub(crate) fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.id() == id)
    }

    /// Reads and checks a `config`.
    ///
    /// # Errors
    ///
    /// `invalid_config` with a text that names the field and the value (RT-09).
    pub fn read(self, config: Option<&RawValue>) -> Result<TriggerConfig, Failure> {
        let config = Config::read(self, config)?;
        match self {
            Self::Http => http::read(&config).map(TriggerConfig::Http),
            Self::Cron => cron::read(&config).map(TriggerConfig::Cron),
            Self::Queue => queue::read(&config).map(TriggerConfig::Queue),
        }
    }
}

/// A `config` that its type has accepted.
#[derive(Clone, Debug)]
pub enum TriggerConfig {
    /// RT-04.
    Http(HttpConfig),
    /// RT-05.
    Cron(CronConfig),
    /// RT-06.
    Queue(QueueConfig),
}

/// Every field that a built-in type knows; others are ignored (D-25).
#[derive(Default, Deserialize)]
#[serde(default)]
struct RawConfig<'a> {
    #[serde(borrow)]
    path: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    schedule: Option<&'a RawValue>,
    #[serde(borrow)]
    timezone: Option<&'a RawValue>,
    #[serde(borrow)]
    queue_name: Option<&'a RawValue>,
    #[serde(borrow)]
    batch_size: Option<&'a RawValue>,
    #[serde(borrow)]
    visibility_timeout: Option<&'a RawValue>,
}

/// Reads fields, and words what is wrong with them.
struct Config<'a> {
    builtin: Builtin,
    raw: RawConfig<'a>,
}

impl<'a> Config<'a> {
    fn read(builtin: Builtin, config: Option<&'a RawValue>) -> Result<Self, Failure> {
        let raw = config.unwrap_or(RawValue::NULL);
        let refuse = |problem: String| {
            Failure::invalid_config(format!("Invalid {} config: {problem}", builtin.id()))
        };
        if !raw.get().starts_with('{') {
            return Err(refuse(format!("must be an object, got {}", kind_of(raw))));
        }
        serde_json::from_str(raw.get())
            .map(|raw| Self { builtin, raw })
            .map_err(|error| refuse(error.to_string()))
    }

    fn refuse(&self, field: &str, problem: &str) -> Failure {
        Failure::invalid_config(format!(
            "Invalid {} config: `{field}` {problem}",
            self.builtin.id()
        ))
    }

    fn value<T: DeserializeOwned>(
        &self,
        field: &str,
        raw: Option<&RawValue>,
        expected: &str,
    ) -> Result<Option<T>, Failure> {
        raw.map(|raw| serde_json::from_str(raw.get()).map_err(|_| self.wrong(field, expected, raw)))
            .transpose()
    }

    fn wrong(&self, field: &str, expected: &str, raw: &RawValue) -> Failure {
        let got = match kind_of(raw) {
            "a number" => raw.get(),
            kind => kind,
        };
        self.refuse(field, &format!("must be {expected}, got {got}"))
    }

    fn text(&self, field: &str, raw: Option<&RawValue>) -> Result<Option<String>, Failure> {
        self.value(field, raw, "a string")
    }

    fn required_text(&self, field: &str, raw: Option<&RawValue>) -> Result<String, Failure> {
        match self.text(field, raw)? {
            Some(text) if text.is_empty() => Err(self.refuse(field, "must not be empty")),
            Some(text) => Ok(text),
            None => Err(self.refuse(field, "is missing")),
        }
    }
}

#[cfg(test)]
pub(crate) mod test_support {
    use super::*;

    /// The text with which a built-in type refuses a config, or `ok`.
    pub(crate) fn verdict(builtin: Builtin, config: &str) -> String {
        let raw: &RawValue = serde_json::from_str(config).expect("the test's config is JSON");
        match builtin.read(Some(raw)) {
            Ok(_) => "ok".to_owned(),
            Err(failure) => failure.message().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Builtin, test_support::verdict};

    #[test]
    fn a_config_must_be_an_object() {
        assert_eq!(
            verdict(Builtin::Queue, "[]"),
            "Invalid queue config: must be an object, got an array"
        );
        let failure = Builtin::Http.read(None).expect_err("no config at all");
        assert_eq!(
            failure.message(),
            "Invalid http config: must be an object, got null"
        );
    }
}
