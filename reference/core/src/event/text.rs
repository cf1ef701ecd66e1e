//! Lines of the log in words. What peers have written is escaped, so that it stays in its place.

use std::fmt;

use super::{BoundTo, EventKind, Subject};

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Trigger => "trigger",
            Self::TriggerType => "trigger type",
            Self::Service => "service",
        })
    }
}

impl fmt::Display for BoundTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Worker => Ok(()),
            Self::Endpoint { origin } => write!(f, " at {}", OnOneLine(origin)),
            Self::Function {
                trigger_type,
                function_id,
            } => {
                f.write_str(" (")?;
                escape(trigger_type, &['`'], f)?;
                write!(f, ") for function {}", Quoted(function_id))
            }
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Ended {
                reason,
                functions,
                triggers,
                trigger_types,
            } => write!(
                f,
                "session ended: {reason}; \
                 removed functions: {functions}, triggers: {triggers}, trigger types: {trigger_types}"
            ),
            Self::Described { name } => write!(f, "is {}", Quoted(name)),
            Self::Registered {
                subject,
                id,
                bound_to,
            } => write!(f, "registered {subject} {}{bound_to}", Quoted(id)),
            Self::Unregistered { subject, id } => {
                write!(f, "unregistered {subject} {}", Quoted(id))
            }
            Self::Refused {
                subject,
                id,
                failure,
            } => write!(
                f,
                "refused {subject} {}: {}: {}",
                Quoted(id),
                failure.code().as_str(),
                OnOneLine(failure.message())
            ),
            Self::RefusedByProvider { id, error } => write!(
                f,
                "refused trigger {} by its provider: {}",
                Quoted(id),
                OnOneLine(error)
            ),
            Self::NotItsOwn { subject, id } => write!(
                f,
                "asked to unregister {subject} {}, which it has not registered",
                Quoted(id)
            ),
            Self::BadFrame { message } => write!(f, "bad frame: {}", OnOneLine(message)),
            Self::AnswerDropped { frame, id } => write!(
                f,
                "dropped {frame} {}: nobody waits for it from this session",
                Quoted(id)
            ),
            Self::Called { function_id, .. } => {
                write!(f, "called function {}", Quoted(function_id))
            }
            Self::Answered {
                function_id,
                is_error,
                ..
            } => {
                let how = if *is_error { " with an error" } else { "" };
                write!(f, "call of function {} answered{how}", Quoted(function_id))
            }
            Self::CallFailed {
                function_id,
                failure,
                ..
            } => write!(
                f,
                "call of function {} failed: {}",
                Quoted(function_id),
                OnOneLine(failure.message())
            ),
            Self::RequestFailed {
                function_id,
                summary,
                ..
            } => write!(
                f,
                "request of function {} failed: {}",
                Quoted(function_id),
                OnOneLine(summary)
            ),
            Self::RouteShadowed { id, method, path } => write!(
                f,
                "trigger {} waits: {method} {} has been another trigger's before",
                Quoted(id),
                OnOneLine(path)
            ),
            Self::MessagesGivenUp { queue, count } => write!(
                f,
                "messages of queue {} given up after their last attempt: {count}",
                Quoted(queue)
            ),
            Self::ReattachIgnored => {
                f.write_str("reattach ignored: no session of that id and token")
            }
        }
    }
}

/// Text of a peer's between backticks: those that are in it are escaped.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`")?;
        escape(self.0, &['`'], f)?;
        f.write_str("`")
    }
}

/// A text that may hold a peer's, as it is but for what could break the line.
struct OnOneLine<'a>(&'a str);

impl fmt::Display for OnOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, &[], f)
    }
}

/// What could break a line, or make it say something else, is escaped, and what is long is cut.
fn escape(text: &str, more: &[char], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const CHARACTERS_MAX: usize = 300;
    for (index, c) in text.chars().enumerate() {
        match c {
            _ if index == CHARACTERS_MAX => return write!(f, "… ({} bytes)", text.len()),
            c if c.is_control() => write!(f, "{}", c.escape_default())?,
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())?;
            }
            c if c == '\\' || more.contains(&c) => write!(f, "\\{c}")?,
            c => write!(f, "{c}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn only_what_is_between_backticks_has_its_own_escaped() {
        let registered = EventKind::Registered {
            subject: Subject::Trigger,
            id: "t`1".to_owned(),
            bound_to: BoundTo::Function {
                trigger_type: "http".to_owned(),
                function_id: "f\n".to_owned(),
            },
        };
        assert_eq!(
            registered.to_string(),
            r"registered trigger `t\`1` (http) for function `f\n`"
        );
        let refused = EventKind::Refused {
            subject: Subject::Function,
            id: "f".to_owned(),
            failure: Failure::invalid_request("`url` is missing\n"),
        };
        assert_eq!(
            refused.to_string(),
            r"refused function `f`: invalid_request: `url` is missing\n"
        );
    }

    #[test]
    fn what_a_peer_writes_stays_on_its_line_and_between_its_quotes() {
        let longest = "é".repeat(300);
        let cut = format!("{longest}… (601 bytes)");
        for (text, line) in [
            ("", ""),
            ("orders/é 7", "orders/é 7"),
            ("a\r\n\u{7f}", r"a\r\n\u{7f}"),
            // Separators of lines, and what turns the direction of writing round.
            ("\u{2028}\u{202e}", r"\u{2028}\u{202e}"),
            ("\u{2066}\u{2069}", r"\u{2066}\u{2069}"),
            ("\u{2027}\u{202f}\u{206a}", "\u{2027}\u{202f}\u{206a}"),
            (r"a`\", r"a\`\\"),
            (&longest, &longest),
            (&format!("{longest}a"), &cut),
        ] {
            let name = text.to_owned();
            let described = EventKind::Described { name };
            assert_eq!(described.to_string(), format!("is `{line}`"));
        }
    }
}
