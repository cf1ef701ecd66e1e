//! The two ports, and either without the other.

use crate::{
    client::Client,
    http_client::{Http, get, serve},
};
use reference::{HttpBindError, Options, Server};

#[tokio::test]
async fn http_triggers_have_a_port_of_their_own_or_none() {
    let server = serve(Options::default()).await;
    let address = server.http_address().unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(server.http_url().unwrap(), format!("http://{address}"));
    assert_ne!(address, server.address());
    let mut client = Http::connect(&server).await;
    assert_eq!(client.ask(get("/")).await.status, 404);
    let none = Options {
        http: None,
        ..Options::default()
    };
    let without = serve(none).await;
    assert_eq!((without.http_address(), without.http_url()), (None, None));
    Client::connect(&without.url()).await.fence().await;
    let taken = Options {
        http: Some(address),
        ..Options::default()
    };
    let error = Server::bind("127.0.0.1:0", taken).await.unwrap_err();
    let inner = error
        .get_ref()
        .and_then(|it| it.downcast_ref::<HttpBindError>());
    assert_eq!(inner.unwrap().address, address);
    let start = format!("cannot serve http triggers on {address}: ");
    assert!(error.to_string().starts_with(&start), "{error}");
}
