//! Places for connections: so many at a port at once, and others wait until one is left (D-28).

use std::{future::Future, future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout},
};

/// As many as there are.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// Whether somebody waits for one.
    wanted: watch::Sender<bool>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _taken: Option<OwnedSemaphorePermit>,
    since: Instant,
    wanted: watch::Receiver<bool>,
}

impl Places {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS))),
            wanted: watch::Sender::new(false),
        }
    }

    /// A place, as soon as there is one. One caller waits at a time, who may give up and come
    /// back: it is taken to wait in between.
    pub(crate) async fn take(&self) -> Place {
        let free = Arc::clone(&self.free);
        let taken = match Arc::clone(&free).try_acquire_owned() {
            Ok(taken) => Some(taken),
            Err(_) => {
                self.set_wanted(true);
                // Places are never closed.
                free.acquire_owned().await.ok()
            }
        };
        self.set_wanted(false);
        Place {
            _taken: taken,
            since: Instant::now(),
            wanted: self.wanted.subscribe(),
        }
    }

    fn set_wanted(&self, wanted: bool) {
        self.wanted
            .send_if_modified(|it| std::mem::replace(it, wanted) != wanted);
    }
}

impl Place {
    /// What comes of something that is done in this place; nothing if it is not done so long after
    /// the place was taken, or if somebody waits for a place when the shorter time is over.
    pub(crate) async fn within<T>(
        &self,
        time_max: Duration,
        wanted_time_max: Duration,
        what: impl Future<Output = T>,
    ) -> Option<T> {
        let spent = self.since.elapsed();
        tokio::select! {
            biased;
            done = timeout(time_max.saturating_sub(spent), what) => done.ok(),
            () = self.wanted_after(wanted_time_max.saturating_sub(spent)) => None,
        }
    }

    /// Ends when somebody waits for a place, and nothing has been done in this one for so long.
    pub(crate) async fn wanted_while_unused(
        &self,
        time_max: Duration,
        unused_since: impl Fn() -> Option<Instant>,
    ) {
        loop {
            self.wanted().await;
            let unused = unused_since().map_or(Duration::ZERO, |it| it.elapsed());
            match time_max.checked_sub(unused) {
                Some(left) if !left.is_zero() => sleep(left).await,
                _ => return,
            }
        }
    }

    async fn wanted_after(&self, time: Duration) {
        sleep(time).await;
        self.wanted().await;
    }

    async fn wanted(&self) {
        let mut wanted = self.wanted.clone();
        // Without the port nobody comes any more.
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_place_is_had_for_long_and_for_a_short_time_while_others_wait() {
        let places = Places::new(1);
        let began = Instant::now();
        let first = places.take().await;
        assert_eq!(first.within(LONG, SHORT, pending::<()>()).await, None);
        assert_eq!(began.elapsed().as_secs(), 10);
        drop(first);
        let (began, second) = (Instant::now(), places.take().await);
        assert_eq!(second.within(LONG, SHORT, async { 1 }).await, Some(1));
        let leaving = async {
            assert_eq!(second.within(LONG, SHORT, pending::<()>()).await, None);
            let left = began.elapsed().as_secs();
            drop(second);
            left
        };
        let (left, third) = tokio::join!(leaving, places.take());
        assert_eq!(left, 1);
        // Nobody waits any more.
        let began = Instant::now();
        assert_eq!(third.within(LONG, SHORT, pending::<()>()).await, None);
        assert_eq!(began.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_not_used_is_left_when_another_is_wanted() {
        let places = Places::new(1);
        let place = places.take().await;
        let began = Instant::now();
        let used_until = began + SHORT * 5;
        let leaving = async {
            let unused_since = || (Instant::now() >= used_until).then_some(used_until);
            place.wanted_while_unused(SHORT, unused_since).await;
            drop(place);
        };
        let waiting = async {
            sleep(SHORT * 2).await;
            places.take().await
        };
        let ((), _next) = tokio::join!(leaving, waiting);
        assert_eq!(began.elapsed(), SHORT * 6);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_had_a_place_for_long_leaves_at_once_when_another_comes() {
        let places = Places::new(1);
        let first = places.take().await;
        sleep(SHORT * 3).await;
        let began = Instant::now();
        let leaving = async {
            let done = first.within(LONG, SHORT, pending::<()>()).await;
            drop(first);
            done
        };
        let (done, _second) = tokio::join!(leaving, places.take());
        assert_eq!((done, began.elapsed()), (None, Duration::ZERO));
    }
}
