//! A caller that goes on all the while.

use std::time::Duration;

use crate::{
    Outcome,
    address::Address,
    caller::{Answer, Caller},
    system::{Aside, Priority, Stop, aside, pace, stop},
    trouble::Trouble,
};

/// What lies between two calls, at least.
const CALL_EVERY: Duration = Duration::from_millis(1);

/// A caller that goes on until it is stopped.
pub(crate) struct Background {
    stop: Stop,
    calling: Aside<Calls>,
}

/// What has become of its calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    pub(crate) begun: usize,
    /// Those that were answered, with a result or an error.
    pub(crate) answered: usize,
    /// Of these, those with a result.
    pub(crate) results: usize,
}

impl Background {
    /// Calls a function, one call after the other.
    pub(crate) fn start(address: Address, function: &'static str) -> Outcome<Self> {
        let (stop, stopped) = stop();
        let calling = aside("caller", Priority::Usual, move || async move {
            let mut caller = Caller::connect(address).await?;
            let mut calls = Calls::default();
            let mut pace = pace(CALL_EVERY);
            while !stopped.is_now() {
                pace.tick().await;
                calls.begun += 1;
                match caller.call(function, "null").await {
                    Ok(answer) => {
                        calls.answered += 1;
                        calls.results += usize::from(matches!(answer, Answer::Result(_)));
                    }
                    Err(Trouble::Silent { .. }) => {}
                    Err(trouble) => return Err(trouble),
                }
            }
            caller.peer.close().await?;
            Ok(calls)
        })?;
        Ok(Self { stop, calling })
    }

    /// Has it end with the call that is under way.
    pub(crate) async fn stop(self) -> Outcome<Calls> {
        drop(self.stop);
        self.calling.ended().await
    }
}
