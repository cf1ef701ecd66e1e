//! A worker that comes back, with its old connection still there or not (CO-15).

use tokio::{task::JoinHandle, time::timeout};

use super::Plan;
use crate::{
    Outcome,
    background::Background,
    caller::{Answer, Caller},
    engine::{Engine, PATIENCE, get},
    ledger::Ledger,
    peer::{Heard, Incoming, Peer, result},
    trouble::WithinPatience,
};

const FUNCTION: &str = "reattach";
const NORMAL: u16 = 1000;

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let mut caller = Caller::connect(engine.address).await?;
    let mut worker = Worker::come(&engine, 0, None).await?;
    let background = Background::start(engine.address, FUNCTION)?;
    let (mut called, mut requested, mut retired, mut stood) = (0, 0, 0, 0);
    let rounds = plan.reattachments();
    for round in 1..=rounds {
        // Every second time the network has taken the old connection, unseen by nobody.
        let lost = round % 2 == 0;
        let old = worker;
        worker = match lost {
            true => {
                let credentials = old.credentials.clone();
                old.lose().await?;
                Worker::come(&engine, round, Some(&credentials)).await?
            }
            false => {
                stood += 1;
                let next = Worker::come(&engine, round, Some(&old.credentials)).await?;
                retired += usize::from(old.close_code().await? == NORMAL);
                next
            }
        };
        let answer = caller.call(FUNCTION, "null").await?;
        called += usize::from(answer == Answer::Result(round.to_string()));
        let (status, body) = get(engine.address, "/reattach").await?;
        requested += usize::from(status == 200 && body == round.to_string());
    }
    let calls = background.stop().await?;
    ledger.exactly("calls that the newest session answered", called, rounds);
    ledger.exactly("requests that it answered", requested, rounds);
    let what = "older sessions that stood and were closed 1000";
    ledger.exactly(what, retired, stood);
    let what = "calls meanwhile that were answered, with a result or an error";
    ledger.exactly(what, calls.answered, calls.begun);
    worker.lose().await?;
    caller.peer.close().await?;
    engine.end(ledger).await
}

/// What proves that a session was this worker's.
#[derive(Clone, Debug)]
struct Credentials {
    worker_id: String,
    token: String,
}

/// A session that answers with its number; its task gives the close code.
struct Worker {
    credentials: Credentials,
    serving: JoinHandle<u16>,
}

impl Worker {
    /// Connects, retires the session before, and registers.
    async fn come(engine: &Engine, number: usize, before: Option<&Credentials>) -> Outcome<Self> {
        let mut peer = Peer::connect(engine.address).await?;
        if let Some(Credentials { worker_id, token }) = before {
            let frame = format!(
                r#"{{"type":"reattach","previous_worker_id":"{worker_id}","reattach_token":"{token}"}}"#
            );
            peer.feed(frame).await?;
        }
        peer.register(FUNCTION).await?;
        let credentials = Credentials {
            worker_id: peer.worker_id.clone(),
            token: peer.reattach_token.clone(),
        };
        let serving = tokio::spawn(serve(peer, number.to_string()));
        Ok(Self {
            credentials,
            serving,
        })
    }

    /// Drops the connection.
    async fn lose(self) -> Outcome {
        self.serving.abort();
        let _ = self.serving.await;
        Ok(())
    }

    async fn close_code(self) -> Outcome<u16> {
        let ended = timeout(PATIENCE, self.serving).await;
        Ok(ended.or_silent("the end of the older session", PATIENCE)??)
    }
}

async fn serve(mut peer: Peer, number: String) -> u16 {
    loop {
        match peer.next().await {
            Incoming::Frame(frame) => {
                let id = Heard::read(&frame).ok().and_then(|it| it.invocation_id);
                let Some(id) = id else { continue };
                if peer.send(result(&id, &number)).await.is_err() {
                    return 0;
                }
            }
            Incoming::Closed(code) => {
                // The library answers it.
                let _ = peer.flush().await;
                return code;
            }
            Incoming::Broken => return 0,
        }
    }
}
