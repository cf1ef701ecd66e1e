//! What queues may hold, and the sentences that refuse what is more (D-13, D-28).

use std::sync::Arc;

use super::queue_and_function;

/// What ends the name of the queue in which the dead letters of another are kept.
pub(crate) const DEAD_LETTER: &str = "::dead_letter";

/// What can be set about queues (D-13, D-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// How often a message is handed out at most; 0 counts as 1.
    pub attempts_max: u32,
    /// Messages that one queue takes, those in flight included. Dead letters always find room.
    pub queue_messages_max: usize,
    /// Bytes that all queues together hold; each message counts what it brings and 256 bytes more.
    pub bytes_max: usize,
    /// Bytes that one message brings: its `data`, and what goes along with a call.
    pub message_bytes_max: usize,
    /// Bytes that one delivery hands out, counted alike; a single message always fits.
    pub delivery_bytes_max: usize,
    /// Bytes of a queue's name, without the `::dead_letter` at its end.
    pub name_bytes_max: usize,
    /// Queues that hold messages or are subscribed to. Those of dead letters always find room.
    pub queues_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            attempts_max: 10,
            queue_messages_max: 100_000,
            bytes_max: 256 << 20,
            message_bytes_max: 1 << 20,
            delivery_bytes_max: 8 << 20,
            name_bytes_max: 1_024,
            queues_max: 10_000,
        }
    }
}

impl QueueLimits {
    pub(super) fn used_up(&self, attempts: u32) -> bool {
        attempts >= self.attempts_max.max(1)
    }

    pub(super) fn check_name(&self, queue: &str) -> Result<(), Refused> {
        let (queue, _) = queue_and_function(queue);
        let name = queue.strip_suffix(DEAD_LETTER).unwrap_or(queue);
        match name.len() {
            0 => Err(Refused::NoName),
            bytes if bytes > self.name_bytes_max => Err(Refused::NameTooLong {
                bytes,
                bytes_max: self.name_bytes_max,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn check_message(&self, bytes: usize) -> Result<(), Refused> {
        if bytes > self.message_bytes_max {
            return Err(Refused::MessageTooLarge {
                bytes,
                bytes_max: self.message_bytes_max,
            });
        }
        Ok(())
    }

    pub(super) fn check_queues(&self, queue: &str, queues: usize) -> Result<(), Refused> {
        if queues >= self.queues_max {
            return Err(Refused::TooManyQueues {
                queue: queue_and_function(queue).0.to_owned(),
                queues,
                queues_max: self.queues_max,
            });
        }
        Ok(())
    }

    pub(super) fn check_room(&self, queue: &str, messages: usize) -> Result<(), Refused> {
        if messages >= self.queue_messages_max {
            return Err(Refused::QueueFull {
                queue: queue_and_function(queue).0.to_owned(),
                messages,
                messages_max: self.queue_messages_max,
            });
        }
        Ok(())
    }

    pub(super) fn check_bytes(&self, held: usize, bytes: usize) -> Result<(), Refused> {
        if held.saturating_add(bytes) > self.bytes_max {
            return Err(Refused::BytesFull {
                held,
                bytes,
                bytes_max: self.bytes_max,
            });
        }
        Ok(())
    }
}

/// Whether the dead letters of this queue stay in it.
pub(super) fn is_dead_letter_queue(queue: &str) -> bool {
    queue_and_function(queue).0.ends_with(DEAD_LETTER)
}

/// Where the dead letters of a queue, and those of its lanes, go.
pub(super) fn dead_letter_queue(queue: &str) -> Arc<str> {
    let (queue, _) = queue_and_function(queue);
    format!("{queue}{DEAD_LETTER}").into()
}

/// Why a message or a subscription is not taken. The text of it is what the sender is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The queue has no name.
    #[error("the name of a queue must not be empty")]
    NoName,
    /// The queue's name holds a NUL, which names of lanes are made with.
    #[error("the name of a queue must not hold a NUL character")]
    NulInName,
    /// The queue's name is too long.
    #[error("the name of a queue must not be longer than {bytes_max} bytes, got {bytes}")]
    NameTooLong {
        /// Without the `::dead_letter` at its end.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The message is too large for any queue.
    #[error("a message must not be larger than {bytes_max} bytes, got {bytes}")]
    MessageTooLarge {
        /// Of its `data`, and of what goes along with a call.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The queue holds as many messages as it takes.
    #[error(
        "queue '{queue}' is full: the limit is {messages_max} messages, and it holds {messages}"
    )]
    QueueFull {
        /// Its name.
        queue: String,
        /// What it holds.
        messages: usize,
        /// The limit.
        messages_max: usize,
    },
    /// All queues together hold as much as they take.
    #[error(
        "the queues are full: the limit is {bytes_max} bytes, \
         they hold {held} and the message counts {bytes}"
    )]
    BytesFull {
        /// What they hold.
        held: usize,
        /// What the message would add.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// There are as many queues as there may be.
    #[error(
        "queue '{queue}' cannot be made: the limit is {queues_max} queues, and there are {queues}"
    )]
    TooManyQueues {
        /// The name of the one too many.
        queue: String,
        /// How many there are.
        queues: usize,
        /// The limit.
        queues_max: usize,
    },
    /// The store did not keep the message.
    #[error("the message could not be stored: {problem}")]
    NotStored {
        /// In the store's words.
        problem: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let limits = QueueLimits::default();
        let verdict = |name: &str| match limits.check_name(name) {
            Ok(()) => "ok".to_owned(),
            Err(refused) => refused.to_string(),
        };
        let long = |bytes: usize| "n".repeat(bytes);
        for (name, expected) in [
            ("q".to_owned(), "ok"),
            ("ünï \n::x".to_owned(), "ok"),
            (long(1_024), "ok"),
            (dead_letter_queue(&long(1_024)).to_string(), "ok"),
            (String::new(), "the name of a queue must not be empty"),
            (
                "::dead_letter".to_owned(),
                "the name of a queue must not be empty",
            ),
            (
                long(1_025),
                "the name of a queue must not be longer than 1024 bytes, got 1025",
            ),
            (
                dead_letter_queue(&long(1_025)).to_string(),
                "the name of a queue must not be longer than 1024 bytes, got 1025",
            ),
        ] {
            assert_eq!(verdict(&name), expected, "{name}");
        }
    }

    #[test]
    fn dead_letters_stay_where_they_are() {
        assert_eq!(&*dead_letter_queue("q"), "q::dead_letter");
        assert!(is_dead_letter_queue("q::dead_letter"));
        assert!(!is_dead_letter_queue("q"));
        assert!(!is_dead_letter_queue("q::dead_letter::x"));
    }
}
