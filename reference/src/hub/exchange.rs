//! HTTP requests that wait for the machine's answer.

use std::sync::Arc;

use reference_core::{ExchangeId, HttpAnswer, HttpTriggerRequest, Input};
use tokio::sync::oneshot;

use super::Hub;

/// A request that has been handed to the machine. Dropped before its answer has come, it is
/// abandoned.
#[derive(Debug)]
pub(crate) struct Exchange {
    hub: Arc<Hub>,
    id: ExchangeId,
    answer: oneshot::Receiver<HttpAnswer>,
}

impl Exchange {
    /// Hands a request to the machine, unless the engine is stopping.
    pub(crate) fn begin(hub: &Arc<Hub>, request: HttpTriggerRequest<'_>) -> Option<Self> {
        let (promise, answer) = oneshot::channel();
        let mut state = hub.lock();
        if state.stopped {
            return None;
        }
        state.exchanges_begun += 1;
        let id = ExchangeId(state.exchanges_begun);
        state.exchanges.insert(id, promise);
        let exchange = id;
        hub.carry_out(state, Input::HttpRequest { exchange, request });
        Some(Self {
            hub: Arc::clone(hub),
            id,
            answer,
        })
    }

    /// Waits for the answer.
    pub(crate) async fn answer(mut self) -> Option<HttpAnswer> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if state.exchanges.remove(&self.id).is_some() {
            let exchange = self.id;
            self.hub.carry_out(state, Input::HttpAbandoned { exchange });
        }
    }
}
