//! Many sessions that do nothing.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{LoadError, peer::Peer};

/// How many sessions are being opened at once.
const AT_ONCE: usize = 64;

/// Sessions that only answer pings, until it is dropped.
#[derive(Debug)]
pub struct Crowd(JoinSet<()>);

impl Crowd {
    /// Connects so many, and has each answered once.
    ///
    /// # Errors
    ///
    /// When one of them is not to be had. Each takes a file descriptor on either side.
    pub async fn open(
        url: &str,
        hello: bool,
        sessions: usize,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let mut waiting = JoinSet::new();
        let mut opening = JoinSet::new();
        for number in 0..sessions + AT_ONCE {
            if number < sessions {
                let url = url.to_owned();
                opening.spawn(async move {
                    let mut peer = Peer::connect(&url, hello, patience).await?;
                    peer.fence().await?;
                    Ok(peer)
                });
            }
            if number < AT_ONCE {
                continue;
            }
            let Some(Ok(opened)) = opening.join_next().await else {
                break;
            };
            let mut peer: Peer = opened?;
            waiting.spawn(async move { while peer.next().await.is_ok() {} });
        }
        Ok(Self(waiting))
    }

    /// How many sessions the engine has not ended.
    pub fn present(&mut self) -> usize {
        while self.0.try_join_next().is_some() {}
        self.0.len()
    }
}
