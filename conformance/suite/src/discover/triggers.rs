//! Which trigger types an engine has, and under which names it takes them.

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::{
    Engine,
    attempt::{Answer, Attempt, Seen},
    spellings::spellings,
};
use crate::mapping::{Key, Keys, TYPE, rename};

/// What was found of one of the documents' trigger types.
pub(super) struct Look {
    pub(super) kind: &'static str,
    /// Its other names, if it is taken by them alone.
    pub(super) keys: Option<Keys>,
    /// Where its requests are served.
    pub(super) base: Option<String>,
    /// What the documents' own names led to.
    own: Seen,
    way: Way,
}

/// How a trigger can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It calls its function.
    Fires,
    /// Its registration is answered so.
    Answered,
    /// Nothing is said of it, but an empty config of the type is refused.
    NotRefused,
    /// Not at all, as far as is known.
    None,
}

impl Look {
    /// For people; `bases` is where its requests were sent.
    pub(super) fn lines(&self, bases: &[String]) -> Vec<String> {
        let kind = self.kind;
        let mut lines = Vec::new();
        if self.keys.is_some() || self.way == Way::None {
            let own = match &self.own.answer {
                Answer::Accepted => "accepted",
                Answer::Refused(code) => &format!("refused: {code}"),
                Answer::None => "not answered",
            };
            lines.push(format!(
                "{kind}: a trigger in the documents' words is {own}"
            ));
        }
        let words = match &self.keys {
            None => "in the documents' words".to_owned(),
            Some(keys) => format!("as {}", json!(keys)),
        };
        let seen = match self.way {
            Way::Fires => "is registered and calls its function",
            Way::Answered => "is registered; that it fires was not seen",
            Way::NotRefused => "is not refused, as an empty config is; that it fires was not seen",
            Way::None => "was not found under any other names that are known",
        };
        lines.push(match self.way {
            Way::None => format!("{kind}: it {seen}"),
            _ => format!("{kind}: a trigger {words} {seen}"),
        });
        if kind == "http" && self.way != Way::None {
            lines.push(match &self.base {
                Some(base) => format!("http: requests are served at {base}"),
                None => format!(
                    "http: requests were not served at {}; --http-url says where they are",
                    bases.join(" and ")
                ),
            });
        }
        lines
    }
}

/// Looks at one of the documents' trigger types; its requests may be served at `bases`.
pub(super) async fn look(engine: &Engine, kind: &'static str, bases: &[String]) -> Look {
    let own = attempt(engine, kind, "own", &Keys::new(), bases).await;
    let clock = kind == "cron";
    let settled = own.fired || own.answer == Answer::Accepted && clock;
    if settled {
        let way = if own.fired { Way::Fires } else { Way::Answered };
        return Look {
            kind,
            keys: None,
            base: own.base.clone(),
            own,
            way,
        };
    }
    let unknown = own.answer == Answer::Refused("trigger_type_not_found".to_owned());
    let mut others = spellings(kind);
    others.retain(|keys| !unknown || keys.contains_key(TYPE));
    let tried = others.iter().enumerate().map(|(index, keys)| async move {
        let (name, empty) = (format!("other-{index}"), format!("empty-{index}"));
        tokio::join!(
            attempt(engine, kind, &name, keys, bases),
            empty_is_refused(engine, kind, &empty, keys),
        )
    });
    let no_keys = Keys::new();
    let own_is_read = empty_is_refused(engine, kind, "empty", &no_keys);
    let (own_is_read, tried) = tokio::join!(own_is_read, join_all(tried));
    let tried: Vec<Tried> = others
        .into_iter()
        .zip(tried)
        .map(|(keys, (seen, is_read))| Tried {
            keys,
            seen,
            is_read,
        })
        .collect();
    choose(kind, own, own_is_read, tried)
}

/// A spelling, and what it led to.
struct Tried {
    keys: Keys,
    seen: Seen,
    /// Whether an empty config of the same type is refused.
    is_read: bool,
}

/// What is seen to fire counts for more than what is said to be registered, and that for more
/// than what is not refused; the documents' words for more than others.
fn choose(kind: &'static str, own: Seen, own_is_read: bool, tried: Vec<Tried>) -> Look {
    let accepted = |seen: &Seen| seen.answer == Answer::Accepted;
    let silent = |seen: &Seen| seen.answer == Answer::None;
    let with = |wanted: &dyn Fn(&Tried) -> bool| tried.iter().find(|it| wanted(it));
    let (other, way) = if let Some(it) = with(&|it| it.seen.fired) {
        (Some(it), Way::Fires)
    } else if accepted(&own) {
        (None, Way::Answered)
    } else if let Some(it) = with(&|it| accepted(&it.seen)) {
        (Some(it), Way::Answered)
    } else if silent(&own) && own_is_read {
        (None, Way::NotRefused)
    } else if let Some(it) = with(&|it| silent(&it.seen) && it.is_read) {
        (Some(it), Way::NotRefused)
    } else {
        (None, Way::None)
    };
    let base = other.and_then(|it| it.seen.base.clone());
    // Six fields under the documents' key say nothing of five, if nothing is said of these.
    let needed = |it: &&Tried| !(silent(&own) && only_prefixes(&it.keys));
    Look {
        kind,
        keys: other.filter(needed).map(|it| it.keys.clone()),
        base,
        own,
        way,
    }
}

fn only_prefixes(keys: &Keys) -> bool {
    let same = |(own, it): (&String, &Key)| matches!(it, Key::Prefixed { key, .. } if key == own);
    keys.iter().all(same)
}

async fn attempt(engine: &Engine, kind: &str, name: &str, keys: &Keys, bases: &[String]) -> Seen {
    let id = engine.id(&format!("{kind}-{name}"));
    let (kind_there, config) = spelled(kind, keys, &id);
    let attempt = Attempt {
        engine,
        id: &id,
        kind: &kind_there,
        bases,
        queue_key: match config.contains_key("queue_name") {
            _ if kind != "queue" => None,
            true => Some("queue_name"),
            false => Some("topic"),
        },
        by_itself: kind == "cron",
    };
    attempt.perform(Value::Object(config)).await
}

async fn empty_is_refused(engine: &Engine, kind: &str, name: &str, keys: &Keys) -> bool {
    let id = engine.id(&format!("{kind}-{name}"));
    let (kind_there, _) = spelled(kind, keys, &id);
    let attempt = Attempt {
        engine,
        id: &id,
        kind: &kind_there,
        bases: &[],
        queue_key: None,
        by_itself: true,
    };
    let seen = attempt.perform(json!({})).await;
    matches!(seen.answer, Answer::Refused(code) if code != "trigger_type_not_found")
}

/// A trigger of the documents' in other words: its type, and its config.
fn spelled(kind: &str, keys: &Keys, id: &str) -> (String, Map<String, Value>) {
    let config = match kind {
        "http" => json!({"path": format!("/{id}"), "method": "POST"}),
        "cron" => json!({"schedule": "* * * * *", "timezone": "UTC"}),
        _ => json!({"queue_name": id, "batch_size": 1, "visibility_timeout": 30}),
    };
    let Value::Object(mut config) = config else {
        return (kind.to_owned(), Map::new());
    };
    rename(&mut config, &each_second(keys));
    let kind = match keys.get(TYPE) {
        Some(Key::Name(name)) => name.clone(),
        _ => kind.to_owned(),
    };
    (kind, config)
}

/// With a schedule that does not keep anybody waiting for a full minute, where there are seconds.
fn each_second(keys: &Keys) -> Keys {
    let faster = |key: &Key| match key {
        Key::Prefixed { key, .. } => Key::Prefixed {
            key: key.clone(),
            prefix: "* ".to_owned(),
        },
        name => name.clone(),
    };
    keys.iter()
        .map(|(own, key)| (own.clone(), faster(key)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(answer: Answer, fired: bool) -> Seen {
        let base = None;
        Seen {
            answer,
            fired,
            base,
        }
    }

    fn refused() -> Answer {
        Answer::Refused("no".to_owned())
    }

    /// What is chosen, if the documents' words and the others led to this.
    fn chosen(own: Seen, own_is_read: bool, others: &[(&str, Seen, bool)]) -> (Option<Keys>, Way) {
        let tried = others.iter().map(|(keys, seen, is_read)| Tried {
            keys: serde_json::from_str(keys).unwrap(),
            seen: seen.clone(),
            is_read: *is_read,
        });
        let look = choose("cron", own, own_is_read, tried.collect());
        (look.keys, look.way)
    }

    #[test]
    fn what_fires_is_chosen_first_and_what_nothing_is_known_of_never() {
        let (one, two) = (r#"{"schedule":"a"}"#, r#"{"schedule":"b"}"#);
        let keys = |text: &str| Some(serde_json::from_str(text).unwrap());
        let silent = || seen(Answer::None, false);
        let accepted = || seen(Answer::Accepted, false);
        let fires = || seen(Answer::None, true);
        assert_eq!(
            chosen(
                accepted(),
                true,
                &[(one, accepted(), true), (two, fires(), true)]
            ),
            (keys(two), Way::Fires)
        );
        assert_eq!(
            chosen(accepted(), true, &[(one, accepted(), true)]),
            (None, Way::Answered)
        );
        let no = || seen(refused(), false);
        assert_eq!(
            chosen(
                no(),
                true,
                &[(one, silent(), true), (two, accepted(), true)]
            ),
            (keys(two), Way::Answered)
        );
        assert_eq!(
            chosen(silent(), true, &[(one, silent(), true)]),
            (None, Way::NotRefused)
        );
        assert_eq!(
            chosen(no(), true, &[(one, no(), true), (two, silent(), true)]),
            (keys(two), Way::NotRefused)
        );
        assert_eq!(
            chosen(silent(), false, &[(one, silent(), false)]),
            (None, Way::None)
        );
    }

    #[test]
    fn six_fields_are_asked_for_only_where_five_are_refused() {
        let six = r#"{"schedule":{"key":"schedule","prefix":"0 "}}"#;
        let fires = seen(Answer::None, true);
        let others = [(six, fires, true)];
        let silent = seen(Answer::None, false);
        assert_eq!(chosen(silent, true, &others), (None, Way::Fires));
        let no = seen(refused(), false);
        let keys = serde_json::from_str(six).unwrap();
        assert_eq!(chosen(no, true, &others), (Some(keys), Way::Fires));
    }
}
