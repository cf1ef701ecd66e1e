//! Bodies: what is read of requests, what is sent in answers, and how much there may be of both.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::pace::Turn;

/// How many bytes may be held at once.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: Arc<Semaphore>,
    bytes_max: usize,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Part(OwnedSemaphorePermit);

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS);
        Self {
            left: Arc::new(Semaphore::new(bytes_max)),
            bytes_max,
        }
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Takes a part, if there is so much left. Nobody takes more than all there is.
    pub(super) fn take(&self, bytes: usize) -> Option<Part> {
        let bytes = u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.left).try_acquire_many_owned(bytes);
        permit.ok().map(Part)
    }

    /// Takes so much more that a part is for these bytes, or leaves it as it is.
    fn grow(&self, part: &mut Part, bytes: usize) -> bool {
        let more = bytes
            .min(self.bytes_max)
            .saturating_sub(part.0.num_permits());
        let taken = self.take(more);
        let grown = taken.is_some();
        if let Some(Part(permit)) = taken {
            part.0.merge(permit);
        }
        grown
    }
}

/// A body that has been read whole.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    _part: Part,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotRead {
    TooLarge,
    BudgetSpent,
    /// The peer has sent what is no body, or has left.
    Broken,
}

/// Reads a body whole. One that is announced as too large is not even begun.
pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(
    mut body: B,
    bytes_max: usize,
    budget: &Budget,
) -> Result<Whole, NotRead> {
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |bytes| bytes > bytes_max) {
        return Err(NotRead::TooLarge);
    }
    let mut part = budget.take(0).ok_or(NotRead::BudgetSpent)?;
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        // What is no data is a trailer, and those are not used.
        let Ok(data) = frame.map_err(|_| NotRead::Broken)?.into_data() else {
            continue;
        };
        let length = bytes.len() + data.len();
        if length > bytes_max {
            return Err(NotRead::TooLarge);
        }
        if !budget.grow(&mut part, length) {
            return Err(NotRead::BudgetSpent);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes, _part: part })
}

/// The body of an answer, and the turn that ends when it has been handed over.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Option<Bytes>,
    _turn: Turn,
}

impl Outgoing {
    /// Counts until its last byte has been handed to the system.
    pub(super) fn new(bytes: Vec<u8>, part: Option<Part>, turn: Turn) -> Self {
        let bytes = (!bytes.is_empty()).then(|| Bytes::from_owner(Counted { bytes, _part: part }));
        Self { bytes, _turn: turn }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

struct Counted {
    bytes: Vec<u8>,
    _part: Option<Part>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn bodies_count_together_until_they_are_dropped() {
        let budget = Budget::new(10);
        let body = |bytes: usize| Full::from("x".repeat(bytes));
        let first = read(body(6), 20, &budget).await.unwrap();
        assert_eq!(first.bytes, b"xxxxxx");
        let second = read(body(5), 20, &budget).await;
        assert_eq!(second.unwrap_err(), NotRead::BudgetSpent);
        read(body(4), 20, &budget).await.unwrap();
        drop(first);
        read(body(5), 20, &budget).await.unwrap();
        read(body(20), 20, &budget).await.unwrap();
        let larger = read(body(21), 20, &budget).await;
        assert_eq!(larger.unwrap_err(), NotRead::TooLarge);
        assert_eq!(budget.left.available_permits(), 10);
    }

    #[test]
    fn a_part_grows_and_is_given_back() {
        let budget = Budget::new(10);
        let mut part = budget.take(0).unwrap();
        assert!(budget.grow(&mut part, 6));
        assert!(budget.take(5).is_none());
        let other = budget.take(4).unwrap();
        assert!(!budget.grow(&mut part, 7));
        drop(other);
        assert!(budget.grow(&mut part, 1_000), "a single one finds room");
        assert!(budget.take(1).is_none());
        drop(part);
        assert_eq!(budget.left.available_permits(), 10);
    }
}
