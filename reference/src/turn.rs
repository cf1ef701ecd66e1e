//! Whose turn it is: sessions that send a frame now and then are served as it comes, and those that
//! send without end one after the other, each behind all that has come for the former.

use std::{
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
};

/// How many frames a turn takes at most. They are handled under one lock, and what they have caused
/// is written together; with more of them, whoever waits for it begins too late (`benches/README.md`).
pub(crate) const TURN_FRAMES_MAX: usize = 32;

/// The sessions that have more to be read than their last turn took. As many of them have a turn at a
/// time as there are threads.
#[derive(Debug)]
pub(crate) struct Crowd(Arc<Semaphore>);

impl Crowd {
    /// # Panics
    ///
    /// Outside of a runtime.
    pub(crate) fn new() -> Self {
        let threads = Handle::current().metrics().num_workers();
        Self(Arc::new(Semaphore::new(threads)))
    }
}

type Place = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// The turns of one session.
pub(crate) struct Turn<'c> {
    crowd: &'c Crowd,
    /// Where it stands in the crowd, if it does. What it waits for may have become its own already: if
    /// it does not begin, it has to end.
    place: Option<Place>,
    permit: Option<OwnedSemaphorePermit>,
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl<'c> Turn<'c> {
    pub(crate) fn new(crowd: &'c Crowd) -> Self {
        Self {
            crowd,
            place: None,
            permit: None,
        }
    }

    /// Ready when it is this session's turn.
    pub(crate) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(place) = &mut self.place {
            self.permit = ready!(place.as_mut().poll(cx));
            self.place = None;
        }
        Poll::Ready(())
    }

    /// Whether there is more to be read, and others are before it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.place.is_some()
    }

    /// It is over. If there may be more to be read, that is for its next one, behind those of all who
    /// wait already.
    pub(crate) fn end(&mut self, may_have_more: bool) {
        self.permit = None;
        self.place = may_have_more.then(|| {
            let crowd = Arc::clone(&self.crowd.0);
            Box::pin(async move {
                // It is never closed.
                let permit = crowd.acquire_owned().await.ok();
                behind_all_others().await;
                permit
            }) as Place
        });
    }
}

/// Waits until everything has run that can.
async fn behind_all_others() {
    // The runtime looks first for what has come.
    yield_now().await;
    // It may run this before what it has found.
    let mut has_waited = false;
    poll_fn(|cx| match mem::replace(&mut has_waited, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{sync::Mutex, task::Waker};

    use tokio::task::JoinSet;

    use super::*;

    type Log = Arc<Mutex<Vec<&'static str>>>;

    async fn begin(turn: &mut Turn<'_>) {
        poll_fn(|cx| turn.poll_begin(cx)).await;
    }

    async fn take_turns(crowd: Arc<Crowd>, name: &'static str, log: Log) {
        let mut turn = Turn::new(&crowd);
        for _ in 0..3 {
            begin(&mut turn).await;
            log.lock().unwrap().push(name);
            turn.end(true);
        }
    }

    #[tokio::test]
    async fn those_of_a_crowd_have_their_turns_in_order() {
        let (crowd, log) = (Arc::new(Crowd::new()), Log::default());
        let names = ["a", "b", "c"];
        let tasks = names.map(|name| take_turns(Arc::clone(&crowd), name, Arc::clone(&log)));
        JoinSet::from_iter(tasks).join_all().await;
        assert_eq!(*log.lock().unwrap(), names.repeat(3));
    }

    #[tokio::test]
    async fn whoever_is_of_no_crowd_comes_before_it() {
        let (crowd, log) = (Arc::new(Crowd::new()), Log::default());
        let mut of_a_crowd = JoinSet::new();
        for _ in 0..8 {
            of_a_crowd.spawn(take_turns(Arc::clone(&crowd), "crowd", Arc::clone(&log)));
        }
        let mut others = JoinSet::new();
        while log.lock().unwrap().is_empty() {
            yield_now().await;
        }
        let had = log.lock().unwrap().len();
        for _ in 0..8 {
            let log = Arc::clone(&log);
            others.spawn(async move { log.lock().unwrap().push("other") });
        }
        others.join_all().await;
        of_a_crowd.join_all().await;
        let log = log.lock().unwrap();
        let first = log[had..].iter().take(8);
        assert!(first.clone().all(|it| *it == "other"), "{log:?}");
        assert_eq!(log.len(), 32);
    }

    #[tokio::test]
    async fn a_turn_that_is_not_taken_goes_to_the_next() {
        let crowd = Crowd::new();
        let (mut first, mut second) = (Turn::new(&crowd), Turn::new(&crowd));
        let mut unwoken = Context::from_waker(Waker::noop());
        first.end(true);
        second.end(true);
        assert!(first.is_waiting() && second.is_waiting());
        // It is the first one's, which then waits for something else.
        assert!(first.poll_begin(&mut unwoken).is_pending());
        first.end(false);
        begin(&mut second).await;
        assert!(!second.is_waiting());
        begin(&mut first).await;
        first.end(true);
        second.end(true);
        assert!(first.poll_begin(&mut unwoken).is_pending());
        drop(first);
        begin(&mut second).await;
    }
}
