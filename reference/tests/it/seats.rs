//! How many workers there may be (D-28).

use std::time::Duration;

use reference::{Limits, Options, Server};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Error};

use crate::client::Client;

const PATIENCE: Duration = Duration::from_secs(20);

/// Status and text of the refusal of one more worker, if it is refused.
async fn refusal(server: &Server) -> Option<(u16, String)> {
    match connect_async(server.url()).await {
        Ok(_) => None,
        Err(Error::Http(response)) => {
            let status = response.status().as_u16();
            let text = response.into_body().unwrap_or_default();
            Some((status, String::from_utf8(text).unwrap()))
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn one_worker_more_than_may_be_is_refused_until_one_has_left() {
    let options = Options {
        limits: Limits {
            sessions_max: 2,
            ..Limits::default()
        },
        ..Options::default()
    };
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    let mut first = Client::connect(&server.url()).await;
    let telemetry = Client::connect_silently(&format!("{}/otel", server.url())).await;
    let (status, text) = refusal(&server).await.unwrap();
    assert_eq!(status, 503);
    assert!(text.contains("--sessions-max"), "{text}");
    // Those who are there are none the worse for it.
    first.fence().await;
    drop(telemetry);
    let until_it_has_left = async { while refusal(&server).await.is_some() {} };
    timeout(PATIENCE, until_it_has_left).await.unwrap();
    first.fence().await;
}
