//! The hub against a clock that can be set.

use std::sync::atomic::{AtomicI64, Ordering};

use reference_core::{Engine, OutboundPolicy};
use tokio::time::{Instant, timeout};

use super::*;
use crate::{FixedEnvironment, Limits, SystemResolver};

const HOUR: Duration = Duration::from_secs(3_600);
/// By when a clock that was set has been noticed; timers count in milliseconds.
const NOTICED: Duration = Duration::from_millis(1_002);
/// 2026-01-01T11:00:00Z.
const START: Duration = Duration::from_secs(1_767_265_200);

/// Runs with the simulated time of the test, and can be set.
#[derive(Clone)]
struct SetClock {
    started: Instant,
    set_by_s: Arc<AtomicI64>,
}

impl Clock for SetClock {
    fn now(&self) -> Now {
        let monotonic = self.started.elapsed();
        let right = START + monotonic;
        let by = self.set_by_s.load(Ordering::Relaxed);
        let seconds = Duration::from_secs(by.unsigned_abs());
        let wall = if by < 0 {
            right - seconds
        } else {
            right + seconds
        };
        Now { monotonic, wall }
    }
}

struct Worker {
    hub: Arc<Hub>,
    clock: SetClock,
    session: SessionId,
    outbox: Arc<Outbox>,
}

impl Worker {
    /// Connected to a hub that keeps time, with a function `f`.
    async fn connect() -> Self {
        let clock = SetClock {
            started: Instant::now(),
            set_by_s: Arc::default(),
        };
        let outbound = Outbound::new(
            OutboundPolicy::default(),
            Box::new(SystemResolver),
            &Limits::default(),
        );
        let hub = Hub::new(
            Box::new(Engine::default()),
            Box::new(FixedEnvironment::default()),
            Box::new(clock.clone()),
            outbound,
            Rooms::new(&Limits::default()),
        );
        let timed = Arc::clone(&hub);
        tokio::spawn(async move { timed.keep_time().await });
        let outbox = Outbox::new(None, None, &Limits::default(), hub.rooms());
        let (session, _) = hub.open(Arc::clone(&outbox)).unwrap();
        let worker = Self {
            hub,
            clock,
            session,
            outbox,
        };
        assert!(worker.within(HOUR).await.is_some(), "the greeting");
        worker.send(r#"{"type":"registerfunction","id":"f"}"#);
        worker
    }

    fn send(&self, frame: &str) {
        let session = self.session;
        self.hub.handle(Input::Text { session, frame });
    }

    async fn schedule(&self, schedule: &str) {
        let config = format!(r#"{{"schedule":"{schedule}"}}"#);
        self.send(&format!(
            r#"{{"type":"registertrigger","id":"t","trigger_type":"cron","function_id":"f","config":{config}}}"#
        ));
        let result = self.within(Duration::ZERO).await.unwrap();
        assert!(!result.contains("error"), "{result}");
    }

    /// The next frame, if it comes by then.
    async fn within(&self, time: Duration) -> Option<String> {
        timeout(time, self.outbox.next()).await.ok()
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_follows_the_wall_clock_when_it_is_set() {
    let worker = Worker::connect().await;
    worker.schedule("0 12 * * *").await;
    assert_eq!(worker.within(HOUR / 2).await, None);
    worker.clock.set_by_s.store(3_600, Ordering::Relaxed);
    let fired = worker.within(NOTICED).await.unwrap();
    assert!(fired.contains(r#""scheduled_time":"2026-01-01T12:00:00Z""#));
    assert!(
        fired.contains(r#""actual_time":"2026-01-01T12:30:0"#),
        "{fired}"
    );
    // Noon comes a second time, and was seen before.
    worker.clock.set_by_s.store(0, Ordering::Relaxed);
    assert_eq!(worker.within(2 * HOUR).await, None);
    let fired = worker.within(23 * HOUR).await.unwrap();
    assert!(
        fired.contains(r#""actual_time":"2026-01-02T12:00:00.0"#),
        "{fired}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_wall_clock_is_watched_although_a_call_is_waited_for() {
    let worker = Worker::connect().await;
    worker.send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":1}"#);
    assert!(
        worker.within(Duration::ZERO).await.is_some(),
        "its own call"
    );
    worker.schedule("0 12 * * *").await;
    worker.clock.set_by_s.store(3_600, Ordering::Relaxed);
    let fired = worker.within(NOTICED).await.unwrap();
    assert!(fired.contains(r#""scheduled_time":"2026-01-01T12:00:00Z""#));
    let timeout = worker.within(HOUR).await.unwrap();
    assert!(timeout.contains(r#""code":"timeout""#), "{timeout}");
    assert_eq!(worker.clock.started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn without_a_schedule_the_wall_clock_is_not_watched() {
    let worker = Worker::connect().await;
    tokio::task::yield_now().await;
    let now = worker.clock.now();
    assert_eq!(worker.hub.lock().next_tick(now), None);
    worker.send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":1}"#);
    let call_timeout = now.monotonic + Duration::from_secs(30);
    assert_eq!(worker.hub.lock().next_tick(now), Some(call_timeout));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_with_many_calls_leaves_no_room_behind() {
    let worker = Worker::connect().await;
    for _ in 0..4 * EFFECTS_ROOM {
        worker.send(r#"{"type":"invokefunction","function_id":"f","data":1}"#);
    }
    worker.hub.close(worker.session);
    assert!(worker.hub.lock().effects.capacity() <= EFFECTS_ROOM);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_session_that_has_ended_is_held_against_nobody() {
    let worker = Worker::connect().await;
    worker.send(r#"{"type":"ping"}"#);
    assert!(worker.outbox.unread_bytes() > 0);
    worker.hub.close(worker.session);
    assert_eq!(worker.outbox.unread_bytes(), 0);
    // Its connection is there for some time yet, and holds it.
    assert!(worker.hub.rooms().unread.bytes() > 0);
}
