//! Recording what an engine says that never stops.

use tokio::{io::AsyncReadExt, runtime::Handle};

use super::{
    Ended,
    server::{Manner, engine},
    watched_with,
};
use crate::targets::Folder;

/// Records a client that reads so many bytes, and leaves without a word.
async fn recorded(manner: Manner, bytes: usize) -> Ended {
    let folder = Folder::new();
    let (url, runtime) = (engine(manner).await, Handle::current());
    let path = folder.path("recorded.json");
    let arguments = ["record", "--url", &url, "--output", &path].map(str::to_owned);
    let connect = move |line: &str| {
        let (_, address) = line.split_once("connect to ").unwrap();
        let address = address.split(' ').next().unwrap().to_owned();
        runtime.spawn(leave(address, bytes));
    };
    tokio::task::spawn_blocking(move || watched_with(&arguments, connect))
        .await
        .unwrap()
}

async fn leave(url: String, bytes: usize) {
    let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let (mut tcp, mut left) = (socket.into_inner(), bytes);
    let mut read = vec![0; 64 << 10];
    while left > 0 {
        left = left.saturating_sub(tcp.read(&mut read).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_has_an_end_and_says_so() {
    for manner in [Manner::EndlessFrames, Manner::DenseFrames(100 << 10)] {
        let Ended { code, out, err } = recorded(manner, 24 << 20).await;
        assert_eq!(code, Some(0), "{manner:?}: {out}{err}");
        let told = "warning: more was said than a case can be made of (32 MiB, ";
        assert!(err.starts_with(told), "{manner:?}: {err}");
        assert!(out.contains("\nsaved: "), "{manner:?}: {out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_on_without_its_client_is_not_waited_for() {
    let ended = recorded(Manner::StopsReading, 0).await;
    // Whether something was said before is the engine's affair.
    assert!(
        matches!(ended.code, Some(0 | 4)),
        "{}{}",
        ended.out,
        ended.err
    );
    let ended = recorded(Manner::HugeFrame, 24 << 20).await;
    assert!(
        matches!(ended.code, Some(0 | 4)),
        "{}{}",
        ended.out,
        ended.err
    );
}
