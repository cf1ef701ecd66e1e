//! The engine's own ports over TLS (D-31): what is said over them is what is said without.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use reference::{Limits, Options, Server, Tls};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, SupportedProtocolVersion,
        pki_types::ServerName,
        version::{TLS12, TLS13},
    },
};
use tokio_tungstenite::{client_async, tungstenite::Message};

use crate::{
    client::Client,
    http_client::{Http, PATIENCE, get},
    tls::Authority,
    tls_flags::Files,
};

pub(crate) type Secure = TlsStream<TcpStream>;

/// A server over TLS, and what its clients know.
pub(crate) struct Secured {
    pub(crate) server: Server,
    authority: Authority,
    _files: Files,
}

impl Secured {
    pub(crate) async fn serve(name: &str, options: Options) -> Self {
        let (authority, files) = (Authority::new(), Files::new(name));
        let (certificate, key) = authority.issue();
        let certificate = files.write("cert.pem", &certificate);
        let key = files.write("key.pem", &key);
        let tls = Tls::read(certificate.as_ref(), key.as_ref()).unwrap();
        let options = Options {
            tls: Some(tls),
            ..options
        };
        let server = Server::bind("127.0.0.1:0", options).await.unwrap();
        Self {
            server,
            authority,
            _files: files,
        }
    }

    fn client_config(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(self.authority.roots())
            .with_no_client_auth()
    }

    /// The port of workers, over TLS.
    pub(crate) async fn tls(&self, version: &'static SupportedProtocolVersion) -> Secure {
        let tcp = TcpStream::connect(self.server.address()).await.unwrap();
        secure(tcp, self.client_config(version)).await.unwrap()
    }

    pub(crate) async fn worker(&self) -> Client<Secure> {
        self.worker_by(&TLS13).await
    }

    pub(crate) async fn worker_by(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> Client<Secure> {
        let url = self.server.url();
        assert!(url.starts_with("wss://127.0.0.1:"), "{url}");
        let (socket, _) = client_async(url, self.tls(version).await).await.unwrap();
        let mut client = Client { socket };
        assert_eq!(client.frame().await["type"], "workerregistered");
        client
    }

    /// The port of http triggers, over TLS.
    pub(crate) async fn http(&self) -> Http<Secure> {
        let url = self.server.http_url().unwrap();
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
        let address = self.server.http_address().unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut config = self.client_config(&TLS13);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tls = secure(tcp, config).await.unwrap();
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        Http::over(tls)
    }
}

pub(crate) async fn secure(tcp: TcpStream, config: ClientConfig) -> std::io::Result<Secure> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    timeout(PATIENCE, connector.connect(name, tcp))
        .await
        .expect("patience")
}

/// That the connection ends, and not without a word of TLS's own.
pub(crate) async fn assert_ends_well(tls: &mut Secure) {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, tls.read_to_end(&mut rest)).await;
    // Without a close_notify it would be an error.
    assert_eq!(read.expect("patience").unwrap(), 0);
}

/// Everything that comes until the connection ends, however it does.
pub(crate) async fn rest(tcp: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, tcp.read_to_end(&mut rest)).await;
    let _ = read.expect("patience");
    rest
}

#[tokio::test]
async fn workers_register_call_and_are_called_over_either_version_of_tls() {
    let secured = Secured::serve("versions", Options::default()).await;
    for version in [&TLS12, &TLS13] {
        let mut worker = secured.worker_by(version).await;
        let mut caller = secured.worker_by(version).await;
        worker.register("f").await;
        let serving = async {
            let call = worker.served().await;
            worker.answer(&call, call["data"].clone()).await;
        };
        let (answer, ()) = tokio::join!(caller.call("f", json!({"a": 1})), serving);
        assert_eq!(answer["result"], json!({"a": 1}));
        worker.close(1000).await;
        assert_eq!(worker.close_code().await, 1000);
        assert_ends_well(worker.socket.get_mut()).await;
        let gone = caller.call("f", json!(1)).await;
        assert_eq!(gone["error"]["code"], "function_not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_payloads_go_both_ways_though_the_worker_writes_before_it_reads() {
    let secured = Secured::serve("large", Options::default()).await;
    let (mut worker, mut caller) = (secured.worker().await, secured.worker_by(&TLS12).await);
    worker.register("echo").await;
    // More than the buffers between the two take.
    let (calls, payload) = (24, "x".repeat(1 << 20));
    for index in 0..calls {
        let frame = json!({
            "type": "invokefunction", "invocation_id": index.to_string(),
            "function_id": "echo", "data": payload,
        });
        caller.send(&frame.to_string()).await;
    }
    caller.fence().await;
    let working = async {
        for _ in 0..calls {
            let call = worker.served().await;
            worker.answer(&call, call["data"].clone()).await;
        }
    };
    let calling = async {
        for _ in 0..calls {
            assert_eq!(caller.frame().await["result"], payload);
        }
    };
    tokio::join!(working, calling);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_frames_of_all_sizes_come_in_their_order() {
    let secured = Secured::serve("order", Options::default()).await;
    let (mut worker, mut caller) = (secured.worker().await, secured.worker().await);
    worker.register("f").await;
    let sizes = [0, 1, 4_000, 4_096, 9_000, 16_384, 70_000, 300_000];
    let data = |index: usize| {
        let letter = char::from(b'a' + u8::try_from(index % 26).unwrap());
        let size = sizes[index % sizes.len()];
        std::iter::repeat_n(letter, size).collect::<String>()
    };
    let calling = async {
        for index in 0..400 {
            let frame = json!({"type": "invokefunction", "function_id": "f", "data": data(index)});
            caller.send(&frame.to_string()).await;
        }
    };
    let serving = async {
        for index in 0..400 {
            assert!(worker.served().await["data"] == data(index), "{index}");
        }
    };
    tokio::join!(calling, serving);
}

#[tokio::test]
async fn keys_may_be_changed_while_frames_go_back_and_forth() {
    let secured = Secured::serve("keys", Options::default()).await;
    let mut client = secured.worker().await;
    for _ in 0..5 {
        let session = client.socket.get_mut().get_mut().1;
        session.refresh_traffic_keys().unwrap();
        client.fence().await;
    }
}

#[tokio::test]
async fn a_session_that_does_not_read_is_closed_1013_and_its_callers_are_told() {
    let limits = Limits {
        outbox_bytes_max: 100_000,
        // It is to come to itself in time.
        close_time_max: PATIENCE,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let secured = Secured::serve("deaf", options).await;
    let (mut deaf, mut caller) = (secured.worker().await, secured.worker().await);
    deaf.register("f").await;
    let frame = json!({
        "type": "invokefunction", "invocation_id": "i", "function_id": "f",
        "data": "x".repeat(50_000),
    });
    let call = frame.to_string();
    let mut calls = 0;
    let code = loop {
        assert!(calls < 2_000, "the outbox has no bound");
        caller.send(&call).await;
        calls += 1;
        caller.send(r#"{"type":"ping"}"#).await;
        let answer = caller.frame().await;
        if answer["type"] != "pong" {
            break answer["error"]["code"].clone();
        }
    };
    assert_eq!(code, "invocation_stopped");
    assert_eq!(deaf.close_code().await, 1013);
}

#[tokio::test]
async fn a_session_that_takes_nothing_for_too_long_is_given_up() {
    let limits = Limits {
        stall_time_max: Duration::from_millis(300),
        close_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let secured = Secured::serve("stalled", options).await;
    let (mut deaf, mut caller) = (secured.worker().await, secured.worker().await);
    deaf.register("f").await;
    // More than lies between the engine and a peer that has stopped reading, and less than may
    // wait.
    let payload = "x".repeat(14 << 20);
    for id in 0..3 {
        let frame = json!({
            "type": "invokefunction", "invocation_id": id.to_string(), "function_id": "f",
            "data": payload,
        });
        caller.send(&frame.to_string()).await;
    }
    let answer = caller.frame().await;
    assert_eq!(answer["error"]["code"], "invocation_stopped");
}

#[tokio::test]
async fn shutting_down_closes_sessions_1012_over_tls_too() {
    let secured = Secured::serve("shutdown", Options::default()).await;
    let mut worker = secured.worker().await;
    let mut idle = secured.http().await;
    assert_eq!(idle.ask(get("/healthz")).await.text(), "ok\n");
    let (code, ()) = tokio::join!(
        async {
            let code = worker.close_code().await;
            assert_ends_well(worker.socket.get_mut()).await;
            assert_ends_well(&mut idle.tcp).await;
            code
        },
        secured.server.shutdown(),
    );
    assert_eq!(code, 1012);
}

#[tokio::test]
async fn a_peer_that_breaks_tls_ends_its_session_and_no_other() {
    let secured = Secured::serve("broken", Options::default()).await;
    let (mut broken, mut other) = (secured.worker().await, secured.worker().await);
    broken.register("f").await;
    let tcp = broken.socket.get_mut().get_mut().0;
    tcp.write_all(b"\x17\x03\x03\x00\x14this is not sealed..")
        .await
        .unwrap();
    let told = timeout(PATIENCE, broken.socket.next()).await;
    let alert = told.expect("patience").unwrap().unwrap_err();
    assert!(alert.to_string().contains("BadRecordMac"), "{alert}");
    let mut answer = other.call("f", json!(1)).await;
    // The session may end a moment after the connection.
    while answer["error"]["code"] == "invocation_stopped" {
        answer = other.call("f", json!(1)).await;
    }
    assert_eq!(answer["error"]["code"], "function_not_found");
}

#[tokio::test]
async fn telemetry_is_swallowed_over_tls_too() {
    let secured = Secured::serve("telemetry", Options::default()).await;
    let url = format!("{}/otel", secured.server.url());
    let tls = secured.tls(&TLS13).await;
    let (socket, _) = client_async(url, tls).await.unwrap();
    let mut telemetry = Client { socket };
    let message = Message::binary(vec![0; 100_000]);
    telemetry.socket.send(message).await.unwrap();
    telemetry.close(1000).await;
    assert_eq!(telemetry.close_code().await, 1000);
    assert_ends_well(telemetry.socket.get_mut()).await;
}
