//! The body of a request, which does not outlive it: an endpoint that answers and does not read
//! could otherwise hold the engine's memory for as long as it keeps its connection.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// What may outlive its request, besides what the system has taken to send.
const PIECE_BYTES: usize = 64 << 10;

/// Keeps a body for its request; what has not been sent goes with this.
pub(crate) struct Payload(Arc<Mutex<Option<String>>>);

impl Payload {
    /// A body as it is handed to a connection. A small one is handed over whole, and can be sent
    /// again if an endpoint says that it has not looked at it.
    pub(crate) fn new(text: String) -> (Self, reqwest::Body) {
        if text.len() <= PIECE_BYTES {
            return (Self(Arc::default()), text.into());
        }
        let bytes = text.len();
        let text = Arc::new(Mutex::new(Some(text)));
        let pieces = Pieces {
            text: Arc::clone(&text),
            bytes,
            sent: 0,
        };
        (Self(text), reqwest::Body::wrap(pieces))
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        lock(&self.0).take();
    }
}

fn lock(text: &Mutex<Option<String>>) -> MutexGuard<'_, Option<String>> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Pieces {
    text: Arc<Mutex<Option<String>>>,
    bytes: usize,
    sent: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the request has ended")]
struct Ended;

impl Body for Pieces {
    type Data = Bytes;
    type Error = Ended;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Ended>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let text = lock(&self.text);
        let rest = text.as_ref().and_then(|it| it.as_bytes().get(self.sent..));
        let piece =
            rest.map(|rest| Bytes::copy_from_slice(rest.get(..PIECE_BYTES).unwrap_or(rest)));
        drop(text);
        let piece = piece.ok_or(Ended);
        if let Ok(piece) = &piece {
            self.sent += piece.len();
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.sent >= self.bytes
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.bytes.saturating_sub(self.sent);
        SizeHint::with_exact(u64::try_from(rest).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_arrives_whole_and_is_gone_when_its_request_is() {
        for length in [
            0,
            1,
            PIECE_BYTES,
            PIECE_BYTES + 1,
            3 * PIECE_BYTES,
            5 * PIECE_BYTES - 1,
        ] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            let (payload, body) = Payload::new(text.clone());
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let whole = body.collect().await.unwrap().to_bytes();
            assert!(whole == text, "{length}");
            drop(payload);
        }
        let (payload, mut body) = Payload::new("x".repeat(2 * PIECE_BYTES));
        let text = Arc::clone(&payload.0);
        assert!(body.frame().await.unwrap().is_ok());
        drop(payload);
        assert_eq!(*lock(&text), None);
        assert!(body.frame().await.unwrap().is_err());
    }
}
