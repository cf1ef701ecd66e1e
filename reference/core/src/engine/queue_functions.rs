//! The engine's own functions about queues: putting messages in, and looking at what is there
//! (D-13).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Engine, Output};
use crate::{
    Failure,
    queue::{Message, QueueStats, lane, queue_and_function},
    time::rfc3339_milliseconds,
    wire::{kind_of, whole_number},
};

const PEEK_COUNT_DEFAULT: usize = 10;
const PEEK_COUNT_MAX: usize = 100;

impl Engine {
    /// `enqueue`: `{queue_name, data}`, or `topic` in the place of `queue_name`.
    pub(super) fn enqueue_data(
        &mut self,
        data: &RawValue,
        out: &mut Output<'_, '_>,
    ) -> Result<Box<RawValue>, Failure> {
        let arguments = Arguments::read(data)?;
        let queue = match text("topic", arguments.topic)? {
            Some(topic) if arguments.queue_name.is_none() => topic,
            _ => required_text("queue_name", arguments.queue_name)?,
        };
        let data = arguments.data.unwrap_or(RawValue::NULL).to_owned();
        self.enqueue(&queue, None, data.into(), out)
    }

    /// `engine::queue::stats`: `{queue_name}` for one queue, nothing for all of them.
    pub(super) fn queue_stats(&self, data: &RawValue) -> Result<Box<RawValue>, Failure> {
        let arguments = Arguments::read(data)?;
        let wanted = text("queue_name", arguments.queue_name)?;
        self.listing("queues", || {
            let all = self.firing.queues().stats();
            all.map(|stats| ListedQueue::of(&stats)).filter(|queue| {
                let is_wanted = |name: &String| *name == queue.queue_name;
                wanted.as_ref().is_none_or(is_wanted)
            })
        })
    }

    /// `engine::queue::peek`: `{queue_name, function_id?, count?}`. Without a function the
    /// messages that are for triggers. Nothing is consumed.
    pub(super) fn queue_peek(&self, data: &RawValue) -> Result<Box<RawValue>, Failure> {
        let arguments = Arguments::read(data)?;
        let queue = required_text("queue_name", arguments.queue_name)?;
        let function_id = text("function_id", arguments.function_id)?;
        let queue = function_id.map_or(queue.clone(), |it| lane(&queue, &it));
        let count = arguments.count()?;
        let messages = self.firing.queues().peek(&queue, count);
        self.listing("messages", || {
            messages.iter().copied().map(ListedMessage::of)
        })
    }
}

/// Every field that one of these functions knows; others are ignored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments<'a> {
    #[serde(borrow)]
    queue_name: Option<&'a RawValue>,
    #[serde(borrow)]
    topic: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    function_id: Option<&'a RawValue>,
    #[serde(borrow)]
    count: Option<&'a RawValue>,
}

impl<'a> Arguments<'a> {
    fn read(data: &'a RawValue) -> Result<Self, Failure> {
        match kind_of(data) {
            "an object" => serde_json::from_str(data.get()).map_err(|error| {
                Failure::invalid_request(format!("`data` cannot be read: {error}"))
            }),
            "null" => Ok(Self::default()),
            kind => {
                let problem = format!("`data` must be an object, got {kind}");
                Err(Failure::invalid_request(problem))
            }
        }
    }

    fn count(&self) -> Result<usize, Failure> {
        let Some(raw) = self.count else {
            return Ok(PEEK_COUNT_DEFAULT);
        };
        let count = whole_number(raw).and_then(|it| usize::try_from(it).ok());
        count.filter(|it| *it <= PEEK_COUNT_MAX).ok_or_else(|| {
            let got = match kind_of(raw) {
                "a number" => raw.get(),
                kind => kind,
            };
            Failure::invalid_request(format!(
                "`data.count` must be a whole number from 0 to {PEEK_COUNT_MAX}, got {got}"
            ))
        })
    }
}

fn text(field: &str, raw: Option<&RawValue>) -> Result<Option<String>, Failure> {
    let wrong = |raw| {
        let got = kind_of(raw);
        Failure::invalid_request(format!("`data.{field}` must be a string, got {got}"))
    };
    raw.map(|raw| serde_json::from_str(raw.get()).map_err(|_| wrong(raw)))
        .transpose()
}

fn required_text(field: &str, raw: Option<&RawValue>) -> Result<String, Failure> {
    text(field, raw)?.ok_or_else(|| Failure::invalid_request(format!("`data.{field}` is missing")))
}

#[derive(Serialize)]
struct ListedQueue {
    queue_name: String,
    /// Present for the messages that are for one function.
    #[serde(skip_serializing_if = "Option::is_none")]
    function_id: Option<String>,
    visible: usize,
    in_flight: usize,
    /// Never handed out again; only in a queue of dead letters.
    parked: usize,
    /// In the queue of dead letters.
    dead_letters: usize,
    triggers: usize,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_enqueued_at: Option<String>,
}

impl ListedQueue {
    fn of(stats: &QueueStats<'_>) -> Self {
        let (queue_name, function_id) = queue_and_function(stats.queue);
        Self {
            queue_name: queue_name.to_owned(),
            function_id: function_id.map(str::to_owned),
            visible: stats.visible,
            in_flight: stats.in_flight,
            parked: stats.parked,
            dead_letters: stats.dead_letters,
            triggers: match function_id {
                Some(_) => 0,
                None => stats.subscriptions,
            },
            bytes: stats.bytes,
            oldest_enqueued_at: stats.oldest_enqueued_at.map(rfc3339_milliseconds),
        }
    }
}

#[derive(Serialize)]
struct ListedMessage<'a> {
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_id: Option<&'a str>,
    data: &'a RawValue,
    /// How often it was handed out.
    attempts: u32,
    enqueued_at: String,
}

impl<'a> ListedMessage<'a> {
    fn of(message: &'a Message) -> Self {
        Self {
            message_id: message.id.to_string(),
            function_id: message.function_id.as_deref(),
            data: &message.content.data,
            attempts: message.attempts,
            enqueued_at: rfc3339_milliseconds(message.enqueued_at),
        }
    }
}
