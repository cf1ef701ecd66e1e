//! How frames are written, and what stands between them.

use serde_json::{Value, json};

use crate::{
    Other, Wire,
    frames::{alter, is_call, set, text},
    with::{hearing, sending, writing},
};

pub(super) fn engines() -> Vec<Other> {
    vec![
        Other::altered(
            "unknown-fields",
            "Puts a field of its own into every frame",
            || {
                let mut sent_before = 0;
                sending(move |sent| {
                    sent_before += 1;
                    set(&mut sent.frame, "", "x_sequence", sent_before);
                })
            },
        ),
        Other::altered(
            "unknown-fields-in-errors",
            "Puts a stack trace and a link into every error",
            || {
                sending(|sent| {
                    set(&mut sent.frame, "/error", "stacktrace", "at engine");
                    set(
                        &mut sent.frame,
                        "/error",
                        "help",
                        json!({"see": ["manual"]}),
                    );
                })
            },
        ),
        Other::altered(
            "type-last",
            "Writes the fields of a frame backwards",
            || writing(|text| rewrite(text, backwards)),
        ),
        Other::altered("indented", "Writes frames over several lines", || {
            writing(|text| rewrite(text, |frame| serde_json::to_string_pretty(frame).ok()))
        }),
        Other::altered("escaped", "Writes every letter as an escape", || {
            writing(|text| *text = escaped(text))
        }),
        Other::altered(
            "chatty",
            "Says something of no concern after each frame",
            || {
                let news = json!({"type": "statistics", "id": "t", "sessions": [1, 2, 3]});
                sending(move |sent| sent.after.push((sent.to, news.clone())))
            },
        ),
        Other::altered("pinging", "Sends a ping with every frame", || {
            sending(|sent| sent.after.push((sent.to, json!({"type": "ping"}))))
        }),
        Other::altered(
            "fragmented",
            "Sends frames in fragments of a few bytes",
            || sending(|_| {}),
        )
        .on(Wire::InFragments),
        Other::altered(
            "worker-ids-of-its-own",
            "Calls workers by a number instead of a UUID",
            || {
                let mut workers = 0;
                sending(move |sent| {
                    if text(&sent.frame, "/type") == Some("workerregistered") {
                        workers += 1;
                        set(
                            &mut sent.frame,
                            "",
                            "worker_id",
                            format!("worker-{workers}"),
                        );
                    }
                })
            },
        ),
        Other::altered(
            "invocation-ids-of-its-own",
            "Hands calls out under ids that are no UUIDs",
            || {
                let out = sending(|sent| {
                    if is_call(&sent.frame) {
                        alter(&mut sent.frame, "/invocation_id", |id| format!("call/{id}"));
                    }
                });
                let back = hearing(|heard| {
                    alter(&mut heard.frame, "/invocation_id", |id| {
                        id.strip_prefix("call/").unwrap_or(id).to_owned()
                    });
                });
                (out, back)
            },
        ),
    ]
}

/// Writes a frame anew, unless it holds what would be lost.
fn rewrite(text: &mut String, write: impl FnOnce(&Value) -> Option<String>) {
    let Ok(frame) = serde_json::from_str::<Value>(text) else {
        return;
    };
    if let Some(written) = write(&frame) {
        *text = written;
    }
}

fn backwards(frame: &Value) -> Option<String> {
    let fields = frame.as_object()?.iter().rev();
    let fields: Vec<String> = fields
        .map(|(name, value)| format!("{} : {value}", json!(name)))
        .collect();
    Some(format!("{{ {} }}", fields.join(" , ")))
}

fn escaped(text: &str) -> String {
    let (mut written, mut in_string, mut units) = (String::new(), false, [0; 2]);
    let mut left = text.chars();
    while let Some(c) = left.next() {
        match c {
            '\\' => {
                // An escape that is there already stays as it is.
                let what = left.next();
                let digits = if what == Some('u') { 4 } else { 0 };
                written.push(c);
                written.extend(what);
                written.extend(left.by_ref().take(digits));
            }
            c if in_string && (c.is_alphabetic() || !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut units) {
                    written += &format!("\\u{unit:04x}");
                }
            }
            c => {
                in_string ^= c == '"';
                written.push(c);
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_anew_is_the_same() {
        let text = r#"{"type":"x","a\"\\b":["ü\n\u00e9😀",true,1.5e3,null]}"#;
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        assert!(value.is_object());
        for written in [escaped(text), backwards(&value).unwrap_or_default()] {
            assert_ne!(written, text);
            assert_eq!(
                serde_json::from_str::<Value>(&written).ok(),
                Some(value.clone()),
                "{written}"
            );
        }
    }
}
