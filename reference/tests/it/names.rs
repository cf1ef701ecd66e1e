//! Names of endpoints: looked up for each new connection, and the address decides (D-28).

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use reference::{Limits, Options, Resolver, Server};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    time::timeout,
};

use crate::{
    client::Client,
    endpoints::{call, options, with_function},
};

/// No test takes so long.
const LONG: Duration = Duration::from_secs(600);

/// Counts the look-ups, and answers with what it is made of.
struct Names<F> {
    asked: watch::Sender<usize>,
    answer: F,
}

impl<F: Fn(&str, usize) -> io::Result<Vec<IpAddr>> + Send + Sync> Resolver for Names<F> {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut asked_before = 0;
        self.asked.send_modify(|asked| {
            asked_before = *asked;
            *asked += 1;
        });
        (self.answer)(name, asked_before)
    }
}

/// A server that resolves names like this, and how many it was asked for.
async fn server<F>(answer: F) -> (Server, watch::Receiver<usize>)
where
    F: Fn(&str, usize) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
{
    let (asked, count) = watch::channel(0);
    let options = Options {
        resolver: Box::new(Names { asked, answer }),
        limits: Limits {
            lookup_time_max: LONG,
            ..Limits::default()
        },
        ..options()
    };
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    (server, count)
}

fn addresses(texts: &[&str]) -> io::Result<Vec<IpAddr>> {
    Ok(texts.iter().map(|text| text.parse().unwrap()).collect())
}

/// The port of an endpoint on this machine that takes a new connection for each request.
async fn endpoint() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = tcp.read(&mut request).await;
            let answer =
                b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n\"seen\"";
            let _ = tcp.write_all(answer).await;
        }
    });
    port
}

fn message(answer: &Value) -> &str {
    assert_eq!(answer["error"]["code"], "http_request_failed", "{answer}");
    answer["error"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_name_that_moves_to_a_forbidden_address_is_no_longer_called() {
    let port = endpoint().await;
    let (server, asked) = server(|name, asked_before| {
        assert_eq!(name, "api.test");
        match asked_before {
            0 => addresses(&["127.0.0.1"]),
            1 => addresses(&["169.254.169.254", "::ffff:169.254.169.254"]),
            _ => addresses(&["169.254.169.254", "127.0.0.1"]),
        }
    })
    .await;
    let url = format!("http://API.test:{port}/");
    let mut client = with_function(&server, json!({"url": url})).await;
    assert_eq!(call(&mut client, "1").await["result"], "seen");
    assert_eq!(
        message(&call(&mut client, "1").await),
        "The request to the endpoint of function 'f' failed: \
         the address is not one that may be called"
    );
    assert_eq!(call(&mut client, "1").await["result"], "seen");
    assert_eq!(*asked.borrow(), 3);
}

#[tokio::test]
async fn a_name_without_an_address_is_named_as_that() {
    let (server, _) = server(|_, asked_before| match asked_before {
        0 => Err(io::Error::other("no such name")),
        _ => addresses(&[]),
    })
    .await;
    let mut client = with_function(&server, json!({"url": "http://api.test/"})).await;
    for problem in ["no such name", "the name has no address"] {
        let failed = call(&mut client, "1").await;
        assert!(message(&failed).ends_with(problem), "{failed}");
    }
}

/// Opens when it is dropped, also by a test that fails.
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Gate {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

#[tokio::test]
async fn a_thousand_calls_to_names_that_hang_do_not_keep_another_call_from_its_answer() {
    let port = endpoint().await;
    let gate = Gate(Arc::default());
    let hanging = Arc::clone(&gate.0);
    let (server, mut asked) = server(move |name, _| {
        if name.starts_with("hanging") {
            let closed = hanging.0.lock().unwrap();
            drop(hanging.1.wait_while(closed, |open| !*open).unwrap());
            return Err(io::Error::other("no such name"));
        }
        addresses(&["127.0.0.1"])
    })
    .await;
    let url = format!("http://alive.test:{port}/");
    let mut worker = with_function(&server, json!({"url": url})).await;
    for index in 0..1_000 {
        let url = format!("http://hanging-{index}.test:{port}/");
        let id = format!("hanging-{index}");
        let invocation = json!({"url": url, "timeout_ms": LONG.as_millis() as u64});
        let frame = json!({"type": "registerfunction", "id": id, "invocation": invocation});
        worker.send(&frame.to_string()).await;
    }
    worker.fence().await;
    let mut callers = Vec::new();
    for caller in 0..4 {
        let mut client = Client::connect(&server.url()).await;
        for index in 0..250 {
            let function = format!("hanging-{}", caller * 250 + index);
            let frame = json!({"type": "invokefunction", "invocation_id": function,
                "function_id": function, "data": 1});
            client.send(&frame.to_string()).await;
        }
        client.fence().await;
        callers.push(client);
    }
    // So many names are looked up for a session at once; the other calls wait for their turn.
    let begun = asked.wait_for(|asked| *asked == 4 * 16);
    timeout(Duration::from_secs(20), begun)
        .await
        .expect("the look-ups begin")
        .unwrap();
    assert_eq!(call(&mut worker, "1").await["result"], "seen");
    drop(gate);
    for client in &mut callers {
        for _ in 0..250 {
            message(&client.frame().await);
        }
    }
}
