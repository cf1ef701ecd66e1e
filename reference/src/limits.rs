//! Bounds on what a peer can make the server hold or wait for (D-28).

use std::time::Duration;

/// Bounds on what a peer can make the server hold or wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many workers are connected at once; one more is refused with 503 (D-28).
    pub sessions_max: usize,
    /// The largest message that is read, in bytes; a larger one closes its session 1009 (D-08).
    pub frame_bytes_max: usize,
    /// The most that waits for a session that reads too slowly, in bytes; then it is closed 1013
    /// (D-28). A single frame always finds room.
    pub outbox_bytes_max: usize,
    /// The most that waits of answers to what a session itself has sent, in bytes, while more is
    /// read from it (D-28).
    pub answer_bytes_max: usize,
    /// The most that waits for all sessions together, in bytes; then those for which the most
    /// waits are closed 1013 (D-28). The largest frame should find room in it several times.
    pub outboxes_bytes_max: usize,
    /// How large the messages are together, in bytes, of which a part has come; then the sessions
    /// whose messages are the largest are closed 1013 (D-28). The largest frame should find room in
    /// it several times.
    pub unfinished_bytes_max: usize,
    /// How long a session may take nothing of what waits for it; then it is closed 1013.
    pub stall_time_max: Duration,
    /// The largest answer of an endpoint that is read, in bytes (D-11).
    pub response_bytes_max: usize,
    /// How large the answers that are being read are together, in bytes; one that would make it
    /// more is given up (D-28).
    pub responses_bytes_max: usize,
    /// How large those for one calling session are together, in bytes; likewise.
    pub responses_bytes_per_session_max: usize,
    /// How long a connection to an endpoint may take, with the look-up and the TLS handshake.
    pub connect_time_max: Duration,
    /// How many names of endpoints are looked up at once (D-28). Others wait.
    pub lookups_max: usize,
    /// How many of them for one calling session.
    pub lookups_per_session_max: usize,
    /// How long a request waits for the address of a name.
    pub lookup_time_max: Duration,
    /// How many connections are in their WebSocket handshakes at once, that of TLS included, or are
    /// told why there is none; others wait (D-28). They are none of the workers.
    pub handshakes_max: usize,
    /// How long a WebSocket handshake may take.
    pub handshake_time_max: Duration,
    /// How long it may take while others wait for their own.
    pub crowded_handshake_time_max: Duration,
    /// How long a closing session is given to take what was sent before, and then again to answer
    /// the Close frame; and a closing HTTP connection, likewise.
    pub close_time_max: Duration,
    /// How long nothing may come from a session, answers to the pings included that it is sent
    /// meanwhile; then it ends, at three quarters of it at the earliest (D-30). A message counts
    /// once it is there as a whole.
    pub silence_time_max: Duration,
    /// What requests for http triggers are held to.
    pub http: HttpLimits,
}

/// Bounds on requests for http triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// How many connections are served at once; others wait until one ends. Each has one request
    /// under way at a time, so this bounds these as well.
    pub connections_max: usize,
    /// The largest request line and headers together, in bytes; what is larger is answered 431.
    pub head_bytes_max: usize,
    /// The longest path and query together, in bytes; what is longer is answered 414.
    pub target_bytes_max: usize,
    /// The largest body that is read, in bytes; what is larger is answered 413.
    pub body_bytes_max: usize,
    /// How large the bodies that are being read are together, in bytes; one that would make it
    /// more is answered 503. A single one always finds room.
    pub bodies_bytes_max: usize,
    /// How large the bodies of the answers that are being sent are together, in bytes; one that
    /// would make it more is replaced by 503. A single one always finds room.
    pub answers_bytes_max: usize,
    /// How long a request line and its headers may take from their first byte on; then the
    /// connection is closed.
    pub head_time_max: Duration,
    /// How long a body may take; then it is answered 408.
    pub body_time_max: Duration,
    /// How long a connection may be without a request; then it is closed.
    pub idle_time_max: Duration,
    /// How long a connection may be without a request, or wait for the rest of a head, while others
    /// wait for a place.
    pub crowded_time_max: Duration,
    /// How long a peer may take nothing of its answer; then the connection is closed.
    pub stall_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions_max: 16_384,
            frame_bytes_max: 16 << 20,
            outbox_bytes_max: 64 << 20,
            answer_bytes_max: 4 << 20,
            outboxes_bytes_max: 256 << 20,
            unfinished_bytes_max: 256 << 20,
            stall_time_max: Duration::from_secs(30),
            response_bytes_max: 16 << 20,
            responses_bytes_max: 256 << 20,
            responses_bytes_per_session_max: 64 << 20,
            connect_time_max: Duration::from_secs(20),
            lookups_max: 128,
            lookups_per_session_max: 16,
            lookup_time_max: Duration::from_secs(10),
            handshakes_max: 1_024,
            handshake_time_max: Duration::from_secs(10),
            crowded_handshake_time_max: Duration::from_secs(1),
            close_time_max: Duration::from_secs(2),
            silence_time_max: Duration::from_secs(28),
            http: HttpLimits::default(),
        }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            head_bytes_max: 32 << 10,
            target_bytes_max: 8 << 10,
            body_bytes_max: 1 << 20,
            bodies_bytes_max: 64 << 20,
            answers_bytes_max: 256 << 20,
            head_time_max: Duration::from_secs(10),
            body_time_max: Duration::from_secs(30),
            idle_time_max: Duration::from_secs(60),
            crowded_time_max: Duration::from_secs(1),
            stall_time_max: Duration::from_secs(30),
        }
    }
}
