//! The flags that set bounds: on what peers can make the engine hold, and wait for (D-28).

#[cfg(test)]
mod tests;

use std::time::Duration;

use clap::Args;
use reference::{
    HttpLimits, Limits,
    core::{QueueLimits, Settings},
};

/// A flag for each bound on how much is held, and how long is waited for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bounds")]
pub(crate) struct Bounds {
    /// How many workers may be connected at once; one more is refused with 503.
    #[arg(long, value_name = "N", env = "REFERENCE_SESSIONS_MAX", default_value_t = 16_384,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sessions_max: u32,

    /// How many connections may be in their handshakes at the port of workers, beside these; others
    /// wait.
    #[arg(long, value_name = "N", env = "REFERENCE_HANDSHAKES_MAX", default_value_t = 1_024,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    handshakes_max: u32,

    /// How long a handshake may take.
    #[arg(long, value_name = "MS", env = "REFERENCE_HANDSHAKE_TIME_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    handshake_time_ms: u32,

    /// How long it may take while other connections wait for their own.
    #[arg(long, value_name = "MS", env = "REFERENCE_CROWDED_HANDSHAKE_TIME_MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    crowded_handshake_time_ms: u32,

    /// The largest frame that is read; a larger one closes its session.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_FRAME_BYTES_MAX", default_value_t = 16 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    frame_bytes_max: u32,

    /// The most that may wait for a worker that reads too slowly; then its session is closed.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_OUTBOX_BYTES_MAX", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    outbox_bytes_max: u32,

    /// How much may wait of answers that a worker has not read; until it has, no more is read from it.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_ANSWER_BYTES_MAX", default_value_t = 4 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    answer_bytes_max: u32,

    /// The most that may wait for all workers; then those for which the most waits are closed.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_ALL_OUTBOX_BYTES_MAX", default_value_t = 256 << 20,
          value_parser = clap::value_parser!(u64).range(1_024..))]
    all_outbox_bytes_max: u64,

    /// How large the frames are together of which a part has come; then the workers whose frames are
    /// the largest are closed.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_UNFINISHED_BYTES_MAX", default_value_t = 256 << 20,
          value_parser = clap::value_parser!(u64).range(1_024..))]
    unfinished_bytes_max: u64,

    /// How long a worker may take nothing of what waits for it; then its session is closed.
    #[arg(long, value_name = "MS", env = "REFERENCE_STALL_TIME_MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    stall_time_ms: u32,

    /// How long a worker whose session ends may take for what was sent before, and as long for its
    /// answer to that end; and a connection of http triggers, likewise.
    #[arg(long, value_name = "MS", env = "REFERENCE_CLOSE_TIME_MS", default_value_t = 2_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    close_time_ms: u32,

    /// What one worker may register: texts, and what the engine keeps beside them.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_REGISTRATION_BYTES_MAX", default_value_t = 2 << 30,
          value_parser = clap::value_parser!(u64).range(1_024..))]
    registration_bytes_max: u64,

    /// What all workers may register together, counted alike.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_ALL_REGISTRATION_BYTES_MAX", default_value_t = 4 << 30,
          value_parser = clap::value_parser!(u64).range(1_024..))]
    all_registration_bytes_max: u64,

    /// The largest result of one of the engine's own lists.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_LIST_BYTES_MAX", default_value_t = 16 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    list_bytes_max: u32,

    /// The payloads of the calls that one worker has still to answer.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_CALL_BYTES_MAX", default_value_t = 48 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    call_bytes_max: u32,

    /// Those of the calls of one worker that others have still to answer.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_CALL_BYTES_PER_CALLER_MAX", default_value_t = 128 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    call_bytes_per_caller_max: u32,

    /// Those of all calls that workers have still to answer.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_ALL_CALL_BYTES_MAX", default_value_t = 512 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    all_call_bytes_max: u32,

    /// How long whoever provides a trigger type may take to answer a registration.
    #[arg(long, value_name = "MS", env = "REFERENCE_TRIGGER_REGISTRATION_TIMEOUT_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    trigger_registration_timeout_ms: u32,

    /// How many requests to endpoints are made at once.
    #[arg(long, value_name = "N", env = "REFERENCE_REQUESTS_MAX", default_value_t = 1_024,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests_max: u32,

    /// How many of them for one calling worker.
    #[arg(long, value_name = "N", env = "REFERENCE_REQUESTS_PER_WORKER_MAX", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    requests_per_worker_max: u32,

    /// How large the bodies of these requests are together.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_REQUEST_BYTES_MAX", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    request_bytes_max: u32,

    /// How large those for one calling worker are.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_REQUEST_BYTES_PER_WORKER_MAX", default_value_t = 16 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    request_bytes_per_worker_max: u32,

    /// How long a connection to an endpoint may take.
    #[arg(long, value_name = "MS", env = "REFERENCE_CONNECT_TIME_MS", default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    connect_time_ms: u32,

    /// How many names of endpoints are looked up at once; others wait.
    #[arg(long, value_name = "N", env = "REFERENCE_LOOKUPS_MAX", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    lookups_max: u32,

    /// How many of them for one calling worker.
    #[arg(long, value_name = "N", env = "REFERENCE_LOOKUPS_PER_WORKER_MAX", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    lookups_per_worker_max: u32,

    /// How long a request waits for the address of a name.
    #[arg(long, value_name = "MS", env = "REFERENCE_LOOKUP_TIME_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    lookup_time_ms: u32,

    /// The largest answer of an endpoint that is read.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_RESPONSE_BYTES_MAX", default_value_t = 16 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    response_bytes_max: u32,

    /// How large the answers that are being read are together.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_ALL_RESPONSE_BYTES_MAX", default_value_t = 256 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    all_response_bytes_max: u32,

    /// How large those for one calling worker are.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_ALL_RESPONSE_BYTES_PER_WORKER_MAX", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    all_response_bytes_per_worker_max: u32,

    /// How many connections of http triggers are served at once; others wait.
    #[arg(long, value_name = "N", env = "REFERENCE_HTTP_CONNECTIONS_MAX", default_value_t = 1_024,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    http_connections_max: u32,

    /// The largest request line and headers of a request for an http trigger.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_HTTP_HEAD_BYTES_MAX", default_value_t = 32 << 10,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    http_head_bytes_max: u32,

    /// The longest path and query of such a request.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_HTTP_TARGET_BYTES_MAX", default_value_t = 8 << 10,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    http_target_bytes_max: u32,

    /// The largest body of such a request that is read.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_HTTP_BODY_BYTES_MAX", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(0..))]
    http_body_bytes_max: u32,

    /// How large the bodies that are being read are together.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_HTTP_BODIES_BYTES_MAX", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    http_bodies_bytes_max: u32,

    /// How large the answers that are being sent are together.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_HTTP_ANSWERS_BYTES_MAX", default_value_t = 256 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    http_answers_bytes_max: u32,

    /// How long such a request line may take with its headers; then the connection is closed.
    #[arg(long, value_name = "MS", env = "REFERENCE_HTTP_HEAD_TIME_MS", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    http_head_time_ms: u32,

    /// How long a body may take.
    #[arg(long, value_name = "MS", env = "REFERENCE_HTTP_BODY_TIME_MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    http_body_time_ms: u32,

    /// How long a connection may be without a request; then it is closed.
    #[arg(long, value_name = "MS", env = "REFERENCE_HTTP_IDLE_TIME_MS", default_value_t = 60_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    http_idle_time_ms: u32,

    /// How long a connection may be without a request, or its head be incomplete, while other
    /// connections wait.
    #[arg(long, value_name = "MS", env = "REFERENCE_HTTP_CROWDED_TIME_MS", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    http_crowded_time_ms: u32,

    /// How long a client may take nothing of its answer; then the connection is closed.
    #[arg(long, value_name = "MS", env = "REFERENCE_HTTP_STALL_TIME_MS", default_value_t = 30_000,
          value_parser = clap::value_parser!(u32).range(100..))]
    http_stall_time_ms: u32,

    /// How many messages one queue takes.
    #[arg(long, value_name = "N", env = "REFERENCE_QUEUE_MESSAGES_MAX", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    queue_messages_max: u32,

    /// What all queues hold together, 256 bytes for each message counted.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_QUEUE_BYTES_MAX", default_value_t = 256 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    queue_bytes_max: u32,

    /// What one message brings.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_QUEUE_MESSAGE_BYTES_MAX", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(1..))]
    queue_message_bytes_max: u32,

    /// What one delivery of a queue hands out, counted alike; a single message always fits.
    #[arg(long, value_name = "BYTES", env = "REFERENCE_QUEUE_DELIVERY_BYTES_MAX", default_value_t = 8 << 20,
          value_parser = clap::value_parser!(u32).range(1_024..))]
    queue_delivery_bytes_max: u32,

    /// How many queues there are, those of dead letters aside.
    #[arg(long, value_name = "N", env = "REFERENCE_QUEUES_MAX", default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    queues_max: u32,
}

impl Bounds {
    /// Those that the server keeps.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            sessions_max: self.sessions_max as usize,
            handshakes_max: self.handshakes_max as usize,
            handshake_time_max: milliseconds(self.handshake_time_ms),
            crowded_handshake_time_max: milliseconds(self.crowded_handshake_time_ms),
            frame_bytes_max: self.frame_bytes_max as usize,
            outbox_bytes_max: self.outbox_bytes_max as usize,
            answer_bytes_max: self.answer_bytes_max as usize,
            outboxes_bytes_max: bytes(self.all_outbox_bytes_max),
            unfinished_bytes_max: bytes(self.unfinished_bytes_max),
            stall_time_max: milliseconds(self.stall_time_ms),
            close_time_max: milliseconds(self.close_time_ms),
            connect_time_max: milliseconds(self.connect_time_ms),
            lookups_max: self.lookups_max as usize,
            lookups_per_session_max: self.lookups_per_worker_max as usize,
            lookup_time_max: milliseconds(self.lookup_time_ms),
            response_bytes_max: self.response_bytes_max as usize,
            responses_bytes_max: self.all_response_bytes_max as usize,
            responses_bytes_per_session_max: self.all_response_bytes_per_worker_max as usize,
            http: self.http_limits(),
            ..Limits::default()
        }
    }

    fn http_limits(&self) -> HttpLimits {
        HttpLimits {
            connections_max: self.http_connections_max as usize,
            head_bytes_max: self.http_head_bytes_max as usize,
            target_bytes_max: self.http_target_bytes_max as usize,
            body_bytes_max: self.http_body_bytes_max as usize,
            bodies_bytes_max: self.http_bodies_bytes_max as usize,
            answers_bytes_max: self.http_answers_bytes_max as usize,
            head_time_max: milliseconds(self.http_head_time_ms),
            body_time_max: milliseconds(self.http_body_time_ms),
            idle_time_max: milliseconds(self.http_idle_time_ms),
            crowded_time_max: milliseconds(self.http_crowded_time_ms),
            stall_time_max: milliseconds(self.http_stall_time_ms),
        }
    }

    /// How many files and connections may come to be open at once.
    pub(crate) fn descriptors(&self) -> u64 {
        // Connections to endpoints that are kept; and listeners, the log, the runtime's own, and
        // files that are read on the way.
        const OTHERS: u64 = 32 * 32 + 64;

        let connections = [
            self.sessions_max,
            self.handshakes_max,
            self.http_connections_max,
            self.requests_max,
        ];
        connections.into_iter().map(u64::from).sum::<u64>() + OTHERS
    }

    /// Those that the engine keeps.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            list_bytes_max: self.list_bytes_max as usize,
            registration_bytes_per_session_max: bytes(self.registration_bytes_max),
            registration_bytes_max: bytes(self.all_registration_bytes_max),
            call_bytes_per_worker_max: self.call_bytes_max as usize,
            call_bytes_per_caller_max: self.call_bytes_per_caller_max as usize,
            call_bytes_max: self.all_call_bytes_max as usize,
            trigger_registration_timeout: milliseconds(self.trigger_registration_timeout_ms),
            requests_max: self.requests_max as usize,
            requests_per_session_max: self.requests_per_worker_max as usize,
            request_bytes_max: self.request_bytes_max as usize,
            request_bytes_per_session_max: self.request_bytes_per_worker_max as usize,
            queues: QueueLimits {
                queue_messages_max: self.queue_messages_max as usize,
                bytes_max: self.queue_bytes_max as usize,
                message_bytes_max: self.queue_message_bytes_max as usize,
                delivery_bytes_max: self.queue_delivery_bytes_max as usize,
                queues_max: self.queues_max as usize,
                ..QueueLimits::default()
            },
            ..Settings::default()
        }
    }
}

fn bytes(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn milliseconds(number: u32) -> Duration {
    Duration::from_millis(number.into())
}
