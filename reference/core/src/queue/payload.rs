//! What a function is given of a queue, and what its answer says of the messages (D-13).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::Message;
use crate::time::rfc3339_milliseconds;

/// The `data` of a call that hands out messages, the one of each message byte for byte as it
/// was enqueued (D-09).
pub(crate) fn payload<'m>(
    queue: &str,
    messages: impl IntoIterator<Item = &'m Message>,
) -> Box<RawValue> {
    let messages = messages.into_iter().map(|message| HandedOut {
        message_id: message.id.to_string(),
        function_id: message.function_id.as_deref(),
        data: &message.content.data,
        attempt: message.attempts,
        enqueued_at: rfc3339_milliseconds(message.enqueued_at),
    });
    let payload = Payload {
        queue_name: queue,
        messages: messages.collect(),
    };
    // Strings, numbers and raw JSON: serializing them cannot fail.
    to_raw_value(&payload).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[derive(Serialize)]
struct Payload<'m> {
    queue_name: &'m str,
    messages: Vec<HandedOut<'m>>,
}

#[derive(Serialize)]
struct HandedOut<'m> {
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_id: Option<&'m str>,
    data: &'m RawValue,
    attempt: u32,
    enqueued_at: String,
}

/// What the end of a call means for the messages that it handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// The function has worked on them, all but some.
    Acknowledged {
        /// Those that it has not; ids that were not handed out are ignored.
        failed: HashSet<Uuid>,
    },
    /// The function was not called at all: no attempt counts.
    NotCalled,
    /// It has worked on none: an error, a lost worker, or no answer in time.
    Failed,
}

impl Settlement {
    /// The function has worked on all of them.
    pub(crate) fn acknowledged() -> Self {
        Self::Acknowledged {
            failed: HashSet::new(),
        }
    }

    /// What the result of a call that succeeded says: a list in `failed_message_ids` names the
    /// messages that failed, and without the field, or with null in it (CO-19), none has.
    /// A `failed_message_ids` that is anything else but a list of strings, or that occurs twice,
    /// says that something failed and not what: so all have.
    pub(crate) fn of_result(result: Option<&RawValue>) -> Self {
        #[derive(Default, Deserialize)]
        struct Fields {
            failed_message_ids: Option<Vec<String>>,
        }
        let object = result.filter(|it| it.get().starts_with('{'));
        let fields = object.map_or(Ok(Fields::default()), |it| serde_json::from_str(it.get()));
        let Ok(Fields { failed_message_ids }) = fields else {
            return Self::Failed;
        };
        let ids = failed_message_ids.iter().flatten();
        Self::Acknowledged {
            failed: ids.filter_map(|id| Uuid::try_parse(id).ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_payload_holds_data_byte_for_byte() {
        let message = |id: u128, data: &str, attempts: u32, ms: u64| Message {
            id: Uuid::from_u128(id),
            queue: "q".into(),
            function_id: None,
            content: raw(data).into(),
            enqueued_at: Duration::from_millis(ms),
            attempts,
        };
        let odd = r#"{ "b":1.0,"a":[1e400, "\u00e9\/"],"b":12345678901234567890123 }"#;
        let messages = [
            message(1, odd, 1, 1_760_000_000_007),
            message(2, "null", 10, 0),
        ];
        assert_eq!(
            payload("a\"q", &messages).get(),
            format!(
                r#"{{"queue_name":"a\"q","messages":[{{"message_id":"00000000-0000-0000-0000-000000000001","data":{odd},"attempt":1,"enqueued_at":"2025-10-09T08:53:20.007Z"}},{{"message_id":"00000000-0000-0000-0000-000000000002","data":null,"attempt":10,"enqueued_at":"1970-01-01T00:00:00.000Z"}}]}}"#
            )
        );
    }

    #[test]
    fn what_results_say() {
        const A: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        const B: &str = "00000000-0000-0000-0000-00000000000b";
        let some = |ids: &[&str]| Settlement::Acknowledged {
            failed: ids.iter().map(|id| id.parse().unwrap()).collect(),
        };
        let list = |ids: &str| format!(r#"{{"done":true,"failed_message_ids":{ids}}}"#);
        for (result, expected) in [
            ("null".to_owned(), some(&[])),
            ("true".to_owned(), some(&[])),
            (r#""failed_message_ids""#.to_owned(), some(&[])),
            (format!(r#"["{A}"]"#), some(&[])),
            ("{}".to_owned(), some(&[])),
            (
                r#"{"failed":["x"],"n":1e400,"s":"\ud800"}"#.to_owned(),
                some(&[]),
            ),
            (
                format!(r#"{{"inner":{{"failed_message_ids":["{A}"]}}}}"#),
                some(&[]),
            ),
            (list("null"), some(&[])),
            (list("[]"), some(&[])),
            (list(&format!(r#"["{A}"]"#)), some(&[A])),
            (list(&format!(r#"["{B}", "{A}", "{B}"]"#)), some(&[A, B])),
            (list(&format!(r#"["{}"]"#, A.to_uppercase())), some(&[A])),
            (list(&format!(r#"["none of ours", "", "{A}"]"#)), some(&[A])),
            (list(&format!(r#""{A}""#)), Settlement::Failed),
            (list("7"), Settlement::Failed),
            (list("true"), Settlement::Failed),
            (list(&format!(r#"{{"0":"{A}"}}"#)), Settlement::Failed),
            (list(&format!(r#"["{A}", 7]"#)), Settlement::Failed),
            (list(&format!(r#"["{A}", null]"#)), Settlement::Failed),
            (list(r#"["\ud800"]"#), Settlement::Failed),
            (
                r#"{"failed_message_ids":[],"failed_message_ids":[]}"#.to_owned(),
                Settlement::Failed,
            ),
        ] {
            assert_eq!(
                Settlement::of_result(Some(&raw(&result))),
                expected,
                "{result}"
            );
        }
        assert_eq!(Settlement::of_result(None), some(&[]));
    }
}
