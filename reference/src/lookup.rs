//! Looking names up: each name once at a time, in a thread of its own, and only so many at once
//! for one session, so that names which hang do not keep others from being looked up (D-28).

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use reference_core::{Exhausted, SessionId};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

use crate::{
    Limits,
    share::{Bounded, Share},
};

/// How the names of endpoints become addresses. Which addresses may be called is decided after
/// that, whatever comes out (D-28).
pub trait Resolver: Send + Sync {
    /// The addresses of a name. It may block: it is called in a thread of its own.
    ///
    /// # Errors
    ///
    /// Why there are none. Callers and the log are shown the text.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's own look-up, with its hosts file, search domains and local names.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = (name, 0).to_socket_addrs()?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LookUpError {
    #[error("{0}")]
    Failed(Arc<str>),
    #[error("the name was not resolved within {ms} ms")]
    TimedOut { ms: u128 },
    #[error("{max} names are being looked up for this session, no more are for one at once")]
    TooManyOfSession { max: usize },
    #[error("{max} names are being looked up, no more are at once")]
    TooMany { max: usize },
}

type Found = Result<Arc<[IpAddr]>, LookUpError>;

/// All look-ups of a server.
pub(crate) struct LookUps {
    resolver: Arc<dyn Resolver>,
    time_max: Duration,
    bounded: Bounded,
    under_way: Arc<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    by_name: Mutex<HashMap<Arc<str>, watch::Receiver<Option<Found>>>>,
    /// Rung when one has ended.
    ended: Notify,
}

impl LookUps {
    pub(crate) fn new(resolver: Arc<dyn Resolver>, limits: &Limits) -> Self {
        Self {
            resolver,
            time_max: limits.lookup_time_max,
            bounded: Bounded::new(limits.lookups_max, limits.lookups_per_session_max),
            under_way: Arc::default(),
        }
    }

    /// The addresses of a name, at least one. What nobody waits for any more still counts as the
    /// session's until it has ended: a look-up cannot be interrupted.
    pub(crate) async fn find(&self, name: &str, session: SessionId) -> Found {
        let mut refused = None;
        let finding = async {
            loop {
                let ended = self.under_way.ended.notified();
                match self.join_or_begin(name, session) {
                    Ok(answer) => {
                        refused = None;
                        return wait(answer).await;
                    }
                    Err(bound) => refused = Some(bound),
                }
                ended.await;
            }
        };
        let found = timeout(self.time_max, finding).await;
        found.unwrap_or_else(|_| {
            let ms = self.time_max.as_millis();
            Err(refused.map_or(LookUpError::TimedOut { ms }, LookUpError::from))
        })
    }

    /// A look-up of this name, which may be under way already.
    fn join_or_begin(
        &self,
        name: &str,
        session: SessionId,
    ) -> Result<watch::Receiver<Option<Found>>, Exhausted> {
        let mut by_name = self.under_way.lock();
        if let Some(answer) = by_name.get(name) {
            return Ok(answer.clone());
        }
        let share = self.bounded.take(session, 1)?;
        let (sender, answer) = watch::channel(None);
        let name: Arc<str> = name.into();
        by_name.insert(Arc::clone(&name), answer.clone());
        drop(by_name);
        let entry = Entry {
            under_way: Arc::clone(&self.under_way),
            name,
            share: Some(share),
        };
        let resolver = Arc::clone(&self.resolver);
        // Not one of the runtime's own threads: those are few, and waited for at its end. If the
        // system has none, the sender goes, and whoever waits is told.
        let _ = thread::Builder::new()
            .name("look-up".to_owned())
            .spawn(move || {
                let found = resolve(&*resolver, &entry.name);
                // Whoever is answered finds room again.
                drop(entry);
                sender.send_replace(Some(found));
            });
        Ok(answer)
    }
}

async fn wait(mut answer: watch::Receiver<Option<Found>>) -> Found {
    let found = answer.wait_for(Option::is_some).await;
    let found = found.ok().and_then(|found| found.clone());
    found.unwrap_or_else(|| {
        Err(LookUpError::Failed(
            "the name could not be looked up".into(),
        ))
    })
}

fn resolve(resolver: &dyn Resolver, name: &str) -> Found {
    match resolver.resolve(name) {
        Ok(found) if found.is_empty() => Err(LookUpError::Failed("the name has no address".into())),
        Ok(found) => Ok(found.into()),
        Err(error) => Err(LookUpError::Failed(error.to_string().into())),
    }
}

impl From<Exhausted> for LookUpError {
    fn from(bound: Exhausted) -> Self {
        match bound {
            Exhausted::Session { max } => Self::TooManyOfSession { max },
            Exhausted::All { max } => Self::TooMany { max },
        }
    }
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, watch::Receiver<Option<Found>>>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look-up that has begun; dropped when it has ended, however it did.
struct Entry {
    under_way: Arc<UnderWay>,
    name: Arc<str>,
    share: Option<Share>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.under_way.lock().remove(&self.name);
        drop(self.share.take());
        self.under_way.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::{Condvar, atomic::AtomicUsize, atomic::Ordering},
    };

    use futures_util::future::join_all;

    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const PATIENCE: Duration = Duration::from_secs(20);
    const AT_ONCE: Duration = Duration::from_millis(10);

    /// Names that begin with `hanging` are answered once the gate is open.
    #[derive(Default)]
    struct Gate {
        open: Mutex<bool>,
        opened: Condvar,
        asked: AtomicUsize,
    }

    impl Gate {
        fn open(&self) {
            *self.open.lock().unwrap() = true;
            self.opened.notify_all();
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl Resolver for Arc<Gate> {
        fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match name {
                "none" => Ok(Vec::new()),
                "broken" => panic!("of the test's"),
                "unknown" => Err(io::Error::other("no such name")),
                name if name.starts_with("hanging") => {
                    let closed = self.open.lock().unwrap();
                    drop(self.opened.wait_while(closed, |open| !*open).unwrap());
                    Ok(vec![HOME])
                }
                _ => Ok(vec![HOME]),
            }
        }
    }

    fn look_ups(time_max: Duration) -> (LookUps, Arc<Gate>) {
        let gate = Arc::new(Gate::default());
        let limits = Limits {
            lookup_time_max: time_max,
            lookups_max: 100,
            lookups_per_session_max: 16,
            ..Limits::default()
        };
        (LookUps::new(Arc::new(Arc::clone(&gate)), &limits), gate)
    }

    #[track_caller]
    fn assert_home(found: &Found) {
        assert_eq!(found.as_deref(), Ok(&[HOME][..]));
    }

    fn assert_nothing_is_left(look_ups: &LookUps) {
        assert!(look_ups.under_way.lock().is_empty());
        assert_eq!(look_ups.bounded.taken(), 0);
    }

    #[tokio::test]
    async fn those_who_ask_for_one_name_share_one_look_up() {
        let (look_ups, gate) = look_ups(PATIENCE);
        let (first, second, ()) = tokio::join!(
            biased;
            look_ups.find("hanging", SessionId(1)),
            look_ups.find("hanging", SessionId(2)),
            async { gate.open() },
        );
        assert_home(&first);
        assert_home(&second);
        assert_eq!(gate.asked(), 1);
        // Nothing is kept: an address may be another one the next time.
        assert_home(&look_ups.find("hanging", SessionId(1)).await);
        assert_eq!(gate.asked(), 2);
        assert_nothing_is_left(&look_ups);
    }

    #[tokio::test]
    async fn a_thousand_names_that_hang_do_not_keep_another_waiting() {
        let (look_ups, gate) = look_ups(PATIENCE);
        let hanging = join_all((0..1_000_u64).map(|index| {
            let look_ups = &look_ups;
            let name = format!("hanging-{index}");
            async move { look_ups.find(&name, SessionId(index % 4)).await }
        }));
        tokio::select! {
            biased;
            _ = hanging => panic!("they hang"),
            found = look_ups.find("alive", SessionId(4)) => assert_home(&found),
        }
        assert_eq!(look_ups.under_way.lock().len(), 4 * 16);
        gate.open();
    }

    #[tokio::test]
    async fn whoever_waits_for_room_gets_it_as_soon_as_there_is_some() {
        let (look_ups, gate) = look_ups(PATIENCE);
        let names = (0..200).map(|index| format!("hanging-{index}"));
        let finding = join_all(names.map(|name| {
            let look_ups = &look_ups;
            async move { look_ups.find(&name, SessionId(1)).await }
        }));
        let (found, ()) = tokio::join!(biased; finding, async { gate.open() });
        found.iter().for_each(assert_home);
        assert_eq!(gate.asked(), 200);
        assert_nothing_is_left(&look_ups);
    }

    #[tokio::test]
    async fn what_is_given_up_leaves_nothing_behind() {
        let (look_ups, gate) = look_ups(PATIENCE);
        tokio::select! {
            biased;
            _ = look_ups.find("hanging", SessionId(1)) => panic!("it hangs"),
            () = ready(()) => {}
        }
        assert_eq!(look_ups.bounded.taken(), 1, "it still has its thread");
        let (found, ()) = tokio::join!(
            biased;
            look_ups.find("hanging", SessionId(2)),
            async { gate.open() },
        );
        assert_home(&found);
        assert_eq!(gate.asked(), 1);
        assert_nothing_is_left(&look_ups);
    }

    #[tokio::test]
    async fn each_way_to_fail_says_what_it_is() {
        let (look_ups, _gate) = look_ups(PATIENCE);
        for (name, problem) in [
            ("unknown", "no such name"),
            ("none", "the name has no address"),
            ("broken", "the name could not be looked up"),
        ] {
            let found = look_ups.find(name, SessionId(1)).await;
            assert_eq!(found.unwrap_err().to_string(), problem);
        }
        assert_nothing_is_left(&look_ups);
    }

    #[tokio::test]
    async fn waiting_ends_and_says_what_was_waited_for() {
        let (look_ups, gate) = look_ups(AT_ONCE);
        for session in 0..7 {
            let names = (0..16).map(|index| format!("hanging-{session}-{index}"));
            let finding = names.map(|name| {
                let look_ups = &look_ups;
                async move { look_ups.find(&name, SessionId(session)).await }
            });
            let found = join_all(finding).await;
            let timed_out = LookUpError::TimedOut { ms: 10 };
            assert_eq!(found.first(), Some(&Err(timed_out)));
        }
        for (session, problem) in [
            (
                0,
                "16 names are being looked up for this session, no more are for one at once",
            ),
            (9, "100 names are being looked up, no more are at once"),
        ] {
            let found = look_ups.find("alive", SessionId(session)).await;
            assert_eq!(found.unwrap_err().to_string(), problem);
        }
        gate.open();
    }
}
